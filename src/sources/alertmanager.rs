//! Alertmanager: what fires there, what is silenced, and whether its heartbeat is heard.
//!
//! One want, two requests: alerts and silences. If either fails the part fails, because alerts without their silences would look as
//! though nobody had them. Old and new servers differ in what they leave out; what is missing is taken as absent, never as an error.
//! The acting side is in `silence`.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    address::{Address, hex},
    failure::{Failure, json_trouble},
    http::{Call, Http},
    settings::{AlertmanagerSettings, BadSettings, Deadlines},
    source::{Gives, Lanes, Now, Piece, Responder, Source, Turn},
};
use crate::domain::{
    Alerts, Answer, Ask, FiringAlert, LabelMatcher, Labels, Lane, Link, Matcher, Matchers, Op, Reading, Selector, Silence, SourceName,
    Text, Want,
};

/// An Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    pub(super) name: SourceName,
    pub(super) http: Http,
    /// Every member of the cluster, that of `url` first.
    pub(super) members: Vec<Address>,
    pub(super) deadlines: Deadlines,
    heartbeat: Vec<Matcher>,
    lanes: Lanes,
}

impl Alertmanager {
    /// An Alertmanager. A heartbeat that is not a list of matchers is refused.
    pub fn new(settings: AlertmanagerSettings) -> Result<Self, BadSettings> {
        let urls = std::iter::once(&settings.http.base).chain(&settings.peers);
        let members = urls.map(|url| Ok(Address::new(url)?.join(&["api", "v2"]))).collect::<Result<Vec<_>, BadSettings>>()?;
        let http = Http::new(&settings.name, &settings.http, &members, "application/json")?;
        let heartbeat = settings.heartbeat.as_deref().map(matchers).transpose()?.unwrap_or_default();
        Ok(Self { name: settings.name, http, members, deadlines: settings.deadlines, heartbeat, lanes: Lanes::new() })
    }

    async fn piece(&self, want: &Want, turn: Turn<'_>) -> Piece {
        if *want != Want::Alerts {
            return turn.not_ours(&self.name);
        }
        let told = join_all(self.members.iter().map(|member| self.told(member, &turn))).await;
        let (count, mut failed) = (told.len(), Vec::new());
        let (mut alerts, mut silences, mut skew, mut good) = (Vec::new(), Vec::new(), None, 0);
        for found in told {
            match found {
                Ok((theirs, held, ahead)) => {
                    merge_alerts(&mut alerts, theirs);
                    merge_silences(&mut silences, held);
                    skew = skew.or(ahead);
                    good += 1;
                }
                Err(failure) => failed.push(failure),
            }
        }
        let partial = failed
            .first()
            .filter(|_| good > 0)
            .map(|failure| Text::clean(&format!("{}: {} of {count} peers told nothing: {}", self.name, failed.len(), failure.why())));
        let outcome = match failed.into_iter().next().filter(|_| good == 0) {
            Some(failure) => Err(failure.fault()),
            None => Ok(Answer::Alerts(self.put_together(alerts, silences, turn.began))),
        };
        Piece { as_of: turn.began, outcome, partial, skew }
    }

    /// What one member of the cluster tells.
    async fn told(&self, member: &Address, turn: &Turn<'_>) -> Result<(Vec<WireAlert>, Vec<WireSilence>, Option<f64>), Failure> {
        let every = [("active", "true"), ("silenced", "true"), ("inhibited", "true"), ("unprocessed", "true")];
        let alerts = self.list::<WireAlert>(member, "alerts", &every, turn);
        let silences = self.list::<WireSilence>(member, "silences", &[], turn);
        let ((alerts, skew), (silences, _)) = futures::try_join!(alerts, silences)?;
        Ok((alerts, silences, skew))
    }

    async fn list<T: DeserializeOwned>(
        &self,
        member: &Address,
        what: &str,
        query: &[(&str, &str)],
        turn: &Turn<'_>,
    ) -> Result<(Vec<T>, Option<f64>), Failure> {
        let _place = self.lanes.enter(&self.name, turn).await?;
        let good = self.http.call(&member.join(&[what]), Call::Get(query), turn.left(), turn.now).await?;
        Ok((decode::<Vec<T>>(&self.name, &good.body)?.unwrap_or_default(), good.skew))
    }

    fn put_together(&self, alerts: Vec<WireAlert>, silences: Vec<WireSilence>, now: DateTime<Utc>) -> Alerts {
        let silences: Vec<_> = silences.into_iter().filter(|s| s.holds(now) != Holds::Over).collect();
        let mut held: HashMap<&str, usize> = HashMap::new();
        for id in alerts.iter().flat_map(|a| &a.status.silenced_by) {
            *held.entry(id).or_default() += 1;
        }
        let silences = silences.into_iter().map(|s| s.silence(&held, &alerts, now)).collect();
        let (beats, alerts): (Vec<_>, Vec<_>) = alerts.into_iter().partition(|alert| self.is_heartbeat(&alert.labels));
        let alerts: Vec<_> = alerts.into_iter().map(|alert| alert.firing(now)).collect();
        Alerts { alerts, silences, heartbeat: (!self.heartbeat.is_empty()).then_some(!beats.is_empty()) }
    }

    /// Whether an alert is the one that must always fire. It beats even while somebody silences it: it has arrived.
    fn is_heartbeat(&self, labels: &Labels) -> bool {
        let value = |name: &str| labels.get(name).map_or("", |v| v.raw());
        !self.heartbeat.is_empty() && self.heartbeat.iter().all(|m| m.matches(value(&m.label)))
    }
}

#[async_trait]
impl Source for Alertmanager {
    fn name(&self) -> &SourceName {
        &self.name
    }
    fn gives(&self) -> Gives {
        Gives::Alerts
    }
    async fn poll(&self, ask: &Ask, lane: Lane, now: Now<'_>) -> Reading {
        let turn = Turn::begin(lane, self.deadlines, now);
        let pieces = join_all(ask.wants.iter().map(|want| self.piece(want, turn))).await;
        turn.reading(&self.name, &ask.wants, pieces)
    }
    fn responder(&self) -> Option<&dyn Responder> {
        Some(self)
    }
}

/// What another member tells of the same alerts: an alert is one by its fingerprint, and is held back by whatever any of them says.
fn merge_alerts(kept: &mut Vec<WireAlert>, theirs: Vec<WireAlert>) {
    if kept.is_empty() {
        *kept = theirs;
        return;
    }
    let name = |alert: &WireAlert| if alert.fingerprint.is_empty() { fingerprint(&alert.labels) } else { alert.fingerprint.clone() };
    let places: HashMap<String, usize> = kept.iter().enumerate().map(|(at, alert)| (name(alert), at)).collect();
    for alert in theirs {
        let Some(known) = places.get(&name(&alert)).and_then(|at| kept.get_mut(*at)) else {
            kept.push(alert);
            continue;
        };
        known.starts_at = known.starts_at.into_iter().chain(alert.starts_at).min();
        let more = |ours: &mut Vec<String>, theirs: Vec<String>| {
            let new: Vec<_> = theirs.into_iter().filter(|id| !ours.contains(id)).collect();
            ours.extend(new);
        };
        more(&mut known.status.silenced_by, alert.status.silenced_by);
        more(&mut known.status.inhibited_by, alert.status.inhibited_by);
    }
}

/// Of a silence that several members list the one that was changed last, as far as its end tells.
pub(super) fn merge_silences(kept: &mut Vec<WireSilence>, theirs: Vec<WireSilence>) {
    for silence in theirs {
        match kept.iter_mut().find(|known| known.id == silence.id) {
            Some(known) if silence.updated_at > known.updated_at => *known = silence,
            Some(_) => {}
            None => kept.push(silence),
        }
    }
}

/// `alertname="Watchdog", cluster=~"eu-.*"`, as the matchers of a selector.
fn matchers(text: &str) -> Result<Vec<Matcher>, BadSettings> {
    let bad = |what: String| BadSettings::new("heartbeat", format!("{what}; write it as alertname=\"Watchdog\""));
    let selector: Selector = format!("heartbeat{{{text}}}").parse().map_err(|e| bad(format!("is not a list of matchers: {e}")))?;
    let matchers = selector.matchers().to_vec();
    if matchers.is_empty() { Err(bad("names no label".to_owned())) } else { Ok(matchers) }
}

/// JSON of an Alertmanager; Go writes an empty list as `null` at times.
pub(super) fn decode<T: DeserializeOwned>(source: &SourceName, body: &[u8]) -> Result<Option<T>, Failure> {
    let bad = |e| {
        let what = format!("the answer is not what an Alertmanager sends ({}); check `url` and proxies before it", json_trouble(&e));
        Failure::malformed(source, &what)
    };
    serde_json::from_slice(body).map_err(bad)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireAlert {
    #[serde(deserialize_with = "or_default")]
    labels: Labels,
    #[serde(deserialize_with = "or_default")]
    annotations: Labels,
    #[serde(deserialize_with = "instant")]
    starts_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "or_default")]
    fingerprint: String,
    #[serde(rename = "generatorURL", deserialize_with = "or_default")]
    generator: String,
    #[serde(deserialize_with = "or_default")]
    status: WireStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireStatus {
    #[serde(deserialize_with = "or_default")]
    silenced_by: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    inhibited_by: Vec<String>,
}

impl WireAlert {
    fn firing(self, now: DateTime<Utc>) -> FiringAlert {
        let fingerprint = if self.fingerprint.is_empty() { fingerprint(&self.labels) } else { self.fingerprint };
        FiringAlert {
            fingerprint: Text::clean(&fingerprint),
            starts_at: self.starts_at.unwrap_or(now),
            generator: Link::web("alert rule", &self.generator),
            silenced_by: self.status.silenced_by,
            inhibited_by: self.status.inhibited_by,
            labels: self.labels,
            annotations: self.annotations,
        }
    }
}

/// A stand-in for a fingerprint that a server leaves out: the same for the same labels.
fn fingerprint(labels: &Labels) -> String {
    let mut hash = Sha256::new();
    for (name, value) in &labels.0 {
        hash.update(name.raw());
        hash.update([0xff]);
        hash.update(value.raw());
        hash.update([0xff]);
    }
    hex(hash.finalize().iter().take(8))
}

/// A silence as it travels.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireSilence {
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub comment: String,
    #[serde(deserialize_with = "or_default")]
    pub created_by: String,
    #[serde(deserialize_with = "instant")]
    pub starts_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "instant")]
    pub ends_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "instant")]
    pub updated_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "or_default")]
    pub matchers: Vec<WireMatcher>,
    #[serde(deserialize_with = "or_default")]
    status: WireState,
}

/// A matcher as it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireMatcher {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    value: String,
    #[serde(deserialize_with = "or_default")]
    is_regex: bool,
    /// Absent on old servers, which know no negation.
    is_equal: Option<bool>,
}

impl From<&LabelMatcher> for WireMatcher {
    fn from(matcher: &LabelMatcher) -> Self {
        Self {
            name: matcher.name.raw().to_owned(),
            value: matcher.value.raw().to_owned(),
            is_regex: matches!(matcher.op, Op::Match | Op::NotMatch),
            is_equal: Some(matches!(matcher.op, Op::Equal | Op::Match)),
        }
    }
}

impl From<&WireMatcher> for LabelMatcher {
    fn from(wire: &WireMatcher) -> Self {
        let op = match (wire.is_regex, wire.is_equal.unwrap_or(true)) {
            (false, true) => Op::Equal,
            (false, false) => Op::NotEqual,
            (true, true) => Op::Match,
            (true, false) => Op::NotMatch,
        };
        Self::new(&wire.name, op, &wire.value)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireState {
    #[serde(deserialize_with = "or_default")]
    state: String,
}

/// How long after a silence began the alerts may be told without it: two answers are not of one moment.
const YOUNG: TimeDelta = TimeDelta::seconds(60);

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// It has not begun.
    Later,
    /// It holds.
    Now,
    /// It is over.
    Over,
}

impl WireSilence {
    /// Where it stands, by the server's word, else by its times.
    pub fn holds(&self, now: DateTime<Utc>) -> Holds {
        match self.status.state.as_str() {
            "active" => Holds::Now,
            "pending" => Holds::Later,
            "expired" => Holds::Over,
            _ if self.ends_at.is_some_and(|end| end <= now) => Holds::Over,
            _ if self.starts_at.is_some_and(|start| start > now) => Holds::Later,
            _ => Holds::Now,
        }
    }
    /// What it asks of alerts.
    pub fn asks(&self) -> Vec<LabelMatcher> {
        self.matchers.iter().map(LabelMatcher::from).collect()
    }
    /// It holds back what the server says; of one that has just begun the alerts' answer may not know yet, so its own words count.
    fn silence(self, held: &HashMap<&str, usize>, alerts: &[WireAlert], now: DateTime<Utc>) -> Silence {
        let (active, matchers) = (self.holds(now) == Holds::Now, self.asks());
        let young = || self.starts_at.is_none_or(|at| now - at < YOUNG) && !matchers.is_empty();
        let covers = match (held.get(self.id.as_str()), Matchers::new(&matchers)) {
            (None, Ok(ready)) if young() => alerts.iter().filter(|a| ready.cover(&a.labels)).count(),
            (count, _) => count.copied().unwrap_or_default(),
        };
        Silence {
            covers: active.then_some(covers),
            active,
            matchers,
            starts_at: self.starts_at.unwrap_or(now),
            ends_at: self.ends_at.unwrap_or(now),
            created_by: Text::clean(&self.created_by),
            comment: Text::clean(&self.comment),
            id: self.id,
        }
    }
}

/// `null` as nothing.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// A time; what is none is taken as absent.
pub(super) fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.and_then(|t| DateTime::parse_from_rfc3339(&t).ok()).map(|t| t.to_utc()))
}
