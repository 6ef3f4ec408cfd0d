//! What was read, and what we know now.
//!
//! A [`Reading`] is what one poll of one source saw, in parts that each succeed or fail alone. A [`Snapshot`] is all that is known;
//! `fold` (in the engine) makes the next one of an [`Event`]. Both are values: no clock, no I/O.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    BurnRate, Calls, Chronicle, Definition, Duty, Entry, Episode, EventCounts, Grade, Group, Incident, IncidentId, Interval, LabelMatcher,
    Labels, Lane, LastRun, Library, Link, Objective, OnCallEntry, PagedIncident, Probed, Quantiles, QueueId, QueueMemory, QueueRow,
    QueueSample, Rota, RotationLog, Run, RunId, RunbookId, Sli, SloId, SourceName, StepOutput, Text, Thread, Untrusted, Want, Window,
};

/// Why a source gave no answer, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// No connection.
    Unreachable,
    /// No answer, or no end of it, within the deadline.
    Timeout,
    /// Credentials missing or refused (401, 403).
    Unauthorized,
    /// Asked too often (429).
    RateLimited,
    /// Any other refusal.
    Rejected,
    /// It points elsewhere (3xx), where credentials must not follow.
    Redirected,
    /// More bytes than the cap allows.
    TooLarge,
    /// An answer that is not of the expected form.
    Malformed,
    /// The certificate, or the TLS handshake.
    Tls,
    /// It is there and will answer later: it is loading its data, or has lost its master.
    NotReady,
    /// An answer that is not what was asked to be expected of it.
    Unexpected,
    /// We are cut off ourselves: nothing is known of what was to be seen.
    Offline,
    /// An expected heartbeat alert is missing: the source may be blind.
    Heartbeat,
}

impl FaultClass {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "no answer in time",
            Self::Unauthorized => "credentials refused",
            Self::RateLimited => "asked too often",
            Self::Rejected => "request refused",
            Self::Redirected => "redirects elsewhere",
            Self::TooLarge => "answer too large",
            Self::Malformed => "answer not understood",
            Self::Tls => "certificate not trusted",
            Self::NotReady => "not ready yet",
            Self::Unexpected => "answer not as expected",
            Self::Offline => "offline",
            Self::Heartbeat => "heartbeat missing",
        }
    }
}

/// Why a part of a reading is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What can be done about it.
    pub class: FaultClass,
    /// The thing, what happened, the next step.
    pub message: Text,
    /// Seconds the backend asked us to wait.
    pub retry_after_secs: Option<u64>,
}

/// What one poll of one source saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which source.
    pub source: SourceName,
    /// On which lane.
    pub lane: Lane,
    /// When the poll began.
    pub at: DateTime<Utc>,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// How far the backend's clock is ahead of ours, in seconds; `None` if it did not tell.
    pub skew_secs: Option<f64>,
    /// What it saw.
    pub parts: Vec<Part>,
}

impl Reading {
    /// The first fault among its parts.
    pub fn fault(&self) -> Option<&Fault> {
        self.parts.iter().find_map(|p| p.outcome.as_ref().err())
    }
    /// Whether any part succeeded.
    pub fn any_good(&self) -> bool {
        self.parts.iter().any(|p| p.outcome.is_ok())
    }
}

/// One part of a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was wanted.
    pub want: Want,
    /// As of when the answer holds.
    pub as_of: DateTime<Utc>,
    /// What came.
    pub outcome: Result<Answer, Fault>,
    /// Why the answer is not whole, if the backend said so.
    pub partial: Option<Text>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Want::Counts`].
    Counts(Vec<GroupCounts>),
    /// To [`Want::Presence`]: the time of each group's newest sample.
    Presence(Vec<(Group, DateTime<Utc>)>),
    /// To [`Want::History`]: per group the counts at each step; `None` where there is no sample.
    History(Vec<(Group, Points)>),
    /// To [`Want::Start`]: `None` if it began before what was looked at.
    Start(Option<DateTime<Utc>>),
    /// To [`Want::Alerts`].
    Alerts(Alerts),
    /// To [`Want::Scrape`]; the engine turns it into counts before it is stored.
    Scraped(Vec<Scraped>),
    /// To [`Want::Probe`]; the engine counts them beside it.
    Probed(Vec<Probed>),
    /// To [`Want::Duties`]: those that touch the time asked for.
    Duties(Vec<Duty>),
    /// To [`Want::Incidents`].
    Incidents(Vec<PagedIncident>),
    /// To [`Want::OnCall`].
    OnCall(Vec<OnCallEntry>),
    /// To [`Want::Queues`]: all of them; one that is left out is gone.
    Queues(Vec<QueueSample>),
}

/// Counts at some times; `None` where there is no sample.
pub type Points = Vec<(DateTime<Utc>, Option<EventCounts>)>;

/// Counts of one group over one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCounts {
    /// Which group.
    pub group: Group,
    /// What was counted; `None` if a side is missing or was not a number.
    pub counts: Option<EventCounts>,
    /// Share of the window really seen, in \[0, 1\]; `None` if not asked for.
    pub covered: Option<f64>,
    /// Whether the window cuts a gap, so that the counts are an estimate.
    pub partial: bool,
}

/// What an Alertmanager says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// Alerts that are not over, the heartbeat left out.
    pub alerts: Vec<FiringAlert>,
    /// Silences that are not expired.
    pub silences: Vec<Silence>,
    /// Whether the heartbeat fires; `None` if none is expected.
    pub heartbeat: Option<bool>,
}

/// One alert of an Alertmanager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FiringAlert {
    /// Alertmanager's hash of the labels.
    pub fingerprint: Text,
    /// As it has them.
    pub labels: Labels,
    /// As it has them.
    pub annotations: Labels,
    /// When it began.
    pub starts_at: DateTime<Utc>,
    /// Where the rule is.
    pub generator: Option<Link>,
    /// Silences that hold it back.
    pub silenced_by: Vec<String>,
    /// Alerts that hold it back.
    pub inhibited_by: Vec<String>,
}

/// One silence of an Alertmanager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// From when.
    pub starts_at: DateTime<Utc>,
    /// Until when.
    pub ends_at: DateTime<Utc>,
    /// By whom.
    pub created_by: Text,
    /// Why.
    pub comment: Text,
    /// Whether it holds now (not pending).
    pub active: bool,
    /// What it asks of an alert; none if the server did not tell.
    #[serde(default)]
    pub matchers: Vec<LabelMatcher>,
    /// How many present alerts it holds back, the heartbeat among them; `None` if that was not looked at.
    #[serde(default)]
    pub covers: Option<usize>,
}

/// The counters of one target as they stand, narrowed to what the definitions select.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scraped {
    /// Which target: its address without credentials.
    pub target: Text,
    /// When.
    pub at: DateTime<Utc>,
    /// The samples or why there are none.
    pub samples: Result<Vec<Counter>, Fault>,
}

/// One counter, as some definition sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// Which definition counts it.
    pub definition: super::DefinitionId,
    /// In which group.
    pub group: Group,
    /// The series: name and labels, in a fixed order.
    pub series: Untold,
    /// Its value, ≥ 0, finite.
    pub value: f64,
    /// Whether it counts among all events.
    pub in_total: bool,
    /// Whether it counts among the selected (good or bad) events.
    pub in_part: bool,
}

/// What a calendar told.
#[derive(Clone, Debug, PartialEq)]
pub struct Duties {
    /// For which time.
    pub between: Interval,
    /// Who is on duty.
    pub duties: Vec<Duty>,
}

/// The identity of a series, compared and stored, never shown.
pub type Untold = String;

/// Something that happened to what we know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A source was polled.
    Read(Arc<Reading>),
    /// A source will be asked again later than usual.
    Waiting(SourceName, DateTime<Utc>),
    /// The journal grew.
    Journal(Vec<Entry>),
    /// Episodes as the store has them.
    Episodes(Vec<Episode>),
    /// How long the answers took that an SLO of a probe counts.
    Latencies(SloId, Vec<(Window, Quantiles)>),
    /// Queues of a source as the store remembers them.
    Queues(SourceName, Vec<QueueMemory>),
    /// What the store and the lease are like.
    Store(StoreState),
    /// What came of a request that left no entry: a refusal.
    Toast(Toast),
    /// What was looked up of one incident.
    Chronicle(IncidentId, Box<Chronicle>),
    /// What a step that somebody looks at has written; `None` if nobody looks any more.
    Output(Option<Arc<StepOutput>>),
    /// The files of the runbooks were read anew.
    Runbooks(Arc<Library>),
    /// Time passed: freshness, lapses.
    Tick,
}

/// What we know now.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// As of when.
    pub at: DateTime<Utc>,
    /// Goes up with each change.
    pub revision: u64,
    /// Everything in one word.
    pub verdict: Verdict,
    /// SLOs, worst first.
    pub slos: Vec<Arc<SloRow>>,
    /// Open incidents, worst first.
    pub incidents: Vec<Arc<Incident>>,
    /// Sources, in the order of the plan.
    pub sources: Vec<SourceRow>,
    /// Alerts of our own, open and lately ended, by SLO and grade.
    pub episodes: BTreeMap<(SloId, Grade), Episode>,
    /// What the journal says, by subject.
    pub threads: BTreeMap<IncidentId, Thread>,
    /// The newest entries of the journal, newest last.
    pub latest: Vec<Arc<Entry>>,
    /// What Alertmanagers said last, by source.
    pub alerts: BTreeMap<SourceName, Arc<Alerts>>,
    /// Open incidents of services that page people, by source.
    pub paged: BTreeMap<SourceName, Arc<Vec<PagedIncident>>>,
    /// Who is on call, by the source that tells it.
    pub on_call: BTreeMap<SourceName, Arc<Vec<OnCallEntry>>>,
    /// What was looked up of incidents that somebody opened, by id.
    pub chronicles: BTreeMap<IncidentId, Arc<Chronicle>>,
    /// As of when that was told, by source.
    pub on_call_as_of: BTreeMap<SourceName, DateTime<Utc>>,
    /// Queues, worst first.
    pub queues: Vec<Arc<QueueRow>>,
    /// How long answers took, of SLOs of probes that somebody opened: quantiles by window, short to long.
    pub latencies: BTreeMap<SloId, Arc<Vec<(Window, Quantiles)>>>,
    /// What probes saw last, by source.
    pub probes: BTreeMap<SourceName, Arc<Vec<Probed>>>,
    /// What calendars told last, by source.
    pub duties: BTreeMap<SourceName, Arc<Duties>>,
    /// What the journal says of rotations, by name.
    pub rotation_logs: BTreeMap<Text, Arc<RotationLog>>,
    /// When somebody was called, for thirty days.
    pub calls: Arc<Calls>,
    /// Who is on call, whoever keeps the book: rotations of the config first, in its order.
    pub rotas: Vec<Arc<Rota>>,
    /// Until when these hold by themselves; `None` if they must be worked out anew.
    pub rotas_until: Option<DateTime<Utc>>,
    /// Runs of runbooks: all that are open, and the newest of the others.
    pub runs: BTreeMap<RunId, Arc<Run>>,
    /// The last run of each runbook in which something was done; one that never was run is not among them.
    pub last_runs: BTreeMap<RunbookId, Arc<LastRun>>,
    /// The runbooks there are, as their files were when they were read last.
    pub runbooks: Arc<Library>,
    /// What the step that somebody looks at has written.
    pub output: Option<Arc<StepOutput>>,
    /// Drills that were played, oldest first.
    pub drills: Vec<Arc<super::Drilled>>,
    /// What the store is like.
    pub store: StoreState,
    /// Refusals and such, newest last; the screen shows each once.
    pub toasts: Vec<Toast>,
    /// Since when nothing has been burning; `None` while something is, or if that is not known.
    pub calm_since: Option<DateTime<Utc>>,
    /// Until when no SLO will stand otherwise by the passing of time alone; `None` if that is not known.
    pub steady_until: Option<DateTime<Utc>>,
}

/// Everything in one word; the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that is watched was seen lately and is fine.
    Ok,
    /// Something cannot be seen.
    Unknown,
    /// Work for office hours.
    Warning,
    /// Somebody should be awake.
    Critical,
}

impl Verdict {
    /// The word on the chip.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How an SLO stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Seen lately, no rule fires, budget left.
    Ok,
    /// Seen lately, no events in the shortest window.
    NoTraffic,
    /// Not yet asked, or a side is missing.
    Unknown,
    /// The last good figures are too old.
    Stale,
    /// The source answers and has nothing.
    NoData,
    /// A ticket rule fires, or the budget is overspent.
    Warning,
    /// A page rule fires.
    Critical,
}

impl State {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoTraffic => "no traffic",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::NoData => "no data",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One figure over one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// What was counted; `None` if a side was missing.
    pub counts: Option<EventCounts>,
    /// Burn rate; `None` without traffic or counts.
    pub burn: Option<BurnRate>,
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Whether it is an estimate, or the backend said that the answer is not whole.
    pub partial: bool,
}

/// One SLO and all that is known of it.
#[derive(Clone, Debug)]
pub struct SloRow {
    /// `checkout/availability`.
    pub id: SloId,
    /// `checkout`.
    pub service: Text,
    /// The row it comes from.
    pub definition: Arc<Definition>,
    /// Its label values.
    pub group: Group,
    /// What is promised here.
    pub objective: Objective,
    /// How it stands.
    pub state: State,
    /// Figures by window, short to long; the period among them.
    pub figures: Vec<(Window, Figure)>,
    /// Share of the period really seen, in \[0, 1\]; `None` until asked.
    pub covered: Option<f64>,
    /// When its newest sample was taken; `None` if no answer has said.
    pub last_sample: Option<DateTime<Utc>>,
    /// When presence was last answered, with or without this group.
    pub presence_as_of: Option<DateTime<Utc>>,
    /// Since when it is without data or traffic, as far back as is known.
    pub absent_since: Option<DateTime<Utc>>,
    /// Its rules and what they say, in the definition's order.
    pub rules: Vec<RuleState>,
    /// The worst burn over the shortest window in each five minutes of the last six hours.
    pub history: Arc<History>,
}

/// What a rule says of one SLO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleState {
    /// Whether it fires; `None` if a window is unknown.
    pub firing: Option<bool>,
}

/// Cells of a sparkline, oldest first. Cell `i` covers [`History::CELL`] from `start + i · CELL`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Start of the first cell, in Unix seconds, a multiple of [`History::CELL`].
    pub start: i64,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Whether the past was fetched (or cannot be).
    pub filled: bool,
}

impl History {
    /// Seconds in a cell.
    pub const CELL: i64 = 300;
    /// Cells kept: six hours.
    pub const KEEP: usize = 72;
}

/// One cell of a sparkline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing was seen.
    #[default]
    Gap,
    /// Seen, and no event happened.
    NoTraffic,
    /// The worst burn seen.
    Burn(f32),
}

impl SourceRow {
    /// A source before its first poll.
    pub fn starting(plan: &super::SourcePlan) -> Self {
        // One microsecond to two minutes with two digits; bounds that are always valid, so the fallback is never taken.
        let latency = hdrhistogram::Histogram::new_with_bounds(1, 120_000_000, 2).or_else(|_| hdrhistogram::Histogram::new(2));
        Self {
            name: plan.name.clone(),
            kind: plan.kind,
            state: Freshness::Starting,
            partial: None,
            long_trouble: None,
            last_success: None,
            last_poll: None,
            fault: None,
            failures: 0,
            next_try: None,
            poll_ms: None,
            skew_secs: None,
            latency: latency.ok().map(Arc::new),
        }
    }
    /// Count one poll's duration, in microseconds, and refresh the quantiles.
    pub fn timed(&mut self, took_us: u64) {
        let Some(latency) = self.latency.as_mut().map(Arc::make_mut) else { return };
        latency.saturating_record(took_us.max(1));
        let ms = |q| latency.value_at_quantile(q) as f64 / 1_000.0;
        self.poll_ms = Some((ms(0.5), ms(0.99), latency.len()));
    }
}

impl SourceRow {
    /// Whether it has lately told who is on call, if it is one that does.
    pub fn tells_on_call(&self) -> bool {
        self.state == Freshness::Fresh && self.long_trouble.is_none()
    }
}

impl Snapshot {
    /// A cockpit that has seen nothing yet.
    pub fn empty(plan: &super::Plan, at: DateTime<Utc>) -> Self {
        Self {
            at,
            revision: 0,
            verdict: Verdict::Unknown,
            slos: Vec::new(),
            incidents: Vec::new(),
            sources: plan.sources.iter().map(SourceRow::starting).collect(),
            episodes: BTreeMap::new(),
            threads: BTreeMap::new(),
            latest: Vec::new(),
            alerts: BTreeMap::new(),
            paged: BTreeMap::new(),
            on_call: BTreeMap::new(),
            chronicles: BTreeMap::new(),
            on_call_as_of: BTreeMap::new(),
            queues: Vec::new(),
            latencies: BTreeMap::new(),
            probes: BTreeMap::new(),
            duties: BTreeMap::new(),
            rotation_logs: BTreeMap::new(),
            calls: Arc::default(),
            rotas: Vec::new(),
            rotas_until: None,
            runs: BTreeMap::new(),
            last_runs: BTreeMap::new(),
            runbooks: Arc::clone(&plan.runbooks),
            output: None,
            drills: Vec::new(),
            store: StoreState::default(),
            toasts: Vec::new(),
            calm_since: None,
            steady_until: None,
        }
    }
    /// The source of this name.
    pub fn source(&self, name: &SourceName) -> Option<&SourceRow> {
        self.sources.iter().find(|s| s.name == *name)
    }
    /// The certificate of a source's targets that ends first, if one is worth a warning.
    pub fn certificate_warning(&self, source: &SourceName) -> Option<Text> {
        let ends = |c: &&Probed| c.certificate.map(|certificate| certificate.ends);
        self.probes.get(source)?.iter().filter(|c| c.certificate.is_some()).min_by_key(ends)?.warning(self.at)
    }
    /// The SLO on the age of a queue, if one is promised.
    pub fn promise_of(&self, queue: &QueueRow) -> Option<&Arc<SloRow>> {
        let of_queue = |slo: &&Arc<SloRow>| {
            let named = || slo.queue().is_some_and(|name| name.text() == *queue.name());
            slo.definition.source == queue.source && named()
        };
        self.slos.iter().find(of_queue)
    }
    /// Whether something that is watched cannot be seen: a source does not answer or has not yet, or an SLO has no figures of now.
    pub fn is_blind(&self) -> bool {
        let unseen = |slo: &Arc<SloRow>| matches!(slo.state, State::Stale | State::NoData | State::Unknown);
        self.sources.iter().any(|s| s.state != Freshness::Fresh) || self.slos.iter().any(unseen)
    }
    /// Certificates that end soon, or have ended, and of which source.
    pub fn certificate_warnings(&self) -> impl Iterator<Item = (&SourceName, Text)> {
        let of = |(source, checks): (_, &Arc<Vec<Probed>>)| {
            checks.iter().filter_map(|c| c.warning(self.at)).map(move |text| (source, text)).collect::<Vec<_>>()
        };
        self.probes.iter().flat_map(of)
    }
    /// The queue of this id.
    pub fn queue(&self, id: &QueueId) -> Option<&Arc<QueueRow>> {
        self.queues.iter().find(|q| q.id == *id)
    }
    /// The open incident of this id, else the one that goes by it: that of which it is a part, or a key.
    pub fn incident(&self, id: &IncidentId) -> Option<&Arc<Incident>> {
        self.incidents.iter().find(|i| i.id == *id).or_else(|| self.incidents.iter().find(|i| i.is_called(id)))
    }
    /// What an act on this id means: the incident of that id, else the part of one that has it, else what goes by it.
    pub fn meant(&self, id: &IncidentId) -> Option<&Arc<Incident>> {
        let exact = self.incidents.iter().find(|i| i.id == *id);
        exact.or_else(|| self.incidents.iter().flat_map(|i| &i.members).find(|part| part.id == *id)).or_else(|| self.incident(id))
    }
    /// The run that is open of this runbook for this incident, if there is one.
    pub fn open_run(&self, runbook: &super::RunbookId, incident: Option<&IncidentId>) -> Option<&Arc<Run>> {
        self.runs.values().rev().find(|r| r.runbook == *runbook && r.incident.as_ref() == incident && !r.state().is_over())
    }
    /// The newest run of a runbook for an incident, if it is over and it is still to be seen what it has changed.
    pub fn watched_run(&self, runbook: &super::RunbookId, incident: &IncidentId) -> Option<&Arc<Run>> {
        let newest = self.runs.values().rev().find(|r| r.runbook == *runbook && r.incident.as_ref() == Some(incident));
        newest.filter(|r| r.state().is_over() && r.watched().is_some())
    }
    /// Open incidents that are not held back, by whether they page: pages, tickets.
    pub fn pages_and_tickets(&self) -> (usize, usize) {
        let open = self.incidents.iter().filter(|i| !i.silenced && !i.inhibited);
        open.fold((0, 0), |(p, t), i| if i.severity.pages() { (p + 1, t) } else { (p, t + usize::from(i.severity == super::Severity::P3)) })
    }
}

impl SloRow {
    /// The queue whose age is promised; `None` of any other SLO.
    pub fn queue(&self) -> Option<&Untrusted> {
        self.group.0.first().filter(|_| matches!(self.definition.sli, Sli::Queue(_)))
    }
    /// What is promised, told from all else that its service promises: `availability`; of a queue that is not called as its service is,
    /// `orders age`.
    pub fn title(&self) -> Cow<'_, str> {
        let name = self.definition.name.as_str();
        match self.queue().map(Untrusted::text) {
            Some(queue) if queue != self.service => format!("{queue} {name}").into(),
            _ => name.into(),
        }
    }
    /// The figure over `window`.
    pub fn figure(&self, window: Window) -> Option<&Figure> {
        self.figures.iter().find(|(w, _)| *w == window).map(|(_, f)| f)
    }
    /// The figure over the shortest window: what "now" means.
    pub fn now(&self) -> Option<&Figure> {
        self.figure(self.definition.shortest())
    }
    /// Burn rate over `window`.
    pub fn burn(&self, window: Window) -> Option<BurnRate> {
        self.figure(window).and_then(|f| f.burn)
    }
    /// Counts over the period.
    pub fn period_counts(&self) -> Option<EventCounts> {
        self.figure(self.definition.period).and_then(|f| f.counts)
    }
    /// Share of the budget left; `None` if nothing was counted, or if the SLO has no data, or if nobody has yet said whether it has any.
    pub fn budget_left(&self) -> Option<f64> {
        if self.state == State::NoData || self.presence_as_of.is_none() {
            return None;
        }
        super::error_budget_remaining(&self.period_counts()?, self.objective)
    }
    /// Seconds until the budget is empty at the burn of the last hour (or of the window nearest to it).
    pub fn exhausted_in_secs(&self) -> Option<f64> {
        let hour = self.burn(Window::hours(1)).or_else(|| self.now().and_then(|f| f.burn))?;
        super::time_to_exhaustion(self.budget_left()?, hour, self.definition.period)
    }
    /// The loudest grade that fires.
    pub fn firing(&self) -> Option<Grade> {
        let firing = self.rules.iter().zip(&self.definition.rules).filter(|(s, _)| s.firing == Some(true));
        firing.map(|(_, rule)| rule.grade).max()
    }
}

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// It answered lately.
    Fresh,
    /// Not yet asked, or the first answer is still awaited.
    Starting,
    /// Its last good answer is too old.
    Stale,
    /// Its last poll failed.
    Failing,
}

impl Freshness {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Starting => "starting",
            Self::Stale => "stale",
            Self::Failing => "failing",
        }
    }
}

/// One source and how polling it goes.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Its name.
    pub name: SourceName,
    /// Its kind.
    pub kind: &'static str,
    /// How it stands.
    pub state: Freshness,
    /// Why its last answer was not whole.
    pub partial: Option<Text>,
    /// What is wrong with its questions over a day and more, which travel on a lane of their own.
    pub long_trouble: Option<Text>,
    /// When it last gave all that was asked.
    pub last_success: Option<DateTime<Utc>>,
    /// When it last answered or failed.
    pub last_poll: Option<DateTime<Utc>>,
    /// What went wrong last; `None` once all is well again.
    pub fault: Option<Fault>,
    /// Polls that failed in a row.
    pub failures: u32,
    /// When it is asked next, if later than usual.
    pub next_try: Option<DateTime<Utc>>,
    /// How long polls take, in milliseconds: p50, p99, and over how many.
    pub poll_ms: Option<(f64, f64, u64)>,
    /// How far its clock is ahead of ours, in seconds.
    pub skew_secs: Option<f64>,
    /// How long polls took, in microseconds.
    pub latency: Option<Arc<hdrhistogram::Histogram<u32>>>,
}

/// What the store is like, and who polls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreState {
    /// Where it is.
    pub place: Text,
    /// Why acting is off; `None` if the journal can be written.
    pub trouble: Option<Text>,
    /// Who polls.
    pub lease: LeaseView,
}

/// Who polls.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LeaseView {
    /// Not known yet.
    #[default]
    Unknown,
    /// This cockpit.
    Ours,
    /// Another one.
    Theirs(Text),
}

/// A sentence about what just happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// Unique, ascending.
    pub serial: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it must be read (a failure) or may pass by.
    pub failure: bool,
    /// The sentence.
    pub text: Text,
    /// What it is about; `None` if it is about nothing in particular.
    pub about: Option<IncidentId>,
}
