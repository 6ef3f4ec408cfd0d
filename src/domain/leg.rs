//! An act on a group is one act with several legs, each in one place: an incident of PagerDuty, a silence in one Alertmanager, the journal.
//!
//! It is asked for and ended once, as any other; how each leg ended stands beside its end. What a leg leaves behind carries the act's id
//! and the leg's number, by which it is found again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ActId, Delivery, Effect, IncidentId, LabelMatcher, Labels, Outcome, SourceName, Target, Text};

/// One member of a group, as it was when an act was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its id.
    pub id: IncidentId,
    /// When this occurrence of it began.
    pub at: DateTime<Utc>,
}

/// One place in which an act on a group is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Where.
    pub target: Target,
    /// For which of the group's members; none for a silence on what several alerts have in common.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Seen>,
    /// When a silence made there ends unless it is extended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The silence there that is to be ended, or to become somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// The acknowledgement, or the leg of one, that ends there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<ActId>,
}

impl Leg {
    /// A leg for these members.
    pub const fn new(target: Target, members: Vec<Seen>) -> Self {
        Self { target, members, until: None, silence: None, ends: None }
    }
    /// Whether it is for this alert of this Alertmanager: one of its members, or one that has the labels of its silence.
    pub fn is_for(&self, source: &SourceName, id: &IncidentId, labels: &Labels, began: DateTime<Utc>) -> bool {
        match &self.target {
            Target::Alertmanager { source: there, labels: asked } if self.members.is_empty() => {
                there == source && LabelMatcher::all_in(asked, labels)
            }
            _ => self.members.iter().any(|seen| seen.id == *id && seen.at == began),
        }
    }
}

/// How far one leg of an acknowledgement has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegState {
    /// Which.
    pub leg: Leg,
    /// How far it has come.
    pub delivery: Delivery,
    /// Why it is not delivered.
    pub why: Option<Text>,
    /// The silence that carries it.
    pub silence: Option<String>,
    /// When that ends unless extended.
    pub until: Option<DateTime<Utc>>,
    /// Whether it has ended: what it was for has cleared.
    pub over: bool,
}

impl LegState {
    /// One that was asked for.
    pub fn asked(leg: Leg) -> Self {
        let until = leg.until;
        Self { leg, delivery: Delivery::Pending, why: None, silence: None, until, over: false }
    }
}

impl ActId {
    /// The id under which one leg of this act is found again; legs are counted from 0.
    #[must_use]
    pub fn leg(&self, number: usize) -> Self {
        Self::new(&format!("{self}.{}", number + 1))
    }
    /// The act that a leg is of, and which; the act itself is no leg.
    pub fn whole(&self) -> (Self, Option<usize>) {
        let leg = self.as_str().rsplit_once('.').and_then(|(act, leg)| Some((act, leg.parse::<usize>().ok()?.checked_sub(1)?)));
        leg.map_or_else(|| (self.clone(), None), |(act, leg)| (Self::new(act), Some(leg)))
    }
}

impl Effect {
    /// What is to be done of it on one leg.
    #[must_use]
    pub fn on(&self, leg: &Leg) -> Self {
        let mut effect = self.clone();
        match &mut effect {
            Self::Acknowledge { target, occurrence, until, .. } => {
                target.clone_from(&leg.target);
                *occurrence = leg.members.first().map_or(*occurrence, |seen| seen.at);
                *until = leg.until.unwrap_or(*until);
            }
            Self::TakeOver { target, occurrence, until, silence, .. } => {
                target.clone_from(&leg.target);
                *occurrence = leg.members.first().map_or(*occurrence, |seen| seen.at);
                *until = leg.until.unwrap_or(*until);
                silence.clone_from(&leg.silence);
            }
            Self::Release { target, silence, ack, .. } => {
                target.clone_from(&leg.target);
                silence.clone_from(&leg.silence);
                if let Some(ends) = &leg.ends {
                    ack.clone_from(ends);
                }
            }
            Self::Extend { target, .. }
            | Self::Resolve { target, .. }
            | Self::Note { target, .. }
            | Self::Snooze { target, .. }
            | Self::Escalate { target, .. }
            | Self::Silence { target, .. }
            | Self::Expire { target, .. } => target.clone_from(&leg.target),
            Self::Override { .. } | Self::HandoffNote { .. } | Self::HandoffRead { .. } => {}
        }
        effect
    }
}

/// How an act ended of which each leg ended so: done if all did; else what is not known before what is tried again, and that before
/// what was refused.
pub fn together(legs: &[Outcome]) -> Outcome {
    let weight = |o: &Outcome| match o {
        Outcome::Done { .. } => 0,
        Outcome::Failed { retry: false, .. } => 1,
        Outcome::Failed { retry: true, .. } => 2,
        Outcome::Unknown { .. } => 3,
    };
    let worst = legs.iter().max_by_key(|o| weight(o)).filter(|o| weight(o) > 0);
    if let Some(worst) = worst {
        return worst.clone();
    }
    let receipt = legs.iter().find_map(|o| if let Outcome::Done { receipt } = o { receipt.clone() } else { None });
    Outcome::Done { receipt }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_has_the_acts_id_and_its_number() {
        let act = ActId::new("18f3a");
        assert_eq!(act.leg(0).as_str(), "18f3a.1");
        assert_eq!(act.leg(11).whole(), (act.clone(), Some(11)));
        assert_eq!(act.whole(), (act, None));
        for odd in ["18f3a.", "18f3a.0", "18f3a.x"] {
            assert_eq!(ActId::new(odd).whole(), (ActId::new(odd), None), "{odd}");
        }
    }

    #[test]
    fn together_they_are_as_well_as_the_worst() {
        let done = |id: &str| Outcome::Done { receipt: Some(id.to_owned()) };
        let failed = |retry| Outcome::Failed { why: "no".into(), retry };
        let unknown = Outcome::Unknown { why: "cut".into() };
        assert_eq!(together(&[Outcome::Done { receipt: None }, done("s2")]), done("s2"));
        assert_eq!(together(&[done("s1"), failed(false)]), failed(false));
        assert_eq!(together(&[failed(false), failed(true), done("s1")]), failed(true));
        assert_eq!(together(&[failed(true), unknown.clone()]), unknown);
    }
}
