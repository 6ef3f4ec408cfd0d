//! Queues that are told by gauges and counters of a metrics source: the `depth = '…'` of `[[queue]]` rows.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::QueueSample;
use crate::domain::{Group, Selector, SourceName, Text};

/// What a metric tells of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Jobs that wait.
    Depth,
    /// Seconds that the oldest has waited.
    OldestAge,
    /// Jobs that are worked on.
    InFlight,
    /// Jobs that are not due yet.
    Delayed,
    /// Jobs that were given up.
    Failed,
    /// Workers.
    Consumers,
    /// Jobs that ever came in: a counter.
    Entered,
    /// Jobs that were ever finished: a counter.
    Finished,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Depth, Self::OldestAge, Self::InFlight, Self::Delayed, Self::Failed, Self::Consumers, Self::Entered, Self::Finished];
    /// The key of its selector in a `[[queue]]` row.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::OldestAge => "oldest_age",
            Self::InFlight => "in_flight",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Consumers => "consumers",
            Self::Entered => "entered",
            Self::Finished => "finished",
        }
    }
    /// Whether of several series of one queue the greatest counts; else they add up.
    pub const fn is_greatest(self) -> bool {
        matches!(self, Self::OldestAge)
    }
}

/// Where a metrics source tells of queues.
#[derive(Clone, Debug)]
pub struct QueueGauges {
    /// Which source.
    pub source: SourceName,
    /// The queue's name, where `by` names none.
    pub name: Text,
    /// Labels whose values name the queues, in order; none for a single queue.
    pub by: Vec<String>,
    /// What is told by which series; the depth or the oldest age is among them.
    pub measures: Vec<(Measure, Selector)>,
}

impl QueueGauges {
    /// The name of a group's queue: its values joined by `/`.
    pub fn name_of(&self, group: &Group) -> Text {
        if group.0.is_empty() {
            return self.name.clone();
        }
        Text::from(group.0.iter().map(|v| v.raw().to_owned()).collect::<Vec<_>>().join("/"))
    }
}

/// What was read of one group.
#[derive(Clone, Debug, Default)]
struct Read {
    values: BTreeMap<Measure, f64>,
    sampled_at: Option<DateTime<Utc>>,
}

/// What is being read of the queues of one row, value by value.
#[derive(Debug)]
pub struct GaugeTable<'a> {
    gauges: &'a QueueGauges,
    groups: BTreeMap<Group, Read>,
    odd: usize,
}

impl<'a> GaugeTable<'a> {
    /// Nothing read yet.
    pub fn new(gauges: &'a QueueGauges) -> Self {
        Self { gauges, groups: BTreeMap::new(), odd: 0 }
    }
    /// A series of `group`. What is negative or no finite number is left out and counted.
    pub fn put(&mut self, group: Group, measure: Measure, value: f64) {
        let read = self.groups.entry(group).or_default();
        if !value.is_finite() || value < 0.0 {
            self.odd += 1;
            return;
        }
        let known = read.values.entry(measure).or_insert(0.0);
        *known = if measure.is_greatest() { known.max(value) } else { *known + value };
    }
    /// When the newest sample of `group` was taken.
    pub fn sampled(&mut self, group: Group, at: DateTime<Utc>) {
        let read = self.groups.entry(group).or_default();
        read.sampled_at = read.sampled_at.max(Some(at));
    }
    /// The queues as of `at`, and how many values were left out.
    pub fn samples(self, at: DateTime<Utc>) -> (Vec<QueueSample>, usize) {
        let gauges = self.gauges;
        let sample = |(group, read): (Group, Read)| {
            let count = |measure| read.values.get(&measure).map(|v| v.round() as u64);
            let seen = read.sampled_at.unwrap_or(at);
            let ready = count(Measure::Depth);
            let age = read.values.get(&Measure::OldestAge).map(|secs| TimeDelta::milliseconds((secs * 1e3) as i64));
            // An empty queue has no oldest job, whatever its gauge was left at; and no job has waited for 0 s where the depth is not told.
            let waits = ready.map_or_else(|| age.is_some_and(|age| age > TimeDelta::zero()), |n| n > 0);
            let idle = ready.is_none() && age.is_some_and(|age| age <= TimeDelta::zero());
            QueueSample {
                name: gauges.name_of(&group),
                ready: if idle { Some(0) } else { ready },
                in_flight: count(Measure::InFlight),
                delayed: count(Measure::Delayed),
                failed: count(Measure::Failed),
                oldest_at: age.filter(|_| waits).and_then(|age| seen.checked_sub_signed(age)),
                consumers: count(Measure::Consumers),
                entered: count(Measure::Entered),
                left: count(Measure::Finished),
                coarse: true,
                sampled_at: read.sampled_at,
                ..QueueSample::default()
            }
        };
        (self.groups.into_iter().filter(|(_, read)| !read.values.is_empty()).map(sample).collect(), self.odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Untrusted;

    #[test]
    fn gauges_become_queues_and_what_is_no_number_becomes_nothing() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let gauges =
            QueueGauges { source: "prom".into(), name: "kafka".into(), by: vec!["group".into(), "topic".into()], measures: Vec::new() };
        let group = |name: &str| Group(vec![Untrusted::new("billing"), Untrusted::new(name)]);
        let mut table = GaugeTable::new(&gauges);
        for (name, measure, value) in [
            ("orders", Measure::Depth, 40.0),
            ("orders", Measure::Depth, 2.4),
            ("orders", Measure::OldestAge, 90.0),
            ("orders", Measure::OldestAge, 12.0),
            ("empty", Measure::Depth, 0.0),
            ("empty", Measure::OldestAge, 500.0),
            ("odd", Measure::Depth, f64::NAN),
            ("odd", Measure::Consumers, 2.0),
            ("odd", Measure::Failed, -1.0),
            ("lag", Measure::OldestAge, 0.0),
            ("gone", Measure::Depth, f64::INFINITY),
        ] {
            table.put(group(name), measure, value);
        }
        table.sampled(group("orders"), at - TimeDelta::seconds(10));
        let (queues, odd) = table.samples(at);
        assert_eq!(odd, 3);
        let told: Vec<_> = queues.iter().map(|q| (q.name.as_str(), q.ready, q.oldest_at, q.consumers, q.failed)).collect();
        let oldest = Some(at - TimeDelta::seconds(100));
        assert_eq!(
            told,
            [
                ("billing/empty", Some(0), None, None, None),
                ("billing/lag", Some(0), None, None, None),
                ("billing/odd", None, None, Some(2), None),
                ("billing/orders", Some(42), oldest, None, None),
            ]
        );
        assert_eq!(queues[3].sampled_at, Some(at - TimeDelta::seconds(10)));
    }
}
