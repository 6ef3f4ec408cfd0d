use super::{super::Untrusted, *};

fn maya() -> Actor {
    Actor { name: "maya".into(), verified: true }
}

fn jon() -> Actor {
    Actor { name: "jon".into(), verified: true }
}

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
}

fn outline(name: &str, kind: &str) -> Outline {
    Outline {
        name: name.into(),
        title: name.into(),
        kind: kind.into(),
        approve: 0,
        continue_on_error: false,
        undo: None,
        undoes_only: false,
        effect: None,
    }
}

/// look (check), shift (run, taken back by `shift-back`), scale (run, one other must agree), tell (manual).
fn begun() -> Begun {
    let steps = vec![
        outline("look", "check"),
        Outline { undo: Some("shift-back".into()), ..outline("shift", "run") },
        Outline { undoes_only: true, ..outline("shift-back", "run") },
        Outline { approve: 1, ..outline("scale", "run") },
        outline("tell", "manual"),
    ];
    Begun {
        runbook: "rollback".into(),
        title: "Roll back".into(),
        hash: Hash::of(b"file"),
        incident: None,
        incident_title: None,
        facts: None,
        drill: None,
        steps,
    }
}

fn entry(version: u64, event: RunEvent) -> Entry {
    let (subject, title) = (RunId(192).subject(), "Roll back".into());
    let what = What::Run { event };
    Entry { id: version, at: at(version as i64), act: "a".into(), subject, title, service: None, version, who: maya(), what }
}

fn run() -> Run {
    Run::of([&entry(1, RunEvent::Begun(Box::new(begun())))]).unwrap()
}

fn process() -> Process {
    Process { pid: 7, ticks: 70, boot: "b".into() }
}

fn started(key: &str, step: &str) -> Started {
    Started {
        key: key.into(),
        step: step.into(),
        undoes: None,
        again: false,
        command: Some(Hash::of(b"true\n")),
        inputs: [("region".to_owned(), Untrusted::new("eu"))].into_iter().collect(),
        timeout_secs: 60,
        starter: process(),
        before: None,
    }
}

fn start(key: &str, step: &str) -> RunEvent {
    RunEvent::Started(started(key, step))
}

fn undo(key: &str, step: &str, target: &str) -> RunEvent {
    RunEvent::Started(Started { undoes: Some(target.into()), ..started(key, step) })
}

fn end(key: &str, how: How) -> RunEvent {
    RunEvent::Ended { key: key.into(), end: End::told(how, "") }
}

fn up(key: &str) -> RunEvent {
    RunEvent::Up { key: key.into(), runner: process() }
}

fn skip(step: &str) -> RunEvent {
    RunEvent::Skipped { step: step.into(), reason: "by hand".into() }
}

fn all(run: &mut Run, events: impl IntoIterator<Item = RunEvent>) {
    for event in events {
        run.apply(&event, &maya(), at(100)).unwrap_or_else(|refusal| panic!("{event:?}: {refusal}"));
    }
}

fn state(run: &Run, step: &str) -> StepState {
    run.state_of(run.step(&step.into()).unwrap())
}

fn refusal(run: &Run, event: &RunEvent) -> RunRefusal {
    let mut tried = run.clone();
    let refusal = tried.apply(event, &jon(), at(200)).unwrap_err();
    assert_eq!(tried, *run, "what is refused changes nothing");
    refusal
}

#[test]
fn a_run_goes_through_its_steps_in_order() {
    let mut run = run();
    assert_eq!((run.state(), state(&run, "look"), state(&run, "shift")), (RunState::Open, StepState::Ready, StepState::Waiting));
    assert_eq!(refusal(&run, &start("k", "shift")), RunRefusal::NotYet { earlier: "look".into() });
    all(&mut run, [start("k1", "look")]);
    assert_eq!((run.state(), state(&run, "look")), (RunState::Running, StepState::Starting));
    all(&mut run, [up("k1")]);
    assert_eq!(state(&run, "look"), StepState::Running);
    all(&mut run, [end("k1", How::Ok), start("k2", "shift"), up("k2"), end("k2", How::Ok)]);
    assert_eq!((run.state(), state(&run, "scale")), (RunState::Open, StepState::NeedsApproval));
    assert!(refusal(&run, &start("k3", "scale")).to_string().contains("needs the approval of 1 other"));
    all(&mut run, [skip("scale")]);
    assert_eq!(refusal(&run, &start("k4", "tell")), RunRefusal::ByHand("tell".into()));
    assert_eq!(run.over_at(), None);
    all(&mut run, [RunEvent::Ticked { step: "tell".into(), note: None }]);
    assert_eq!((run.state(), run.over_at(), run.next()), (RunState::Finished, Some(at(100)), None));
}

#[test]
fn one_step_is_started_once() {
    let mut run = run();
    all(&mut run, [start("k1", "look")]);
    let busy = refusal(&run, &start("k2", "look"));
    assert!(matches!(&busy, RunRefusal::Busy { step, by, .. } if step.as_str() == "look" && *by == maya()), "{busy}");
    all(&mut run, [up("k1"), end("k1", How::Ok)]);
    assert_eq!(refusal(&run, &start("k3", "look")), RunRefusal::Settled { step: "look".into(), state: "done" });
    // A check may be looked at again by who says so, a step that acts may not.
    all(&mut run, [RunEvent::Started(Started { again: true, ..started("k4", "look") }), end("k4", How::Ok)]);
    all(&mut run, [start("k5", "shift"), end("k5", How::Ok)]);
    let again = RunEvent::Started(Started { again: true, ..started("k6", "shift") });
    assert_eq!(refusal(&run, &again), RunRefusal::Settled { step: "shift".into(), state: "done" });
}

#[test]
fn an_end_that_nobody_saw_is_looked_at_before_it_is_repeated() {
    let mut run = run();
    all(&mut run, [start("k1", "look"), up("k1"), end("k1", How::Unknown)]);
    assert_eq!((run.state(), state(&run, "look")), (RunState::Stuck, StepState::Unknown));
    assert_eq!(refusal(&run, &start("k2", "look")), RunRefusal::LookFirst("look".into()));
    assert_eq!(refusal(&run, &start("k2", "shift")), RunRefusal::NotYet { earlier: "look".into() });
    // Who saw it after all may still say so; a second guess says nothing.
    assert_eq!(refusal(&run, &end("k1", How::Unknown)), RunRefusal::NotRunning("look".into()));
    let mut late = run.clone();
    all(&mut late, [end("k1", How::Ok)]);
    assert_eq!(state(&late, "look"), StepState::Done);
    assert_eq!(refusal(&late, &end("k1", How::Failed)), RunRefusal::NotRunning("look".into()));
    all(&mut run, [RunEvent::Started(Started { again: true, ..started("k2", "look") }), end("k2", How::Ok)]);
    assert_eq!(run.step(&"look".into()).unwrap().attempts.len(), 2);
}

#[test]
fn what_never_ran_may_simply_be_started_again() {
    let mut run = run();
    all(&mut run, [start("k1", "look"), end("k1", How::NotRun)]);
    assert_eq!(refusal(&run, &up("k1")), RunRefusal::NotRunning("look".into()));
    assert_eq!((run.state(), state(&run, "look")), (RunState::Stuck, StepState::NotRun));
    all(&mut run, [start("k2", "look"), up("k2"), end("k2", How::Ok)]);
}

#[test]
fn what_failed_is_taken_back_run_again_or_left_out() {
    let mut run = run();
    let undo = |key| undo(key, "shift-back", "shift");
    all(&mut run, [start("k1", "look"), end("k1", How::Ok)]);
    assert_eq!(refusal(&run, &undo("u")), RunRefusal::NothingToUndo("shift".into()));
    assert_eq!(refusal(&run, &start("u", "shift-back")), RunRefusal::OnlyUndoes("shift-back".into()));
    all(&mut run, [start("k2", "shift"), end("k2", How::Failed)]);
    assert_eq!((run.state(), run.undone(&"shift".into())), (RunState::Stuck, None));
    all(&mut run, [undo("u"), up("u"), end("u", How::Ok)]);
    assert_eq!(run.undone(&"shift".into()).map(|a| a.key.as_str()), Some("u"));
    assert_eq!(refusal(&run, &undo("u2")), RunRefusal::NothingToUndo("shift".into()));
    assert_eq!(state(&run, "shift"), StepState::Failed);
    assert_eq!(refusal(&run, &RunEvent::Skipped { step: "shift".into(), reason: Text::default() }), RunRefusal::NoReason);
    all(&mut run, [skip("shift")]);
    assert_eq!(state(&run, "scale"), StepState::NeedsApproval);
}

#[test]
fn a_failure_that_is_expected_stops_nobody() {
    let mut begun = begun();
    begun.steps[0].continue_on_error = true;
    let mut run = Run::of([&entry(1, RunEvent::Begun(Box::new(begun)))]).unwrap();
    all(&mut run, [start("k1", "look"), end("k1", How::Failed)]);
    assert_eq!((state(&run, "look"), state(&run, "shift")), (StepState::Failed, StepState::Ready));
}

#[test]
fn an_aborted_run_takes_the_end_of_what_runs_and_nothing_else() {
    let mut run = run();
    all(&mut run, [start("k1", "look"), up("k1"), RunEvent::Aborted { reason: "wrong one".into() }]);
    assert_eq!((run.state(), state(&run, "look")), (RunState::Running, StepState::Cancelling));
    all(&mut run, [end("k1", How::Cancelled)]);
    assert_eq!((run.state(), run.over_at()), (RunState::Aborted, Some(at(100))));
    assert_eq!(refusal(&run, &start("k2", "look")), RunRefusal::Over { by: maya() });
    assert_eq!(refusal(&run, &skip("look")), RunRefusal::Over { by: maya() });
}

#[test]
fn cancelling_reaches_what_runs_and_what_nobody_knows_the_end_of() {
    let mut run = run();
    let cancel = RunEvent::CancelAsked { key: "k1".into() };
    assert_eq!(refusal(&run, &cancel), RunRefusal::NotBegun);
    all(&mut run, [start("k1", "look"), up("k1"), cancel.clone()]);
    assert_eq!(state(&run, "look"), StepState::Cancelling);
    all(&mut run, [end("k1", How::Unknown), cancel.clone(), end("k1", How::Cancelled)]);
    assert_eq!(refusal(&run, &cancel), RunRefusal::NotRunning("look".into()));
}

#[test]
fn what_has_no_place_in_a_run_moves_its_version_and_nothing_else() {
    let entries = [entry(1, RunEvent::Begun(Box::new(begun()))), entry(2, end("nobody", How::Ok)), entry(3, start("k1", "look"))];
    let run = Run::of(&entries).unwrap();
    assert_eq!((run.version, run.state()), (3, RunState::Running));
    assert_eq!(Run::of(&entries[1..]), None);
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    let wish = super::super::Signal::Burn { slo: "checkout/availability".into() };
    let judgement = Judgement::Reached { signal: wish, before: Some(18.2), after: 0.4, secs: 378 };
    assert_eq!(judgement.to_string(), "burn 18.2× → 0.4× in 6m");
    let mut ended = End::told(How::Failed, "exit 3");
    (ended.code, ended.took_ms) = (Some(3), Some(4_230));
    assert_eq!(ended.to_string(), "failed: exit 3 in 4.2s");
    let output = OutputMark { bytes: 3, hash: Hash::of(b"a\x1b\n"), last: Untrusted::new("a\u{1b}\n") };
    ended.output = Some(output);
    ended.left = vec![Left { process: process(), name: "sleep".into() }];
    let events = [
        RunEvent::Begun(Box::new(begun())),
        start("k", "look"),
        up("k"),
        RunEvent::Ended { key: "k".into(), end: ended },
        skip("look"),
        RunEvent::Judged { key: "k".into(), judgement },
    ];
    for event in events {
        let entry = entry(1, event);
        let written = serde_json::to_string(&entry).unwrap();
        assert!(written.contains("\"what\":\"run\",\"event\":\""), "{written}");
        assert_eq!(serde_json::from_str::<Entry>(&written).unwrap(), entry);
    }
}

#[test]
fn a_run_is_named_by_its_number() {
    for text in ["192", "0192", "run:192"] {
        assert_eq!(text.parse(), Ok(RunId(192)));
    }
    assert_eq!((RunId(192).to_string(), RunId(7).subject().as_str().to_owned()), ("0192".to_owned(), "run:7".to_owned()));
    assert_eq!(RunId::of_subject(&"run:x".into()), None);
    assert!("checkout".parse::<RunId>().is_err());
}
