//! What goes wrong in the practice fleet, and what its runbooks do about it: each scenario from the first page to the verdict on the
//! step that ended it, on a simulated clock. The engine, the fleet over HTTP, the store and the steps are the real ones.
//!
//! The clock begins in the past and has caught up with the real one when the steps run, whose runners keep real time; then it goes ahead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use burnwatch::{
    domain::{
        Act, Attempt, How, Incident, IncidentId, Judgement, Question, Request, Run, RunVerb, RunbookId, Snapshot, StepName, StepState,
        Verb, What, timeline,
    },
    engine::Clock,
    fleet::Scenario,
};
use chrono::{DateTime, TimeDelta, Utc};
use support::{cockpit::Cockpit, shop::Shop};
use tempfile::TempDir;

/// From poll to poll.
const STEP: TimeDelta = TimeDelta::seconds(5);
/// How long before now the fleet opens: what goes wrong in it does so after 20 s.
const BEFORE: TimeDelta = TimeDelta::seconds(150);

/// A time that the test tells.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(at: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(at.timestamp_millis())))
    }
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
    fn set(&self, at: DateTime<Utc>) {
        self.0.store(at.timestamp_millis(), Ordering::SeqCst);
    }
    fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::of(move || hand.now())
    }
}

/// A fleet to which something happens, and a cockpit on it.
struct Rehearsal {
    home: TempDir,
    hand: Hand,
    shop: Shop,
    cockpit: Cockpit,
}

impl Rehearsal {
    fn of(scenario: &str) -> Self {
        let home = TempDir::new().unwrap();
        let hand = Hand::at(Utc::now() - BEFORE);
        let told = hand.clone();
        let shop = Shop::open(home.path(), Scenario::named(scenario).unwrap(), Arc::new(move || told.now()), "5s");
        shop.lay(&shop.fleet.history(30));
        lay_runbooks(&home.path().join("runbooks"), &shop.fleet.control());
        let config = fs::read_to_string(&shop.config).unwrap();
        fs::write(&shop.config, format!("{config}\n[runbooks]\ndir = \"runbooks\"\n")).unwrap();
        fs::set_permissions(&shop.config, fs::Permissions::from_mode(0o600)).unwrap();
        let cockpit = Cockpit::start(&shop.config, hand.clock());
        Self { home, hand, shop, cockpit }
    }

    /// One poll later.
    fn poll(&mut self) -> Arc<Snapshot> {
        self.hand.set(self.hand.now() + STEP);
        let now = self.hand.now();
        self.cockpit.ask(Request::Look(Question::Refresh));
        self.cockpit.wait_for("a poll", |s| s.source(&"shop".into()).is_some_and(|s| s.last_success == Some(now)))
    }

    /// Polls until `wished` is so, for at most `most` of simulated time.
    fn poll_until<T>(&mut self, what: &str, most: TimeDelta, wished: impl Fn(&Snapshot) -> Option<T>) -> T {
        let until = self.hand.now() + most;
        while self.hand.now() < until {
            if let Some(found) = wished(&self.poll()) {
                return found;
            }
        }
        panic!("{what} did not come within {most}");
    }

    fn act(&self, subject: &IncidentId, seen: u64, verb: RunVerb) {
        self.cockpit.ask(Request::Act(Act { incident: subject.clone(), seen, verb: Verb::Run(verb), by: None }));
    }

    /// Begin a run of this runbook for this incident, and take the way: what runs is run, what people do is ticked off, and what has
    /// neither an effect nor anything to check is left out.
    fn go_through(&mut self, runbook: &RunbookId, incident: &Incident) -> Arc<Run> {
        let begin = RunVerb::Begin { runbook: runbook.clone(), incident: Some(incident.id.clone()), drill: None };
        self.act(&incident.id, 0, begin);
        let mut run = self.newest(|_| true);
        while let Some((name, verb)) = next(&run) {
            self.act(&run.id.subject(), run.version, verb);
            run = self.newest(|run| {
                let state = run.step(&name).unwrap().state();
                assert!(!matches!(state, StepState::Failed | StepState::TimedOut), "{name}: {:#?}", run.step(&name));
                matches!(state, StepState::Done | StepState::Skipped)
            });
        }
        run
    }

    /// The run, once it is as wished.
    fn newest(&mut self, wished: impl Fn(&Run) -> bool) -> Arc<Run> {
        let newest = |s: &Snapshot| s.runs.values().next_back().cloned();
        let snapshot = self.cockpit.wait_for("the run to go on", |s| newest(s).is_some_and(|run| wished(&run)));
        newest(&snapshot).unwrap()
    }

    /// Another cockpit in place of this one, as after a restart.
    fn restart(self) -> Self {
        let Self { home, hand, shop, cockpit } = self;
        drop(cockpit);
        let cockpit = Cockpit::start(&shop.config, hand.clock());
        Self { home, hand, shop, cockpit }
    }
}

/// What is to be done next in a run.
fn next(run: &Run) -> Option<(StepName, RunVerb)> {
    let step = run.next()?;
    let name = step.plan.name.clone();
    let start = RunVerb::Start { step: name.clone(), inputs: [].into(), again: false };
    let verb = match step.plan.kind.as_str() {
        "manual" => RunVerb::Tick { step: name.clone(), note: None },
        "run" if step.plan.effect.is_none() => RunVerb::Skip { step: name.clone(), reason: "not needed".into() },
        _ => start,
    };
    Some((name, verb))
}

/// The runbooks of the practice fleet, and the script by which their steps act on it.
fn lay_runbooks(folder: &Path, control: &str) {
    fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("practice/runbooks");
    for file in fs::read_dir(own).unwrap().flatten() {
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        fs::set_permissions(folder.join(file.file_name()), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let script = format!("#!/bin/sh\nBURNWATCH_SHOP={control} exec {} shop \"$@\"\n", env!("CARGO_BIN_EXE_burnwatch"));
    fs::write(folder.join("shop"), script).unwrap();
    fs::set_permissions(folder.join("shop"), fs::Permissions::from_mode(0o700)).unwrap();
}

fn judged(run: &Run) -> Option<(&Attempt, &Judgement)> {
    run.steps.iter().flat_map(|s| &s.attempts).find_map(|a| Some((a, a.judged.as_ref()?)))
}

/// From the first page to the verdict. Returns what the journal reads of the effect.
fn rehearse(scenario: &str, slo: &str, restart: bool) -> String {
    let mut rehearsal = Rehearsal::of(scenario);
    let id = IncidentId::new(&format!("{slo}:page"));
    let incident = rehearsal.poll_until("a page", BEFORE, |s| s.incident(&id).cloned());
    let paged_after = (rehearsal.hand.now() - rehearsal.shop.fleet.started_at()).num_seconds();
    eprintln!("{scenario}: paged {paged_after} s after the start");
    while rehearsal.hand.now() + STEP < Utc::now() {
        rehearsal.poll();
    }
    rehearsal.hand.set(Utc::now());

    let plan = Arc::clone(&rehearsal.cockpit.plan);
    let matching = plan.runbooks.matching(&incident);
    let (book, _) = matching.first().expect("a runbook that matches");
    assert_eq!(format!("{}.md", book.id), Scenario::named(scenario).unwrap().runbooks[0], "the fittest runbook is the scenario's");
    assert!(rehearsal.shop.fleet.harm().ended.is_none());
    let run = rehearsal.go_through(&book.id, &incident);
    assert_eq!(judged(&run), None, "nothing is judged before its time");
    if restart {
        rehearsal = rehearsal.restart();
    }

    let judgement = rehearsal.poll_until("a verdict", TimeDelta::minutes(13), |s| {
        let (attempt, judgement) = judged(s.runs.values().next_back()?)?;
        assert_eq!(attempt.how(), Some(How::Ok));
        Some(judgement.clone())
    });
    assert!(rehearsal.shop.fleet.harm().ended.is_some(), "the step has ended the fault");
    let Judgement::Reached { before: Some(before), after, secs, .. } = &judgement else { panic!("{scenario}: {judgement}") };
    assert!(*before > 10.0 && *after < 1.0 && (300..600).contains(secs), "{scenario}: {judgement}");

    // Whoever comes to the incident reads what was done about it, and whether it helped.
    let happened = timeline(&rehearsal.poll(), &incident);
    let told: Vec<_> = happened.iter().map(|p| (p.what, p.sentence())).collect();
    assert!(told.iter().any(|(what, line)| *what == "effect" && line.contains(&judgement.to_string())), "{told:?}");
    assert!(told.iter().any(|(what, line)| *what == "run" && line.contains("began ")), "{told:?}");
    let entries = rehearsal.shop.read().entries_since(0).unwrap();
    let told: Vec<_> = entries.iter().filter(|e| matches!(&e.what, What::Run { event } if event.verb() == "effect")).collect();
    assert_eq!(told.len(), 1, "it is journalled once");
    let audit = support::burnwatch(rehearsal.home.path(), &["audit", "list", "--config", rehearsal.shop.config.to_str().unwrap()]);
    let audit = { audit }.output().unwrap();
    let text = String::from_utf8(audit.stdout).unwrap();
    let line = text.lines().find(|l| l.contains("  effect  ")).unwrap_or_else(|| panic!("no effect in\n{text}"));
    eprintln!("{line}");
    assert!(line.contains(&judgement.to_string()), "{line}");
    judgement.to_string()
}

#[test]
fn the_canary_burns_the_rollback_runs_and_the_journal_reads_what_became_of_it() {
    let told = rehearse("bad-canary", "checkout/availability", false);
    assert!(regex::Regex::new(r"^burn \d+× → 0\.\d× in 5m$").unwrap().is_match(&told), "{told}");
}

#[test]
fn a_verdict_is_given_once_also_by_a_cockpit_that_came_later() {
    rehearse("bad-canary", "checkout/availability", true);
}

#[test]
fn workers_that_hang_are_started_again() {
    let told = rehearse("stalled-queue", "checkout/on-time", false);
    assert!(told.starts_with("age ") && told.ends_with(" → 0s in 5m"), "{told}");
}

#[test]
fn a_pool_that_runs_dry_is_grown() {
    rehearse("pool-dry", "payments/availability", false);
}

#[test]
fn a_dependency_that_is_slow_is_switched_off() {
    rehearse("slow-dependency", "catalog/latency", false);
}
