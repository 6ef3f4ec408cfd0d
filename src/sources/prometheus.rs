//! Prometheus and what speaks like it: `VictoriaMetrics`, Thanos, Mimir.
//!
//! Every want is one request, at an instant that we name, so that a figure's `as_of` is exact. Questions go by POST, which has room for
//! long ones, and by GET for good once a server has refused POST with 405.

mod figure;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::join_all;

use super::{
    address::Address,
    decode::{self, BadAnswer, Grid, Seen},
    failure::{Failure, Reached},
    http::{Call, Good, Http},
    promql,
    settings::{BadSettings, Deadlines, PrometheusSettings},
    source::{Examiner, Figures, Finding, Gives, Lanes, Now, Piece, Source, Turn},
};
use crate::domain::{
    Answer, Ask, Definition, DefinitionId, EventCounts, GaugeTable, Grade, Group, Interval, Lane, Measure, Objective, Person, QueueGauges,
    QueueSample, Reading, Sli, SourceName, Text, Want, Window,
};

/// The most points of a line that a server gives (it refuses 11,000 and more).
const MOST_POINTS: i32 = 10_000;

/// `VictoriaMetrics` would answer as of half a minute ago, to be on the safe side, and say that it was now. Others take no notice.
const FRESH: (&str, &str) = ("nocache", "1");

/// A Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    name: SourceName,
    http: Http,
    instant: Address,
    range: Address,
    deadlines: Deadlines,
    definitions: Vec<Arc<Definition>>,
    lanes: Lanes,
    get_only: AtomicBool,
    gauges: Vec<Arc<QueueGauges>>,
}

/// An answer in the making: what came, why it is not whole, and the server's skew.
type Found = (Answer, Option<Text>, Option<f64>);
/// Queues, why they are not all, and the server's skew.
type ToldQueues = (Vec<QueueSample>, Option<Text>, Option<f64>);

impl Prometheus {
    /// A Prometheus that counts for those of `definitions` that name it.
    pub fn new(settings: PrometheusSettings, definitions: Vec<Arc<Definition>>) -> Result<Self, BadSettings> {
        let base = Address::new(&settings.http.base)?;
        let http = Http::new(&settings.name, &settings.http, std::slice::from_ref(&base), "application/json")?;
        Ok(Self {
            http,
            instant: base.join(&["api", "v1", "query"]),
            range: base.join(&["api", "v1", "query_range"]),
            deadlines: settings.deadlines,
            definitions: definitions.into_iter().filter(|d| d.source == settings.name).collect(),
            name: settings.name,
            lanes: Lanes::new(),
            get_only: AtomicBool::new(false),
            gauges: Vec::new(),
        })
    }

    /// The same, which also tells of queues.
    #[must_use]
    pub fn with_queues(mut self, gauges: Vec<Arc<QueueGauges>>) -> Self {
        self.gauges = gauges;
        self
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        if *want == Want::Queues {
            return self.queues(&turn).await;
        }
        let Some(definition) = definition_of(want).and_then(|id| self.definitions.iter().find(|d| d.id == *id)) else {
            return turn.not_ours(&self.name);
        };
        let place = match self.lanes.enter(&self.name, &turn).await {
            Ok(place) => place,
            Err(late) => return Piece { as_of: turn.began, outcome: Err(late.fault()), partial: None, skew: None },
        };
        let as_of = whole_millis((turn.now)());
        let found = self.find(want, definition, as_of, &turn).await;
        drop(place);
        match found {
            Ok((answer, partial, skew)) => Piece { as_of, outcome: Ok(answer), partial, skew },
            Err(failure) => Piece { as_of, outcome: Err(failure.fault()), partial: None, skew: None },
        }
    }

    /// How the queues of all rows stand, a request a row.
    async fn queues(&self, turn: &Turn<'_>) -> Piece {
        let as_of = whole_millis((turn.now)());
        let (mut all, mut partial, mut skew) = (Vec::new(), None, None);
        for gauges in &self.gauges {
            match self.queues_of(gauges, as_of, turn).await {
                Ok((queues, said, ahead)) => {
                    all.extend(queues);
                    (partial, skew) = (partial.or(said), skew.or(ahead));
                }
                Err(failure) => return Piece { as_of, outcome: Err(failure.fault()), partial: None, skew },
            }
        }
        Piece { as_of, outcome: Ok(Answer::Queues(all)), partial, skew }
    }

    async fn queues_of(&self, gauges: &QueueGauges, as_of: DateTime<Utc>, turn: &Turn<'_>) -> Result<ToldQueues, Failure> {
        let place = self.lanes.enter(&self.name, turn).await?;
        let good = self.ask_at(&promql::queues(gauges), as_of, turn).await?;
        drop(place);
        let mut table = GaugeTable::new(gauges);
        let mut partial = None;
        self.found(good.skew, decode::tagged(&good.body, &gauges.by), |read| {
            for (group, tag, value) in read {
                if let Some(measure) = Measure::ALL.into_iter().find(|m| m.key() == tag) {
                    table.put(group, measure, value);
                } else if let Some(at) = decode::time_of(value).filter(|_| tag == promql::TAKEN) {
                    table.sampled(group, at);
                }
            }
            Answer::Queues(Vec::new())
        })
        .map(|(_, said, _)| partial = said)?;
        let (queues, odd) = table.samples(as_of);
        let odd = (odd > 0).then(|| Text::from(format!("{odd} values of queues left out: negative or no finite number")));
        Ok((queues, partial.or(odd), good.skew))
    }

    async fn find(&self, want: &Want, definition: &Definition, as_of: DateTime<Utc>, turn: &Turn<'_>) -> Result<Found, Failure> {
        let text = |question: Option<String>| {
            question.ok_or_else(|| Failure::malformed(&self.name, &format!("cannot count {}; check which source it names", definition.id)))
        };
        match want {
            Want::Counts { window, .. } => {
                let good = self.ask_at(&text(promql::counts(definition, *window))?, as_of, turn).await?;
                self.found(good.skew, decode::counts(&good.body, definition), Answer::Counts)
            }
            Want::Presence { .. } => {
                let good = self.ask_at(&text(promql::presence(definition))?, as_of, turn).await?;
                self.found(good.skew, decode::presence(&good.body, definition), Answer::Presence)
            }
            Want::History { groups, window, from, to, step, .. } => {
                let span = aligned(*from, *to, *step);
                let good = self.ask_over(&text(promql::history(definition, groups, *window))?, Grid { span, step: *step }, turn).await?;
                self.found(good.skew, decode::history(&good.body, definition, span, *step), |mut lines| {
                    lines.retain(|(group, _)| groups.is_empty() || groups.contains(group));
                    Answer::History(lines)
                })
            }
            Want::Start { group, grade, .. } => {
                let grid = look_back(*grade, as_of);
                let good = self.ask_over(&text(promql::start(definition, group, *grade))?, grid, turn).await?;
                self.found(good.skew, decode::by_tag(&good.body, definition, group, grid.span, grid.step), |seen| {
                    Answer::Start(start_of_run(definition, group, *grade, grid, |tag| seen.get(tag).map_or(&[][..], Vec::as_slice)))
                })
            }
            Want::Alerts | Want::Scrape | Want::Probe | Want::Incidents | Want::OnCall | Want::Queues | Want::Duties { .. } => {
                Err(Failure::malformed(&self.name, "this is no question for a Prometheus"))
            }
        }
    }

    fn found<T>(&self, skew: Option<f64>, decoded: decode::Decoded<T>, answer: impl FnOnce(T) -> Answer) -> Result<Found, Failure> {
        match decoded {
            Ok((value, partial)) => Ok((answer(value), partial, skew)),
            Err(bad @ BadAnswer::Said(_)) => Err(Failure::malformed(&self.name, &format!("{bad}; look at the server's log"))),
            Err(bad) => Err(Failure::malformed(&self.name, &format!("{bad}; check `url` and proxies before the server"))),
        }
    }

    async fn ask_at(&self, question: &str, at: DateTime<Utc>, turn: &Turn<'_>) -> Result<Good, Failure> {
        self.send(&self.instant, &[("query", question), ("time", &stamp(at)), ("timeout", &patience(turn.left())), FRESH], turn).await
    }

    async fn ask_over(&self, question: &str, grid: Grid, turn: &Turn<'_>) -> Result<Good, Failure> {
        let (start, end) = (stamp(grid.span.from), stamp(grid.span.to));
        let (step, patience) = (grid.step.secs().to_string(), patience(turn.left()));
        self.send(
            &self.range,
            &[("query", question), ("start", &start), ("end", &end), ("step", &step), ("timeout", &patience), FRESH],
            turn,
        )
        .await
    }

    async fn send(&self, to: &Address, form: &[(&str, &str)], turn: &Turn<'_>) -> Result<Good, Failure> {
        if !self.get_only.load(Ordering::Relaxed) {
            match self.http.call(to, Call::Form(form), turn.left(), turn.now).await {
                Err(failure) if failure.reached == Reached::Answered(405) => self.get_only.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        self.http.call(to, Call::Get(form), turn.left(), turn.now).await
    }
}

#[async_trait]
impl Source for Prometheus {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Metrics
    }
    fn examiner(&self) -> Option<&dyn Examiner> {
        Some(self)
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
    fn figures(&self) -> Option<&dyn Figures> {
        Some(self)
    }
}

#[async_trait]
impl Examiner for Prometheus {
    /// Whether the bounds that are asked for are there.
    async fn examine(&self, _people: &[Person], now: Now<'_>) -> Vec<Finding> {
        let turn = Turn::begin(Lane::Short, self.deadlines, now);
        let mut findings = Vec::new();
        for definition in &self.definitions {
            let Sli::Latency(latency) = &definition.sli else { continue };
            let asked = self.ask_at(&promql::bounds(latency), whole_millis(now()), &turn).await.ok();
            let Some((bounds, _)) = asked.and_then(|good| decode::bounds(&good.body).ok()) else { continue };
            if let Some(said) = latency.missing(bounds.iter().map(String::as_str)) {
                findings.push(Finding { well: false, text: Text::clean(&format!("{}: {said}", definition.id)) });
            }
        }
        findings
    }
}

fn definition_of(want: &Want) -> Option<&DefinitionId> {
    match want {
        Want::Counts { definition, .. }
        | Want::Presence { definition }
        | Want::History { definition, .. }
        | Want::Start { definition, .. } => Some(definition),
        Want::Alerts | Want::Scrape | Want::Probe | Want::Incidents | Want::OnCall | Want::Queues | Want::Duties { .. } => None,
    }
}

fn whole_millis(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

/// Unix seconds with milliseconds.
fn stamp(at: DateTime<Utc>) -> String {
    format!("{}.{:03}", at.timestamp(), at.timestamp_subsec_millis())
}

/// How long the server should go on: no longer than we wait.
fn patience(left: Duration) -> String {
    format!("{}s", left.as_millis().div_ceil(1_000).max(1))
}

/// Both ends on multiples of `step`, so that lines do not jitter, and no more points than a server gives.
fn aligned(from: DateTime<Utc>, to: DateTime<Utc>, step: Window) -> Interval {
    let floor = |at: DateTime<Utc>| {
        let secs = at.timestamp() - at.timestamp().rem_euclid(i64::from(step.secs()));
        DateTime::from_timestamp(secs, 0).unwrap_or(at)
    };
    let (from, to) = (floor(from), floor(to));
    Interval { from: from.max(to - step.delta() * MOST_POINTS).min(to), to }
}

/// How far and how finely to look for a start; up to this very instant.
fn look_back(grade: Grade, now: DateTime<Utc>) -> Grid {
    let (back, step) = grade.look_back();
    Grid { span: back.until(now), step }
}

/// Where the run of firing points that ends now began; `None` if it fills the whole of what was looked at.
fn start_of_run<'a>(
    definition: &Definition,
    group: &Group,
    grade: Grade,
    grid: Grid,
    seen: impl Fn(&str) -> &'a [Seen],
) -> Option<DateTime<Utc>> {
    let objective = definition.objective_of(group);
    let line = |window| {
        let side = |side| seen(&promql::start_tag(side, window));
        (side(promql::PART), side(promql::TOTAL))
    };
    let rules: Vec<_> = definition.rules_of(grade).map(|rule| (rule, line(rule.long), line(rule.short))).collect();
    let counts = |(part, total): (&[Seen], &[Seen]), n: usize| -> Option<EventCounts> {
        let at = |side: &[Seen]| side.get(n).copied().unwrap_or_default();
        decode::sum_up(&definition.sli, at(part), at(total))
    };
    let fires = |n: usize| {
        rules.iter().any(|(rule, long, short)| {
            let (long, short) = (counts(*long, n), counts(*short, n));
            short.is_some_and(|c| c.total >= definition.min_events)
                && rule.fires(burn(long, objective), burn(short, objective)) == Some(true)
        })
    };
    let times: Vec<_> = grid.times().collect();
    let run = times.iter().enumerate().rev().take_while(|(n, _)| fires(*n)).last();
    match run {
        Some((0, _)) => None,
        Some((_, first)) => Some(*first),
        None => Some(grid.span.to),
    }
}

fn burn(counts: Option<EventCounts>, objective: Objective) -> Option<crate::domain::BurnRate> {
    counts.and_then(|c| c.burn_rate(objective))
}
