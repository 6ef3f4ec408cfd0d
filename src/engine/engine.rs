//! The engine at work: a plan and sources in, snapshots out, requests in.
//!
//! One actor on a thread of its own owns the snapshot; pollers, the store's watch and people send it messages, one after the other. The
//! screen never waits for it and it never waits for the screen.

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
    chronicle::look_up,
    fold::fold,
    latencies,
    ledger::{self, Ledger},
    perform::{self, Acting, Chore, Missing},
    poller::{LONGEST_PAUSE, Polled, Poller, is_raw, poll_once, random_bits},
    schedule::{self, Answered, Interest},
    tally::tallies,
};
use crate::{
    domain::{
        Act, ActId, Actor, Chronicle, DRILL_PREFIX, Definition, Effect, Entry, Episode, Event, Grade, IncidentId, Lane, LeaseView, Outcome,
        Plan, Quantiles, Question, QueueRow, ROTATION_PREFIX, RUN_PREFIX, Reading, Request, SloId, Snapshot, SourceName, StoreState,
        Target, Text, Toast, Verb, What, Window,
    },
    sources::{Gives, Source},
    store::{ChangeWatch, Holder, Lease, Store, StoreError, changes},
};

/// The kind of source whose counters are kept here.
const SCRAPE: &str = "scrape";

pub use runs::{catch_up, recall, run_once};

/// Entries read from the journal at the start.
const JOURNAL_TAIL: u32 = 5_000;

/// Threads that are read however old they are, by what their subjects begin with.
const KEPT_THREADS: [&str; 3] = [ROTATION_PREFIX, DRILL_PREFIX, RUN_PREFIX];

/// How far back episodes are looked at in the beginning: as far as the accounts of those on call go, and some.
const EPISODES: TimeDelta = TimeDelta::days(31);

/// How long buckets and readings are kept: the longest period there is, and some.
const KEEP: Duration = Duration::from_hours(24 * 100);

/// How long after a refusal burnwatch leaves an incident alone.
const AFTER_REFUSAL: TimeDelta = TimeDelta::minutes(2);

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
/// From writing to writing of how the queues of a source stand.
const KEEP_QUEUES: TimeDelta = TimeDelta::minutes(1);

/// Write down how the queues of `source` stand; of those that have long been idle there is nothing to be remembered.
fn keep_queues(store: &Store, epoch: u64, snapshot: &Snapshot, source: &SourceName, now: DateTime<Utc>) -> Result<(), StoreError> {
    let busy = |row: &&Arc<QueueRow>| row.source == *source && !(row.is_quiet() && row.trail.is_idle());
    let memories: Vec<_> = snapshot.queues.iter().filter(busy).map(|row| row.memory()).collect();
    store.put_queues(epoch, source, now, &memories)
}

/// Between two looks at what another process is just asking the sources.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One look for a command: fresh readings of the store if somebody polls, else one poll of everything. If somebody else is just at their
/// first poll it waits for that, or for the lease.
pub async fn once(setup: &Setup) -> Snapshot {
    let Some(store) = &setup.store else { return poll_all(setup, first(setup), None).await };
    let patience = Instant::now() + ttl(&setup.plan) + LOOK_AGAIN;
    loop {
        let mut snapshot = remembered(setup, store).0;
        let now = setup.clock.now();
        match store.try_lease(&setup.holder, now, ttl(&setup.plan)) {
            Ok(Lease::Ours { epoch }) => return poll_all(setup, snapshot, Some((store, epoch))).await,
            Ok(Lease::Theirs { .. }) if !asked_lately(&snapshot, &setup.plan, now) && Instant::now() < patience => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(Lease::Theirs { name, .. }) => {
                snapshot.store.lease = LeaseView::Theirs(name);
                return fold(&snapshot, &setup.plan, Event::Tick, now);
            }
            Err(error) => {
                snapshot.store.trouble = Some(Text::from(error.to_string()));
                return poll_all(setup, snapshot, None).await;
            }
        }
    }
}

/// Whether every source was asked as lately as one is that somebody polls; a failing one is asked more seldom.
fn asked_lately(snapshot: &Snapshot, plan: &Plan, now: DateTime<Utc>) -> bool {
    snapshot.sources.iter().all(|row| {
        let Some(source) = plan.source(&row.name) else { return true };
        let pause = if row.fault.is_some() { LONGEST_PAUSE + source.timeout } else { Duration::ZERO };
        let limit = source.stale_after().max(pause);
        row.last_poll.is_some_and(|at| (now - at).to_std().unwrap_or_default() <= limit)
    })
}

/// Ask every source once; with the lease all is written down too, and the lease given back.
async fn poll_all(setup: &Setup, mut snapshot: Snapshot, lease: Option<(&Arc<Store>, u64)>) -> Snapshot {
    let mut ledger = setup.store.as_ref().map_or_else(Ledger::default, |store| load_ledger(setup, store));
    let rows = setup.sources.iter().filter_map(|s| Some((setup.plan.source(s.name())?, s)));
    let polls = rows.map(|(row, source)| async move { (row, poll_once(&setup.plan, row, source.as_ref(), &setup.clock).await) });
    for (row, readings) in futures::future::join_all(polls).await {
        for raw in readings {
            let (reading, growth) =
                if is_raw(&raw) { grow(&mut ledger, setup, row, &raw, &snapshot.queues, &|_, _| true) } else { (raw, None) };
            if let Some((store, epoch)) = lease {
                drop(write(store, epoch, &reading, growth.as_ref()).and_then(|()| latencies::keep(store, epoch, &reading)));
            }
            snapshot = fold(&snapshot, &setup.plan, Event::Read(Arc::new(reading)), setup.clock.now());
        }
    }
    if let Some((store, epoch)) = lease {
        let sources: std::collections::BTreeSet<_> = snapshot.queues.iter().map(|row| row.source.clone()).collect();
        for source in sources {
            drop(keep_queues(store, epoch, &snapshot, &source, setup.clock.now()));
        }
        drop(store.put_episodes(epoch, &snapshot.episodes.values().cloned().collect::<Vec<_>>()));
        drop(store.release(&setup.holder, epoch));
    }
    snapshot
}

/// With quantiles of how long the answers took that SLOs of probes count, of all of them.
pub fn with_latencies(setup: &Setup, mut snapshot: Snapshot) -> Snapshot {
    let now = setup.clock.now();
    let rows: Vec<_> = snapshot.slos.iter().filter(|row| latencies::has(row)).cloned().collect();
    for (row, store) in rows.iter().zip(setup.store.iter().cycle()) {
        if let Ok(found) = latencies::look_up(store, &row.definition, &row.group, now) {
            snapshot.latencies.insert(row.id.clone(), Arc::new(found));
        }
    }
    snapshot
}

/// How long a command may hold the lease while it looks after acts.
const LOOKING_AFTER: Duration = Duration::from_secs(30);

/// Bring the acts on an incident to an end that their process has left without one, before somebody decides on what the journal says of
/// it: for commands, where there may be no cockpit to do it. Does nothing while somebody else has the lease: then they do.
pub async fn look_after(setup: &Setup, snapshot: Snapshot, subject: &IncidentId) -> Snapshot {
    let Some((store, acting)) = setup.store.as_ref().zip(acting(setup)).filter(|_| !setup.plan.read_only) else { return snapshot };
    let now = setup.clock.now();
    let left: Vec<Chore> = snapshot.threads.get(subject).into_iter().flat_map(|thread| perform::abandoned(subject, thread, now)).collect();
    if left.is_empty() {
        return snapshot;
    }
    let Ok(Lease::Ours { epoch }) = store.try_lease(&setup.holder, now, LOOKING_AFTER) else { return snapshot };
    for chore in left {
        if let Chore::Again(asked) = chore {
            acting.carry_out(&asked, true, setup.clock.now()).await;
        }
    }
    drop(store.release(&setup.holder, epoch));
    let newest = snapshot.latest.last().map_or(0, |e| e.id);
    let news = Event::Journal(store.entries_since(newest).unwrap_or_default());
    fold(&snapshot, &setup.plan, news, setup.clock.now())
}

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

/// Do one act and see it through: for commands.
pub async fn act_once(setup: &Setup, snapshot: &Snapshot, act: &Act) -> Result<Outcome, perform::Refusal> {
    let Some(acting) = acting(setup) else {
        return Err(perform::Refusal::NoJournal(setup.state.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
    };
    let now = setup.clock.now();
    let entry = acting.decide(snapshot, act, &perform::act_id(now, random_bits()), now)?;
    let seen = Acting::seen(snapshot, act, &entry);
    let asked = acting.ask_patiently(entry, seen).await?;
    let ended = acting.carry_out(&asked, false, setup.clock.now()).await;
    Ok(match ended.map(|e| e.what) {
        Some(What::Ended { outcome, .. }) => outcome,
        _ => Outcome::Unknown { why: Text::from("how it ended could not be written to the journal") },
    })
}

/// The longest period there is a budget for.
fn longest(plan: &Plan) -> Window {
    plan.definitions.iter().map(|d| d.period).max().unwrap_or(Window::days(30))
}

fn load_ledger(setup: &Setup, store: &Store) -> Ledger {
    let since = setup.clock.now() - longest(&setup.plan).delta();
    let sources = setup.plan.sources.iter().filter(|s| s.kind == SCRAPE);
    let counters = sources.flat_map(|s| store.last_counters(&s.name).unwrap_or_default()).collect();
    Ledger::load(|take| drop(store.buckets(since, take)), counters)
}

fn grow(
    ledger: &mut Ledger,
    setup: &Setup,
    row: &crate::domain::SourcePlan,
    raw: &Reading,
    known: &[Arc<QueueRow>],
    due: &dyn Fn(&crate::domain::DefinitionId, Window) -> bool,
) -> (Reading, Option<ledger::Growth>) {
    let scraped = raw.parts.iter().find_map(|p| match &p.outcome {
        Ok(crate::domain::Answer::Scraped(scraped)) => Some(scraped),
        _ => None,
    });
    let growth = ledger.grow(&setup.plan, row, scraped.map_or(&[], Vec::as_slice)).and(ledger.tally(row, tallies(&setup.plan, raw, known)));
    (ledger::counted(ledger, &setup.plan, raw, &growth, due), Some(growth))
}

fn write(store: &Store, epoch: u64, reading: &Reading, growth: Option<&ledger::Growth>) -> Result<(), StoreError> {
    match growth {
        Some(growth) => store.commit_scrape(epoch, &reading.source, &growth.buckets, &growth.counters, Some(reading)),
        None => store.put_reading(epoch, reading),
    }
}

/// From summing to summing of one window: the ledger's own sums cost no backend anything, so the budget is never half a minute old.
fn ledger_cadence(row: &crate::domain::SourcePlan, window: Window) -> TimeDelta {
    let longest = row.every.max(Duration::from_secs(30));
    TimeDelta::from_std(row.cadence(window).min(longest)).unwrap_or_default()
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

    /// Take, keep or notice the lease. Without a store everyone polls for himself.
    fn lease(&mut self) {
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

    fn lose(&mut self) {
        self.epoch = None;
        let _ = self.polls.send_replace(false);
        let state = StoreState { lease: LeaseView::Unknown, ..self.snapshot.store.clone() };
        self.take(Event::Store(state));
        self.show();
    }

    fn trouble(&mut self, error: &StoreError) {
        let trouble = Some(Text::from(error.to_string()));
        if self.snapshot.store.trouble != trouble {
            let state = StoreState { trouble, ..self.snapshot.store.clone() };
            self.take(Event::Store(state));
            self.show();
        }
    }

    fn polled(&mut self, Polled { reading: raw, pause }: Polled) {
        // An answer that comes after the lease was lost belongs to nobody.
        if !*self.polls.borrow() {
            return;
        }
        let setup = Arc::clone(&self.setup);
        let Some(row) = setup.plan.source(&raw.source) else { return };
        let (reading, growth) = if is_raw(&raw) {
            let (at, counted) = (raw.at, self.counted.clone());
            let slack = TimeDelta::from_std(row.every / 2).unwrap_or_default();
            let due = |d: &crate::domain::DefinitionId, w: Window| {
                let last = counted.get(&(d.clone(), w));
                last.is_none_or(|last| at + slack - *last >= ledger_cadence(row, w))
            };
            let known = self.snapshot.queues.clone();
            let (mut reading, growth) = grow(&mut self.ledger, &setup, row, &raw, &known, &due);
            for part in &reading.parts {
                // A window in which nothing was found yet is looked at again next time: the first poll only sets the counters' marks.
                let found = matches!(&part.outcome, Ok(crate::domain::Answer::Counts(rows)) if !rows.is_empty());
                if let (true, crate::domain::Want::Counts { definition, window }) = (found, &part.want) {
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
    fn stand_down(&mut self) {
        let failing =
            !self.snapshot.sources.is_empty() && self.snapshot.sources.iter().all(|s| s.failures >= 3 && s.failures.is_multiple_of(3));
        if let (true, Some(epoch), Some(store)) = (failing, self.epoch, self.setup.store.clone()) {
            drop(store.release(&self.setup.holder, epoch));
            self.bench = Some(Instant::now() + pace(&self.setup.plan));
            self.lose();
        }
    }

    /// Write down how queues stand, of the sources of which that was not done for so long.
    fn remember_queues(&mut self, pause: TimeDelta) {
        let (Some(store), Some(epoch)) = (&self.setup.store, self.epoch) else { return };
        let now = self.setup.clock.now();
        let due = |source: &&SourceName| self.kept.get(*source).is_none_or(|at| now - *at >= pause || *at > now);
        let sources: std::collections::BTreeSet<_> = self.snapshot.queues.iter().map(|row| &row.source).filter(due).cloned().collect();
        for source in sources {
            if keep_queues(store, epoch, &self.snapshot, &source, now).is_ok() {
                self.kept.insert(source, now);
            }
        }
    }

    fn remember_episodes(&mut self) {
        let (Some(store), Some(epoch)) = (&self.setup.store, self.epoch) else { return };
        let news: Vec<Episode> =
            self.snapshot.episodes.iter().filter(|(key, e)| self.written.get(*key) != Some(*e)).map(|(_, e)| e.clone()).collect();
        if !news.is_empty() && store.put_episodes(epoch, &news).is_ok() {
            self.written.clone_from(&self.snapshot.episodes);
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

    /// What is old becomes coarser in the store and, where there is none, is forgotten.
    fn compact(&mut self) {
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

    // ---- acting

    fn acting(&self) -> Option<Acting> {
        acting(&self.setup)
    }

    fn request(&mut self, request: Request, done: &mpsc::UnboundedSender<Ended>) {
        match request {
            Request::Look(Question::Refresh) => self.refresh.send_modify(|n| *n += 1),
            Request::Look(Question::Chronicle(id)) => self.look_up(&id),
            Request::Look(Question::Latencies(id)) => self.look_up_latencies(id),
            Request::Look(Question::Output(key)) => self.watch_output(key),
            Request::Look(Question::History(visible)) => {
                self.visible = visible;
                self.look();
            }
            Request::Act(act) => {
                let tried = if let Verb::Run(verb) = &act.verb { self.run_act(&act, verb) } else { self.act(&act, done) };
                if let Err(refusal) = tried {
                    self.toast(true, refusal.to_string(), Some(act.incident));
                }
            }
        }
    }

    /// Ask for what is told of an incident; the answer comes back as an event. While one is under way, the next waits for it.
    fn look_up(&mut self, id: &IncidentId) {
        let Some(incident) = self.snapshot.incident(id).cloned() else { return };
        if let Some(again) = self.looked_up.get_mut(id) {
            *again = true;
            return;
        }
        self.looked_up.insert(id.clone(), false);
        let (setup, told) = (Arc::clone(&self.setup), self.told.0.clone());
        tokio::task::spawn_local(async move {
            let chronicle = look_up(&setup, &incident).await;
            let _ = told.send((incident.id.clone(), chronicle));
        });
    }

    /// Ask the store how long the answers of an SLO took; what it finds comes back as an event. One look-up at a time for each.
    fn look_up_latencies(&mut self, id: SloId) {
        let (Some(store), Some(row)) = (self.setup.store.clone(), self.snapshot.slos.iter().find(|r| r.id == id).cloned()) else { return };
        if !latencies::has(&row) || !self.looked_through.insert(id.clone()) {
            return;
        }
        let (now, found) = (self.setup.clock.now(), self.quantiles.0.clone());
        tokio::task::spawn_blocking(move || {
            let quantiles = latencies::look_up(&store, &row.definition, &row.group, now).ok();
            let _ = found.send((id, quantiles));
        });
    }

    fn looked_through(&mut self, id: SloId, quantiles: Option<Vec<(Window, Quantiles)>>) {
        self.looked_through.remove(&id);
        if let Some(quantiles) = quantiles {
            self.take(Event::Latencies(id, quantiles));
            self.show();
        }
    }

    fn told(&mut self, id: &IncidentId, chronicle: Chronicle) {
        let again = self.looked_up.remove(id) == Some(true);
        self.take(Event::Chronicle(id.clone(), Box::new(chronicle)));
        self.show();
        if again {
            self.look_up(id);
        }
    }

    fn act(&mut self, act: &Act, done: &mpsc::UnboundedSender<Ended>) -> Result<(), perform::Refusal> {
        let Some(acting) = self.acting() else {
            return Err(perform::Refusal::NoJournal(self.snapshot.store.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
        };
        self.catch_up_journal(&acting.store);
        let now = self.setup.clock.now();
        let id = perform::act_id(now, random_bits());
        let entry = acting.decide(&self.snapshot, act, &id, now)?;
        let seen = Acting::seen(&self.snapshot, act, &entry);
        let asked = acting.ask(entry, seen)?;
        self.take(Event::Journal(vec![asked.clone()]));
        self.show();
        self.carry_out(acting, asked, false, done);
        Ok(())
    }

    fn carry_out(&mut self, acting: Acting, asked: Entry, look_first: bool, done: &mpsc::UnboundedSender<Ended>) {
        self.in_flight.insert(asked.act.clone());
        self.tried.insert(asked.act.clone(), self.setup.clock.now());
        let (done, clock) = (done.clone(), self.setup.clock.clone());
        tokio::task::spawn_local(async move {
            let ended = acting.carry_out(&asked, look_first, clock.now()).await;
            let _ = done.send((asked.act, ended));
        });
    }

    fn ended(&mut self, entry: Option<Entry>, act: &ActId) {
        self.in_flight.remove(act);
        let Some(entry) = entry else {
            return self.toast(
                true,
                "how an act ended could not be written to the journal; it is looked after when the journal can be written".into(),
                None,
            );
        };
        if let What::Ended { outcome, .. } = &entry.what
            && entry.who == self.setup.me
        {
            let (failure, text) = sentence(&self.snapshot, &entry, outcome);
            self.toast(failure, text, Some(entry.subject));
        }
        if let Some(store) = self.setup.store.clone() {
            self.catch_up_journal(&store);
        }
        self.show();
    }

    fn toast(&mut self, failure: bool, text: String, about: Option<IncidentId>) {
        self.toasts += 1;
        let toast = Toast { serial: self.toasts, at: self.setup.clock.now(), failure, text: Text::from(text), about };
        self.take(Event::Toast(toast));
        self.show();
    }

    /// What the lease holder does of itself.
    fn work(&mut self, done: &mpsc::UnboundedSender<Ended>) {
        // Whoever was stopped for longer than the lease lasts may have been replaced meanwhile, and must ask before it acts again.
        let unseen = self.setup.clock.now() - self.held_at;
        if self.epoch.is_some() && unseen.to_std().is_ok_and(|unseen| unseen > ttl(&self.setup.plan)) {
            self.lease();
        }
        if self.epoch.is_none() || self.setup.plan.read_only {
            return;
        }
        let now = self.setup.clock.now();
        self.refused.retain(|_, at| now - *at < AFTER_REFUSAL);
        let chores = perform::chores(&self.snapshot, &self.setup.plan, &mut self.missing, now);
        for chore in chores {
            let Some(acting) = self.acting() else { return };
            match chore {
                Chore::New { subject, .. } if self.refused.contains_key(&subject) => {}
                Chore::New { subject, title, seen, effect } => {
                    let id = perform::act_id(now, random_bits());
                    let what = What::Asked { effect };
                    let entry = Entry { id: 0, at: now, act: id, subject, title, service: None, version: 0, who: perform::itself(), what };
                    if let Ok(asked) = acting.ask(entry, seen) {
                        self.take(Event::Journal(vec![asked.clone()]));
                        self.carry_out(acting, asked, false, done);
                    } else {
                        self.catch_up_journal(&acting.store);
                    }
                }
                Chore::Again(asked) => self.again(acting, *asked, now, done),
            }
        }
    }

    fn again(&mut self, acting: Acting, asked: Entry, now: DateTime<Utc>, done: &mpsc::UnboundedSender<Ended>) {
        let lately = self.tried.get(&asked.act).is_some_and(|at| now - *at < TimeDelta::seconds(15));
        if lately || self.in_flight.contains(&asked.act) {
            return;
        }
        let over = self.snapshot.incident(&asked.subject).is_none();
        let ours = match &asked.what {
            What::Asked { effect: Effect::Acknowledge { target, .. } | Effect::TakeOver { target, .. } } => *target != Target::Journal,
            _ => false,
        };
        if over && ours && now - asked.at > TimeDelta::minutes(5) {
            let why = Text::from("the alert cleared before it could be delivered");
            let what = What::Ended { outcome: Outcome::Failed { why, retry: false }, legs: Vec::new() };
            drop(acting.store.append(Entry { what, at: now, ..asked }, None));
            self.catch_up_journal(&acting.store);
            return;
        }
        self.carry_out(acting, asked, true, done);
    }
}

/// What is said of an act that ended.
fn sentence(snapshot: &Snapshot, entry: &Entry, outcome: &Outcome) -> (bool, String) {
    let effect = snapshot.threads.get(&entry.subject).and_then(|t| t.open.get(&entry.act)).map(|o| o.effect.clone());
    let verb = effect.as_ref().map_or("done", |e| match e {
        Effect::Acknowledge { .. } => "acknowledged",
        Effect::Extend { .. } => "extended",
        Effect::Release { .. } => "given back",
        Effect::Resolve { .. } => "resolved",
        Effect::Note { .. } => "noted",
        Effect::Snooze { .. } => "snoozed",
        Effect::Escalate { .. } => "escalated",
        Effect::TakeOver { .. } => "taken over",
        Effect::Silence { .. } => "silenced",
        Effect::Expire { .. } => "expired",
        Effect::Override { .. } => "override made for",
        Effect::HandoffNote { .. } => "handoff note left for",
        Effect::HandoffRead { .. } => "handoff note read for",
    });
    match outcome {
        Outcome::Done { receipt } => {
            let silence = receipt.as_ref().map(|r| format!(" · silence {}", r.chars().take(8).collect::<String>()));
            (false, format!("{verb} {}{}", entry.title, silence.unwrap_or_default()))
        }
        Outcome::Failed { why, retry: true } => (true, format!("{}: not delivered yet, will be tried again: {why}", entry.title)),
        Outcome::Failed { why, retry: false } => (true, format!("{}: not done: {why}", entry.title)),
        Outcome::Unknown { why } => (true, format!("{}: not known whether it was done, looking: {why}", entry.title)),
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
