//! Counters straight from `/metrics` endpoints: no metrics server needed.
//!
//! Of what an endpoint says only the series are kept that a definition selects. Each target succeeds or fails alone; a body with a line
//! that is not understood fails whole, because what is missing from it is not known. Targets are different programs, so they are asked
//! at the same time, one request each: one that hangs must not hold up the others.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::{
    address::Address,
    exposition::{self, BadLine, Sample},
    failure::Failure,
    http::{Call, Http},
    settings::{BadSettings, Deadlines, ScrapeSettings, ScrapeTarget},
    source::{Examiner, Finding, Gives, Now, Piece, Source, Turn},
};
use crate::domain::{
    Answer, Ask, Counter, Definition, Fault, GaugeTable, Group, HistogramLatency, Lane, Measure, Person, QueueGauges, Reading, Scraped,
    Sli, SourceName, Text, Untrusted, Want, quote,
};

/// How many targets are asked at the same time.
const AT_ONCE: usize = 64;
/// The plain format first: some programs give their counters other names in `OpenMetrics`, which those who have nothing else speak.
const ACCEPT: &str = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.9, text/plain;q=0.8, */*;q=0.1";

/// A set of endpoints that serve the text format.
#[derive(Debug)]
pub struct Scrape {
    name: SourceName,
    http: Http,
    deadlines: Deadlines,
    targets: Vec<Target>,
    wanted: Wanted,
    gate: Semaphore,
    gauges: Vec<Arc<QueueGauges>>,
}

#[derive(Debug)]
struct Target {
    address: Address,
    labels: BTreeMap<String, String>,
}

/// The definitions, by the names of the metrics that they select.
#[derive(Debug)]
struct Wanted {
    definitions: Vec<Arc<Definition>>,
    by_metric: HashMap<String, Vec<usize>>,
}

/// What one target gave.
struct Taken {
    target: Text,
    at: DateTime<Utc>,
    skew: Option<f64>,
    /// The counters, and how many series were left out because they are no counters.
    counters: Result<(Vec<Counter>, usize), Fault>,
    /// What tells of queues.
    gauges: Vec<GaugeValue>,
}

/// By which row, of which group, what and how much.
type GaugeValue = (usize, Group, Measure, f64);

/// Why nothing came, if nothing did.
fn fault_of(taken: &[Taken]) -> Option<Fault> {
    taken.iter().find_map(|t| t.counters.as_ref().err()).filter(|_| taken.iter().all(|t| t.counters.is_err())).cloned()
}

impl Scrape {
    /// Endpoints that count for those of `definitions` that name them.
    pub fn new(settings: ScrapeSettings, definitions: Vec<Arc<Definition>>) -> Result<Self, BadSettings> {
        if settings.targets.is_empty() {
            return Err(BadSettings::new("targets", "is empty: name at least one address that serves /metrics"));
        }
        let target = |t: ScrapeTarget| Address::new(&t.url).map(|address| Target { address, labels: t.labels });
        let targets = settings.targets.into_iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = targets.iter().map(|t| t.address.clone()).collect();
        let http = Http::new(&settings.name, &settings.http, &addresses, ACCEPT)?;
        let own = definitions.into_iter().filter(|d| d.source == settings.name).collect();
        Ok(Self {
            name: settings.name,
            http,
            deadlines: settings.deadlines,
            targets,
            wanted: Wanted::new(own),
            gate: Semaphore::new(AT_ONCE),
            gauges: Vec::new(),
        })
    }

    /// The same, which also tells of queues.
    #[must_use]
    pub fn with_queues(mut self, gauges: Vec<Arc<QueueGauges>>) -> Self {
        self.gauges = gauges;
        self
    }

    /// The counters of all targets.
    fn counters(taken: &[Taken], turn: Turn<'_>) -> Piece {
        let outcome = match fault_of(taken) {
            Some(fault) => Err(fault),
            None => Ok(Answer::Scraped(taken.iter().map(Scraped::from).collect())),
        };
        Piece { as_of: turn.began, outcome, partial: complaint(taken), skew: taken.iter().find_map(|t| t.skew) }
    }

    /// The queues that the targets tell of together.
    fn queues(&self, taken: &[Taken], turn: Turn<'_>) -> Piece {
        let (mut all, mut left_out) = (Vec::new(), 0);
        for (row, gauges) in self.gauges.iter().enumerate() {
            let mut table = GaugeTable::new(gauges);
            for (_, group, measure, value) in taken.iter().flat_map(|t| &t.gauges).filter(|(at, ..)| *at == row) {
                table.put(group.clone(), *measure, *value);
            }
            let (queues, odd) = table.samples(turn.began);
            all.extend(queues);
            left_out += odd;
        }
        let odd = (left_out > 0).then(|| Text::from(format!("{left_out} values of queues left out: negative or no finite number")));
        let outcome = fault_of(taken).map_or(Ok(Answer::Queues(all)), Err);
        Piece { as_of: turn.began, outcome, partial: complaint(taken).or(odd), skew: taken.iter().find_map(|t| t.skew) }
    }

    async fn take(&self, target: &Target, turn: Turn<'_>) -> Taken {
        // A closed gate is none: it only bounds how many are asked at once.
        let _place = self.gate.acquire().await.ok();
        let at = (turn.now)();
        let got = self.http.call(&target.address, Call::Get(&[]), turn.left(), turn.now).await;
        let skew = got.as_ref().ok().and_then(|good| good.skew);
        let mut gauges = Vec::new();
        let counters = got.and_then(|good| {
            let bad = |e: BadLine| {
                let what = format!("{} does not serve the metrics text format ({e}); check the address", target.address.host());
                Failure::malformed(&self.name, &what)
            };
            if good.kind.as_deref().is_some_and(exposition::is_open_metrics) {
                exposition::whole(&good.body).map_err(bad)?;
            }
            gauges = self.gauges_of(&good.body, &target.labels).map_err(bad)?;
            self.wanted.pick(&good.body, &target.labels).map_err(bad)
        });
        Taken { target: target.address.shown(), at, skew, counters: counters.map_err(Failure::fault), gauges }
    }

    /// The values of a body that tell of queues.
    fn gauges_of(&self, body: &[u8], extra: &BTreeMap<String, String>) -> Result<Vec<GaugeValue>, BadLine> {
        let mut found = Vec::new();
        for sample in exposition::parse(body).filter(|_| !self.gauges.is_empty()) {
            let sample = sample?;
            let told = |(row, gauges): (usize, &Arc<QueueGauges>)| {
                let named = gauges.measures.iter().filter(|(_, s)| s.metric() == sample.name);
                named.map(|(measure, selector)| (row, Arc::clone(gauges), *measure, selector.clone())).collect::<Vec<_>>()
            };
            let rows: Vec<_> = self.gauges.iter().enumerate().flat_map(told).collect();
            if rows.is_empty() {
                continue;
            }
            let labels = labels(&sample, extra);
            let value = |name: &str| labels.get(name).map(|v| &**v);
            for (row, gauges, measure, selector) in rows {
                if selector.selects(sample.name, value) {
                    let group = Group(gauges.by.iter().map(|label| Untrusted::new(value(label).unwrap_or_default())).collect());
                    found.push((row, group, measure, sample.value));
                }
            }
        }
        Ok(found)
    }
}

impl From<&Taken> for Scraped {
    fn from(taken: &Taken) -> Self {
        let samples = taken.counters.as_ref().map(|(counters, _)| counters.clone()).map_err(Fault::clone);
        Self { target: taken.target.clone(), at: taken.at, samples }
    }
}

/// Why a scrape is not whole: targets that failed, series that are no counters.
fn complaint(taken: &[Taken]) -> Option<Text> {
    let faults: Vec<_> = taken.iter().filter_map(|t| t.counters.as_ref().err()).collect();
    let odd: usize = taken.iter().filter_map(|t| t.counters.as_ref().ok()).map(|(_, odd)| odd).sum();
    let mut said = Vec::new();
    if let Some(first) = faults.first() {
        said.push(format!("{} of {} targets failed: {}", faults.len(), taken.len(), first.message));
    }
    if odd > 0 {
        said.push(format!("{odd} series left out: negative or no finite number, or there twice"));
    }
    (!said.is_empty()).then(|| Text::clean(&said.join("; ")))
}

#[async_trait]
impl Source for Scrape {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Scrape
    }
    fn examiner(&self) -> Option<&dyn Examiner> {
        Some(self)
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        // One look at each page, whatever is wanted of it.
        let taken = join_all(self.targets.iter().map(|target| self.take(target, turn))).await;
        let piece = |want: &Want| match want {
            Want::Scrape => Self::counters(&taken, turn),
            Want::Queues => self.queues(&taken, turn),
            _ => turn.not_ours(&self.name),
        };
        let pieces = ask.wants.iter().map(piece).collect();
        turn.reading(&self.name, &ask.wants, pieces)
    }
}

#[async_trait]
impl Examiner for Scrape {
    /// Whether the bounds that are asked for are there.
    async fn examine(&self, _people: &[Person], now: Now<'_>) -> Vec<Finding> {
        let turn = Turn::begin(Lane::Short, self.deadlines, now);
        let calls =
            self.targets.iter().map(|t| async move { (t, self.http.call(&t.address, Call::Get(&[]), turn.left(), turn.now).await.ok()) });
        let pages: Vec<_> = join_all(calls).await.into_iter().filter_map(|(t, good)| Some((&t.labels, good?.body))).collect();
        let latencies = self.wanted.definitions.iter().filter_map(|d| if let Sli::Latency(l) = &d.sli { Some((d, l)) } else { None });
        let missing = latencies.filter_map(|(d, latency)| {
            let written: BTreeSet<String> = pages.iter().flat_map(|(extra, body)| bounds(body, extra, latency)).collect();
            let said = latency.missing(written.iter().map(String::as_str))?;
            Some(Finding { well: false, text: Text::clean(&format!("{}: {said}", d.id)) })
        });
        missing.collect()
    }
}

/// The bounds of a histogram on a page, as they are written.
fn bounds(body: &[u8], extra: &BTreeMap<String, String>, latency: &HistogramLatency) -> BTreeSet<String> {
    let buckets = latency.buckets();
    let of = |sample: Sample<'_>| {
        let labels = labels(&sample, extra);
        let selected = buckets.selects(sample.name, |name: &str| labels.get(name).map(|v| &**v));
        labels.get("le").filter(|_| selected).map(ToString::to_string)
    };
    exposition::parse(body).filter_map(Result::ok).filter(|s| s.name == buckets.metric()).filter_map(of).collect()
}

impl Wanted {
    fn new(definitions: Vec<Arc<Definition>>) -> Self {
        let mut by_metric: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, definition) in definitions.iter().enumerate() {
            let names = definition.sli.ratio().map(|ratio| BTreeSet::from([ratio.selector.metric(), ratio.total.metric()]));
            for name in names.into_iter().flatten() {
                by_metric.entry(name.to_owned()).or_default().push(at);
            }
        }
        Self { definitions, by_metric }
    }

    /// The counters of a body that a definition selects, by definition and series, and how many series could not be taken.
    fn pick(&self, body: &[u8], extra: &BTreeMap<String, String>) -> Result<(Vec<Counter>, usize), BadLine> {
        let (mut counters, mut odd) = (Vec::new(), 0);
        for sample in exposition::parse(body) {
            let sample = sample?;
            let Some(places) = self.by_metric.get(sample.name) else { continue };
            let labels = labels(&sample, extra);
            let selecting = places.iter().filter_map(|at| self.definitions.get(*at));
            let mut seen: Vec<_> = selecting.filter_map(|definition| counter(definition, &sample, &labels)).collect();
            if sample.value.is_finite() && sample.value >= 0.0 {
                counters.append(&mut seen);
            } else {
                odd += usize::from(!seen.is_empty());
            }
        }
        counters.sort_by(|a, b| (&a.definition, &a.series).cmp(&(&b.definition, &b.series)));
        let before = counters.len();
        counters.dedup_by(|b, a| (&a.definition, &a.series) == (&b.definition, &b.series));
        let twice = before.saturating_sub(counters.len());
        Ok((counters, odd + twice))
    }
}

/// A series' labels by name, with those of its target where it lacks them. An empty value is as good as none.
fn labels<'a>(sample: &Sample<'a>, extra: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let given = extra.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())));
    given.chain(sample.labels().filter(|(_, value)| !value.is_empty())).collect()
}

/// A sample as a definition sees it; `None` if it does not select it.
fn counter(definition: &Definition, sample: &Sample<'_>, labels: &BTreeMap<&str, Cow<'_, str>>) -> Option<Counter> {
    let value = |name: &str| labels.get(name).map(|v| &**v);
    let ratio = definition.sli.ratio()?;
    let in_total = ratio.total.selects(sample.name, value);
    let in_part = ratio.selector.selects(sample.name, value);
    (in_total || in_part).then(|| Counter {
        definition: definition.id.clone(),
        group: Group(definition.by.iter().map(|label| Untrusted::new(value(label).unwrap_or_default())).collect()),
        series: series(sample.name, labels),
        value: sample.value,
        in_total,
        in_part,
    })
}

/// `name{a="1",b="2"}`, labels in order: the same text for the same series, however it was written.
fn series(name: &str, labels: &BTreeMap<&str, Cow<'_, str>>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={}", quote(value))).collect();
    format!("{name}{{{}}}", pairs.join(","))
}
