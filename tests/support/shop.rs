//! The practice fleet in the test's own process, with a config and a store for cockpits that watch it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use burnwatch::{
    domain::{Group, Untrusted},
    fleet::{self, Clock, Fleet, Scenario},
    store::{Bucket, Store},
};
use chrono::{DateTime, TimeDelta, Utc};

/// The running fleet and where its cockpits find what they need.
pub struct Shop {
    pub fleet: Fleet,
    pub config: PathBuf,
    pub store: PathBuf,
    _runtime: tokio::runtime::Runtime,
}

impl Shop {
    /// Opens the fleet, its time told by `clock`; cockpits poll it as often as `every` says. All files lie in `home`.
    pub fn open(home: &Path, scenario: Scenario, clock: Clock, every: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fleet = runtime.block_on(Fleet::start(scenario, clock)).unwrap();
        let (config, store) = (home.join("burnwatch.toml"), home.join("store"));
        let text = fleet.config(&store.display().to_string(), None).replace("every = \"5s\"", &format!("every = \"{every}\""));
        assert!(text.contains(&format!("every = \"{every}\"")));
        fs::write(&config, text).unwrap();
        Self { fleet, config, store, _runtime: runtime }
    }

    /// A fleet whose checkout failed one request in a hundred from twenty to six minutes ago, as its store knows: no rule fires, but
    /// the hour is spent. Now it fails in earnest, and the first page is open within seconds.
    pub fn burning(home: &Path) -> Self {
        let mut scenario = Scenario::bad_canary();
        scenario.faults.iter_mut().for_each(|fault| fault.from_secs = 0);
        let shop = Self::open(home, scenario, Arc::new(Utc::now), "1s");
        let mut past = shop.fleet.history(30);
        let ago = |minutes| shop.fleet.started_at() - TimeDelta::minutes(minutes);
        for bucket in past.iter_mut().filter(|b| b.slo == "availability" && b.service == "checkout" && b.from >= ago(20) && b.to <= ago(6))
        {
            bucket.bad = (bucket.total / 93.0).floor();
        }
        shop.lay(&past);
        shop
    }

    /// A fleet whose checkout has failed one request in five for twenty minutes, as its store knows, though nobody looked.
    pub fn unseen(home: &Path) -> Self {
        let mut scenario = Scenario::bad_canary();
        scenario.faults.iter_mut().for_each(|fault| fault.from_secs = 0);
        let shop = Self::open(home, scenario, Arc::new(Utc::now), "1s");
        let mut past = shop.fleet.history(30);
        let began = shop.fleet.started_at() - TimeDelta::minutes(20);
        for bucket in past.iter_mut().filter(|b| b.slo == "availability" && b.service == "checkout" && b.from >= began) {
            bucket.bad = (bucket.total / 5.0).floor();
        }
        shop.lay(&past);
        shop
    }

    pub fn lay(&self, past: &[fleet::Bucket]) {
        let bucket = |b: &fleet::Bucket| Bucket {
            definition: b.slo.into(),
            group: Group(vec![Untrusted::new(b.service.clone())]),
            from: b.from,
            to: b.to,
            bad: b.bad,
            total: b.total,
            gap: false,
        };
        self.read().lay_history(&past.iter().map(bucket).collect::<Vec<_>>()).unwrap();
    }

    /// The store, opened anew.
    pub fn read(&self) -> Store {
        Store::open(&self.store).unwrap()
    }

    /// Every bucket of the requests of `service`, from the oldest to the youngest.
    pub fn buckets(&self, service: &str) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        let group = Group(vec![Untrusted::new(service)]);
        self.read()
            .buckets(DateTime::<Utc>::MIN_UTC, |b| {
                buckets.extend(Some(b.clone()).filter(|b| b.definition == "availability".into() && b.group == group));
            })
            .unwrap();
        buckets
    }
}
