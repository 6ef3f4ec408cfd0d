//! The shop that is practised on: who works in it, what each promises, and what it stands on.

use super::{PastIncident, Pool, Queue, Service};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// `(seconds ago, seconds long, share of requests that failed)`.
fn past(ago_secs: i64, lasted_secs: i64, error_share: f64) -> PastIncident {
    PastIncident { ago_secs, lasted_secs, error_share }
}

/// Over 30 days a 99.99 % promise allows 4.32 minutes of full outage, 99.95 % 21.6, 99.9 % 43.2 and 99 % 432. The quiet shares spend 0.1
/// to 0.65 of a budget evenly; the past incidents spend the rest of what is spent, so that no two budgets look alike.
pub(super) fn shop() -> Vec<Service> {
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
            slow_share: Some(0.000_3),
            queue: None,
            pool: None,
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
            slow_share: None,
            queue: Some(Queue { name: "orders", rate: 30.0, workers: 8, speed: 12.0, late_share: 0.000_1 }),
            pool: None,
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
            slow_share: None,
            queue: None,
            pool: Some(Pool { size: 20, most: 100, hold_ms: 50 }),
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
            slow_share: Some(0.000_2),
            queue: None,
            pool: None,
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
            slow_share: None,
            queue: Some(Queue { name: "mails", rate: 6.0, workers: 4, speed: 5.0, late_share: 0.000_2 }),
            pool: None,
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
            slow_share: None,
            queue: None,
            pool: None,
        },
    ]
}
