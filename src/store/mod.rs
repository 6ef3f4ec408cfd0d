//! The store: what lasts when the cockpit is closed, and what several cockpits share.
//!
//! A store is a folder. `journal.db` holds the acts: every entry is on the disk before [`Store::append`] returns, none is ever changed
//! or removed, and each carries the hash of the one before it. `history.db` holds what was seen: the newest [`Reading`] parts, event
//! counts in [`Bucket`]s, counters as they stood last, episodes, and the lease. They are two files so that the bulk of the second
//! never holds the lock that an act needs.
//!
//! What a step of a runbook writes lies in a file of its own in the folder `runs`: too much for a journal, and read while it grows.
//!
//! One cockpit at a time holds the lease, polls, and writes the history; every such write names the lease's epoch, so that a holder
//! who slept and comes back late writes nothing. The others read what it wrote, and see it within milliseconds: each commit touches its
//! database file, and [`changes`] watches for that.
//!
//! Everything here blocks and is called from a thread that may. No clock is read: `now` is always a parameter. Nothing here asks a
//! backend or decides what a figure means.
//!
//! [`Reading`]: crate::domain::Reading

mod compact;
mod episodes;
mod error;
mod head;
mod journal;
mod latencies;
mod lease;
mod ledger;
mod modes;
mod open;
mod place;
mod queues;
mod readings;
mod schema;
mod spool;
mod verify;
mod watch;

pub use error::{JournalError, StoreError};
pub use lease::{Holder, Lease};
pub use ledger::{Bucket, LastCounters};
pub use modes::{check_modes, init_shared};
pub use open::Store;
pub use place::default_folder;
pub use spool::{HEAD as OUTPUT_HEAD, Spool, Spooled, TAIL as OUTPUT_TAIL};
pub use verify::{Head, Verified};
pub use watch::{ChangeWatch, Changed, changes};
