//! Runs of runbooks in a cockpit: wishes in, and what the step on screen writes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Core, Setup, acting, first, fold, perform, random_bits};
use crate::{
    domain::{Act, ActId, Entry, Event, Library, Plan, Run, RunEvent, RunVerb, Snapshot, StepOutput, Verb, What, undecided},
    engine::perform::look_after_runs,
    store::{Store, StoreError},
};

/// Between two looks at the output of a step that somebody looks at.
const LOOK: Duration = Duration::from_millis(200);

/// The output that is on screen.
#[derive(Debug)]
pub(super) struct Watched {
    key: ActId,
    bytes: Option<u64>,
    next: Instant,
}

impl Core {
    pub(super) fn run_act(&mut self, act: &Act, verb: &RunVerb) -> Result<(), perform::Refusal> {
        let Some(acting) = self.acting() else {
            return Err(perform::Refusal::NoJournal(self.snapshot.store.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
        };
        self.catch_up_journal(&acting.store);
        let now = self.setup.clock.now();
        let deed = acting.decide_run(&self.snapshot, act, verb, &perform::act_id(now, random_bits()), now)?;
        if let (RunVerb::Start { .. } | RunVerb::Undo { .. }, Some(caution)) = (verb, crate::engine::caution()) {
            self.toast(true, caution.to_owned(), Some(act.incident.clone()));
        }
        let (asked, work) = acting.ask_run(deed)?;
        self.catch_up_journal(&acting.store);
        self.show();
        let clock = self.setup.clock.clone();
        tokio::task::spawn_local(async move { acting.work(&asked, work, &clock).await });
        Ok(())
    }

    /// Say what is not known of steps that nobody will end any more.
    pub(super) fn look_after_runs(&mut self) {
        let Some(store) = self.setup.store.clone().filter(|_| !self.setup.plan.read_only) else { return };
        look_after_runs(&store, &self.snapshot, self.setup.clock.now());
    }

    /// Write down what became of steps, once that can be told: by the holder of the lease, whose figures are the newest.
    pub(super) fn judge_runs(&mut self) {
        let Some(store) = self.setup.store.clone().filter(|_| self.epoch.is_some() && !self.setup.plan.read_only) else { return };
        let now = self.setup.clock.now();
        let entry = |run: &Run, key: &ActId, judgement| Entry {
            id: 0,
            at: now,
            act: key.clone(),
            subject: run.id.subject(),
            title: run.title.clone(),
            service: run.service.clone(),
            version: 0,
            who: perform::itself(),
            what: What::Run { event: RunEvent::Judged { key: key.clone(), judgement } },
        };
        let told = undecided(&self.snapshot, now).map(|(run, a, judgement)| (entry(run, &a.key, judgement), run.version));
        let told: Vec<_> = told.collect();
        for (entry, version) in told {
            // Whoever wrote meanwhile is read first, and then this is told the next time.
            let _ = store.append(entry, Some(version));
        }
    }

    /// Read the files of the runbooks anew, beside everything else: a disk may be slow. One reading at a time.
    pub(super) fn read_runbooks(&mut self) {
        if let Some(again) = &mut self.reading {
            *again = true;
            return;
        }
        self.reading = Some(false);
        let (librarian, shelved) = (self.setup.librarian.clone(), self.shelved.0.clone());
        tokio::task::spawn_blocking(move || shelved.send(librarian.read()));
    }

    /// The runbooks as their files are now: what is shown and what is run are the same. A run is bound to what it began with.
    pub(super) fn shelve(&mut self, library: Library) {
        let again = self.reading.take() == Some(true);
        if library != *self.setup.plan.runbooks {
            let runbooks = Arc::new(library);
            let plan = Plan { runbooks: Arc::clone(&runbooks), ..Plan::clone(&self.setup.plan) };
            self.setup = Arc::new(Setup { plan: Arc::new(plan), ..Setup::clone(&self.setup) });
            self.take(Event::Runbooks(runbooks));
            self.show();
        }
        if again {
            self.read_runbooks();
        }
    }

    /// The output of this attempt is looked at from now on.
    pub(super) fn watch_output(&mut self, key: Option<ActId>) {
        if self.watched.as_ref().map(|w| &w.key) == key.as_ref() {
            return;
        }
        self.watched = key.map(|key| Watched { key, bytes: None, next: Instant::now() });
        self.take(Event::Output(None));
        self.read_output();
        self.show();
    }

    /// When the output is looked at next; `None` if nobody looks, or nothing more will come.
    pub(super) fn next_output(&self) -> Option<Instant> {
        self.watched.as_ref().map(|w| w.next)
    }

    pub(super) fn read_output(&mut self) {
        let (Some(store), Some(watched)) = (self.setup.store.clone(), &mut self.watched) else { return };
        let at_work = self.snapshot.runs.values().rev().find_map(|r| r.attempt(&watched.key)).is_none_or(|(_, a)| a.end.is_none());
        // One that has ended is read once more and then left alone; a run that is looked at again is asked for again.
        watched.next = Instant::now() + if at_work { LOOK } else { LOOK * 50 };
        let (key, bytes) = (watched.key.clone(), store.spooled_bytes(&watched.key));
        if bytes.is_none() || bytes == watched.bytes {
            return;
        }
        watched.bytes = bytes;
        if let Ok(Some(spooled)) = store.spooled(&key) {
            let output = StepOutput::new(key, &spooled.end(), spooled.bytes, self.setup.clock.now());
            self.take(Event::Output(Some(Arc::new(output))));
            self.show();
        }
    }
}

/// What the store remembers, without asking anybody: for commands about runs.
pub fn recall(setup: &Setup) -> Result<Snapshot, StoreError> {
    let Some(store) = &setup.store else { return Ok(first(setup)) };
    let snapshot = super::remembered(setup, store).0;
    if !setup.plan.read_only && store.writable().is_ok() {
        look_after_runs(store, &snapshot, setup.clock.now());
    }
    catch_up(setup, store, &snapshot)
}

/// `snapshot` with what the journal has got since.
pub fn catch_up(setup: &Setup, store: &Store, snapshot: &Snapshot) -> Result<Snapshot, StoreError> {
    let newest = snapshot.latest.last().map_or(0, |e| e.id);
    let entries = store.entries_since(newest)?;
    let now = setup.clock.now();
    Ok(if entries.is_empty() { snapshot.clone() } else { fold(snapshot, &setup.plan, Event::Journal(entries), now) })
}

/// Do something in a run, for commands: the entry that says so, once what it began is under way.
pub async fn run_once(setup: &Setup, snapshot: &Snapshot, act: &Act) -> Result<Entry, perform::Refusal> {
    let Some(acting) = acting(setup) else {
        return Err(perform::Refusal::NoJournal(setup.state.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
    };
    let Verb::Run(verb) = &act.verb else { return Err(perform::Refusal::NotOpen(act.incident.clone())) };
    let now = setup.clock.now();
    let deed = acting.decide_run(snapshot, act, verb, &perform::act_id(now, random_bits()), now)?;
    let (asked, work) = acting.ask_run(deed)?;
    acting.work(&asked, work, &setup.clock).await;
    Ok(asked)
}
