//! A scenario: who works in the shop, what was promised, what went wrong and what will.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{BadScenario, file, practice, shop::noise};

/// A shop and its fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called: `bad-canary`.
    pub name: String,
    /// What happens, in a few words.
    pub title: String,
    /// What all chance is drawn from: the same seed gives the same shop.
    pub seed: u64,
    /// Those who serve, in the order in which they are listed.
    pub services: Vec<Service>,
    /// What will go wrong.
    pub faults: Vec<Fault>,
    /// The runbooks that help: file names of the practice fleet's own, or paths from where the scenario's file is.
    pub runbooks: Vec<String>,
    /// Runbooks of those who rehearse that this scenario stands for, by their names: they count as rehearsed by it.
    pub rehearses: Vec<String>,
}

/// One service of the shop.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The value of its `service` label.
    pub name: &'static str,
    /// The team that owns it.
    pub owner: &'static str,
    /// 1 is the most important.
    pub tier: u8,
    /// The `version` label of what runs when all is well.
    pub version: &'static str,
    /// Requests per second, mean over a day.
    pub rate: f64,
    /// What it promises over 30 days, as a config says it: `99.9%`.
    pub objective: &'static str,
    /// Share of requests that fail on a quiet day, in \[0, 1\].
    pub error_share: f64,
    /// What went wrong before the start.
    pub past: Vec<PastIncident>,
    /// Share of requests slower than [`SLOW_SECS`] on a quiet day, in \[0, 1\]; `None` if it does not tell how long they take.
    pub slow_share: Option<f64>,
    /// The work that it leaves for later.
    pub queue: Option<Queue>,
    /// The connections that it shares out among its requests.
    pub pool: Option<Pool>,
}

/// What is promised of latency: an answer within so many seconds.
pub const SLOW_SECS: f64 = 0.3;
/// What is promised of queues: that a job is begun within so many seconds of coming in.
pub const LATE_SECS: u64 = 30;

/// A queue and those who work on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// The value of its `queue` label.
    pub name: &'static str,
    /// Jobs that come in per second, mean over a day.
    pub rate: f64,
    /// How many work on it when all is well.
    pub workers: u32,
    /// Jobs that each of them does per second.
    pub speed: f64,
    /// Share of jobs that are late on a quiet day, in \[0, 1\].
    pub late_share: f64,
}

/// A pool of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many there are when all is well.
    pub size: u32,
    /// How many there can be.
    pub most: u32,
    /// How long a request holds one, in milliseconds, when all is well.
    pub hold_ms: u32,
}

/// Something that went wrong before the shop was started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastIncident {
    /// How long before the start it began, in seconds.
    pub ago_secs: i64,
    /// How long it lasted, in seconds.
    pub lasted_secs: i64,
    /// Share of requests that failed while it lasted, in \[0, 1\].
    pub error_share: f64,
}

/// Something that will go wrong with a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Whom it befalls.
    pub service: &'static str,
    /// First second after the start in which it does.
    pub from_secs: u64,
    /// First second after the start in which it no longer does; `None` if it never ends by itself.
    pub to_secs: Option<u64>,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What is wrong, and by that also what helps.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// A version takes a share of the traffic and fails a share of it, until the traffic is shifted away.
    Canary {
        /// The `version` label of what fails.
        version: Arc<str>,
        /// Share of the service's requests that it takes, in \[0, 1\].
        traffic_share: f64,
        /// Share of these that fail, in \[0, 1\].
        error_share: f64,
    },
    /// The workers of the service's queue hang, until they are started again.
    Stall,
    /// A request holds a connection for longer; who gets none is turned away, until the pool is large enough.
    Pool {
        /// For how long, in milliseconds.
        hold_ms: u32,
    },
    /// Something that the service asks answers late, until a flag switches it off.
    Dependency {
        /// The flag.
        flag: Arc<str>,
        /// Share of the service's requests that ask it, in \[0, 1\].
        share: f64,
        /// How long these take, in milliseconds.
        latency_ms: u32,
        /// Share of these that fail, in \[0, 1\].
        error_share: f64,
    },
}

impl Fault {
    /// Whether it is going on in second `n` after the start, if nobody does anything about it.
    pub fn is_on(&self, n: u64) -> bool {
        self.from_secs <= n && self.to_secs.is_none_or(|to| n < to)
    }
}

/// For how long a quiet day's errors keep one level, in seconds.
const WEATHER_SECS: i64 = 300;

impl Service {
    /// Share of requests that fail around `at` when nothing is wrong: the quiet share, half to one and a half times.
    pub fn quiet_share(&self, seed: u64, at: DateTime<Utc>) -> f64 {
        self.error_share * (0.5 + noise(seed, self.name, at.timestamp().div_euclid(WEATHER_SECS)))
    }
    /// Requests per second expected around `at`: the mean on a daily wave.
    pub fn rate_at(&self, at: DateTime<Utc>) -> f64 {
        self.rate * wave(at)
    }
}

/// What is usual at the time of day, around 1: a quarter more at 15:00 UTC and a quarter less at 03:00.
pub(super) fn wave(at: DateTime<Utc>) -> f64 {
    let since_peak = (at - TimeDelta::hours(15)).timestamp().rem_euclid(86_400);
    1.0 + 0.25 * (since_peak as f64 / 86_400.0 * std::f64::consts::TAU).cos()
}

/// The scenarios that come with the program, and their files.
const FILES: [(&str, &str); 4] = [
    ("bad-canary", include_str!("../../practice/scenarios/bad-canary.toml")),
    ("stalled-queue", include_str!("../../practice/scenarios/stalled-queue.toml")),
    ("pool-dry", include_str!("../../practice/scenarios/pool-dry.toml")),
    ("slow-dependency", include_str!("../../practice/scenarios/slow-dependency.toml")),
];

impl Scenario {
    /// Nothing goes wrong.
    pub fn quiet() -> Self {
        Self::of("quiet")
    }
    /// A shop in which nothing goes wrong yet.
    pub(super) fn of(name: &str) -> Self {
        let (name, title) = (name.to_owned(), "A quiet day".to_owned());
        Self { name, title, seed: 41, services: practice::shop(), faults: Vec::new(), runbooks: Vec::new(), rehearses: Vec::new() }
    }
    /// The names of the scenarios that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.into_iter().map(|(name, _)| name)
    }
    /// The scenario of this name that comes with the program; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = FILES.into_iter().find(|(n, _)| *n == name)?;
        file::read(name, text).ok()
    }
    /// The scenario called `name` as a person wrote it.
    pub fn read(name: &str, text: &str) -> Result<Self, BadScenario> {
        file::read(name, text)
    }
    /// A roll-out of checkout that should have been stopped: what `demo` shows. Its file tells the arithmetic.
    pub fn bad_canary() -> Self {
        Self::named("bad-canary").unwrap_or_else(Self::quiet)
    }
    /// The service called `name`; `None` if nobody here is.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Objective, burn_rate};

    #[test]
    fn quiet_days_burn_within_the_budget() {
        for service in Scenario::bad_canary().services {
            let objective: Objective = service.objective.parse().unwrap();
            for slot in 0..500 {
                let share = service.quiet_share(41, DateTime::UNIX_EPOCH + TimeDelta::seconds(slot * WEATHER_SECS));
                let burn = burn_rate(share, objective).0;
                assert!((0.04..1.0).contains(&burn), "{} burns at {burn}", service.name);
            }
        }
    }

    #[test]
    fn the_day_is_a_wave_around_the_mean() {
        let service = practice::shop().remove(0);
        let at = |hour| service.rate_at(DateTime::UNIX_EPOCH + TimeDelta::hours(hour)) / service.rate;
        assert!((at(15) - 1.25).abs() < 1e-9 && (at(3) - 0.75).abs() < 1e-9);
        assert!(((0..24).map(at).sum::<f64>() / 24.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_fault_is_on_from_its_first_second_to_before_its_last() {
        let fault = Fault { to_secs: Some(30), ..Scenario::bad_canary().faults.remove(0) };
        assert_eq!([19, 20, 29, 30].map(|n| fault.is_on(n)), [false, true, true, false]);
        assert!(Fault { to_secs: None, ..fault }.is_on(u64::MAX));
    }

    #[test]
    fn every_scenario_that_comes_along_is_one() {
        for name in Scenario::names() {
            let scenario = Scenario::named(name).unwrap();
            assert_eq!((scenario.name.as_str(), scenario.faults.len(), scenario.runbooks.len()), (name, 1, 1));
        }
        assert_eq!(Scenario::named("quiet"), None);
    }
}
