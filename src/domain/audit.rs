//! The journal's nouns: who asked for what, and how it ended.
//!
//! Every act is two entries of one [`ActId`]: `Asked`, written before anything is done, and `Ended`, written after. A thread of
//! entries on one subject (an incident) counts its versions; an entry names the version it was decided on, so that of two people who
//! act on the same thing at once one is refused and told who was first.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ActId, IncidentId, LabelMatcher, Leg, LegState, Override, RunEvent, SourceName, Text};

/// Who acts, and how sure we are of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person's name, or the login where no `[[person]]` has it.
    pub name: Text,
    /// Whether the operating system vouches for it (login uid, or a uid that is not shared).
    pub verified: bool,
}

/// The name; `jon (unverified)` if nobody vouches for it, and in the short form (`{:#}`) `jon?`.
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.verified, f.alternate()) {
            (true, _) => f.pad(self.name.as_str()),
            (false, true) => f.pad(&format!("{}?", self.name)),
            (false, false) => f.pad(&format!("{} (unverified)", self.name)),
        }
    }
}

/// The beginning of a comment that makes a silence an acknowledgement: the convention of karma and kthxbye.
pub const ACK_PREFIX: &str = "ACK!";

/// The comment of a silence that carries an acknowledgement; the mark at its end is how it is found again.
pub fn ack_comment(by: &Text, note: Option<&Text>, act: &ActId) -> String {
    let note = note.filter(|n| !n.is_empty()).map_or_else(String::new, |n| format!(" {n}"));
    format!("{ACK_PREFIX} {by}{note} {}", mark(act))
}

/// What is written into whatever an act leaves behind in a backend, so that it can be found again.
pub fn mark(act: &ActId) -> String {
    format!("[bw:{act}]")
}

/// Where an acknowledgement is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// An alert of an Alertmanager: a silence on exactly these labels, there.
    Alertmanager {
        /// The `[[source]]` that is asked.
        source: SourceName,
        /// Exactly the alert's labels.
        labels: super::Labels,
    },
    /// An incident of a PagerDuty, which keeps its own book of who has it.
    PagerDuty {
        /// The `[[source]]` that is asked.
        source: SourceName,
        /// The incident's id there.
        incident: String,
    },
    /// The silences of an Alertmanager.
    Silences {
        /// The `[[source]]` that is asked.
        source: SourceName,
    },
    /// An alert of our own rules: the journal alone.
    Journal,
    /// Several places at once, for what several sources tell.
    Group {
        /// They.
        legs: Vec<Leg>,
    },
}

impl Target {
    /// The source that is acted on, of several the first; `None` if the journal alone keeps it.
    pub fn source(&self) -> Option<&SourceName> {
        match self {
            Self::Alertmanager { source, .. } | Self::PagerDuty { source, .. } | Self::Silences { source } => Some(source),
            Self::Journal => None,
            Self::Group { legs } => legs.iter().find_map(|leg| leg.target.source()),
        }
    }
    /// Every place, each by itself.
    pub fn places(&self) -> Vec<&Self> {
        match self {
            Self::Group { legs } => legs.iter().map(|leg| &leg.target).collect(),
            one => vec![one],
        }
    }
}

/// Whom an incident is handed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escalation {
    /// Whoever is on call at this level of its escalation, from 1.
    Level(u32),
    /// This person.
    Person {
        /// As we call them.
        name: Text,
        /// Their mail address.
        email: Text,
    },
}

/// What is done to the world, or to the journal alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Take an incident: it is ours until it clears, `until` passes, or we give it back.
    Acknowledge {
        /// Where the acknowledgement is kept.
        target: Target,
        /// When this occurrence of the alert began: another occurrence is not acknowledged by it.
        occurrence: DateTime<Utc>,
        /// What the responder has to say.
        note: Option<Text>,
        /// When a silence made for it ends unless it is extended.
        until: DateTime<Utc>,
        /// When it lapses whatever happens.
        lapses: DateTime<Utc>,
    },
    /// Take an incident from whoever has it. It is theirs until this is done.
    TakeOver {
        /// Where the acknowledgement is kept.
        target: Target,
        /// Which occurrence of the alert.
        occurrence: DateTime<Utc>,
        /// What the responder has to say.
        note: Option<Text>,
        /// When its silence ends unless it is extended.
        until: DateTime<Utc>,
        /// When it lapses whatever happens.
        lapses: DateTime<Utc>,
        /// From whom; anybody else keeps it.
        from: Actor,
        /// The silence that carries theirs.
        silence: Option<String>,
    },
    /// Move the end of an acknowledgement's silence, because the alert still fires.
    Extend {
        /// Where it is kept.
        target: Target,
        /// The silence to move.
        silence: String,
        /// When it began, which must stay as it is for its id to stay.
        starts: DateTime<Utc>,
        /// Its new end.
        until: DateTime<Utc>,
        /// The acknowledgement that it belongs to.
        ack: ActId,
        /// The comment, which goes along with the new end.
        comment: String,
        /// In whose name.
        by: Text,
    },
    /// Give an incident back; also done by burnwatch itself when the alert has cleared.
    Release {
        /// Where it is kept.
        target: Target,
        /// The silence to expire, if one was made.
        silence: Option<String>,
        /// The acknowledgement that ends.
        ack: ActId,
        /// Why.
        why: Release,
    },
    /// End an incident where it is kept.
    Resolve {
        /// Where it is kept.
        target: Target,
        /// How it was resolved, in the responder's words.
        note: Option<Text>,
    },
    /// Say something about an incident.
    Note {
        /// Where it is kept.
        target: Target,
        /// What.
        note: Text,
    },
    /// Hold an incident until a time, after which it is nobody's again.
    Snooze {
        /// Where it is kept.
        target: Target,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Hand an incident to others.
    Escalate {
        /// Where it is kept.
        target: Target,
        /// To whom.
        to: Escalation,
    },
    /// Hold back alerts by their labels, whoever has them.
    Silence {
        /// Where it is kept.
        target: Target,
        /// Which alerts.
        matchers: Vec<LabelMatcher>,
        /// Until when.
        until: DateTime<Utc>,
        /// Why.
        comment: Text,
    },
    /// End a silence.
    Expire {
        /// Where it is kept.
        target: Target,
        /// Which: its id.
        silence: String,
        /// What it asked of alerts, for who reads the journal.
        matchers: Vec<LabelMatcher>,
    },
    /// Somebody takes a seat of a rotation over for some time.
    Override {
        /// Which rotation.
        rotation: Text,
        /// Who, which seat, when.
        over: Override,
        /// Why.
        note: Option<Text>,
    },
    /// Leave a note to whoever takes over; a later one for the same handoff replaces it.
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
}

/// Why an acknowledgement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// A person gave it back.
    Unacknowledged,
    /// The alert cleared.
    Cleared,
}

impl Effect {
    /// The verb for a list: `ack`, `takeover`, `extend`, `unack`, `clear`, `resolve`, `note`, `snooze`, `escalate`, `silence`, `expire`,
    /// `override`, `handoff`, `read`.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "ack",
            Self::TakeOver { .. } => "takeover",
            Self::Extend { .. } => "extend",
            Self::Release { why: Release::Unacknowledged, .. } => "unack",
            Self::Release { why: Release::Cleared, .. } => "clear",
            Self::Resolve { .. } => "resolve",
            Self::Note { .. } => "note",
            Self::Snooze { .. } => "snooze",
            Self::Escalate { .. } => "escalate",
            Self::Silence { .. } => "silence",
            Self::Expire { .. } => "expire",
            Self::Override { .. } => "override",
            Self::HandoffNote { .. } => "handoff",
            Self::HandoffRead { .. } => "read",
        }
    }
    /// What the person said.
    pub const fn note(&self) -> Option<&Text> {
        match self {
            Self::Acknowledge { note, .. } | Self::TakeOver { note, .. } | Self::Resolve { note, .. } | Self::Override { note, .. } => {
                note.as_ref()
            }
            Self::Note { note, .. } | Self::Silence { comment: note, .. } | Self::HandoffNote { note, .. } => Some(note),
            Self::Extend { .. }
            | Self::Release { .. }
            | Self::Snooze { .. }
            | Self::Escalate { .. }
            | Self::Expire { .. }
            | Self::HandoffRead { .. } => None,
        }
    }
    /// Where it acts.
    pub const fn target(&self) -> &Target {
        match self {
            Self::Acknowledge { target, .. }
            | Self::TakeOver { target, .. }
            | Self::Extend { target, .. }
            | Self::Release { target, .. }
            | Self::Resolve { target, .. }
            | Self::Note { target, .. }
            | Self::Snooze { target, .. }
            | Self::Escalate { target, .. }
            | Self::Silence { target, .. }
            | Self::Expire { target, .. } => target,
            Self::Override { .. } | Self::HandoffNote { .. } | Self::HandoffRead { .. } => &Target::Journal,
        }
    }
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The backend took it.
    Done {
        /// What the backend calls what was made: a silence id.
        receipt: Option<String>,
    },
    /// Nothing was done, for sure.
    Failed {
        /// What happened.
        why: Text,
        /// Whether trying again may help.
        retry: bool,
    },
    /// Sent, and no answer came: look before repeating.
    Unknown {
        /// What happened.
        why: Text,
    },
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the journal, from 1; 0 before it is written.
    pub id: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The act it belongs to.
    pub act: ActId,
    /// What it is about.
    pub subject: IncidentId,
    /// What people call that.
    pub title: Text,
    /// Whose service it is, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Text>,
    /// Place in the subject's thread, from 1; 0 before it is written.
    pub version: u64,
    /// Who.
    pub who: Actor,
    /// What.
    pub what: What,
}

/// Begin or end of an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// Written before the act.
    Asked {
        /// What is to be done.
        #[serde(flatten)]
        effect: Effect,
    },
    /// Written after it; a later end of the same act replaces an earlier one that was not `Done`.
    Ended {
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
        /// How each leg ended, if it has several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        legs: Vec<Outcome>,
    },
    /// Something happened in a run of a runbook, whose thread this is; what begins and what ends are events of their own there.
    Run {
        /// What.
        #[serde(flatten)]
        event: RunEvent,
    },
    /// A drill was played. Written once it was over.
    Drilled {
        /// How it went.
        drill: Box<super::Drill>,
    },
}

impl What {
    /// Whether somebody wanted this, so that who comes second is to be told of it.
    pub const fn is_a_deed(&self) -> bool {
        match self {
            Self::Asked { .. } | Self::Drilled { .. } => true,
            Self::Ended { .. } => false,
            Self::Run { event } => event.is_a_deed(),
        }
    }
    /// The verb for a list; `ended` for an end.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Asked { effect } => effect.verb(),
            Self::Ended { .. } => "ended",
            Self::Run { event } => event.verb(),
            Self::Drilled { .. } => "drill",
        }
    }
}

/// How far the delivery of an acknowledgement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The backend has it.
    Done,
    /// Being sent, or waiting to be sent again.
    Pending,
    /// The backend refused it.
    Failed,
    /// Sent, no answer yet read back.
    Unknown,
}

/// An acknowledgement as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The act that made it; `None` for one made by another tool.
    pub act: Option<ActId>,
    /// Who has it.
    pub by: Actor,
    /// Since when.
    pub at: DateTime<Utc>,
    /// When it ends unless extended; `None` if that is not known.
    pub until: Option<DateTime<Utc>>,
    /// When it lapses whatever happens; `None` for one made by another tool.
    pub lapses: Option<DateTime<Utc>>,
    /// What they said.
    pub note: Option<Text>,
    /// How far it has come.
    pub delivery: Delivery,
    /// Why it is not delivered.
    pub why: Option<Text>,
    /// The silence that carries it.
    pub silence: Option<String>,
    /// The occurrence it is for.
    pub occurrence: Option<DateTime<Utc>>,
    /// Where it is kept.
    pub target: Target,
    /// How far each leg of it has come, if it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<LegState>,
    /// Whose thread of the journal it stands in; `None` for one made by another tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<IncidentId>,
}

impl Ack {
    /// One that was asked for.
    pub(super) fn asked(
        entry: &Entry,
        target: Target,
        note: Option<Text>,
        occurrence: DateTime<Utc>,
        (until, lapses): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let legs = if let Target::Group { legs } = &target { legs.iter().cloned().map(LegState::asked).collect() } else { Vec::new() };
        Self {
            act: Some(entry.act.clone()),
            by: entry.who.clone(),
            at: entry.at,
            until: Some(until),
            lapses: Some(lapses),
            note,
            delivery: Delivery::Pending,
            why: None,
            silence: None,
            occurrence: Some(occurrence),
            target,
            legs,
            subject: Some(entry.subject.clone()),
        }
    }
    /// Whether it was made by this act, or one of its legs was.
    pub(super) fn is_of(&self, act: &ActId) -> bool {
        self.act.as_ref() == Some(&act.whole().0)
    }
    /// One of its legs, as an acknowledgement by itself.
    #[must_use]
    pub fn of_leg(&self, number: usize) -> Option<Self> {
        let state = self.legs.get(number).filter(|state| !state.over)?;
        Some(Self {
            act: self.act.as_ref().map(|act| act.leg(number)),
            by: self.by.clone(),
            at: self.at,
            until: state.until.or(self.until),
            lapses: self.lapses,
            note: self.note.clone(),
            delivery: state.delivery,
            why: state.why.clone(),
            silence: state.silence.clone(),
            occurrence: self.occurrence,
            target: state.leg.target.clone(),
            legs: Vec::new(),
            subject: self.subject.clone(),
        })
    }
    /// When it ends, whatever extends it until then; `None` if that is not known.
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        self.lapses.or(self.until)
    }
}
