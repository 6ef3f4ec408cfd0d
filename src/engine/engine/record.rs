//! Who polls, and what is written down of it: the lease, readings, how queues stand, episodes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::{Core, SCRAPE, Setup, pace, ttl};
use crate::{
    domain::{
        Answer, Definition, DefinitionId, Episode, Event, LeaseView, Plan, QueueRow, Reading, Snapshot, SourceName, SourcePlan, StoreState,
        Text, Want, Window,
    },
    engine::{
        latencies,
        ledger::{self, Ledger},
        poller::{Polled, is_raw},
        schedule,
        tally::tallies,
    },
    store::{Lease, Store, StoreError},
};

/// From writing to writing of how the queues of a source stand.
pub(super) const KEEP_QUEUES: TimeDelta = TimeDelta::minutes(1);

/// How long buckets and readings are kept: the longest period there is, and some.
pub(super) const KEEP: Duration = Duration::from_hours(24 * 100);

/// Write down how the queues of `source` stand; of those that have long been idle there is nothing to be remembered.
pub(super) fn keep_queues(
    store: &Store,
    epoch: u64,
    snapshot: &Snapshot,
    source: &SourceName,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let busy = |row: &&Arc<QueueRow>| row.source == *source && !(row.is_quiet() && row.trail.is_idle());
    let memories: Vec<_> = snapshot.queues.iter().filter(busy).map(|row| row.memory()).collect();
    store.put_queues(epoch, source, now, &memories)
}

/// The longest period there is a budget for.
pub(super) fn longest(plan: &Plan) -> Window {
    plan.definitions.iter().map(|d| d.period).max().unwrap_or(Window::days(30))
}

pub(super) fn load_ledger(setup: &Setup, store: &Store) -> Ledger {
    let since = setup.clock.now() - longest(&setup.plan).delta();
    let sources = setup.plan.sources.iter().filter(|s| s.kind == SCRAPE);
    let counters = sources.flat_map(|s| store.last_counters(&s.name).unwrap_or_default()).collect();
    Ledger::load(|take| drop(store.buckets(since, take)), counters)
}

pub(super) fn grow(
    ledger: &mut Ledger,
    setup: &Setup,
    row: &SourcePlan,
    raw: &Reading,
    known: &[Arc<QueueRow>],
    due: &dyn Fn(&DefinitionId, Window) -> bool,
) -> (Reading, Option<ledger::Growth>) {
    let scraped = raw.parts.iter().find_map(|p| match &p.outcome {
        Ok(Answer::Scraped(scraped)) => Some(scraped),
        _ => None,
    });
    let growth = ledger.grow(&setup.plan, row, scraped.map_or(&[], Vec::as_slice)).and(ledger.tally(row, tallies(&setup.plan, raw, known)));
    (ledger::counted(ledger, &setup.plan, raw, &growth, due), Some(growth))
}

pub(super) fn write(store: &Store, epoch: u64, reading: &Reading, growth: Option<&ledger::Growth>) -> Result<(), StoreError> {
    match growth {
        Some(growth) => store.commit_scrape(epoch, &reading.source, &growth.buckets, &growth.counters, Some(reading)),
        None => store.put_reading(epoch, reading),
    }
}

/// From summing to summing of one window: the ledger's own sums cost no backend anything, so the budget is never half a minute old.
pub(super) fn ledger_cadence(row: &SourcePlan, window: Window) -> TimeDelta {
    let longest = row.every.max(Duration::from_secs(30));
    TimeDelta::from_std(row.cadence(window).min(longest)).unwrap_or_default()
}

impl Core {
    /// Take, keep or notice the lease. Without a store everyone polls for himself.
    pub(super) fn lease(&mut self) {
        let now = self.setup.clock.now();
        let view = match &self.setup.store {
            None => {
                let _ = self.polls.send_replace(true);
                LeaseView::Ours
            }
            Some(store) => match self.epoch {
                Some(epoch) => match store.renew(&self.setup.holder, epoch, now) {
                    Ok(()) => LeaseView::Ours,
                    Err(StoreError::LateHolder { .. }) => return self.lose(),
                    Err(error) => return self.trouble(&error),
                },
                None if self.bench.is_some_and(|until| Instant::now() < until) => return,
                None => match store.try_lease(&self.setup.holder, now, ttl(&self.setup.plan)) {
                    Ok(Lease::Ours { epoch }) => {
                        self.epoch = Some(epoch);
                        self.ledger = load_ledger(&self.setup, &Arc::clone(store));
                        let _ = self.polls.send_replace(true);
                        LeaseView::Ours
                    }
                    Ok(Lease::Theirs { name, .. }) => {
                        // It may have polled alone while the store could not be written.
                        let _ = self.polls.send_replace(false);
                        LeaseView::Theirs(name)
                    }
                    Err(error) => {
                        // A store that cannot be written: watch alone, and say so.
                        let _ = self.polls.send_replace(true);
                        return self.trouble(&error);
                    }
                },
            },
        };
        self.held_at = now;
        if self.snapshot.store.lease != view {
            let state = StoreState { lease: view, ..self.snapshot.store.clone() };
            self.take(Event::Store(state));
            self.show();
        }
    }

    pub(super) fn lose(&mut self) {
        self.epoch = None;
        let _ = self.polls.send_replace(false);
        let state = StoreState { lease: LeaseView::Unknown, ..self.snapshot.store.clone() };
        self.take(Event::Store(state));
        self.show();
    }

    pub(super) fn trouble(&mut self, error: &StoreError) {
        let trouble = Some(Text::from(error.to_string()));
        if self.snapshot.store.trouble != trouble {
            let state = StoreState { trouble, ..self.snapshot.store.clone() };
            self.take(Event::Store(state));
            self.show();
        }
    }

    pub(super) fn polled(&mut self, Polled { reading: raw, pause }: Polled) {
        // An answer that comes after the lease was lost belongs to nobody.
        if !*self.polls.borrow() {
            return;
        }
        let setup = Arc::clone(&self.setup);
        let Some(row) = setup.plan.source(&raw.source) else { return };
        let (reading, growth) = if is_raw(&raw) {
            let (at, counted) = (raw.at, self.counted.clone());
            let slack = TimeDelta::from_std(row.every / 2).unwrap_or_default();
            let due = |d: &DefinitionId, w: Window| {
                let last = counted.get(&(d.clone(), w));
                last.is_none_or(|last| at + slack - *last >= ledger_cadence(row, w))
            };
            let known = self.snapshot.queues.clone();
            let (mut reading, growth) = grow(&mut self.ledger, &setup, row, &raw, &known, &due);
            for part in &reading.parts {
                // A window in which nothing was found yet is looked at again next time: the first poll only sets the counters' marks.
                let found = matches!(&part.outcome, Ok(Answer::Counts(rows)) if !rows.is_empty());
                if let (true, Want::Counts { definition, window }) = (found, &part.want) {
                    self.counted.insert((definition.clone(), *window), at);
                }
            }
            let scraped = row.kind == SCRAPE;
            let ours = |d: &Definition| d.source == row.name && (scraped || d.sli.is_tallied());
            if let Some(want) = schedule::start(&setup.plan, &self.answered, &self.interest.borrow(), ours) {
                self.answered.note(&want, at);
                reading.parts.push(ledger::began(&self.ledger, &setup.plan, want, at));
            }
            (reading, growth)
        } else {
            (raw, None)
        };
        if let (Some(store), Some(epoch)) = (&setup.store, self.epoch) {
            match write(store, epoch, &reading, growth.as_ref()).and_then(|()| latencies::keep(store, epoch, &reading)) {
                Ok(()) if self.snapshot.store.trouble.is_some() && store.writable().is_ok() => {
                    let state = StoreState { trouble: None, ..self.snapshot.store.clone() };
                    self.take(Event::Store(state));
                }
                Ok(()) => {}
                Err(StoreError::LateHolder { .. }) => return self.lose(),
                Err(error) => self.trouble(&error),
            }
        }
        let source = reading.source.clone();
        self.take(Event::Read(Arc::new(reading)));
        if let Some(until) = pause.and_then(|p| TimeDelta::from_std(p).ok()) {
            self.take(Event::Waiting(source, self.setup.clock.now() + until));
        }
        self.remember_episodes();
        self.remember_queues(KEEP_QUEUES);
        self.stand_down();
        self.judge_runs();
        self.look();
        self.show();
    }

    /// A holder that gets no answer three times in a row from anyone lets another cockpit try.
    pub(super) fn stand_down(&mut self) {
        let failing =
            !self.snapshot.sources.is_empty() && self.snapshot.sources.iter().all(|s| s.failures >= 3 && s.failures.is_multiple_of(3));
        if let (true, Some(epoch), Some(store)) = (failing, self.epoch, self.setup.store.clone()) {
            drop(store.release(&self.setup.holder, epoch));
            self.bench = Some(Instant::now() + pace(&self.setup.plan));
            self.lose();
        }
    }

    /// Write down how queues stand, of the sources of which that was not done for so long.
    pub(super) fn remember_queues(&mut self, pause: TimeDelta) {
        let (Some(store), Some(epoch)) = (&self.setup.store, self.epoch) else { return };
        let now = self.setup.clock.now();
        let due = |source: &&SourceName| self.kept.get(*source).is_none_or(|at| now - *at >= pause || *at > now);
        let sources: BTreeSet<_> = self.snapshot.queues.iter().map(|row| &row.source).filter(due).cloned().collect();
        for source in sources {
            if keep_queues(store, epoch, &self.snapshot, &source, now).is_ok() {
                self.kept.insert(source, now);
            }
        }
    }

    pub(super) fn remember_episodes(&mut self) {
        let (Some(store), Some(epoch)) = (&self.setup.store, self.epoch) else { return };
        let news: Vec<Episode> =
            self.snapshot.episodes.iter().filter(|(key, e)| self.written.get(*key) != Some(*e)).map(|(_, e)| e.clone()).collect();
        if !news.is_empty() && store.put_episodes(epoch, &news).is_ok() {
            self.written.clone_from(&self.snapshot.episodes);
        }
    }

    /// What is old becomes coarser in the store and, where there is none, is forgotten.
    pub(super) fn compact(&mut self) {
        let now = self.setup.clock.now();
        if now - self.compacted <= TimeDelta::minutes(10) {
            return;
        }
        match (self.setup.store.clone(), self.epoch) {
            (None, _) => self.ledger.forget(now - longest(&self.setup.plan).delta()),
            (Some(store), Some(epoch)) => {
                if store.compact(epoch, now, KEEP).is_ok() {
                    self.ledger = load_ledger(&self.setup, &store);
                }
            }
            (Some(_), None) => return,
        }
        self.compacted = now;
    }
}
