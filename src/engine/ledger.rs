//! Counters and single events into buckets, buckets into counts over windows: what a metrics server would do, for sources that have none.
//!
//! Each poll of a target turns the growth of its counters since the poll before into one bucket per group, as long as the time between.
//! A counter that fell began anew at 0; a series that is new on a target seen before grew from 0; a target seen for the first time
//! tells nothing yet. A bucket much longer than the poll interval is a gap: what happened in it is counted, but a window that cuts it
//! is an estimate and says so. Events that a source counted itself ([`Tally`]) are of one instant: their bucket goes back to the poll
//! before, or by one interval if that is long ago, and what lies between stays a hole. Buckets of past hours are merged by the store; a window that cuts a merged one takes its share of it
//! (at most a minute within 6 hours, 5 minutes within 3 days, an hour beyond).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::tally::{Tally, holds_events};
use crate::{
    domain::{
        Answer, Counter, Definition, DefinitionId, EventCounts, Grade, Group, GroupCounts, History, Interval, Part, Plan, Points, Reading,
        Rule, Scraped, SourcePlan, Text, Want, Window,
    },
    store::{Bucket, LastCounters},
};

/// All buckets of the sources that have no memory of their own, and the counters as they stood last.
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

/// What one poll added.
#[derive(Debug, Default)]
pub struct Growth {
    /// To be stored.
    pub buckets: Vec<Bucket>,
    /// The counters as they stand now, to be stored with them.
    pub counters: Vec<LastCounters>,
    /// Groups with samples, and of when.
    pub present: BTreeMap<DefinitionId, BTreeMap<Group, DateTime<Utc>>>,
}

impl Growth {
    /// What both added.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.buckets.extend(more.buckets);
        self.counters.extend(more.counters);
        for (definition, groups) in more.present {
            self.present.entry(definition).or_default().extend(groups);
        }
        self
    }
    /// When the newest sample was taken.
    fn newest(&self) -> Option<DateTime<Utc>> {
        self.counters.iter().map(|c| c.at).chain(self.present.values().flat_map(BTreeMap::values).copied()).max()
    }
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

    /// What a source counted itself.
    pub fn tally(&mut self, source: &SourcePlan, tallies: Vec<Tally>) -> Growth {
        let mut growth = Growth::default();
        let longest = TimeDelta::from_std(longest_step(source)).unwrap_or(TimeDelta::MAX);
        let every = TimeDelta::from_std(source.every).unwrap_or_default();
        for Tally { definition, group, at, counts } in tallies {
            let last = self.groups.get(&definition).and_then(|groups| groups.get(&group)).and_then(|spans| spans.last());
            let before = last.and_then(|span| DateTime::from_timestamp_micros(span.to));
            let from = before.filter(|before| *before < at && at - *before <= longest).unwrap_or(at - every);
            growth.present.entry(definition.clone()).or_default().insert(group.clone(), at);
            growth.buckets.push(Bucket { definition, group, from, to: at, bad: counts.bad, total: counts.total, gap: false });
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

    /// Since when an alert that fires at `at` has done so, as its look-back tells; `None` if it fires as far back as buckets, or that, go.
    pub fn start(&self, definition: &Definition, group: &Group, grade: Grade, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let spans = self.groups.get(&definition.id)?.get(group)?;
        let objective = definition.objective_of(group);
        let fires = |rule: &Rule, at: DateTime<Utc>| {
            let over = |window: Window| sum(spans, &window.until(at)).map(|s| s.counts);
            let (long, short) = (over(rule.long)?, over(rule.short)?);
            let fires = rule.fires(long.burn_rate(objective), short.burn_rate(objective));
            Some(short.total >= definition.min_events && fires == Some(true))
        };
        let (back, step) = grade.look_back();
        let mut since = at;
        for time in std::iter::successors(Some(at), |time| Some(*time - step.delta())).take_while(|time| at - *time <= back.delta()) {
            let said: Vec<_> = definition.rules_of(grade).map(|rule| fires(rule, time)).collect();
            match (said.contains(&Some(true)), said.contains(&None)) {
                (true, _) => since = time,
                (false, true) => return None,
                (false, false) => return Some(since),
            }
        }
        None
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
        let ratio = definition.sli.ratio()?;
        let known = self.has_total && (self.has_part || ratio.missing_is_zero);
        let bad = match ratio.part {
            crate::domain::Side::Good => self.total - self.part,
            crate::domain::Side::Bad => self.part,
        };
        if known { EventCounts::new(bad, self.total) } else { None }
    }
}

/// Where the bucket of a group and time stands among those of one scrape.
type Places = HashMap<(DefinitionId, Group, DateTime<Utc>, DateTime<Utc>), usize>;

fn bucket((definition, group): (DefinitionId, Group), time: Interval, counts: EventCounts, source: &SourcePlan) -> Bucket {
    let gap = time.secs() > longest_step(source).as_secs_f64();
    Bucket { definition, group, from: time.from, to: time.to, bad: counts.bad, total: counts.total, gap }
}

/// From poll to poll at most, if nothing was missed.
fn longest_step(source: &SourcePlan) -> Duration {
    (source.every * 3).max(Duration::from_mins(1))
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

/// Whether the ledger counts for a definition whose source brings `scraped` counters or not.
fn keeps(definition: &Definition, scraped: bool) -> bool {
    definition.sli.is_tallied() || scraped
}

/// Make a reading of counts out of one of counters or single events: what the ledger holds over each window that is due. What else the
/// reading brings stays in it.
pub fn counted(ledger: &Ledger, plan: &Plan, raw: &Reading, growth: &Growth, due: &dyn Fn(&DefinitionId, Window) -> bool) -> Reading {
    let events = |part: &&Part| part.outcome.as_ref().is_ok_and(holds_events);
    let Some(counted) = raw.parts.iter().find(events) else { return raw.clone() };
    let is_scrape = |part: &Part| matches!(part.outcome, Ok(Answer::Scraped(_)));
    let scraped = raw.parts.iter().any(is_scrape);
    // As of the newest sample: a window that ends before it would cut the newest buckets.
    let at = growth.newest().map_or(counted.as_of, |newest| newest.max(counted.as_of));
    let mut parts: Vec<Part> = raw.parts.iter().filter(|p| !is_scrape(p)).cloned().collect();
    let part = |want, answer| Part { want, as_of: at, outcome: Ok(answer), partial: counted.partial.clone() };
    for definition in plan.definitions.iter().filter(|d| d.source == raw.source && keeps(d, scraped)) {
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

/// The answer to a question for the beginning of an episode.
pub fn began(ledger: &Ledger, plan: &Plan, want: Want, at: DateTime<Utc>) -> Part {
    let since = match &want {
        Want::Start { definition, group, grade } => plan.definition(definition).and_then(|d| ledger.start(d, group, *grade, at)),
        _ => None,
    };
    Part { want, as_of: at, outcome: Ok(Answer::Start(since)), partial: None }
}

/// The sparklines' past out of the ledger, as a reading; of a source that is `scraped`, of all it counts.
pub fn past(ledger: &Ledger, plan: &Plan, source: &SourcePlan, scraped: bool, at: DateTime<Utc>) -> Reading {
    let step = Window::minutes(5);
    let part = |d: &Arc<Definition>| {
        let from = at - TimeDelta::seconds(History::CELL * History::KEEP as i64);
        let want = Want::History { definition: d.id.clone(), groups: Vec::new(), window: d.shortest(), from, to: at, step };
        Part { want, as_of: at, outcome: Ok(Answer::History(ledger.history(d, at))), partial: None }
    };
    let parts = plan.definitions.iter().filter(|d| d.source == source.name && keeps(d, scraped)).map(part).collect();
    Reading { source: source.name.clone(), lane: crate::domain::Lane::Long, at, took_us: 0, skew_secs: None, parts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Lane, Untrusted},
        engine::fixture::{self, at},
    };

    fn plan() -> Plan {
        let source = fixture::source("shop", "scrape", 5);
        let source = SourcePlan { scrape_interval: source.every, ..source };
        fixture::plan(vec![source], vec![fixture::availability("shop", Window::days(30))])
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

    /// An SLO that burned already at a store's first look had no age, though the buckets told.
    #[test]
    fn the_beginning_of_an_alert_is_told_by_the_buckets_as_far_as_they_go() {
        let minutes = |n: i64| n * 60;
        // A hundred requests a minute; from minute 120 on all of them fail.
        let bad = |n: i64| 100.0 * (n - 120).max(0) as f64;
        let polls =
            |from: i64| (from..=150).map(|n| scrape(minutes(n), &[("ok", 100.0 * n as f64 - bad(n)), ("bad", bad(n))])).collect::<Vec<_>>();
        let (definition, group, now) = (plan().definitions[0].clone(), group(), at(minutes(150)));
        let (ledger, _) = grown(&polls(0));
        // Over an hour 14.4 times the budget is one failed request in 70: in the first minute all are too many.
        assert_eq!(ledger.start(&definition, &group, Grade::Page, now), Some(at(minutes(121))));
        // Where nobody looked before it burned, and where nothing burns.
        assert_eq!(grown(&polls(125)).0.start(&definition, &group, Grade::Page, now), None);
        let elsewhere = Group(vec![Untrusted::new("cart")]);
        assert_eq!(ledger.start(&definition, &elsewhere, Grade::Page, now), None);
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
    fn single_events_leave_a_hole_where_nobody_looked_and_nothing_else() {
        let (source, group) = (&plan().sources[0], group());
        let definition = &plan().definitions[0];
        let tally = |secs: i64, bad: f64| Tally {
            definition: definition.id.clone(),
            group: group.clone(),
            at: at(secs),
            counts: EventCounts { bad, total: 1.0 },
        };
        let mut ledger = Ledger::default();
        let bucket = |b: &Bucket| ((b.from - at(0)).num_seconds(), (b.to - at(0)).num_seconds(), b.bad, b.gap);
        let mut told = |t: Tally| ledger.tally(source, vec![t]).buckets.iter().map(bucket).collect::<Vec<_>>();
        // The first and the one after an hour reach back by one interval of 5 s; a poll or two that are late change nothing.
        assert_eq!(told(tally(5, 0.0)), [(0, 5, 0.0, false)]);
        assert_eq!(told(tally(22, 1.0)), [(5, 22, 1.0, false)]);
        assert_eq!(told(tally(3_622, 0.0)), [(3_617, 3_622, 0.0, false)]);
        let over = |window| ledger.counts(definition, window, at(3_622)).remove(0);
        assert_eq!(over(Window::minutes(30)).counts, Some(EventCounts { bad: 0.0, total: 1.0 }));
        let day = over(definition.period);
        assert_eq!(day.counts, Some(EventCounts { bad: 1.0, total: 3.0 }));
        assert!(!day.partial && (day.covered.unwrap() * definition.period.secs_f64() - 27.0).abs() < 1e-6);
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
