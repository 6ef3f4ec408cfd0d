//! `burnwatch check`: every mistake at its place; `--live` also asks each source once.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    args::Common,
    run::{Code, block_on, mistakes, print},
    setup,
};
use crate::{
    config::Loaded,
    domain::{Freshness, Snapshot, SourceName, State},
    engine::{self, Setup},
    sources::{Finding, registry::Row},
    store,
};

/// Check the config file.
pub fn check(common: &Common, live: bool) -> Result<Code> {
    let loaded = match setup::load(common) {
        Ok(loaded) => loaded,
        Err(error) => {
            let Some(problems) = error.downcast_ref::<crate::config::Problems>() else { return Err(error) };
            print(&format!("{problems}\n\n{}\n", mistakes(problems)))?;
            return Ok(Code::No);
        }
    };
    for warning in &loaded.warnings {
        print(&format!("{warning}\n"))?;
    }
    let folder = setup::store_folder(&loaded, common);
    let modes = if folder.exists() { store::check_modes(&folder) } else { Vec::new() };
    for wrong in &modes {
        print(&format!("error: {wrong}\n"))?;
    }
    print(&found(&loaded))?;
    if !live {
        return Ok(if modes.is_empty() { Code::Yes } else { Code::No });
    }
    // Ask with nothing remembered and nothing written: a check leaves no trace.
    let mut setup = setup::setup(&loaded, common)?;
    setup.store = None;
    let snapshot = block_on(engine::once(&setup))?;
    print(&lively(&setup, &snapshot))?;
    let findings = block_on(examine(&setup))?;
    for (source, finding) in &findings {
        print(&format!("  {:<12} {}{}\n", source.as_str(), if finding.well { "" } else { "problem: " }, finding.text))?;
    }
    let answered = snapshot.sources.iter().all(|s| s.state == Freshness::Fresh);
    let well = answered && findings.iter().all(|(_, f)| f.well) && modes.is_empty();
    Ok(if well { Code::Yes } else { Code::No })
}

/// What the file says, in one paragraph.
fn found(loaded: &Loaded<Row>) -> String {
    let config = &loaded.config;
    let mut out = format!("{}: ok\n", config.document.path().display());
    let row = |out: &mut String, what: &str, names: Vec<String>| {
        if !names.is_empty() {
            let _ = writeln!(out, "  {:<12} {}", what, names.join(", "));
        }
    };
    row(&mut out, "sources", loaded.sources.iter().map(|r| format!("{} ({})", r.plan.name, r.plan.kind)).collect());
    row(&mut out, "slos", config.definitions.iter().map(|d| format!("{} {} over {}", d.id, d.objective, d.period)).collect());
    row(&mut out, "services", config.services.keys().map(ToString::to_string).collect());
    row(&mut out, "people", config.people.iter().map(|p| p.name.to_string()).collect());
    out
}

/// What each source says of our credentials and of those who act.
async fn examine(setup: &Setup) -> Vec<(SourceName, Finding)> {
    let clock = setup.clock.clone();
    let mut all = Vec::new();
    for source in &setup.sources {
        let Some(examiner) = source.examiner() else { continue };
        let found = examiner.examine(&setup.plan.people, &|| clock.now()).await;
        all.extend(found.into_iter().map(|finding| (source.name().clone(), finding)));
    }
    all
}

/// What each source answered.
fn lively(setup: &Setup, snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for source in &snapshot.sources {
        let took = source.poll_ms.map_or_else(String::new, |(p50, ..)| format!(" in {p50:.0} ms"));
        let slos = snapshot.slos.iter().filter(|r| r.definition.source == source.name).count();
        let alerts = snapshot.alerts.get(&source.name).map_or(0, |a| a.alerts.len());
        let what = match (&source.fault, source.kind) {
            (Some(fault), _) => format!("{}: {}", fault.class.words(), fault.message),
            (None, "alertmanager") => format!("answered{took}: {alerts} alerts"),
            (None, "pagerduty") => {
                let open = snapshot.paged.get(&source.name).map_or(0, |list| list.len());
                let calls = snapshot.on_call.get(&source.name).map_or(0, |list| list.len());
                format!("answered{took}: {open} open incidents, {calls} turns on call")
            }
            (None, "scrape" | "ical") => format!("answered{took}"),
            (None, _) => format!("answered{took}: {slos} SLOs"),
        };
        let _ = writeln!(out, "  {:<12} {what}", source.name.as_str());
        for more in [&source.partial, &source.long_trouble].into_iter().flatten() {
            let _ = writeln!(out, "  {:<12} partial: {more}", "");
        }
    }
    for definition in &setup.plan.definitions {
        let of = snapshot.slos.iter().filter(|r| r.definition.id == definition.id);
        let without = of.clone().filter(|r| r.state == State::NoData).count();
        let note = match (of.count(), without) {
            (0, _) => "no series match; look at `good`, `bad`, `total` and `by`".to_owned(),
            (n, 0) => format!("{n} SLOs"),
            (n, without) => format!("{n} SLOs, {without} without data"),
        };
        let counted = setup.plan.source(&definition.source).is_some_and(|s| s.kind != "scrape");
        if counted {
            let _ = writeln!(out, "  {:<12} {note}", definition.id.as_str());
        }
    }
    out
}
