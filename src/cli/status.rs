//! `burnwatch status`: the screen's snapshot as text or JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::{
    domain::{
        Ack, BurnRate, Delivery, Freshness, Grade, Held, Incident, OnCallEntry, Origin, Probed, Quantiles, Rota, SeatRow, Shift, SloRow,
        Snapshot, SourceName, SourceRow, State, Status, Untrusted, Verdict, Window,
    },
    tui::figures::{Age, Burn, Covered, Percent},
};

/// Version of the JSON shape.
const VERSION: u32 = 1;

/// The exit code of a verdict: 0 ok, 1 warning or critical, 2 unknown.
fn code(verdict: Verdict) -> super::run::Code {
    match verdict {
        Verdict::Ok => super::run::Code::Yes,
        Verdict::Warning | Verdict::Critical => super::run::Code::No,
        Verdict::Unknown => super::run::Code::Unknown,
    }
}

pub(super) fn time(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

pub(super) fn maybe(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, time)
}

/// The snapshot as JSON. A figure that is not known is `null`, never 0.
pub fn json(snapshot: &Snapshot) -> Value {
    json!({
        "version": VERSION,
        "at": time(snapshot.at),
        "verdict": snapshot.verdict.word(),
        "slos": snapshot.slos.iter().map(|r| slo(snapshot, r)).collect::<Vec<_>>(),
        "incidents": snapshot.incidents.iter().map(|i| incident(i)).collect::<Vec<_>>(),
        "queues": snapshot.queues.iter().map(|row| super::queues::json(row, snapshot.at)).collect::<Vec<_>>(),
        "on_call": snapshot.rotas.iter().flat_map(|rota| on_call(snapshot, rota)).collect::<Vec<_>>(),
        "sources": snapshot.sources.iter().map(source).collect::<Vec<_>>(),
        "probes": snapshot.probes.iter().flat_map(|(source, checks)| checks.iter().map(|c| probed(snapshot, source, c)).collect::<Vec<_>>()).collect::<Vec<_>>(),
    })
}

/// The burn over a window; of an SLO without data the past of its counters tells nothing.
fn shown_burn(row: &SloRow, window: Window) -> Option<BurnRate> {
    if row.state == State::NoData { None } else { row.burn(window) }
}

fn slo(snapshot: &Snapshot, row: &SloRow) -> Value {
    let mut burn = Map::new();
    let mut as_of = Map::new();
    let mut counts = Map::new();
    for window in row.definition.windows() {
        let figure = row.figure(window);
        let name = window.to_string();
        counts.insert(name.clone(), json!(figure.and_then(|f| f.counts)));
        as_of.insert(name.clone(), maybe(figure.map(|f| f.as_of)));
        burn.insert(name, json!(shown_burn(row, window)));
    }
    let alerts = row.rules.iter().zip(&row.definition.rules).filter(|(s, _)| s.firing == Some(true)).map(|(_, rule)| {
        let since = snapshot.episodes.get(&(row.id.clone(), rule.grade)).filter(|e| e.ended_at.is_none()).and_then(|e| e.since);
        json!({
            "severity": rule.grade.word(), "long": rule.long.to_string(), "short": rule.short.to_string(),
            "factor": rule.factor, "since": maybe(since),
        })
    });
    json!({
        "id": row.id, "service": row.service, "name": row.definition.name, "objective": row.objective.ratio(),
        "period": row.definition.period.to_string(), "source": row.definition.source, "state": row.state,
        "budget_left": row.budget_left(), "burn": burn, "burn_as_of": as_of, "counts": counts,
        "covered": row.covered, "partial": row.figures.iter().any(|(_, f)| f.partial),
        "latency_ms": snapshot.latencies.get(&row.id).map(|found| latency(found)),
        "exhausted_in_s": row.exhausted_in_secs().map(f64::round), "alerts": alerts.collect::<Vec<_>>(),
        "last_sample": maybe(row.last_sample), "as_of": maybe(row.now().map(|f| f.as_of)),
    })
}

/// Quantiles of a probe's answers, by window.
fn latency(found: &[(Window, Quantiles)]) -> Map<String, Value> {
    let ms = |us: u64| us as f64 / 1e3;
    let one = |(window, q): &(Window, Quantiles)| {
        (window.to_string(), json!({"count": q.count, "p50": ms(q.p50), "p90": ms(q.p90), "p99": ms(q.p99)}))
    };
    found.iter().map(one).collect()
}

/// One incident.
pub fn incident(i: &Incident) -> Value {
    json!({
        "id": i.id, "sources": i.sources, "title": i.title, "severity": i.severity, "service": i.service, "status": i.status,
        "since": maybe(i.since), "silenced": i.silenced, "inhibited": i.inhibited, "stale": i.stale, "labels": labels(i),
        "links": i.links, "acknowledged": i.ack.as_ref().map(ack),
        "lapsed": i.lapsed.as_ref().map(|(by, at)| json!({"by": by.to_string(), "at": time(*at)})),
        "count": i.count(), "unacknowledged": i.parts().filter(|part| part.wants_somebody()).count(),
        "members": i.members.iter().map(|part| member(part)).collect::<Vec<_>>(),
    })
}

fn labels(i: &Incident) -> Map<String, Value> {
    i.labels.shown().map(|(n, v)| (n.to_string(), json!(v))).collect()
}

/// One of the things that an incident is made of, as its source tells it.
fn member(part: &Incident) -> Value {
    let kind = match &part.origin {
        Origin::Alertmanager { .. } => "alert",
        Origin::PagerDuty { .. } => "page",
        Origin::Own { .. } => "rule",
        Origin::Queue { .. } => "queue",
    };
    json!({
        "id": part.id, "kind": kind, "source": part.sources.first(), "title": part.title, "severity": part.severity, "status": part.status,
        "since": maybe(part.since), "silenced": part.silenced, "inhibited": part.inhibited, "stale": part.stale, "labels": labels(part),
        "acknowledged": part.ack.as_ref().map(ack),
    })
}

fn ack(ack: &Ack) -> Value {
    json!({
        "by": ack.by.to_string(), "at": time(ack.at), "until": maybe(ack.until), "lapses": maybe(ack.lapses), "note": ack.note,
        "delivery": ack.delivery, "why": ack.why, "silence": ack.silence, "source": ack.target.source(),
    })
}

/// Who holds each place of a rota now; one row with `who` null where nobody does, or where that is not known.
fn on_call(snapshot: &Snapshot, rota: &Rota) -> Vec<Value> {
    let row = |seat: &SeatRow, state: &str, shift: Option<&Shift>| {
        let told = shift.and_then(|shift| told_as(snapshot, rota, shift));
        let (from, until) = match &seat.now {
            Held::Nobody(gap) => (gap.from, gap.to),
            Held::By(_) | Held::Unknown => {
                (shift.map(|s| s.from).filter(|from| *from > DateTime::<Utc>::MIN_UTC), shift.and_then(|s| s.to))
            }
        };
        json!({
            "rotation": rota.name, "seat": seat.place.to_string(), "state": state, "who": shift.map(|s| &s.who), "from": maybe(from),
            "until": maybe(until), "next": seat.next.as_ref().map(|n| json!({"at": time(n.at), "who": n.who})),
            "cover": shift.map(|s| s.cover), "source": rota.sources().first(), "stale": rota.stale,
            "policy": told.and_then(|t| t.policy.as_ref()), "email": told.and_then(|t| t.email.as_ref()),
        })
    };
    let rows = |seat: &SeatRow| match &seat.now {
        Held::By(shifts) => shifts.iter().map(|shift| row(seat, "held", Some(shift))).collect(),
        Held::Nobody(_) => vec![row(seat, "nobody", None)],
        Held::Unknown => vec![row(seat, "unknown", None)],
    };
    rota.seats.iter().flat_map(rows).collect()
}

/// What a paging service said of somebody's turn.
fn told_as<'a>(snapshot: &'a Snapshot, rota: &Rota, shift: &Shift) -> Option<&'a OnCallEntry> {
    let entries = rota.sources().iter().filter_map(|source| snapshot.on_call.get(source)).flat_map(|all| all.iter());
    let same = |e: &&OnCallEntry| e.rotation() == Some(&shift.rotation) && e.until == shift.to && e.resolved(&rota.people) == shift.who;
    entries.min_by_key(|e| (!same(e), e.level)).filter(same)
}

/// `on call payments: maya until 18:00 (3h27m), then jon; second jon; mentor ines`
fn on_call_line(rota: &Rota, now: DateTime<Utc>) -> String {
    let who = |seat: &SeatRow| match &seat.now {
        Held::By(shifts) => shifts.iter().map(|s| s.who.as_str()).collect::<Vec<_>>().join(" and "),
        Held::Nobody(_) => "nobody".to_owned(),
        Held::Unknown => "not known".to_owned(),
    };
    let pager = rota.pager().map_or_else(String::new, |seat| {
        let next = seat.next.as_ref().map(|next| {
            let at = next.at.with_timezone(&rota.zone).format("%a %H:%M %Z");
            let to = next.who.as_ref().map_or("nobody", |who| who.as_str());
            format!(" until {at} ({}), then {to}", Age::between(now, next.at))
        });
        format!("{}{}", who(seat), next.unwrap_or_default())
    });
    let others = rota.seats.iter().skip(1).filter(|seat| seat.now.shift().is_some()).map(|seat| format!("; {} {}", seat.place, who(seat)));
    let stale = if rota.stale { " (stale)" } else { "" };
    format!("on call {}: {pager}{}{stale}", rota.name, others.collect::<String>())
}

fn source(row: &SourceRow) -> Value {
    json!({
        "name": row.name, "kind": row.kind, "state": row.state, "partial": row.partial.is_some() || row.long_trouble.is_some(),
        "partial_why": row.partial.as_ref().or(row.long_trouble.as_ref()), "last_success": maybe(row.last_success),
        "error": row.fault.as_ref().map(|f| json!({"class": f.class, "message": f.message})), "failures": row.failures,
        "poll_ms": row.poll_ms.map(|(p50, p99, _)| json!({"p50": p50, "p99": p99})), "skew_s": row.skew_secs,
    })
}

/// The last check of one target.
fn probed(snapshot: &Snapshot, source: &SourceName, check: &Probed) -> Value {
    let ms = |us: Option<u64>| json!(us.map(|us| us as f64 / 1e3));
    let phases = check.phases;
    json!({
        "source": source, "target": check.target, "service": check.labels.get("service").map(Untrusted::text), "at": time(check.at),
        "ok": check.outcome.is_ok(), "took_ms": ms(check.outcome.as_ref().ok().copied()),
        "error": check.outcome.as_ref().err().map(|f| json!({"class": f.class, "message": f.message})),
        "phases_ms": {"resolve": ms(phases.resolve), "connect": ms(phases.connect), "tls": ms(phases.tls), "first_byte": ms(phases.first_byte)},
        "certificate": check.certificate.map(|c| json!({
            "ends": time(c.ends), "days_left": c.days_left(snapshot.at), "warning": c.ends_soon(snapshot.at),
        })),
    })
}

/// The snapshot as text: the verdict, what burns, who has it, what cannot be seen.
pub fn text(snapshot: &Snapshot) -> String {
    let (pages, tickets) = snapshot.pages_and_tickets();
    let mut out = vec![format!("{}  {pages} {}  {tickets} {}", snapshot.verdict.word(), plural(pages, "page"), plural(tickets, "ticket"))];
    let width = |f: fn(&SloRow) -> usize| snapshot.slos.iter().map(|r| f(r)).max().unwrap_or(0);
    let (id, state) = (width(|r| r.id.as_str().chars().count()), width(|r| r.state.word().len()));
    out.extend(snapshot.slos.iter().map(|row| slo_line(snapshot, row, id, state)));
    out.extend(super::queues::lines(snapshot));
    out.extend(snapshot.incidents.iter().map(|i| incident_line(i, snapshot.at)));
    out.extend(snapshot.rotas.iter().map(|rota| on_call_line(rota, snapshot.at)));
    out.extend(snapshot.certificate_warnings().map(|(source, warning)| format!("warning {source}: {warning}")));
    out.extend(snapshot.sources.iter().filter(|s| s.state != Freshness::Fresh).map(source_line));
    out.join("\n") + "\n"
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn slo_line(snapshot: &Snapshot, row: &SloRow, id: usize, state: usize) -> String {
    let windows = row.definition.windows();
    let burn = |window| Burn(shown_burn(row, window).map(|b| b.0)).to_string();
    let burns = windows.iter().filter(|w| **w != row.definition.period).map(|w| format!("{w} {:>6}", burn(*w)));
    let left = row.budget_left().map_or_else(|| "—".to_owned(), |share| Percent(share).to_string());
    let covered = row.covered.filter(|c| *c < 0.95 && row.budget_left().is_some());
    let covered = covered.map(|c| format!(" ({})", Covered(c, row.definition.period)));
    let age = row.now().map(|f| format!("{} old", Age::between(f.as_of, snapshot.at)));
    format!(
        "  {:<id$}  {:<state$}  left {left:>7}{}  {}  {}",
        row.id.as_str(),
        row.state.word(),
        covered.unwrap_or_default(),
        burns.collect::<Vec<_>>().join("  "),
        age.unwrap_or_default(),
    )
    .trim_end()
    .to_owned()
}

/// Who has it, in a few words.
pub fn held(i: &Incident) -> String {
    match (&i.ack, i.status) {
        (None, Status::Triggered) if i.partly_held().is_some() => {
            let wanting = i.parts().filter(|part| part.wants_somebody()).count();
            format!("{wanting} of {} unacked", i.parts().filter(|part| !part.is_held_back()).count())
        }
        (Some(ack), _) if ack.delivery == Delivery::Done => format!("ack {}", ack.by),
        (Some(ack), _) => format!("ack {} not delivered", ack.by),
        (None, Status::Resolved) => "resolved".to_owned(),
        (None, _) if i.silenced => "silenced".to_owned(),
        (None, _) if i.inhibited => "inhibited".to_owned(),
        (None, _) => "unacked".to_owned(),
    }
}

fn incident_line(i: &Incident, now: DateTime<Utc>) -> String {
    let since = i.since.map_or_else(|| "since unknown".to_owned(), |s| Age::between(s, now).to_string());
    let held = held(i);
    let loud = if matches!(i.origin, Origin::Own { grade: Grade::Page, .. }) { " (page)" } else { "" };
    let made = made_of(i);
    format!("{} {}{loud}{made}  {since}  {held}  [{}]", i.severity.word(), i.title, i.id)
}

/// Of what it is made, where that is several things: `  (3 from prom, pd, am)`.
pub fn made_of(i: &Incident) -> String {
    if i.members.is_empty() {
        return String::new();
    }
    let sources: Vec<_> = i.sources.iter().map(ToString::to_string).collect();
    format!("  ({} from {})", i.count(), sources.join(", "))
}

/// A source that is not fresh, and why.
pub fn source_line(s: &SourceRow) -> String {
    let why = s.fault.as_ref().map_or_else(String::new, |f| format!(": {}", f.message));
    format!("source {} {}{why}", s.name, s.state.word())
}

/// Print the status of everything.
pub fn status(common: &super::args::Common, as_json: bool) -> anyhow::Result<super::run::Code> {
    let loaded = super::setup::load(common)?;
    let setup = super::setup::setup(&loaded, common)?;
    let snapshot = crate::engine::with_latencies(&setup, super::run::block_on(crate::engine::once(&setup))?);
    if let Some(trouble) = &snapshot.store.trouble {
        eprintln!("burnwatch: {trouble}");
    }
    super::run::print(&if as_json { super::run::json(&json(&snapshot)) } else { text(&snapshot) })?;
    Ok(code(snapshot.verdict))
}
