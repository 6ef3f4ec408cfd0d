//! Events that a source counted itself: the checks of a probe.
//!
//! They come one by one, each at a known time, so nothing has to grow between two polls: every poll says all about itself.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use crate::domain::{Answer, Definition, DefinitionId, EventCounts, Group, Plan, ProbeEvents, Probed, Reading, Sli, Untrusted};

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
    matches!(answer, Answer::Scraped(_) | Answer::Probed(_))
}

/// The events that a reading brings one by one, as each definition of its source sees them.
pub fn tallies(plan: &Plan, raw: &Reading) -> Vec<Tally> {
    let mut sums: BTreeMap<(DefinitionId, Group), (DateTime<Utc>, EventCounts)> = BTreeMap::new();
    let ours: Vec<&Arc<Definition>> = plan.definitions.iter().filter(|d| d.source == raw.source).collect();
    for part in &raw.parts {
        for definition in &ours {
            let found: Vec<(Group, EventCounts)> = match (&part.outcome, &definition.sli) {
                (Ok(Answer::Probed(checks)), Sli::Probe(which)) => {
                    checks.iter().map(|c| (group(definition, c), events(*which, c))).collect()
                }
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
        let seen: Vec<_> = tallies(&plan, &raw).into_iter().map(|t| (t.definition, t.group.0[0].clone(), t.at, t.counts)).collect();
        let expected = [
            ("availability", "cart", 1.0, 1.0),
            ("availability", "shop", 1.0, 3.0),
            ("latency", "cart", 0.0, 0.0),
            ("latency", "shop", 1.0, 2.0),
        ];
        let expected = expected.map(|(d, s, bad, total)| (d.into(), Untrusted::new(s), at(7), EventCounts { bad, total }));
        assert_eq!(seen, expected);
    }
}
