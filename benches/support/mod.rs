//! What the benches are made of: a plan with so many SLOs, and polls that answer it.

#![allow(dead_code, clippy::expect_used, reason = "each bench uses its part; a bench that cannot be set up stops")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use burnwatch::{
    domain::{
        AckPolicy, Answer, Definition, DefinitionId, Event, EventCounts, Group, GroupCounts, Lane, Objective, Part, Plan, Ratio, Reading,
        Selector, Side, Sli, Snapshot, SourcePlan, Untrusted, Want, Window, workbook,
    },
    engine::fold,
};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::Criterion;

/// How many SLOs: a team's, a company's.
pub const FEW: [usize; 2] = [10, 1_000];
/// A company's whose rows fan out by service and region.
pub const MANY: usize = 10_000;

/// Short enough that all benches take about a minute.
pub fn criterion() -> Criterion {
    Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

/// So many seconds after the beginning.
pub fn at(secs: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + secs)
}

/// How events are distributed over SLOs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// One SLO of a hundred burns.
    Ordinary,
    /// Every second one does.
    Outage,
}

/// `slos` SLOs of one source: up to ten definitions, each fanned out over services.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub plan: Plan,
    pub groups: Vec<Group>,
}

impl Fleet {
    pub fn new(slos: usize, kind: &'static str) -> Self {
        Self::of(slos, (slos / 5).clamp(1, 10), kind)
    }

    pub fn of(slos: usize, definitions: usize, kind: &'static str) -> Self {
        let group = |i| Group(vec![Untrusted::new(format!("service-{i:05}"))]);
        let plan = Plan {
            groups: Vec::new(),
            name: "bench".into(),
            time_zone: chrono_tz::UTC,
            sources: vec![source(kind)],
            definitions: (0..definitions).map(|i| Arc::new(definition(i))).collect(),
            services: BTreeMap::new(),
            people: Vec::new(),
            rotations: Vec::new(),
            feeds: Vec::new(),
            runbooks: std::sync::Arc::default(),
            queues: Vec::new(),
            gauges: Vec::new(),
            ack: AckPolicy { max: Duration::from_hours(4) },
            read_only: false,
        };
        Self { plan, groups: (0..slos / definitions).map(group).collect() }
    }

    /// What a poll of one lane that begins at `secs` brings: every definition over every window, all its groups in one answer.
    pub fn poll(&self, lane: Lane, secs: i64, mood: Mood) -> Arc<Reading> {
        let parts = self.plan.definitions.iter().flat_map(|d| self.parts(d, secs, mood)).filter(|p| p.want.lane() == lane).collect();
        Arc::new(Reading { source: "prom".into(), lane, at: at(secs), took_us: 40_000, skew_secs: Some(0.0), parts })
    }

    fn parts(&self, definition: &Definition, secs: i64, mood: Mood) -> Vec<Part> {
        let id = &definition.id;
        let part = |want, answer| Part { want, as_of: at(secs), outcome: Ok(answer), partial: None };
        let seen = self.groups.iter().map(|g| (g.clone(), at(secs - 5))).collect();
        let presence = part(Want::Presence { definition: id.clone() }, Answer::Presence(seen));
        let counts = definition.windows().into_iter().map(|window| {
            let rows = self.groups.iter().enumerate().map(|(i, group)| counted(definition, window, i, group, mood)).collect();
            part(Want::Counts { definition: id.clone(), window }, Answer::Counts(rows))
        });
        std::iter::once(presence).chain(counts).collect()
    }

    /// The snapshot after both lanes have answered once, at 0 s.
    pub fn snapshot(&self, mood: Mood) -> Snapshot {
        [Lane::Long, Lane::Short]
            .into_iter()
            .fold(Snapshot::empty(&self.plan, at(0)), |known, lane| fold(&known, &self.plan, Event::Read(self.poll(lane, 0, mood)), at(0)))
    }
}

fn counted(definition: &Definition, window: Window, i: usize, group: &Group, mood: Mood) -> GroupCounts {
    let burns = i.is_multiple_of(if mood == Mood::Outage { 2 } else { 100 });
    let total = window.secs_f64() * (10.0 + (i % 17) as f64);
    let burn = if burns { 20.0 } else { 0.1 + (i % 7) as f64 / 10.0 };
    let counts = EventCounts::new(total * burn * definition.objective.budget(), total);
    GroupCounts { group: group.clone(), counts, covered: (window == definition.period).then_some(1.0), partial: false }
}

fn source(kind: &'static str) -> SourcePlan {
    SourcePlan {
        name: "prom".into(),
        kind,
        every: Duration::from_secs(15),
        timeout: Duration::from_secs(5),
        timeout_long: Duration::from_mins(1),
        ack_for: Duration::from_mins(15),
        ack_silences: false,
        severities: BTreeMap::new(),
        heartbeat: false,
        scrape_interval: Duration::from_secs(15),
        insecure: false,
    }
}

/// The `i`th definition: errors among the requests of an interface.
pub fn definition(i: usize) -> Definition {
    let name = format!("availability-{i:04}");
    let selector = |text: String| text.parse::<Selector>().expect("a selector");
    let period = Window::days(30);
    Definition {
        id: DefinitionId::new(&name),
        name: name.as_str().into(),
        source: "prom".into(),
        by: vec!["service".into()],
        service: None,
        objective: Objective::new(0.999).expect("an objective"),
        overrides: BTreeMap::new(),
        period,
        sli: Sli::Ratio(Ratio {
            part: Side::Bad,
            selector: selector(format!("http_requests_{i:04}_total{{code=~\"5..\"}}")),
            total: selector(format!("http_requests_{i:04}_total")),
            missing_is_zero: true,
        }),
        rules: workbook(period),
        min_events: 0.0,
        qualified: false,
    }
}
