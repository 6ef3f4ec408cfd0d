//! burnwatch: a reliability cockpit for the terminal.
//!
//! The rooms, from the ground up; an import points down, never up and never between the wings (`tests/layers.rs` proves it):
//!
//! | floor | room | what it is |
//! | --- | --- | --- |
//! | 3 | [`sources`] | the backends: one file each, behind two small traits |
//! | 1 | [`domain`] | nouns and arithmetic: no clock, no I/O |
//!
//! Data goes one way: a poll brings a reading, the reading is folded into a snapshot, the snapshot is drawn. Wishes go the other way: a
//! key becomes a request, the request is journalled, performed, and journalled again, and its entry comes back in the next snapshot.

pub mod cli;
pub mod config;
pub mod domain;
pub mod tui;
