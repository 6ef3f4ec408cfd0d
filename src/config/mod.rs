//! The config file: found, read, and every mistake in it told at once, each at its place.
//!
//! [`find`] says which file it is, [`load`] reads it. The text becomes a tree whose keys and values know where they stand; a
//! [`Section`] reads one table of it and remembers which keys were asked for, so that nothing is ignored: a key that nobody asked for
//! is a mistake, with the word that was probably meant. The model (`[cockpit]`, `[store]`, `[[person]]`, `[[service]]`, `[[rotation]]`,
//! `[[slo]]`) is read here; a `[[source]]` row is handed unread to whoever knows its kind. [`Problem`]s gather along the way and come back together.
//!
//! Two things never happen: a [`Secret`] is never printed (nor the part of a line that may hold one), and a file that somebody else
//! could have written is never obeyed.

mod backend;
mod context;
mod document;
mod group;
mod load;
mod mask;
mod model;
mod ownership;
mod people;
mod problem;
mod queue;
mod redis;
mod rotation;
mod runbook;
mod secret;
mod section;
mod slo;
mod syntax;
mod trust;
mod values;

pub use backend::{ClientIdentity, ClientSettings, Credentials, HttpSettings, SourceCommon, Target, read_labels};
pub use document::Document;
pub use load::{Found, Loaded, NotFound, Origin, environment, find, load, load_text};
pub use model::{Cockpit, Config, Kind, SourceRow, StoreConfig, Vocabulary};
pub use problem::{Level, Place, Problem, Problems, closest};
pub use redis::{RedisPlace, RedisSettings};
pub use runbook::{Known, RunbookFiles, Shelf, library, lint, read as read_runbook};
pub use secret::Secret;
pub use section::Section;
pub use toml::Spanned;
pub use trust::trust;
