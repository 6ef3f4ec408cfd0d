//! The life of an acknowledgement on the screen, the board, silences being written, and several acts at once.

use std::sync::Arc;

use chrono::TimeDelta;
use ratatui::layout::Rect;

use super::{
    action::Action,
    deeds::Fate,
    fixture::{self, now},
    state::{Mode, Screen, Ui},
    update::update,
};
use crate::domain::{
    Act, Actor, Delivery, Effect, HoldState, LabelMatcher, Op, Outcome, Request, Snapshot, SourceName, Target, Text, Toast, Verb, board,
    coverage, lapsing, silence_subject,
};

const ENTER: Action = Action::Accept;

fn ui(snapshot: Snapshot) -> Ui {
    let mut ui = Ui::new(fixture::settings(), snapshot.into(), Rect::new(0, 0, 80, 24), now());
    ui.after_draw(0, now());
    ui
}

fn act(ui: &mut Ui, actions: &[Action]) -> Vec<Act> {
    let requests = actions.iter().flat_map(|a| update(ui, a, now())).collect::<Vec<_>>();
    requests.into_iter().filter_map(|r| if let Request::Act(act) = r { Some(act) } else { None }).collect()
}

/// To the incident of this title on its screen.
fn at(title: &str) -> Ui {
    let mut ui = ui(fixture::held());
    act(&mut ui, &[Action::Go(Screen::Incidents)]);
    let place = ui.snapshot.incidents.iter().position(|i| i.title.as_str() == title).unwrap();
    act(&mut ui, &[Action::Step(i32::try_from(place).unwrap())]);
    ui
}

fn draft(ui: &Ui) -> &super::draft::Draft {
    let (Mode::Silence(draft) | Mode::Field(draft, ..)) = &ui.mode else { panic!("{:?}", ui.mode) };
    draft
}

fn fates(ui: &Ui) -> Vec<Fate> {
    let Mode::Deeds(deeds) = &ui.mode else { panic!("{:?}", ui.mode) };
    deeds.lines.iter().map(|l| l.fate.clone()).collect()
}

fn typed(text: &str) -> Vec<Action> {
    [Action::EraseAll, Action::Paste(text.to_owned()), ENTER].into()
}

#[test]
fn taking_over_asks_first_and_names_who_it_is_taken_from() {
    let mut ui = at("orders: queue stalled");
    assert!(act(&mut ui, &[Action::Acknowledge]).is_empty(), "nothing before the yes");
    let asked = act(&mut ui, &[Action::Note, Action::Paste("mine now".into()), ENTER, ENTER]);
    assert_eq!(asked[0].verb, Verb::TakeOver { from: "jon".into(), note: Some("mine now".into()) });
    assert_eq!((asked.len(), asked[0].incident.as_str(), asked[0].seen), (1, "am:9f86d081884c7d65", 3));
}

#[test]
fn who_holds_it_anew_has_still_said_what_they_said() {
    let mut snapshot = fixture::held();
    let ack = Arc::make_mut(&mut snapshot.incidents[2]).ack.as_mut().unwrap();
    (ack.by.name, ack.note) = ("maya".into(), Some("on it".into()));
    let mut ui = ui(snapshot);
    let asked = act(&mut ui, &[Action::Go(Screen::Incidents), Action::Step(2), Action::Acknowledge, ENTER]);
    assert_eq!(asked[0].verb, Verb::TakeOver { from: "maya".into(), note: Some("on it".into()) });
}

#[test]
fn what_is_still_on_its_way_is_not_taken_over() {
    let mut snapshot = fixture::held();
    let incident = Arc::make_mut(&mut snapshot.incidents[2]);
    incident.ack.as_mut().unwrap().delivery = Delivery::Pending;
    let mut ui = ui(snapshot);
    assert!(act(&mut ui, &[Action::Go(Screen::Incidents), Action::Step(2), Action::Acknowledge, ENTER]).is_empty());
    assert!(ui.notice.as_ref().unwrap().text.contains("jon is on its way"));
}

#[test]
fn a_take_over_that_ended_says_whose_it_is_now() {
    let mut ui = at("orders: queue stalled");
    act(&mut ui, &[Action::Acknowledge, ENTER]);
    let mut after = fixture::held();
    let mut asked = fixture::asked(30, 0, "maya", &after.incidents[2]);
    let effect = Effect::TakeOver {
        target: after.incidents[2].target(),
        occurrence: after.incidents[2].occurrence(),
        note: None,
        until: now() + TimeDelta::minutes(15),
        lapses: now() + TimeDelta::hours(4),
        from: Actor { name: "jon".into(), verified: true },
        silence: None,
    };
    asked.what = crate::domain::What::Asked { effect };
    let ended = fixture::ended(&asked, Outcome::Done { receipt: Some("3f2a9c1e".into()) });
    after.latest.extend([Arc::new(asked), Arc::new(ended)]);
    ui.take(after.into(), now());
    assert_eq!(ui.notice.as_ref().unwrap().text, "taken over · silence 3f2a until 14:47");
}

#[test]
fn an_acknowledgement_is_warned_of_once_in_its_last_quarter_of_an_hour() {
    let mut snapshot = fixture::held();
    let long = |snapshot: &mut Snapshot, minutes| {
        let ack = Arc::make_mut(&mut snapshot.incidents[2]).ack.as_mut().unwrap();
        ack.lapses = Some(now() + TimeDelta::minutes(minutes));
    };
    long(&mut snapshot, 16);
    assert!(lapsing(&snapshot, now()).is_empty());
    let mut ui = ui(snapshot);
    assert!(ui.notice.is_none() && ui.lapsing.is_empty());
    ui.pass(now() + TimeDelta::seconds(61));
    assert_eq!(ui.notice.take().unwrap().text, "lapses in 14m · orders: queue stalled, held by jon");
    ui.pass(now() + TimeDelta::seconds(62));
    assert!(ui.notice.is_none() && ui.lapsing.len() == 1, "said once, shown until it is over");
    ui.pass(now() + TimeDelta::minutes(16));
    assert!(ui.lapsing.is_empty());
}

#[test]
fn the_warning_leaves_out_what_other_tools_extend_and_what_never_arrived() {
    let mut snapshot = fixture::held();
    Arc::make_mut(&mut snapshot.incidents[2]).ack.as_mut().unwrap().act = None;
    assert!(lapsing(&snapshot, now()).is_empty(), "kthxbye may extend it");
    Arc::make_mut(&mut snapshot.incidents[2]).ack.as_mut().unwrap().target =
        Target::PagerDuty { source: "pd".into(), incident: "P1".into() };
    assert_eq!(lapsing(&snapshot, now()).len(), 1, "PagerDuty's own book tells its end");
    Arc::make_mut(&mut snapshot.incidents[2]).ack.as_mut().unwrap().delivery = Delivery::Failed;
    assert!(lapsing(&snapshot, now()).is_empty());
}

#[test]
fn the_board_has_what_ends_first_on_top_and_names_orphans_and_duplicates() {
    let rows = board(&fixture::held());
    let shown: Vec<_> = rows.iter().map(|r| (r.key.as_str().get(..4).unwrap(), r.who.as_str(), r.state.word(), r.kind())).collect();
    assert_eq!(
        shown,
        [
            ("3f2a", "jon", "holds", "ack"),
            ("8d11", "ines", "duplicate", "silence"),
            ("77c0", "maya", "holds", "silence"),
            ("b4c5", "priya", "pending", "silence"),
            ("ack:", "priya", "holds", "ack"),
            ("a0b1", "sam", "orphaned", "silence"),
        ]
    );
    assert_eq!(rows[1].state, HoldState::Duplicate("77c0d2b4-77aa-4f5e-8c55-0d6b8f0e1a11".into()));
    assert_eq!(rows[2].why.as_ref().map(Text::as_str), Some("canary of v42 is known"), "the mark is not for reading");
    assert!(rows[0].incident.is_some() && rows[4].silence.is_none());
}

#[test]
fn peers_that_list_the_same_silence_make_one_row() {
    let mut snapshot = fixture::held();
    let copy = snapshot.alerts[&SourceName::new("am")].clone();
    snapshot.alerts.insert("am-2".into(), copy);
    let rows = board(&snapshot);
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[1].sources.len(), 2);
    assert_eq!(rows[2].state, HoldState::Holds, "not a duplicate of itself");
}

#[test]
fn a_silence_on_the_board_is_expired_after_a_yes_and_an_acknowledgement_is_given_back() {
    let mut ui = ui(fixture::held());
    assert!(act(&mut ui, &[Action::Go(Screen::Board), Action::Step(1), Action::Expire]).is_empty());
    let asked = act(&mut ui, &[ENTER]);
    let id = "8d11e0f3-77aa-4f5e-8c55-0d6b8f0e1a11".to_owned();
    assert_eq!(asked[0].verb, Verb::Expire { source: "am".into(), silence: id });
    assert!(matches!(ui.mode, Mode::Normal), "one act needs no list");
    let asked = act(&mut ui, &[Action::Step(-1), Action::Expire, ENTER]);
    assert_eq!((asked[0].verb.clone(), asked[0].incident.as_str()), (Verb::Unacknowledge, "am:9f86d081884c7d65"));
    act(&mut ui, &[Action::Back]);
    assert_eq!(ui.screen, Screen::Incidents, "the board is a view of the incidents");
}

#[test]
fn the_board_keeps_its_cursor_on_its_row() {
    let mut ui = ui(fixture::held());
    act(&mut ui, &[Action::Go(Screen::Board), Action::Step(2)]);
    let mut after = fixture::held();
    let mut alerts = (*after.alerts[&SourceName::new("am")]).clone();
    alerts.silences.remove(2);
    after.alerts.insert("am".into(), Arc::new(alerts));
    ui.take(after.into(), now());
    assert!(ui.hold().unwrap().key.as_str().starts_with("77c0"));
}

#[test]
fn a_silence_is_written_from_the_alerts_labels_and_counted_before_it_is_sent() {
    let mut ui = at("CheckoutErrorBudgetBurn");
    act(&mut ui, &[Action::Silence]);
    assert_eq!((draft(&ui).rows.len(), draft(&ui).matchers().len()), (7, 7));
    assert_eq!(draft(&ui).coverage(&ui.snapshot).unwrap().covered, ["checkout CheckoutErrorBudgetBurn".into()]);
    // Without the service the other alert is covered too.
    act(&mut ui, &[Action::Step(3)]);
    assert_eq!(draft(&ui).rows[3].0.name.raw(), "service");
    act(&mut ui, &[Action::Toggle]);
    assert_eq!(draft(&ui).coverage(&ui.snapshot).unwrap().covered.len(), 2);
    act(&mut ui, &[Action::Compare, Action::Compare, Action::Open]);
    assert_eq!(draft(&ui).rows[3].0.op, Op::Match);
    act(&mut ui, &typed("("));
    assert!(matches!(&ui.mode, Mode::Field(_, _, t) if t.problem.as_deref() == Some("`(` is not a regular expression")));
    act(&mut ui, &typed("check.*|cart"));
    assert_eq!(draft(&ui).coverage(&ui.snapshot).unwrap().covered.len(), 1);
    act(&mut ui, &[Action::Add]);
    act(&mut ui, &typed("zone!=\"eu-2\""));
    act(&mut ui, &[Action::Last, Action::Step(-1), Action::Open]);
    act(&mut ui, &typed("90m"));
    // It says why before it is sent.
    act(&mut ui, &[Action::Send]);
    assert!(matches!(ui.mode, Mode::Field(..)));
    act(&mut ui, &typed("rolled back"));
    assert!(act(&mut ui, &[Action::Send]).is_empty());
    act(&mut ui, &[Action::Back]);
    assert_eq!(draft(&ui).comment, "rolled back", "leaving the prompt goes back to the draft");
    let asked = act(&mut ui, &[Action::Send, ENTER]);
    let Verb::Silence { source, matchers, span, comment } = &asked[0].verb else { panic!("{asked:?}") };
    assert_eq!((asked.len(), source.as_str(), span.as_secs(), comment.as_str()), (1, "am", 5_400, "rolled back"));
    assert_eq!((matchers.len(), asked[0].incident.clone()), (8, silence_subject(source, matchers)));
    assert!(matchers.contains(&LabelMatcher::new("service", Op::Match, "check.*|cart")));
}

#[test]
fn a_silence_that_would_hold_back_everything_is_not_sent() {
    let mut ui = at("CheckoutErrorBudgetBurn");
    act(&mut ui, &[Action::Silence, Action::Last, Action::Open]);
    act(&mut ui, &typed("all of it"));
    act(&mut ui, &[Action::First]);
    for _ in 0..7 {
        act(&mut ui, &[Action::Toggle, Action::Step(1)]);
    }
    assert!(act(&mut ui, &[Action::Send, ENTER]).is_empty());
    assert!(draft(&ui).coverage(&ui.snapshot).unwrap_err().contains("everything"));
    assert!(coverage(&ui.snapshot, &"am".into(), &[LabelMatcher::new("a", Op::Match, ".*")]).is_err());
}

#[test]
fn what_no_alertmanager_knows_cannot_be_silenced() {
    let mut ui = at("checkout: budget burning 82×");
    act(&mut ui, &[Action::Silence]);
    assert!(matches!(ui.mode, Mode::Normal));
    assert!(ui.notice.as_ref().unwrap().text.contains("no Alertmanager knows it"));
}

#[test]
fn a_silence_for_marked_rows_asks_for_what_they_share() {
    let mut ui = ui(fixture::held());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::Step(1), Action::Mark, Action::Mark, Action::Silence]);
    let service = draft(&ui).rows.iter().find(|(m, _)| m.name.raw() == "service").unwrap();
    assert_eq!((service.0.op, service.0.value.raw()), (Op::Match, "checkout|orders"));
    assert_eq!(draft(&ui).coverage(&ui.snapshot).unwrap().covered.len(), 2);
}

/// Two alerts that nobody has.
fn two_open() -> Snapshot {
    let mut snapshot = fixture::held();
    let incident = Arc::make_mut(&mut snapshot.incidents[2]);
    (incident.ack, incident.status) = (None, crate::domain::Status::Triggered);
    snapshot
}

#[test]
fn marked_rows_are_listed_first_and_each_is_an_act_of_its_own() {
    let mut ui = ui(two_open());
    assert!(act(&mut ui, &[Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge]).is_empty());
    let Mode::Deeds(deeds) = &ui.mode else { panic!("{:?}", ui.mode) };
    assert_eq!((deeds.lines.len(), deeds.counts().0), (4, 3), "priya has the fourth, which is left alone");
    let asked = act(&mut ui, &[Action::Note, Action::Paste("all mine".into()), ENTER, ENTER]);
    let ids: Vec<_> = asked.iter().map(|a| a.incident.as_str()).collect();
    assert_eq!(ids, ["checkout/availability:page", "am:2c26b46b68ffc68f", "am:9f86d081884c7d65"]);
    assert!(asked.iter().all(|a| a.verb == Verb::Acknowledge { note: Some("all mine".into()) }));
    assert!(ui.marked.is_empty(), "marks are used up");
    assert!(act(&mut ui, &[ENTER]).is_empty(), "nothing is done twice");
}

#[test]
fn what_became_of_each_is_told_in_its_row_and_nowhere_else() {
    let mut ui = ui(two_open());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge, ENTER]);
    let mut after = two_open();
    let (first, second) = (after.incidents[0].clone(), after.incidents[1].clone());
    let asked = fixture::asked(30, 0, "maya", &first);
    let done = fixture::ended(&asked, Outcome::Done { receipt: None });
    let failed = fixture::asked(40, 0, "maya", &second);
    let failing = fixture::ended(&failed, Outcome::Failed { why: "am: refused it".into(), retry: false });
    after.latest.extend([asked, done, failed, failing].map(Arc::new));
    let refused = Toast { serial: 9, at: now(), failure: true, text: "ines was first".into(), about: Some(after.incidents[2].id.clone()) };
    after.toasts.push(refused);
    ui.take(after.into(), now());
    let fates = fates(&ui);
    assert!(matches!(&fates[0], Fate::Done(text) if text.contains("in the journal")), "{fates:?}");
    assert!(matches!(&fates[1], Fate::Failed(text) if text.contains("am: refused it")), "{fates:?}");
    assert_eq!((&fates[2], &fates[3]), (&Fate::Failed("ines was first".into()), &Fate::Waits));
    assert!(ui.failures.is_empty() && ui.notice.is_none());
    act(&mut ui, &[Action::Back]);
    assert!(matches!(ui.mode, Mode::Normal));
}

#[test]
fn what_is_over_by_then_is_told_and_the_others_are_done() {
    let mut ui = ui(two_open());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge]);
    let mut after = two_open();
    after.incidents.remove(1);
    ui.take(after.into(), now());
    assert_eq!(act(&mut ui, &[ENTER]).len(), 2);
    assert_eq!(fates(&ui)[1], Fate::Failed("over already, nothing was done".into()));
    assert!(ui.marked.is_empty());
}

#[test]
fn a_filter_decides_what_all_means_and_esc_takes_marks_away_first() {
    let mut ui = ui(two_open());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::Filter, Action::Paste("orders".into()), ENTER, Action::MarkAll]);
    assert_eq!(ui.marked.len(), 1);
    act(&mut ui, &[Action::Back]);
    assert!(ui.marked.is_empty() && ui.incident_filter.is_some());
    act(&mut ui, &[Action::Mark, Action::MarkAll]);
    assert!(ui.marked.is_empty(), "all were marked: none are");
}

#[test]
fn read_only_stops_every_one_of_these() {
    let mut settings = fixture::settings();
    settings.read_only = true;
    let mut ui = Ui::new(settings, two_open().into(), Rect::new(0, 0, 80, 24), now());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::MarkAll]);
    for way in [Action::Acknowledge, Action::Unacknowledge, Action::Silence, Action::Sort] {
        assert!(act(&mut ui, &[way, ENTER, ENTER]).is_empty());
    }
    assert!(act(&mut ui, &[Action::Go(Screen::Board), Action::Expire, ENTER]).is_empty());
    assert!(ui.failures[0].contains("read-only") && matches!(ui.mode, Mode::Normal));
}

#[test]
fn a_shared_account_is_asked_for_a_name_before_several_acts_too() {
    let mut ui = ui(two_open());
    ui.settings.ask_name = Some("ops".into());
    act(&mut ui, &[Action::Go(Screen::Incidents), Action::MarkAll, Action::Acknowledge]);
    assert!(act(&mut ui, &[ENTER]).is_empty() && matches!(ui.mode, Mode::NameAll(..)));
    let asked = act(&mut ui, &typed("maya"));
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|a| a.by == Some(Actor { name: "maya".into(), verified: false })));
}
