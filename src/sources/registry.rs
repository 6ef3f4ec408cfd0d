//! The only list of backends: the word in `kind = "…"`, and how such a row becomes a [`Source`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use regex::Regex;
use toml::Spanned;

use super::{
    Alertmanager, AlertmanagerSettings, BadSettings, Credentials, Deadlines, HttpSettings, Ical, IcalPlace, IcalSettings, JobQueues,
    PagerDuty, PagerDutySettings, Probe, ProbeSettings, Prometheus, PrometheusSettings, QueueSystem, RabbitMq, RabbitMqSettings,
    RedisPlace, RedisSettings, Scrape, ScrapeSettings, ScrapeTarget, Source, probe,
};
use crate::{
    config::{self, ClientSettings, Kind, Section, SourceCommon, SourceRow, Target},
    domain::{Definition, Feed, QueueGauges, Seat, Severity, SourceName, SourcePlan, Text},
};

/// The kinds of source there are.
pub const KINDS: [Kind; 11] = [
    Kind { word: "prometheus", counts_events: true, checks: false, has_queues: false },
    Kind { word: "scrape", counts_events: true, checks: false, has_queues: false },
    Kind { word: "probe", counts_events: true, checks: true, has_queues: false },
    Kind { word: "alertmanager", counts_events: false, checks: false, has_queues: false },
    Kind { word: "ical", counts_events: false, checks: false, has_queues: false },
    Kind { word: "pagerduty", counts_events: false, checks: false, has_queues: false },
    Kind { word: "rabbitmq", counts_events: false, checks: false, has_queues: true },
    Kind { word: "sidekiq", counts_events: false, checks: false, has_queues: true },
    Kind { word: "bullmq", counts_events: false, checks: false, has_queues: true },
    Kind { word: "celery", counts_events: false, checks: false, has_queues: true },
    Kind { word: "rq", counts_events: false, checks: false, has_queues: true },
];

/// How long an acknowledgement's silence lasts before it must be extended, unless the row says otherwise.
const ACK_FOR: Duration = Duration::from_mins(15);

/// A row that was read: how to poll it, and what to make of it once the SLO definitions are known.
#[derive(Clone, Debug)]
pub struct Row {
    /// How it is polled.
    pub plan: SourcePlan,
    settings: Settings,
}

#[derive(Clone, Debug)]
enum Settings {
    Prometheus(PrometheusSettings),
    Alertmanager(AlertmanagerSettings),
    Scrape(ScrapeSettings),
    Probe(ProbeSettings),
    Ical(IcalSettings),
    PagerDuty(PagerDutySettings),
    RabbitMq(RabbitMqSettings),
    JobQueues(Box<RedisSettings>),
}

/// Read a `[[source]]` row; its mistakes are reported at their places. `None` if nothing can be made of it.
pub fn read(row: &mut SourceRow) -> Option<Row> {
    let common = match row.kind.as_str() {
        // Many pages, one after the other, and an allowance of requests that all tools of an account share.
        "pagerduty" => SourceCommon::read_with(&mut row.section, 30, 20),
        // Rotas change seldom, and makers of calendars are slow and refuse those who ask often.
        "ical" => SourceCommon::read_with(&mut row.section, 300, 20),
        _ => SourceCommon::read(&mut row.section),
    };
    let name = row.name.clone();
    let deadlines = Deadlines { short: common.timeout, long: common.timeout_long };
    let (kind, settings, ack_for) = match row.kind.as_str() {
        "prometheus" => ("prometheus", prometheus(&mut row.section, name, deadlines), ACK_FOR),
        "scrape" => ("scrape", scrape(&mut row.section, name, deadlines), ACK_FOR),
        "probe" => ("probe", probe::read(&mut row.section, name, deadlines, settings).map(Settings::Probe), ACK_FOR),
        "alertmanager" => {
            let ack_for = row.section.duration("ack_for").map_or(ACK_FOR, Spanned::into_inner);
            ("alertmanager", alertmanager(&mut row.section, name, deadlines), ack_for)
        }
        "ical" => ("ical", ical(&mut row.section, name, deadlines), ACK_FOR),
        "rabbitmq" => ("rabbitmq", rabbitmq(&mut row.section, name, deadlines), ACK_FOR),
        "pagerduty" => ("pagerduty", pagerduty(&mut row.section, name, deadlines), ACK_FOR),
        "sidekiq" => ("sidekiq", job_queues(&mut row.section, name, deadlines, sidekiq), ACK_FOR),
        "bullmq" => ("bullmq", job_queues(&mut row.section, name, deadlines, bullmq), ACK_FOR),
        "celery" => ("celery", job_queues(&mut row.section, name, deadlines, celery), ACK_FOR),
        "rq" => ("rq", job_queues(&mut row.section, name, deadlines, rq), ACK_FOR),
        _ => return None,
    };
    let settings = settings?;
    let ack_silences = kind == "alertmanager" && row.section.bool("ack_silences").is_some_and(Spanned::into_inner);
    let severities = if kind == "alertmanager" { severities(&mut row.section) } else { BTreeMap::new() };
    let (heartbeat, insecure) = match &settings {
        Settings::Alertmanager(s) => (s.heartbeat.is_some(), s.http.insecure),
        Settings::Prometheus(s) => (false, s.http.insecure),
        Settings::Scrape(s) => (false, s.http.insecure),
        Settings::Probe(s) => (false, s.http.insecure),
        Settings::Ical(s) => (false, matches!(&s.place, IcalPlace::Web(http) if http.insecure)),
        Settings::PagerDuty(s) => (false, s.http.insecure),
        Settings::RabbitMq(s) => (false, s.http.insecure),
        Settings::JobQueues(s) => (false, s.insecure),
    };
    // A scrape and a probe take their samples themselves, each poll.
    let scrape_interval = if matches!(kind, "scrape" | "probe") { common.every } else { common.scrape_interval };
    let (every, timeout, timeout_long) = (common.every, common.timeout, common.timeout_long);
    let name = row.name.clone();
    let plan =
        SourcePlan { name, kind, every, timeout, timeout_long, ack_for, ack_silences, severities, heartbeat, scrape_interval, insecure };
    Some(Row { plan, settings })
}

impl Row {
    /// The seat of a rota that the source keeps, if it keeps one.
    pub fn feed(&self) -> Option<Feed> {
        match &self.settings {
            Settings::Ical(s) => Some(Feed { source: self.plan.name.clone(), rotation: s.rotation.clone(), seat: s.seat }),
            _ => None,
        }
    }
    /// The source itself. Fails if a certificate cannot be read, or the like.
    pub fn source(&self, definitions: &[Arc<Definition>], gauges: &[Arc<QueueGauges>]) -> Result<Arc<dyn Source>, BadSettings> {
        let ours: Vec<_> = definitions.iter().filter(|d| d.source == self.plan.name).cloned().collect();
        let gauges = gauges.iter().filter(|g| g.source == self.plan.name).cloned().collect();
        Ok(match self.settings.clone() {
            Settings::Prometheus(settings) => Arc::new(Prometheus::new(settings, ours)?.with_queues(gauges)),
            Settings::Alertmanager(settings) => Arc::new(Alertmanager::new(settings)?),
            Settings::Scrape(settings) => Arc::new(Scrape::new(settings, ours)?.with_queues(gauges)),
            Settings::Probe(settings) => Arc::new(Probe::new(settings)?),
            Settings::Ical(settings) => Arc::new(Ical::new(settings)?),
            Settings::PagerDuty(settings) => Arc::new(PagerDuty::new(settings)?),
            Settings::RabbitMq(settings) => Arc::new(RabbitMq::new(settings)?),
            Settings::JobQueues(settings) => Arc::new(JobQueues::new(*settings)?),
        })
    }
}

/// What the probes among `rows` promise of themselves, beside the SLOs of the config.
pub fn promises(rows: &[Row], configured: &[Arc<Definition>]) -> Vec<Arc<Definition>> {
    let probes = rows.iter().filter_map(|row| if let Settings::Probe(settings) = &row.settings { Some(settings) } else { None });
    probe::promises(probes, configured)
}

fn prometheus(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let http = http(config::HttpSettings::read(section));
    Some(Settings::Prometheus(PrometheusSettings { name, http: http?, deadlines }))
}

fn alertmanager(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let http = http(config::HttpSettings::read(section));
    let heartbeat = section.str("heartbeat").map(Spanned::into_inner);
    let peers = section.addresses("peers");
    Some(Settings::Alertmanager(AlertmanagerSettings { name, http: http?, deadlines, peers, heartbeat }))
}

/// A broker, or some of its virtual hosts.
fn rabbitmq(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let http = http(config::HttpSettings::read(section));
    let vhosts = section.strings("vhosts");
    let well = vhosts.is_some() || !section.has("vhosts");
    let vhosts = vhosts.unwrap_or_default().into_iter().map(Spanned::into_inner).collect();
    Some(Settings::RabbitMq(RabbitMqSettings { name, http: http?, deadlines, vhosts })).filter(|_| well)
}

/// One account, in America or in Europe.
fn pagerduty(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let region = section.one_of("region", &["us", "eu"]).map(Spanned::into_inner);
    if region.is_some() && section.has("url") {
        section.error_with_help(&section.key_span("region"), "`region` and `url` both", "keep one of them");
    }
    let host = if region == Some("eu") { "https://api.eu.pagerduty.com" } else { "https://api.pagerduty.com" };
    let base = if section.has("url") { section.url("url").map(Spanned::into_inner) } else { host.parse().ok() };
    let tells = ["token", "token_file", "token_env", "token_command"].iter().any(|key| section.has(key));
    if !tells {
        section.missing("token_file", "\"~/.config/burnwatch/pagerduty\"");
    }
    let client = ClientSettings::read(section);
    let oauth = section.bool("oauth").is_some_and(Spanned::into_inner);
    let severities = severities(section);
    let mut ids = |key| section.strings(key).unwrap_or_default().into_iter().map(Spanned::into_inner).collect();
    let (services, teams, schedules) = (ids("services"), ids("teams"), ids("schedules"));
    let mut http = settings(base?, client);
    if let (Some(Credentials::Bearer(token)), false) = (&http.credentials, oauth) {
        http.credentials = Some(Credentials::Key(token.clone()));
    }
    Some(Settings::PagerDuty(PagerDutySettings { name, http, deadlines, severities, services, teams, schedules }))
}

/// `[source.severities]`: what urgencies and priorities mean here.
fn severities(section: &mut Section) -> BTreeMap<String, Severity> {
    const WORDS: [(&str, Severity); 5] =
        [("P1", Severity::P1), ("P2", Severity::P2), ("P3", Severity::P3), ("P4", Severity::P4), ("P5", Severity::P5)];
    let Some(mut table) = section.table("severities") else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for name in table.keys() {
        let word = table.one_of(name.get_ref(), &WORDS.map(|(word, _)| word));
        let severity = word.and_then(|word| WORDS.into_iter().find(|(w, _)| w == word.get_ref()));
        found.extend(severity.map(|(_, severity)| (name.get_ref().to_lowercase(), severity)));
    }
    table.finish();
    found
}

/// One page, or several.
fn scrape(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let (targets, client) = (Target::read_all(section), ClientSettings::read(section));
    let first = targets.first()?.url.clone();
    let targets = targets.into_iter().map(|t| ScrapeTarget { url: t.url, labels: t.labels }).collect();
    Some(Settings::Scrape(ScrapeSettings { name, http: settings(first, client), deadlines, targets }))
}

/// A feed at an address, or in a file.
fn ical(section: &mut Section, name: SourceName, deadlines: Deadlines) -> Option<Settings> {
    let rotation = section.name("rotation", "\"payments\"");
    let words = Seat::ALL.map(Seat::word);
    let seat = if section.has("seat") { section.one_of("seat", &words).map(|s| *s.get_ref()) } else { Some(Seat::Primary.word()) };
    let seat = Seat::ALL.into_iter().find(|s| Some(s.word()) == seat);
    let (well, summary) = pattern(section);
    let time_zone = section.zone("time_zone");
    let place = if section.has("file") {
        section.file("file").map(|path| IcalPlace::File(path.into_inner()))
    } else {
        let (url, client) = (section.feed_url("url"), ClientSettings::read(section));
        url.map(|url| IcalPlace::Web(Box::new(settings(url, client))))
    };
    let rotation = Text::clean(rotation?.get_ref());
    let settings = IcalSettings { name, place: place?, deadlines, rotation, seat: seat?, summary, time_zone };
    well.then_some(Settings::Ical(settings))
}

/// `summary`, and whether it is well.
fn pattern(section: &mut Section) -> (bool, Option<Regex>) {
    let Some(text) = section.str("summary") else { return (!section.has("summary"), None) };
    let read = Regex::new(text.get_ref()).ok().filter(|look| look.captures_len() == 2);
    if read.is_none() {
        let help = "such as '^On call: (.+)$'";
        section.error_with_help(&text.span(), "`summary` is a regular expression with one group in parentheses, around who it is", help);
    }
    (read.is_some(), read)
}

/// Queues in a Redis; `system` reads the keys of one library.
fn job_queues(section: &mut Section, name: SourceName, deadlines: Deadlines, system: fn(&mut Section) -> QueueSystem) -> Option<Settings> {
    let redis = config::RedisSettings::read(section);
    let system = system(section);
    let mut queues: Vec<_> = section.strings("queues").unwrap_or_default().into_iter().map(Spanned::into_inner).collect();
    queues.sort();
    queues.dedup();
    let redis = redis?;
    let place = match redis.place {
        config::RedisPlace::Net { host, port, tls } => RedisPlace::Net { host, port, tls },
        config::RedisPlace::Socket(path) => RedisPlace::Socket(path),
    };
    Some(Settings::JobQueues(Box::new(RedisSettings {
        name,
        place,
        db: redis.db,
        username: redis.username,
        password: redis.password.map(|p| p.expose().to_owned()),
        ca_file: redis.ca_file,
        identity: redis.client_identity.map(|i| (i.cert, i.key)),
        insecure: redis.insecure_skip_verify,
        max_bytes: redis.max_bytes,
        deadlines,
        system,
        queues,
    })))
}

/// What all keys of a library begin with.
fn prefix(section: &mut Section, usual: &str) -> String {
    section.str("prefix").map_or_else(|| usual.to_owned(), Spanned::into_inner)
}

fn sidekiq(section: &mut Section) -> QueueSystem {
    QueueSystem::Sidekiq { prefix: prefix(section, "") }
}

fn bullmq(section: &mut Section) -> QueueSystem {
    QueueSystem::BullMq { prefix: prefix(section, "bull") }
}

fn rq(section: &mut Section) -> QueueSystem {
    QueueSystem::Rq { prefix: prefix(section, "rq") }
}

fn celery(section: &mut Section) -> QueueSystem {
    let prefix = prefix(section, "");
    let priority_steps = section.integers("priority_steps", 0, 255).unwrap_or_else(|| vec![0, 3, 6, 9]);
    let priority_steps = priority_steps.into_iter().filter_map(|n| u8::try_from(n).ok()).collect();
    QueueSystem::Celery { prefix, priority_steps }
}

fn http(read: Option<config::HttpSettings>) -> Option<HttpSettings> {
    read.map(|read| settings(read.url, read.client))
}

fn settings(base: url::Url, client: ClientSettings) -> HttpSettings {
    let credentials = client.credentials.map(|c| match c {
        config::Credentials::Bearer(token) => Credentials::Bearer(token.expose().to_owned()),
        config::Credentials::Basic { username, password } => Credentials::Basic { username, password: password.expose().to_owned() },
    });
    let (client_cert, client_key) = client.client_identity.map(|i| (i.cert, i.key)).unzip();
    HttpSettings {
        base,
        headers: client.headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect(),
        credentials,
        ca_file: client.ca_file,
        client_cert,
        client_key,
        insecure: client.insecure_skip_verify,
        max_bytes: client.max_bytes,
    }
}
