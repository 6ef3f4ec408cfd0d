//! A cockpit without a screen in the test's own process, at a time that the test tells.

use std::{path::Path, sync::Arc};

use burnwatch::{
    config::{self, Found, Origin, Vocabulary},
    domain::{AckPolicy, Actor, Plan, Snapshot, StoreState},
    engine::{self, Clock, Librarian, Running, Setup},
    sources::{Source, registry},
    store::{Holder, Store},
};

use super::DEADLINE;

/// A running engine; ended with this value.
pub struct Cockpit {
    running: Option<Running>,
    /// What it watches.
    pub plan: Arc<Plan>,
    runtime: tokio::runtime::Runtime,
}

impl Cockpit {
    /// Runs what the file `config` says; its store is given there.
    pub fn start(config: &Path, clock: Clock) -> Self {
        let setup = setup(config, clock);
        let plan = Arc::clone(&setup.plan);
        let opened = (setup.store.clone(), setup.state.clone());
        let running = engine::start(setup, || opened).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { running: Some(running), plan, runtime }
    }

    /// Waits until the snapshot is as wished, and gives it; `what` names it when it never is.
    pub fn wait_for(&mut self, what: &str, mut wished: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        let Some(running) = self.running.as_mut() else { panic!("the cockpit has ended") };
        let snapshots = &mut running.snapshots;
        let seen = self.runtime.block_on(async {
            let wait = snapshots.wait_for(|snapshot| wished(snapshot));
            tokio::time::timeout(DEADLINE, wait).await.map(|found| Arc::clone(&found.unwrap()))
        });
        seen.unwrap_or_else(|_| {
            let last = running.snapshots.borrow();
            panic!("waited for {what}, and saw {:#?} {:#?} {:#?}", last.threads, last.runs, last.toasts)
        })
    }

    /// Asks for an act or a look.
    pub fn ask(&self, request: burnwatch::domain::Request) {
        self.running.as_ref().unwrap().requests.send(request).unwrap();
    }
}

impl Drop for Cockpit {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn setup(file: &Path, clock: Clock) -> Setup {
    let words = Vocabulary { kinds: &registry::KINDS, themes: &[] };
    let found = Found { path: file.to_owned(), origin: Origin::Named };
    let loaded = config::load(&found, &words, registry::read).unwrap_or_else(|problems| panic!("{problems}"));
    let sources: Vec<Arc<dyn Source>> =
        loaded.sources.iter().map(|row| row.source(&loaded.config.definitions, &loaded.config.gauges).unwrap()).collect();
    let config = loaded.config;
    let files = config.clone();
    let librarian = Librarian::of(move || config::library(&files, &[]).library);
    let runbooks = Arc::new(librarian.read());
    let plan = Plan {
        groups: config.groups,
        name: config.cockpit.name.clone(),
        time_zone: config.cockpit.time_zone,
        sources: loaded.sources.iter().map(|row| row.plan.clone()).collect(),
        definitions: config.definitions,
        services: config.services,
        people: config.people,
        rotations: config.rotations,
        feeds: Vec::new(),
        runbooks,
        queues: config.queues,
        gauges: config.gauges,
        ack: AckPolicy { max: config.cockpit.ack_max },
        read_only: false,
    };
    let store = Store::open(&config.store.url.unwrap()).unwrap();
    Setup {
        program: env!("CARGO_BIN_EXE_burnwatch").into(),
        librarian,
        plan: Arc::new(plan),
        sources,
        store: Some(Arc::new(store)),
        state: StoreState::default(),
        me: Actor { name: "cockpit".into(), verified: true },
        holder: Holder { id: format!("cockpit-{}", std::process::id()), name: "cockpit".into(), pid: std::process::id() },
        clock,
    }
}
