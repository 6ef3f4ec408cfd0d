//! What an [`Action`] does: a pure step from one state to the next, with the requests that it makes.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    action::Action,
    asking::{self, Wanted},
    deeds, draft,
    filter::Filter,
    handing,
    queues::What,
    runbooks,
    state::{
        Detail, Mode, Pane, Screen, Sort, Subject, Taking, Typed, Ui, Wish, book_id, hold_key, incident_id, queue_key, rota_name, slo_id,
        source_name,
    },
};
use crate::domain::{Act, Actor, Delivery, Incident, Question, Request, SourceName, Status, Text};

/// The longest note or filter that is taken, in characters.
const LONGEST: usize = 500;

/// Do what `action` means. Leaving, suspending and drawing anew are the loop's to do and change nothing here.
pub fn update(ui: &mut Ui, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    if ui.reads()
        && let Some(requests) = runbooks::update(ui, action, now)
    {
        return requests;
    }
    match std::mem::replace(&mut ui.mode, Mode::Normal) {
        Mode::Normal => normal(ui, action, now),
        Mode::Help(scroll) => {
            help(ui, scroll, action);
            Vec::new()
        }
        Mode::Filter(typed) => {
            filter(ui, typed, action);
            Vec::new()
        }
        Mode::Confirm(wish) => confirm(ui, wish, action, now),
        Mode::Note(wish, typed) => {
            note(ui, wish, typed, action);
            Vec::new()
        }
        Mode::Name(wish, typed) => name(ui, wish, typed, action, now),
        Mode::Deeds(listed) => deeds::deeds(ui, listed, action),
        Mode::NoteAll(listed, typed) => {
            deeds::note(ui, listed, typed, action);
            Vec::new()
        }
        Mode::NameAll(listed, typed) => deeds::name(ui, listed, typed, action),
        Mode::Silence(open) => {
            draft::draft(ui, open, action);
            Vec::new()
        }
        Mode::Field(open, field, typed) => {
            draft::field(ui, open, field, typed, action);
            Vec::new()
        }
        Mode::RunConfirm(wish) => runbooks::confirm(ui, wish, action, now),
        Mode::RunWords(wish, asking, typed) => runbooks::words(ui, wish, asking, typed, action, now),
        Mode::Naming(typed) => runbooks::naming(ui, typed, action, now),
        Mode::Handing(handing) => handing::update(ui, handing, action, now),
        Mode::Length(incident, typed) => {
            ask_more(ui, incident, typed, action, asking::length, Mode::Length);
            Vec::new()
        }
        Mode::Whom(incident, typed) => {
            ask_more(ui, incident, typed, action, asking::whom, Mode::Whom);
            Vec::new()
        }
    }
}

/// Typing goes on until it is accepted or left.
fn ask_more(
    ui: &mut Ui,
    incident: Arc<Incident>,
    mut typed: Typed,
    action: &Action,
    accept: fn(&mut Ui, Arc<Incident>, Typed),
    mode: fn(Arc<Incident>, Typed) -> Mode,
) {
    match action {
        Action::Accept => accept(ui, incident, typed),
        Action::Back => {}
        _ => {
            typed.problem = None;
            edit(&mut typed, action);
            ui.mode = mode(incident, typed);
        }
    }
}

fn normal(ui: &mut Ui, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match *action {
        Action::Go(screen) => go(ui, screen),
        Action::Runbook => {
            stay_with_the_drawn(ui);
            runbooks::open_matching(ui, now);
        }
        Action::Open if ui.screen == Screen::Runbooks => runbooks::open_selected(ui),
        Action::Step(by) => step(ui, i64::from(by), now),
        Action::Page(by) => step(ui, i64::from(by) * page(ui), now),
        Action::First => first(ui),
        Action::Last => step(ui, i64::from(u32::MAX), now),
        Action::Open => open(ui),
        Action::Back => back(ui),
        Action::NextPane if ui.screen == Screen::Overview => {
            ui.pane = match ui.focused() {
                Pane::Slos => Pane::Incidents,
                Pane::Incidents if ui.shows_queues() => Pane::Queues,
                Pane::Incidents | Pane::Queues => Pane::Slos,
            };
        }
        Action::Filter if in_filtered_list(ui) => {
            let before = ui.filter().cloned();
            let text = before.as_ref().map(|f| f.text().to_owned()).unwrap_or_default();
            ui.mode = Mode::Filter(Typed { text, problem: None, before });
        }
        Action::Acknowledge if ui.screen == Screen::OnCall => handing::read(ui, now),
        Action::Note if ui.screen == Screen::OnCall => handing::write(ui, now),
        Action::Sort if in_filtered_list(ui) => sort(ui),
        // In an incident there is nothing to sort, and `s` is what the hand expects.
        Action::Sort if matches!(&ui.detail, Some(Detail { subject: Subject::Incident(_), .. })) => draft::begin(ui, now),
        Action::Silence => draft::begin(ui, now),
        Action::Expire => deeds::expire(ui, now),
        Action::Mark => mark(ui, now),
        Action::MarkAll => mark_all(ui),
        Action::Acknowledge => ask(ui, Taking::Take, now),
        Action::Unacknowledge => ask(ui, Taking::GiveBack, now),
        Action::Note => ask_for(ui, Wanted::Note, now),
        Action::Resolve => ask_for(ui, Wanted::Resolve, now),
        Action::Snooze => ask_for(ui, Wanted::Snooze, now),
        Action::Escalate => ask_for(ui, Wanted::Escalate, now),
        Action::Copy => copy(ui, now),
        Action::Help => ui.mode = Mode::Help(0),
        Action::Refresh => {
            ui.say("asking every source", now);
            ui.look_up_again();
            return vec![Request::Look(Question::Refresh)];
        }
        _ => {}
    }
    Vec::new()
}

/// Whether the keys go to a list that can be filtered and sorted.
fn in_filtered_list(ui: &Ui) -> bool {
    ui.detail.is_none() && !matches!(ui.screen, Screen::Sources | Screen::Board | Screen::Runbooks)
}

/// Mark what the cursor is on and go on to the next row, so that a hand can mark one after the other.
fn mark(ui: &mut Ui, now: DateTime<Utc>) {
    if ui.detail.is_some() {
        return;
    }
    stay_with_the_drawn(ui);
    match ui.subject() {
        Some(Subject::Incident(incident)) => toggle(&mut ui.marked, &incident.id),
        Some(Subject::Hold(hold)) => toggle(&mut ui.marked_holds, &hold.key),
        _ => return,
    }
    step(ui, 1, now);
}

fn toggle<K: Clone + Eq + std::hash::Hash>(marked: &mut HashSet<K>, key: &K) {
    if !marked.remove(key) {
        marked.insert(key.clone());
    }
}

/// Mark every row that the list has, its filter heeded; take all marks away if that was so already.
fn mark_all(ui: &mut Ui) {
    if ui.detail.is_some() {
        return;
    }
    if ui.screen == Screen::Board {
        let all: HashSet<Text> = ui.board.iter().map(|h| h.key.clone()).collect();
        ui.marked_holds = if ui.marked_holds == all { HashSet::new() } else { all };
    } else if ui.on_incidents() {
        let snapshot = ui.snapshot.clone();
        let all: HashSet<_> = ui.incidents.all().filter_map(|i| incident_id(&snapshot, i).cloned()).collect();
        ui.marked = if ui.marked == all { HashSet::new() } else { all };
    }
}

fn help(ui: &mut Ui, scroll: u16, action: &Action) {
    let by = |lines: i32| u16::try_from(i32::from(scroll) + lines).unwrap_or_default().min(scroll.saturating_add(ui.drawn.below));
    match action {
        Action::Go(screen) => go(ui, *screen),
        Action::Back | Action::Help | Action::Open | Action::Quit => {}
        Action::Step(lines) => ui.mode = Mode::Help(by(*lines)),
        Action::Page(pages) => ui.mode = Mode::Help(by(pages.saturating_mul(10))),
        Action::First => ui.mode = Mode::Help(0),
        Action::Last => ui.mode = Mode::Help(by(i32::from(u16::MAX) / 2)),
        _ => ui.mode = Mode::Help(scroll),
    }
}

fn go(ui: &mut Ui, screen: Screen) {
    ui.detail = None;
    ui.screen = screen;
    ui.fit();
}

fn page(ui: &Ui) -> i64 {
    let rows = match ui.screen {
        Screen::Sources => ui.sources.rows(),
        Screen::Board => ui.holds.rows(),
        Screen::OnCall => ui.rotas.rows(),
        Screen::Runbooks => ui.books.rows(),
        _ if ui.on_incidents() => ui.incidents.rows(),
        _ if ui.on_queues() => ui.queues.rows(),
        _ => ui.slos.rows(),
    };
    i64::try_from(rows.saturating_sub(1)).unwrap_or(1).max(1)
}

/// Move the selection by rows, or scroll the open detail by lines.
fn step(ui: &mut Ui, by: i64, now: DateTime<Utc>) {
    if let Some(detail) = &mut ui.detail {
        let furthest = i64::from(detail.scroll) + i64::from(ui.drawn.below);
        detail.scroll = u16::try_from((i64::from(detail.scroll) + by).clamp(0, furthest)).unwrap_or_default();
        ui.drawn.below = u16::try_from(furthest - i64::from(detail.scroll)).unwrap_or_default();
        return;
    }
    stay_with_the_drawn(ui);
    ui.moved(now);
    let snapshot = ui.snapshot.clone();
    let to = |at: usize| usize::try_from(i64::try_from(at).unwrap_or(0).saturating_add(by).max(0)).unwrap_or(0);
    match ui.screen {
        Screen::Sources => ui.sources.choose(to(ui.sources.at()), |i| source_name(&snapshot, i)),
        Screen::Board => ui.holds.choose(to(ui.holds.at()), |i| hold_key(&ui.board, i)),
        Screen::Runbooks => ui.books.choose(to(ui.books.at()), |i| book_id(&ui.snapshot.runbooks, i)),
        Screen::OnCall => ui.rotas.choose(to(ui.rotas.at()), |i| rota_name(&snapshot, i)),
        _ if ui.on_incidents() => ui.incidents.choose(to(ui.incidents.at()), |i| incident_id(&snapshot, i)),
        _ if ui.on_queues() => ui.queues.choose(to(ui.queues.at()), |i| queue_key(&ui.queue_lines, i)),
        _ => ui.slos.choose(to(ui.slos.at()), |i| slo_id(&snapshot, i)),
    }
}

/// The cursor of a list that rests on its worst row is, for a hand that has just moved, on the row that was drawn under it.
fn stay_with_the_drawn(ui: &mut Ui) {
    let snapshot = ui.snapshot.clone();
    if let Some(id) = ui.drawn.slo.clone().filter(|_| ui.slos.is_resting() && !ui.on_incidents() && !ui.on_queues()) {
        ui.slos.choose_id(&id, |i| slo_id(&snapshot, i));
    }
    if let Some(id) = ui.drawn.incident.clone().filter(|_| ui.incidents.is_resting() && ui.on_incidents()) {
        ui.incidents.choose_id(&id, |i| incident_id(&snapshot, i));
    }
    if let Some(key) = ui.drawn.hold.clone().filter(|_| ui.holds.is_resting() && ui.screen == Screen::Board) {
        ui.holds.choose_id(&key, |i| hold_key(&ui.board, i));
    }
    if let Some(key) = ui.drawn.queue.clone().filter(|_| ui.queues.is_resting() && ui.on_queues()) {
        ui.queues.choose_id(&key, |i| queue_key(&ui.queue_lines, i));
    }
}

fn first(ui: &mut Ui) {
    if let Some(detail) = &mut ui.detail {
        ui.drawn.below = ui.drawn.below.saturating_add(detail.scroll);
        detail.scroll = 0;
        return;
    }
    let snapshot = ui.snapshot.clone();
    match ui.screen {
        Screen::Sources => ui.sources.rest(|i| source_name(&snapshot, i)),
        Screen::Board => ui.holds.rest(|i| hold_key(&ui.board, i)),
        Screen::Runbooks => ui.books.rest(|i| book_id(&ui.snapshot.runbooks, i)),
        Screen::OnCall => ui.rotas.rest(|i| rota_name(&snapshot, i)),
        _ if ui.on_incidents() => ui.incidents.rest(|i| incident_id(&snapshot, i)),
        _ if ui.on_queues() => ui.queues.rest(|i| queue_key(&ui.queue_lines, i)),
        _ => ui.slos.rest(|i| slo_id(&snapshot, i)),
    }
    // The others were ordered around the row that was held: the first one is now the worst.
    if ui.screen.lists() {
        ui.reorder();
    }
}

fn open(ui: &mut Ui) {
    if ui.detail.is_some() {
        return;
    }
    stay_with_the_drawn(ui);
    if ui.on_queues()
        && let Some(What::Quiet(source, ..)) = ui.queue_line().map(|line| line.what.clone())
    {
        return unfold(ui, source);
    }
    let (from, Some(subject)) = (ui.screen, ui.subject()) else { return };
    let subject = match subject {
        Subject::Hold(hold) => hold.incident.clone().map_or(Subject::Hold(hold), Subject::Incident),
        other => other,
    };
    ui.screen = match &subject {
        Subject::Hold(_) => Screen::Board,
        Subject::Slo(_) => Screen::Slos,
        Subject::Incident(_) => Screen::Incidents,
        Subject::Queue(_) => Screen::Queues,
        Subject::Source(_) => return,
    };
    ui.detail = Some(Detail { subject, gone: false, from, scroll: 0 });
    ui.fit();
}

/// Show the quiet queues of a source, or fold them again.
fn unfold(ui: &mut Ui, source: SourceName) {
    if !ui.unfolded.remove(&source) {
        ui.unfolded.insert(source);
    }
    ui.reorder();
}

/// Close what is nearest: a failure that was read, the open detail, the marks, the board, the filter, the choice of a row.
fn back(ui: &mut Ui) {
    if ui.failures.pop_front().is_some() {
        return;
    }
    ui.notice = None;
    if let Some(detail) = ui.detail.take() {
        ui.screen = detail.from;
        return ui.fit();
    }
    if unmark(ui) {
        return;
    }
    if ui.screen == Screen::Board {
        go(ui, Screen::Incidents);
    } else if !ui.screen.lists() {
        first(ui);
    } else if filter_of(ui).take().is_some() {
        ui.reorder();
    } else {
        first(ui);
    }
}

/// Take away all marks of the list; whether there were any.
fn unmark(ui: &mut Ui) -> bool {
    let there = if ui.screen == Screen::Board { !ui.marked_holds.is_empty() } else { !ui.marked_incidents().is_empty() };
    if there {
        ui.marked.clear();
        ui.marked_holds.clear();
    }
    there
}

fn filter_of(ui: &mut Ui) -> &mut Option<Filter> {
    if ui.on_incidents() {
        &mut ui.incident_filter
    } else if ui.on_queues() {
        &mut ui.queue_filter
    } else {
        &mut ui.slo_filter
    }
}

fn sort(ui: &mut Ui) {
    if ui.on_incidents() {
        ui.incident_sort = ui.incident_sort.next_for_incidents();
    } else if ui.on_queues() {
        ui.queue_sort = if ui.queue_sort == Sort::Worst { Sort::Name } else { Sort::Worst };
    } else {
        ui.slo_sort = ui.slo_sort.next_for_slos();
    }
    ui.reorder();
}

/// Ask before an act: on the incident that was drawn under the cursor, as it was drawn.
fn ask(ui: &mut Ui, taking: Taking, now: DateTime<Utc>) {
    stay_with_the_drawn(ui);
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    if ui.detail.is_none() && !ui.marked_incidents().is_empty() {
        return deeds::marked(ui, &taking);
    }
    let Some(incident) = ui.actionable() else {
        let what = if ui.subject().is_none() { "nothing is selected" } else { "no open incident here" };
        return ui.say(format!("{what}: nothing to {}", taking.verb()), now);
    };
    if taking == Taking::GiveBack && incident.ack.is_none() {
        return ui.say(format!("nobody has {}: nothing to give back", incident.title), now);
    }
    let held = incident.ack.as_ref().filter(|a| a.delivery != Delivery::Failed);
    let taking = match (taking, held) {
        (Taking::Take, Some(ack)) if ack.delivery != Delivery::Done => {
            return ui.say(format!("the acknowledgement of {} is on its way: wait for it", ack.by), now);
        }
        (Taking::Take, Some(_)) => Taking::TakeOver,
        (taking, _) => taking,
    };
    // Who holds it anew has still said what they said.
    let note = incident.ack.as_ref().filter(|a| taking == Taking::TakeOver && ui.is_me(&a.by)).and_then(|a| a.note.clone());
    ui.mode = Mode::Confirm(Wish { incident, taking, note });
}

fn ask_for(ui: &mut Ui, wanted: Wanted, now: DateTime<Utc>) {
    stay_with_the_drawn(ui);
    asking::begin(ui, wanted, now);
}

fn copy(ui: &mut Ui, now: DateTime<Utc>) {
    let id = match ui.subject() {
        Some(Subject::Slo(row)) => row.id.to_string(),
        Some(Subject::Incident(incident)) => incident.id.to_string(),
        Some(Subject::Source(name)) => name.to_string(),
        Some(Subject::Hold(hold)) => hold.key.to_string(),
        Some(Subject::Queue(row)) => row.id.to_string(),
        None => return ui.say("nothing is selected: nothing to copy", now),
    };
    ui.say(format!("copied {id}"), now);
    ui.clipboard = Some(id);
}

fn filter(ui: &mut Ui, mut typed: Typed, action: &Action) {
    match action {
        Action::Back => {
            *filter_of(ui) = typed.before;
            return ui.reorder();
        }
        Action::Accept if typed.problem.is_none() => return,
        _ => edit(&mut typed, action),
    }
    match Filter::parse(&typed.text) {
        Ok(filter) => {
            typed.problem = None;
            *filter_of(ui) = filter;
            ui.reorder();
        }
        Err(problem) => typed.problem = Some(problem),
    }
    ui.mode = Mode::Filter(typed);
}

fn confirm(ui: &mut Ui, wish: Wish, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match action {
        Action::Accept => accept(ui, wish, now),
        Action::Note if wish.taking.takes_note() => {
            let text = wish.note.as_ref().map(ToString::to_string).unwrap_or_default();
            ui.mode = Mode::Note(wish, Typed { text, ..Typed::default() });
            Vec::new()
        }
        Action::Back => Vec::new(),
        _ => {
            ui.mode = Mode::Confirm(wish);
            Vec::new()
        }
    }
}

fn note(ui: &mut Ui, mut wish: Wish, mut typed: Typed, action: &Action) {
    match action {
        Action::Accept => {
            wish.note = Some(Text::clean(typed.text.trim())).filter(|t| !t.is_empty());
            if wish.taking == Taking::Note && wish.note.is_none() {
                typed.problem = Some("nothing is written yet".to_owned());
                ui.mode = Mode::Note(wish, typed);
            } else {
                ui.mode = Mode::Confirm(wish);
            }
        }
        // A note that was not written before is left altogether.
        Action::Back if wish.taking == Taking::Note && wish.note.is_none() => {}
        Action::Back => ui.mode = Mode::Confirm(wish),
        _ => {
            typed.problem = None;
            edit(&mut typed, action);
            ui.mode = Mode::Note(wish, typed);
        }
    }
}

fn name(ui: &mut Ui, wish: Wish, mut typed: Typed, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match action {
        Action::Accept if typed.text.trim().is_empty() => typed.problem = Some("a name is needed".to_owned()),
        Action::Accept => {
            ui.name = Some(Text::clean(typed.text.trim()));
            return accept(ui, wish, now);
        }
        Action::Back => {
            ui.mode = Mode::Confirm(wish);
            return Vec::new();
        }
        _ => edit(&mut typed, action),
    }
    ui.mode = Mode::Name(wish, typed);
    Vec::new()
}

/// Send the act, once it is known who acts and that its subject is still there.
fn accept(ui: &mut Ui, wish: Wish, now: DateTime<Utc>) -> Vec<Request> {
    if let Some(why) = ui.acting_is_off() {
        ui.fail(why);
        return Vec::new();
    }
    if let (Some(proposed), None) = (&ui.settings.ask_name, &ui.name) {
        let text = proposed.to_string();
        ui.mode = Mode::Name(wish, Typed { text, ..Typed::default() });
        return Vec::new();
    }
    if !still_open(ui, &wish.incident) {
        ui.say(format!("{}: over already, nothing was done", wish.incident.title), now);
        return Vec::new();
    }
    ui.receipts.expect(wish.incident.id.clone(), wish.taking.clone().into());
    let doing = match wish.taking {
        Taking::Take => "acknowledging …",
        Taking::TakeOver => "taking over …",
        Taking::GiveBack => "giving back …",
        Taking::Resolve => "resolving …",
        Taking::Note => "writing it down …",
        Taking::Snooze(_) => "snoozing …",
        Taking::Escalate(_) => "escalating …",
    };
    ui.say(doing, now);
    let by = ui.name.clone().map(|name| Actor { name, verified: false });
    vec![Request::Act(Act { incident: wish.incident.id.clone(), seen: wish.incident.version, verb: wish.verb(), by })]
}

pub(super) fn still_open(ui: &Ui, incident: &Arc<Incident>) -> bool {
    ui.snapshot.incident(&incident.id).is_some_and(|i| i.status != Status::Resolved)
}

/// Change what is typed.
pub(super) fn edit(typed: &mut Typed, action: &Action) {
    match action {
        Action::Type(c) => typed.text.extend(Some(*c).filter(|c| !c.is_control())),
        Action::Paste(text) => typed.text.push_str(Text::clean(&text.replace(['\n', '\r', '\t'], " ")).as_str()),
        Action::Erase => drop(typed.text.pop()),
        Action::EraseWord => {
            let kept = typed.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
            typed.text.truncate(kept);
        }
        Action::EraseAll => typed.text.clear(),
        _ => {}
    }
    if let Some((end, _)) = typed.text.char_indices().nth(LONGEST) {
        typed.text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratatui::layout::Rect;

    use super::*;
    use crate::{
        domain::{Escalation, Outcome, Snapshot, StoreState, Toast, Verb},
        tui::fixture::{self, now},
    };

    fn ui(snapshot: Snapshot) -> Ui {
        let mut ui = Ui::new(fixture::settings(), snapshot.into(), Rect::new(0, 0, 120, 36), now());
        ui.after_draw(0, now());
        ui
    }

    fn act(ui: &mut Ui, actions: &[Action]) -> Vec<Request> {
        actions.iter().flat_map(|a| update(ui, a, now())).collect()
    }

    fn acts(requests: &[Request]) -> Vec<String> {
        let act = |r: &Request| if let Request::Act(act) = r { Some(act.incident.to_string()) } else { None };
        requests.iter().filter_map(act).collect()
    }

    fn reversed() -> Snapshot {
        let mut snapshot = fixture::burning();
        snapshot.slos.reverse();
        snapshot.incidents.reverse();
        snapshot
    }

    const ENTER: Action = Action::Accept;

    /// After a refresh the held row stood on top, and `g` went to it instead of to the worst.
    #[test]
    fn the_first_row_is_the_worst_also_after_a_row_was_held_on_top() {
        let mut ui = ui(fixture::burning());
        act(&mut ui, &[Action::Step(1), Action::Step(-1)]);
        let held = ui.slo().unwrap().id.clone();
        ui.take(reversed().into(), now());
        assert_eq!(ui.slo().unwrap().id, held);
        act(&mut ui, &[Action::First]);
        assert_eq!(ui.slo().unwrap().id, ui.snapshot.slos[0].id);
        assert_ne!(ui.slo().unwrap().id, held);
    }

    #[test]
    fn a_refresh_moves_nothing_under_the_cursor() {
        let mut ui = ui(fixture::burning());
        act(&mut ui, &[Action::Step(3)]);
        let (id, place) = (ui.slo().unwrap().id.clone(), ui.slos.at() - ui.slos.top());
        ui.take(reversed().into(), now());
        assert_eq!((&ui.slo().unwrap().id, ui.slos.at() - ui.slos.top()), (&id, place));
        let detail = act(&mut ui, &[Action::Open]);
        assert!(detail.is_empty());
        ui.take(fixture::calm().into(), now());
        assert!(ui.detail.as_ref().is_some_and(|d| d.gone), "an open item stays open when it goes away");
    }

    #[test]
    fn an_act_is_on_what_was_drawn_even_if_the_list_was_sorted_anew() {
        let mut ui = ui(fixture::burning());
        assert_eq!(ui.drawn.slo.as_ref().unwrap().as_str(), "checkout/availability");
        ui.take(reversed().into(), now());
        let requests = act(&mut ui, &[Action::Acknowledge, ENTER]);
        assert_eq!(acts(&requests), ["checkout/availability:page"]);

        let mut ui = super::tests::ui(fixture::burning());
        act(&mut ui, &[Action::NextPane, Action::Step(1)]);
        ui.take(reversed().into(), now());
        let requests = act(&mut ui, &[Action::Acknowledge, Action::Note, Action::Paste("on\x1b it".into()), ENTER, ENTER]);
        let [Request::Act(asked)] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!((asked.incident.as_str(), asked.seen), ("am:2c26b46b68ffc68f", 3));
        assert_eq!(asked.verb, Verb::Acknowledge { note: Some(Text::clean("on␛ it")) });
    }

    #[test]
    fn nothing_is_done_without_a_subject_or_a_yes() {
        let mut ui = ui(fixture::calm());
        assert!(act(&mut ui, &[Action::Acknowledge, ENTER]).is_empty());
        assert_eq!(ui.notice.as_ref().unwrap().text, "no open incident here: nothing to acknowledge");
        let mut ui = super::tests::ui(fixture::burning());
        assert!(act(&mut ui, &[Action::Acknowledge, Action::Back]).is_empty());
        act(&mut ui, &[Action::Unacknowledge]);
        assert!(ui.notice.as_ref().unwrap().text.starts_with("nobody has"));
        act(&mut ui, &[Action::Acknowledge]);
        ui.take(fixture::calm().into(), now());
        assert!(act(&mut ui, &[ENTER]).is_empty());
        assert!(ui.notice.as_ref().unwrap().text.contains("over already"));
    }

    #[test]
    fn read_only_and_a_journal_that_cannot_be_written_stop_every_way_to_act() {
        let mut settings = fixture::settings();
        settings.read_only = true;
        let mut ui = Ui::new(settings, fixture::burning().into(), Rect::new(0, 0, 120, 36), now());
        for way in [Action::Acknowledge, Action::Unacknowledge, Action::Note, Action::Resolve, Action::Snooze, Action::Escalate] {
            assert!(act(&mut ui, &[way, ENTER, Action::Paste("x".into()), ENTER, ENTER]).is_empty());
        }
        assert!(ui.failures[0].contains("read-only"));

        let mut ui = super::tests::ui(fixture::burning());
        act(&mut ui, &[Action::Acknowledge]);
        let mut full = fixture::burning();
        full.store = StoreState { trouble: Some(Text::clean("journal.db: disk full")), ..full.store };
        ui.take(full.into(), now());
        assert!(act(&mut ui, &[ENTER]).is_empty());
        assert_eq!(ui.failures[0], "acting is off: journal.db: disk full");
    }

    #[test]
    fn what_only_a_pager_has_is_offered_only_there_and_asks_for_what_it_needs() {
        let mut ui = ui(fixture::burning());
        for way in [Action::Resolve, Action::Snooze, Action::Escalate] {
            assert!(act(&mut ui, &[way, ENTER, ENTER]).is_empty());
            assert!(matches!(ui.mode, Mode::Normal) && ui.notice.take().unwrap().text.contains("this ends when its alert clears"));
        }
        let verb = |keys: &[Action]| {
            let mut ui = super::tests::ui(fixture::paged());
            act(&mut ui, &[Action::Go(Screen::Incidents), Action::Open]);
            let requests = act(&mut ui, keys);
            requests.into_iter().find_map(|r| if let Request::Act(act) = r { Some((act.incident.to_string(), act.verb)) } else { None })
        };
        let typed = |text: &str| Action::Paste(text.into());
        let of = |verb| Some(("pd:Q2KJ7V".to_owned(), verb));
        let note = Some(Text::clean("rolled back"));
        assert_eq!(verb(&[Action::Resolve, ENTER]), of(Verb::Resolve { note: None }));
        assert_eq!(verb(&[Action::Resolve, Action::Note, typed("rolled back"), ENTER, ENTER]), of(Verb::Resolve { note }));
        assert_eq!(verb(&[Action::Note, typed("hello"), ENTER, ENTER]), of(Verb::Note { note: Text::clean("hello") }));
        assert_eq!(verb(&[Action::Note, ENTER, ENTER, Action::Back]), None);
        assert_eq!(verb(&[Action::Snooze, ENTER, ENTER]), of(Verb::Snooze { span: std::time::Duration::from_hours(1) }));
        assert_eq!(verb(&[Action::Snooze, typed("9d"), ENTER, ENTER]), None);
        assert_eq!(verb(&[Action::Escalate, typed("2"), ENTER, ENTER]), of(Verb::Escalate { to: Escalation::Level(2) }));
        assert_eq!(verb(&[Action::Escalate, typed("2"), ENTER, Action::Back]), None);
        let tom = Escalation::Person { name: Text::clean("tom"), email: Text::clean("tom@acme.example") };
        assert_eq!(verb(&[Action::Escalate, typed("to"), ENTER, ENTER]), of(Verb::Escalate { to: tom }));
        assert_eq!(verb(&[Action::Escalate, typed("nobody"), ENTER, ENTER]), None);
    }

    #[test]
    fn an_open_incident_is_looked_up_when_it_is_opened_when_it_changes_and_now_and_then() {
        let mut ui = ui(fixture::paged());
        let asked = |ui: &mut Ui, secs| {
            let looks = ui.after_draw(0, now() + chrono::TimeDelta::seconds(secs));
            looks.into_iter().filter(|r| matches!(r, Request::Look(Question::Chronicle(_)))).count()
        };
        act(&mut ui, &[Action::Go(Screen::Incidents)]);
        assert_eq!(asked(&mut ui, 0), 0);
        act(&mut ui, &[Action::Open]);
        assert_eq!((asked(&mut ui, 0), asked(&mut ui, 1), asked(&mut ui, 59)), (1, 0, 0));
        let mut taken = fixture::paged();
        Arc::make_mut(&mut taken.incidents[0]).version += 1;
        ui.take(taken.clone().into(), now());
        assert_eq!((asked(&mut ui, 60), asked(&mut ui, 61), asked(&mut ui, 120)), (1, 0, 1));
        act(&mut ui, &[Action::Refresh]);
        assert_eq!(asked(&mut ui, 121), 1);
        ui.take(fixture::calm().into(), now());
        assert_eq!(asked(&mut ui, 300), 0, "what is gone is not asked for");
    }

    #[test]
    fn a_shared_account_is_asked_for_a_name_once() {
        let mut ui = ui(fixture::burning());
        ui.settings.ask_name = Some(Text::clean("ops"));
        let requests = act(&mut ui, &[Action::Acknowledge, ENTER, Action::EraseAll, ENTER, Action::Paste("maya".into()), ENTER]);
        let [Request::Act(asked)] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!(asked.by, Some(Actor { name: Text::clean("maya"), verified: false }));
        assert_eq!(act(&mut ui, &[Action::Acknowledge, ENTER]).len(), 1);
    }

    #[test]
    fn a_filter_is_live_and_a_bad_one_changes_nothing() {
        let mut ui = ui(fixture::burning());
        let type_text = |text: &str| text.chars().map(Action::Type).collect::<Vec<_>>();
        act(&mut ui, &[Action::Filter]);
        act(&mut ui, &type_text("check"));
        assert_eq!(ui.slos.len(), 2);
        act(&mut ui, &type_text("("));
        assert_eq!(ui.slos.len(), 2);
        assert!(matches!(&ui.mode, Mode::Filter(t) if t.problem.as_deref() == Some("unclosed group")));
        act(&mut ui, &[ENTER]);
        assert!(matches!(ui.mode, Mode::Filter(_)), "a bad filter cannot be kept");
        act(&mut ui, &[Action::Back]);
        assert_eq!((ui.slos.len(), ui.slo_filter.is_none()), (18, true));
        act(&mut ui, &[Action::Filter]);
        act(&mut ui, &type_text("!ok"));
        act(&mut ui, &[ENTER, Action::Back]);
        assert_eq!(ui.slos.len(), 18);
    }

    #[test]
    fn sorting_keeps_the_chosen_row() {
        let mut ui = ui(fixture::burning());
        act(&mut ui, &[Action::Step(5), Action::Sort]);
        assert_eq!(ui.slo().unwrap().id.as_str(), "cart/availability");
        let budgets: Vec<_> = ui.slos.order().iter().filter_map(|i| ui.snapshot.slos[*i as usize].budget_left()).collect();
        assert!(budgets.is_sorted());
    }

    #[test]
    fn what_became_of_an_act_is_told_once() {
        let mut ui = ui(fixture::burning());
        act(&mut ui, &[Action::NextPane, Action::Step(1), Action::Acknowledge, ENTER]);
        let mut after = fixture::burning();
        let asked = fixture::asked(30, 0, "maya", &after.incidents[1]);
        let ended = fixture::ended(&asked, Outcome::Done { receipt: Some("3f2a9c1e".into()) });
        after.latest.extend([Arc::new(asked), Arc::new(ended)]);
        let after = Arc::new(after);
        ui.take(after.clone(), now());
        assert_eq!(ui.notice.take().unwrap().text, "acknowledged · silence 3f2a until 14:47");
        ui.take(after, now());
        assert!(ui.notice.is_none());
    }

    #[test]
    fn a_failure_stays_until_it_is_read() {
        let mut ui = ui(fixture::burning());
        let mut refused = fixture::burning();
        refused.toasts = vec![Toast { serial: 4, at: now(), failure: true, text: Text::clean("jon was first"), about: None }];
        let refused = Arc::new(refused);
        ui.take(refused.clone(), now());
        ui.take(refused.clone(), now());
        act(&mut ui, &[Action::Step(1)]);
        assert_eq!(ui.failures, ["jon was first"]);
        act(&mut ui, &[Action::Back]);
        ui.take(refused, now());
        assert!(ui.failures.is_empty());
    }

    #[test]
    fn history_is_asked_for_the_rows_in_sight_and_only_when_they_change() {
        let mut ui = Ui::new(fixture::settings(), fixture::burning().into(), Rect::new(0, 0, 80, 24), now());
        let asked = |ui: &mut Ui| match ui.after_draw(0, now()).into_iter().next() {
            Some(Request::Look(Question::History(ids))) => ids.len(),
            _ => 0,
        };
        assert_eq!((asked(&mut ui), asked(&mut ui)), (9, 0));
        act(&mut ui, &[Action::Step(1)]);
        assert_eq!(asked(&mut ui), 0);
        act(&mut ui, &[Action::Last]);
        assert_eq!(asked(&mut ui), 9);
        act(&mut ui, &[Action::Open]);
        assert_eq!(asked(&mut ui), 1);
    }
}
