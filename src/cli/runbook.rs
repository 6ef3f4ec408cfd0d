//! `burnwatch runbook`: the library of runbooks, one of them in full, every mistake of a file at its line; running them, and looking at
//! what was run.

mod act;
mod dry;
mod follow;
mod library;
mod lint;
mod show;
mod shown;

pub use library::without;

use anyhow::Result;

use super::{
    args::{Common, RunbookCommand},
    run::Code,
};
use crate::domain::clean;

/// Do what was asked of runbooks.
pub fn runbook(common: &Common, what: &RunbookCommand) -> Result<Code> {
    match dispatch(common, what) {
        Err(error) if error.is::<act::No>() => {
            eprintln!("burnwatch: {}", clean(&error.to_string()));
            Ok(Code::No)
        }
        other => other,
    }
}

fn dispatch(common: &Common, what: &RunbookCommand) -> Result<Code> {
    match what {
        RunbookCommand::List { incident, json } => library::list(common, incident.as_deref(), *json),
        RunbookCommand::Show { id, json } => show::show(common, id, *json),
        RunbookCommand::Lint { files } => lint::lint(common, files),
        RunbookCommand::Run(words) => act::run(common, words),
        RunbookCommand::Status { run, json } => shown::status(common, *run, *json),
        RunbookCommand::Attach { run, json } => follow::attach(common, *run, *json),
        RunbookCommand::Tick { run, note, json } => act::tick(common, *run, note.as_deref(), *json),
        RunbookCommand::Skip { run, reason, json } => act::skip(common, *run, reason, *json),
        RunbookCommand::Undo(words) => act::undo(common, words),
        RunbookCommand::Cancel { run, json } => act::cancel(common, *run, *json),
        RunbookCommand::Abort { run, reason, json } => act::abort(common, *run, reason, *json),
    }
}
