//! `burnwatch drill`: rehearse an incident on the practice fleet. What came of it is written to the journal of whoever rehearses.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    args::{Common, DrillArgs},
    practice::Practice,
    run::{Code, print},
    setup, watch, who,
};
use crate::{
    config,
    domain::{Actor, DRILL_PREFIX, Drill, DrillEnd, Drilled, Entry, Played, RunbookId, Text, What, drill_subject, outcome},
    engine,
    fleet::Scenario,
    store::Store,
};

/// How long a drill without a screen may take if nobody says.
const LIMIT: Duration = Duration::from_mins(30);
/// Between two looks at whether it is over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Play a scenario, or tell what there is to play.
pub fn drill(common: &Common, args: &DrillArgs) -> Result<Code> {
    let (me, folder) = whose(common)?;
    if args.list {
        return super::drills::list(common, &folder, args.json);
    }
    if !args.headless {
        watch::look_for_terminal()?;
    }
    let store = Store::open(&folder).and_then(|store| store.writable().map(|()| store));
    let store = store.context("what comes of a drill is journalled, and the journal cannot be written; name another place with --store")?;
    let (scenario, beside) = scenario(args.scenario.as_deref(), &store)?;
    let (name, title) = (scenario.name.clone(), scenario.title.clone());
    let stands_for: Vec<RunbookId> = scenario.rehearses.iter().map(|id| RunbookId::new(id)).collect();
    drop(store);

    let practice = Practice::start(common, scenario, beside.as_deref())?;
    let ended = if args.headless { headless(&practice, args) } else { practice.play() };
    let remains = practice.remains();
    practice.end()?;
    let (code, remains) = (ended?, remains?);
    let drill = outcome(&Played {
        scenario: Text::clean(&name),
        title: Text::clean(&title),
        stands_for: &stands_for,
        entries: &remains.entries,
        episodes: &remains.episodes,
        began: remains.harm.began,
        mitigated: remains.harm.ended,
    });
    write_down(&folder, &me, &name, &drill)?;
    let said = if args.json { super::run::json(&shape(&drill)) } else { text(&drill) };
    print(&said)?;
    Ok(match (code, drill.ended) {
        (Code::Signal(n), _) => Code::Signal(n),
        (_, DrillEnd::Mitigated) => Code::Yes,
        (_, DrillEnd::Unmitigated) => Code::No,
        (_, DrillEnd::Abandoned) => Code::Unknown,
    })
}

/// Who rehearses, and in which store that is written down. No configuration at all is none needed.
fn whose(common: &Common) -> Result<(Actor, PathBuf)> {
    let folder = setup::folder(common)?;
    let me = match setup::load(common) {
        Ok(loaded) => who::actor(&loaded.config.people, &loaded.config.cockpit.shared_accounts, common.who.as_deref()),
        Err(error) if error.is::<config::NotFound>() || common.store.is_some() => who::actor(&[], &[], common.who.as_deref()),
        Err(error) => return Err(error),
    };
    Ok((me, folder))
}

/// The scenario that was named, or the one that was rehearsed longest ago; and where its file lies.
fn scenario(named: Option<&str>, store: &Store) -> Result<(Scenario, Option<PathBuf>)> {
    let Some(named) = named else {
        let played = played(store)?;
        let last = |name: &str| played.get(name).map(|d| d.at);
        let name = Scenario::names().min_by_key(|name| last(name)).unwrap_or("bad-canary");
        return Ok((Scenario::named(name).unwrap_or_else(Scenario::bad_canary), None));
    };
    if let Some(scenario) = Scenario::named(named) {
        return Ok((scenario, None));
    }
    let file = Path::new(named);
    if !file.exists() {
        let names = Scenario::names().collect::<Vec<_>>().join(", ");
        bail!("there is no scenario `{named}`, and no such file; there are {names}; docs/RUNBOOKS.md tells how to write one");
    }
    let text = fs::read_to_string(file).with_context(|| named.to_owned())?;
    let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let scenario = Scenario::read(&name, &text).map_err(|mistake| anyhow::anyhow!("{named}: {mistake}"))?;
    Ok((scenario, file.parent().map(Path::to_owned)))
}

/// The newest drill of each scenario.
pub fn played(store: &Store) -> Result<BTreeMap<String, Drilled>> {
    let mut played = BTreeMap::new();
    for entry in store.threads_before(DRILL_PREFIX, i64::MAX.unsigned_abs())? {
        if let What::Drilled { drill } = entry.what {
            played.insert(drill.scenario.to_string(), Drilled { at: entry.at, by: entry.who, drill: *drill });
        }
    }
    Ok(played)
}

/// Play without a screen: people join by the command that is told, until nothing is wrong any more and every effect is judged, the time
/// is up, or a signal ends it.
fn headless(practice: &Practice, args: &DrillArgs) -> Result<Code> {
    let over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&over))?;
    }
    let loaded = setup::load(&practice.common)?;
    let place = practice.place();
    let running = engine::start(setup::prepare(&loaded, &practice.common)?, move || setup::open_store(&place))?;
    eprintln!("join: {}", practice.join());
    let until = Instant::now() + args.limit.map_or(LIMIT, crate::domain::Window::duration);
    while Instant::now() < until && !over.load(Ordering::Relaxed) {
        let snapshot = Arc::clone(&running.snapshots.borrow());
        if practice.harm().ended.is_some() && !is_watching(&snapshot) {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    running.stop();
    Ok(Code::Yes)
}

/// Whether the effect of a step is still to be judged, or a step is still at work.
fn is_watching(snapshot: &crate::domain::Snapshot) -> bool {
    let attempts = snapshot.runs.values().flat_map(|run| &run.steps).flat_map(|s| s.attempts.iter().map(move |a| (s, a)));
    let mut open = attempts.filter(|(_, a)| a.how() != Some(crate::domain::How::NotRun));
    open.any(|(step, attempt)| attempt.end.is_none() || step.plan.effect.is_some() && attempt.undoes.is_none() && attempt.judged.is_none())
}

/// Write down how it went.
fn write_down(folder: &Path, me: &Actor, name: &str, drill: &Drill) -> Result<()> {
    let now = chrono::Utc::now();
    let entry = Entry {
        id: 0,
        at: now,
        act: engine::act_id(now, engine::random_bits()),
        subject: drill_subject(name),
        title: drill.title.clone(),
        service: None,
        version: 0,
        who: me.clone(),
        what: What::Drilled { drill: Box::new(drill.clone()) },
    };
    let store = Store::open(folder).context("how the drill went could not be journalled")?;
    store.append(entry, None).context("how the drill went could not be journalled")?;
    Ok(())
}

/// How it went, in words.
fn text(drill: &Drill) -> String {
    let mut out = format!("drill {}: {drill}\n", drill.scenario);
    let people = drill.people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !people.is_empty() {
        let _ = writeln!(out, "  by {people}");
    }
    for taken in &drill.steps {
        let effect = taken.effect.as_ref().map_or_else(String::new, |e| format!("  {e}"));
        let _ = writeln!(out, "  {}/{}  {}{effect}", taken.runbook, taken.step, taken.how);
    }
    out
}

/// The same as JSON, as docs/STATUS.md has it.
pub fn shape(drill: &Drill) -> Value {
    let steps: Vec<_> = drill
        .steps
        .iter()
        .map(|s| json!({ "runbook": s.runbook.as_str(), "step": s.step.as_str(), "how": s.how, "effect": s.effect }))
        .collect();
    json!({
        "scenario": drill.scenario,
        "title": drill.title,
        "ended": drill.ended,
        "people": drill.people,
        "runbooks": drill.runbooks.iter().map(RunbookId::as_str).collect::<Vec<_>>(),
        "paged_after_s": drill.paged_secs,
        "acknowledged_after_s": drill.acknowledged_secs,
        "mitigated_after_s": drill.mitigated_secs,
        "steps": steps,
    })
}
