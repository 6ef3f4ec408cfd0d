//! One service of the shop at work: what it has counted, what was ordered of it, and whether it is in trouble.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    BadOrder, Counter, Fault, Order, PoolStanding, Service, Trouble, View,
    backlog::Backlog,
    latency::Latency,
    shop::{CODES, Dice},
};

/// For how many seconds back a look tells.
const LATELY: usize = 60;

/// What one service has counted, and what was ordered of it.
#[derive(Debug)]
pub(super) struct Tally {
    service: Service,
    stable: Arc<str>,
    faults: Vec<Fault>,
    seconds: u64,
    counters: Vec<Counter>,
    latency: Option<Latency>,
    backlog: Option<Backlog>,
    pool: Option<PoolStanding>,
    /// Share of the traffic that a canary gets by order; `None` as long as nobody ordered any.
    canary: Option<f64>,
    /// In which second the workers were last started again.
    restarted: Option<u64>,
    /// Flags that are off.
    off: BTreeSet<Arc<str>>,
    /// Requests of the last seconds: version, all, failed.
    lately: VecDeque<Vec<(Arc<str>, u64, u64)>>,
    /// The first and the last second in which something was wrong.
    harm: Option<(u64, u64)>,
}

impl Tally {
    pub(super) fn new(service: &Service, faults: &[Fault]) -> Self {
        let mut tally = Self {
            stable: service.version.into(),
            faults: faults.iter().filter(|f| f.service == service.name).cloned().collect(),
            seconds: 0,
            counters: Vec::new(),
            latency: service.slow_share.map(|_| Latency::default()),
            backlog: service.queue.map(Backlog::new),
            pool: service.pool.map(|p| PoolStanding { size: p.size, in_use: 0, waiting: 0 }),
            canary: None,
            restarted: None,
            off: BTreeSet::new(),
            lately: VecDeque::new(),
            harm: None,
            service: service.clone(),
        };
        tally.add(&Arc::clone(&tally.stable), [0; 3]);
        tally
    }
    pub(super) const fn service(&self) -> &Service {
        &self.service
    }
    pub(super) const fn seconds(&self) -> u64 {
        self.seconds
    }
    pub(super) const fn harm(&self) -> Option<(u64, u64)> {
        self.harm
    }
    /// Whether something was wrong in the last second and will be in the next one.
    pub(super) fn is_harmed(&self) -> bool {
        let faults = || self.faults.iter().filter(|f| f.is_on(self.seconds));
        self.harm.is_some_and(|(_, last)| last + 1 == self.seconds) && faults().any(|f| self.is_felt(f))
    }
    /// Whether a fault that is on does any harm, by what was ordered so far.
    fn is_felt(&self, fault: &Fault) -> bool {
        match &fault.trouble {
            Trouble::Canary { traffic_share, error_share, .. } => self.canary.unwrap_or(*traffic_share) * error_share > 0.0,
            Trouble::Stall => self.restarted.is_none_or(|at| at < fault.from_secs),
            Trouble::Pool { hold_ms } => {
                let wanted = self.service.rate * f64::from(*hold_ms) / 1_000.0;
                self.pool.is_some_and(|pool| wanted > f64::from(pool.size))
            }
            Trouble::Dependency { flag, .. } => !self.off.contains(flag),
        }
    }
    pub(super) fn view(&self) -> View<'_> {
        View {
            counters: &self.counters,
            latency: self.latency.as_ref(),
            queue: self.backlog.as_ref().map(|b| (b.queue().name, b.standing())),
            pool: self.pool,
        }
    }
    /// The flags that there are here.
    pub(super) fn flags(&self) -> Vec<String> {
        let flag = |f: &Fault| match &f.trouble {
            Trouble::Dependency { flag, .. } => Some(flag.to_string()),
            _ => None,
        };
        self.faults.iter().filter_map(flag).collect()
    }

    /// Count one second more, which begins at `at`, at an hour that is as busy as `wave` says.
    pub(super) fn step(&mut self, seed: u64, at: DateTime<Utc>, wave: f64) {
        let second = self.seconds;
        let mut dice = Dice::new(seed, self.service.name, second);
        let jitter = 0.85 + 0.3 * dice.roll();
        let requests = dice.whole(self.service.rate * wave * jitter);
        self.lately.push_back(Vec::new());
        let surplus = self.lately.len().saturating_sub(LATELY);
        self.lately.drain(..surplus);
        let mut left = requests;
        let (mut failed, mut slow, mut hold_ms, mut hung, mut harmed) = (0, None, self.service.pool.map_or(0, |p| p.hold_ms), false, false);
        for fault in self.faults.clone().iter().filter(|f| f.is_on(second)) {
            match &fault.trouble {
                Trouble::Canary { version, traffic_share, error_share } => {
                    let taken = dice.share(requests, self.canary.unwrap_or(*traffic_share)).min(left);
                    left -= taken;
                    harmed |= taken > 0 && *error_share > 0.0;
                    let outcomes = dice.outcomes(taken, *error_share);
                    self.add(version, outcomes);
                }
                Trouble::Stall => hung |= self.restarted.is_none_or(|at| at < fault.from_secs),
                Trouble::Pool { hold_ms: longer } => hold_ms = hold_ms.max(*longer),
                Trouble::Dependency { flag, share, latency_ms, error_share } if !self.off.contains(flag) => {
                    let asked = dice.share(left, *share);
                    failed += dice.share(asked, *error_share);
                    slow = Some((*latency_ms, asked));
                    harmed = true;
                }
                Trouble::Dependency { .. } => {}
            }
        }
        let turned_away = self.share_out(&mut dice, requests, hold_ms, left);
        let bad = (failed + turned_away).min(left);
        let quiet = dice.outcomes(left - bad, self.service.quiet_share(seed, at));
        self.add(&Arc::clone(&self.stable), [0, 0, bad]);
        self.add(&Arc::clone(&self.stable), quiet);
        self.time(seed, requests, slow);
        if let Some(backlog) = &mut self.backlog {
            backlog.step(seed, second, wave, hung);
        }
        if harmed || hung || turned_away > 0 {
            self.harm = Some((self.harm.map_or(second, |(first, _)| first), second));
        }
        self.seconds += 1;
    }

    /// Share the connections out. A request holds one for `hold_ms`, so `requests` a second ask for requests × hold of them (Little's
    /// law); those beyond the pool's size wait until they are turned away. Returns how many are.
    fn share_out(&mut self, dice: &mut Dice, requests: u64, hold_ms: u32, most: u64) -> u64 {
        let Some(pool) = &mut self.pool else { return 0 };
        let wanted = requests as f64 * f64::from(hold_ms) / 1_000.0;
        let short = (wanted - f64::from(pool.size)).max(0.0);
        pool.in_use = (wanted.round() as u32).min(pool.size);
        pool.waiting = short.ceil() as u32;
        if short > 0.0 { dice.share(requests, short / wanted).min(most) } else { 0 }
    }

    /// Count how long the answers took.
    fn time(&mut self, seed: u64, requests: u64, slow: Option<(u32, u64)>) {
        let (Some(latency), Some(slow_share)) = (&mut self.latency, self.service.slow_share) else { return };
        let mut dice = Dice::new(seed.rotate_left(7), self.service.name, self.seconds);
        let (ms, late) = slow.unwrap_or_default();
        latency.add(ms, late);
        latency.ordinary(&mut dice, requests.saturating_sub(late), slow_share);
    }

    fn add(&mut self, version: &Arc<str>, outcomes: [u64; 3]) {
        for (code, n) in CODES.into_iter().zip(outcomes) {
            match self.counters.iter_mut().find(|c| c.version == *version && c.code == code) {
                Some(counter) => counter.count = counter.count.saturating_add(n),
                None => self.counters.push(Counter { version: Arc::clone(version), code, count: n }),
            }
        }
        let ([_, _, failed], all) = (outcomes, outcomes.iter().sum::<u64>());
        let Some(second) = self.lately.back_mut() else { return };
        match second.iter_mut().find(|(v, ..)| v == version) {
            Some((_, requests, bad)) => (*requests, *bad) = (*requests + all, *bad + failed),
            None => second.push((Arc::clone(version), all, failed)),
        }
    }

    /// Do what is ordered and say what came of it.
    pub(super) fn order(&mut self, order: &Order) -> Result<String, BadOrder> {
        match order {
            Order::Look { .. } => Ok(self.look()),
            Order::Traffic { stable, .. } => self.shift(*stable),
            Order::Restart { queue } => {
                self.restarted = Some(self.seconds);
                let workers = self.backlog.as_ref().map_or(0, |b| b.workers);
                Ok(format!("{queue}: {workers} workers started again"))
            }
            Order::Workers { queue, workers } => {
                let most = 64;
                if *workers > most {
                    return Err(BadOrder(format!("{queue}: there is room for {most} workers")));
                }
                let was = self.backlog.as_mut().map_or(0, |b| std::mem::replace(&mut b.workers, *workers));
                Ok(format!("{queue}: {was} -> {workers} workers"))
            }
            Order::Pool { service, size } => self.resize(service, *size),
            Order::Flag { flag, on } => {
                let was = if self.off.contains(flag) { "off" } else { "on" };
                let is = if *on { self.off.remove(flag) } else { self.off.insert(Arc::clone(flag)) };
                let now = if *on { "on" } else { "off" };
                Ok(if is { format!("{flag}: {was} -> {now}") } else { format!("{flag}: is {now} already") })
            }
        }
    }

    /// The canary that takes part in the traffic: its version and the share it was meant to have.
    fn canary(&self) -> Option<(Arc<str>, f64)> {
        self.faults.iter().filter(|f| f.is_on(self.seconds)).find_map(|f| match &f.trouble {
            Trouble::Canary { version, traffic_share, .. } => Some((Arc::clone(version), *traffic_share)),
            _ => None,
        })
    }

    fn shift(&mut self, stable: f64) -> Result<String, BadOrder> {
        let name = self.service.name;
        let Some((version, meant)) = self.canary() else {
            return Err(BadOrder(format!("{name}: there is no canary, all traffic goes to {}", self.stable)));
        };
        let was = 100.0 * (1.0 - self.canary.unwrap_or(meant));
        self.canary = Some(1.0 - stable / 100.0);
        let canary = 100.0 - stable;
        Ok(format!("{name}: {} {was:.0} % -> {stable:.0} %, {version} {:.0} % -> {canary:.0} %", self.stable, 100.0 - was))
    }

    fn resize(&mut self, service: &str, size: u32) -> Result<String, BadOrder> {
        let most = self.service.pool.map_or(0, |p| p.most);
        if !(1..=most).contains(&size) {
            return Err(BadOrder(format!("{service}: the database has room for 1 to {most} connections, not {size}")));
        }
        let was = self.pool.as_mut().map_or(0, |p| std::mem::replace(&mut p.size, size));
        Ok(format!("{service}: {was} -> {size} connections"))
    }

    /// How it stands, a line for each thing.
    fn look(&self) -> String {
        let name = self.service.name;
        let mut versions: Vec<(Arc<str>, u64, u64)> = Vec::new();
        for (version, all, failed) in self.lately.iter().flatten() {
            match versions.iter_mut().find(|(v, ..)| v == version) {
                Some((_, a, f)) => (*a, *f) = (*a + all, *f + failed),
                None => versions.push((Arc::clone(version), *all, *failed)),
            }
        }
        let requests = versions.iter().map(|(_, all, _)| all).sum::<u64>().max(1);
        let percent = |part: u64, of: u64| 100.0 * part as f64 / of.max(1) as f64;
        let mut out = String::new();
        for (version, all, failed) in versions.iter().filter(|(_, all, _)| *all > 0) {
            let role = if *version == self.stable { "stable" } else { "canary" };
            let (share, bad) = (percent(*all, requests), percent(*failed, *all));
            let _ = writeln!(out, "{name} {version} {role}: {share:.1} % of the traffic, {bad:.2} % of it failed in the last minute");
        }
        if let Some(backlog) = &self.backlog {
            let (queue, s) = (backlog.queue().name, backlog.standing());
            let _ = writeln!(out, "{name} queue {queue}: {} wait, the oldest for {} s, {} workers", s.depth, s.oldest_secs, s.workers);
        }
        if let Some(p) = &self.pool {
            let most = self.service.pool.map_or(0, |p| p.most);
            let _ = writeln!(out, "{name} pool: {} of {} in use, {} wait, room for {most}", p.in_use, p.size, p.waiting);
        }
        for flag in self.flags() {
            let state = if self.off.contains(flag.as_str()) { "off" } else { "on" };
            let _ = writeln!(out, "{name} flag {flag}: {state}");
        }
        out.trim_end().to_owned()
    }
}
