//! Counters into buckets, buckets into counts over windows: what a metrics server would do, for sources that are scraped directly.
//!
//! Each poll of a target turns the growth of its counters since the poll before into one bucket per group, as long as the time between.
//! A counter that fell began anew at 0; a series that is new on a target seen before grew from 0; a target seen for the first time
//! tells nothing yet. A bucket much longer than the poll interval is a gap: what happened in it is counted, but a window that cuts it
//! is an estimate and says so. Buckets of past hours are merged by the store; a window that cuts a merged one takes its share of it
//! (at most a minute within 6 hours, 5 minutes within 3 days, an hour beyond).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Answer, Counter, Definition, DefinitionId, EventCounts, Group, GroupCounts, History, Interval, Part, Plan, Points, Reading,
        Scraped, SourcePlan, Text, Want, Window,
    },
    store::{Bucket, LastCounters},
};

/// All buckets of the scraped sources, and the counters as they stood last.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    groups: BTreeMap<DefinitionId, BTreeMap<Group, Vec<Span>>>,
    targets: HashMap<Text, Standing>,
}

#[derive(Clone, Debug)]
struct Standing {
    at: DateTime<Utc>,
    values: HashMap<String, f64>,
}

/// A bucket without its name, from one microsecond since 1970 to another: a month of them is summed every half minute.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    to: i64,
    counts: EventCounts,
    gap: bool,
}

/// What one scrape added.
#[derive(Debug, Default)]
pub struct Growth {
    /// To be stored.
    pub buckets: Vec<Bucket>,
    /// The counters as they stand now, to be stored with them.
    pub counters: Vec<LastCounters>,
    /// Groups with samples, and of when.
    pub present: BTreeMap<DefinitionId, BTreeMap<Group, DateTime<Utc>>>,
}

impl Ledger {
    /// Begin with what is stored: the buckets that `show` shows, whose order does not matter, and the counters as they stood last.
    pub fn load(show: impl FnOnce(&mut dyn FnMut(&Bucket)), counters: Vec<LastCounters>) -> Self {
        let mut ledger = Self::default();
        show(&mut |bucket| ledger.push(bucket));
        for spans in ledger.groups.values_mut().flat_map(BTreeMap::values_mut) {
            spans.sort_by_key(|s| s.to);
        }
        for last in counters {
            ledger.targets.insert(last.target, Standing { at: last.at, values: last.series.into_iter().collect() });
        }
        ledger
    }

    fn push(&mut self, bucket: &Bucket) {
        let span = Span {
            from: bucket.from.timestamp_micros(),
            to: bucket.to.timestamp_micros(),
            counts: EventCounts { bad: bucket.bad, total: bucket.total },
            gap: bucket.gap,
        };
        match self.groups.get_mut(&bucket.definition).and_then(|groups| groups.get_mut(&bucket.group)) {
            Some(spans) => spans.push(span),
            None => _ = self.groups.entry(bucket.definition.clone()).or_default().insert(bucket.group.clone(), vec![span]),
        }
    }

    /// What grew since the polls before.
    pub fn grow(&mut self, plan: &Plan, source: &SourcePlan, scraped: &[Scraped]) -> Growth {
        let mut growth = Growth::default();
        let mut places = Places::new();
        for target in scraped {
            if let Ok(samples) = &target.samples {
                self.target(plan, source, target, samples, (&mut growth, &mut places));
            }
        }
        for bucket in &growth.buckets {
            self.push(bucket);
        }
        growth
    }

    fn target(
        &mut self,
        plan: &Plan,
        source: &SourcePlan,
        target: &Scraped,
        samples: &[Counter],
        (growth, places): (&mut Growth, &mut Places),
    ) {
        let before = self.targets.get(&target.target).filter(|b| b.at < target.at);
        let mut sums: BTreeMap<(DefinitionId, Group), Sides> = BTreeMap::new();
        for counter in samples {
            let key = (counter.definition.clone(), counter.group.clone());
            let grown = before.map_or(0.0, |b| match b.values.get(&counter.series) {
                Some(then) if counter.value >= *then => counter.value - then,
                _ => counter.value,
            });
            sums.entry(key).or_default().add(counter, grown);
        }
        for (key, sides) in sums {
            growth.present.entry(key.0.clone()).or_default().insert(key.1.clone(), target.at);
            let (Some(before), Some(definition)) = (before, plan.definition(&key.0)) else { continue };
            if let Some(counts) = sides.counts(definition) {
                let time = Interval { from: before.at, to: target.at };
                add(&mut growth.buckets, places, bucket(key, time, counts, source));
            }
        }
        let values: Vec<(String, f64)> = samples.iter().map(|c| (c.series.clone(), c.value)).collect();
        self.targets.insert(target.target.clone(), Standing { at: target.at, values: values.iter().cloned().collect() });
        growth.counters.push(LastCounters { target: target.target.clone(), at: target.at, series: values });
    }

    /// Counts of every group of a definition over the window that ends at `now`. Groups without any bucket in it are left out.
    pub fn counts(&self, definition: &Definition, window: Window, now: DateTime<Utc>) -> Vec<GroupCounts> {
        let time = window.until(now);
        let groups = self.groups.get(&definition.id).into_iter().flatten();
        groups.filter_map(|(group, spans)| sum(spans, &time).map(|s| s.named(group, window == definition.period, &time))).collect()
    }

    /// The sparkline's past: counts over the shortest window at each cell's end.
    pub fn history(&self, definition: &Definition, now: DateTime<Utc>) -> Vec<(Group, Points)> {
        let last = now.timestamp().div_euclid(History::CELL) * History::CELL;
        let ends = (0..History::KEEP as i64).rev().filter_map(|i| DateTime::from_timestamp(last - i * History::CELL, 0));
        let ends: Vec<_> = ends.collect();
        let window = definition.shortest();
        let points = |spans: &[Span]| ends.iter().map(|at| (*at, sum(spans, &window.until(*at)).map(|s| s.counts))).collect();
        self.groups.get(&definition.id).into_iter().flatten().map(|(group, spans)| (group.clone(), points(spans))).collect()
    }

    /// Forget what lies before `before`; without a store nothing else bounds the ledger.
    pub fn forget(&mut self, before: DateTime<Utc>) {
        for groups in self.groups.values_mut() {
            groups.retain(|_, spans| {
                spans.retain(|s| s.to > before.timestamp_micros());
                !spans.is_empty()
            });
        }
    }
}

/// Growth of both sides of one group on one target.
#[derive(Default)]
struct Sides {
    part: f64,
    total: f64,
    has_part: bool,
    has_total: bool,
}

impl Sides {
    fn add(&mut self, counter: &Counter, grown: f64) {
        self.has_part |= counter.in_part;
        self.has_total |= counter.in_total;
        self.part += if counter.in_part { grown } else { 0.0 };
        self.total += if counter.in_total { grown } else { 0.0 };
    }
    /// Bad and total events; `None` if a side is missing that does not mean zero.
    fn counts(&self, definition: &Definition) -> Option<EventCounts> {
        let known = self.has_total && (self.has_part || definition.sli.missing_is_zero);
        let bad = match definition.sli.part {
            crate::domain::Side::Good => self.total - self.part,
            crate::domain::Side::Bad => self.part,
        };
        if known { EventCounts::new(bad, self.total) } else { None }
    }
}

/// Where the bucket of a group and time stands among those of one scrape.
type Places = HashMap<(DefinitionId, Group, DateTime<Utc>, DateTime<Utc>), usize>;

fn bucket((definition, group): (DefinitionId, Group), time: Interval, counts: EventCounts, source: &SourcePlan) -> Bucket {
    let gap = time.secs() > (source.every.as_secs_f64() * 3.0).max(60.0);
    Bucket { definition, group, from: time.from, to: time.to, bad: counts.bad, total: counts.total, gap }
}

/// Add to the bucket of the same group and time, if another target made one, else it is a new one.
fn add(buckets: &mut Vec<Bucket>, places: &mut Places, new: Bucket) {
    let place = *places.entry((new.definition.clone(), new.group.clone(), new.from, new.to)).or_insert(buckets.len());
    match buckets.get_mut(place) {
        Some(bucket) => {
            bucket.bad += new.bad;
            bucket.total += new.total;
        }
        None => buckets.push(new),
    }
}

struct Sum {
    counts: EventCounts,
    covered_secs: f64,
    partial: bool,
}

impl Sum {
    fn named(self, group: &Group, period: bool, time: &Interval) -> GroupCounts {
        // The newest edge is where the last poll was, up to a poll ago: that is not a hole.
        let covered = period.then(|| (self.covered_secs / time.secs()).clamp(0.0, 1.0));
        GroupCounts { group: group.clone(), counts: Some(self.counts), covered, partial: self.partial }
    }
}

/// The sum of the buckets that lie in `time`; one that is cut gives its share. `None` if there is none.
fn sum(spans: &[Span], time: &Interval) -> Option<Sum> {
    let (from, to) = (time.from.timestamp_micros(), time.to.timestamp_micros());
    let first = spans.partition_point(|s| s.to <= from);
    let (mut counts, mut covered, mut partial, mut seen, mut any) = (EventCounts::default(), 0, false, from, false);
    for span in spans.get(first..).unwrap_or_default().iter().filter(|s| s.from < to) {
        let (begins, ends) = (span.from.max(from), span.to.min(to));
        if ends - begins == span.to - span.from {
            counts = counts + span.counts;
        } else {
            let share = (ends - begins) as f64 / (span.to - span.from) as f64;
            counts = counts + EventCounts { bad: span.counts.bad * share, total: span.counts.total * share };
            partial |= span.gap;
        }
        covered += (ends - begins.max(seen)).max(0);
        seen = seen.max(span.to);
        any = true;
    }
    any.then_some(Sum { counts, covered_secs: covered as f64 / 1e6, partial })
}

/// Make a reading of counts out of a reading of counters: what the ledger holds over each window that is due.
pub fn counted(ledger: &Ledger, plan: &Plan, raw: &Reading, growth: &Growth, due: &dyn Fn(&DefinitionId, Window) -> bool) -> Reading {
    let Some(scraped) = raw.parts.iter().find(|p| matches!(p.want, Want::Scrape)) else { return raw.clone() };
    if scraped.outcome.is_err() {
        return raw.clone();
    }
    // As of the newest sample: a window that ends before it would cut the newest buckets.
    let newest = growth.counters.iter().map(|c| c.at).max();
    let at = newest.map_or(scraped.as_of, |newest| newest.max(scraped.as_of));
    let mut parts = Vec::new();
    let part = |want, answer| Part { want, as_of: at, outcome: Ok(answer), partial: scraped.partial.clone() };
    for definition in plan.definitions.iter().filter(|d| d.source == raw.source) {
        let present = growth.present.get(&definition.id).into_iter().flatten().map(|(group, at)| (group.clone(), *at));
        let windows = definition.windows().into_iter().filter(|w| due(&definition.id, *w));
        parts.extend(windows.map(|window| {
            let want = Want::Counts { definition: definition.id.clone(), window };
            part(want, Answer::Counts(ledger.counts(definition, window, at)))
        }));
        parts.push(part(Want::Presence { definition: definition.id.clone() }, Answer::Presence(present.collect())));
    }
    // Counts of a group whose first poll this was hold nothing: the source still answered, which an empty reading says too.
    if parts.is_empty() {
        parts.push(part(Want::Scrape, Answer::Scraped(Vec::new())));
    }
    Reading { parts, ..raw.clone() }
}

/// The sparklines' past out of the ledger, as a reading.
pub fn past(ledger: &Ledger, plan: &Plan, source: &SourcePlan, at: DateTime<Utc>) -> Reading {
    let step = Window::minutes(5);
    let part = |d: &Arc<Definition>| {
        let from = at - TimeDelta::seconds(History::CELL * History::KEEP as i64);
        let want = Want::History { definition: d.id.clone(), groups: Vec::new(), window: d.shortest(), from, to: at, step };
        Part { want, as_of: at, outcome: Ok(Answer::History(ledger.history(d, at))), partial: None }
    };
    let parts = plan.definitions.iter().filter(|d| d.source == source.name).map(part).collect();
    Reading { source: source.name.clone(), lane: crate::domain::Lane::Long, at, took_us: 0, skew_secs: None, parts }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{AckPolicy, Lane, Objective, Selector, Side, Sli, Untrusted, workbook};

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
    }

    fn plan() -> Plan {
        let selector = |text: &str| text.parse::<Selector>().unwrap();
        let period = Window::days(30);
        let definition = Definition {
            id: "availability".into(),
            name: "availability".into(),
            source: "shop".into(),
            by: vec!["service".into()],
            service: None,
            objective: Objective::new(0.999).unwrap(),
            overrides: BTreeMap::new(),
            period,
            sli: Sli { part: Side::Bad, selector: selector("r{c=\"5\"}"), total: selector("r"), missing_is_zero: true },
            rules: workbook(period),
            min_events: 0.0,
            qualified: false,
        };
        let every = Duration::from_secs(5);
        let source = SourcePlan {
            name: "shop".into(),
            kind: "scrape",
            every,
            timeout: every,
            timeout_long: every,
            ack_for: every,
            heartbeat: false,
            scrape_interval: every,
            insecure: false,
        };
        Plan {
            name: "test".into(),
            time_zone: chrono_tz::UTC,
            sources: vec![source],
            definitions: vec![Arc::new(definition)],
            services: BTreeMap::new(),
            people: Vec::new(),
            rotations: Vec::new(),
            feeds: Vec::new(),
            ack: AckPolicy { max: every },
            read_only: false,
        }
    }

    fn group() -> Group {
        Group(vec![Untrusted::new("checkout")])
    }

    /// A scrape of one target on which `series` stand at values; those called `bad…` count as bad too.
    fn scrape(secs: i64, series: &[(&str, f64)]) -> Scraped {
        let counter = |(name, value): &(&str, f64)| Counter {
            definition: "availability".into(),
            group: group(),
            series: (*name).to_owned(),
            value: *value,
            in_total: true,
            in_part: name.starts_with("bad"),
        };
        Scraped { target: "t".into(), at: at(secs), samples: Ok(series.iter().map(counter).collect()) }
    }

    fn grown(polls: &[Scraped]) -> (Ledger, Vec<(f64, f64, bool)>) {
        let (plan, mut ledger, mut all) = (plan(), Ledger::default(), Vec::new());
        for poll in polls {
            let growth = ledger.grow(&plan, &plan.sources[0], std::slice::from_ref(poll));
            all.extend(growth.buckets.iter().map(|b| (b.bad, b.total, b.gap)));
        }
        (ledger, all)
    }

    #[test]
    fn counters_grow_reset_and_are_born() {
        let polls = [
            scrape(0, &[("ok", 1_000.0)]),
            scrape(5, &[("ok", 1_010.0)]),
            // A label set born with 3 on a target seen before: those 3 happened since.
            scrape(10, &[("ok", 1_020.0), ("bad", 3.0)]),
            // A restart: both begin anew at 0.
            scrape(15, &[("ok", 4.0), ("bad", 1.0)]),
            // Nothing for an hour: one bucket as long as the gap.
            scrape(3_615, &[("ok", 104.0), ("bad", 1.0)]),
        ];
        let (_, buckets) = grown(&polls);
        assert_eq!(buckets, [(0.0, 10.0, false), (3.0, 13.0, false), (1.0, 5.0, false), (0.0, 100.0, true)]);
    }

    #[test]
    fn a_window_that_cuts_a_gap_is_partial_and_one_that_holds_it_is_not() {
        let (ledger, _) = grown(&[scrape(0, &[("ok", 0.0)]), scrape(3_600, &[("ok", 3_600.0)])]);
        let definition = &plan().definitions[0];
        let over = |window| ledger.counts(definition, window, at(3_600)).remove(0);
        let (cut, whole) = (over(Window::minutes(30)), over(Window::hours(2)));
        assert!(cut.partial && (cut.counts.unwrap().total - 1_800.0).abs() < 1e-9);
        assert!(!whole.partial && (whole.counts.unwrap().total - 3_600.0).abs() < 1e-9);
    }

    #[test]
    fn coverage_is_what_was_seen_of_the_period() {
        let (ledger, _) = grown(&[scrape(0, &[("ok", 0.0)]), scrape(259_200, &[("ok", 1.0)])]);
        let definition = &plan().definitions[0];
        let covered = ledger.counts(definition, definition.period, at(259_200))[0].covered.unwrap();
        assert!((covered - 0.1).abs() < 1e-12);
        assert_eq!(ledger.counts(definition, Window::minutes(5), at(600_000)), []);
    }

    #[test]
    fn a_change_of_hands_loses_and_doubles_nothing() {
        let polls: Vec<_> = (0..20).map(|i| scrape(i * 5, &[("ok", 10.0 * i as f64), ("bad", i as f64)])).collect();
        let (alone, _) = grown(&polls);
        let (plan, mut first) = (plan(), Ledger::default());
        let mut stored = Vec::new();
        let mut counters = Vec::new();
        for poll in &polls[..11] {
            let growth = first.grow(&plan, &plan.sources[0], std::slice::from_ref(poll));
            stored.extend(growth.buckets);
            counters = growth.counters;
        }
        let mut second = Ledger::load(|take| stored.iter().for_each(take), counters);
        for poll in &polls[13..] {
            second.grow(&plan, &plan.sources[0], std::slice::from_ref(poll));
        }
        let sum = |ledger: &Ledger| ledger.counts(&plan.definitions[0], plan.definitions[0].period, at(95))[0].counts;
        assert_eq!(sum(&alone), sum(&second));
        assert_eq!(sum(&alone), Some(EventCounts { bad: 19.0, total: 209.0 }));
    }

    #[test]
    fn a_reading_of_counters_becomes_one_of_counts() {
        let plan = plan();
        let mut ledger = Ledger::default();
        let raw = |scraped: Scraped| Reading {
            source: "shop".into(),
            lane: Lane::Short,
            at: scraped.at,
            took_us: 1,
            skew_secs: None,
            parts: vec![Part { want: Want::Scrape, as_of: scraped.at, outcome: Ok(Answer::Scraped(vec![scraped])), partial: None }],
        };
        let _ = ledger.grow(&plan, &plan.sources[0], &[scrape(0, &[("ok", 0.0)])]);
        let second = scrape(5, &[("ok", 50.0)]);
        let growth = ledger.grow(&plan, &plan.sources[0], std::slice::from_ref(&second));
        let reading = counted(&ledger, &plan, &raw(second), &growth, &|_, w| w == Window::minutes(5));
        let wants: Vec<_> = reading.parts.iter().map(|p| p.want.clone()).collect();
        let id: DefinitionId = "availability".into();
        assert_eq!(wants, [Want::Counts { definition: id.clone(), window: Window::minutes(5) }, Want::Presence { definition: id }]);
    }
}
