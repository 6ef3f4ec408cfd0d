//! `burnwatch check`: every mistake at its place; `--live` also asks each source once.

use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    args::Common,
    oncall::{double_words, gap_words},
    run::{Code, block_on, mistakes, print},
    setup,
};
use crate::{
    config::Loaded,
    domain::{Effect, Freshness, Interval, Library, Override, ROTATION_PREFIX, Rotation, Seat, Snapshot, SourceName, State, Text, What},
    engine::{self, Setup},
    sources::{
        Finding,
        registry::{KINDS, Row},
    },
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
    let shelf = setup::shelf(&loaded);
    for problem in &shelf.problems {
        print(&format!("{problem}\n"))?;
    }
    let folder = setup::store_folder(&loaded, common);
    let modes = if folder.exists() { store::check_modes(&folder) } else { Vec::new() };
    for wrong in &modes {
        print(&format!("error: {wrong}\n"))?;
    }
    print(&found(&loaded, &shelf.library))?;
    print(&cover(&loaded, common, Utc::now()))?;
    if !live {
        return Ok(if modes.is_empty() && shelf.library.unusable.is_empty() { Code::Yes } else { Code::No });
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
    let well = answered && findings.iter().all(|(_, f)| f.well) && modes.is_empty() && shelf.library.unusable.is_empty();
    Ok(if well { Code::Yes } else { Code::No })
}

/// What the file says, in one paragraph.
fn found(loaded: &Loaded<Row>, library: &Library) -> String {
    let config = &loaded.config;
    let mut out = format!("{}: ok\n", config.document.path().display());
    let row = |out: &mut String, what: &str, names: Vec<String>| {
        if !names.is_empty() {
            let _ = writeln!(out, "  {:<12} {}", what, names.join(", "));
        }
    };
    row(&mut out, "sources", loaded.sources.iter().map(|r| format!("{} ({})", r.plan.name, r.plan.kind)).collect());
    row(&mut out, "slos", setup::definitions(loaded).iter().map(|d| format!("{} {} over {}", d.id, d.objective, d.period)).collect());
    row(&mut out, "services", config.services.keys().map(ToString::to_string).collect());
    row(&mut out, "rotations", config.rotations.iter().map(|r| r.name().to_string()).collect());
    row(&mut out, "runbooks", library.books.iter().map(|b| b.id.to_string()).collect());
    row(&mut out, "people", config.people.iter().map(|p| p.name.to_string()).collect());
    out
}

/// How far ahead cover is looked at.
const COVER: TimeDelta = TimeDelta::days(90);
/// How many faults of one rotation are named one by one.
const NAMED: usize = 3;

/// Warnings: times of the next ninety days in which a rotation of the configuration, with the overrides of the journal, leaves nobody
/// with the pager, or two.
fn cover(loaded: &Loaded<Row>, common: &Common, now: DateTime<Utc>) -> String {
    let logs = overrides(loaded, common);
    let mut out = String::new();
    for rotation in &loaded.config.rotations {
        let made = logs.iter().filter(|(name, _)| name == rotation.name()).map(|(_, over)| over.clone());
        let Ok(rotation) = Rotation::clone(rotation).with(made) else { continue };
        let (between, zone) = (Interval { from: now, to: now + COVER }, loaded.config.cockpit.time_zone);
        let gaps = rotation.gaps(Seat::Primary, between);
        let double = rotation.double_cover(between);
        some(&mut out, rotation.name(), "gaps", gaps.iter().map(|gap| gap_words(gap, zone)));
        some(&mut out, rotation.name(), "times of double cover", double.iter().map(|d| double_words(d, zone)));
    }
    out
}

/// The first few of `all` as warnings, and how many more there are.
fn some(out: &mut String, rotation: &Text, what: &str, all: impl ExactSizeIterator<Item = String>) {
    let more = all.len().saturating_sub(NAMED);
    for one in all.take(NAMED) {
        let _ = writeln!(out, "warning: {one}");
    }
    if more > 0 {
        let _ = writeln!(out, "warning: {rotation}: {more} more {what} in 90 days; `burnwatch oncall --rotation {rotation} --until +90d`");
    }
}

/// The overrides that the journal holds, if there is one.
fn overrides(loaded: &Loaded<Row>, common: &Common) -> Vec<(Text, Override)> {
    let folder = setup::store_folder(loaded, common);
    let entries = store::Store::open_read_only(&folder).and_then(|s| s.threads_before(ROTATION_PREFIX, u64::MAX >> 1));
    let made = entries.unwrap_or_default().into_iter().filter_map(|entry| match entry.what {
        What::Asked { effect: Effect::Override { rotation, over, .. } } => Some((rotation, over)),
        _ => None,
    });
    made.collect()
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

/// Targets that fail and certificates that end soon, in words.
fn probed(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for check in snapshot.probes.values().flat_map(|checks| checks.iter()) {
        if let Err(fault) = &check.outcome {
            let _ = writeln!(out, "  {:<12} {}: {}", "", fault.class.words(), fault.message);
        }
    }
    for (source, warning) in snapshot.certificate_warnings() {
        let _ = writeln!(out, "  {:<12} warning: {warning}", source.as_str());
    }
    out
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
            (None, _) if source.last_poll.is_none() => "was asked nothing: no [[slo]] and no [[queue]] row needs it".to_owned(),
            (None, "alertmanager") => format!("answered{took}: {alerts} alerts"),
            (None, "pagerduty") => {
                let open = snapshot.paged.get(&source.name).map_or(0, |list| list.len());
                let calls = snapshot.on_call.get(&source.name).map_or(0, |list| list.len());
                format!("answered{took}: {open} open incidents, {calls} turns on call")
            }
            (None, "ical") => {
                let shifts = snapshot.duties.get(&source.name).map_or(0, |d| d.duties.len());
                format!("answered{took}: {shifts} shifts from 30 days back to 14 ahead")
            }
            (None, "scrape") => format!("answered{took}"),
            (None, "probe") => {
                let checks = snapshot.probes.get(&source.name).map_or(0, |list| list.len());
                let well = snapshot.probes.get(&source.name).map_or(0, |list| list.iter().filter(|c| c.outcome.is_ok()).count());
                format!("{well} of {checks} targets answer as expected{took}")
            }
            (None, kind) if KINDS.iter().any(|k| k.word == kind && k.has_queues && !k.counts_events) => {
                let queues = snapshot.queues.iter().filter(|row| row.source == source.name).count();
                format!("answered{took}: {queues} queues")
            }
            (None, _) => format!("answered{took}: {slos} SLOs"),
        };
        let _ = writeln!(out, "  {:<12} {what}", source.name.as_str());
        for more in [&source.partial, &source.long_trouble].into_iter().flatten() {
            let _ = writeln!(out, "  {:<12} partial: {more}", "");
        }
    }
    out.push_str(&probed(snapshot));
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
