//! Open incidents out of what Alertmanagers say, our own episodes, and the journal's threads.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::covers::{Aliases, Covers};
use crate::domain::{
    ACK_PREFIX, Ack, Actor, Alerts, Delivery, Episode, FaultClass, FiringAlert, Freshness, Grade, Incident, IncidentId, Labels, Link,
    Origin, Plan, Severity, Silence, SloId, SloRow, Snapshot, SourceName, SourceRow, Status, Target, Text, Untrusted, grouped, order,
    spoken,
};

/// How long after an acknowledgement was delivered its silence may be missing from what the Alertmanager lists.
const SILENCE_GRACE: TimeDelta = TimeDelta::seconds(30);

/// All open incidents, worst first.
pub fn incidents(snapshot: &Snapshot, plan: &Plan, now: DateTime<Utc>) -> Vec<Arc<Incident>> {
    let covers = Covers::new(snapshot, now);
    let aliases = Aliases::new(plan);
    let mut flat: Vec<Incident> = Vec::new();
    for (source, alerts) in &snapshot.alerts {
        let kept = Kept {
            source,
            alerts,
            severities: plan.source(source).map(|s| &s.severities),
            silences: alerts.silences.iter().map(|s| (s.id.as_str(), s)).collect(),
            stale: snapshot.source(source).is_none_or(|s| !confirms(s, plan, now)),
            answered: snapshot.source(source).and_then(|s| s.last_success),
        };
        flat.extend(alerts.alerts.iter().map(|a| of_alert(snapshot, &kept, &covers, a, now)));
    }
    flat.extend(super::paged::incidents(snapshot, plan, &covers, now));
    aliases.resolve(&mut flat);
    let rows = rows_of(snapshot);
    let paging = |e: &Episode| snapshot.episodes.get(&(e.slo.clone(), Grade::Page)).is_some_and(|p| p.ended_at.is_none());
    let open = snapshot.episodes.values().filter(|e| e.ended_at.is_none());
    // While an SLO pages, its ticket is the same trouble.
    let own = open.filter(|e| e.grade == Grade::Page || !paging(e));
    flat.extend(own.filter_map(|e| Some(of_episode(snapshot, plan, rows.get(&e.slo)?, &covers, e, now))));
    flat.extend(super::queues::incidents(snapshot, plan, &covers, now));
    let version = |id: &IncidentId| snapshot.threads.get(id).map_or(0, |t| t.version);
    let mut all = grouped(flat, plan, version);
    all.sort_by(|a, b| order(a).cmp(&order(b)));
    all
}

/// What an Alertmanager said last, ready to be looked through.
struct Kept<'a> {
    source: &'a SourceName,
    alerts: &'a Alerts,
    severities: Option<&'a BTreeMap<String, Severity>>,
    silences: HashMap<&'a str, &'a Silence>,
    stale: bool,
    answered: Option<DateTime<Utc>>,
}

/// Whether a source has said lately what fires. One whose heartbeat is missing has: it may not know of every alert, but it has those.
fn confirms(source: &SourceRow, plan: &Plan, now: DateTime<Utc>) -> bool {
    let lately = |at: DateTime<Utc>| plan.source(&source.name).is_some_and(|p| (now - at).to_std().is_ok_and(|age| age <= p.stale_after()));
    let unheard = source.fault.as_ref().is_some_and(|f| f.class == FaultClass::Heartbeat);
    source.state == Freshness::Fresh || unheard && source.last_poll.is_some_and(lately)
}

/// The rows of SLOs that have an open episode.
fn rows_of(snapshot: &Snapshot) -> HashMap<&SloId, &SloRow> {
    let open: HashSet<&SloId> = snapshot.episodes.values().filter(|e| e.ended_at.is_none()).map(|e| &e.slo).collect();
    if open.is_empty() {
        return HashMap::new();
    }
    snapshot.slos.iter().filter(|r| open.contains(&r.id)).map(|r| (&r.id, &**r)).collect()
}

fn of_alert(snapshot: &Snapshot, kept: &Kept<'_>, covers: &Covers<'_>, alert: &FiringAlert, now: DateTime<Utc>) -> Incident {
    let Kept { source, silences, .. } = kept;
    let id = IncidentId::new(&format!("{source}:{}", alert.fingerprint));
    let thread = snapshot.threads.get(&id);
    let (acks, others): (Vec<&Silence>, Vec<&Silence>) = alert
        .silenced_by
        .iter()
        .filter_map(|s| silences.get(s.as_str()).copied())
        .partition(|s| s.comment.as_str().starts_with(ACK_PREFIX));
    let unlisted = alert.silenced_by.len() > acks.len() + others.len();
    let listed = |ack: &Ack| ack.silence.as_ref().and_then(|id| silences.get(id.as_str()));
    let held = covers.of_alert(&id, thread, source, alert).find(|(ack, delivered)| {
        let young = kept.answered.is_none_or(|at| at < delivered.unwrap_or(ack.at) + SILENCE_GRACE);
        stands(ack, now) && (young || carried(ack, kept.alerts))
    });
    let ack = held.map(|(mut ack, _)| {
        ack.until = listed(&ack).map(|s| s.ends_at).or(ack.until);
        ack
    });
    let ack = ack.or_else(|| acks.iter().max_by_key(|s| s.ends_at).map(|s| theirs(s, source, &alert.labels)));
    let name = alert.labels.get("alertname").map(Untrusted::text).unwrap_or_default();
    Incident {
        title: title(alert, &name),
        severity: severity(kept.severities, alert),
        service: crate::domain::service_of_labels(&alert.labels),
        status: if ack.is_some() { Status::Acknowledged } else { Status::Triggered },
        since: Some(alert.starts_at),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        links: links(alert),
        sources: vec![(*source).clone()],
        silenced: !others.is_empty() || unlisted,
        inhibited: !alert.inhibited_by.is_empty(),
        lapsed: if ack.is_none() { covers.of_alert(&id, thread, source, alert).find_map(|(ack, _)| lapsed(&ack, now)) } else { None },
        ack,
        version: thread.map_or(0, |t| t.version),
        origin: Origin::Alertmanager { source: (*source).clone(), starts_at: alert.starts_at },
        stale: kept.stale,
        members: Vec::new(),
        keys: Vec::new(),
        id,
    }
}

/// What the row's own table says of the label, else what that usually means.
fn severity(own: Option<&BTreeMap<String, Severity>>, alert: &FiringAlert) -> Severity {
    let label = alert.labels.get("severity").map(Untrusted::raw);
    let table = own.filter(|table| !table.is_empty()).and_then(|table| table.get(&label.unwrap_or_default().to_lowercase()).copied());
    table.unwrap_or_else(|| Severity::from_label(label))
}

/// The alert's name and what its summary adds.
fn title(alert: &FiringAlert, name: &Text) -> Text {
    let summary = ["summary", "title", "description"].iter().find_map(|a| alert.annotations.get(a)).map(Untrusted::text);
    match summary {
        Some(summary) if !summary.is_empty() => summary,
        _ if name.is_empty() => Text::from("an alert without a name"),
        _ => name.clone(),
    }
}

fn links(alert: &FiringAlert) -> Vec<Link> {
    let named = [("runbook_url", "runbook"), ("dashboard_url", "dashboard"), ("dashboard", "dashboard"), ("trace_url", "trace")];
    let annotated = named.iter().filter_map(|(annotation, name)| Link::web(name, alert.annotations.get(annotation)?.raw()));
    annotated.chain(alert.generator.clone()).collect()
}

/// Whether an acknowledgement of the journal has not ended of itself.
pub(super) fn stands(ack: &Ack, now: DateTime<Utc>) -> bool {
    ack.delivery == Delivery::Failed || end(ack).is_none_or(|end| now < end)
}

/// When an acknowledgement ends of itself.
fn end(ack: &Ack) -> Option<DateTime<Utc>> {
    match ack.target {
        Target::Alertmanager { .. } if ack.delivery == Delivery::Done => ack.until,
        _ => ack.lapses,
    }
}

/// Whether the silence of a delivered acknowledgement is still there.
fn carried(ack: &Ack, alerts: &Alerts) -> bool {
    let Some(silence) = ack.silence.as_deref().filter(|_| ack.delivery == Delivery::Done) else { return true };
    alerts.silences.iter().any(|s| s.id == silence)
}

pub(super) fn lapsed(ack: &Ack, now: DateTime<Utc>) -> Option<(Actor, DateTime<Utc>)> {
    let end = end(ack)?;
    Some((ack.by.clone(), end.min(now)))
}

/// An acknowledgement made elsewhere, read off its silence.
fn theirs(silence: &Silence, source: &SourceName, labels: &Labels) -> Ack {
    Ack {
        act: None,
        by: Actor { name: silence.created_by.clone(), verified: true },
        at: silence.starts_at,
        until: Some(silence.ends_at),
        lapses: None,
        note: spoken(&silence.comment, &silence.created_by),
        delivery: Delivery::Done,
        why: None,
        silence: Some(silence.id.clone()),
        occurrence: None,
        target: Target::Alertmanager { source: source.clone(), labels: labels.clone() },
        legs: Vec::new(),
        subject: None,
    }
}

/// How fast, as part of a title: over the short window of the rule that fires.
fn pace(row: &SloRow, grade: Grade) -> String {
    let mut rules = row.rules.iter().zip(&row.definition.rules);
    let fires = rules.find(|(state, rule)| rule.grade == grade && state.firing == Some(true));
    match fires.map_or_else(|| row.now().and_then(|f| f.burn), |(_, rule)| row.burn(rule.short)) {
        Some(burn) if burn.0 < 99.95 => format!("{:.1}×", burn.0),
        Some(burn) => format!("{:.0}×", burn.0),
        None => "budget burning".to_owned(),
    }
}

/// The incident that an episode is.
pub(super) fn id_of(episode: &Episode) -> IncidentId {
    IncidentId::new(&format!("{}:{}", episode.slo, episode.grade.word()))
}

/// What an alert of our own can be known by: `service`, `slo` and `grade`, and the labels that its SLO is fanned out by.
fn labels_of(row: &SloRow, grade: Grade) -> Labels {
    let own = [("service", row.service.as_str()), ("slo", row.definition.name.as_str()), ("grade", grade.word())];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let by = row.definition.by.iter().cloned().zip(row.group.0.iter().map(|v| v.raw().to_owned()));
    own.into_iter().chain(by).collect()
}

fn of_episode(snapshot: &Snapshot, plan: &Plan, row: &SloRow, covers: &Covers<'_>, episode: &Episode, now: DateTime<Utc>) -> Incident {
    let id = id_of(episode);
    let thread = snapshot.threads.get(&id);
    let acks: Vec<Ack> = covers.of(&id, thread, episode.seen_at).map(|(ack, _)| ack).collect();
    let ack = acks.iter().find(|ack| stands(ack, now)).cloned();
    let stale = plan.source(&row.definition.source).is_none()
        || row.state >= crate::domain::State::Unknown && row.firing().is_none()
        || matches!(row.state, crate::domain::State::Stale | crate::domain::State::NoData);
    Incident {
        title: Text::from(format!("{}: {} {}", row.service, row.title(), pace(row, episode.grade))),
        severity: Severity::of(episode.grade),
        service: Some(row.service.clone()),
        status: if ack.is_some() { Status::Acknowledged } else { Status::Triggered },
        since: episode.since,
        labels: labels_of(row, episode.grade),
        annotations: Labels::default(),
        links: Vec::new(),
        sources: vec![row.definition.source.clone()],
        silenced: false,
        inhibited: false,
        lapsed: if ack.is_none() { acks.first().and_then(|ack| lapsed(ack, now)) } else { None },
        ack,
        version: thread.map_or(0, |t| t.version),
        origin: Origin::Own { slo: episode.slo.clone(), grade: episode.grade, seen_at: episode.seen_at },
        stale,
        members: Vec::new(),
        keys: Vec::new(),
        id,
    }
}
