//! What the shop went through before it was started: 30 days of counts, ready to be laid into a store.
//!
//! The past is coarse where it is old and fine where windows still cut it: hours, then five minutes, then minutes, and in the last ten
//! minutes the steps in which the shop is polled. Buckets follow each other without a gap and end exactly at `now`, where the running
//! shop takes over with the same rates and the same quiet errors.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Scenario, Service,
    config::{AVAILABILITY, LATENCY, ON_TIME},
    scenario::wave,
    shop::Dice,
};
use crate::domain::Interval;

/// Events of one service in one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Of which of the promises in [`Fleet::config`](super::Fleet::config): its `[[slo]]` name.
    pub slo: &'static str,
    /// Whose events.
    pub service: String,
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
    /// Requests that failed, answers that were slow, or jobs that were late: a whole number, at most `total`.
    pub bad: f64,
    /// All requests, answers or jobs, a whole number.
    pub total: f64,
}

/// From old to young: until which age (seconds) buckets of which length (seconds) are used. Each bound lies beyond a window of the
/// ordinary rules (3d, 6h, 5m), so no such window cuts a bucket longer than a hundredth of itself.
const STEPS: [(i64, i64); 4] = [(280_800, 3_600), (23_400, 300), (600, 60), (0, 5)];

/// The past `days` days before `now`, service by service, each from the oldest bucket to the youngest.
pub fn history(scenario: &Scenario, now: DateTime<Utc>, days: u32) -> Vec<Bucket> {
    let spans = spans(now, days);
    scenario.services.iter().flat_map(|service| spans.iter().flat_map(|span| buckets(scenario.seed, service, *span, now))).collect()
}

/// What is told of one stretch of time: failures of each service, slowness and lateness of those that have it.
fn buckets(seed: u64, service: &Service, span: Interval, now: DateTime<Utc>) -> impl Iterator<Item = Bucket> {
    let failed = bucket(seed, service, span, now);
    let slow = service.slow_share.map(|share| Bucket {
        slo: LATENCY,
        bad: Dice::new(seed.rotate_left(7), service.name, span.from.timestamp().cast_unsigned()).share(failed.total as u64, share) as f64,
        ..failed.clone()
    });
    let late = service.queue.map(|queue| {
        let mut dice = Dice::new(seed, queue.name, span.from.timestamp().cast_unsigned());
        let total = dice.whole(queue.rate * wave(span.from + (span.to - span.from) / 2) * span.secs());
        Bucket { slo: ON_TIME, bad: dice.share(total, queue.late_share) as f64, total: total as f64, ..failed.clone() }
    });
    [Some(failed), slow, late].into_iter().flatten()
}

fn spans(now: DateTime<Utc>, days: u32) -> Vec<Interval> {
    let (mut age, mut spans) = (i64::from(days) * 86_400, Vec::new());
    let before = |age| now - TimeDelta::seconds(age);
    for (until, step) in STEPS {
        while age > until {
            let next = (age - step).max(until);
            spans.push(Interval { from: before(age), to: before(next) });
            age = next;
        }
    }
    spans
}

fn bucket(seed: u64, service: &Service, span: Interval, now: DateTime<Utc>) -> Bucket {
    let mut dice = Dice::new(seed, service.name, span.from.timestamp().cast_unsigned());
    let middle = span.from + (span.to - span.from) / 2;
    let jitter = 0.97 + 0.06 * dice.roll();
    let total = dice.whole(service.rate_at(middle) * span.secs() * jitter);
    let share = service.quiet_share(seed, span.from) + incident_share(service, span, now);
    let bad = dice.share(total, share);
    Bucket { slo: AVAILABILITY, service: service.name.to_owned(), from: span.from, to: span.to, bad: bad as f64, total: total as f64 }
}

/// Share of the requests of `span` that past incidents made fail, in \[0, 1\].
fn incident_share(service: &Service, span: Interval, now: DateTime<Utc>) -> f64 {
    let one = |incident: &super::PastIncident| {
        let from = now - TimeDelta::seconds(incident.ago_secs);
        let lasted = Interval { from, to: from + TimeDelta::seconds(incident.lasted_secs) };
        incident.error_share * span.overlap_secs(&lasted) / span.secs()
    };
    service.past.iter().map(one).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{EventCounts, Objective, Rule, Window, error_budget_remaining, workbook};
    use crate::fleet::Shop;

    fn at(hour: i64) -> DateTime<Utc> {
        "2026-03-01T00:00:00.250Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour)
    }
    fn month() -> Window {
        Window::days(30)
    }
    /// Events of one service within `window` before `now`, buckets that are cut counted in part.
    fn counts(buckets: &[Bucket], window: Window, now: DateTime<Utc>) -> EventCounts {
        let window = window.until(now);
        buckets.iter().fold(EventCounts::default(), |sum, b| {
            let span = Interval { from: b.from, to: b.to };
            let part = span.overlap_secs(&window) / span.secs();
            sum + EventCounts { bad: b.bad * part, total: b.total * part }
        })
    }
    fn by_service(buckets: Vec<Bucket>) -> BTreeMap<String, Vec<Bucket>> {
        let failures = buckets.into_iter().filter(|b| b.slo == AVAILABILITY);
        failures.fold(BTreeMap::new(), |mut map: BTreeMap<String, Vec<Bucket>>, b| {
            map.entry(b.service.clone()).or_default().push(b);
            map
        })
    }
    fn objective(service: &str) -> Objective {
        Scenario::quiet().service(service).unwrap().objective.parse().unwrap()
    }
    fn fires(rule: &Rule, buckets: &[Bucket], objective: Objective, now: DateTime<Utc>) -> bool {
        let burn = |w| counts(buckets, w, now).burn_rate(objective);
        rule.fires(burn(rule.long), burn(rule.short)) == Some(true)
    }

    #[test]
    fn the_past_has_no_gap_and_ends_now() {
        for days in [1, 4, 30] {
            let now = at(7);
            let past = by_service(history(&Scenario::quiet(), now, days));
            assert_eq!(past.len(), 6);
            for buckets in past.values() {
                assert_eq!(buckets[0].from, now - TimeDelta::days(i64::from(days)));
                assert_eq!(buckets[buckets.len() - 1].to, now);
                assert!(buckets.windows(2).all(|b| b[0].to == b[1].from));
                assert!(buckets.iter().all(|b| b.total > 0.0 && (0.0..=b.total).contains(&b.bad)));
                assert!(buckets.iter().all(|b| b.total.fract() == 0.0 && b.bad.fract() == 0.0));
            }
        }
    }

    #[test]
    fn buckets_are_fine_where_windows_cut_them() {
        let lengths = spans(at(0), 30).iter().fold(BTreeMap::<i64, usize>::new(), |mut map, s| {
            *map.entry((s.to - s.from).num_seconds()).or_default() += 1;
            map
        });
        assert_eq!(lengths, BTreeMap::from([(5, 120), (60, 380), (300, 858), (3_600, 642)]));
    }

    #[test]
    fn the_past_is_the_same_each_time_it_is_told() {
        assert_eq!(history(&Scenario::bad_canary(), at(3), 30), history(&Scenario::bad_canary(), at(3), 30));
    }

    #[test]
    fn budgets_differ_and_only_search_has_overspent() {
        for hour in (0..24).step_by(3) {
            let now = at(hour);
            for (service, buckets) in by_service(history(&Scenario::quiet(), now, 30)) {
                let left = error_budget_remaining(&counts(&buckets, month(), now), objective(&service)).unwrap();
                let expected = match service.as_str() {
                    "checkout" => 0.6..0.8,
                    "search" => -0.2..-0.05,
                    "catalog" => 0.85..0.95,
                    "cart" => 0.7..0.8,
                    _ => 0.45..0.65,
                };
                assert!(expected.contains(&left), "{service} has {left} left at {now}");
            }
        }
    }

    #[test]
    fn nothing_fires_before_the_start() {
        for hour in (0..24).step_by(3) {
            let now = at(hour);
            for (service, buckets) in by_service(history(&Scenario::quiet(), now, 30)) {
                let firing = workbook(month()).into_iter().find(|rule| fires(rule, &buckets, objective(&service), now));
                assert_eq!(firing, None, "{service} at {now}");
            }
        }
    }

    /// Poll the running shop every 5 s, as the cockpit does, and add each increment to the past.
    fn poll(shop: &mut Shop, service: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Bucket {
        let mut total = |at, code: &str| {
            let counters = shop.counters_at(service, at).unwrap();
            counters.iter().filter(|c| c.code.starts_with(code)).map(|c| c.count).sum::<u64>() as f64
        };
        let before = (total(from, "5"), total(from, ""));
        let after = (total(to, "5"), total(to, ""));
        Bucket { slo: AVAILABILITY, service: service.to_owned(), from, to, bad: after.0 - before.0, total: after.1 - before.1 }
    }

    /// The second after the start at which a page of each service was first seen.
    fn pages(scenario: &Scenario, start: DateTime<Utc>, secs: i64) -> BTreeMap<String, i64> {
        let mut shop = Shop::new(scenario, start);
        let mut seen = BTreeMap::new();
        let rules = workbook(month()).into_iter().filter(|r| r.grade == crate::domain::Grade::Page).collect::<Vec<_>>();
        for (service, mut buckets) in by_service(history(scenario, start, 1)) {
            for second in (5..=secs).step_by(5) {
                let now = start + TimeDelta::seconds(second);
                buckets.push(poll(&mut shop, &service, now - TimeDelta::seconds(5), now));
                if rules.iter().any(|rule| fires(rule, &buckets, objective(&service), now)) {
                    seen.entry(service.clone()).or_insert(second);
                }
            }
        }
        seen
    }

    #[test]
    fn the_bad_canary_pages_within_the_first_minute_and_only_for_checkout() {
        for (seed, hour) in [(41, 0), (41, 3), (41, 9), (1, 15), (2, 21)] {
            let scenario = Scenario { seed, ..Scenario::bad_canary() };
            let seen = pages(&scenario, at(hour), 120);
            assert_eq!(seen.keys().collect::<Vec<_>>(), ["checkout"], "seed {seed}, hour {hour}");
            // 27.6 s of the fault are needed, and at worst one poll of 5 s more.
            assert!((45..=60).contains(&seen["checkout"]), "{seen:?}, seed {seed}, hour {hour}");
        }
    }

    #[test]
    fn a_quiet_shop_never_pages() {
        assert_eq!(pages(&Scenario::quiet(), at(12), 600), BTreeMap::new());
    }

    #[test]
    fn the_running_shop_continues_its_past() {
        let (scenario, start) = (Scenario::quiet(), at(10));
        let mut shop = Shop::new(&scenario, start);
        for (service, buckets) in by_service(history(&scenario, start, 1)) {
            let past = counts(&buckets, Window::hours(1), start);
            let live = poll(&mut shop, &service, start, start + TimeDelta::hours(1));
            assert!((live.total / past.total - 1.0).abs() < 0.08, "{service}: {past:?} then {live:?}");
        }
    }
}
