use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::{
    domain::{Ask, Effect, LeaseView, Target},
    engine::fixture,
};

/// Cockpits on one store, at a time that a test sets.
struct Rig {
    folder: tempfile::TempDir,
    secs: Arc<AtomicI64>,
}

impl Rig {
    fn new() -> Self {
        Self { folder: tempfile::TempDir::new().unwrap(), secs: Arc::default() }
    }

    fn cockpit(&self, id: &str) -> Core {
        let secs = Arc::clone(&self.secs);
        let clock = Clock::of(move || DateTime::from_timestamp(1_800_000_000 + secs.load(Ordering::Relaxed), 0).unwrap());
        let plan = fixture::plan(Vec::new(), Vec::new());
        let store = Arc::new(Store::open(&self.folder.path().join("store")).unwrap());
        let setup = Setup {
            program: "/proc/self/exe".into(),
            librarian: Librarian::of(Library::default),
            plan: Arc::new(plan),
            sources: Vec::new(),
            store: Some(store),
            state: StoreState::default(),
            me: perform::itself(),
            holder: Holder { id: id.to_owned(), name: id.into(), pid: 1 },
            clock,
        };
        let publish = watch::channel(Arc::new(first(&setup))).0;
        Core::new(setup, publish)
    }

    /// Longer than a lease lasts.
    fn sleep(&self) {
        self.secs.fetch_add(60, Ordering::Relaxed);
    }
}

/// Resumed after Ctrl-Z, a holder looked after acknowledgements that were another's by then, until its next beat.
#[test]
fn a_holder_that_slept_past_its_lease_asks_before_it_acts() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.cockpit("one"), rig.cockpit("two"));
    let done = mpsc::unbounded_channel().0;
    one.lease();
    assert_eq!(one.snapshot.store.lease, LeaseView::Ours);
    two.lease();
    assert_eq!(two.snapshot.store.lease, LeaseView::Theirs("one".into()));
    rig.sleep();
    two.lease();
    assert_eq!(two.snapshot.store.lease, LeaseView::Ours);
    one.work(&done);
    assert_eq!((one.epoch, *one.polls.borrow()), (None, false));
    one.beat();
    assert_eq!(one.snapshot.store.lease, LeaseView::Theirs("two".into()));
}

/// A holder that merely slept is still the holder.
#[test]
fn a_holder_whom_nobody_replaced_goes_on() {
    let rig = Rig::new();
    let mut one = rig.cockpit("one");
    one.lease();
    rig.sleep();
    one.work(&mpsc::unbounded_channel().0);
    assert!(one.epoch.is_some() && *one.polls.borrow());
}

/// With no watch to be had (their number is limited) a follower saw nothing that others did.
#[test]
fn a_beat_brings_what_no_watch_told() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.cockpit("one"), rig.cockpit("two"));
    one.lease();
    two.lease();
    let now = one.setup.clock.now();
    let effect = Effect::Acknowledge { target: Target::Journal, occurrence: now, note: None, until: now, lapses: now };
    let (act, what) = (perform::act_id(now, 7), What::Asked { effect });
    let entry = Entry {
        id: 0,
        at: now,
        act,
        subject: "checkout".into(),
        title: "checkout".into(),
        service: None,
        version: 0,
        who: perform::itself(),
        what,
    };
    one.setup.store.as_ref().unwrap().append(entry, None).unwrap();
    two.beat();
    assert_eq!(two.snapshot.latest.len(), 1);
}

/// A follower that once could not look at the lease polled beside the holder from then on.
#[test]
fn who_polled_alone_stops_when_there_is_a_holder() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.cockpit("one"), rig.cockpit("two"));
    one.lease();
    let _ = two.polls.send_replace(true);
    two.lease();
    assert!(!*two.polls.borrow());
}

/// A source of metrics of which nothing is asked, as of a config without SLOs.
#[derive(Debug)]
struct Unasked;

#[async_trait::async_trait]
impl Source for Unasked {
    fn name(&self) -> &SourceName {
        static NAME: std::sync::LazyLock<SourceName> = std::sync::LazyLock::new(|| "prom".into());
        &NAME
    }
    fn gives(&self) -> Gives {
        Gives::Metrics
    }
    async fn poll(&self, _: &Ask, _: Lane, _: &(dyn Fn() -> DateTime<Utc> + Send + Sync)) -> Reading {
        panic!("there is nothing to ask")
    }
}

/// Beside a cockpit every command waited two intervals for the first answer of a source that is never asked anything.
#[tokio::test(start_paused = true)]
async fn a_command_waits_for_no_answer_to_what_nobody_asks() {
    let rig = Rig::new();
    let mut one = rig.cockpit("one");
    one.lease();
    let plan = fixture::plan(vec![fixture::source("prom", "prometheus", 15)], Vec::new());
    let setup = Setup { plan: Arc::new(plan), sources: vec![Arc::new(Unasked)], ..(*rig.cockpit("two").setup).clone() };
    let began = Instant::now();
    let snapshot = once(&setup).await;
    assert_eq!(snapshot.store.lease, LeaseView::Theirs("one".into()));
    assert_eq!(began.elapsed(), Duration::ZERO);
}
