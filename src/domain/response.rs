//! First response and resolution: how long until somebody takes an incident, and how long until it is over.
//!
//! Read off the journal: an occurrence begins when its alert did, is taken by the first acknowledgement that was carried out, and is over
//! when a resolve was, or when burnwatch wrote down that the alert had cleared (a little over a minute after it did). What nobody took is
//! not in the journal and not in the means.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{ActId, Effect, Entry, IncidentId, Labels, Outcome, Release, Target, Text, Untrusted, What};

/// The labels that tell whose service an alert is about, the best first.
pub const SERVICE_LABELS: [&str; 3] = ["service", "app", "job"];

/// Whose service these labels are about, if they tell.
pub fn service_of_labels(labels: &Labels) -> Option<Text> {
    SERVICE_LABELS.iter().find_map(|l| labels.get(l)).map(Untrusted::text)
}

/// A mean span, and over how many occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mean {
    /// Their mean.
    pub span: TimeDelta,
    /// How many.
    pub of: usize,
}

/// How a service has been responded to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Mean time to acknowledge (MTTA); `None` if nothing was.
    pub acknowledge: Option<Mean>,
    /// Mean time to resolve (MTTR); `None` if nothing that was taken is over.
    pub resolve: Option<Mean>,
}

/// How long responses last over which the means go.
pub const LOOKS_BACK: TimeDelta = TimeDelta::days(30);

/// An occurrence: which incident, and when it began.
type Occurrence = (IncidentId, DateTime<Utc>);

/// What an act of the journal was about.
enum Known {
    Taking(Occurrence, DateTime<Utc>),
    Ending(IncidentId, DateTime<Utc>),
}

/// How `service` was responded to in those of its occurrences that began at `since` or later; `entries` in journal order.
pub fn response(entries: &[Entry], service: &Text, since: DateTime<Utc>) -> Response {
    let mut acts: BTreeMap<&ActId, Known> = BTreeMap::new();
    let mut taken: BTreeMap<Occurrence, (DateTime<Utc>, Option<DateTime<Utc>>)> = BTreeMap::new();
    for entry in entries {
        match &entry.what {
            What::Asked { effect: Effect::Acknowledge { occurrence, .. } } if of_service(entry, service) => {
                acts.insert(&entry.act, Known::Taking((entry.subject.clone(), *occurrence), entry.at));
            }
            What::Asked { effect: Effect::Resolve { .. } } => {
                acts.insert(&entry.act, Known::Ending(entry.subject.clone(), entry.at));
            }
            What::Asked { effect: Effect::Release { ack, why: Release::Cleared, .. } } => {
                // Of a group each leg ends by itself, and it is over with the last.
                if let Some(Known::Taking(occurrence, _)) = acts.get(&ack.whole().0)
                    && let Some((_, over)) = taken.get_mut(occurrence)
                {
                    *over = Some(entry.at).filter(|_| ack.whole().1.is_some()).or(*over).or(Some(entry.at));
                }
            }
            What::Ended { outcome: Outcome::Done { .. }, .. } => match acts.get(&entry.act) {
                Some(Known::Taking(occurrence, at)) => _ = taken.entry(occurrence.clone()).or_insert((*at, None)),
                Some(Known::Ending(subject, at)) => {
                    if let Some((_, (_, over))) = taken.iter_mut().rfind(|((of, _), _)| of == subject) {
                        over.get_or_insert(*at);
                    }
                }
                None => {}
            },
            What::Asked { .. } | What::Ended { .. } | What::Run { .. } | What::Drilled { .. } => {}
        }
    }
    let lately = || taken.iter().filter(|((_, began), _)| *began >= since);
    Response {
        acknowledge: mean(lately().map(|((_, began), (at, _))| *at - *began)),
        resolve: mean(lately().filter_map(|((_, began), (_, over))| Some((*over)? - *began))),
    }
}

/// Whether an entry is about this service; one that does not say is about the service of the labels it acted on.
fn of_service(entry: &Entry, service: &Text) -> bool {
    let labelled = || match &entry.what {
        What::Asked { effect } => match effect.target() {
            Target::Alertmanager { labels, .. } => service_of_labels(labels),
            Target::PagerDuty { .. } | Target::Silences { .. } | Target::Journal | Target::Group { .. } => None,
        },
        What::Ended { .. } | What::Run { .. } | What::Drilled { .. } => None,
    };
    entry.service.clone().or_else(labelled).as_ref() == Some(service)
}

/// The mean of spans; one that a wrong clock made negative counts as none.
fn mean(spans: impl Iterator<Item = TimeDelta>) -> Option<Mean> {
    let spans: Vec<i64> = spans.map(|span| span.num_seconds().max(0)).collect();
    let sum = spans.iter().fold(0_i64, |sum, secs| sum.saturating_add(*secs));
    let of = i64::try_from(spans.len()).ok().filter(|of| *of > 0)?;
    Some(Mean { span: TimeDelta::seconds(sum / of), of: spans.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Actor;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn entry(act: &str, subject: &str, minutes: i64, what: What) -> Entry {
        Entry {
            id: 0,
            at: at(minutes),
            act: act.into(),
            subject: subject.into(),
            title: "burns".into(),
            service: Some("checkout".into()),
            version: 0,
            who: Actor { name: "maya".into(), verified: true },
            what,
        }
    }

    fn take(act: &str, subject: &str, began: i64, minutes: i64) -> Entry {
        let (occurrence, far) = (at(began), at(999));
        let effect = Effect::Acknowledge { target: Target::Journal, occurrence, note: None, until: far, lapses: far };
        entry(act, subject, minutes, What::Asked { effect })
    }

    fn done(act: &str, subject: &str, minutes: i64) -> Entry {
        entry(act, subject, minutes, What::Ended { outcome: Outcome::Done { receipt: None }, legs: Vec::new() })
    }

    fn cleared(ack: &str, subject: &str, minutes: i64) -> Entry {
        let effect = Effect::Release { target: Target::Journal, silence: None, ack: ack.into(), why: Release::Cleared };
        entry("clear", subject, minutes, What::Asked { effect })
    }

    #[test]
    fn the_first_that_was_carried_out_counts_and_only_what_is_over_is_resolved() {
        let resolve = What::Asked { effect: Effect::Resolve { target: Target::Journal, note: None } };
        let failed = What::Ended { outcome: Outcome::Failed { why: "no".into(), retry: false }, legs: Vec::new() };
        let entries = [
            take("a", "one", 0, 4),
            done("a", "one", 4),
            // Taken again after it lapsed: the first response was the first.
            take("b", "one", 0, 60),
            done("b", "one", 60),
            cleared("b", "one", 90),
            // Another occurrence of the same incident, resolved by a person.
            take("c", "one", 100, 102),
            done("c", "one", 102),
            entry("r", "one", 130, resolve),
            done("r", "one", 130),
            // Not carried out, and still open.
            take("d", "two", 200, 201),
            entry("d", "two", 201, failed),
            take("e", "two", 200, 206),
            done("e", "two", 206),
        ];
        let minutes = |m| TimeDelta::minutes(m);
        let found = response(&entries, &"checkout".into(), at(0));
        assert_eq!(found.acknowledge, Some(Mean { span: minutes(4), of: 3 }));
        assert_eq!(found.resolve, Some(Mean { span: minutes(60), of: 2 }));
        assert_eq!(response(&entries, &"checkout".into(), at(150)).resolve, None);
        assert_eq!(response(&entries, &"search".into(), at(0)), Response::default());
    }
}
