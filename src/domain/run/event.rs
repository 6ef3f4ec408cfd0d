//! What happens in a run, as the journal keeps it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::{
    ActId, EffectWish, Hash, Incident, IncidentId, Labels, Runbook, RunbookId, Severity, Signal, SourceName, Step, StepName, Text,
    Untrusted, Window,
};

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// Somebody began it.
    Begun(Box<Begun>),
    /// Somebody starts a step. Written before anything of it runs.
    Started(Started),
    /// Its runner is there, and about to run it. Written before anything of it runs, on exactly the version that its start made: if
    /// somebody has given the step up meanwhile, the runner is told and runs nothing.
    Up {
        /// Which attempt.
        key: ActId,
        /// The runner.
        runner: Process,
    },
    /// It ended, or is taken to have ended.
    Ended {
        /// Which attempt.
        key: ActId,
        /// How.
        end: End,
    },
    /// A person did it.
    Ticked {
        /// Which.
        step: StepName,
        /// What they have to say.
        note: Option<Text>,
    },
    /// It is left out.
    Skipped {
        /// Which.
        step: StepName,
        /// Why.
        reason: Text,
    },
    /// Somebody wants a running step to end.
    CancelAsked {
        /// Which attempt.
        key: ActId,
    },
    /// Somebody ends the run, and what runs of it.
    Aborted {
        /// Why.
        reason: Text,
    },
    /// What an attempt of a step was meant to change was watched, and this came of it.
    Judged {
        /// Which attempt.
        key: ActId,
        /// What was seen.
        judgement: Judgement,
    },
}

impl RunEvent {
    /// The verb for a list: `begin`, `run`, `undo`, `up`, `ended`, `tick`, `skip`, `cancel`, `abort`.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Begun(_) => "begin",
            Self::Started(Started { undoes: Some(_), .. }) => "undo",
            Self::Started(_) => "run",
            Self::Up { .. } => "up",
            Self::Ended { .. } => "ended",
            Self::Ticked { .. } => "tick",
            Self::Skipped { .. } => "skip",
            Self::CancelAsked { .. } => "cancel",
            Self::Aborted { .. } => "abort",
            Self::Judged { .. } => "effect",
        }
    }
    /// Whether a person did this, and nobody else at the same time.
    pub const fn is_a_deed(&self) -> bool {
        !matches!(self, Self::Up { .. } | Self::Ended { .. } | Self::Judged { .. })
    }
    /// What is to be read of it behind the verb: the step, the reason, how it ended.
    pub fn words(&self) -> String {
        match self {
            Self::Begun(begun) => begun.incident_title.as_ref().map_or_else(|| "for no incident".to_owned(), |t| format!("for {t}")),
            Self::Started(started) => {
                let of = started.undoes.as_ref().map_or_else(String::new, |target| format!(" to take `{target}` back"));
                let hash = started.command.as_ref().map_or_else(String::new, |hash| format!(" · {}", hash.short()));
                format!("step `{}`{of}{hash}", started.step)
            }
            Self::Up { runner, .. } => format!("runner {}", runner.pid),
            Self::Ended { end, .. } => end.to_string(),
            Self::Ticked { step, note } => note.as_ref().map_or_else(|| format!("step `{step}`"), |n| format!("step `{step}` “{n}”")),
            Self::Skipped { step, reason } => format!("step `{step}` “{reason}”"),
            Self::CancelAsked { .. } => String::new(),
            Self::Aborted { reason } => format!("“{reason}”"),
            Self::Judged { judgement, .. } => judgement.to_string(),
        }
    }
}

/// What a run is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Which runbook.
    pub runbook: RunbookId,
    /// What people call it.
    pub title: Text,
    /// SHA-256 of its file.
    pub hash: Hash,
    /// For which incident.
    pub incident: Option<IncidentId>,
    /// What people call that.
    pub incident_title: Option<Text>,
    /// What was known of it then: what its steps are told, also once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// The drill that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Text>,
    /// Its steps, in order.
    pub steps: Vec<Outline>,
}

impl Begun {
    /// A run of `book`, for this incident if there is one, and in no drill.
    pub fn of(book: &Runbook, incident: Option<&Incident>) -> Self {
        Self {
            runbook: book.id.clone(),
            title: book.title.clone(),
            hash: book.hash.clone(),
            incident: incident.map(|i| i.id.clone()),
            incident_title: incident.map(|i| i.title.clone()),
            facts: incident.map(Facts::of),
            drill: None,
            steps: book.steps.iter().map(|step| Outline::of(step, book.is_undo(&step.name))).collect(),
        }
    }
}

/// What was known of an incident when a run for it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How urgent it was.
    pub severity: Severity,
    /// Since when it was.
    pub since: Option<DateTime<Utc>>,
    /// As its source had them.
    pub labels: Labels,
    /// As its source had them.
    pub annotations: Labels,
    /// Who reported it.
    pub sources: Vec<SourceName>,
}

impl Facts {
    /// What is known of `incident`.
    pub fn of(incident: &Incident) -> Self {
        Self {
            severity: incident.severity,
            since: incident.since,
            labels: incident.labels.clone(),
            annotations: incident.annotations.clone(),
            sources: incident.sources.clone(),
        }
    }
}

/// What a run has to know of a step to keep order, also when its file is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Unique in its runbook.
    pub name: StepName,
    /// Its heading.
    pub title: Text,
    /// `manual`, `check`, `run` or `http`.
    pub kind: Text,
    /// How many others must agree.
    #[serde(default)]
    pub approve: u32,
    /// Whether the next step may be taken also if it failed.
    #[serde(default)]
    pub continue_on_error: bool,
    /// The step that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<StepName>,
    /// Whether it takes back another and is no part of the way.
    #[serde(default)]
    pub undoes_only: bool,
    /// What it is meant to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectWish>,
}

impl Outline {
    fn of(step: &Step, undoes_only: bool) -> Self {
        Self {
            name: step.name.clone(),
            title: step.title.clone(),
            kind: step.kind.word().into(),
            approve: step.approve,
            continue_on_error: step.continue_on_error,
            undo: step.undo.clone(),
            undoes_only,
            effect: step.effect.clone(),
        }
    }
    /// Whether a person does it.
    pub fn is_manual(&self) -> bool {
        self.kind.as_str() == "manual"
    }
}

/// A step that is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The key of this attempt: unique, made before it.
    pub key: ActId,
    /// Which step.
    pub step: StepName,
    /// The step that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<StepName>,
    /// Whether who starts it has looked at what an attempt of unknown end has done.
    #[serde(default)]
    pub again: bool,
    /// Hash of exactly what runs; `None` for what has no text.
    pub command: Option<Hash>,
    /// What was chosen for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Untrusted>,
    /// Seconds it may take.
    pub timeout_secs: u64,
    /// The process that starts it.
    pub starter: Process,
    /// The value of the signal that it is meant to change, as [`baseline`](super::super::baseline) has it when it is started; `None` if it
    /// is meant to change none, or if that was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

/// One process, told apart from every other there ever was on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// When it was started, in clock ticks since the system was.
    pub ticks: u64,
    /// Which start of which system it belongs to, and which of its namespaces of process ids.
    pub boot: String,
}

/// How an attempt of a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// In one word.
    pub how: How,
    /// Exit code; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
    /// How long it took, in milliseconds; `None` if nobody saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What it wrote; `None` if nobody saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputMark>,
    /// Processes that it has left behind and that still run, as far as was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
}

impl End {
    /// An end of which only the word is known, and what there is to say.
    pub fn told(how: How, why: &str) -> Self {
        let why = (!why.is_empty()).then(|| Text::clean(why));
        Self { how, code: None, signal: None, why, took_ms: None, output: None, left: Vec::new() }
    }
}

/// `exit 0 in 4.2s`, `failed: exit 3 in 1.0s`, `timed out in 10.0s`, `unknown: its runner is gone`.
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.how.word())?;
        let code = self.code.map(|code| format!("exit {code}"));
        let signal = self.signal.map(|signal| format!("signal {signal}"));
        // What is to be said names the exit code where that is what went wrong.
        let why = self.why.as_ref().map(ToString::to_string);
        let said = match (&why, &code) {
            (Some(why), Some(code)) if why.starts_with(code.as_str()) => Some(why.clone()),
            (Some(why), Some(code)) => Some(format!("{code}, {why}")),
            (Some(why), None) => Some(why.clone()),
            (None, _) => code.or(signal),
        };
        if let Some(said) = said {
            write!(f, ": {said}")?;
        }
        self.took_ms.map_or(Ok(()), |ms| write!(f, " in {}.{}s", ms / 1_000, ms % 1_000 / 100))
    }
}

/// The end of an attempt in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As it should be.
    Ok,
    /// It ended, and not as it should.
    Failed,
    /// Its time was up, and it was ended.
    TimedOut,
    /// Somebody ended it.
    Cancelled,
    /// Nobody saw its end: it may have done all, some or nothing of what it should, and may still be at it.
    Unknown,
    /// It never began: nothing of it ran.
    NotRun,
}

impl How {
    /// The words for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::NotRun => "not run",
        }
    }
    /// Whether it was concluded from silence, so that who really saw the end may still say otherwise.
    pub const fn is_a_guess(self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// What a step wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// Bytes in all, also those that were not kept.
    pub bytes: u64,
    /// SHA-256 of all of them.
    pub hash: Hash,
    /// The last of them, for who reads the journal alone.
    pub last: Untrusted,
}

/// What came of the effect that a step was meant to have. While that is still settling nothing is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Judgement {
    /// What was wished came true.
    Reached {
        /// What was watched.
        signal: Signal,
        /// Its value when the step was started; `None` if that was not known.
        before: Option<f64>,
        /// Its value now.
        after: f64,
        /// Seconds from the step's end until it was seen to be true.
        secs: u64,
    },
    /// It did not, within the time that was given, though at least half of the way was gone.
    TooLittle {
        /// What was watched.
        signal: Signal,
        /// Its value when the step was started.
        before: Option<f64>,
        /// Its value at the end of that time.
        after: f64,
        /// Seconds from the step's end.
        secs: u64,
    },
    /// It did not, within the time that was given, nor most of the way.
    NoEffect {
        /// What was watched.
        signal: Signal,
        /// Its value when the step was started.
        before: Option<f64>,
        /// Its value at the end of that time.
        after: f64,
        /// Seconds from the step's end.
        secs: u64,
    },
    /// Nobody can tell: too little traffic, no figures.
    CannotTell {
        /// What was watched.
        signal: Signal,
        /// Why.
        why: Text,
    },
}

/// `burn 18.2× → 0.4× in 6m`, `too little: burn 18.2× → 2.1× in 10m`, `no effect: burn 18.2× → 17.9× in 10m`, `cannot tell: …`.
impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let change = |signal: &Signal, before: Option<f64>, after: f64, secs: u64| {
            let before = before.map_or_else(|| "—".to_owned(), |v| signal.shown(v));
            // Whole minutes once there is one, as people say it.
            let secs = if secs < 60 { secs } else { secs / 60 * 60 };
            let span = Window::from_secs(secs).map_or_else(|| "0s".to_owned(), |w| w.to_string());
            format!("{} {before} → {} in {span}", signal.word(), signal.shown(after))
        };
        match self {
            Self::Reached { signal, before, after, secs } => f.write_str(&change(signal, *before, *after, *secs)),
            Self::TooLittle { signal, before, after, secs } => write!(f, "too little: {}", change(signal, *before, *after, *secs)),
            Self::NoEffect { signal, before, after, secs } => write!(f, "no effect: {}", change(signal, *before, *after, *secs)),
            Self::CannotTell { signal, why } => write!(f, "cannot tell what became of {signal}: {why}"),
        }
    }
}

/// A process that was left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Which.
    pub process: Process,
    /// What the system calls it.
    pub name: Text,
}
