//! One step of a runbook in a process of its own.
//!
//! A step must not end because somebody's line dropped, and must not run twice because somebody's cockpit did. So it is not the cockpit
//! that runs it: whoever starts a step writes its key into the journal, hands a [`Job`] to this program started anew (`launch`), and from
//! there on the step and the cockpit have nothing to do with each other but the journal. The runner leads a session of its own, is
//! the one to whom orphans of the step fall, says in the journal that it is there (and runs nothing if somebody gave the step up
//! meanwhile), runs it, puts what it writes into a bounded file, ends it when its time is up or somebody wants that, sweeps up what it
//! left, and writes down how it ended. A runner that dies leaves an attempt without an end, which others then call unknown.
//!
//! The command is one argument of the shell, the same bytes that were shown and hashed; what is known of the incident is in
//! environment variables ([`crate::domain::variables`]), never in the command. There is nothing on standard input, and no descriptor is handed down.

mod job;
pub mod process;
mod session;
mod variables;
mod work;

pub use job::{Job, Task, launch};
pub use variables::PASSED_ON;
pub use work::run_step;

/// What to say before a step that would end when its user logs out; `None` if it would not.
pub fn caution() -> Option<&'static str> {
    (session::ends_with_session() && !session::has_a_way_out()).then_some(session::CAUTION)
}

/// The word by which this program starts itself as a runner.
pub const WORD: &str = "__run-step";
