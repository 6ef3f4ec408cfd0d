//! Events that a source counted itself: the checks of a probe, looks at queues.
//!
//! They come one by one, each at a known time, so nothing has to grow between two polls: every poll says all about itself.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use crate::domain::{
    Answer, Definition, DefinitionId, EventCounts, Group, Plan, ProbeEvents, Probed, QueueEvents, QueueRow, QueueSample, Reading, Sli,
    Text, Untrusted,
};

/// Events of one poll, of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Which definition counts them.
    pub definition: DefinitionId,
    /// In which group.
    pub group: Group,
    /// When: the same for all of one poll.
    pub at: DateTime<Utc>,
    /// How many; none at all says that the group was looked at.
    pub counts: EventCounts,
}

/// Whether an answer holds events that the ledger counts: counters as they stand, or events one by one.
pub fn holds_events(answer: &Answer) -> bool {
    matches!(answer, Answer::Scraped(_) | Answer::Probed(_) | Answer::Queues(_))
}

/// The events that a reading brings one by one, as each definition of its source sees them.
/// How queues stood before is read off `known`.
pub fn tallies(plan: &Plan, raw: &Reading, known: &[Arc<QueueRow>]) -> Vec<Tally> {
    let mut sums: BTreeMap<(DefinitionId, Group), (DateTime<Utc>, EventCounts)> = BTreeMap::new();
    let ours: Vec<&Arc<Definition>> = plan.definitions.iter().filter(|d| d.source == raw.source).collect();
    for part in &raw.parts {
        for definition in &ours {
            let found: Vec<(Group, EventCounts)> = match (&part.outcome, &definition.sli) {
                (Ok(Answer::Probed(checks)), Sli::Probe(which)) => {
                    checks.iter().map(|c| (group(definition, c), events(*which, c))).collect()
                }
                (Ok(Answer::Queues(queues)), Sli::Queue(which)) => looks(plan, definition, *which, queues, part.as_of, known),
                _ => continue,
            };
            for (group, counts) in found {
                let sum = sums.entry((definition.id.clone(), group)).or_insert((part.as_of, EventCounts::default()));
                sum.1 = sum.1 + counts;
            }
        }
    }
    sums.into_iter().map(|((definition, group), (at, counts))| Tally { definition, group, at, counts }).collect()
}

fn group(definition: &Definition, check: &Probed) -> Group {
    let value = |label: &String| check.labels.get(label).cloned().unwrap_or_else(|| Untrusted::new(""));
    Group(definition.by.iter().map(value).collect())
}

/// A look at each queue of which `definition` speaks: bad if its oldest job has waited too long, or, where nobody tells its age, if one
/// that comes now would wait too long. Where neither can be told it is no event.
fn looks(
    plan: &Plan,
    definition: &Definition,
    which: QueueEvents,
    queues: &[QueueSample],
    asked: DateTime<Utc>,
    known: &[Arc<QueueRow>],
) -> Vec<(Group, EventCounts)> {
    let before: HashMap<&Text, &Arc<QueueRow>> =
        known.iter().filter(|row| row.source == definition.source).map(|row| (row.name(), row)).collect();
    let ours = |sample: &&QueueSample| {
        let rule = plan.queues.iter().find(|rule| rule.is_for(&definition.source, sample));
        rule.is_some_and(|rule| rule.promise.as_ref() == Some(&definition.id))
    };
    let look = |sample: &QueueSample| {
        let before = before.get(&sample.name).map(|row| &***row);
        let row = QueueRow::seen(before, &definition.source, sample, asked, &plan.queues)?;
        let group = Group(vec![Untrusted::new(sample.name.as_str())]);
        let one = |bad: bool| EventCounts { bad: f64::from(u8::from(bad)), total: 1.0 };
        let moves = row.verdict.rate_out.is_some_and(|rate| rate > 0.0);
        let counts = match (row.now.waits(), row.age(row.as_of)) {
            (Some(false), _) => one(false),
            (Some(true), Some(age)) if !age.at_least || age.span > which.max_age => one(age.span > which.max_age),
            (Some(true), None) if moves => one(row.verdict.late),
            _ => EventCounts::default(),
        };
        Some((group, counts))
    };
    queues.iter().filter(|q| !q.dead_letters).filter(ours).filter_map(look).collect()
}

fn events(which: ProbeEvents, check: &Probed) -> EventCounts {
    let one = |bad: bool| EventCounts { bad: f64::from(u8::from(bad)), total: 1.0 };
    match (which.under, &check.outcome) {
        (None, outcome) => one(outcome.is_err()),
        (Some(under), Ok(took_us)) => one(u128::from(*took_us) > under.as_micros()),
        (Some(_), Err(_)) => EventCounts::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        domain::{Fault, FaultClass, Lane, Part, Phases, Want, Window},
        engine::fixture::{self, at},
    };

    fn check(service: &str, outcome: Result<u64, ()>) -> Probed {
        let failed = |()| Fault { class: FaultClass::Timeout, message: "no answer".into(), retry_after_secs: None };
        let labels = [("service", service)].into_iter().collect();
        Probed { target: service.into(), labels, at: at(0), outcome: outcome.map_err(failed), phases: Phases::default(), certificate: None }
    }

    /// A promise of speed is about answers: one that did not come is the business of the other promise.
    #[test]
    fn a_failed_check_is_a_bad_event_once() {
        let definition = |name: &str, under| {
            let usual = fixture::availability("outside", Window::days(30));
            Definition { id: name.into(), name: name.into(), sli: Sli::Probe(ProbeEvents { under }), ..usual }
        };
        let definitions = vec![definition("availability", None), definition("latency", Some(Duration::from_millis(300)))];
        let plan = fixture::plan(vec![fixture::source("outside", "probe", 5)], definitions);
        let checks = vec![check("shop", Ok(300_000)), check("shop", Ok(300_001)), check("shop", Err(())), check("cart", Err(()))];
        let part = Part { want: Want::Probe, as_of: at(7), outcome: Ok(Answer::Probed(checks)), partial: None };
        let raw = Reading { source: "outside".into(), lane: Lane::Short, at: at(6), took_us: 1, skew_secs: None, parts: vec![part] };
        let seen: Vec<_> = tallies(&plan, &raw, &[]).into_iter().map(|t| (t.definition, t.group.0[0].clone(), t.at, t.counts)).collect();
        let expected = [
            ("availability", "cart", 1.0, 1.0),
            ("availability", "shop", 1.0, 3.0),
            ("latency", "cart", 0.0, 0.0),
            ("latency", "shop", 1.0, 2.0),
        ];
        let expected = expected.map(|(d, s, bad, total)| (d.into(), Untrusted::new(s), at(7), EventCounts { bad, total }));
        assert_eq!(seen, expected);
    }

    /// A queue of which nobody tells how old its work is counts neither as good nor as bad while work waits there.
    #[test]
    fn a_look_at_a_queue_is_an_event_if_it_tells_of_an_age() {
        let max_age = chrono::TimeDelta::minutes(5);
        let promise = Definition {
            id: "rabbit/*/age".into(),
            name: "age".into(),
            by: vec!["queue".into()],
            sli: Sli::Queue(QueueEvents { max_age }),
            ..fixture::availability("rabbit", Window::days(30))
        };
        let mut plan = fixture::plan(vec![fixture::source("rabbit", "rabbitmq", 15)], vec![promise]);
        let rule = |name: &str, promise: Option<&str>| {
            let queues = name.parse().unwrap();
            Arc::new(crate::domain::QueueRule {
                queues,
                source: None,
                service: None,
                max_age: Some(max_age),
                workers: true,
                promise: promise.map(Into::into),
            })
        };
        plan.queues = vec![rule("other", None), rule("*", Some("rabbit/*/age"))];
        let queue = |name: &str, ready: u64, oldest: Option<i64>| QueueSample {
            name: name.into(),
            ready: Some(ready),
            oldest_at: oldest.map(|back| at(-back)),
            ..QueueSample::default()
        };
        let queues = vec![
            queue("empty", 0, None),
            queue("late", 3, Some(400)),
            queue("other", 3, Some(400)),
            queue("soon", 3, Some(200)),
            queue("unknown", 3, None),
            QueueSample { dead_letters: true, ..queue("zombies", 3, Some(400)) },
        ];
        let part = Part { want: Want::Queues, as_of: at(0), outcome: Ok(Answer::Queues(queues)), partial: None };
        let raw = Reading { source: "rabbit".into(), lane: Lane::Short, at: at(0), took_us: 1, skew_secs: None, parts: vec![part] };
        let seen: Vec<_> =
            tallies(&plan, &raw, &[]).into_iter().map(|t| (t.group.0[0].raw().to_owned(), t.counts.bad, t.counts.total)).collect();
        let told: Vec<_> = seen.iter().map(|(name, bad, total)| (name.as_str(), *bad, *total)).collect();
        assert_eq!(told, [("empty", 0.0, 1.0), ("late", 1.0, 1.0), ("soon", 0.0, 1.0), ("unknown", 0.0, 0.0)]);
    }
}
