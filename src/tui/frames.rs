//! Frames: what the terminal shows, what it is to show, and the bytes between.

use chrono::{DateTime, Utc};
use ratatui::{buffer::Buffer, style::Modifier};

use super::{encode::Encoder, links::Linked, state::Ui, view};

/// The last frame, the next one, and what the terminal is set to.
#[derive(Debug, Default)]
pub struct Frames {
    encoder: Encoder,
    shown: Buffer,
    next: Buffer,
    linked: Vec<Linked>,
}

impl Frames {
    /// Append what clears the terminal to `out`; the next frame is drawn from nothing.
    pub fn begin(&mut self, ui: &Ui, out: &mut Vec<u8>) {
        self.encoder.begin(out);
        self.shown = Buffer::empty(ui.area);
        self.linked.clear();
    }

    /// Append to `out` what makes the terminal show `ui` as of `now`. Returns how many lines of what is open lie below its pane.
    pub fn draw(&mut self, ui: &Ui, now: DateTime<Utc>, out: &mut Vec<u8>) -> u16 {
        self.next.resize(ui.area);
        let mut links = Vec::new();
        let below = view::draw(&mut self.next, &mut links, ui, now);
        if !ui.settings.links {
            links.clear();
        }
        self.forget_other_links(&links);
        self.encoder.frame(&self.shown, &self.next, &links, out);
        std::mem::swap(&mut self.shown, &mut self.next);
        self.linked = links;
        below
    }

    /// Cells that lead elsewhere than before must be written again, even where they look the same.
    fn forget_other_links(&mut self, links: &[Linked]) {
        let gone = self.linked.iter().filter(|l| !links.contains(l));
        let new = links.iter().filter(|l| !self.linked.contains(l));
        for link in gone.chain(new) {
            for x in link.x..link.x.saturating_add(link.width) {
                if let Some(cell) = self.shown.cell_mut((x, link.y)) {
                    cell.modifier.toggle(Modifier::HIDDEN);
                }
            }
        }
    }
}
