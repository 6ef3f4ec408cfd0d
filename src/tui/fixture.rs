//! A fleet in trouble, for the tests of the screen: the one drawn in the mockups.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Depth, Glyphs, Settings, Theme};
use crate::domain::{
    Ack, ActId, Actor, Alerts, Begun, Book, BurnRate, Call, Calls, Cell, Chronicle, Cover, Definition, Delivery, Effect, End, Entry,
    Episode, EventCounts, Fault, FaultClass, Figure, FiringAlert, Freshness, Grade, Group, HandoffNote, History, How, Incident, IncidentId,
    Interval, LabelMatcher, Labels, Layer, LeaseView, Library, Link, Log, Mean, Moment, Objective, OnCallEntry, Origin, Outcome, Override,
    PagedIncident, Person, Place, Process, Ratio, Response, Rota, Rotation, RuleState, Run, RunEvent, RunId, Seat, Selector, Service,
    Severity, Shift, Side, Silence, Sli, SloId, SloRow, Snapshot, SourceName, SourceRow, Started, State, Status, StoreState, Target, Text,
    Told, Untrusted, Unusable, Verdict, What, Window, burn_rate, workbook,
};

/// The time on every screen: Thursday, 14:32:08 in Berlin.
pub fn now() -> DateTime<Utc> {
    "2026-11-19T13:32:08Z".parse().unwrap()
}

/// So many minutes before now.
pub fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

/// Settings as in the mockups.
pub fn settings() -> Settings {
    let keeping = crate::domain::Keeping { ack_for: std::time::Duration::from_mins(15), ack_silences: false, heartbeat: false };
    Settings {
        name: Text::clean("acme-prod"),
        time_zone: chrono_tz::Europe::Berlin,
        theme: Theme::default().at_depth(Depth::True),
        glyphs: Glyphs::Unicode,
        me: Text::clean("maya"),
        read_only: false,
        low_bandwidth: false,
        footer_hint: None,
        ask_name: None,
        links: true,
        people: ["maya", "tom"].map(person).into(),
        services: [service("checkout")].into(),
        silencing: [(SourceName::new("am"), keeping)].into_iter().collect(),
    }
}

fn person(name: &str) -> Person {
    let time_zone = Some(if name == "maya" { chrono_tz::Asia::Kolkata } else { chrono_tz::Europe::Berlin });
    Person { name: Text::clean(name), login: None, email: Some(Text::from(format!("{name}@acme.example"))), time_zone, night: None }
}

fn service(name: &str) -> (Text, Service) {
    let rotation = Some(Text::clean("payments"));
    (
        Text::clean(name),
        Service { name: Text::clean(name), owner: Some(Text::clean("payments-team")), tier: Some(1), rotation, aliases: Vec::new() },
    )
}

fn definition(name: &str) -> Arc<Definition> {
    let selector: Selector = "http_requests_total".parse().unwrap();
    Arc::new(Definition {
        id: name.into(),
        name: Text::clean(name),
        source: "prom".into(),
        by: vec!["service".into()],
        service: None,
        objective: Objective::new(0.999).unwrap(),
        overrides: BTreeMap::new(),
        period: Window::days(30),
        sli: Sli::Ratio(Ratio { part: Side::Good, selector: selector.clone(), total: selector, missing_is_zero: true }),
        rules: workbook(Window::days(30)),
        min_events: 0.0,
        qualified: false,
    })
}

/// One SLO: burns over 5m, 1h, 6h and 3d, and the share of budget left.
pub fn slo(service: &str, name: &str, objective: f64, left: f64, burns: [f64; 4]) -> SloRow {
    let definition = definition(name);
    let objective = Objective::new(objective).unwrap();
    let group = Group(vec![Untrusted::new(service)]);
    let [m5, h1, h6, d3] = burns;
    let figure = |window: Window, burn: f64| {
        let total = 120.0 * window.secs_f64();
        let bad = burn * objective.budget() * total;
        (
            window,
            Figure {
                counts: Some(EventCounts { bad, total }),
                burn: Some(BurnRate(burn)),
                as_of: now() - TimeDelta::seconds(5),
                partial: false,
            },
        )
    };
    let (m, h, d) = (Window::minutes, Window::hours, Window::days);
    let figures = vec![
        figure(m(5), m5),
        figure(m(30), f64::midpoint(m5, h1)),
        figure(h(1), h1),
        figure(h(2), f64::midpoint(h1, h6)),
        figure(h(6), h6),
        figure(d(1), f64::midpoint(h6, d3)),
        figure(d(3), d3),
        figure(d(30), 1.0 - left),
    ];
    let mut row = SloRow {
        id: definition.slo_id(&group),
        service: Text::clean(service),
        definition,
        group,
        objective,
        state: State::Ok,
        figures,
        covered: Some(1.0),
        last_sample: Some(now() - TimeDelta::seconds(8)),
        presence_as_of: Some(now() - TimeDelta::seconds(5)),
        absent_since: None,
        rules: Vec::new(),
        history: history(|i| Cell::Burn((h6 * (0.6 + 0.4 * ((i * 7 % 5) as f64))) as f32)),
    };
    row.rules = row.definition.rules.iter().map(|r| RuleState { firing: r.fires(row.burn(r.long), row.burn(r.short)) }).collect();
    row.state = match row.firing() {
        Some(Grade::Page) => State::Critical,
        Some(Grade::Ticket) => State::Warning,
        None if left <= 0.0 => State::Warning,
        None => State::Ok,
    };
    assert_eq!(burn_rate(objective.budget(), objective), BurnRate(1.0));
    row
}

/// Cells of the last six hours.
pub fn history(cell: impl Fn(usize) -> Cell) -> Arc<History> {
    let newest = now().timestamp().div_euclid(History::CELL);
    Arc::new(History {
        start: (newest - History::KEEP as i64 + 1) * History::CELL,
        cells: (0..History::KEEP).map(cell).collect(),
        filled: true,
    })
}

fn absent(mut row: SloRow, state: State, minutes: i64, last: Cell) -> SloRow {
    row.state = state;
    row.absent_since = Some(ago(minutes));
    row.figures.clear();
    let from = History::KEEP - (minutes as usize / 5).max(1);
    row.history = history(|i| if i < from { Cell::Burn(0.3) } else { last });
    row
}

fn slos() -> Vec<Arc<SloRow>> {
    let mut checkout = slo("checkout", "availability", 0.999, 0.342, [82.2, 16.8, 3.0, 0.4]);
    checkout.history = history(|i| Cell::Burn(if i > 68 { 82.2 } else { 0.2 }));
    let mut payments = slo("payments", "latency 300ms", 0.995, 0.614, [3.1, 3.2, 3.1, 1.1]);
    payments.history = history(|i| Cell::Burn(0.4 + i as f32 * 0.04));
    let partly = SloRow { covered: Some(0.1), ..slo("login", "availability", 0.9995, 0.34, [0.5, 0.4, 0.4, 0.4]) };
    let rows = vec![
        checkout,
        payments,
        slo("reports", "availability", 0.99, -0.124, [0.6, 0.4, 0.7, 0.9]),
        absent(slo("mailer", "availability", 0.99, 0.5, [0.0; 4]), State::NoData, 4, Cell::Gap),
        absent(slo("promo", "availability", 0.995, 0.5, [0.0; 4]), State::NoTraffic, 210, Cell::NoTraffic),
        slo("cart", "availability", 0.999, 0.803, [0.4, 0.3, 0.3, 0.3]),
        slo("catalog", "availability", 0.999, 0.947, [0.1; 4]),
        slo("catalog", "latency 200ms", 0.99, 0.901, [0.3, 0.2, 0.2, 0.2]),
        slo("checkout", "latency 300ms", 0.99, 0.71, [0.9, 0.8, 0.6, 0.7]),
        slo("gateway", "availability", 0.9995, 0.582, [0.7, 0.6, 0.5, 0.6]),
        slo("gateway", "latency 250ms", 0.99, 0.836, [0.4, 0.4, 0.3, 0.3]),
        slo("images", "availability", 0.99, 0.979, [0.0, 0.0, 0.1, 0.0]),
        partly,
        slo("login", "latency 400ms", 0.99, 0.889, [0.2; 4]),
        slo("payments", "availability", 0.9995, 0.66, [0.6, 0.5, 0.5, 0.5]),
        slo("recommend", "availability", 0.99, 0.952, [0.1; 4]),
        slo("search", "availability", 0.995, 0.91, [0.1, 0.2, 0.3, 0.2]),
        slo("search", "latency 500ms", 0.99, 0.884, [0.3, 0.3, 0.2, 0.2]),
    ];
    rows.into_iter().map(Arc::new).collect()
}

fn ack(by: &str, minutes: i64, left: i64, target: Target) -> Ack {
    Ack {
        act: Some(ActId::new("a1")),
        by: Actor { name: Text::clean(by), verified: true },
        at: ago(minutes),
        until: Some(now() + TimeDelta::minutes(left)),
        lapses: Some(now() + TimeDelta::minutes(left)),
        note: None,
        delivery: Delivery::Done,
        why: None,
        silence: Some("3f2a9c1e-77aa-4f5e-8c55-0d6b8f0e1a11".into()),
        occurrence: None,
        target,
        legs: Vec::new(),
        subject: None,
    }
}

/// An incident that an Alertmanager reports.
pub fn alert(id: &str, severity: Severity, service: &str, title: &str, minutes: i64) -> Incident {
    let labels: Labels = [
        ("alertname", "CheckoutErrorBudgetBurn"),
        ("service", service),
        ("severity", "page"),
        ("region", "eu-central"),
        ("cluster", "prod-7"),
        ("team", "payments"),
        ("version", "v42"),
    ]
    .into_iter()
    .collect();
    let summary = "the error budget of checkout burns eighty times faster than it may; \
                   a canary of v42 takes ten percent of the traffic and fails most of it";
    Incident {
        id: IncidentId::new(id),
        title: Text::clean(title),
        severity,
        service: Some(Text::clean(service)),
        status: Status::Triggered,
        since: Some(ago(minutes)),
        labels,
        annotations: [("summary", summary)].into_iter().collect(),
        links: vec![
            Link { name: Text::clean("runbook"), url: Text::clean("https://wiki.acme.io/runbooks/checkout") },
            Link { name: Text::clean("alert rule"), url: Text::clean("http://prometheus.internal:9090/graph?g0.expr=burn") },
        ],
        sources: vec!["am".into()],
        silenced: false,
        inhibited: false,
        ack: None,
        lapsed: None,
        version: 3,
        origin: Origin::Alertmanager { source: "am".into(), starts_at: ago(minutes) },
        stale: false,
        members: Vec::new(),
        keys: Vec::new(),
    }
}

/// An incident of our own rules.
pub fn own(slo: &str, grade: Grade, title: &str, minutes: i64) -> Incident {
    let seen_at = ago(minutes);
    let id = format!("{slo}:{}", grade.word());
    let service = slo.split('/').next().unwrap();
    Incident {
        labels: Labels::default(),
        annotations: Labels::default(),
        links: Vec::new(),
        sources: Vec::new(),
        origin: Origin::Own { slo: SloId::new(slo), grade, seen_at },
        ..alert(&id, Severity::of(grade), service, title, minutes)
    }
}

fn incidents() -> Vec<Arc<Incident>> {
    let burning = own("checkout/availability", Grade::Page, "checkout: budget burning 82×", 12);
    let mut stalled = alert("am:9f86d081884c7d65", Severity::P2, "orders", "orders: queue stalled", 10);
    stalled.status = Status::Acknowledged;
    stalled.ack = Some(ack("jon", 6, 9, stalled.target()));
    let mut slow = own("payments/latency 300ms", Grade::Ticket, "payments: latency 3.1×", 125);
    slow.status = Status::Acknowledged;
    slow.ack = Some(ack("priya", 26, 214, Target::Journal));
    let unseen = alert("am:2c26b46b68ffc68f", Severity::P1, "checkout", "CheckoutErrorBudgetBurn", 12);
    [burning, unseen, stalled, slow].into_iter().map(Arc::new).collect()
}

fn entry(id: u64, minutes: i64, who: &str, title: &str, what: What) -> Arc<Entry> {
    Arc::new(Entry {
        id,
        at: ago(minutes),
        act: ActId::new(&format!("act{}", id / 2)),
        subject: "am:9f86d081884c7d65".into(),
        title: Text::clean(title),
        service: None,
        version: id,
        who: Actor { name: Text::clean(who), verified: true },
        what,
    })
}

/// Entries of an acknowledgement, asked and ended.
pub fn asked(id: u64, minutes: i64, who: &str, incident: &Incident) -> Entry {
    let effect = Effect::Acknowledge {
        target: incident.target(),
        occurrence: incident.occurrence(),
        note: None,
        until: ago(minutes) + TimeDelta::minutes(15),
        lapses: ago(minutes) + TimeDelta::hours(4),
    };
    let entry = entry(id, minutes, who, incident.title.as_str(), What::Asked { effect });
    Entry { subject: incident.id.clone(), ..Entry::clone(&entry) }
}

/// The end of the act that `asked` began.
pub fn ended(asked: &Entry, outcome: Outcome) -> Entry {
    Entry { id: asked.id + 1, what: What::Ended { outcome, legs: Vec::new() }, ..asked.clone() }
}

/// A source that answered lately.
pub fn source(name: &str, kind: &'static str, secs: i64) -> SourceRow {
    SourceRow {
        name: name.into(),
        kind,
        state: Freshness::Fresh,
        partial: None,
        long_trouble: None,
        last_success: Some(now() - TimeDelta::seconds(secs)),
        last_poll: Some(now() - TimeDelta::seconds(secs)),
        fault: None,
        failures: 0,
        next_try: None,
        poll_ms: Some((12.3, 41.0, 240)),
        skew_secs: Some(0.2),
        latency: None,
    }
}

/// A layer: its seat, its people, how often it turns, when first, and in which hours.
type Turns<'a> = (Seat, &'a [&'a str], &'a str, &'a str, &'a [&'a str]);

/// A rotation of Berlin.
fn rota(name: &str, serves: &str, layers: &[Turns<'_>]) -> Rota {
    let layer = |(seat, who, every, first, only): &Turns<'_>| Layer {
        seat: *seat,
        participants: who.iter().map(|w| Text::clean(w)).collect(),
        every: every.parse().unwrap(),
        first: chrono::NaiveDateTime::parse_from_str(first, "%Y-%m-%d %H:%M").unwrap(),
        only: only.iter().map(|hours| hours.parse().unwrap()).collect(),
    };
    let layers = layers.iter().map(layer).collect();
    let rotation = Rotation::new(Text::clean(name), chrono_tz::Europe::Berlin, layers, Vec::new()).unwrap();
    let mut rota = Rota::new(Text::clean(name), rotation.zone(), Book::Own(Arc::new(rotation)));
    let person = |(name, zone): (&str, chrono_tz::Tz)| Person {
        name: Text::clean(name),
        login: None,
        email: None,
        time_zone: Some(zone),
        night: None,
    };
    let homes = [
        ("maya", chrono_tz::Europe::Berlin),
        ("jon", chrono_tz::America::New_York),
        ("ines", chrono_tz::Europe::Lisbon),
        ("priya", chrono_tz::Asia::Kolkata),
    ];
    rota.people = Arc::new(homes.into_iter().map(person).collect());
    rota.serves = vec![Text::clean(serves)];
    rota
}

/// What called those of checkout, by hours before now.
fn calls() -> Calls {
    let mut calls = Calls::default();
    for (n, hours) in [3, 38, 60, 61, 90, 200, 201, 230, 300, 420, 500].into_iter().enumerate() {
        let (at, incident) = (now() - TimeDelta::hours(hours), IncidentId::new(&format!("am:{n}")));
        calls.add(Call { incident, at, service: Text::clean("checkout") });
    }
    calls
}

/// The rotas of the mockups.
fn rotas() -> Vec<Arc<Rota>> {
    use Seat::{Mentor, Primary, Secondary};
    let odd = ["mon-thu", "fri 00:00-18:00", "fri 21:00-24:00", "sat,sun"];
    let rotas = [
        rota(
            "payments",
            "checkout",
            &[
                (Primary, &["maya", "jon"], "weekly", "2026-01-08 18:00", &[]),
                (Secondary, &["jon", "ana"], "weekly", "2026-01-08 18:00", &[]),
                (Mentor, &["ines"], "weekly", "2026-01-08 18:00", &[]),
            ],
        ),
        rota("platform", "gateway", &[(Primary, &["tomasz", "priya"], "weekly", "2026-01-05 09:00", &[])]),
        rota("data", "search", &[(Primary, &["lena", "sam"], "weekly", "2026-01-02 09:00", &odd)]),
    ];
    let calls = calls();
    rotas.into_iter().map(|rota| Arc::new(rota.standing(&calls, now()))).collect()
}

/// The fleet of the mockups: checkout burns and pages.
pub fn burning() -> Snapshot {
    let incidents = incidents();
    let asked = asked(20, 6, "jon", &incidents[2]);
    let done = ended(&asked, Outcome::Done { receipt: Some("3f2a9c1e".into()) });
    let slo: SloId = "checkout/availability".into();
    let episode = Episode { slo: slo.clone(), grade: Grade::Page, seen_at: ago(12), since: Some(ago(12)), ended_at: None };
    Snapshot {
        at: now(),
        revision: 7,
        verdict: Verdict::Critical,
        slos: slos(),
        incidents,
        sources: vec![source("prom", "prometheus", 5), source("am", "alertmanager", 5), source("edge", "scrape", 10)],
        episodes: [((slo, Grade::Page), episode)].into_iter().collect(),
        threads: BTreeMap::new(),
        latest: vec![Arc::new(asked), Arc::new(done)],
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
        rotas: rotas(),
        rotas_until: None,
        drills: Vec::new(),
        runs: BTreeMap::new(),
        last_runs: BTreeMap::new(),
        runbooks: Arc::default(),
        output: None,
        store: StoreState { place: Text::clean("/var/lib/burnwatch/acme"), trouble: None, lease: LeaseView::Ours },
        toasts: Vec::new(),
        calm_since: None,
        steady_until: None,
    }
}

/// A silence in `am`, by its first letters, made so many minutes ago and ending in so many.
pub fn silence(id: &str, by: &str, comment: &str, asks: &str, (ago_minutes, left): (i64, i64), covers: usize) -> Silence {
    Silence {
        id: format!("{id}-77aa-4f5e-8c55-0d6b8f0e1a11"),
        starts_at: ago(ago_minutes),
        ends_at: now() + TimeDelta::minutes(left),
        created_by: Text::clean(by),
        comment: Text::clean(comment),
        active: ago_minutes >= 0,
        matchers: LabelMatcher::list(asks).unwrap(),
        covers: (ago_minutes >= 0).then_some(covers),
    }
}

/// The fleet of the mockups, and what is silenced there: one of each kind.
pub fn held() -> Snapshot {
    let mut snapshot = burning();
    let firing = |i: &Arc<Incident>| FiringAlert {
        fingerprint: Text::clean(i.id.as_str().trim_start_matches("am:")),
        labels: i.labels.clone(),
        annotations: i.annotations.clone(),
        starts_at: i.occurrence(),
        generator: None,
        silenced_by: i.ack.iter().filter_map(|a| a.silence.clone()).collect(),
        inhibited_by: Vec::new(),
    };
    let alerts = snapshot.incidents.iter().filter(|i| matches!(i.origin, Origin::Alertmanager { .. })).map(firing).collect();
    let canary = "service=\"checkout\", version=\"v42\"";
    let silences = vec![
        silence("3f2a9c1e", "jon", "ACK! jon on it [bw:a1]", "service=\"orders\"", (6, 9), 1),
        silence("77c0d2b4", "maya", "canary of v42 is known [bw:a4]", canary, (40, 80), 1),
        silence("8d11e0f3", "ines", "canary", canary, (30, 20), 1),
        silence("a0b1c2d3", "sam", "disk swap on db-7", "instance=~\"db-7.*\"", (300, 600), 0),
        silence("b4c5d6e7", "priya", "maintenance of search", "service=\"search\"", (-60, 180), 0),
    ];
    snapshot.alerts.insert("am".into(), Arc::new(Alerts { alerts, silences, heartbeat: None }));
    snapshot
}

/// The fleet of the mockups, and one incident that a PagerDuty keeps: who is on call for it, what its log tells, how such ones went.
pub fn paged() -> Snapshot {
    let mut snapshot = burning();
    let source = SourceName::new("pd");
    let origin = Origin::PagerDuty { source: source.clone(), incident: "Q2KJ7V".into(), created_at: ago(14), key: None };
    let title = "checkout answers with errors";
    let mut incident = Incident { origin, sources: vec![source.clone()], ..alert("pd:Q2KJ7V", Severity::P1, "checkout", title, 14) };
    incident.annotations = Labels::default();
    incident.links = vec![
        Link::web("PagerDuty", "https://acme.pagerduty.com/incidents/Q2KJ7V").unwrap(),
        Link::web("conference", "https://meet.acme.io/checkout?room=war#now").unwrap(),
    ];
    snapshot.sources.push(source_row("pd"));
    snapshot.paged.insert(source.clone(), Arc::new(vec![kept(title)]));
    snapshot.on_call.insert(source.clone(), Arc::new(vec![turn("Maya Kaur", "maya", 1), turn("Tom Okafor", "tom", 2)]));
    let noted = |minutes, text: &str| Entry {
        subject: incident.id.clone(),
        ..Entry::clone(&entry(30, minutes, "jon", title, What::Asked { effect: note(&incident, text) }))
    };
    let entries = vec![noted(9, "the canary of v42 is to blame; rolling it back once the queue of orders is below a thousand, not before")];
    let log = Log { source, as_of: Some(now() - TimeDelta::seconds(12)), moments: moments(), fault: None };
    let mean = |minutes, of| Some(Mean { span: TimeDelta::minutes(minutes), of });
    let response = Some(Response { acknowledge: mean(3, 7), resolve: mean(38, 5) });
    let chronicle = Chronicle { as_of: now() - TimeDelta::seconds(12), entries, logs: vec![log], response };
    snapshot.chronicles.insert(incident.id.clone(), Arc::new(chronicle));
    snapshot.incidents.insert(0, Arc::new(incident));
    snapshot
}

fn source_row(name: &str) -> SourceRow {
    source(name, "pagerduty", 20)
}

fn note(incident: &Incident, text: &str) -> Effect {
    Effect::Note { target: incident.target(), note: Text::clean(text) }
}

/// As the PagerDuty keeps it.
fn kept(title: &str) -> PagedIncident {
    PagedIncident {
        id: "Q2KJ7V".into(),
        number: Some(4711),
        title: Text::clean(title),
        severity: Severity::P1,
        service: Some(Text::clean("checkout")),
        acknowledged: false,
        holders: Vec::new(),
        until: None,
        created_at: ago(14),
        changed_at: None,
        assigned: vec![Text::clean("Maya Kaur")],
        policy: Some(Text::clean("web")),
        key: None,
        labels: Labels::default(),
        links: Vec::new(),
    }
}

fn turn(who: &str, login: &str, level: u32) -> OnCallEntry {
    OnCallEntry {
        who: Text::clean(who),
        email: Some(Text::from(format!("{login}@acme.example"))),
        level,
        schedule: None,
        policy: Some(Text::clean("web")),
        from: None,
        until: Some(now() + TimeDelta::minutes(207)),
    }
}

fn moments() -> Vec<Moment> {
    let moment = |minutes, what: &str, who: &str, text: &str| Moment {
        at: ago(minutes),
        what: Text::clean(what),
        who: Some(Text::clean(who)),
        text: Text::clean(text),
    };
    vec![
        moment(14, "trigger", "checkout", "Triggered through the API"),
        moment(13, "notify", "Maya Kaur", "Notified by SMS"),
        moment(
            8,
            "annotate",
            "jon",
            "the canary of v42 is to blame; rolling it back once the queue of orders is below a thousand, not before [bw:act15]",
        ),
        moment(5, "annotate", "Ines", "support knows; two customers have called"),
        moment(4, "notify", "Tom Okafor", "Notified by phone call"),
    ]
}

/// As in [`burning`], and maya has left a note to jon, and somebody takes a day over.
pub fn handed_over() -> Snapshot {
    let mut snapshot = burning();
    let payments = Arc::make_mut(&mut snapshot.rotas[0]);
    let at = |text: &str| text.parse().unwrap();
    if let Book::Own(rotation) = &payments.book {
        let during = Interval { from: at("2026-11-21T08:00:00Z"), to: at("2026-11-22T20:00:00Z") };
        let over = Override { who: "ana".into(), seat: Seat::Primary, during };
        payments.book = Book::Own(Arc::new(Rotation::clone(rotation).with([over]).unwrap()));
    }
    *payments = payments.clone().standing(&calls(), now());
    let words = "canary of v42 is at 10 % and waits for the checkout fix; finance was promised a figure by Friday noon; \
                 the 02:00 page of the mailer is known and harmless, see the runbook";
    let by = Actor { name: "maya".into(), verified: true };
    payments.notes = vec![HandoffNote { at: at("2026-11-19T17:00:00Z"), note: words.into(), by, written: ago(20), read: None }];
    snapshot
}

/// One rota of a calendar that has not answered, one of a paging service that tells two people at once and has gone silent.
pub fn untold() -> Snapshot {
    let mut snapshot = burning();
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let silent = Told { sources: vec!["rota".into()], ..Told::default() };
    let shift = |who: &str, from: &str, to: &str| Shift {
        rotation: "web".into(),
        seat: Seat::Primary,
        who: who.into(),
        cover: Cover::Turn,
        from: at(from),
        to: Some(at(to)),
    };
    let shifts = vec![
        shift("maya", "2026-11-17T08:00:00Z", "2026-11-20T08:00:00Z"),
        shift("tom", "2026-11-19T08:00:00Z", "2026-11-21T08:00:00Z"),
        shift("zoe", "2026-11-22T08:00:00Z", "2026-12-24T08:00:00Z"),
    ];
    let known = Some(Interval { from: ago(9), to: at("2026-11-28T08:00:00Z") });
    let paged = Told { sources: vec!["pd".into()], known, shifts: [(Place::PRIMARY, shifts)].into_iter().collect() };
    let rota = |name: &str, told| Rota::new(name.into(), chrono_tz::Europe::Berlin, Book::Told(told)).standing(&Calls::default(), now());
    let rotas = [rota("search", silent), rota("web", paged)];
    snapshot.rotas = rotas.into_iter().map(|rota| Arc::new(Rota { stale: true, ..rota })).collect();
    snapshot
}

/// Nothing burns.
pub fn calm() -> Snapshot {
    let mut snapshot = burning();
    snapshot.slos.drain(..5);
    snapshot.incidents.clear();
    snapshot.episodes.clear();
    snapshot.latest.clear();
    snapshot.verdict = Verdict::Ok;
    snapshot.calm_since = Some(ago(76 * 60));
    snapshot
}

/// Nothing has answered yet.
pub fn starting() -> Snapshot {
    let mut snapshot = calm();
    snapshot.slos.clear();
    snapshot.verdict = Verdict::Unknown;
    snapshot.calm_since = None;
    snapshot.store.lease = LeaseView::Unknown;
    for source in &mut snapshot.sources {
        source.state = Freshness::Starting;
        (source.last_success, source.last_poll, source.poll_ms, source.skew_secs) = (None, None, None, None);
    }
    snapshot
}

/// Prometheus has not answered for nine minutes.
pub fn stale() -> Snapshot {
    let mut snapshot = burning();
    snapshot.verdict = Verdict::Unknown;
    snapshot.incidents.retain(|i| matches!(i.origin, Origin::Alertmanager { .. }));
    for row in &mut snapshot.slos {
        let row = Arc::make_mut(row);
        row.state = State::Stale;
        row.last_sample = Some(ago(9));
    }
    let prom = &mut snapshot.sources[0];
    prom.state = Freshness::Failing;
    prom.last_success = Some(ago(9));
    prom.failures = 3;
    prom.next_try = Some(now() + TimeDelta::seconds(52));
    prom.fault = Some(Fault {
        class: FaultClass::Timeout,
        message: Text::clean("prom: no answer in 5s; look whether prometheus.internal:9090 is overloaded, or raise timeout"),
        retry_after_secs: None,
    });
    prom.skew_secs = Some(-7.0);
    snapshot
}

/// A library of three runbooks, the first of which matches the page of checkout; one file cannot be used.
pub fn library() -> Arc<Library> {
    let book = |name: &str, text: &str| {
        let path = std::path::PathBuf::from(format!("/etc/burnwatch/runbooks/{name}.md"));
        let (book, problems) = crate::config::read_runbook(&path, text, crate::config::Known::default());
        Arc::new(book.unwrap_or_else(|| panic!("{problems:?}")))
    };
    let unusable = Unusable {
        file: "/etc/burnwatch/runbooks/old.md".into(),
        mistakes: 2,
        first: "line 7: there is no step `b` to undo this one".into(),
    };
    Arc::new(Library {
        books: vec![
            book("drain", include_str!("../../config/runbooks/queue-stalled.md")),
            book("rollback", ROLLBACK),
            book(
                "slow",
                "---\ntitle: Checkout is slow\nservices: [checkout]\n---\n## Look at the database\nIs it busy?\n## Ask for help\nIn the channel.\n",
            ),
        ],
        unusable: vec![unusable],
        ..Library::default()
    })
}

const ROLLBACK: &str = r#"---
title: Roll back a bad canary
alerts: ['service="checkout", region="eu"', 'service="checkout", slo="availability"']
services: [checkout]
---
## Confirm it is the canary
Only v42 fails.
```sh {name=confirm check timeout=10s expect="contains canary"}
./look "$BW_LABEL_SERVICE"
```
## Shift traffic back
Sends all traffic to v41. Costs nothing.
```sh {name=shift timeout=2m undo=shift-again effect="burn checkout/availability < 1 within 10m" inputs="share=100|90 default 100"}
./traffic set checkout stable="$BW_INPUT_SHARE" canary=0
```
## Shift again
```sh {name=shift-again timeout=2m}
./traffic set checkout stable=90 canary=10
```
## Scale the canary down
```sh {name=scale timeout=2m approve=1 cost="saves 12 EUR/h"}
./scale canary 0
```
## Tell support {name=tell}
Say since when, and that it is over.
"#;

/// A run of the second of them for the worst incident, after these events of so many seconds ago.
pub fn with_run(mut snapshot: Snapshot, events: Vec<(i64, RunEvent)>) -> Snapshot {
    let book = library().books[1].clone();
    let incident = snapshot.incidents[0].clone();
    let begun = Begun::of(&book, Some(&incident));
    let events = std::iter::once((180, RunEvent::Begun(Box::new(begun)))).chain(events);
    let entries: Vec<Entry> = (1_u64..)
        .zip(events)
        .map(|(n, (secs, event))| Entry {
            id: 900 + n,
            at: now() - TimeDelta::seconds(secs),
            act: ActId::new(&format!("e{n}")),
            subject: RunId(192).subject(),
            title: book.title.clone(),
            service: Some("checkout".into()),
            version: n,
            who: Actor { name: "maya".into(), verified: true },
            what: What::Run { event },
        })
        .collect();
    let run = Run::of(&entries).unwrap();
    snapshot.runs.insert(run.id, Arc::new(run));
    snapshot
}

/// A step of it starts.
pub fn starts(step: &str) -> RunEvent {
    let starter = Process { pid: 1, ticks: 1, boot: "b".to_owned() };
    RunEvent::Started(Started {
        key: ActId::new(step),
        step: step.into(),
        undoes: None,
        again: false,
        command: None,
        inputs: BTreeMap::new(),
        timeout_secs: 120,
        starter,
        before: Some(82.2),
    })
}

/// Its runner is there.
pub fn is_up(step: &str) -> RunEvent {
    RunEvent::Up { key: ActId::new(step), runner: Process { pid: 2, ticks: 2, boot: "b".to_owned() } }
}

/// It ends.
pub fn ends(step: &str, how: How, code: i32) -> RunEvent {
    let end = End { code: Some(code), took_ms: Some(4_200), ..End::told(how, "") };
    RunEvent::Ended { key: ActId::new(step), end }
}
