//! The screen. It is given snapshots and sends requests; it knows no engine, no source and no store.
//!
//! ```text
//! bytes --input--> Chord --keymap--> Action --update--> Ui + Requests
//! Snapshot ------------------------- Ui::take -------> Ui
//! Ui + now --view::draw--> cells --encode--> bytes --writer--> terminal
//! ```
//!
//! [`app`](self) holds the loop; `terminal` takes the terminal and always gives it back; `view` is a pure function of the state
//! and the time.

use std::{collections::BTreeMap, sync::Arc};

use chrono_tz::Tz;

use crate::domain::{Person, Request, Service, Silencing, Snapshot, Text};

mod action;
mod answers;
mod app;
mod asking;
mod deeds;
mod draft;
mod encode;
mod filter;
#[cfg(test)]
pub(crate) mod fixture;
mod frames;
mod glyphs;
mod handing;
mod happenings;
mod input;
mod keymap;
mod layout;
mod links;
mod list;
mod offscreen;
#[cfg(test)]
mod pty_tests;
#[cfg(test)]
mod queue_tests;
mod queues;
mod receipts;
#[cfg(test)]
mod runbook_tests;
mod runbooks;
#[cfg(test)]
mod silence_tests;
mod state;
mod terminal;
mod theme;
mod update;
mod view;
mod widgets;
mod writer;

pub use app::run;
pub use glyphs::Glyphs;
pub use links::of_environment as knows_links;
pub use offscreen::Offscreen;
pub use terminal::TerminalError;
pub use theme::{Depth, Role, Theme, ThemeError};
pub use widgets::figures;

/// What the screen needs of the rest of the program.
#[derive(Debug)]
pub struct Session {
    /// What is known; the newest wins.
    pub snapshots: tokio::sync::watch::Receiver<Arc<Snapshot>>,
    /// What is wanted.
    pub requests: tokio::sync::mpsc::UnboundedSender<Request>,
    /// What stays as it is.
    pub settings: Settings,
}

/// What stays as it is while the screen is shown.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this cockpit is called.
    pub name: Text,
    /// In which zone times of day are shown.
    pub time_zone: Tz,
    /// Colours, and how many.
    pub theme: Theme,
    /// Which characters the terminal can show.
    pub glyphs: Glyphs,
    /// Who acts, where the operating system can tell.
    pub me: Text,
    /// Whether acting is switched off.
    pub read_only: bool,
    /// Whether every byte counts: the clock by the minute, ages in steps.
    pub low_bandwidth: bool,
    /// The command by which another cockpit joins, where that is worth a line.
    pub footer_hint: Option<Text>,
    /// The name proposed when the operating system cannot tell who acts; `None` where it can, and nobody is asked.
    pub ask_name: Option<Text>,
    /// Whether the terminal is likely to know links (OSC 8).
    pub links: bool,
    /// Those whom an incident can be handed to, and whose local time is told.
    pub people: Vec<Person>,
    /// What is said of services: owner, tier, rotation.
    pub services: BTreeMap<Text, Service>,
    /// How acknowledgements are kept in Alertmanagers; said in the prompt.
    pub silencing: Silencing,
}

/// How the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A person left.
    Quit,
    /// A signal, by number.
    Signal(i32),
    /// The terminal is gone.
    HangUp,
}
