//! Drills: how a rehearsal went, and when each runbook was rehearsed last.
//!
//! A drill is played on the practice fleet; what came of it is one entry in the journal of those who took part, on the thread
//! `drill:SCENARIO`. [`outcome`] works it out of what the drill's own journal and alerts say and of what was really wrong in the fleet.

use std::{collections::BTreeSet, fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Actor, Effect, Entry, Episode, Grade, IncidentId, RunEvent, RunbookId, Snapshot, StepName, Text, What};

/// What the subjects of drills begin with in the journal.
pub const DRILL_PREFIX: &str = "drill:";

/// The subject of a scenario's drills in the journal.
pub fn drill_subject(scenario: &str) -> IncidentId {
    IncidentId::new(&format!("{DRILL_PREFIX}{scenario}"))
}

/// How a drill went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Which scenario was played.
    pub scenario: Text,
    /// What people call that.
    pub title: Text,
    /// Runbooks that were rehearsed by it: those of which a step was taken, and those that the scenario stands for.
    pub runbooks: Vec<RunbookId>,
    /// Who took part, by name, whoever acted first in front.
    pub people: Vec<Text>,
    /// The steps that were taken, in order.
    pub steps: Vec<Taken>,
    /// Seconds from the beginning of the fault to the first page; `None` if there was none.
    pub paged_secs: Option<u64>,
    /// Seconds from that page until somebody had it; `None` if nobody did.
    pub acknowledged_secs: Option<u64>,
    /// Seconds from the beginning of the fault until nothing was wrong any more; `None` if something still was.
    pub mitigated_secs: Option<u64>,
    /// How it ended.
    pub ended: DrillEnd,
}

/// A step that was taken in a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Of which runbook.
    pub runbook: RunbookId,
    /// Which.
    pub step: StepName,
    /// How it ended, as the journal has it.
    pub how: Text,
    /// What became of what it was meant to change, if that was seen before the drill was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Text>,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillEnd {
    /// Nothing was wrong any more.
    Mitigated,
    /// It was left while something was still wrong.
    Unmitigated,
    /// It was left before anything went wrong, or before anybody did anything: nobody has rehearsed anything.
    Abandoned,
}

impl DrillEnd {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mitigated => "mitigated",
            Self::Unmitigated => "not mitigated",
            Self::Abandoned => "abandoned",
        }
    }
}

/// `mitigated in 2m4s, acknowledged after 14s, 3 steps`.
impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ended.word())?;
        if let Some(secs) = self.mitigated_secs {
            write!(f, " in {}", span(secs))?;
        }
        match (self.acknowledged_secs, self.paged_secs) {
            (Some(secs), _) => write!(f, ", acknowledged after {}", span(secs))?,
            (None, Some(_)) => f.write_str(", never acknowledged")?,
            (None, None) => f.write_str(", never paged")?,
        }
        match self.steps.len() {
            0 => f.write_str(", no step taken"),
            1 => f.write_str(", 1 step"),
            n => write!(f, ", {n} steps"),
        }
    }
}

/// Seconds as people say them: `14s`, `2m04s`.
fn span(secs: u64) -> String {
    if secs < 60 { format!("{secs}s") } else { format!("{}m{:02}s", secs / 60, secs % 60) }
}

/// A drill, when it ended, and who journalled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Who began it.
    pub by: Actor,
    /// How it went.
    pub drill: Drill,
}

/// The newest drill in which this runbook was rehearsed; `None` if it never was, as far as the journal tells.
pub fn last_rehearsed<'a>(drills: &'a [Arc<Drilled>], runbook: &RunbookId) -> Option<&'a Arc<Drilled>> {
    drills.iter().rev().find(|d| d.drill.ended != DrillEnd::Abandoned && d.drill.runbooks.contains(runbook))
}

impl Snapshot {
    /// Fold a drill in, if the entry of the journal is one.
    pub fn drilled(&mut self, entry: &Entry) {
        let What::Drilled { drill } = &entry.what else { return };
        self.drills.push(Arc::new(Drilled { at: entry.at, by: entry.who.clone(), drill: drill.as_ref().clone() }));
        self.drills.sort_by_key(|d| d.at);
        let surplus = self.drills.len().saturating_sub(DRILLS);
        self.drills.drain(..surplus);
    }
}

/// Drills that are remembered.
const DRILLS: usize = 500;

/// What a drill's outcome is worked out of.
#[derive(Clone, Debug)]
pub struct Played<'a> {
    /// Which scenario.
    pub scenario: Text,
    /// What people call it.
    pub title: Text,
    /// Runbooks that it stands for.
    pub stands_for: &'a [RunbookId],
    /// The journal of the drill, oldest first.
    pub entries: &'a [Entry],
    /// Its alerts.
    pub episodes: &'a [Episode],
    /// When something went wrong in the fleet; `None` if it had not yet.
    pub began: Option<DateTime<Utc>>,
    /// Since when nothing is wrong any more; `None` while something is.
    pub mitigated: Option<DateTime<Utc>>,
}

/// How a drill went.
pub fn outcome(played: &Played<'_>) -> Drill {
    let Played { entries, began, mitigated, .. } = played;
    let secs = |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| {
        let span: TimeDelta = to? - from?;
        Some(u64::try_from(span.num_seconds()).unwrap_or(0))
    };
    let pages = played.episodes.iter().filter(|e| e.grade == Grade::Page).map(|e| e.since.unwrap_or(e.seen_at));
    let paged = pages.filter(|at| began.is_some_and(|began| *at >= began)).min();
    let acknowledged = entries.iter().find(|e| matches!(&e.what, What::Asked { effect: Effect::Acknowledge { .. } })).map(|e| e.at);
    let steps = steps(entries);
    let mut people: Vec<Text> = Vec::new();
    for entry in entries.iter().filter(|e| is_a_deed(&e.what)) {
        if !people.contains(&entry.who.name) {
            people.push(entry.who.name.clone());
        }
    }
    let ended = match (began, mitigated) {
        (Some(_), Some(_)) => DrillEnd::Mitigated,
        (None, _) => DrillEnd::Abandoned,
        (Some(_), None) if people.is_empty() => DrillEnd::Abandoned,
        (Some(_), None) => DrillEnd::Unmitigated,
    };
    let runbooks: BTreeSet<RunbookId> = steps.iter().map(|s| s.runbook.clone()).chain(played.stands_for.iter().cloned()).collect();
    Drill {
        scenario: played.scenario.clone(),
        title: played.title.clone(),
        runbooks: if steps.is_empty() { Vec::new() } else { runbooks.into_iter().collect() },
        people,
        steps,
        paged_secs: secs(*began, paged),
        acknowledged_secs: secs(paged, acknowledged),
        mitigated_secs: secs(*began, *mitigated),
        ended,
    }
}

/// Whether a person did this.
fn is_a_deed(what: &What) -> bool {
    match what {
        What::Asked { effect } => matches!(effect, Effect::Acknowledge { .. } | Effect::TakeOver { .. } | Effect::Note { .. }),
        What::Run { event } => event.is_a_deed(),
        What::Ended { .. } | What::Drilled { .. } => false,
    }
}

/// The steps that were taken, in the order in which they were.
fn steps(entries: &[Entry]) -> Vec<Taken> {
    let mut books = std::collections::BTreeMap::new();
    let mut keys = Vec::new();
    let mut steps: Vec<Taken> = Vec::new();
    for entry in entries {
        let What::Run { event } = &entry.what else { continue };
        if let RunEvent::Begun(begun) = event {
            books.insert(&entry.subject, begun.runbook.clone());
        }
        let Some(runbook) = books.get(&entry.subject) else { continue };
        let taken = |step: &StepName, how: &str| Taken { runbook: runbook.clone(), step: step.clone(), how: how.into(), effect: None };
        match event {
            RunEvent::Started(started) => {
                keys.push((started.key.clone(), steps.len()));
                steps.push(taken(&started.step, "running"));
            }
            RunEvent::Ticked { step, .. } => steps.push(taken(step, "done")),
            RunEvent::Ended { key, .. } | RunEvent::Judged { key, .. } => {
                let place = keys.iter().find(|(k, _)| k == key).map(|(_, place)| *place);
                let Some(step) = place.and_then(|place| steps.get_mut(place)) else { continue };
                match event {
                    RunEvent::Ended { end, .. } => step.how = Text::from(end.how.word()),
                    RunEvent::Judged { judgement, .. } => step.effect = Some(Text::from(judgement.to_string())),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    steps
}

#[cfg(test)]
mod tests;
