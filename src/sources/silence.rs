//! Acting on an Alertmanager: an acknowledgement is a short silence on exactly one alert's labels.
//!
//! Its comment begins with `ACK!`, the convention that karma and kthxbye know, and ends with `[bw:<act>]`, by which a silence is found
//! again when the answer to its making was lost. A silence is only ever moved or ended where it was made. Whatever was sent without an
//! answer is unknown until it was looked for.

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    alertmanager::{Alertmanager, Holds, WireSilence, decode},
    failure::{Failure, Reached},
    http::{Call, Good},
    source::{Order, Responder},
};
use crate::domain::{ActId, Effect, Labels, Outcome, Target, Text, ack_comment, mark};

/// How far the ends of two silences may lie apart and still count as the same: servers round.
const ROUNDING: TimeDelta = TimeDelta::seconds(1);

/// How an act ended when it did not end well, or the receipt of one that did.
type End = Result<Option<String>, Outcome>;

#[async_trait]
impl Responder for Alertmanager {
    async fn perform(&self, order: &Order) -> Outcome {
        outcome(match (&order.effect, self.labels(order.effect.target())) {
            (_, Err(refusal)) => Err(refusal),
            (Effect::Acknowledge { note, until, .. }, Ok(labels)) => {
                let comment = ack_comment(&order.who.name, note.as_ref(), &order.act);
                let silence = wire(None, labels, order.now, *until, order.who.name.as_str(), &comment);
                self.post(silence, order).await
            }
            (Effect::Extend { silence, starts, until, comment, by, .. }, Ok(labels)) => match self.still_there(silence, order).await {
                Ok(began) => {
                    let starts = began.unwrap_or(*starts);
                    self.post(wire(Some(silence), labels, starts, *until, by.as_str(), comment), order).await
                }
                Err(end) => Err(end),
            },
            (Effect::Release { silence: Some(id), .. }, Ok(_)) => self.delete(id, order).await.map(|()| None),
            (Effect::Release { silence: None, ack, .. }, Ok(_)) => self.delete_all_of(ack, order).await,
            (effect, Ok(_)) => Err(self.not_offered(effect)),
        })
    }

    async fn read_back(&self, order: &Order) -> Outcome {
        if let Err(refusal) = self.labels(order.effect.target()) {
            return refusal;
        }
        let silences = match self.silences(order).await {
            Ok(silences) => silences,
            Err(failure) => return Outcome::Unknown { why: failure.why().clone() },
        };
        let over = |s: &WireSilence| s.holds(order.now) == Holds::Over;
        let absent = |retry, what: &str| Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry };
        match &order.effect {
            Effect::Acknowledge { .. } => {
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
        }
    }
}

const GONE: &str = "the silence was ended there by somebody else; acknowledge again to hold the alert";

impl Alertmanager {
    /// The labels to act on; an act that belongs elsewhere, or that would hold back everything, is refused.
    fn labels<'a>(&self, target: &'a Target) -> Result<&'a Labels, Outcome> {
        let refuse = |what: String| Err(Outcome::Failed { why: Text::clean(&format!("{}: {what}", self.name)), retry: false });
        match target {
            Target::Alertmanager { source, labels } if *source == self.name => {
                if matchers(labels).next().is_none() {
                    return refuse("the alert has no labels, so a silence on it would hold back everything".to_owned());
                }
                Ok(labels)
            }
            Target::Alertmanager { source, .. } | Target::PagerDuty { source, .. } => {
                refuse(format!("this acknowledgement is kept in {source}; nothing was sent here"))
            }
            Target::Journal => refuse("this acknowledgement is kept in the journal; nothing was sent here".to_owned()),
        }
    }

    fn not_offered(&self, effect: &Effect) -> Outcome {
        let why = format!("{}: an Alertmanager has no `{}`; nothing was sent", self.name, effect.verb());
        Outcome::Failed { why: Text::clean(&why), retry: false }
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

    /// Posting with the id of an expired silence, or with another second of its beginning, would make a new one: look first, and tell
    /// when it began there.
    async fn still_there(&self, id: &str, order: &Order) -> Result<Option<DateTime<Utc>>, Outcome> {
        let gone = || Outcome::Failed { why: Text::clean(&format!("{}: {GONE}", self.name)), retry: false };
        let good = match self.reach(&["silence", id], Call::Get(&[]), order).await {
            Ok(good) => good,
            Err(failure) if is_gone(&failure) => return Err(gone()),
            Err(failure) => return Err(not_begun(&failure)),
        };
        let silence: Option<WireSilence> = decode(&self.name, &good.body).map_err(|f| not_begun(&f))?;
        let held = silence.filter(|s| s.holds(order.now) != Holds::Over);
        held.map(|s| s.starts_at).ok_or_else(gone)
    }

    async fn silences(&self, order: &Order) -> Result<Vec<WireSilence>, Failure> {
        let good = self.reach(&["silences"], Call::Get(&[]), order).await?;
        Ok(decode(&self.name, &good.body)?.unwrap_or_default())
    }

    async fn reach(&self, path: &[&str], call: Call<'_>, order: &Order) -> Result<Good, Failure> {
        let now = order.now;
        self.http.call(&self.base.join(path), call, self.deadlines.short, &move || now).await
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

/// Equality on every label. One with an empty value is the same as none, and a matcher for it would be refused.
fn matchers(labels: &Labels) -> impl Iterator<Item = EqualTo<'_>> {
    let pairs = labels.0.iter().filter(|(_, value)| !value.raw().is_empty());
    pairs.map(|(name, value)| EqualTo { name: name.raw(), value: value.raw(), is_regex: false, is_equal: true })
}

fn wire<'a>(
    id: Option<&'a str>,
    labels: &'a Labels,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    by: &'a str,
    comment: &'a str,
) -> NewSilence<'a> {
    let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    NewSilence { id, matchers: matchers(labels).collect(), starts_at: stamp(from), ends_at: stamp(to), created_by: by, comment }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSilence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    matchers: Vec<EqualTo<'a>>,
    starts_at: String,
    ends_at: String,
    created_by: &'a str,
    comment: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EqualTo<'a> {
    name: &'a str,
    value: &'a str,
    is_regex: bool,
    is_equal: bool,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "silenceID", default)]
    id: String,
}
