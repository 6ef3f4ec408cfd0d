//! The screen without a terminal: snapshots and the bytes of keys go in, the bytes for a terminal come out.
//!
//! The loop without its waiting: what reads keys, follows them, draws and encodes is the same. It is how the screen is measured.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ratatui::layout::Rect;

use super::{
    Settings,
    frames::Frames,
    input::{Input, Parser},
    state::Ui,
    update::update,
};
use crate::domain::{Request, Snapshot};

/// A screen that nobody sees.
#[derive(Debug)]
pub struct Offscreen {
    ui: Ui,
    keys: Parser,
    frames: Frames,
}

impl Offscreen {
    /// A screen of so many columns and rows.
    pub fn new(settings: Settings, snapshot: Arc<Snapshot>, (columns, rows): (u16, u16), now: DateTime<Utc>) -> Self {
        let ui = Ui::new(settings, snapshot, Rect::new(0, 0, columns, rows), now);
        let mut frames = Frames::default();
        frames.begin(&ui, &mut Vec::new());
        Self { ui, keys: Parser::default(), frames }
    }

    /// A new snapshot has come.
    pub fn take(&mut self, snapshot: Arc<Snapshot>, now: DateTime<Utc>) {
        self.ui.take(snapshot, now);
    }

    /// These bytes were typed. Returns what they ask of the engine. Keys that leave, suspend or draw anew are the terminal's and do
    /// nothing.
    pub fn type_keys(&mut self, bytes: &[u8], now: DateTime<Utc>) -> Vec<Request> {
        let mut requests = Vec::new();
        for input in self.keys.take(bytes) {
            let Input::Key(chord) = input else { continue };
            let action = self.ui.keymap.lookup_in(&self.ui, chord);
            requests.extend(action.map(|a| update(&mut self.ui, &a, now)).unwrap_or_default());
        }
        requests
    }

    /// The bytes that bring a terminal from the last frame to this one.
    pub fn draw(&mut self, now: DateTime<Utc>) -> Vec<u8> {
        let mut out = Vec::new();
        let below = self.frames.draw(&self.ui, now, &mut out);
        self.ui.after_draw(below, now);
        out
    }
}
