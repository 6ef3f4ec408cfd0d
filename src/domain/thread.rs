//! A thread of the journal: all entries on one subject, folded into who has it and what is still under way.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Ack, ActId, Actor, Delivery, Effect, Entry, Outcome, Target, Text, What};

/// Acknowledgements of one subject that are kept beside the newest.
const MOST_OTHERS: usize = 20;

/// All that the journal says of one subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thread {
    /// Version of its newest entry, 0 if there is none.
    pub version: u64,
    /// The acknowledgement in force, if any.
    pub ack: Option<Ack>,
    /// Earlier ones that still hold other members of the group: a later one was for what had come since.
    pub others: Vec<Ack>,
    /// When that acknowledgement was delivered: a list made before does not show it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// An acknowledgement that lapsed, and when: to be said aloud until somebody takes it again.
    pub lapsed: Option<(Actor, DateTime<Utc>)>,
    /// Acts without a good end yet: the effect, who asked, when, and the last word on it.
    pub open: BTreeMap<ActId, Open>,
    /// An acknowledgement that was given back while its silence was being extended, and where: the extension may have made another.
    pub stray: Option<(ActId, Target)>,
}

/// An act without a good end yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What was asked.
    pub effect: Effect,
    /// By whom.
    pub who: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// What people call the subject.
    pub title: Text,
    /// The last end written; `None` while none is.
    pub outcome: Option<Outcome>,
}

impl Thread {
    /// Every acknowledgement in it, the newest first.
    pub fn acks(&self) -> impl Iterator<Item = &Ack> {
        self.ack.iter().chain(self.others.iter().rev())
    }

    /// Fold one entry in. Entries come in journal order.
    pub fn apply(&mut self, entry: &Entry) {
        self.version = self.version.max(entry.version);
        match &entry.what {
            What::Asked { effect } => {
                if let Effect::Release { ack, .. } = effect {
                    self.stray = self.extending(ack).or(self.stray.take());
                }
                let open = Open { effect: effect.clone(), who: entry.who.clone(), at: entry.at, title: entry.title.clone(), outcome: None };
                self.open.insert(entry.act.clone(), open);
                if let Effect::Acknowledge { target, occurrence, note, until, lapses } = effect {
                    let ack = Ack::asked(entry, target.clone(), note.clone(), *occurrence, (*until, *lapses));
                    self.take(ack, entry.at);
                }
            }
            What::Ended { outcome, legs } => self.end(entry, outcome, legs),
            What::Run { .. } | What::Drilled { .. } => {}
        }
    }

    /// A new acknowledgement; one of a group leaves the one before to the members that it was for.
    fn take(&mut self, ack: Ack, at: DateTime<Utc>) {
        (self.lapsed, self.delivered_at) = (None, None);
        let before = self.ack.replace(ack);
        if self.ack.as_ref().is_some_and(|ack| ack.legs.is_empty()) {
            return;
        }
        self.others.extend(before.filter(|before| before.delivery != Delivery::Failed));
        self.others.retain(|other| other.lapses.is_none_or(|lapses| at < lapses));
        let surplus = self.others.len().saturating_sub(MOST_OTHERS);
        self.others.drain(..surplus);
    }

    /// The extension of this acknowledgement's silence, or of one of its legs, that is under way: of which, and where.
    fn extending(&self, held: &ActId) -> Option<(ActId, Target)> {
        self.open.values().find_map(|open| match &open.effect {
            Effect::Extend { ack, target, .. } if ack == held || ack.whole().0 == *held => Some((ack.clone(), target.clone())),
            _ => None,
        })
    }

    fn ack_of(&mut self, act: &ActId) -> Option<&mut Ack> {
        self.ack.iter_mut().chain(&mut self.others).find(|ack| ack.is_of(act))
    }

    fn end(&mut self, entry: &Entry, outcome: &Outcome, legs: &[Outcome]) {
        let act = &entry.act;
        let Some(open) = self.open.get_mut(act) else { return };
        open.outcome = Some(outcome.clone());
        let (effect, who, at) = (open.effect.clone(), open.who.clone(), open.at);
        if matches!(outcome, Outcome::Done { .. } | Outcome::Failed { retry: false, .. }) {
            self.open.remove(act);
        }
        let done = matches!(outcome, Outcome::Done { .. });
        match effect {
            Effect::Acknowledge { .. } => {
                if let Some(ack) = self.ack_of(act) {
                    settle(ack, outcome, legs);
                    if self.ack.as_ref().is_some_and(|ack| ack.is_of(act)) {
                        self.delivered_at = done.then_some(entry.at);
                    }
                }
            }
            Effect::TakeOver { target, occurrence, note, until, lapses, from, .. } if done => {
                self.lapsed = None;
                let asked = Entry { act: act.clone(), who, at, ..entry.clone() };
                let mut ack = Ack::asked(&asked, target, note, occurrence, (until, lapses));
                settle(&mut ack, outcome, legs);
                self.others.retain(|other| other.by.name != from.name);
                self.ack = Some(ack);
            }
            Effect::Extend { until, ack, .. } if done => self.extended(&ack, until, outcome),
            Effect::Release { ack, silence, target, .. } if done => {
                // Without an id it has looked for whatever there was.
                let looked = silence.is_none() && !matches!(target, Target::Group { .. });
                if looked && self.extending(&ack).is_none() {
                    self.stray.take_if(|(stray, _)| *stray == ack);
                }
                self.released(&ack);
            }
            _ => {}
        }
    }

    fn extended(&mut self, ack: &ActId, until: DateTime<Utc>, outcome: &Outcome) {
        let Some(held) = self.ack_of(ack) else { return };
        let moved = if let Outcome::Done { receipt } = outcome { receipt.clone() } else { None };
        let (end, silence) = match ack.whole().1 {
            None => (&mut held.until, &mut held.silence),
            Some(leg) => match held.legs.get_mut(leg) {
                Some(state) => (&mut state.until, &mut state.silence),
                None => return,
            },
        };
        *end = Some(until);
        if moved.is_some() {
            *silence = moved;
        }
    }

    /// An acknowledgement has ended, or one leg of it; without any leg left it has ended too.
    fn released(&mut self, ack: &ActId) {
        let Some(held) = self.ack_of(ack) else { return };
        if let Some(state) = ack.whole().1.and_then(|leg| held.legs.get_mut(leg)) {
            state.over = true;
            if !held.legs.iter().all(|state| state.over) {
                return;
            }
        }
        self.ack.take_if(|held| held.is_of(ack));
        self.others.retain(|other| !other.is_of(ack));
        if self.ack.is_none() {
            self.ack = self.others.pop();
        }
    }
}

fn settle(ack: &mut Ack, outcome: &Outcome, legs: &[Outcome]) {
    (ack.delivery, ack.why) = delivery(outcome);
    if let Outcome::Done { receipt } = outcome {
        ack.silence.clone_from(receipt);
    }
    for (state, outcome) in ack.legs.iter_mut().zip(legs) {
        (state.delivery, state.why) = delivery(outcome);
        if let Outcome::Done { receipt } = outcome {
            state.silence.clone_from(receipt);
        }
    }
    // What one place refused the others still have.
    if ack.delivery == Delivery::Failed && ack.legs.iter().any(|state| state.delivery == Delivery::Done) {
        ack.delivery = Delivery::Done;
    }
}

fn delivery(outcome: &Outcome) -> (Delivery, Option<Text>) {
    match outcome {
        Outcome::Done { .. } => (Delivery::Done, None),
        Outcome::Failed { why, retry: true } => (Delivery::Pending, Some(why.clone())),
        Outcome::Failed { why, retry: false } => (Delivery::Failed, Some(why.clone())),
        Outcome::Unknown { why } => (Delivery::Unknown, Some(why.clone())),
    }
}
