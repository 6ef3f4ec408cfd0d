//! The shop at work: requests served and failed since it opened, second by second.
//!
//! What happens in a second is a pure function of seed, service, second and what was ordered before it, so two shops of one seed agree
//! and it does not matter how often one is looked at. Counters are whole numbers, summed lazily: a look advances them to `now`, and a
//! clock that goes backwards leaves them as they are. An order holds from the next second on.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{BadOrder, Order, Scenario, backlog::Standing, latency::Latency, scenario::wave, tally::Tally};

/// One counter: requests of a service that ended with `code`, served by `version`, since the shop opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which version served them.
    pub version: Arc<str>,
    /// HTTP status they ended with: `200`, `404` or `500`.
    pub code: &'static str,
    /// How many; never falls.
    pub count: u64,
}

/// Whether anything is wrong, by what really happens in the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// When it began; `None` if nothing was wrong yet.
    pub began: Option<DateTime<Utc>>,
    /// Since when nothing is wrong any more; `None` while something is, or if nothing was.
    pub ended: Option<DateTime<Utc>>,
}

/// A service's pool of connections as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStanding {
    /// How many connections there are.
    pub size: u32,
    /// How many are held.
    pub in_use: u32,
    /// How many requests wait for one.
    pub waiting: u32,
}

/// Everything that a service's page tells.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Requests by version and code.
    pub counters: &'a [Counter],
    /// How long answers took.
    pub latency: Option<&'a Latency>,
    /// The queue's name and how it stands.
    pub queue: Option<(&'static str, &'a Standing)>,
    /// How the pool stands.
    pub pool: Option<PoolStanding>,
}

/// The running shop.
#[derive(Debug)]
pub struct Shop {
    seed: u64,
    started_at: DateTime<Utc>,
    tallies: Vec<Tally>,
}

/// The most seconds that one look makes up for: after a longer sleep of the machine the next looks do the rest.
const MOST_SECONDS: u64 = 86_400;

impl Shop {
    /// A shop that opens at `started_at` with every counter at 0.
    pub fn new(scenario: &Scenario, started_at: DateTime<Utc>) -> Self {
        let tally = |service| Tally::new(service, &scenario.faults);
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
        self.view_at(service, now).map(|view| view.counters)
    }
    /// All that is to be seen of a service then; `None` if nobody is called `service`.
    pub fn view_at(&mut self, service: &str, now: DateTime<Utc>) -> Option<View<'_>> {
        let place = self.tallies.iter().position(|t| t.service().name == service)?;
        self.advance(place, now);
        self.tallies.get(place).map(Tally::view)
    }
    /// Do what is ordered, as of `now`, and say what came of it.
    pub fn order(&mut self, order: &Order, now: DateTime<Utc>) -> Result<String, BadOrder> {
        (0..self.tallies.len()).for_each(|place| self.advance(place, now));
        let place = self.place(order)?;
        let tally = self.tallies.get_mut(place).ok_or_else(|| BadOrder("nobody is meant".to_owned()))?;
        tally.order(order)
    }
    /// Whether anything is wrong as of `now`.
    pub fn harm_at(&mut self, now: DateTime<Utc>) -> Harm {
        (0..self.tallies.len()).for_each(|place| self.advance(place, now));
        let at = |second: u64| self.started_at + TimeDelta::seconds(i64::try_from(second).unwrap_or(i64::MAX / 1_000));
        let harms: Vec<_> = self.tallies.iter().filter_map(Tally::harm).collect();
        let going_on = self.tallies.iter().any(Tally::is_harmed);
        let ended = harms.iter().map(|(_, last)| last + 1).max().filter(|_| !going_on);
        Harm { began: harms.iter().map(|(first, _)| *first).min().map(at), ended: ended.map(at) }
    }

    /// Whom an order is for.
    fn place(&self, order: &Order) -> Result<usize, BadOrder> {
        let find = |what: &str, name: &str, of: &dyn Fn(&Tally) -> Vec<String>| {
            let there = self.tallies.iter().position(|t| of(t).iter().any(|n| n == name));
            let names = || self.tallies.iter().flat_map(of).collect::<Vec<_>>().join(", ");
            there.ok_or_else(|| BadOrder(format!("there is no {what} `{name}`; there are: {}", names())))
        };
        match order {
            Order::Look { service } | Order::Traffic { service, .. } => find("service", service, &|t| vec![t.service().name.to_owned()]),
            Order::Pool { service, .. } => {
                find("pool of", service, &|t| t.service().pool.iter().map(|_| t.service().name.to_owned()).collect())
            }
            Order::Restart { queue } | Order::Workers { queue, .. } => {
                find("queue", queue, &|t| t.service().queue.iter().map(|q| q.name.to_owned()).collect())
            }
            Order::Flag { flag, .. } => find("flag", flag, &Tally::flags),
        }
    }

    fn advance(&mut self, place: usize, now: DateTime<Utc>) {
        let passed = u64::try_from((now - self.started_at).num_seconds()).unwrap_or(0);
        let Some(tally) = self.tallies.get_mut(place) else { return };
        for _ in 0..passed.saturating_sub(tally.seconds()).min(MOST_SECONDS) {
            let at = self.started_at + TimeDelta::seconds(i64::try_from(tally.seconds()).unwrap_or(i64::MAX / 1_000));
            tally.step(self.seed, at, wave(at));
        }
    }
}

/// Share of answered requests that asked for something that is not there: not the shop's fault, and no error of it.
const NOT_FOUND_SHARE: f64 = 0.01;
/// How requests end.
pub(super) const CODES: [&str; 3] = ["200", "404", "500"];

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
    pub(super) fn outcomes(&mut self, n: u64, error_share: f64) -> [u64; 3] {
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
                    prop_assert!(now.iter().any(|c| (&c.version, c.code) == (&old.version, old.code) && c.count >= old.count));
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
        assert!(before.iter().all(|c| &*c.version == "v41"), "the canary is born with its first request");
        let now = shop.counters_at("checkout", after(320)).unwrap();
        let grown = |keep: fn(&Counter) -> bool| (sum(now, keep) - sum(&before, keep)) as f64;
        let (all, canary) = (grown(|_| true), grown(|c| &*c.version == "v42"));
        let failed = grown(|c| c.code == "500" && &*c.version == "v42");
        assert!((canary / all - 0.75).abs() < 0.005, "{canary} of {all}");
        assert!((failed / canary - 0.25).abs() < 0.005, "{failed} of {canary}");
    }

    #[test]
    fn faults_end_and_leave_the_others_alone() {
        let mut scenario = Scenario::bad_canary();
        scenario.faults[0].to_secs = Some(30);
        let (mut shop, mut quiet) = (Shop::new(&scenario, start()), Shop::new(&Scenario::quiet(), start()));
        let canary = |shop: &mut Shop, secs| sum(shop.counters_at("checkout", after(secs)).unwrap(), |c| &*c.version == "v42");
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

    /// Of a scenario that comes along: what goes wrong in it, and its share of the events in each of three minutes: the first, one in
    /// which it goes wrong, and one that begins some time after what `orders` say was done.
    fn shares(name: &str, orders: &[&str], count: impl Fn(&View<'_>) -> (u64, u64)) -> [f64; 3] {
        let mut shop = Shop::new(&Scenario { faults: Vec::new(), ..Scenario::named(name).unwrap() }, start());
        let quiet = minute(&mut shop, 0, &count);
        let mut shop = Shop::new(&Scenario::named(name).unwrap(), start());
        let wrong = minute(&mut shop, 60, &count);
        assert!(shop.harm_at(after(120)).ended.is_none());
        for order in orders {
            shop.order(&order.parse().unwrap(), after(120)).unwrap();
        }
        let healed = minute(&mut shop, 240, &count);
        let ended = shop.harm_at(after(300)).ended.unwrap();
        assert!((after(120)..=after(125)).contains(&ended), "{name} ended at {ended}");
        [quiet, wrong, healed]
    }
    fn minute(shop: &mut Shop, from: i64, count: impl Fn(&View<'_>) -> (u64, u64)) -> f64 {
        let mut all = |at| ["checkout", "payments", "catalog"].map(|s| count(&shop.view_at(s, after(at)).unwrap()));
        let (before, now) = (all(from), all(from + 60));
        let grown = |of: fn(&(u64, u64)) -> u64| now.iter().map(of).sum::<u64>() - before.iter().map(of).sum::<u64>();
        grown(|c| c.0) as f64 / grown(|c| c.1) as f64
    }

    #[test]
    fn each_fault_is_felt_and_each_remedy_ends_it() {
        let failed = |v: &View<'_>| {
            let sum = |keep: fn(&&Counter) -> bool| v.counters.iter().filter(keep).map(|c| c.count).sum();
            (sum(|c| c.code == "500"), sum(|_| true))
        };
        let late = |v: &View<'_>| v.queue.map_or((0, 0), |(_, q)| (q.late, q.in_time + q.late));
        let slow = |v: &View<'_>| v.latency.map_or((0, 0), |l| (l.count() - l.fast(), l.count()));
        for (name, order, [quiet, wrong, healed]) in [
            ("bad-canary", "traffic checkout stable=100", shares("bad-canary", &["traffic checkout stable=100"], failed)),
            ("pool-dry", "pool payments 80", shares("pool-dry", &["pool payments 80"], failed)),
            ("stalled-queue", "workers restart orders", shares("stalled-queue", &["workers restart orders"], late)),
            ("slow-dependency", "flag recommendations off", shares("slow-dependency", &["flag recommendations off"], slow)),
        ] {
            assert!(quiet < 0.002 && wrong > 0.05 && healed < 0.002, "{name}: {quiet}, {wrong}, after `{order}` {healed}");
        }
    }

    #[test]
    fn a_remedy_that_is_too_small_helps_a_little_and_one_taken_back_does_not() {
        let mut shop = Shop::new(&Scenario::named("pool-dry").unwrap(), start());
        let failed = |v: &View<'_>| {
            let sum = |keep: fn(&&Counter) -> bool| v.counters.iter().filter(keep).map(|c| c.count).sum();
            (sum(|c| c.code == "500"), sum(|_| true))
        };
        let dry = minute(&mut shop, 60, failed);
        shop.order(&"pool payments 30".parse().unwrap(), after(120)).unwrap();
        let better = minute(&mut shop, 120, failed);
        assert!(better < dry * 0.9 && better > dry * 0.3, "{dry}, then {better}");
        assert_eq!(shop.harm_at(after(180)).ended, None);
        assert_eq!(shop.order(&"pool payments 80".parse().unwrap(), after(180)).unwrap(), "payments: 30 -> 80 connections");
        assert!(shop.harm_at(after(200)).ended.is_some());
        shop.order(&"pool payments 20".parse().unwrap(), after(200)).unwrap();
        assert_eq!(shop.harm_at(after(220)).ended, None);
    }

    #[test]
    fn orders_that_mean_nobody_say_whom_there_is() {
        let mut shop = Shop::new(&Scenario::bad_canary(), start());
        let mut say = |words: &str| shop.order(&words.parse().unwrap(), after(60)).unwrap_or_else(|e| e.to_string());
        assert_eq!(say("workers restart parcels"), "there is no queue `parcels`; there are: orders, mails");
        assert_eq!(say("pool cart 5"), "there is no pool of `cart`; there are: payments");
        assert_eq!(say("pool payments 900"), "payments: the database has room for 1 to 100 connections, not 900");
        assert_eq!(say("traffic cart stable=100"), "cart: there is no canary, all traffic goes to v56");
        let look = say("look checkout");
        assert!(look.contains("checkout v42 canary: ") && look.contains("checkout queue orders: 0 wait"), "{look}");
    }
}
