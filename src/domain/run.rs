//! Runs: one execution of a runbook, as a pure state machine over what the journal says of it.
//!
//! A [`Run`] is the fold of the [`RunEvent`]s on its thread. Whoever wants to act applies the event to the run as they see it, which tells
//! whether it may be, and appends it naming the version they saw: of two who start one step at once the journal takes one. A step's key
//! is in the journal before anything runs. From there on only three things can be true, and each is written down: its runner never
//! came up, and then nothing ran; the runner told how it ended; or the runner was seen to be gone without a word, and then the end is
//! *unknown*. Nothing here ever starts a step of itself.

mod event;
mod output;
mod step;
mod variables;

use chrono::{DateTime, Utc};

use super::{ActId, Actor, Entry, Hash, Incident, IncidentId, Runbook, RunbookId, StepName, Text, What};

pub use event::{Begun, End, Facts, How, Judgement, Left, Outline, OutputMark, Process, RunEvent, Started};
pub use output::{StepOutput, legible};
pub use step::{Attempt, RunStep, Settled, StepState};
pub use variables::{BadVariable, GIVEN_LATER, RUN_KEY, Variables, variables};

/// What the subjects of runs begin with in the journal.
pub const RUN_PREFIX: &str = "run:";

/// One run: counted up from 1 in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl RunId {
    /// Its subject in the journal: `run:192`.
    pub fn subject(self) -> IncidentId {
        IncidentId::new(&format!("{RUN_PREFIX}{}", self.0))
    }
    /// The run that a subject of the journal names; `None` if it is no run.
    pub fn of_subject(subject: &IncidentId) -> Option<Self> {
        subject.as_str().strip_prefix(RUN_PREFIX)?.parse().ok().map(Self)
    }
}

/// At least four digits: `0192`.
impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:04}", self.0))
    }
}

/// `192`, `0192` or `run:192`.
impl std::str::FromStr for RunId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix(RUN_PREFIX).unwrap_or(text);
        number.parse().map(Self).map_err(|_| format!("`{}` is no run; a run is a number such as 0192", Text::clean(text)))
    }
}

/// One execution of a runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which.
    pub id: RunId,
    /// Version of its thread in the journal: what an act on it expects.
    pub version: u64,
    /// Of which runbook.
    pub runbook: RunbookId,
    /// What people call that.
    pub title: Text,
    /// SHA-256 of the runbook's file when the run began: a file that has changed since is another runbook.
    pub hash: Hash,
    /// For which incident; `None` if for none.
    pub incident: Option<IncidentId>,
    /// What people call that.
    pub incident_title: Option<Text>,
    /// What was known of that when the run began.
    pub facts: Option<Facts>,
    /// For whose service, if that is known.
    pub service: Option<Text>,
    /// Who began it.
    pub by: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// The drill that it is part of; `None` if it is meant.
    pub drill: Option<Text>,
    /// Its steps, in the order of the runbook.
    pub steps: Vec<RunStep>,
    /// Who ended it before its end, when, and why.
    pub aborted: Option<(Actor, DateTime<Utc>, Text)>,
    /// When the newest thing was written about it.
    pub latest: DateTime<Utc>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A step is at work.
    Running,
    /// The next step waits for somebody to take it.
    Open,
    /// A step did not end well, or nobody knows how it ended: somebody must look.
    Stuck,
    /// Every step on its way was taken or skipped.
    Finished,
    /// Somebody ended it.
    Aborted,
}

impl RunState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Open => "open",
            Self::Stuck => "stuck",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }
    /// Whether something can still be done in it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Aborted)
    }
}

/// Why an event has no place in a run as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunRefusal {
    /// It begins twice, or something happened in it before it began.
    #[error("the journal tells of a run that did not begin")]
    NotBegun,
    /// It was ended.
    #[error("this run was ended by {by}; begin a new one")]
    Over {
        /// By whom.
        by: Actor,
    },
    /// It has no such step.
    #[error("there is no step `{0}` in this run")]
    NoStep(StepName),
    /// Another step, or this one, is at work.
    #[error("step `{step}` is running, started by {by} at {at}")]
    Busy {
        /// Which.
        step: StepName,
        /// By whom.
        by: Actor,
        /// When, as a time of day in UTC.
        at: String,
    },
    /// Its turn has not come.
    #[error("step `{earlier}` comes first; take it, or skip it with a reason")]
    NotYet {
        /// What comes first.
        earlier: StepName,
    },
    /// It was taken, ticked or skipped.
    #[error("step `{step}` is {state} already")]
    Settled {
        /// Which.
        step: StepName,
        /// How.
        state: &'static str,
    },
    /// Nobody knows how it ended.
    #[error("nobody knows how step `{0}` ended; look at what it did, then run it again explicitly, or skip it with a reason")]
    LookFirst(StepName),
    /// Others must agree first, and nobody can be asked yet.
    #[error(
        "step `{step}` needs the approval of {approve} other; this burnwatch cannot ask for it, so do it by hand and skip it with a reason"
    )]
    NeedsApproval {
        /// Which.
        step: StepName,
        /// Of how many.
        approve: u32,
    },
    /// A person does it.
    #[error("step `{0}` is done by a person; do it, and tick it off")]
    ByHand(StepName),
    /// The machine does it.
    #[error("step `{0}` runs; it cannot be ticked off")]
    NotByHand(StepName),
    /// It takes back another step and runs for that only.
    #[error("step `{0}` takes back another step; undo that one")]
    OnlyUndoes(StepName),
    /// There is nothing that takes it back.
    #[error("step `{0}` names no step that takes it back")]
    NoUndo(StepName),
    /// There is nothing to take back.
    #[error("step `{0}` did nothing that could be taken back")]
    NothingToUndo(StepName),
    /// There is no such attempt, or it has ended.
    #[error("step `{0}` is not running")]
    NotRunning(StepName),
    /// A reason is missing.
    #[error("say why: a reason is kept in the journal")]
    NoReason,
}

impl Run {
    /// The run as it begins; `None` if the entry does not begin one.
    pub fn begin(entry: &Entry) -> Option<Self> {
        let (Some(id), What::Run { event: RunEvent::Begun(begun) }) = (RunId::of_subject(&entry.subject), &entry.what) else { return None };
        let begun = Begun::clone(begun);
        Some(Self { version: entry.version, ..Self::new(id, begun, entry.service.clone(), entry.who.clone(), entry.at) })
    }

    /// The run of `book` for `incident` as it would begin: number 0, begun by nobody. For a look at what its steps would be told.
    pub fn imagined(book: &Runbook, incident: Option<&Incident>) -> Self {
        let nobody = Actor { name: Text::default(), verified: false };
        let service = incident.and_then(|i| i.service.clone());
        Self::new(RunId(0), Begun::of(book, incident), service, nobody, DateTime::UNIX_EPOCH)
    }

    fn new(id: RunId, begun: Begun, service: Option<Text>, by: Actor, at: DateTime<Utc>) -> Self {
        let Begun { runbook, title, hash, incident, incident_title, facts, drill, steps } = begun;
        let steps = steps.into_iter().map(RunStep::new).collect();
        Self {
            id,
            version: 0,
            runbook,
            title,
            hash,
            incident,
            incident_title,
            facts,
            service,
            by,
            at,
            drill,
            steps,
            aborted: None,
            latest: at,
        }
    }

    /// The run that these entries of one thread tell, in journal order; `None` if they begin none.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<Self> {
        let mut run: Option<Self> = None;
        for entry in entries {
            match &mut run {
                None => run = Self::begin(entry),
                Some(run) => run.take(entry),
            }
        }
        run
    }

    /// Fold one entry of its thread in. What has no place in the run as it stands changes nothing but its version.
    pub fn take(&mut self, entry: &Entry) {
        self.version = self.version.max(entry.version);
        self.latest = self.latest.max(entry.at);
        if let What::Run { event } = &entry.what {
            let _ = self.apply(event, &entry.who, entry.at);
        }
    }

    /// What becomes of the run by an event of `who` at `at`; refused, nothing changes.
    pub fn apply(&mut self, event: &RunEvent, who: &Actor, at: DateTime<Utc>) -> Result<(), RunRefusal> {
        match event {
            RunEvent::Begun(_) => Err(RunRefusal::NotBegun),
            RunEvent::Started(started) => self.start(started, who, at),
            RunEvent::Up { key, runner } => {
                let attempt = self.running(key)?;
                attempt.runner = Some(runner.clone());
                Ok(())
            }
            RunEvent::Ended { key, end } => {
                let (step, attempt) = self.attempt_mut(key).ok_or(RunRefusal::NotBegun)?;
                match &attempt.end {
                    // The truth replaces a guess, and only the truth does.
                    Some(old) if !old.how.is_a_guess() || end.how.is_a_guess() => return Err(RunRefusal::NotRunning(step)),
                    _ => {}
                }
                (attempt.end, attempt.ended_at) = (Some(end.clone()), Some(at));
                Ok(())
            }
            RunEvent::Ticked { step, note } => self.tick(step, note.clone(), who, at),
            RunEvent::Skipped { step, reason } => self.skip(step, reason, who, at),
            RunEvent::CancelAsked { key } => {
                let (step, attempt) = self.attempt_mut(key).ok_or(RunRefusal::NotBegun)?;
                // Also of one that nobody knows the end of: it may have left something that still runs.
                if attempt.how().is_some_and(|how| !how.is_a_guess()) {
                    return Err(RunRefusal::NotRunning(step));
                }
                attempt.cancel.get_or_insert_with(|| (who.clone(), at));
                Ok(())
            }
            RunEvent::Aborted { reason } => {
                self.is_open()?;
                if reason.is_empty() {
                    return Err(RunRefusal::NoReason);
                }
                for attempt in self.steps.iter_mut().flat_map(|s| &mut s.attempts).filter(|a| a.end.is_none()) {
                    attempt.cancel.get_or_insert_with(|| (who.clone(), at));
                }
                self.aborted = Some((who.clone(), at, reason.clone()));
                Ok(())
            }
            RunEvent::Judged { key, judgement } => {
                let (step, attempt) = self.attempt_mut(key).ok_or(RunRefusal::NotBegun)?;
                if attempt.judged.is_some() {
                    return Err(RunRefusal::Settled { step, state: "judged" });
                }
                (attempt.judged, attempt.judged_at) = (Some(judgement.clone()), Some(at));
                Ok(())
            }
        }
    }

    /// Where the run stands.
    pub fn state(&self) -> RunState {
        if self.at_work().is_some() {
            return RunState::Running;
        }
        if self.aborted.is_some() {
            return RunState::Aborted;
        }
        match self.next() {
            None => RunState::Finished,
            Some(step) if matches!(step.state(), StepState::Waiting) => RunState::Open,
            Some(_) => RunState::Stuck,
        }
    }

    /// The step whose turn it is; `None` once all were taken.
    pub fn next(&self) -> Option<&RunStep> {
        self.way().find(|s| !s.passed())
    }

    /// The steps to go through, in order: all but those that only take back another.
    pub fn way(&self) -> impl Iterator<Item = &RunStep> {
        self.steps.iter().filter(|s| !s.plan.undoes_only)
    }

    /// The step of this name.
    pub fn step(&self, name: &StepName) -> Option<&RunStep> {
        self.steps.iter().find(|s| s.plan.name == *name)
    }

    /// The attempt of this key, and its step.
    pub fn attempt(&self, key: &ActId) -> Option<(&RunStep, &Attempt)> {
        self.steps.iter().find_map(|s| Some((s, s.attempts.iter().find(|a| a.key == *key)?)))
    }

    /// What is at work now.
    pub fn at_work(&self) -> Option<(&RunStep, &Attempt)> {
        self.steps.iter().find_map(|s| Some((s, s.attempts.iter().find(|a| a.end.is_none())?)))
    }

    /// When its last step was taken or it was aborted; `None` while it is not over.
    pub fn over_at(&self) -> Option<DateTime<Utc>> {
        match self.state() {
            RunState::Aborted => self.aborted.as_ref().map(|(_, at, _)| *at),
            RunState::Finished => self.steps.iter().filter_map(RunStep::settled_at).max().or(Some(self.at)),
            _ => None,
        }
    }

    /// How this step stands in this run: as [`RunStep::state`], and for one that waits whether its turn has come.
    pub fn state_of(&self, step: &RunStep) -> StepState {
        match step.state() {
            StepState::Waiting if self.aborted.is_none() && self.next().is_some_and(|next| next.plan.name == step.plan.name) => {
                if step.plan.approve > 0 { StepState::NeedsApproval } else { StepState::Ready }
            }
            state => state,
        }
    }

    fn is_open(&self) -> Result<(), RunRefusal> {
        self.aborted.as_ref().map_or(Ok(()), |(by, ..)| Err(RunRefusal::Over { by: by.clone() }))
    }

    fn is_idle(&self) -> Result<(), RunRefusal> {
        self.at_work().map_or(Ok(()), |(step, attempt)| {
            let at = attempt.at.format("%H:%M:%S UTC").to_string();
            Err(RunRefusal::Busy { step: step.plan.name.clone(), by: attempt.by.clone(), at })
        })
    }

    fn has_turn(&self, name: &StepName) -> Result<(), RunRefusal> {
        let earlier = self.way().take_while(|s| s.plan.name != *name).find(|s| !s.passed());
        earlier.map_or(Ok(()), |s| Err(RunRefusal::NotYet { earlier: s.plan.name.clone() }))
    }

    fn place(&self, name: &StepName) -> Result<usize, RunRefusal> {
        self.steps.iter().position(|s| s.plan.name == *name).ok_or_else(|| RunRefusal::NoStep(name.clone()))
    }

    fn attempt_mut(&mut self, key: &ActId) -> Option<(StepName, &mut Attempt)> {
        self.steps.iter_mut().find_map(|s| Some((s.plan.name.clone(), s.attempts.iter_mut().find(|a| a.key == *key)?)))
    }

    fn running(&mut self, key: &ActId) -> Result<&mut Attempt, RunRefusal> {
        let (step, attempt) = self.attempt_mut(key).ok_or(RunRefusal::NotBegun)?;
        if attempt.end.is_none() { Ok(attempt) } else { Err(RunRefusal::NotRunning(step)) }
    }

    fn start(&mut self, started: &Started, who: &Actor, at: DateTime<Utc>) -> Result<(), RunRefusal> {
        self.is_open()?;
        self.is_idle()?;
        let place = self.place(&started.step)?;
        let step = self.steps.get(place).ok_or(RunRefusal::NotBegun)?;
        match &started.undoes {
            Some(target) => self.may_undo(target, step)?,
            None if step.plan.undoes_only => return Err(RunRefusal::OnlyUndoes(started.step.clone())),
            None => {
                self.has_turn(&started.step)?;
                step.may_start(started.again)?;
            }
        }
        if step.plan.approve > 0 {
            return Err(RunRefusal::NeedsApproval { step: started.step.clone(), approve: step.plan.approve });
        }
        if let Some(step) = self.steps.get_mut(place) {
            step.attempts.push(Attempt::new(started, who, at));
        }
        Ok(())
    }

    fn may_undo(&self, target: &StepName, undo: &RunStep) -> Result<(), RunRefusal> {
        let step = self.steps.get(self.place(target)?).ok_or(RunRefusal::NotBegun)?;
        if step.plan.undo.as_ref() != Some(&undo.plan.name) {
            return Err(RunRefusal::NoUndo(target.clone()));
        }
        if undo.plan.is_manual() {
            return Err(RunRefusal::ByHand(undo.plan.name.clone()));
        }
        if step.did_something() && self.undone(target).is_none() { Ok(()) } else { Err(RunRefusal::NothingToUndo(target.clone())) }
    }

    /// The attempt that took the last one of this step back.
    pub fn undone(&self, target: &StepName) -> Option<&Attempt> {
        let step = self.step(target)?;
        let last = step.attempts.last()?;
        let undo = self.step(step.plan.undo.as_ref()?)?;
        undo.attempts.iter().rev().find(|a| a.undoes.as_ref() == Some(target) && a.at >= last.at && a.ended_well())
    }

    fn tick(&mut self, name: &StepName, note: Option<Text>, who: &Actor, at: DateTime<Utc>) -> Result<(), RunRefusal> {
        self.is_open()?;
        self.is_idle()?;
        let place = self.place(name)?;
        self.has_turn(name)?;
        let Some(step) = self.steps.get_mut(place) else { return Err(RunRefusal::NotBegun) };
        if !step.plan.is_manual() {
            return Err(RunRefusal::NotByHand(name.clone()));
        }
        step.is_unsettled()?;
        step.settled = Some(Settled::Ticked { by: who.clone(), at, note });
        Ok(())
    }

    fn skip(&mut self, name: &StepName, reason: &Text, who: &Actor, at: DateTime<Utc>) -> Result<(), RunRefusal> {
        self.is_open()?;
        self.is_idle()?;
        if reason.is_empty() {
            return Err(RunRefusal::NoReason);
        }
        let place = self.place(name)?;
        self.has_turn(name)?;
        let Some(step) = self.steps.get_mut(place) else { return Err(RunRefusal::NotBegun) };
        step.is_unsettled()?;
        step.settled = Some(Settled::Skipped { by: who.clone(), at, reason: reason.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
