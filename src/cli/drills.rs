//! `burnwatch drill --list`: what can be rehearsed, how it went last, and what nobody ever rehearsed.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use anyhow::Result;
use serde_json::json;

use super::{
    args::Common,
    drill::{played, shape},
    run::{Code, block_on, json, print},
    setup,
};
use crate::{
    config,
    domain::{Snapshot, last_rehearsed},
    engine::{self, Setup},
    fleet::Scenario,
    store::Store,
};

/// What the user's own configuration and store tell.
#[derive(Default)]
struct Gaps {
    /// Runbooks that were never rehearsed, by name.
    never: Vec<String>,
    /// Services and open incidents whose alerts lead to no runbook.
    without: BTreeSet<String>,
}

/// Print the scenarios, and what is missing.
pub fn list(common: &Common, folder: &Path, as_json: bool) -> Result<Code> {
    // Nothing is made by looking.
    let played = Store::open_read_only(folder).ok().map(|store| played(&store)).transpose()?.unwrap_or_default();
    let rows: Vec<_> = Scenario::names().filter_map(Scenario::named).map(|s| (played.get(&s.name).cloned(), s)).collect();
    let gaps = gaps(common)?;
    if as_json {
        let scenarios: Vec<_> = rows
            .iter()
            .map(|(last, s)| {
                let last = last.as_ref().map(|d| json!({ "at": d.at, "by": d.by.name, "drill": shape(&d.drill) }));
                json!({ "name": s.name, "title": s.title, "last": last })
            })
            .collect();
        let shape = json!({ "version": 1, "scenarios": scenarios, "never_rehearsed": gaps.never, "without_runbook": gaps.without });
        return print(&json(&shape)).map(|()| Code::Yes);
    }
    let mut out = String::new();
    for (last, scenario) in &rows {
        let _ = writeln!(out, "{:<16} {}", scenario.name, scenario.title);
        let _ = match last {
            Some(d) => writeln!(out, "{:<16} {} by {}: {}", "", d.at.format("%Y-%m-%d %H:%M UTC"), d.by, d.drill),
            None => writeln!(out, "{:<16} never rehearsed", ""),
        };
    }
    if !gaps.never.is_empty() {
        let _ = writeln!(out, "\nrunbooks never rehearsed: {}", gaps.never.join(", "));
    }
    if !gaps.without.is_empty() {
        let _ = writeln!(out, "\nalerts without a runbook:");
        gaps.without.iter().for_each(|alert| _ = writeln!(out, "  {alert}"));
    }
    print(&out).map(|()| Code::Yes)
}

/// What is missing, as far as the configuration and what the store remembers tell; nothing without a configuration.
fn gaps(common: &Common) -> Result<Gaps> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(error) if error.is::<config::NotFound>() => return Ok(Gaps::default()),
        Err(error) => return Err(error),
    };
    let mut setup = setup::setup(&loaded, common)?;
    // Nobody is asked anything: what was read last is what is told.
    setup.sources.clear();
    let snapshot = block_on(engine::once(&setup))?;
    Ok(Gaps { never: never(&setup, &snapshot), without: super::runbook::without(&setup, &snapshot) })
}

fn never(setup: &Setup, snapshot: &Snapshot) -> Vec<String> {
    let books = setup.plan.runbooks.books.iter();
    books.filter(|book| last_rehearsed(&snapshot.drills, &book.id).is_none()).map(|book| book.id.to_string()).collect()
}
