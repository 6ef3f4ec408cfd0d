//! `burnwatch runbook lint`: every mistake of runbooks at its line.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    cli::{
        args::Common,
        run::{Code, mistakes, print},
        setup,
    },
    config::{self, NotFound, Problems},
};

/// Look at these files, or at all that the configuration names: 0 if there is nothing to say, 1 if there is.
pub fn lint(common: &Common, files: &[PathBuf]) -> Result<Code> {
    let loaded = match setup::load(common) {
        Ok(loaded) => Some(loaded),
        // A file can be looked at without one; then nobody knows which SLOs there are.
        Err(error) if !files.is_empty() && error.is::<NotFound>() => None,
        Err(error) => return Err(error),
    };
    let problems = match (files, &loaded) {
        ([], Some(loaded)) => setup::shelf(loaded).problems,
        (files, loaded) => {
            let askable = loaded.as_ref().map(setup::askable).unwrap_or_default();
            let known = loaded.as_ref().map(|l| (&l.config, askable.as_slice()));
            files.iter().flat_map(|file| config::lint(file, known)).collect()
        }
    };
    if problems.is_empty() {
        let books = loaded.as_ref().filter(|_| files.is_empty()).map_or(files.len(), |l| setup::shelf(l).library.books.len());
        print(&format!("{books} runbook{}: ok\n", if books == 1 { "" } else { "s" }))?;
        return Ok(Code::Yes);
    }
    let problems = Problems(problems);
    print(&format!("{problems}\n\n{}\n", mistakes(&problems)))?;
    Ok(Code::No)
}
