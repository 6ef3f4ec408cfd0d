//! Steps of runbooks as they really run: in processes of their own, told what they need and nothing else, started once and ended for sure.
//!
//! The program is the real one. What a step did is read off files that it wrote and off the journal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

#[path = "runs/home.rs"]
mod home;
#[path = "runs/hostile.rs"]
mod hostile;
#[path = "runs/killed.rs"]
mod killed;
#[path = "runs/lost.rs"]
mod lost;
#[path = "runs/once.rs"]
mod once;
#[path = "runs/told.rs"]
mod told;
