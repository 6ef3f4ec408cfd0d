//! The engine at work: a plan and sources in, snapshots out, requests in.
//!
//! One actor on a thread of its own owns the snapshot; pollers, the store's watch and people send it messages, one after the other. The
//! screen never waits for it and it never waits for the screen.

mod acts;
mod once;
mod record;
mod runs;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    io::{Interest as Readiness, unix::AsyncFd},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Clock,
    fold::fold,
    ledger::{self, Ledger},
    librarian::Librarian,
    perform::{self, Acting, Missing},
    poller::{Polled, Poller, random_bits},
    schedule::{Answered, Interest},
};
use crate::{
    domain::{
        ActId, Actor, Chronicle, DRILL_PREFIX, Entry, Episode, Event, Grade, IncidentId, Lane, Library, Outcome, Plan, Quantiles,
        ROTATION_PREFIX, RUN_PREFIX, Reading, Request, SloId, Snapshot, SourceName, StoreState, What, Window,
    },
    sources::{Gives, Source},
    store::{ChangeWatch, Holder, Store, changes},
};

use record::load_ledger;

pub use once::{act_once, look_after, once, with_latencies};
pub use runs::{catch_up, recall, run_once};

/// The kind of source whose counters are kept here.
const SCRAPE: &str = "scrape";

/// Entries read from the journal at the start.
const JOURNAL_TAIL: u32 = 5_000;

/// Threads that are read however old they are, by what their subjects begin with.
const KEPT_THREADS: [&str; 3] = [ROTATION_PREFIX, DRILL_PREFIX, RUN_PREFIX];

/// How far back episodes are looked at in the beginning: as far as the accounts of those on call go, and some.
const EPISODES: TimeDelta = TimeDelta::days(31);

/// All that the engine works with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What is watched.
    pub plan: Arc<Plan>,
    /// The backends.
    pub sources: Vec<Arc<dyn Source>>,
    /// What lasts; `None` if there is no place for it, and then nothing can be done, only watched.
    pub store: Option<Arc<Store>>,
    /// What to say of the store.
    pub state: StoreState,
    /// Who sits here.
    pub me: Actor,
    /// What this cockpit is called among those on its store.
    pub holder: Holder,
    /// The time.
    pub clock: Clock,
    /// This program, which runs steps of runbooks by starting itself anew: a path that leads to the very one that runs now, also if its file
    /// was replaced.
    pub program: PathBuf,
    /// Who reads the runbooks of the plan anew when somebody looks at them.
    pub librarian: Librarian,
}

/// A store, or why there is none.
pub type Opened = (Option<Arc<Store>>, StoreState);

/// The ends of a running engine.
#[derive(Debug)]
pub struct Running {
    /// What is known; the newest wins.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What people want.
    pub requests: mpsc::UnboundedSender<Request>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// End the engine: the lease is given back, acts under way are finished within two seconds or left to be looked after.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How long the first snapshot waits for what the store remembers: a disk that is quick shows it at once, a slow one shows nothing late.
const FIRST: Duration = Duration::from_millis(8);

/// Start the engine on a thread of its own. The store is opened there, by `open`: a disk that is slow, or somebody's lock, holds up
/// nobody who only wants to look.
pub fn start(mut setup: Setup, open: impl FnOnce() -> Opened + Send + 'static) -> io::Result<Running> {
    let first = Arc::new(first(&setup));
    let (publish, snapshots) = watch::channel(first);
    let (remembered, ready) = std::sync::mpsc::sync_channel(1);
    let (requests, inbox) = mpsc::unbounded_channel();
    let (stop, stopped) = mpsc::channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
        (setup.store, setup.state) = open();
        let mut core = Core::new(setup, publish);
        core.remember();
        drop(remembered);
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, core.run(inbox, stopped));
        runtime.shutdown_timeout(Duration::from_millis(50));
    })?;
    let _: Result<(), _> = ready.recv_timeout(FIRST);
    Ok(Running { snapshots, requests, stop: Some(stop), thread: Some(thread) })
}

fn first(setup: &Setup) -> Snapshot {
    let mut snapshot = Snapshot::empty(&setup.plan, setup.clock.now());
    snapshot.store = setup.state.clone();
    snapshot
}

/// Everything that the store already knows, folded.
fn remembered(setup: &Setup, store: &Store) -> (Snapshot, u64) {
    let now = setup.clock.now();
    let mut snapshot = first(setup);
    let mut take = |event| snapshot = fold(&snapshot, &setup.plan, event, now);
    let tail = store.recent(JOURNAL_TAIL).unwrap_or_default();
    // Overrides stand however long ago they were made, and drills are remembered.
    let before = tail.first().map_or(0, |e| e.id);
    let mut older: Vec<Entry> = KEPT_THREADS.iter().flat_map(|prefix| store.threads_before(prefix, before).unwrap_or_default()).collect();
    older.sort_by_key(|e| e.id);
    take(Event::Journal(older));
    take(Event::Journal(tail));
    take(Event::Episodes(store.episodes(now - EPISODES).unwrap_or_default()));
    for (source, memories) in store.queues(now - QUEUES).unwrap_or_default() {
        take(Event::Queues(source, memories));
    }
    let (seq, readings) = store.readings_since(0).unwrap_or_default();
    for reading in readings {
        take(Event::Read(Arc::new(reading)));
    }
    (snapshot, seq)
}

/// For how long it is of use how queues stood: as long as the line that is drawn of them.
const QUEUES: TimeDelta = TimeDelta::hours(1);

/// What acts need; `None` without a store.
fn acting(setup: &Setup) -> Option<Acting> {
    let store = setup.store.clone()?;
    Some(Acting {
        plan: Arc::clone(&setup.plan),
        sources: setup.sources.clone(),
        store,
        me: setup.me.clone(),
        program: setup.program.clone(),
    })
}

/// The shortest interval of the plan: what "within two intervals" is measured in.
fn pace(plan: &Plan) -> Duration {
    plan.sources.iter().map(|s| s.every).min().unwrap_or(Duration::from_secs(15))
}

/// How long a lease lasts without being renewed.
fn ttl(plan: &Plan) -> Duration {
    pace(plan).mul_f64(1.5)
}

/// An act that was carried out, with the entry of its end; `None` if that could not be written.
type Ended = (ActId, Option<Entry>);

/// Quantiles of an SLO's answers; none if the store could not tell.
type FoundOf = (SloId, Option<Vec<(Window, Quantiles)>>);
/// The two ends of their way back.
type Found = (mpsc::UnboundedSender<FoundOf>, mpsc::UnboundedReceiver<FoundOf>);

/// The two ends of the way back for what was looked up.
type Told = (mpsc::UnboundedSender<(IncidentId, Chronicle)>, mpsc::UnboundedReceiver<(IncidentId, Chronicle)>);

struct Core {
    setup: Arc<Setup>,
    snapshot: Arc<Snapshot>,
    publish: watch::Sender<Arc<Snapshot>>,
    ledger: Ledger,
    epoch: Option<u64>,
    /// When the lease was last looked after.
    held_at: DateTime<Utc>,
    seq: u64,
    polls: watch::Sender<bool>,
    interest: watch::Sender<Interest>,
    refresh: watch::Sender<u64>,
    visible: Vec<SloId>,
    written: BTreeMap<(SloId, Grade), Episode>,
    counted: HashMap<(crate::domain::DefinitionId, Window), DateTime<Utc>>,
    /// What the ledger was asked.
    answered: Answered,
    /// When the queues of each source were last written down.
    kept: BTreeMap<SourceName, DateTime<Utc>>,
    expiries: BTreeMap<SourceName, Instant>,
    missing: Missing,
    in_flight: HashSet<ActId>,
    /// Incidents that are being looked up, and whether they are asked for once more; where what is found comes back.
    looked_up: HashMap<IncidentId, bool>,
    told: Told,
    /// SLOs whose latencies are being looked up; where what is found comes back.
    looked_through: HashSet<SloId>,
    quantiles: Found,
    tried: HashMap<ActId, DateTime<Utc>>,
    /// When something that burnwatch did of itself to an incident was refused.
    refused: HashMap<IncidentId, DateTime<Utc>>,
    toasts: u64,
    compacted: DateTime<Utc>,
    bench: Option<Instant>,
    /// The output that is on screen.
    watched: Option<runs::Watched>,
    /// Whether the runbooks are being read anew, and if so whether they are asked for once more; where they come back.
    reading: Option<bool>,
    shelved: (mpsc::UnboundedSender<Library>, mpsc::UnboundedReceiver<Library>),
}

impl Core {
    fn new(setup: Setup, publish: watch::Sender<Arc<Snapshot>>) -> Self {
        let snapshot = Arc::clone(&publish.borrow());
        let compacted = setup.clock.now();
        Self {
            setup: Arc::new(setup),
            snapshot,
            publish,
            ledger: Ledger::default(),
            epoch: None,
            held_at: compacted,
            seq: 0,
            polls: watch::channel(false).0,
            interest: watch::channel(Interest::default()).0,
            refresh: watch::channel(0).0,
            visible: Vec::new(),
            written: BTreeMap::new(),
            counted: HashMap::new(),
            answered: Answered::default(),
            kept: BTreeMap::new(),
            expiries: BTreeMap::new(),
            missing: Missing::default(),
            in_flight: HashSet::new(),
            looked_up: HashMap::new(),
            told: mpsc::unbounded_channel(),
            looked_through: HashSet::new(),
            quantiles: mpsc::unbounded_channel(),
            tried: HashMap::new(),
            refused: HashMap::new(),
            toasts: 0,
            compacted,
            bench: None,
            watched: None,
            reading: None,
            shelved: mpsc::unbounded_channel(),
        }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Request>, mut stop: mpsc::Receiver<()>) {
        let (out, mut polled) = mpsc::channel::<Polled>(16);
        let (done, mut ended) = mpsc::unbounded_channel::<Ended>();
        let watch = self.setup.store.as_ref().and_then(|s| watch_store(s));
        self.spawn_pollers(&out);
        self.lease();
        let beat = (pace(&self.setup.plan) / 3).clamp(Duration::from_millis(300), Duration::from_secs(5));
        let mut next_beat = Instant::now() + beat;
        loop {
            let expiry = self.expiries.values().min().copied();
            let output = self.next_output();
            tokio::select! {
                _ = stop.recv() => break,
                Some(request) = inbox.recv() => self.request(request, &done),
                Some(polled) = polled.recv() => self.polled(polled),
                Some((act, entry)) = ended.recv() => self.ended(entry, &act),
                Some((id, chronicle)) = self.told.1.recv() => self.told(&id, chronicle),
                Some((id, found)) = self.quantiles.1.recv() => self.looked_through(id, found),
                Some(library) = self.shelved.1.recv() => self.shelve(library),
                () = changed(watch.as_ref()) => self.woken(),
                () = sleep_until(next_beat) => {
                    next_beat = Instant::now() + beat;
                    self.beat();
                }
                () = sleep_until(expiry.unwrap_or(next_beat)), if expiry.is_some() => self.tick(),
                () = sleep_until(output.unwrap_or(next_beat)), if output.is_some() => self.read_output(),
            }
            self.work(&done);
        }
        self.finish(&mut ended).await;
    }

    async fn finish(&mut self, ended: &mut mpsc::UnboundedReceiver<Ended>) {
        let _ = self.polls.send(false);
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.in_flight.is_empty() {
            match tokio::time::timeout_at(deadline, ended.recv()).await {
                Ok(Some((act, entry))) => self.ended(entry, &act),
                Ok(None) | Err(_) => break,
            }
        }
        self.remember_queues(TimeDelta::zero());
        if let (Some(store), Some(epoch)) = (&self.setup.store, self.epoch) {
            drop(store.release(&self.setup.holder, epoch));
        }
    }

    // ---- knowing

    fn take(&mut self, event: Event) {
        if let Event::Read(reading) = &event {
            self.expect(reading);
        }
        self.snapshot = Arc::new(fold(&self.snapshot, &self.setup.plan, event, self.setup.clock.now()));
    }

    /// When the figures of a reading become stale, unless newer ones come.
    fn expect(&mut self, reading: &Reading) {
        let Some(row) = self.setup.plan.source(&reading.source) else { return };
        let good = reading.parts.iter().filter(|p| p.outcome.is_ok()).map(|p| p.as_of);
        let Some(newest) = good.max().filter(|_| reading.lane == Lane::Short) else { return };
        let age = (self.setup.clock.now() - newest).to_std().unwrap_or_default();
        let left = row.stale_after().saturating_sub(age) + Duration::from_millis(1);
        self.expiries.insert(reading.source.clone(), Instant::now() + left);
    }

    /// Time passed: look at what that changes.
    fn tick(&mut self) {
        let now = Instant::now();
        self.expiries.retain(|_, at| *at > now);
        let old = Arc::clone(&self.snapshot);
        self.take(Event::Tick);
        if !alike(&old, &self.snapshot) {
            self.show();
        }
    }

    fn show(&self) {
        let _ = self.publish.send(Arc::clone(&self.snapshot));
    }

    /// What the store knows is the first that is known.
    fn remember(&mut self) {
        let Some(store) = self.setup.store.clone() else {
            self.snapshot = Arc::new(first(&self.setup));
            return self.show();
        };
        let (snapshot, seq) = remembered(&self.setup, &store);
        self.snapshot = Arc::new(snapshot);
        self.written = self.snapshot.episodes.clone();
        self.seq = seq;
        self.ledger = load_ledger(&self.setup, &store);
        self.past();
        self.show();
    }

    /// The sparklines' past of sources whose buckets are our own.
    fn past(&mut self) {
        let now = self.setup.clock.now();
        let setup = Arc::clone(&self.setup);
        for row in &setup.plan.sources {
            let reading = ledger::past(&self.ledger, &setup.plan, row, row.kind == SCRAPE, now);
            if !reading.parts.is_empty() {
                self.take(Event::Read(Arc::new(reading)));
            }
        }
    }

    /// Somebody wrote to the store. What a holder writes itself wakes it too, so it renews nothing here.
    fn woken(&mut self) {
        self.catch_up();
        if self.epoch.is_none() {
            self.lease();
        }
    }

    /// Read what other cockpits wrote.
    fn catch_up(&mut self) {
        let Some(store) = self.setup.store.clone() else { return };
        let before = self.snapshot.revision;
        self.catch_up_journal(&store);
        if self.epoch.is_none() {
            if let Ok((seq, readings)) = store.readings_since(self.seq.max(1)) {
                self.seq = seq.max(self.seq);
                for reading in readings {
                    self.take(Event::Read(Arc::new(reading)));
                }
            }
            if let Ok(episodes) = store.episodes(self.setup.clock.now() - TimeDelta::days(2)) {
                let known = |e: &Episode| self.snapshot.episodes.get(&(e.slo.clone(), e.grade)) == Some(e);
                let news: Vec<_> = episodes.into_iter().filter(|e| !known(e)).collect();
                if !news.is_empty() {
                    self.take(Event::Episodes(news));
                }
            }
        }
        if self.snapshot.revision != before {
            self.show();
        }
    }

    fn catch_up_journal(&mut self, store: &Store) {
        let newest = self.snapshot.latest.last().map_or(0, |e| e.id);
        if let Ok(entries) = store.entries_since(newest)
            && !entries.is_empty()
        {
            // By whichever cockpit: it holds for whoever has the lease now.
            let refusal = |e: &&Entry| matches!(&e.what, What::Ended { outcome: Outcome::Failed { retry: false, .. }, .. });
            let refused = entries.iter().filter(refusal).filter(|e| e.who == perform::itself());
            self.refused.extend(refused.map(|e| (e.subject.clone(), e.at)));
            self.take(Event::Journal(entries));
        }
    }

    // ---- polling

    fn spawn_pollers(&self, out: &mpsc::Sender<Polled>) {
        for source in &self.setup.sources {
            let Some(row) = self.setup.plan.source(source.name()).cloned() else { continue };
            let both = matches!(source.gives(), Gives::Metrics | Gives::Incidents);
            let lanes: &[Lane] = if both { &[Lane::Short, Lane::Long] } else { &[Lane::Short] };
            for lane in lanes {
                let poller = Poller {
                    plan: Arc::clone(&self.setup.plan),
                    row: row.clone(),
                    source: Arc::clone(source),
                    lane: *lane,
                    clock: self.setup.clock.clone(),
                    polls: self.polls.subscribe(),
                    interest: self.interest.subscribe(),
                    refresh: self.refresh.subscribe(),
                    out: out.clone(),
                };
                tokio::task::spawn_local(poller.run());
            }
        }
    }

    fn look(&mut self) {
        let interest = Interest::of(&self.snapshot, &self.visible);
        self.interest.send_if_modified(|old| {
            let urgent = interest.is_urgent(old);
            *old = interest;
            urgent
        });
    }

    fn beat(&mut self) {
        self.lease();
        // What the watch on the store has missed, or all of it where the system gives none.
        self.catch_up();
        self.look_after_runs();
        self.judge_runs();
        self.tick();
        self.compact();
    }
}

/// Whether nothing that a person could see is different.
fn alike(a: &Snapshot, b: &Snapshot) -> bool {
    let slos = || a.slos.len() == b.slos.len() && a.slos.iter().zip(&b.slos).all(|(a, b)| Arc::ptr_eq(a, b) || a.state == b.state);
    let sources = a.sources.iter().map(|r| r.state).eq(b.sources.iter().map(|r| r.state));
    let rotas = || a.rotas.len() == b.rotas.len() && a.rotas.iter().zip(&b.rotas).all(|(a, b)| Arc::ptr_eq(a, b));
    let queues = || a.queues.len() == b.queues.len() && a.queues.iter().zip(&b.queues).all(|(a, b)| Arc::ptr_eq(a, b));
    a.verdict == b.verdict && sources && queues() && a.incidents == b.incidents && rotas() && slos()
}

/// A watch on what other processes write; `None` where the system has none to give, and then the beat looks.
#[expect(deprecated, reason = "its successor is unsafe for descriptors in general; this watch owns its own for as long as it lives")]
fn watch_store(store: &Store) -> Option<AsyncFd<ChangeWatch>> {
    AsyncFd::with_interest(changes(store.folder()).ok()?, Readiness::READABLE).ok()
}

/// Wait until another process changed the store; for ever if it cannot be watched.
async fn changed(watch: Option<&AsyncFd<ChangeWatch>>) {
    let Some(watch) = watch else { return std::future::pending().await };
    match watch.readable().await {
        Ok(mut guard) => {
            let gone = watch.get_ref().drain().map_or(true, |c| c.gone);
            guard.clear_ready();
            if gone {
                std::future::pending::<()>().await;
            }
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
