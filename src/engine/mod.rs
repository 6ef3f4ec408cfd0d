//! Keeps time: polls, folds, performs.
//!
//! [`schedule`] says what to ask, pollers ask, the `ledger` turns counters into counts, [`fold`] makes the next snapshot, `perform`
//! journals and acts. `fold`, `schedule` and the ledger are pure; the actor in `engine` is where they meet time. Of all cockpits on
//! one store one holds the lease and polls; the others fold the same readings.

mod chronicle;
mod clock;
#[allow(clippy::module_inception)]
mod engine;
#[cfg(test)]
mod fixture;
mod fold;
mod latencies;
mod ledger;
mod librarian;
mod perform;
mod poller;
mod runner;
mod schedule;
mod tally;

pub use chronicle::look_up;
pub use clock::Clock;
pub use engine::{Opened, Running, Setup, act_once, catch_up, look_after, once, recall, run_once, start, with_latencies};
pub use fold::fold;
pub use ledger::{Growth, Ledger, counted, past};
pub use librarian::Librarian;
pub use perform::{Acting, Chore, Missing, Refusal, RotationRefusal, RunTrouble, act_id, chores, look_after_runs};
pub use poller::{Polled, Poller, backoff, poll_once, random_bits};
pub use runner::{caution, run_step};
pub use schedule::{Answered, Interest, schedule};
pub use tally::Tally;
