//! Frames: what the terminal shows, what it is to show, and the bytes between.

use chrono::{DateTime, Utc};
use ratatui::buffer::Buffer;

use super::{encode::Encoder, state::Ui, view};

/// The last frame, the next one, and what the terminal is set to.
#[derive(Debug, Default)]
pub struct Frames {
    encoder: Encoder,
    shown: Buffer,
    next: Buffer,
}

impl Frames {
    /// Append what clears the terminal to `out`; the next frame is drawn from nothing.
    pub fn begin(&mut self, ui: &Ui, out: &mut Vec<u8>) {
        self.encoder.begin(out);
        self.shown = Buffer::empty(ui.area);
    }

    /// Append to `out` what makes the terminal show `ui` as of `now`. Returns how many lines of what is open lie below its pane.
    pub fn draw(&mut self, ui: &Ui, now: DateTime<Utc>, out: &mut Vec<u8>) -> u16 {
        self.next.resize(ui.area);
        let below = view::draw(&mut self.next, ui, now);
        self.encoder.frame(&self.shown, &self.next, out);
        std::mem::swap(&mut self.shown, &mut self.next);
        below
    }
}
