//! `burnwatch runbook`: the library of runbooks, and one of them in full; every mistake of a file at its line.

mod library;
mod lint;
mod show;

use anyhow::Result;

use super::{
    args::{Common, RunbookCommand},
    run::Code,
};

/// Do what was asked of runbooks.
pub fn runbook(common: &Common, what: &RunbookCommand) -> Result<Code> {
    match what {
        RunbookCommand::List { incident, json } => library::list(common, incident.as_deref(), *json),
        RunbookCommand::Show { id, json } => show::show(common, id, *json),
        RunbookCommand::Lint { files } => lint::lint(common, files),
    }
}
