//! When a runbook was last run, by whom, and what came of it: a runbook that nobody has ever tried is a guess.

use chrono::{DateTime, Utc};

use crate::domain::{Actor, Judgement, Run, RunId, RunState, Text};

/// The last time that something of a runbook was done.
#[derive(Clone, Debug, PartialEq)]
pub struct LastRun {
    /// In which run.
    pub run: RunId,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Who began it.
    pub by: Actor,
    /// The drill that it was part of; `None` if it was meant.
    pub drill: Option<Text>,
    /// Where it stands.
    pub state: RunState,
    /// What came of the last effect that was judged in it.
    pub judged: Option<Judgement>,
}

impl LastRun {
    /// What a run tells of its runbook. `None` if nothing was done in it: to begin and to leave is not to have tried it.
    pub fn of(run: &Run) -> Option<Self> {
        let done = run.steps.iter().any(|s| !s.attempts.is_empty() || s.passed());
        let attempts = run.steps.iter().flat_map(|s| &s.attempts);
        let judged = attempts.filter_map(|a| Some((a.at, a.judged.as_ref()?))).max_by_key(|(at, _)| *at).map(|(_, j)| j.clone());
        let (by, drill) = (run.by.clone(), run.drill.clone());
        done.then(|| Self { run: run.id, at: run.at, by, drill, state: run.state(), judged })
    }
    /// Whether it tells more than `other`: it is the later one, or what is known of the same run by now.
    pub fn replaces(&self, other: &Self) -> bool {
        self.run >= other.run
    }
}
