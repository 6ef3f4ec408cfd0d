//! burnwatch: a reliability cockpit for the terminal.
//!
//! The rooms, from the ground up; an import points down, never up and never between the wings (`tests/layers.rs` proves it):
//!
//! | floor | room | what it is |
//! | --- | --- | --- |
//! | 1 | [`domain`] | nouns and arithmetic: no clock, no I/O |

pub mod domain;
pub mod tui;
