//! What the engine's tests watch, each thing in its plainest form; a test changes what it is about.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use crate::domain::{AckPolicy, Definition, Objective, Plan, Ratio, Selector, Side, Sli, SourcePlan, Window, workbook};

/// So many seconds after a day in January 2027, eight in the morning.
pub fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
}

/// A source that is polled every so many seconds, with the deadlines that a row has by default.
pub fn source(name: &str, kind: &'static str, every_secs: u64) -> SourcePlan {
    SourcePlan {
        name: name.into(),
        kind,
        every: Duration::from_secs(every_secs),
        timeout: Duration::from_secs(5),
        timeout_long: Duration::from_mins(1),
        ack_for: Duration::from_mins(15),
        ack_silences: false,
        severities: BTreeMap::new(),
        heartbeat: false,
        scrape_interval: Duration::from_mins(1),
        insecure: false,
    }
}

/// 99.9 % of every service's requests, with the workbook's rules.
pub fn availability(source: &str, period: Window) -> Definition {
    let selector = |text: &str| text.parse::<Selector>().unwrap();
    Definition {
        id: "availability".into(),
        name: "availability".into(),
        source: source.into(),
        by: vec!["service".into()],
        service: None,
        objective: Objective::new(0.999).unwrap(),
        overrides: BTreeMap::new(),
        period,
        sli: Sli::Ratio(Ratio { part: Side::Bad, selector: selector("r{c=\"5\"}"), total: selector("r"), missing_is_zero: true }),
        rules: workbook(period),
        min_events: 0.0,
        qualified: false,
    }
}

/// A plan of these, in which nobody is named and an acknowledgement holds for four hours.
pub fn plan(sources: Vec<SourcePlan>, definitions: Vec<Definition>) -> Plan {
    Plan {
        name: "test".into(),
        time_zone: chrono_tz::UTC,
        sources,
        definitions: definitions.into_iter().map(Arc::new).collect(),
        services: BTreeMap::new(),
        people: Vec::new(),
        rotations: Vec::new(),
        feeds: Vec::new(),
        groups: Vec::new(),
        runbooks: std::sync::Arc::default(),
        queues: Vec::new(),
        gauges: Vec::new(),
        ack: AckPolicy { max: Duration::from_hours(4) },
        read_only: false,
    }
}
