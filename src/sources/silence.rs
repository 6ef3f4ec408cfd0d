//! Acting on an Alertmanager: an acknowledgement is a short silence on exactly one alert's labels; a silence is one that was asked for.
//!
//! Its comment begins with `ACK!`, the convention that karma and kthxbye know, and ends with `[bw:<act>]`, by which a silence is found
//! again when the answer to its making was lost. A silence is only ever moved or ended where it was made. Whatever was sent without an
//! answer is unknown until it was looked for.

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    address::Address,
    alertmanager::{Alertmanager, Holds, WireMatcher, WireSilence, decode, merge_silences},
    failure::{Failure, Reached},
    http::{Call, Good},
    source::{Order, Responder},
};
use crate::domain::{ActId, Effect, LabelMatcher, Labels, Outcome, SourceName, Target, Text, ack_comment, mark, silence_comment};

/// How far the ends of two silences may lie apart and still count as the same: servers round.
const ROUNDING: TimeDelta = TimeDelta::seconds(1);

/// How an act ended when it did not end well, or the receipt of one that did.
type End = Result<Option<String>, Outcome>;

#[async_trait]
impl Responder for Alertmanager {
    async fn perform(&self, order: &Order) -> Outcome {
        if let Target::Silences { source } = order.effect.target() {
            return outcome(if *source == self.name { self.on_silences(order).await } else { Err(self.elsewhere(source)) });
        }
        outcome(match (&order.effect, self.labels(order.effect.target())) {
            (_, Err(refusal)) => Err(refusal),
            (Effect::Acknowledge { note, until, .. }, Ok(labels)) => {
                let comment = ack_comment(&order.who.name, note.as_ref(), &order.act);
                self.post(NewSilence::of(labels, *until, &comment, order), order).await
            }
            (Effect::TakeOver { .. }, Ok(labels)) => self.take_over(labels, order).await,
            (Effect::Extend { silence, starts, until, comment, by, .. }, Ok(labels)) => match self.still_there(silence, order).await {
                Ok(there) => {
                    let new = NewSilence::of(labels, *until, comment, order);
                    self.post(NewSilence { created_by: by.as_str(), ..new.instead_of(silence, &there, *starts) }, order).await
                }
                Err(end) => Err(end),
            },
            (Effect::Release { silence: Some(id), .. }, Ok(_)) => self.delete(id, order).await.map(|()| None),
            (Effect::Release { silence: None, ack, .. }, Ok(_)) => self.delete_all_of(ack, order).await,
            (effect, Ok(_)) => Err(self.not_offered(effect)),
        })
    }

    async fn read_back(&self, order: &Order) -> Outcome {
        let (ours, target) = (matches!(order.effect.target(), Target::Silences { source } if *source == self.name), order.effect.target());
        if let Err(refusal) = if ours { Ok(()) } else { self.labels(target).map(|_| ()) } {
            return refusal;
        }
        let silences = match self.silences(order).await {
            Ok(silences) => silences,
            Err(failure) => return Outcome::Unknown { why: failure.why().clone() },
        };
        let over = |s: &WireSilence| s.holds(order.now) == Holds::Over;
        let absent = |retry, what: &str| Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry };
        match &order.effect {
            Effect::Acknowledge { .. } | Effect::TakeOver { .. } | Effect::Silence { .. } => {
                let ours: Vec<_> = silences.iter().filter(|s| marked(s, &order.act)).collect();
                match ours.iter().find(|s| !over(s)).or(ours.first()) {
                    Some(found) => Outcome::Done { receipt: Some(found.id.clone()) },
                    None => absent(true, "the silence was not made; it is sent again"),
                }
            }
            Effect::Extend { silence, until, ack, .. } => {
                match silences.iter().find(|s| !over(s) && (s.id == *silence || marked(s, ack))) {
                    Some(found) if found.ends_at.is_some_and(|end| end + ROUNDING >= *until) => {
                        Outcome::Done { receipt: Some(found.id.clone()) }
                    }
                    Some(_) => absent(true, "the end of the silence was not moved; it is sent again"),
                    None => absent(false, GONE),
                }
            }
            Effect::Resolve { .. }
            | Effect::Note { .. }
            | Effect::Snooze { .. }
            | Effect::Escalate { .. }
            | Effect::Override { .. }
            | Effect::HandoffNote { .. }
            | Effect::HandoffRead { .. } => self.not_offered(&order.effect),
            Effect::Release { silence, ack, .. } => {
                if silences.iter().any(|s| !over(s) && (silence.as_ref() == Some(&s.id) || marked(s, ack))) {
                    absent(true, "the silence is still there; its end is sent again")
                } else {
                    Outcome::Done { receipt: None }
                }
            }
            Effect::Expire { silence, .. } => {
                if silences.iter().any(|s| !over(s) && s.id == *silence) {
                    absent(true, "the silence is still there; its end is sent again")
                } else {
                    Outcome::Done { receipt: None }
                }
            }
        }
    }
}

const GONE: &str = "the silence was ended there by somebody else; acknowledge again to hold the alert";

impl Alertmanager {
    /// The labels to act on; an act that belongs elsewhere, or that would hold back everything, is refused.
    fn labels<'a>(&self, target: &'a Target) -> Result<&'a Labels, Outcome> {
        let refuse = |what: &str| Err(self.refuse(what));
        match target {
            Target::Alertmanager { source, labels } if *source == self.name => {
                if LabelMatcher::exactly(labels).is_empty() {
                    return refuse("the alert has no labels, so a silence on it would hold back everything");
                }
                Ok(labels)
            }
            Target::Alertmanager { source, .. } | Target::PagerDuty { source, .. } | Target::Silences { source } => {
                Err(self.elsewhere(source))
            }
            Target::Journal => refuse("this acknowledgement is kept in the journal; nothing was sent here"),
            Target::Group { .. } => refuse("an act on a group is sent leg by leg; nothing was sent here"),
        }
    }

    fn elsewhere(&self, source: &SourceName) -> Outcome {
        self.refuse(&format!("this act belongs to {source}; nothing was sent here"))
    }

    fn refuse(&self, what: &str) -> Outcome {
        Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry: false }
    }

    /// Make a silence that a person asked for, or end one.
    async fn on_silences(&self, order: &Order) -> End {
        match &order.effect {
            Effect::Silence { until, .. } if *until <= order.now => Err(self.refuse("it would be over by now; ask for a new one")),
            Effect::Silence { matchers, until, comment, .. } => {
                let comment = silence_comment(comment, &order.act);
                let matchers = matchers.iter().map(WireMatcher::from).collect();
                let silence = NewSilence { matchers, ..NewSilence::of(&Labels::default(), *until, &comment, order) };
                self.post(silence, order).await
            }
            Effect::Expire { silence, .. } => self.delete(silence, order).await.map(|()| None),
            effect => Err(self.not_offered(effect)),
        }
    }

    /// Make the silence of another's acknowledgement ours. One that holds back more than this alert stays as it is, beside ours.
    async fn take_over(&self, labels: &Labels, order: &Order) -> End {
        let Effect::TakeOver { note, until, from, silence, .. } = &order.effect else { return Err(self.not_offered(&order.effect)) };
        let comment = ack_comment(&order.who.name, note.as_ref(), &order.act);
        let new = NewSilence::of(labels, *until, &comment, order);
        let Some(id) = silence else { return self.post(new, order).await };
        let there = self.still_there(id, order).await?;
        if there.created_by != from.name.as_str() && Text::clean(&there.created_by) != from.name {
            let who = Text::clean(&there.created_by);
            return Err(self.refuse(&format!("{who} took it first; look again before you take it over")));
        }
        let (mut theirs, mut ours) = (there.matchers.iter().map(LabelMatcher::from).collect::<Vec<_>>(), LabelMatcher::exactly(labels));
        theirs.sort_unstable();
        ours.sort_unstable();
        let new = if theirs == ours { new.instead_of(id, &there, order.now) } else { new };
        self.post(new, order).await
    }

    fn not_offered(&self, effect: &Effect) -> Outcome {
        self.refuse(&format!("an Alertmanager has no `{}`; nothing was sent", effect.verb()))
    }

    async fn post(&self, silence: NewSilence<'_>, order: &Order) -> End {
        let unknown = |what: String| Outcome::Unknown { why: Text::clean(&format!("{}: {what}", self.name)) };
        let json = serde_json::to_string(&silence).map_err(|e| unknown(format!("the silence cannot be written as JSON ({e})")))?;
        let good = self.reach(&["silences"], Call::Json(&json), order).await.map_err(|f| undone(&f))?;
        let made: Option<Made> = decode(&self.name, &good.body).map_err(|f| Outcome::Unknown { why: f.why().clone() })?;
        match made.map(|m| m.id).filter(|id| !id.is_empty()) {
            Some(id) => Ok(Some(id)),
            None => Err(unknown("took the silence and gave no id for it; it is looked for".to_owned())),
        }
    }

    /// End one silence; one that is gone already is as good.
    async fn delete(&self, id: &str, order: &Order) -> Result<(), Outcome> {
        match self.reach(&["silence", id], Call::Delete, order).await {
            Ok(_) => Ok(()),
            Err(failure) if is_gone(&failure) => Ok(()),
            Err(failure) => Err(undone(&failure)),
        }
    }

    /// End whatever silences an acknowledgement has left; its id is not known when its answer was lost.
    async fn delete_all_of(&self, ack: &ActId, order: &Order) -> End {
        let silences = self.silences(order).await.map_err(|f| not_begun(&f))?;
        for silence in silences.iter().filter(|s| s.holds(order.now) != Holds::Over && marked(s, ack)) {
            self.delete(&silence.id, order).await?;
        }
        Ok(None)
    }

    /// Posting with the id of an expired silence, with another second of its beginning or with other matchers would make a new one: look
    /// first, and tell what it is there.
    async fn still_there(&self, id: &str, order: &Order) -> Result<WireSilence, Outcome> {
        let gone = || self.refuse(GONE);
        let good = match self.reach(&["silence", id], Call::Get(&[]), order).await {
            Ok(good) => good,
            Err(failure) if is_gone(&failure) => return Err(gone()),
            Err(failure) => return Err(not_begun(&failure)),
        };
        let silence: Option<WireSilence> = decode(&self.name, &good.body).map_err(|f| not_begun(&f))?;
        silence.filter(|s| s.holds(order.now) != Holds::Over).ok_or_else(gone)
    }

    /// Every silence that any member of the cluster knows; an error if one of them does not tell: it may be the one that has what is looked
    /// for.
    async fn silences(&self, order: &Order) -> Result<Vec<WireSilence>, Failure> {
        let mut all = Vec::new();
        for member in &self.members {
            let good = self.call(member, &["silences"], Call::Get(&[]), order).await?;
            merge_silences(&mut all, decode(&self.name, &good.body)?.unwrap_or_default());
        }
        Ok(all)
    }

    /// One call to the first member of the cluster that can be spoken to: the members tell each other, so one is enough. Another one is
    /// tried only where nothing has been sent.
    async fn reach(&self, path: &[&str], call: Call<'_>, order: &Order) -> Result<Good, Failure> {
        let mut failed = None;
        for member in &self.members {
            match self.call(member, path, call, order).await {
                Err(failure) if failure.reached == Reached::Unsent => _ = failed.get_or_insert(failure),
                other => return other,
            }
        }
        let none = || Failure::unsent(&self.name, crate::domain::FaultClass::Unreachable, "it has no address; check `url`");
        Err(failed.unwrap_or_else(none))
    }

    async fn call(&self, member: &Address, path: &[&str], call: Call<'_>, order: &Order) -> Result<Good, Failure> {
        let now = order.now;
        self.http.call(&member.join(path), call, self.deadlines.short, &move || now).await
    }
}

fn outcome(end: End) -> Outcome {
    end.map_or_else(|bad| bad, |receipt| Outcome::Done { receipt })
}

/// What is known of a write that failed.
pub(super) fn undone(failure: &Failure) -> Outcome {
    let why = failure.why().clone();
    match failure.reached {
        Reached::Unsent | Reached::Answered(408 | 425 | 429 | 503) => Outcome::Failed { why, retry: true },
        Reached::Answered(300..=499) => Outcome::Failed { why, retry: false },
        Reached::Perhaps | Reached::Answered(_) => Outcome::Unknown { why },
    }
}

/// What is known of a write before which a look failed: nothing was done.
pub(super) fn not_begun(failure: &Failure) -> Outcome {
    let refused = matches!(failure.reached, Reached::Answered(300..=407 | 409..=424 | 426..=428 | 430..=499));
    Outcome::Failed { why: failure.why().clone(), retry: !refused }
}

/// Whether the server has no such silence (0.25 says that as a 500).
fn is_gone(failure: &Failure) -> bool {
    match failure.reached {
        Reached::Answered(404 | 410) => true,
        Reached::Answered(500) => failure.excerpt.to_ascii_lowercase().contains("not found"),
        _ => false,
    }
}

fn marked(silence: &WireSilence, act: &ActId) -> bool {
    silence.comment.contains(&mark(act))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSilence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    matchers: Vec<WireMatcher>,
    #[serde(serialize_with = "stamp")]
    starts_at: DateTime<Utc>,
    #[serde(serialize_with = "stamp")]
    ends_at: DateTime<Utc>,
    created_by: &'a str,
    comment: &'a str,
}

impl<'a> NewSilence<'a> {
    /// One on exactly these labels from now on, in the name of who acts.
    fn of(labels: &Labels, until: DateTime<Utc>, comment: &'a str, order: &'a Order) -> Self {
        let matchers = LabelMatcher::exactly(labels).iter().map(WireMatcher::from).collect();
        Self { id: None, matchers, starts_at: order.now, ends_at: until, created_by: order.who.name.as_str(), comment }
    }
    /// The same in the place of one that is there: with its matchers and its beginning, which must stay for its id to stay.
    fn instead_of(mut self, id: &'a str, there: &WireSilence, starts: DateTime<Utc>) -> Self {
        if !there.matchers.is_empty() {
            self.matchers.clone_from(&there.matchers);
        }
        Self { id: Some(id), starts_at: there.starts_at.unwrap_or(starts), ..self }
    }
}

fn stamp<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "silenceID", default)]
    id: String,
}
