//! A scenario: who works in the shop, what was promised, what went wrong and what will.

use chrono::{DateTime, TimeDelta, Utc};

use super::shop::noise;

/// A shop and its fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called: `bad-canary`.
    pub name: &'static str,
    /// What all chance is drawn from: the same seed gives the same shop.
    pub seed: u64,
    /// Those who serve, in the order in which they are listed.
    pub services: Vec<Service>,
    /// What will go wrong.
    pub faults: Vec<Fault>,
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

/// Something that will go wrong: a version takes a share of a service's traffic and fails a share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Whom it befalls.
    pub service: &'static str,
    /// The `version` label of what fails.
    pub version: &'static str,
    /// First second after the start in which it does.
    pub from_secs: u64,
    /// First second after the start in which it no longer does; `None` if it never ends.
    pub to_secs: Option<u64>,
    /// Share of the service's requests that this version takes, in \[0, 1\].
    pub traffic_share: f64,
    /// Share of these that fail, in \[0, 1\].
    pub error_share: f64,
}

impl Fault {
    /// Whether it is going on in second `n` after the start.
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
    /// Requests per second expected around `at`: the mean on a daily wave, a quarter more at 15:00 UTC and a quarter less at 03:00.
    pub fn rate_at(&self, at: DateTime<Utc>) -> f64 {
        let since_peak = (at - TimeDelta::hours(15)).timestamp().rem_euclid(86_400);
        self.rate * (1.0 + 0.25 * (since_peak as f64 / 86_400.0 * std::f64::consts::TAU).cos())
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// `(seconds ago, seconds long, share of requests that failed)`.
fn past(ago_secs: i64, lasted_secs: i64, error_share: f64) -> PastIncident {
    PastIncident { ago_secs, lasted_secs, error_share }
}

/// Over 30 days a 99.99 % promise allows 4.32 minutes of full outage, 99.95 % 21.6, 99.9 % 43.2 and 99 % 432. The quiet shares spend 0.1
/// to 0.65 of a budget evenly; the past incidents spend the rest of what is spent, so that no two budgets look alike.
fn shop() -> Vec<Service> {
    vec![
        Service {
            name: "gateway",
            owner: "platform-team",
            tier: 1,
            version: "v118",
            rate: 420.0,
            objective: "99.9%",
            error_share: 0.000_35,
            past: vec![past(17 * DAY, 25 * MINUTE, 0.20), past(96 * MINUTE, 4 * MINUTE, 0.03)],
        },
        Service {
            name: "checkout",
            owner: "payments-team",
            tier: 1,
            version: "v41",
            rate: 180.0,
            objective: "99.99%",
            error_share: 0.000_012,
            past: vec![past(9 * DAY, 40 * MINUTE, 0.02)],
        },
        Service {
            name: "payments",
            owner: "payments-team",
            tier: 1,
            version: "v77",
            rate: 90.0,
            objective: "99.95%",
            error_share: 0.000_15,
            past: vec![past(5 * DAY, 30 * MINUTE, 0.10)],
        },
        Service {
            name: "catalog",
            owner: "storefront-team",
            tier: 2,
            version: "v203",
            rate: 260.0,
            objective: "99.9%",
            error_share: 0.000_1,
            past: vec![],
        },
        Service {
            name: "cart",
            owner: "storefront-team",
            tier: 2,
            version: "v56",
            rate: 120.0,
            objective: "99.9%",
            error_share: 0.000_25,
            past: vec![past(252 * MINUTE, 6 * MINUTE, 0.01)],
        },
        // A whole day on a broken index has overspent its budget: a warning that has nothing to do with tonight.
        Service {
            name: "search",
            owner: "search-team",
            tier: 3,
            version: "v12",
            rate: 150.0,
            objective: "99%",
            error_share: 0.006_5,
            past: vec![past(12 * DAY, 24 * HOUR, 0.14)],
        },
    ]
}

impl Scenario {
    /// Nothing goes wrong.
    pub fn quiet() -> Self {
        Self { name: "quiet", seed: 41, services: shop(), faults: Vec::new() }
    }
    /// A roll-out of checkout that should have been stopped: in second 20 its canary `v42` has been promoted to three quarters of the
    /// traffic and fails a quarter of that, 18.75 % of checkout's requests, until the end.
    ///
    /// Checkout promises 99.99 %, so the ordinary page rule (1h/5m above 14.4) fires once 0.144 % of an hour's requests have failed:
    /// 0.00144 · 3600 s ÷ 0.1875 = 27.6 s after the fault began. Polled every 5 s, the page is open before second 55, so within the
    /// first minute however it is counted. At a share of one half it would take 41.5 s, at one tenth 207 s.
    pub fn bad_canary() -> Self {
        let canary = Fault { service: "checkout", version: "v42", from_secs: 20, to_secs: None, traffic_share: 0.75, error_share: 0.25 };
        Self { name: "bad-canary", faults: vec![canary], ..Self::quiet() }
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
        let service = shop().remove(0);
        let at = |hour| service.rate_at(DateTime::UNIX_EPOCH + TimeDelta::hours(hour)) / service.rate;
        assert!((at(15) - 1.25).abs() < 1e-9 && (at(3) - 0.75).abs() < 1e-9);
        assert!(((0..24).map(at).sum::<f64>() / 24.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_fault_is_on_from_its_first_second_to_before_its_last() {
        let fault = Fault { to_secs: Some(30), ..Scenario::bad_canary().faults[0] };
        assert_eq!([19, 20, 29, 30].map(|n| fault.is_on(n)), [false, true, true, false]);
        assert!(Fault { to_secs: None, ..fault }.is_on(u64::MAX));
    }

    #[test]
    fn every_fault_befalls_somebody() {
        let scenario = Scenario::bad_canary();
        assert!(scenario.faults.iter().all(|f| scenario.service(f.service).is_some_and(|s| s.version != f.version)));
    }
}
