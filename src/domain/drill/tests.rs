use super::*;
use crate::domain::{Begun, End, Hash, How, Judgement, Process, Signal, Started, Target};

fn at(secs: i64) -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(secs)
}

fn entry(secs: i64, who: &str, subject: &str, what: What) -> Entry {
    let who = Actor { name: who.into(), verified: true };
    let (act, subject, title) = ("a".into(), subject.into(), "t".into());
    Entry { id: secs.unsigned_abs(), at: at(secs), act, subject, title, service: None, version: 0, who, what }
}

fn run(secs: i64, who: &str, event: RunEvent) -> Entry {
    entry(secs, who, "run:1", What::Run { event })
}

fn begun() -> RunEvent {
    RunEvent::Begun(Box::new(Begun {
        runbook: "roll-back-canary".into(),
        title: "Roll back".into(),
        hash: Hash::of(b"file"),
        incident: None,
        incident_title: None,
        facts: None,
        drill: Some("bad-canary".into()),
        steps: Vec::new(),
    }))
}

fn started(key: &str, step: &str) -> RunEvent {
    let starter = Process { pid: 7, ticks: 70, boot: "b".into() };
    let (key, step) = (key.into(), step.into());
    let started =
        Started { key, step, undoes: None, again: false, command: None, inputs: [].into(), timeout_secs: 9, starter, before: None };
    RunEvent::Started(started)
}

fn acknowledged(secs: i64, who: &str) -> Entry {
    let effect = Effect::Acknowledge { target: Target::Journal, occurrence: at(50), note: None, until: at(9_000), lapses: at(9_000) };
    entry(secs, who, "checkout/availability:page", What::Asked { effect })
}

/// The canary begins to fail at 20 and pages at 50; jon has it at 64 and maya shifts the traffic at 100.
fn journal() -> Vec<Entry> {
    let effect =
        Judgement::Reached { signal: Signal::Burn { slo: "checkout/availability".into() }, before: Some(18.0), after: 0.4, secs: 360 };
    let end = |how| End::told(how, "");
    vec![
        acknowledged(64, "jon"),
        run(80, "maya", begun()),
        run(81, "maya", started("k1", "confirm")),
        run(82, "maya", RunEvent::Ended { key: "k1".into(), end: end(How::Ok) }),
        run(98, "maya", started("k2", "shift")),
        run(100, "maya", RunEvent::Ended { key: "k2".into(), end: end(How::Ok) }),
        run(120, "jon", RunEvent::Ticked { step: "tell".into(), note: None }),
        run(460, "burnwatch", RunEvent::Judged { key: "k2".into(), judgement: effect }),
    ]
}

fn played<'a>(entries: &'a [Entry], episodes: &'a [Episode], mitigated: Option<i64>) -> Played<'a> {
    let (scenario, title) = ("bad-canary".into(), "A bad canary".into());
    Played { scenario, title, stands_for: &[], entries, episodes, began: Some(at(20)), mitigated: mitigated.map(at) }
}

fn page(secs: i64) -> Episode {
    Episode { slo: "checkout/availability".into(), grade: Grade::Page, seen_at: at(secs), since: None, ended_at: None }
}

#[test]
fn a_drill_tells_how_long_it_took_who_took_part_and_what_they_did() {
    let (entries, episodes) = (journal(), [page(50), Episode { grade: Grade::Ticket, ..page(30) }]);
    let stands_for = ["checkout-rollback".into()];
    let drill = outcome(&Played { stands_for: &stands_for, ..played(&entries, &episodes, Some(100)) });
    assert_eq!((drill.paged_secs, drill.acknowledged_secs, drill.mitigated_secs), (Some(30), Some(14), Some(80)));
    assert_eq!(drill.people, ["jon".into(), "maya".into()]);
    assert_eq!(drill.runbooks, ["checkout-rollback".into(), "roll-back-canary".into()]);
    let steps: Vec<_> = drill.steps.iter().map(|s| (s.step.as_str(), s.how.as_str())).collect();
    assert_eq!(steps, [("confirm", "ok"), ("shift", "ok"), ("tell", "done")]);
    assert_eq!(drill.steps[1].effect, Some("burn 18.0× → 0.4× in 6m".into()));
    assert_eq!(drill.to_string(), "mitigated in 1m20s, acknowledged after 14s, 3 steps");
    let written = serde_json::to_string(&What::Drilled { drill: Box::new(drill.clone()) }).unwrap();
    assert_eq!(serde_json::from_str::<What>(&written).unwrap(), What::Drilled { drill: Box::new(drill) });
}

#[test]
fn one_that_was_left_says_so() {
    let (entries, episodes) = (journal(), [page(50)]);
    assert_eq!(outcome(&played(&entries, &episodes, None)).to_string(), "not mitigated, acknowledged after 14s, 3 steps");
    let nobody = outcome(&played(&[], &episodes, None));
    assert_eq!((nobody.ended, nobody.to_string().as_str()), (DrillEnd::Abandoned, "abandoned, never acknowledged, no step taken"));
    let early = outcome(&Played { began: None, ..played(&entries[..1], &[], None) });
    assert_eq!((early.ended, early.runbooks.len()), (DrillEnd::Abandoned, 0));
}

#[test]
fn the_newest_rehearsal_of_a_runbook_counts() {
    let (entries, episodes) = (journal(), [page(50)]);
    let drilled = |secs, mitigated| {
        let drill = outcome(&played(&entries, &episodes, mitigated));
        Arc::new(Drilled { at: at(secs), by: Actor { name: "maya".into(), verified: true }, drill })
    };
    let nothing = outcome(&played(&[], &episodes, None));
    let abandoned = Arc::new(Drilled { drill: nothing, ..drilled(3_000, None).as_ref().clone() });
    let drills = [drilled(1_000, None), drilled(2_000, Some(100)), abandoned];
    assert_eq!(last_rehearsed(&drills, &"roll-back-canary".into()).map(|d| d.at), Some(at(2_000)));
    assert_eq!(last_rehearsed(&drills, &"restart-queue-workers".into()), None);
}
