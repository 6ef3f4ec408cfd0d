use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Answer, Certificate, Definition, Event, Fault, FaultClass, Freshness, Lane, Part, Phases, Plan, ProbeEvents, Probed, Reading, Sli,
        Snapshot, State, Verdict, Want, Window,
    },
    engine::{
        Ledger, counted,
        fixture::{self, at},
        fold::fold,
        tally::tallies,
    },
};

/// A probe, a ledger, and what is known.
struct Outside {
    plan: Plan,
    ledger: Ledger,
    snapshot: Snapshot,
}

impl Outside {
    fn new() -> Self {
        let definition = |name: &str, under| {
            let usual = fixture::availability("outside", Window::days(30));
            Definition { id: name.into(), name: name.into(), sli: Sli::Probe(ProbeEvents { under }), overrides: BTreeMap::new(), ..usual }
        };
        let definitions = vec![definition("availability", None), definition("latency", Some(Duration::from_millis(300)))];
        let plan = fixture::plan(vec![fixture::source("outside", "probe", 15)], definitions);
        let snapshot = Snapshot::empty(&plan, at(0));
        Self { plan, ledger: Ledger::default(), snapshot }
    }
    fn poll(&mut self, secs: i64, outcome: Result<Answer, Fault>) {
        let part = Part { want: Want::Probe, as_of: at(secs), outcome, partial: None };
        let raw = Reading { source: "outside".into(), lane: Lane::Short, at: at(secs), took_us: 1, skew_secs: None, parts: vec![part] };
        let growth = self.ledger.tally(&self.plan.sources[0], tallies(&self.plan, &raw, &[]));
        let reading = counted(&self.ledger, &self.plan, &raw, &growth, &|_, _| true);
        self.snapshot = fold(&self.snapshot, &self.plan, Event::Read(Arc::new(reading)), at(secs));
    }
    fn states(&self) -> Vec<(&str, State)> {
        let mut all: Vec<_> = self.snapshot.slos.iter().map(|r| (r.id.as_str(), r.state)).collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }
}

fn fault(class: FaultClass) -> Fault {
    Fault { class, message: "outside: said".into(), retry_after_secs: None }
}

fn check(outcome: Result<u64, Fault>, ends: Option<DateTime<Utc>>) -> Answer {
    let labels = [("service", "shop")].into_iter().collect();
    let certificate = ends.map(|ends| Certificate { ends, warn_from: ends - TimeDelta::days(14) });
    Answer::Probed(vec![Probed { target: "https://shop".into(), labels, at: at(0), outcome, phases: Phases::default(), certificate }])
}

#[test]
fn a_cut_network_is_unknown_and_an_outage_is_not() {
    let mut outside = Outside::new();
    outside.poll(0, Ok(check(Ok(20_000), None)));
    outside.poll(15, Ok(check(Ok(20_000), None)));
    assert_eq!(outside.states(), [("shop/availability", State::Ok), ("shop/latency", State::Ok)]);
    assert_eq!(outside.snapshot.verdict, Verdict::Ok);
    for poll in 2..40 {
        outside.poll(poll * 15, Err(fault(FaultClass::Offline)));
        assert_eq!(outside.states(), [("shop/availability", State::Unknown), ("shop/latency", State::Unknown)], "poll {poll}");
        assert_eq!((outside.snapshot.verdict, outside.snapshot.sources[0].state), (Verdict::Unknown, Freshness::Failing));
    }
    // Nothing was counted meanwhile: the time is a hole.
    outside.poll(600, Ok(check(Ok(20_000), None)));
    assert_eq!(outside.states(), [("shop/availability", State::Ok), ("shop/latency", State::Ok)]);
    let hour = outside.snapshot.slos[0].figure(Window::hours(1)).unwrap().counts.unwrap();
    assert_eq!((hour.bad, hour.total), (0.0, 3.0));
    // The same from where the network is there: red at once.
    outside.poll(615, Ok(check(Err(fault(FaultClass::Timeout)), None)));
    outside.poll(630, Ok(check(Err(fault(FaultClass::Timeout)), None)));
    assert_eq!(outside.states()[0], ("shop/availability", State::Critical));
}

#[test]
fn a_certificate_that_ends_in_ten_days_is_a_warning() {
    let mut outside = Outside::new();
    outside.poll(0, Ok(check(Ok(20_000), Some(at(0) + TimeDelta::days(60)))));
    assert_eq!(outside.snapshot.verdict, Verdict::Ok);
    outside.poll(15, Ok(check(Ok(20_000), Some(at(15) + TimeDelta::days(10)))));
    let said: Vec<_> = outside.snapshot.certificate_warnings().map(|(source, text)| format!("{source}: {text}")).collect();
    assert_eq!(said, ["outside: the certificate of https://shop ends in 10 days"]);
    assert_eq!(outside.snapshot.verdict, Verdict::Warning);
}
