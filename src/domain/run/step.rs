//! A step in a run: what was tried, and where that leaves it.

use chrono::{DateTime, Utc};

use super::{
    super::{ActId, Actor, Hash, StepName, Text},
    End, How, Judgement, Outline, Process, RunRefusal, Started,
};

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStep {
    /// What the runbook says of it.
    pub plan: Outline,
    /// Each time that it was started, oldest first.
    pub attempts: Vec<Attempt>,
    /// Ticked off or skipped by a person.
    pub settled: Option<Settled>,
}

/// What a person said of a step that did not run.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// They did it.
    Ticked {
        /// Who.
        by: Actor,
        /// When.
        at: DateTime<Utc>,
        /// What they have to say.
        note: Option<Text>,
    },
    /// They left it out.
    Skipped {
        /// Who.
        by: Actor,
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: Text,
    },
}

/// One start of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Unique, made before it: names its output and everything else that it leaves.
    pub key: ActId,
    /// Who started it.
    pub by: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// The step that it takes back.
    pub undoes: Option<StepName>,
    /// Hash of exactly what ran.
    pub command: Option<Hash>,
    /// Seconds it may take.
    pub timeout_secs: u64,
    /// The process that started it.
    pub starter: Process,
    /// The process that runs it; `None` before it has come up.
    pub runner: Option<Process>,
    /// Who wants it to end, and since when.
    pub cancel: Option<(Actor, DateTime<Utc>)>,
    /// The value of the signal that it is meant to change when it was started; `None` if that is not known.
    pub before: Option<f64>,
    /// How it ended; `None` while it runs.
    pub end: Option<End>,
    /// When that was written.
    pub ended_at: Option<DateTime<Utc>>,
    /// What became of what it was meant to change.
    pub judged: Option<Judgement>,
    /// When that was written.
    pub judged_at: Option<DateTime<Utc>>,
}

impl Attempt {
    pub(super) fn new(started: &Started, by: &Actor, at: DateTime<Utc>) -> Self {
        Self {
            key: started.key.clone(),
            by: by.clone(),
            at,
            undoes: started.undoes.clone(),
            command: started.command.clone(),
            timeout_secs: started.timeout_secs,
            starter: started.starter.clone(),
            runner: None,
            cancel: None,
            before: started.before,
            end: None,
            ended_at: None,
            judged: None,
            judged_at: None,
        }
    }
    /// How it ended, in one word.
    pub fn how(&self) -> Option<How> {
        self.end.as_ref().map(|end| end.how)
    }
    /// Whether it ended as it should.
    pub fn ended_well(&self) -> bool {
        self.how() == Some(How::Ok)
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Others come first.
    Waiting,
    /// Its turn has come.
    Ready,
    /// Its turn has come, and others must agree first.
    NeedsApproval,
    /// Its runner is coming up; nothing of it has run.
    Starting,
    /// It runs.
    Running,
    /// It runs, and somebody wants it to end.
    Cancelling,
    /// It ended as it should, or a person did it.
    Done,
    /// It ended, and not as it should.
    Failed,
    /// Its time was up.
    TimedOut,
    /// Somebody ended it.
    Cancelled,
    /// Nobody knows how it ended.
    Unknown,
    /// It was started and never began.
    NotRun,
    /// It was left out.
    Skipped,
}

impl StepState {
    /// The words for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "next",
            Self::NeedsApproval => "needs approval",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Failed => How::Failed.word(),
            Self::TimedOut => How::TimedOut.word(),
            Self::Cancelled => How::Cancelled.word(),
            Self::Unknown => How::Unknown.word(),
            Self::NotRun => How::NotRun.word(),
            Self::Skipped => "skipped",
        }
    }
    /// Whether something of it may be running.
    pub const fn is_at_work(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Cancelling)
    }
}

impl RunStep {
    pub(super) const fn new(plan: Outline) -> Self {
        Self { plan, attempts: Vec::new(), settled: None }
    }

    /// How it stands, whatever the others do: a step that was never touched waits.
    pub fn state(&self) -> StepState {
        match (&self.settled, self.attempts.last()) {
            (Some(Settled::Skipped { .. }), _) => StepState::Skipped,
            (Some(Settled::Ticked { .. }), _) => StepState::Done,
            (None, None) => StepState::Waiting,
            (None, Some(attempt)) => match (attempt.how(), &attempt.cancel, &attempt.runner) {
                (Some(How::Ok), ..) => StepState::Done,
                (Some(How::Failed), ..) => StepState::Failed,
                (Some(How::TimedOut), ..) => StepState::TimedOut,
                (Some(How::Cancelled), ..) => StepState::Cancelled,
                (Some(How::Unknown), ..) => StepState::Unknown,
                (Some(How::NotRun), ..) => StepState::NotRun,
                (None, Some(_), _) => StepState::Cancelling,
                (None, None, None) => StepState::Starting,
                (None, None, Some(_)) => StepState::Running,
            },
        }
    }

    /// Whether the next step may be taken.
    pub fn passed(&self) -> bool {
        match self.state() {
            StepState::Done | StepState::Skipped => true,
            StepState::Failed | StepState::TimedOut => self.plan.continue_on_error,
            _ => false,
        }
    }

    /// When it was passed; `None` if it was not.
    pub fn settled_at(&self) -> Option<DateTime<Utc>> {
        match &self.settled {
            Some(Settled::Ticked { at, .. } | Settled::Skipped { at, .. }) => Some(*at),
            None => self.attempts.last().filter(|_| self.passed()).and_then(|a| a.ended_at),
        }
    }

    pub(super) fn did_something(&self) -> bool {
        self.attempts.iter().any(|a| a.how().is_some_and(|how| how != How::NotRun))
    }

    pub(super) fn is_unsettled(&self) -> Result<(), RunRefusal> {
        let (state, step) = (self.state(), self.plan.name.clone());
        if matches!(state, StepState::Done | StepState::Skipped) { Err(RunRefusal::Settled { step, state: state.word() }) } else { Ok(()) }
    }

    /// Whether it may be started as it stands; `again` if who wants to has looked at what was done before.
    pub(super) fn may_start(&self, again: bool) -> Result<(), RunRefusal> {
        let name = || self.plan.name.clone();
        if self.plan.is_manual() {
            return Err(RunRefusal::ByHand(name()));
        }
        match self.state() {
            // To look once more changes nothing.
            StepState::Done if again && self.plan.kind.as_str() == "check" => Ok(()),
            StepState::Unknown if !again => Err(RunRefusal::LookFirst(name())),
            _ => self.is_unsettled(),
        }
    }
}
