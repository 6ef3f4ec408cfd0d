//! Runbooks on the screen: what is drawn, and what the keys ask for.

use std::{collections::BTreeMap, sync::Arc};

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    action::Action,
    fixture::{self, ends, is_up, starts, with_run},
    keymap::{Chord, Key},
    state::{Mode, Screen, Ui},
    update::update,
    view::draw,
};
use crate::domain::{
    Act, ActId, How, Judgement, Library, Question, RUN_KEY, Request, RunEvent, RunVerb, Signal, Snapshot, StepOutput, Text, Verb, variables,
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (200, 50)];

/// The fleet of the mockups, with runbooks.
fn burning() -> Snapshot {
    Snapshot { runbooks: fixture::library(), ..fixture::burning() }
}

fn ui(snapshot: Snapshot, (w, h): (u16, u16)) -> Ui {
    Ui::new(fixture::settings(), snapshot.into(), Rect::new(0, 0, w, h), fixture::now())
}

fn text(ui: &mut Ui) -> String {
    let mut buffer = Buffer::empty(ui.area);
    let below = draw(&mut buffer, &mut Vec::new(), ui, fixture::now());
    ui.after_draw(below, fixture::now());
    let row = |y| (0..ui.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..ui.area.height).map(row).collect::<Vec<_>>().join("\n")
}

/// Press keys as a person does: through the keymap.
fn keys(ui: &mut Ui, typed: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    for c in typed.chars() {
        let chord = match c {
            '\n' => Chord::plain(Key::Enter),
            '\u{1b}' => Chord::plain(Key::Esc),
            '\t' => Chord::plain(Key::Tab),
            '\u{15}' => Chord::ctrl('u'),
            c => Chord::char(c),
        };
        let action = ui.keymap.lookup_in(ui, chord).unwrap_or_else(|| panic!("{c:?} means nothing here: {:?}", ui.mode));
        requests.extend(update(ui, &action, fixture::now()));
        text(ui);
    }
    requests.retain(|r| matches!(r, Request::Act(_)));
    requests
}

fn verb(requests: &[Request]) -> RunVerb {
    let [Request::Act(Act { verb: Verb::Run(verb), .. })] = requests else { panic!("{requests:?}") };
    verb.clone()
}

fn pictures(name: &str, snapshot: impl Fn() -> Snapshot, typed: &str) {
    for size in SIZES {
        let mut ui = ui(snapshot(), size);
        keys(&mut ui, typed);
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text(&mut ui));
    }
}

fn ticked() -> Vec<(i64, RunEvent)> {
    vec![(170, starts("confirm")), (166, ends("confirm", How::Ok, 0))]
}

fn running() -> Snapshot {
    let events = [ticked(), vec![(72, starts("shift")), (72, is_up("shift"))]].concat();
    let mut snapshot = with_run(burning(), events);
    let lines = "stable 90 → 100 … ok\nwaiting for 6 of 8 proxies\n";
    let output = StepOutput::new("shift".into(), lines.as_bytes(), lines.len() as u64, fixture::now());
    snapshot.output = Some(Arc::new(output));
    snapshot
}

fn failed() -> Snapshot {
    with_run(burning(), [ticked(), vec![(72, starts("shift")), (60, ends("shift", How::Failed, 3))]].concat())
}

fn ended() -> Snapshot {
    with_run(burning(), [ticked(), vec![(72, starts("shift")), (60, ends("shift", How::Ok, 0))]].concat())
}

#[test]
fn the_library_and_a_runbook_that_is_read() {
    pictures("runbooks", ended, "6");
    pictures("runbook", burning, "3r");
    pictures("runbook-dry", burning, "3rjd");
}

/// What the dry run shows is what the runner is given, name by name.
#[test]
fn a_dry_run_shows_what_the_step_would_be_told() {
    let snapshot = with_run(burning(), ticked());
    let run = snapshot.runs.values().next().unwrap().clone();
    let library = fixture::library();
    let step = library.books[1].step(&"shift".into()).unwrap();
    let told = variables(&run, step, &"dry".into(), &BTreeMap::new()).unwrap();
    assert!(told.len() >= 12 && told.contains_key("BW_INCIDENT_JSON"), "{told:?}");
    let mut ui = ui(snapshot, (200, 90));
    keys(&mut ui, "3rd");
    let shown = text(&mut ui);
    for (name, value) in told.iter().filter(|(name, _)| *name != RUN_KEY) {
        let line: String = format!("{name}={value}").chars().take(190).collect();
        assert!(shown.contains(&line), "{line} in {shown}");
    }
    assert!(shown.contains("BW_RUN_KEY=(given as it starts)"), "{shown}");
}

#[test]
fn a_run_as_it_goes() {
    pictures("run-running", running, "3r");
    pictures("run-failed", failed, "3r");
    pictures("run-effect", ended, "3rk");
    pictures("run-prompt", || with_run(burning(), ticked()), "3r\n\n");
}

/// A run whose steps are all taken is what `r` opens for as long as its effect is watched, at the step that is to change something.
#[test]
fn a_run_that_is_over_is_shown_until_its_effect_is_known() {
    let skipped = |step: &str| RunEvent::Skipped { step: step.into(), reason: "they know".into() };
    let last = || vec![(60, ends("shift", How::Ok, 0)), (50, skipped("scale")), (40, skipped("tell"))];
    let over = || [ticked(), vec![(72, starts("shift"))], last()].concat();
    pictures("run-watched", || with_run(burning(), over()), "3r");
    let mut watched = ui(with_run(burning(), over()), (120, 36));
    assert!(text(&mut watched).contains("r watch the effect"), "{}", text(&mut watched));
    // Who presses enter once too often begins nothing: the steps are there first.
    assert!(keys(&mut watched, "3r\n").is_empty());
    assert!(text(&mut watched).contains("enter begin a run"), "{}", text(&mut watched));
    assert!(matches!(verb(&keys(&mut watched, "\n")), RunVerb::Begin { .. }));
    let signal = Signal::Burn { slo: "checkout/availability".into() };
    let judgement = Judgement::NoEffect { signal, before: Some(82.2), after: 82.0, secs: 300 };
    let judged = [over(), vec![(10, RunEvent::Judged { key: ActId::new("shift"), judgement })]].concat();
    let mut told = ui(with_run(burning(), judged), (120, 36));
    keys(&mut told, "3r");
    assert!(text(&mut told).contains("enter begin a run"), "{}", text(&mut told));
}

#[test]
fn the_room_and_the_answer_name_the_runbook() {
    pictures("room-runbooks", burning, "3\n");
    let mut ui = ui(burning(), (80, 24));
    assert!(text(&mut ui).contains("r Roll back a bad"), "{}", text(&mut ui));
}

#[test]
fn the_keys_on_screen_lead_from_the_incident_through_the_run() {
    let mut ui = ui(burning(), (80, 24));
    // The incident under the cursor, its runbook, begin.
    let begun = keys(&mut ui, "3r\n");
    let incident = ui.snapshot.incidents[0].id.clone();
    assert_eq!(verb(&begun), RunVerb::Begin { runbook: "rollback".into(), incident: Some(incident), drill: None });
    // The run is there: the first step asks, and runs on a yes.
    ui.take(with_run(burning(), vec![]).into(), fixture::now());
    assert!(text(&mut ui).contains("run step 1"), "{}", text(&mut ui));
    assert_eq!(keys(&mut ui, "\n"), []);
    assert!(matches!(ui.mode, Mode::RunConfirm(_)));
    assert!(text(&mut ui).contains("./look \"$BW_LABEL_SERVICE\""), "{}", text(&mut ui));
    let started = keys(&mut ui, "\n");
    assert!(matches!(verb(&started), RunVerb::Start { step, again: false, .. } if step.as_str() == "confirm"), "{started:?}");
    // The second step asks for its input first.
    ui.take(with_run(burning(), ticked()).into(), fixture::now());
    keys(&mut ui, "\n\u{15}70\n");
    assert!(text(&mut ui).contains("one of 100, 90"), "{}", text(&mut ui));
    let started = keys(&mut ui, "\u{15}90\n\n");
    assert!(matches!(verb(&started), RunVerb::Start { inputs, .. } if inputs["share"].raw() == "90"), "{started:?}");
    // It fails: undo is offered, and the way on is a skip with a reason.
    ui.take(failed().into(), fixture::now());
    let shown = text(&mut ui);
    assert!(shown.contains("U undoes") && shown.contains("U undo") && shown.contains("✗"), "{shown}");
    assert!(matches!(verb(&keys(&mut ui, "U\n")), RunVerb::Undo { step, .. } if step.as_str() == "shift"));
    keys(&mut ui, "s\n");
    assert!(text(&mut ui).contains("say why"), "a skip needs a reason");
    let skipped = keys(&mut ui, "by hand\n\n");
    assert_eq!(verb(&skipped), RunVerb::Skip { step: "shift".into(), reason: "by hand".into() });
    // A gate is not opened here.
    let at_gate = [ticked(), vec![(72, starts("shift")), (60, ends("shift", How::Ok, 0))]].concat();
    ui.take(with_run(burning(), at_gate).into(), fixture::now());
    assert_eq!(keys(&mut ui, "\n"), []);
    assert!(ui.failures.pop_front().unwrap().contains("needs the approval of others"));
    let aborted = keys(&mut ui, "xover\n\n");
    assert_eq!(verb(&aborted), RunVerb::Abort { reason: "over".into() });
}

#[test]
fn what_runs_can_be_ended_and_its_output_is_asked_for() {
    let mut ui = ui(running(), (120, 36));
    keys(&mut ui, "3r");
    assert_eq!(ui.watched.as_ref().unwrap().as_str(), "shift");
    assert_eq!(keys(&mut ui, "\n"), [], "nothing starts beside what runs");
    assert!(matches!(verb(&keys(&mut ui, "c\n")), RunVerb::Cancel { key } if key.as_str() == "shift"));
    keys(&mut ui, "\u{1b}");
    let looks = ui.after_draw(0, fixture::now());
    assert!(ui.watched.is_none() && looks.is_empty(), "{looks:?}");
    assert_eq!(ui.screen, Screen::Incidents);
    update(&mut ui, &Action::Runbook, fixture::now());
    // The files are read anew, whoever has changed them meanwhile.
    let looks = [Question::Runbooks, Question::Output(Some("shift".into()))].map(Request::Look);
    assert_eq!(ui.after_draw(0, fixture::now()), looks);
    assert_eq!(ui.after_draw(0, fixture::now()), [], "once");
}

/// A cockpit that had been open for weeks offered a runbook as it had been when it was started.
#[test]
fn runbooks_that_were_read_anew_are_those_that_match() {
    let mut ui = ui(burning(), (80, 24));
    keys(&mut ui, "3r");
    assert!(text(&mut ui).contains("tab: 2 match"), "{}", text(&mut ui));
    let mut anew = burning();
    let mut library = Library::clone(&anew.runbooks);
    library.books.retain(|book| book.id.as_str() != "slow");
    Arc::make_mut(&mut library.books[1]).title = "Roll it back now".into();
    anew.runbooks = Arc::new(library);
    ui.take(anew.into(), fixture::now());
    let shown = text(&mut ui);
    assert!(shown.contains("Roll it back now") && !shown.contains("tab"), "{shown}");
}

/// In a run what a step has changed stays in sight beside the next one, and what it has written is not cut off.
#[test]
fn the_effect_stays_in_sight_and_output_is_whole() {
    let skipped = RunEvent::Skipped { step: "scale".into(), reason: "not now".into() };
    let events = [ticked(), vec![(72, starts("shift")), (60, ends("shift", How::Ok, 0)), (50, skipped)]].concat();
    let mut ui = ui(with_run(burning(), events), (80, 24));
    keys(&mut ui, "3r");
    let shown = text(&mut ui);
    assert!(shown.contains("enter tick off step 4") && shown.contains("── effect of step 2: burn checkout/availability"), "{shown}");
    assert!(shown.contains("settling, judged from "), "{shown}");
    let mut snapshot = running();
    let line = "x".repeat(100) + " the end";
    snapshot.output = Some(Arc::new(StepOutput::new("shift".into(), line.as_bytes(), line.len() as u64, fixture::now())));
    ui.take(snapshot.into(), fixture::now());
    assert!(text(&mut ui).contains("x the end"), "{}", text(&mut ui));
}

/// A queue stood still, no SLO burned yet, and no key on the screen led to what to do.
#[test]
fn the_runbook_of_the_worst_is_one_key_away_wherever_the_cursor_is() {
    let quiet = || {
        let mut snapshot = Snapshot { incidents: fixture::burning().incidents, ..fixture::calm() };
        snapshot.slos.retain(|row| row.service.as_str() != "checkout" && row.service.as_str() != "orders");
        Snapshot { runbooks: fixture::library(), ..snapshot }
    };
    let mut ui = ui(quiet(), (120, 36));
    assert!(ui.actionable().is_none() && text(&mut ui).contains("r Roll back a bad canary"), "{}", text(&mut ui));
    keys(&mut ui, "r");
    assert!(text(&mut ui).contains("enter begin a run"), "{}", text(&mut ui));
    // Without a runbook the keys lead to the incident.
    let mut ui = self::ui(Snapshot { runbooks: Arc::default(), ..quiet() }, (120, 36));
    assert!(text(&mut ui).contains("tab to the incidents"), "{}", text(&mut ui));
    keys(&mut ui, "\t");
    assert!(text(&mut ui).contains("a acknowledge"), "{}", text(&mut ui));
    keys(&mut ui, "2");
    assert!(text(&mut ui).contains("3 incidents"), "{}", text(&mut ui));
}

/// Help begins with the keys of where one is.
#[test]
fn help_in_a_runbook_begins_with_its_keys() {
    let mut ui = ui(burning(), (80, 24));
    keys(&mut ui, "3r?");
    let shown = text(&mut ui);
    assert!(shown.contains("in a runbook") && shown.contains("s           skip it, with a reason"), "{shown}");
}

#[test]
fn an_unknown_end_is_run_again_only_after_a_look() {
    let unknown = || with_run(burning(), vec![(72, starts("confirm")), (60, ends("confirm", How::Unknown, 0))]);
    let mut ui = ui(unknown(), (80, 24));
    keys(&mut ui, "3r");
    assert!(text(&mut ui).contains("nobody saw how it ended"), "{}", text(&mut ui));
    assert!(matches!(verb(&keys(&mut ui, "\n\n")), RunVerb::Start { again: true, .. }));
}

#[test]
fn nothing_is_done_read_only_or_without_trust() {
    let mut ui = ui(with_run(burning(), vec![]), (80, 24));
    ui.settings.read_only = true;
    assert_eq!(keys(&mut ui, "3r\n"), []);
    assert!(ui.failures.pop_front().unwrap().contains("read-only"));
    ui.settings.read_only = false;
    let held = crate::domain::Library { held: Some(Text::from("not trusted")), ..crate::domain::Library::clone(&fixture::library()) };
    Arc::make_mut(&mut ui.snapshot).runbooks = Arc::new(held);
    assert_eq!(keys(&mut ui, "\n"), []);
    assert_eq!(ui.failures.pop_front().unwrap(), "not trusted");
}

#[test]
fn no_runbook_says_so_and_tab_goes_through_those_that_match() {
    let mut ui = ui(burning(), (80, 24));
    keys(&mut ui, "3r\t");
    assert!(text(&mut ui).contains("Checkout is slow"), "{}", text(&mut ui));
    keys(&mut ui, "\u{1b}");
    Arc::make_mut(&mut ui.snapshot).runbooks = Arc::default();
    keys(&mut ui, "r");
    assert!(ui.notice.as_ref().unwrap().text.contains("no runbook matches"));
}

#[test]
fn hostile_labels_and_every_size_are_drawn() {
    let mut snapshot = running();
    let worst = Arc::make_mut(&mut snapshot.incidents[0]);
    let mut labels = worst.labels.clone();
    labels.0.insert("x\u{1b}[2J".to_owned().as_str().into_untrusted(), "$(touch x) '\"\n-rf \u{202e}".into_untrusted());
    worst.labels = labels;
    for (w, h) in (0..=130).step_by(13).flat_map(|w| (0..=40).step_by(7).map(move |h| (w, h))) {
        let mut ui = ui(snapshot.clone(), (w, h));
        for typed in ["6", "\n", "d", "\u{1b}"] {
            keys(&mut ui, typed);
        }
    }
    // A run has the facts that it began with; one that is to begin gets those of now.
    snapshot.runs.clear();
    let mut ui = ui(snapshot, (120, 50));
    keys(&mut ui, "3rd");
    let shown = text(&mut ui);
    assert!(shown.contains("BW_LABEL_X__2J=$(touch x) '\"␊-rf \u{fffd}"), "{shown}");
}

/// Text from outside, in a test.
trait IntoUntrusted {
    fn into_untrusted(self) -> crate::domain::Untrusted;
}
impl IntoUntrusted for &str {
    fn into_untrusted(self) -> crate::domain::Untrusted {
        crate::domain::Untrusted::new(self)
    }
}
