//! burnwatch: a reliability cockpit for the terminal.
//!
//! The rooms, from the ground up; an import points down, never up and never between the wings (`tests/layers.rs` proves it):
//!
//! | floor | room | what it is |
//! | --- | --- | --- |
//! | 5 | [`cli`] | words in, exit code out; joins the wings below |
//! | 4 | [`engine`] | keeps time: polls, folds, performs |
//! | 3 | [`sources`] | one file a backend |
//! | 3 | [`tui`] | the screen |
//! | 2 | [`config`] | places in files: every mistake at its line |
//! | 2 | [`store`] | what lasts: the journal of acts, the history of what was seen, the lease |
//! | 2 | [`fleet`] | the practice shop: six services that run on loopback and misbehave on cue |
//! | 1 | [`domain`] | nouns and arithmetic: no clock, no I/O |
//!
//! Data goes one way: a poll brings a reading, the reading is folded into a snapshot, the snapshot is drawn. Wishes go the other way: a
//! key becomes a request, the request is journalled, performed, and journalled again, and its entry comes back in the next snapshot.

pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod fleet;
pub mod sources;
pub mod store;
pub mod tui;
