//! One task per source and lane: interval, jitter, deadline, bounded backoff. A source that hangs or lies changes nothing for the others.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Clock,
    schedule::{Answered, Interest, schedule},
    tally::holds_events,
};
use crate::{
    domain::{FaultClass, Lane, Plan, Reading, SourcePlan, Want},
    sources::Source,
};

/// The longest pause between two tries of a failing source, unless its interval is longer.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait after `failures` failed polls in a row: doubling from `every` up to `LONGEST_PAUSE`; `jitter` in \[0, 1) spreads it by
/// a tenth, so that many cockpits do not ask in step.
pub fn backoff(every: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = every.saturating_mul(1_u32 << failures.saturating_sub(1).min(6));
    let pause = if failures == 0 { every } else { doubled.min(LONGEST_PAUSE.max(every)) };
    pause.mul_f64(0.95 + 0.1 * jitter.clamp(0.0, 1.0))
}

/// A number in \[0, 1) that nobody can predict; good enough for jitter and names.
pub fn random() -> f64 {
    random_bits() as f64 / (u64::MAX as f64 + 1.0)
}

/// Sixty-four random bits.
pub fn random_bits() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// What pollers tell the engine.
#[derive(Debug)]
pub struct Polled {
    /// What was seen.
    pub reading: Reading,
    /// When it is asked next, if later than usual.
    pub pause: Option<Duration>,
}

/// One lane of one source.
#[derive(Debug)]
pub struct Poller {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// How this source is polled.
    pub row: SourcePlan,
    /// The source.
    pub source: Arc<dyn Source>,
    /// Which lane.
    pub lane: Lane,
    /// The time.
    pub clock: Clock,
    /// Whether this cockpit polls.
    pub polls: watch::Receiver<bool>,
    /// What is on screen.
    pub interest: watch::Receiver<Interest>,
    /// Counts up when a person wants fresh figures now.
    pub refresh: watch::Receiver<u64>,
    /// Where readings go.
    pub out: mpsc::Sender<Polled>,
}

impl Poller {
    /// Poll until the engine is gone.
    pub async fn run(mut self) {
        let mut answered = Answered::default();
        let (mut failures, mut next) = (0_u32, Instant::now());
        loop {
            if self.polls.wait_for(|ours| *ours).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                changed = self.refresh.changed() => if changed.is_err() { return },
                // What comes on screen is asked at once, but never of a backend that failed or asked us to wait.
                changed = self.interest.changed(), if self.lane == Lane::Long && failures == 0 => if changed.is_err() { return },
            }
            let Some((reading, wanted)) = self.once(&mut answered).await else {
                next = Instant::now() + self.row.every;
                continue;
            };
            let fault = reading.fault();
            failures = if fault.is_some() { failures.saturating_add(1) } else { 0 };
            let asked = fault.and_then(|f| f.retry_after_secs).map_or(Duration::ZERO, Duration::from_secs);
            let pause = backoff(self.row.every, failures, random()).max(asked);
            next = wanted + pause;
            let polled = Polled { pause: (failures > 0).then_some(pause), reading };
            if self.out.send(polled).await.is_err() {
                return;
            }
        }
    }

    /// One poll, if anything is due. Also tells when it began.
    async fn once(&self, answered: &mut Answered) -> Option<(Reading, Instant)> {
        let at = self.clock.now();
        let gives = self.source.gives();
        let interest = self.interest.borrow().clone();
        let ask = schedule(&self.plan, &self.row, gives, self.lane, answered, &interest, at);
        if ask.wants.is_empty() {
            return None;
        }
        let began = Instant::now();
        let clock = self.clock.clone();
        let reading = self.source.poll(&ask, self.lane, &move || clock.now()).await;
        for part in &reading.parts {
            // What a source refuses it will refuse again; what was lost on the way is asked again next time.
            let refused = matches!(&part.outcome, Err(f) if f.class == FaultClass::Rejected && !matches!(part.want, Want::Counts { .. }));
            if part.outcome.is_ok() || refused {
                answered.note(&part.want, at);
            }
        }
        Some((reading, began))
    }
}

/// Ask one source everything once, both lanes side by side: for commands. The short lane comes last: it tells which of the groups that
/// the long one found have samples now.
pub async fn poll_once(plan: &Plan, row: &SourcePlan, source: &dyn Source, clock: &Clock) -> Vec<Reading> {
    let lane = |lane| async move {
        let ask = schedule(plan, row, source.gives(), lane, &Answered::default(), &Interest::default(), clock.now());
        let clock = clock.clone();
        if ask.wants.is_empty() { None } else { Some(source.poll(&ask, lane, &move || clock.now()).await) }
    };
    let (short, long) = tokio::join!(lane(Lane::Short), lane(Lane::Long));
    long.into_iter().chain(short).collect()
}

/// Whether a reading holds counters or events that the ledger has yet to count.
pub fn is_raw(reading: &Reading) -> bool {
    reading.parts.iter().any(|p| p.outcome.as_ref().is_ok_and(holds_events))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Mutex,
        sync::atomic::{AtomicBool, AtomicU32, Ordering},
    };

    use async_trait::async_trait;
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::{
        domain::{Answer, Ask, Fault, Part, SourceName, Window},
        engine::fixture,
        sources::Gives,
    };

    /// A source that counts its polls and fails while told to.
    #[derive(Debug)]
    struct Fake {
        name: SourceName,
        polls: AtomicU32,
        times: Mutex<Vec<Instant>>,
        fails: AtomicBool,
        retry_after: Option<u64>,
        gives: Gives,
    }

    #[async_trait]
    impl Source for Fake {
        fn name(&self) -> &SourceName {
            &self.name
        }
        fn gives(&self) -> Gives {
            self.gives
        }
        async fn poll(&self, ask: &Ask, lane: Lane, now: &(dyn Fn() -> DateTime<Utc> + Send + Sync)) -> Reading {
            self.polls.fetch_add(1, Ordering::Relaxed);
            self.times.lock().unwrap().push(Instant::now());
            let fault = Fault { class: FaultClass::Unreachable, message: "am: gone".into(), retry_after_secs: self.retry_after };
            let outcome =
                if self.fails.load(Ordering::Relaxed) { Err(fault) } else { Ok(Answer::Alerts(crate::domain::Alerts::default())) };
            let part = Part { want: ask.wants[0].clone(), as_of: now(), outcome, partial: None };
            Reading { source: self.name.clone(), lane, at: now(), took_us: 1, skew_secs: None, parts: vec![part] }
        }
    }

    struct Rig {
        source: Arc<Fake>,
        polls: watch::Sender<bool>,
        polled: mpsc::Receiver<Polled>,
        interest: watch::Sender<Interest>,
        _keep: watch::Sender<u64>,
    }

    fn rig(fails: bool, retry_after: Option<u64>) -> Rig {
        rig_of(fails, retry_after, Gives::Alerts, Lane::Short)
    }

    fn rig_of(fails: bool, retry_after: Option<u64>, gives: Gives, lane: Lane) -> Rig {
        let row = fixture::source("am", "alertmanager", 15);
        let plan = fixture::plan(vec![row.clone()], vec![fixture::availability("am", Window::days(30))]);
        let source = Arc::new(Fake {
            name: "am".into(),
            polls: AtomicU32::new(0),
            times: Mutex::default(),
            fails: AtomicBool::new(fails),
            retry_after,
            gives,
        });
        let (polls, may) = watch::channel(true);
        let (interest, seen) = watch::channel(Interest::default());
        let (refresh, wanted) = watch::channel(0);
        let (out, polled) = mpsc::channel(4_096);
        let poller = Poller {
            plan: Arc::new(plan),
            row,
            source: source.clone(),
            lane,
            clock: Clock::of(|| DateTime::from_timestamp(1_800_000_000, 0).unwrap()),
            polls: may,
            interest: seen,
            refresh: wanted,
            out,
        };
        tokio::spawn(poller.run());
        Rig { source, polls, polled, interest, _keep: refresh }
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_polls_keeps_its_interval() {
        let rig = rig(false, None);
        tokio::time::sleep(Duration::from_hours(1)).await;
        let polls = rig.source.polls.load(Ordering::Relaxed);
        assert!((228..=253).contains(&polls), "{polls} polls in an hour of 15 s ± 5 %");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_asked_ever_more_seldom_and_success_resets_that() {
        let mut rig = rig(true, None);
        tokio::time::sleep(Duration::from_mins(10)).await;
        let pauses: Vec<_> = {
            let times = rig.source.times.lock().unwrap();
            times.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()).collect()
        };
        assert!(pauses.iter().zip([15.0, 30.0, 60.0, 60.0]).all(|(is, about)| (is / about - 1.0_f64).abs() < 0.06), "{pauses:?}");
        assert!(pauses.iter().all(|p| *p <= 63.0));
        rig.source.fails.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_mins(2)).await;
        let times = rig.source.times.lock().unwrap().clone();
        assert!((times[times.len() - 1] - times[times.len() - 2]).as_secs_f64() < 16.0);
        assert!(rig.polled.try_recv().is_ok_and(|first| first.pause.is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_asks_for_patience_gets_it() {
        let rig = rig(true, Some(300));
        tokio::time::sleep(Duration::from_secs(299)).await;
        assert_eq!(rig.source.polls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn looking_elsewhere_does_not_hurry_a_backend_that_asked_for_patience() {
        let rig = rig_of(true, Some(300), Gives::Metrics, Lane::Long);
        for row in ["a", "b", "c"] {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let group = crate::domain::Group(vec![crate::domain::Untrusted::new(row)]);
            rig.interest.send_replace(Interest { history: vec![("availability".into(), group)], starts: Vec::new() });
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(rig.source.polls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_polls_without_the_lease() {
        let rig = rig(false, None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.polls.send_replace(false);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let before = rig.source.polls.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert_eq!(rig.source.polls.load(Ordering::Relaxed), before);
        rig.polls.send_replace(true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.source.polls.load(Ordering::Relaxed), before + 1);
    }

    #[test]
    fn backoff_is_bounded_for_every_input() {
        for failures in [0, 1, 5, 31, 32, u32::MAX] {
            for every in [1, 15, 600].map(Duration::from_secs) {
                for jitter in [0.0, 0.5, 1.0, f64::INFINITY] {
                    let pause = backoff(every, failures, jitter);
                    assert!(pause >= every.mul_f64(0.94) && pause <= LONGEST_PAUSE.max(every).mul_f64(1.06));
                }
            }
        }
    }
}
