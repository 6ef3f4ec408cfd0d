//! What became of a step: whether what it was meant to change has changed.
//!
//! After a step burnwatch looks at the signal that the runbook names, and says what it saw. The rules, and where they come from:
//!
//! - **A window must lie behind the step.** A burn over five minutes still holds the trouble of before for five minutes. So nothing is
//!   judged on a figure as of less than [`SETTLE`] after the step's end, nor on one whose own window began before it: until then the
//!   effect is *settling*. (Google, *The Site Reliability Workbook*, chapter 5: the short window, one twelfth of the long one, tells that
//!   budget is still being spent; it ends within its own length of recovery.)
//! - **Too few events tell nothing.** If the share of failures of before, among the events of now, would make fewer than three failures,
//!   seeing none of them may be luck: the chance of that is above e⁻³, 5 % (the rule of three; Hanley and Lippman-Hand, *JAMA* 1983).
//!   Then nobody can tell, and neither if the window holds fewer events than the definition's `min_events`, or none at all.
//! - **What was so before is no effect.** If the wish was true already when the step was started, nobody can tell.
//! - **Some of the way is not nothing.** A wish that did not come true in its time had *too little* effect if at least half of the way
//!   from before to the wish was gone, else *no effect*.
//! - **Absent is not well.** Stale figures, no data and a source that fails are waited for, a little longer than the time that was given,
//!   and then nobody can tell.
//!
//! Time is a parameter, figures are parameters: [`judge`] is pure, and [`sight`] reads a [`Snapshot`].

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, EffectWish, How, Judgement, Probed, QueueRow, QueueState, Run, RunStep, Signal, SloRow, Snapshot, State, Text};

/// Nothing is judged earlier than this after a step's end.
pub const SETTLE: TimeDelta = TimeDelta::minutes(5);
/// How much longer than the time that was given figures are waited for.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(2);
/// Failures that must be expected for their absence to mean anything.
const RULE_OF_THREE: f64 = 3.0;

/// A signal, as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Its value.
    pub value: f64,
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Of a window: how long it is, how many events it holds, and what its value would be if all of them had failed.
    pub window: Option<Over>,
}

/// The window over which a value was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Over {
    /// How long it is.
    pub length: TimeDelta,
    /// Events in it.
    pub events: f64,
    /// How many events the definition wants before a figure means anything.
    pub min_events: f64,
    /// The value at which every event is a bad one: 1 ÷ (1 − objective) for a burn, 1 for a share of errors.
    pub at_most: f64,
}

impl Over {
    /// Why so few events tell nothing about a share of failures as it was at `before`; `None` if they do.
    fn too_few(&self, before: Option<f64>) -> Option<String> {
        if self.events <= 0.0 {
            return Some("there is no traffic".to_owned());
        }
        let expected = before.map(|value| value / self.at_most * self.events);
        let few = self.events < self.min_events || expected.is_some_and(|n| n < RULE_OF_THREE);
        few.then(|| format!("too little traffic: {:.0} events in {} min", self.events, self.length.num_minutes()))
    }
}

/// How an effect stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Stands {
    /// The window still holds what was before the step; judged from then on.
    Settling {
        /// From when.
        until: DateTime<Utc>,
    },
    /// It has not come true yet, and has time until then.
    Watching {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// It is decided.
    Judged(Judgement),
}

/// What became of an attempt of a step, for whoever looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Aftermath {
    /// What was wished.
    pub wish: EffectWish,
    /// The signal's value when the step was started; `None` if that was not known.
    pub before: Option<f64>,
    /// Its value now, or why there is none.
    pub now: Result<Sighting, Text>,
    /// How it stands.
    pub stands: Stands,
}

impl Aftermath {
    /// The values: `burn 82.2× before · 41.0× now`.
    pub fn values(&self) -> String {
        let signal = &self.wish.signal;
        let shown = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| signal.shown(v));
        let now = self.now.as_ref().map_or_else(|why| format!("— now ({why})"), |s| format!("{} now", signal.shown(s.value)));
        format!("{} {} before · {now}", signal.word(), shown(self.before))
    }
}

/// What is known of an attempt whose effect is watched.
#[derive(Clone, Debug)]
pub struct Watched<'a> {
    /// What was wished.
    pub wish: &'a EffectWish,
    /// The signal's value when the step was started.
    pub before: Option<f64>,
    /// When the step ended.
    pub ended_at: DateTime<Utc>,
    /// When the same step was started again or taken back, if it was.
    pub disturbed_at: Option<DateTime<Utc>>,
}

/// How an effect stands, by what is seen of its signal at `now`.
pub fn judge(watched: &Watched<'_>, seen: &Result<Sighting, Text>, now: DateTime<Utc>) -> Stands {
    let Watched { wish, before, ended_at, disturbed_at } = watched;
    let window = seen.as_ref().ok().and_then(|s| s.window).map_or(TimeDelta::zero(), |w| w.length);
    let settled = *ended_at + SETTLE.max(window);
    let until = settled.max(*ended_at + TimeDelta::from_std(wish.within).unwrap_or(TimeDelta::days(1)));
    let cannot = |why: &str| Stands::Judged(Judgement::CannotTell { signal: wish.signal.clone(), why: Text::clean(why) });
    if let Some(at) = disturbed_at {
        return cannot(&format!("the step was taken again or back {} later", span(*at - *ended_at)));
    }
    if now < settled {
        return Stands::Settling { until: settled };
    }
    if before.is_some_and(|value| wish.comparison.holds(value, wish.threshold)) {
        return cannot(&format!("it was {} before the step already", wish.signal.shown(before.unwrap_or_default())));
    }
    let late = now >= until + PATIENCE;
    let sighting = match seen {
        Ok(sighting) if sighting.as_of >= settled => sighting,
        Ok(_) if late => return cannot("its figures are too old"),
        Err(why) if late => return cannot(why.as_str()),
        Ok(_) | Err(_) if now < until => return Stands::Watching { until },
        Ok(_) | Err(_) => return Stands::Watching { until: until + PATIENCE },
    };
    if sighting.as_of > until + PATIENCE {
        return cannot("nobody looked while it was to be judged");
    }
    if let Some(why) = sighting.window.and_then(|w| w.too_few(*before)) {
        return if now < until { Stands::Watching { until } } else { cannot(&why) };
    }
    let (signal, before, after) = (wish.signal.clone(), *before, sighting.value);
    let secs = u64::try_from((sighting.as_of - *ended_at).num_seconds()).unwrap_or(0);
    if wish.comparison.holds(after, wish.threshold) {
        return Stands::Judged(Judgement::Reached { signal, before, after, secs });
    }
    if now < until {
        return Stands::Watching { until };
    }
    let way = before.map(|before| (before - after) / (before - wish.threshold));
    Stands::Judged(match way {
        Some(way) if way >= 0.5 => Judgement::TooLittle { signal, before, after, secs },
        _ => Judgement::NoEffect { signal, before, after, secs },
    })
}

/// A signal as the snapshot shows it, or why it does not.
pub fn sight(snapshot: &Snapshot, signal: &Signal) -> Result<Sighting, Text> {
    match signal {
        Signal::Burn { slo } | Signal::Errors { slo } => {
            let row = snapshot.slos.iter().find(|r| r.id == *slo).ok_or_else(|| Text::from(format!("there is no SLO {slo}")))?;
            of_slo(row, matches!(signal, Signal::Burn { .. }))
        }
        Signal::QueueAge { queue } | Signal::QueueDepth { queue } => {
            let row = snapshot.queues.iter().find(|q| q.id.as_str() == queue.as_str());
            let row = row.ok_or_else(|| Text::from(format!("there is no queue {queue}")))?;
            of_queue(row, matches!(signal, Signal::QueueAge { .. }))
        }
        Signal::Probe { probe } => of_probe(snapshot, probe),
    }
}

/// How old, in seconds, or how deep a queue is.
fn of_queue(row: &QueueRow, age: bool) -> Result<Sighting, Text> {
    if row.state == QueueState::Stale {
        return Err("its figures are stale".into());
    }
    let value = match (age, row.now.waits()) {
        (false, _) => row.now.ready.map(|n| n as f64),
        (true, Some(false)) => Some(0.0),
        (true, _) => row.age(row.as_of).filter(|age| !age.at_least).map(|age| age.span.as_seconds_f64()),
    };
    let value = value.ok_or_else(|| Text::from(if age { "its age is not told" } else { "its depth is not told" }))?;
    Ok(Sighting { value, as_of: row.as_of, window: None })
}

/// Whether every check of a source of this name succeeds, or every check that has a label of this value: 1 or 0.
fn of_probe(snapshot: &Snapshot, probe: &Text) -> Result<Sighting, Text> {
    let named = |c: &&Probed| c.labels.0.values().any(|value| value.text() == *probe);
    let source = snapshot.probes.iter().find(|(name, _)| name.as_str() == probe.as_str());
    let checks: Vec<&Probed> = match source {
        Some((_, checks)) => checks.iter().collect(),
        None => snapshot.probes.values().flat_map(|checks| checks.iter()).filter(named).collect(),
    };
    let as_of = checks.iter().map(|c| c.at).min().ok_or_else(|| Text::from(format!("there is no probe {probe}")))?;
    let up = checks.iter().all(|c| c.outcome.is_ok());
    Ok(Sighting { value: f64::from(u8::from(up)), as_of, window: None })
}

fn of_slo(row: &SloRow, burn: bool) -> Result<Sighting, Text> {
    let none = |why: &str| Err(Text::from(why));
    match row.state {
        State::Stale => return none("its figures are stale"),
        State::NoData => return none("it has no data"),
        State::Ok | State::NoTraffic | State::Unknown | State::Warning | State::Critical => {}
    }
    let Some((figure, counts)) = row.now().and_then(|f| Some((f, f.counts?))) else { return none("it has no figures") };
    let budget = row.objective.budget();
    let ratio = if counts.total > 0.0 { counts.bad / counts.total } else { 0.0 };
    let over = Over {
        length: row.definition.shortest().delta(),
        events: counts.total,
        min_events: row.definition.min_events,
        at_most: if burn { 1.0 / budget } else { 1.0 },
    };
    Ok(Sighting { value: ratio * over.at_most, as_of: figure.as_of, window: Some(over) })
}

/// The value of a signal right now, for what is started now; `None` if nobody knows it.
pub fn baseline(snapshot: &Snapshot, signal: &Signal) -> Option<f64> {
    sight(snapshot, signal).ok().filter(|s| s.window.is_none_or(|w| w.events > 0.0)).map(|s| s.value)
}

/// The newest attempt of this step whose effect is watched, and how that stands; `None` if it wishes for none, or nothing of it ran.
pub fn aftermath(run: &Run, step: &RunStep, snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Aftermath> {
    let attempt = step.attempts.iter().rev().find(|a| a.undoes.is_none() && has_run(a))?;
    of_attempt(run, step, attempt, snapshot, now)
}

impl Run {
    /// The last step of which it is still to be seen what it has changed: it is meant to change something, and the journal holds no verdict
    /// yet.
    pub fn watched(&self) -> Option<&RunStep> {
        let open = |a: &Attempt| a.judged.is_none() && a.undoes.is_none() && a.ended_at.is_some() && has_run(a);
        self.steps.iter().rev().find(|s| s.plan.effect.is_some() && s.attempts.last().is_some_and(open))
    }
}

/// Attempts whose effect is decided by now and not in the journal yet.
pub fn undecided(snapshot: &Snapshot, now: DateTime<Utc>) -> impl Iterator<Item = (&Run, &Attempt, Judgement)> {
    let steps = snapshot.runs.values().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    let attempts = steps.flat_map(|(run, step)| step.attempts.iter().map(move |attempt| (run, step, attempt)));
    let open = attempts.filter(|(_, _, a)| a.judged.is_none() && a.undoes.is_none() && a.ended_at.is_some() && has_run(a));
    open.filter_map(move |(run, step, attempt)| match of_attempt(run, step, attempt, snapshot, now)?.stands {
        Stands::Judged(judgement) => Some((&**run, attempt, judgement)),
        Stands::Settling { .. } | Stands::Watching { .. } => None,
    })
}

fn of_attempt(run: &Run, step: &RunStep, attempt: &Attempt, snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Aftermath> {
    let wish = step.plan.effect.as_ref()?;
    let ended_at = attempt.ended_at?;
    let later = run.steps.iter().flat_map(|s| s.attempts.iter().map(move |a| (s, a))).filter(|(_, a)| a.at > attempt.at && has_run(a));
    let disturbs = |s: &RunStep, a: &Attempt| a.undoes.as_ref().map_or(s.plan.name == step.plan.name, |target| *target == step.plan.name);
    let disturbed_at = later.filter(|(s, a)| disturbs(s, a)).map(|(_, a)| a.at).min();
    let seen = sight(snapshot, &wish.signal);
    let stands = match &attempt.judged {
        Some(judgement) => Stands::Judged(judgement.clone()),
        None => judge(&Watched { wish, before: attempt.before, ended_at, disturbed_at }, &seen, now),
    };
    Some(Aftermath { wish: wish.clone(), before: attempt.before, now: seen, stands })
}

fn has_run(attempt: &Attempt) -> bool {
    attempt.how() != Some(How::NotRun)
}

/// A span of time in whole minutes, or in seconds below one.
fn span(delta: TimeDelta) -> String {
    if delta < TimeDelta::minutes(1) { format!("{}s", delta.num_seconds().max(0)) } else { format!("{}m", delta.num_minutes()) }
}

#[cfg(test)]
mod tests;
