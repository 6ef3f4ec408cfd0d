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
};
use crate::{
    domain::{Answer, FaultClass, Lane, Plan, Reading, SourcePlan, Want},
    sources::{Gives, Source},
};

/// The longest pause between two tries of a failing source, unless its interval is longer.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait after `failures` failed polls in a row: doubling from `every` up to [`LONGEST_PAUSE`]; `jitter` in \[0, 1) spreads it by
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
                changed = self.interest.changed(), if self.lane == Lane::Long => if changed.is_err() { return },
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

/// Ask one source everything once, both lanes side by side: for commands.
pub async fn poll_once(plan: &Plan, row: &SourcePlan, source: &dyn Source, clock: &Clock) -> Vec<Reading> {
    let lane = |lane| async move {
        let ask = schedule(plan, row, source.gives(), lane, &Answered::default(), &Interest::default(), clock.now());
        let clock = clock.clone();
        if ask.wants.is_empty() { None } else { Some(source.poll(&ask, lane, &move || clock.now()).await) }
    };
    let (short, long) = tokio::join!(lane(Lane::Short), lane(Lane::Long));
    short.into_iter().chain(long).collect()
}

/// Whether a reading is one of raw counters.
pub fn is_raw(gives: Gives, reading: &Reading) -> bool {
    gives == Gives::Scrape && reading.parts.iter().any(|p| matches!(p.outcome, Ok(Answer::Scraped(_))))
}
