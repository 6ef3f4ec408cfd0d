//! What the screen and the commands ask for: an act, which is journalled, or a look, which never is.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{ActId, Actor, Escalation, IncidentId, LabelMatcher, Override, RunbookId, SloId, SourceName, StepName, Text, Untrusted};

/// Something a person wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Change something. Journalled before and after.
    Act(Act),
    /// See something. Never journalled.
    Look(Question),
}

/// A wish to act on what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// On which incident; for what is done to a rotation its [`rotation_subject`](super::rotation_subject), to a run its
    /// [`subject`](super::RunId::subject).
    pub incident: IncidentId,
    /// The version of its thread that was on screen: if the journal is further, the act is refused and the person told who was first.
    pub seen: u64,
    /// What to do.
    pub verb: Verb,
    /// Who, where the operating system cannot tell (a shared account); `None` leaves it to the operating system.
    pub by: Option<Actor>,
}

/// What can be done to an incident or a rotation.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Take it.
    Acknowledge {
        /// What the responder has to say.
        note: Option<Text>,
    },
    /// Take it from whoever has it; from oneself, to hold it anew.
    TakeOver {
        /// Who had it when that was decided; anybody else keeps it.
        from: Text,
        /// What the responder has to say.
        note: Option<Text>,
    },
    /// Give it back.
    Unacknowledge,
    /// End it where it is kept.
    Resolve {
        /// How, in the responder's words.
        note: Option<Text>,
    },
    /// Say something about it.
    Note {
        /// What.
        note: Text,
    },
    /// Hold it for a while, after which it is nobody's again.
    Snooze {
        /// How long.
        span: Duration,
    },
    /// Hand it to others.
    Escalate {
        /// To whom.
        to: Escalation,
    },
    /// Hold back alerts by their labels. Its subject is [`silence_subject`](super::silence_subject), not an incident.
    Silence {
        /// In which Alertmanager.
        source: SourceName,
        /// Which alerts.
        matchers: Vec<LabelMatcher>,
        /// For how long.
        span: Duration,
        /// Why.
        comment: Text,
    },
    /// End a silence. Its subject is [`silence_subject`](super::silence_subject), not an incident.
    Expire {
        /// In which Alertmanager.
        source: SourceName,
        /// Which: its id.
        silence: String,
    },
    /// Take a seat of a rotation over, or give it to somebody.
    Override {
        /// Which rotation.
        rotation: Text,
        /// Who, which seat, when.
        over: Override,
        /// Why.
        note: Option<Text>,
    },
    /// Leave a note to whoever takes over.
    HandoffNote {
        /// Of which rotation.
        rotation: Text,
        /// Of which handoff.
        handoff: DateTime<Utc>,
        /// What is open, what was promised.
        note: Text,
    },
    /// Say that such a note was read.
    HandoffRead {
        /// Of which rotation.
        rotation: Text,
        /// Of which handoff.
        handoff: DateTime<Utc>,
    },
    /// Do something in a run of a runbook.
    Run(RunVerb),
}

/// What can be done in a run of a runbook.
#[derive(Clone, Debug, PartialEq)]
pub enum RunVerb {
    /// Begin one. Its number is given to it by the journal; the act's subject is not looked at, and its `seen` is 0. Only one run of a
    /// runbook for an incident is open at a time: whoever comes second is told of it.
    Begin {
        /// Of which runbook.
        runbook: RunbookId,
        /// For which incident; `None` for none.
        incident: Option<IncidentId>,
        /// The drill that it is part of.
        drill: Option<Text>,
    },
    /// Start a step.
    Start {
        /// Which.
        step: StepName,
        /// What was chosen, by the names of its inputs.
        inputs: BTreeMap<String, Untrusted>,
        /// Whether who asks has looked at what an attempt of unknown end has done.
        again: bool,
    },
    /// Take a step back by the step that it names for that.
    Undo {
        /// Which is taken back.
        step: StepName,
        /// What was chosen, by the names of the inputs of the one that takes it back.
        inputs: BTreeMap<String, Untrusted>,
    },
    /// Say that a step which people do is done.
    Tick {
        /// Which.
        step: StepName,
        /// What there is to say.
        note: Option<Text>,
    },
    /// Leave a step out.
    Skip {
        /// Which.
        step: StepName,
        /// Why.
        reason: Text,
    },
    /// End an attempt of a step, and whatever it has left if its runner is gone.
    Cancel {
        /// Which attempt.
        key: ActId,
    },
    /// End the run, and what runs of it.
    Abort {
        /// Why.
        reason: Text,
    },
}

/// What can be looked at beyond what every poll brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// These rows are on screen: bring the history their sparklines need.
    History(Vec<SloId>),
    /// Ask every source now.
    Refresh,
    /// This incident is open in full: bring its whole thread of the journal, and its log where a source keeps one.
    Chronicle(IncidentId),
    /// This SLO of a probe is open: bring quantiles of how long its answers took.
    Latencies(SloId),
    /// Runbooks are on screen: bring them in [`Snapshot::runbooks`](super::Snapshot::runbooks) as their files are now.
    Runbooks,
    /// The output of this attempt of a step is on screen: bring it in [`Snapshot::output`](super::Snapshot::output), and go on bringing it
    /// while it grows. `None` once nobody looks.
    Output(Option<ActId>),
}
