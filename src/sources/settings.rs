//! What a backend must be told: where it is, how to speak with it, how long to wait. Nothing here can print a secret.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use chrono_tz::Tz;
use regex::Regex;
use url::Url;

use crate::domain::{Lane, Seat, Severity, SourceName, Text};

/// How to speak HTTP with a backend.
#[derive(Clone)]
pub struct HttpSettings {
    /// Where it is; a path prefix and a query stay part of every address.
    pub base: Url,
    /// Headers sent with every request, such as `X-Scope-OrgID`.
    pub headers: Vec<(String, String)>,
    /// Who we are; `None` if the address tells (`user:password@host`) or nobody asks.
    pub credentials: Option<Credentials>,
    /// Certificates to trust besides those of the system (PEM).
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), with [`HttpSettings::client_key`].
    pub client_cert: Option<PathBuf>,
    /// The key of our certificate (PEM).
    pub client_key: Option<PathBuf>,
    /// Whether certificates are not verified.
    pub insecure: bool,
    /// The most bytes of an answer, after unpacking, that are read.
    pub max_bytes: u64,
}

impl HttpSettings {
    /// The cap on an answer where nothing else is said: 32 MiB.
    pub const MAX_BYTES: u64 = 32 << 20;

    /// Settings for `base` with nothing special.
    pub fn new(base: Url) -> Self {
        let (headers, credentials, ca_file, client_cert, client_key) = (Vec::new(), None, None, None, None);
        Self { base, headers, credentials, ca_file, client_cert, client_key, insecure: false, max_bytes: Self::MAX_BYTES }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| (name, "***")).collect();
        f.debug_struct("HttpSettings")
            .field("host", &self.base.host_str())
            .field("headers", &names)
            .field("credentials", &self.credentials)
            .field("ca_file", &self.ca_file)
            .field("client_cert", &self.client_cert)
            .field("insecure", &self.insecure)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

/// What proves who we are. Its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `Authorization: Token token=…`, as PagerDuty wants its API keys.
    Key(String),
    /// `Authorization: Basic …`
    Basic {
        /// The user.
        username: String,
        /// The password; may be empty.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long a poll may take, on each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For short windows, alerts, scrapes and acts.
    pub short: Duration,
    /// For windows of a day and more, and for history.
    pub long: Duration,
}

impl Deadlines {
    /// The deadline of a lane.
    pub const fn of(self, lane: Lane) -> Duration {
        match lane {
            Lane::Short => self.short,
            Lane::Long => self.long,
        }
    }
}

/// What a Prometheus must be told.
#[derive(Clone, Debug)]
pub struct PrometheusSettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with it.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
}

/// What a RabbitMQ must be told.
#[derive(Clone, Debug)]
pub struct RabbitMqSettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with its management plugin.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Virtual hosts to look at; none for all that the user may see.
    pub vhosts: Vec<String>,
}

/// What an Alertmanager must be told.
#[derive(Clone, Debug)]
pub struct AlertmanagerSettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with it.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// The other members of its cluster, which know the same alerts and silences.
    pub peers: Vec<url::Url>,
    /// Matchers of an alert that must always fire, `alertname="Watchdog"`; `None` if none is expected.
    pub heartbeat: Option<String>,
}

/// What a PagerDuty must be told.
#[derive(Clone, Debug)]
pub struct PagerDutySettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with it.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// What urgencies and priorities mean here, by their names in small letters; others mean what they usually do.
    pub severities: BTreeMap<String, Severity>,
    /// Only incidents of the services with these ids; all if none.
    pub services: Vec<String>,
    /// Only incidents of the teams with these ids; all if none.
    pub teams: Vec<String>,
    /// Who is on call on the schedules with these ids only; on all if none.
    pub schedules: Vec<String>,
}

/// What a scrape must be told.
#[derive(Clone, Debug)]
pub struct ScrapeSettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with the targets; its `base` is not used.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Whom to ask.
    pub targets: Vec<ScrapeTarget>,
}

/// One endpoint that serves the text format.
#[derive(Clone)]
pub struct ScrapeTarget {
    /// Its whole address, `/metrics` and all.
    pub url: Url,
    /// Labels given to its series where they lack them.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Debug for ScrapeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeTarget").field("host", &self.url.host_str()).field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// What a calendar must be told.
#[derive(Clone, Debug)]
pub struct IcalSettings {
    /// The row's name.
    pub name: SourceName,
    /// Where it is.
    pub place: IcalPlace,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Of which rotation its events are.
    pub rotation: Text,
    /// Of which seat.
    pub seat: Seat,
    /// What the summary of a duty looks like, with who it is as its first group; events of another look are passed over.
    pub summary: Option<Regex>,
    /// The zone of all-day events and of times that name none; `None` for the calendar's own.
    pub time_zone: Option<Tz>,
}

/// Where a calendar is.
#[derive(Clone, Debug)]
pub enum IcalPlace {
    /// At an address, which may be a secret of its own.
    Web(Box<HttpSettings>),
    /// In a file.
    File(PathBuf),
}

/// What must be told of job queues in a Redis.
#[derive(Clone)]
pub struct RedisSettings {
    /// The row's name.
    pub name: SourceName,
    /// Where it is.
    pub place: RedisPlace,
    /// Which of its databases.
    pub db: u32,
    /// The user; `None` for the default one.
    pub username: Option<String>,
    /// The password; `None` to say nothing.
    pub password: Option<String>,
    /// Certificates to trust besides those of the system (PEM).
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether certificates are not verified.
    pub insecure: bool,
    /// The most bytes of one poll's answers that are read.
    pub max_bytes: u64,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Which library's queues.
    pub system: QueueSystem,
    /// Only the queues of these names; all that can be found if none.
    pub queues: Vec<String>,
}

/// Where a Redis is.
#[derive(Clone, Debug)]
pub enum RedisPlace {
    /// On the network.
    Net {
        /// Name or address, an IPv6 one without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether it speaks TLS.
        tls: bool,
    },
    /// At a socket of this host.
    Socket(PathBuf),
}

/// Which library keeps its queues there.
#[derive(Clone, Debug)]
pub enum QueueSystem {
    /// Sidekiq.
    Sidekiq {
        /// The namespace of old apps; empty for none.
        prefix: String,
    },
    /// BullMQ.
    BullMq {
        /// What its keys begin with.
        prefix: String,
    },
    /// Celery, and whatever else speaks through kombu.
    Celery {
        /// `global_keyprefix`; empty for none.
        prefix: String,
        /// The steps of priority that have lists of their own.
        priority_steps: Vec<u8>,
    },
    /// RQ.
    Rq {
        /// What its keys begin with.
        prefix: String,
    },
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("place", &self.place)
            .field("db", &self.db)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("system", &self.system)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

/// A setting that cannot be used; says which, so that it can be shown at its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {what}")]
pub struct BadSettings {
    /// The key as it is written in the config.
    pub key: &'static str,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl BadSettings {
    pub(super) fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self { key, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let mut http = HttpSettings::new("https://maya:hunter2@prom.example/p?token=hunter2".parse().unwrap());
        http.headers = vec![("X-API-Key".into(), "hunter2".into())];
        http.credentials = Some(Credentials::Bearer("hunter2".into()));
        let target = ScrapeTarget { url: http.base.clone(), labels: BTreeMap::new() };
        let basic = Credentials::Basic { username: "maya".into(), password: "hunter2".into() };
        let shown = format!("{http:?} {target:?} {basic:?}");
        assert!(!shown.contains("hunter2") && shown.contains("***") && shown.contains("X-API-Key"), "{shown}");
    }
}
