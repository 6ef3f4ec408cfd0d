//! The shop at work: requests served and failed since it opened, second by second.
//!
//! What happens in a second is a pure function of seed, service and second, so two shops of one seed agree and it does not matter how
//! often one is looked at. Counters are whole numbers, summed lazily: a look advances them to `now`, and a clock that goes backwards
//! leaves them as they are.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Fault, Scenario, Service};

/// One counter: requests of a service that ended with `code`, served by `version`, since the shop opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which version served them.
    pub version: &'static str,
    /// HTTP status they ended with: `200`, `404` or `500`.
    pub code: &'static str,
    /// How many; never falls.
    pub count: u64,
}

/// The running shop.
#[derive(Debug)]
pub struct Shop {
    seed: u64,
    started_at: DateTime<Utc>,
    tallies: Vec<Tally>,
}

/// What one service has counted.
#[derive(Debug)]
struct Tally {
    service: Service,
    faults: Vec<Fault>,
    seconds: u64,
    counters: Vec<Counter>,
}

/// The most seconds that one look makes up for: after a longer sleep of the machine the next looks do the rest.
const MOST_SECONDS: u64 = 86_400;
/// Share of answered requests that asked for something that is not there: not the shop's fault, and no error of it.
const NOT_FOUND_SHARE: f64 = 0.01;
const CODES: [&str; 3] = ["200", "404", "500"];

impl Shop {
    /// A shop that opens at `started_at` with every counter at 0.
    pub fn new(scenario: &Scenario, started_at: DateTime<Utc>) -> Self {
        let tally = |service: &Service| Tally::new(service, &scenario.faults);
        Self { seed: scenario.seed, started_at, tallies: scenario.services.iter().map(tally).collect() }
    }
    /// When it opened.
    pub const fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }
    /// A service's counters after the last whole second before `now`; `None` if nobody is called `service`.
    ///
    /// A version's counters appear with its first request, as they do in a real process.
    pub fn counters_at(&mut self, service: &str, now: DateTime<Utc>) -> Option<&[Counter]> {
        let tally = self.tallies.iter_mut().find(|t| t.service.name == service)?;
        tally.advance(self.seed, self.started_at, now);
        Some(&tally.counters)
    }
}

impl Tally {
    fn new(service: &Service, faults: &[Fault]) -> Self {
        let faults = faults.iter().filter(|f| f.service == service.name).copied().collect();
        let mut tally = Self { service: service.clone(), faults, seconds: 0, counters: Vec::new() };
        tally.add(service.version, [0; 3]);
        tally
    }
    fn advance(&mut self, seed: u64, started_at: DateTime<Utc>, now: DateTime<Utc>) {
        let passed = u64::try_from((now - started_at).num_seconds()).unwrap_or(0);
        for _ in 0..passed.saturating_sub(self.seconds).min(MOST_SECONDS) {
            self.step(seed, started_at);
            self.seconds += 1;
        }
    }
    /// Count one second more.
    fn step(&mut self, seed: u64, started_at: DateTime<Utc>) {
        let second = self.seconds;
        let at = started_at + TimeDelta::seconds(i64::try_from(second).unwrap_or(i64::MAX / 1_000));
        let mut dice = Dice::new(seed, self.service.name, second);
        let jitter = 0.85 + 0.3 * dice.roll();
        let requests = dice.whole(self.service.rate_at(at) * jitter);
        let mut left = requests;
        for i in 0..self.faults.len() {
            let Some(fault) = self.faults.get(i).copied().filter(|f| f.is_on(second)) else { continue };
            let taken = dice.share(requests, fault.traffic_share).min(left);
            left = left.saturating_sub(taken);
            self.add(fault.version, dice.outcomes(taken, fault.error_share));
        }
        let quiet = self.service.quiet_share(seed, at);
        self.add(self.service.version, dice.outcomes(left, quiet));
    }
    fn add(&mut self, version: &'static str, outcomes: [u64; 3]) {
        for (code, n) in CODES.into_iter().zip(outcomes) {
            match self.counters.iter_mut().find(|c| (c.version, c.code) == (version, code)) {
                Some(counter) => counter.count = counter.count.saturating_add(n),
                None => self.counters.push(Counter { version, code, count: n }),
            }
        }
    }
}

/// Chance with a seed: one die per service and second.
pub(super) struct Dice(u64);

impl Dice {
    /// The die of `service` for the `n`-th second, bucket or slot.
    pub(super) fn new(seed: u64, service: &str, n: u64) -> Self {
        let start = seed ^ 0xcbf2_9ce4_8422_2325;
        let name = service.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self(scramble(name ^ scramble(n)))
    }
    /// The next number, in \[0, 1).
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (scramble(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// A whole number near `expected`, below or above so often that the mean is kept.
    pub(super) fn whole(&mut self, expected: f64) -> u64 {
        (expected + self.roll()) as u64
    }
    /// About `share` of `n`, at most `n`.
    pub(super) fn share(&mut self, n: u64, share: f64) -> u64 {
        self.whole(n as f64 * share).min(n)
    }
    /// How `n` requests end, in the order of [`CODES`], if `error_share` of them fail.
    fn outcomes(&mut self, n: u64, error_share: f64) -> [u64; 3] {
        let failed = self.share(n, error_share);
        let answered = n.saturating_sub(failed);
        let missing = self.share(answered, NOT_FOUND_SHARE);
        [answered.saturating_sub(missing), missing, failed]
    }
}

/// One number in \[0, 1) for the `n`-th slot of `service`.
pub(super) fn noise(seed: u64, service: &str, n: i64) -> f64 {
    Dice::new(!seed, service, n.cast_unsigned()).roll()
}

/// The output function of `SplitMix64` (Steele, Lea, Flood, 2014).
const fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn start() -> DateTime<Utc> {
        "2026-03-01T11:00:00Z".parse().unwrap()
    }
    fn after(secs: i64) -> DateTime<Utc> {
        start() + TimeDelta::seconds(secs)
    }
    fn sum(counters: &[Counter], keep: impl Fn(&Counter) -> bool) -> u64 {
        counters.iter().filter(|c| keep(c)).map(|c| c.count).sum()
    }

    proptest! {
        /// However often one looks, and even if the clock stumbles, counters never fall and end where a single look ends.
        #[test]
        fn counters_never_fall_and_do_not_depend_on_who_looks(mut looks in prop::collection::vec(-5_i64..400, 1..12)) {
            let scenario = Scenario::bad_canary();
            let (mut many, mut once) = (Shop::new(&scenario, start()), Shop::new(&scenario, start()));
            let mut last: Vec<Counter> = Vec::new();
            for look in &looks {
                let now = many.counters_at("checkout", after(*look)).unwrap().to_vec();
                for old in &last {
                    prop_assert!(now.iter().any(|c| (c.version, c.code) == (old.version, old.code) && c.count >= old.count));
                }
                last = now;
            }
            looks.sort_unstable();
            prop_assert_eq!(&last[..], once.counters_at("checkout", after(looks[looks.len() - 1])).unwrap());
        }
    }

    #[test]
    fn another_seed_is_another_shop_of_the_same_size() {
        let mut shops = [1, 2].map(|seed| Shop::new(&Scenario { seed, ..Scenario::quiet() }, start()));
        let [one, two] = shops.each_mut().map(|s| sum(s.counters_at("gateway", after(600)).unwrap(), |_| true));
        assert_ne!(one, two);
        assert!(one.abs_diff(two) < one / 50);
    }

    #[test]
    fn the_canary_fails_a_quarter_of_three_quarters() {
        let mut shop = Shop::new(&Scenario::bad_canary(), start());
        let before = shop.counters_at("checkout", after(20)).unwrap().to_vec();
        assert!(before.iter().all(|c| c.version == "v41"), "the canary is born with its first request");
        let now = shop.counters_at("checkout", after(320)).unwrap();
        let grown = |keep: fn(&Counter) -> bool| (sum(now, keep) - sum(&before, keep)) as f64;
        let (all, canary) = (grown(|_| true), grown(|c| c.version == "v42"));
        let failed = grown(|c| c.code == "500" && c.version == "v42");
        assert!((canary / all - 0.75).abs() < 0.005, "{canary} of {all}");
        assert!((failed / canary - 0.25).abs() < 0.005, "{failed} of {canary}");
    }

    #[test]
    fn faults_end_and_leave_the_others_alone() {
        let mut scenario = Scenario::bad_canary();
        scenario.faults[0].to_secs = Some(30);
        let (mut shop, mut quiet) = (Shop::new(&scenario, start()), Shop::new(&Scenario::quiet(), start()));
        let canary = |shop: &mut Shop, secs| sum(shop.counters_at("checkout", after(secs)).unwrap(), |c| c.version == "v42");
        let at_end = canary(&mut shop, 30);
        assert!(at_end > 0);
        assert_eq!(canary(&mut shop, 300), at_end);
        assert_eq!(shop.counters_at("cart", after(300)), quiet.counters_at("cart", after(300)));
    }

    #[test]
    fn a_long_sleep_is_made_up_for_in_bounded_steps() {
        let mut shop = Shop::new(&Scenario::quiet(), start());
        let late = start() + TimeDelta::days(2);
        let first = sum(shop.counters_at("cart", late).unwrap(), |_| true);
        let second = sum(shop.counters_at("cart", late).unwrap(), |_| true);
        assert!(first > 0 && second > first);
        assert_eq!(sum(shop.counters_at("cart", late).unwrap(), |_| true), second);
    }

    #[test]
    fn a_stranger_has_no_counters() {
        assert_eq!(Shop::new(&Scenario::quiet(), start()).counters_at("billing", after(5)), None);
    }
}
