//! The last line: the keys of the moment; or a prompt, a failure, a toast in their place.
//!
//! A prompt is one sentence, what will happen and to what, then its keys. Where that is wider than the terminal it grows upwards; it
//! is never cut.

use std::{borrow::Cow, fmt::Write as _};

use chrono::{DateTime, Utc};

use super::{
    super::{
        action::Action,
        asking::{Wanted, is_offered},
        deeds::{Deed, Deeds},
        draft::{Draft, Field},
        handing::{self, Handing, Step as HandingStep},
        keymap::{Binding, Scope},
        receipts::short,
        runbooks::{Asking, Doing, Open, RunWish, undoable},
        state::{Mode, Screen, Subject, Taking, Typed, Ui, Wish},
        theme::Role,
        widgets::figures::Age,
    },
    View,
    canvas::{Canvas, cells, wrap},
    several,
};
use crate::domain::{Ack, Escalation, Incident, LabelMatcher, Origin, RunStep, Step, StepName, Target, Text, books};

/// Draw the footer at the bottom of `canvas`, which is the whole screen.
pub fn footer(canvas: &mut Canvas<'_>, view: View<'_>) {
    let ui = view.ui;
    match &ui.mode {
        Mode::Confirm(wish) => prompt(canvas, &sentence(wish, view), &confirm_keys(ui, wish.taking.takes_note())),
        Mode::Deeds(listed) => deeds(canvas, listed, view),
        Mode::NoteAll(_, typed) => typing(canvas, "note on all: ", typed, "enter done   esc leave it"),
        Mode::NameAll(_, typed) => typing(canvas, "who acts (unverified): ", typed, "enter do it   esc leave"),
        Mode::Silence(_) => keys_of(canvas, ui, Scope::Editor),
        Mode::Field(open, field, typed) => typing(canvas, &before(open, *field), typed, "enter done   esc leave it"),
        Mode::Note(_, typed) => typing(canvas, "note: ", typed, "enter done   esc leave it"),
        Mode::Name(wish, typed) => {
            typing(canvas, "who acts (unverified): ", typed, &format!("enter {}   esc leave", wish.taking.verb()));
        }
        Mode::Length(_, typed) => typing(canvas, "snooze for: ", typed, "as 30m, 4h, 2d; nothing is 1h   enter go on   esc leave"),
        Mode::Whom(_, typed) => typing(canvas, "escalate to: ", typed, &format!("{}   enter go on   esc leave", recipients(ui))),
        Mode::RunConfirm(wish) => prompt(canvas, &run_sentence(wish, view), &confirm_keys(ui, wish.doing == Doing::Tick)),
        Mode::RunWords(wish, asking, typed) => {
            let keys = format!("enter {}   esc leave", if *asking == Asking::Name { wish.doing.verb() } else { "go on" });
            typing(canvas, &asked(wish, asking), typed, &keys);
        }
        Mode::Naming(typed) => typing(canvas, "who acts (unverified): ", typed, "enter begin   esc leave"),
        Mode::Filter(typed) => typing(canvas, "/", typed, "enter keep   esc leave"),
        Mode::Handing(handing) => handed(canvas, handing, view),
        Mode::Normal | Mode::Help(_) => line(canvas, view),
    }
}

/// A note to whoever takes over: its words, whether it was read, or who acts.
fn handed(canvas: &mut Canvas<'_>, handing: &Handing, view: View<'_>) {
    match &handing.step {
        HandingStep::Write(typed) => {
            let to = handing.to.as_ref().map_or("whoever is next", |to| to.as_str());
            typing(canvas, &format!("note for {to}, {}: ", view.when(handing.handoff, false)), typed, "enter leave it there   esc drop it");
        }
        HandingStep::Read(note) => {
            let sentence = format!("{}'s note of {} is read: write that down, it goes from the top", note.by, handing.rota);
            let keys = confirm_keys(view.ui, false);
            prompt(canvas, &sentence, &keys);
        }
        HandingStep::Name(_, typed) => typing(canvas, "who acts (unverified): ", typed, "enter do it   esc leave"),
    }
}

/// What will happen in a run.
fn run_sentence(wish: &RunWish, view: View<'_>) -> String {
    let title = wish.run.step(&wish.step).map_or_else(|| wish.step.to_string(), |s| s.plan.title.to_string());
    let name = brief(&title, 60);
    let book = view.ui.snapshot.runbooks.book(&wish.run.runbook);
    let step = |name: &StepName| book.and_then(|b| b.step(name));
    let what = |step: &Step| {
        let lines = step.kind.does();
        let first = lines.iter().find(|l| !l.as_str().trim().is_empty()).map_or("", Text::as_str);
        let more = lines.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more lines") } else { String::new() };
        let cost = step.cost.as_ref().map_or_else(String::new, |c| format!(", costs {}", brief(c.as_str(), 40)));
        format!("`{}`{more}{cost}, at most {}", brief(first, 160), super::dry::span(step.timeout))
    };
    let chosen: Vec<_> = wish.inputs.iter().map(|(name, value)| format!("{name} = {}", brief(value.text().as_str(), 40))).collect();
    let chosen = if chosen.is_empty() { String::new() } else { format!(" with {}", chosen.join(", ")) };
    let words = wish.words.as_ref().map_or_else(String::new, |w| brief(w.as_str(), 120).into_owned());
    match &wish.doing {
        Doing::Start { again } => {
            let verb = if *again { "nobody knows how it ended; run once more" } else { "run" };
            format!("{verb} {name}{chosen}: {}", step(&wish.step).map(what).unwrap_or_default())
        }
        Doing::Undo => {
            let undo = step(&wish.step).and_then(|s| s.undo.as_ref());
            let text = undo.and_then(step).map(what).unwrap_or_default();
            format!("undo {name} by step `{}`{chosen}: {text}", undo.map_or_else(String::new, ToString::to_string))
        }
        Doing::Tick if words.is_empty() => format!("{name} is done: write that down"),
        Doing::Tick => format!("{name} is done: write that down; note “{words}”"),
        Doing::Skip => format!("skip {name}: “{words}”"),
        Doing::Cancel(_) => format!("end {name} now: what it has started is ended with it, and it may be half done"),
        Doing::Abort => format!("end the run {}, and what runs of it: “{words}”", wish.run.id),
    }
}

/// What is asked for before something happens in a run.
fn asked(wish: &RunWish, asking: &Asking) -> String {
    match asking {
        Asking::Input(input) if input.choices.is_empty() => format!("{}: ", input.name),
        Asking::Input(input) => format!("{} ({}): ", input.name, Text::from(input.choices.join(", "))),
        Asking::Words if wish.doing == Doing::Tick => "note: ".to_owned(),
        Asking::Words if wish.doing == Doing::Abort => "end the run because: ".to_owned(),
        Asking::Words => format!("skip `{}` because: ", wish.step),
        Asking::Danger(danger) => format!("danger: {}; type {} to go on: ", brief(danger.as_str(), 60), wish.step),
        Asking::Name => "who acts (unverified): ".to_owned(),
    }
}

fn line(canvas: &mut Canvas<'_>, view: View<'_>) {
    let (w, y) = (canvas.width(), canvas.height().saturating_sub(1));
    if let Some(failure) = view.ui.failures.front() {
        let keys: [(String, &str); 1] = [("esc".to_owned(), "read")];
        return told(canvas, failure, Role::Warning, "✗ ", &keys);
    }
    if let Some(notice) = view.ui.notice.as_ref().filter(|n| n.until > view.now) {
        canvas.text(1, y, w.saturating_sub(2), Role::Emphasis, &notice.text);
        return;
    }
    let keys = keys_of_the_moment(view.ui, w.saturating_sub(2), view.now);
    pairs(canvas, 1, y, keys.iter().map(|b| (b.chords.first().map(ToString::to_string).unwrap_or_default(), word(view.ui, b))));
}

/// What a key would do now, where that is not always the same.
fn word(ui: &Ui, binding: &Binding) -> &'static str {
    let held = || ui.marked_incidents().is_empty() && ui.actionable().is_some_and(|i| i.ack.is_some());
    match binding.action {
        Action::Acknowledge if held() => "take over",
        Action::Step(_) if ui.open_book().is_some_and(|open| open.dry) => "scroll",
        Action::Back if ui.open_book().is_some_and(|open| open.dry) => "to the steps",
        _ => binding.footer,
    }
}

/// The keys of a scope, in its order.
fn keys_of(canvas: &mut Canvas<'_>, ui: &Ui, scope: Scope) {
    let y = canvas.height().saturating_sub(1);
    let bindings = ui.keymap.bindings().iter().filter(|b| b.scope == scope && !b.footer.is_empty());
    canvas.blank(y);
    pairs(canvas, 1, y, bindings.map(|b| (b.chords.first().map(ToString::to_string).unwrap_or_default(), b.footer)));
}

/// What is typed into a line of a draft.
fn before(open: &Draft, field: Field) -> String {
    match field {
        Field::Matcher(at) => open.rows.get(at).map_or_else(String::new, |(m, _)| format!("{}{} ", m.name.text(), m.op.sign())),
        Field::New => "add a matcher, service=~\"check.*\": ".to_owned(),
        Field::Span => "for: ".to_owned(),
        Field::Comment => "because: ".to_owned(),
    }
}

/// One deed as a sentence; several as a list above, and here what is to be said of them together.
fn deeds(canvas: &mut Canvas<'_>, listed: &Deeds, view: View<'_>) {
    if listed.sent {
        let keys: [(String, &str); 2] = [("j".to_owned(), "down"), ("esc".to_owned(), "close")];
        let (all, done, failed) = listed.counts();
        let waiting = all.saturating_sub(done + failed);
        let text = format!("{done} of {all} done{}{}", some(failed, "not done"), some(waiting, "on the way"));
        return told(canvas, &text, if failed > 0 { Role::Warning } else { Role::Emphasis }, "", &keys);
    }
    let keys = confirm_keys(view.ui, listed.takes_note());
    match listed.only() {
        Some(Deed::On(wish)) => prompt(canvas, &sentence(wish, view), &keys),
        Some(deed) => prompt(canvas, &super::deeds::sentence(deed), &keys),
        None => {
            let note = listed.note().map_or_else(String::new, |n| format!("; note “{n}”"));
            prompt(canvas, &format!("{} acts, each by itself{note}", listed.counts().0), &keys);
        }
    }
}

fn some(count: usize, words: &str) -> String {
    if count == 0 { String::new() } else { format!(" · {count} {words}") }
}

/// At most eight keys, none of which does nothing, in `width` cells; the last of them, which is help, gives way last.
fn keys_of_the_moment(ui: &Ui, width: u16, now: DateTime<Utc>) -> Vec<&Binding> {
    let bindings = ui.keymap.bindings().iter();
    let scope = if ui.reads() { Scope::Runbook } else { Scope::Screens };
    let mut keys: Vec<_> = bindings.filter(|b| b.scope == scope && !b.footer.is_empty() && does_something(ui, &b.action, now)).collect();
    let cells_of = |b: &&Binding| b.chords.first().map_or(0, |c| cells(&c.to_string())) + cells(b.footer) + 3;
    let fits = |keys: &[&Binding]| keys.len() <= 8 && keys.iter().map(cells_of).sum::<u16>() <= width.saturating_add(1);
    let room = ui.detail.is_some();
    while keys.len() > 1 && !fits(&keys) {
        let help = keys.iter().position(|b| b.action == Action::Help).filter(|_| room);
        keys.remove(help.and_then(|at| at.checked_sub(1)).unwrap_or(keys.len() - 1));
    }
    keys
}

/// Those to whom an incident can be handed, as far as there is room to name them.
fn recipients(ui: &Ui) -> String {
    let named = ui.settings.people.iter().filter(|p| p.email.is_some()).map(|p| p.name.as_str());
    let names: Vec<_> = ["level 1", "2", "3"].into_iter().chain(named.take(5)).collect();
    names.join(", ")
}

fn does_something(ui: &Ui, action: &Action, now: DateTime<Utc>) -> bool {
    let in_list = ui.detail.is_none() && ui.screen.lists();
    if matches!(ui.mode, Mode::Help(_)) {
        return matches!(action, Action::Back);
    }
    if ui.reads() {
        return in_runbook(ui, action);
    }
    match action {
        Action::Runbook if ui.screen == Screen::Runbooks => false,
        Action::Runbook => ui.for_incident().is_some_and(|i| !ui.matching(&i).is_empty()),
        Action::Open if ui.screen == Screen::Runbooks => ui.selected_book().is_some(),
        Action::Acknowledge if ui.screen == Screen::OnCall => ui.acting_is_off().is_none() && handing::readable(ui, now).is_some(),
        Action::Note if ui.screen == Screen::OnCall => ui.acting_is_off().is_none() && handing::writable(ui, now).is_some(),
        Action::Acknowledge => ui.acting_is_off().is_none() && ui.actionable().is_some(),
        Action::Expire => ui.acting_is_off().is_none() && !ui.chosen_holds().is_empty(),
        Action::Silence => {
            ui.acting_is_off().is_none() && ui.screen == Screen::Incidents && ui.actionable().is_some_and(|i| can_silence(&i))
        }
        Action::Mark => in_list && ui.screen == Screen::Board,
        Action::Go(Screen::Board) => in_list && ui.screen == Screen::Incidents,
        Action::Unacknowledge => {
            let in_book = |ack: &Ack| matches!(ack.target, Target::PagerDuty { .. });
            let can_be = |i: &Incident| {
                let mut held = i.parts().filter_map(|part| part.ack.as_ref()).peekable();
                held.peek().is_some() && !held.any(in_book)
            };
            ui.acting_is_off().is_none() && ui.actionable().is_some_and(|i| can_be(&i))
        }
        Action::Note => offered(ui, Wanted::Note),
        Action::Resolve => offered(ui, Wanted::Resolve),
        Action::Snooze => offered(ui, Wanted::Snooze),
        Action::Escalate => offered(ui, Wanted::Escalate),
        Action::Back => ui.detail.is_some() || ui.screen == Screen::Board || (in_list && ui.filter().is_some()),
        Action::Step(_) => ui.detail.as_ref().is_some_and(|d| ui.drawn.below > 0 || d.scroll > 0),
        Action::NextPane => in_list && ui.screen == Screen::Overview,
        Action::Open => in_list && (ui.subject().is_some() || ui.on_queues() && ui.queue_line().is_some()),
        Action::Filter | Action::Sort => in_list && ui.screen != Screen::Board && ui.subject().is_some(),
        Action::Copy => ui.detail.is_some() && ui.subject().is_some(),
        Action::Refresh => ui.screen == Screen::Sources,
        Action::Quit if ui.screen == Screen::Board => false,
        Action::Quit => {
            !matches!(ui.subject(), Some(Subject::Slo(_) | Subject::Incident(_) | Subject::Queue(_))) || ui.screen == Screen::Overview
        }
        _ => true,
    }
}

/// Whether enter would begin a run or ask for its next step.
pub fn goes_on(ui: &Ui, open: &Open) -> bool {
    let free = |step: &RunStep| step.plan.approve == 0 && (step.plan.is_manual() || ui.snapshot.runbooks.held.is_none());
    let run = open.run(ui).filter(|r| !r.state().is_over());
    run.map_or(open.book(ui).is_some(), |r| r.at_work().is_none() && r.next().is_some_and(free))
}

/// Whether a key of a runbook would do something now.
fn in_runbook(ui: &Ui, action: &Action) -> bool {
    let Some(open) = ui.open_book() else { return false };
    let run = open.run(ui).filter(|r| !r.state().is_over());
    let acts = ui.acting_is_off().is_none();
    match action {
        Action::Open => acts && goes_on(ui, open),
        // A dry run is read, and left.
        Action::DryRun | Action::Skip | Action::Undo | Action::Abort | Action::NextPane if open.dry => false,
        Action::Skip => acts && run.is_some_and(|r| r.at_work().is_none() && r.next().is_some()),
        Action::Undo => acts && run.is_some_and(|r| r.at_work().is_none() && undoable(r).is_some()),
        Action::Cancel => acts && run.is_some_and(|r| r.at_work().is_some()),
        Action::Abort => acts && run.is_some(),
        Action::NextPane => open.run(ui).is_none() && open.others.len() > 1,
        Action::Step(_) if open.dry => ui.drawn.below > 0 || open.scroll > 0,
        Action::Step(_) => open.order(ui).len() > 1,
        _ => true,
    }
}

/// Whether to offer a silence: who has it already has other keys to choose from.
fn can_silence(incident: &Incident) -> bool {
    incident.ack.is_none() && incident.parts().any(|part| matches!(part.origin, Origin::Alertmanager { .. }))
}

/// Whether the room of an open incident offers this; in a list the keys work, and help tells of them.
fn offered(ui: &Ui, wanted: Wanted) -> bool {
    let in_room = matches!(&ui.detail, Some(open) if matches!(open.subject, Subject::Incident(_)) && !open.gone);
    in_room && ui.acting_is_off().is_none() && ui.actionable().is_some_and(|i| is_offered(wanted, &i))
}

fn pairs<'t>(canvas: &mut Canvas<'_>, x: u16, y: u16, keys: impl Iterator<Item = (String, &'t str)>) {
    let (mut at, w) = (x, canvas.width());
    for (key, what) in keys {
        if at + cells(&key) + cells(what) + 1 >= w {
            break;
        }
        at = canvas.text(at, y, w, Role::Accent, &key) + 1;
        at = canvas.text(at, y, w, Role::Muted, what) + 2;
    }
}

fn confirm_keys(ui: &Ui, note: bool) -> Vec<(String, &'static str)> {
    let useful = |b: &&Binding| b.scope == Scope::Prompt && !b.footer.is_empty() && (note || b.action != Action::Note);
    let bindings = ui.keymap.bindings().iter().filter(useful);
    bindings.map(|b| (b.chords.first().map(ToString::to_string).unwrap_or_default(), b.footer)).collect()
}

fn prompt(canvas: &mut Canvas<'_>, sentence: &str, keys: &[(String, &'static str)]) {
    told(canvas, sentence, Role::Emphasis, "", keys);
}

/// A sentence and its keys, on as many of the last lines as they need.
fn told(canvas: &mut Canvas<'_>, sentence: &str, role: Role, mark: &str, keys: &[(String, &str)]) {
    let (w, h) = (canvas.width(), canvas.height());
    let keys_width: u16 = keys.iter().map(|(k, what)| cells(k) + cells(what) + 3).sum();
    let sentence = format!("{mark}{sentence}");
    let one_line = cells(&sentence).saturating_add(keys_width + 4) <= w;
    let mut lines = if one_line { vec![sentence.clone()] } else { wrap(&sentence, w.saturating_sub(2)) };
    lines.truncate(usize::from(h / 3).max(1));
    let rows = u16::try_from(lines.len()).unwrap_or(1) + u16::from(!one_line);
    let top = h.saturating_sub(rows);
    for y in top..h {
        canvas.blank(y);
    }
    for (y, line) in (top..h).zip(&lines) {
        canvas.text(1, y, w.saturating_sub(1), role, line);
    }
    let x = if one_line { cells(&sentence) + 4 } else { 1 };
    pairs(canvas, x, h.saturating_sub(1), keys.iter().map(|(k, what)| (k.clone(), *what)));
}

/// What is typed, its end always in sight, and what is wrong with it.
fn typing(canvas: &mut Canvas<'_>, before: &str, typed: &Typed, keys: &str) {
    let (w, y) = (canvas.width(), canvas.height().saturating_sub(1));
    canvas.blank(y);
    let x = canvas.text(1, y, w, Role::Accent, before);
    let trailer = typed.problem.as_deref().unwrap_or(keys);
    let room = w.saturating_sub(x + 2 + (cells(trailer) + 3).min(w / 2));
    let mut shown = typed.text.as_str();
    while cells(shown) > room {
        let mut rest = shown.chars();
        rest.next();
        shown = rest.as_str();
    }
    let at = canvas.text(x, y, room, Role::Emphasis, shown);
    canvas.chip(at, y, 1, Role::Accent, " ");
    let role = if typed.problem.is_some() { Role::Warning } else { Role::Muted };
    canvas.text(at + 4, y, w.saturating_sub(at + 5), role, trailer);
}

/// What accepting a wish will do, in one sentence with the true target.
fn sentence(wish: &Wish, view: View<'_>) -> String {
    let (name, settings) = (name_of(&wish.incident), &view.ui.settings);
    let place = |target: &Target| match target {
        Target::PagerDuty { source, .. } => format!("in {source}, in your name there"),
        Target::Group { legs } => {
            let source = target.source().map_or("—", |source| source.as_str());
            format!("in {source}, {} incidents, in your name there", legs.len())
        }
        Target::Alertmanager { .. } | Target::Silences { .. } | Target::Journal => "in the journal".to_owned(),
    };
    let target = match &wish.taking {
        Taking::Take | Taking::TakeOver | Taking::GiveBack => wish.incident.target(),
        _ => books(&wish.incident).unwrap_or(Target::Journal),
    };
    let whole = !wish.incident.members.is_empty();
    let mut text = match (&wish.taking, target) {
        (Taking::Resolve, target) => format!("resolve {name} {}: it ends there for everybody", place(&target)),
        (Taking::Note, target) => {
            let said = wish.note.as_ref().map(|n| brief(n.as_str(), 160).into_owned()).unwrap_or_default();
            let also = if target == Target::Journal { "" } else { ", and in the journal" };
            format!("note “{said}” on {name} {}{also}", place(&target))
        }
        (Taking::Snooze(span), target) => {
            let until = view.when(view.now + span.delta(), false);
            format!("snooze {name} for {span} {}: from {until} it is nobody's again, and pages", place(&target))
        }
        (Taking::Escalate(Escalation::Level(level)), target) => {
            format!("escalate {name} to level {level} {}: whoever is on call there is paged", place(&target))
        }
        (Taking::Escalate(Escalation::Person { name: who, email }), target) => {
            format!("hand {name} to {who} ({email}) {}: they are paged", place(&target))
        }
        (Taking::Take, _) if whole => {
            format!("acknowledge {name}{}: {}", several::alerts(&wish.incident), several::take(&wish.incident, view))
        }
        (Taking::GiveBack, _) if whole => format!("give back {name}: {}", several::give_back(&wish.incident)),
        (Taking::Take, Target::Journal) => format!("acknowledge {name}: in the journal"),
        (Taking::Take, Target::Alertmanager { source, labels }) => {
            let count = labels.0.len();
            let plural = if count == 1 { "" } else { "s" };
            let length = settings.silencing.keeping(&source).map(|k| format!(" for {}", Age::secs(k.ack_for.as_secs_f64())));
            let length = length.unwrap_or_default();
            format!("acknowledge {name} in {source}: silence {count} label{plural}{length}; no resolved notice while silenced")
        }
        (Taking::Take, Target::PagerDuty { source, .. }) => format!("acknowledge {name} in {source}, in your name there"),
        (Taking::TakeOver, _) => take_over(wish, &name, view),
        (Taking::Take | Taking::GiveBack, Target::Group { .. }) => format!("{}: {name}", wish.taking.verb()),
        (Taking::Take | Taking::GiveBack, Target::Silences { source }) => format!("{name} in {source}: nothing to do"),
        (Taking::GiveBack, Target::PagerDuty { source, .. }) => format!("give back {name}: {source} cannot do that, escalate it instead"),
        (Taking::GiveBack, Target::Journal) => format!("give back {name}: in the journal"),
        (Taking::GiveBack, Target::Alertmanager { source, .. }) => {
            let silence = wish.incident.ack.as_ref().and_then(|a| a.silence.as_deref());
            let silence = silence.map_or_else(|| "its silence".to_owned(), |id| format!("silence {}", short(id)));
            format!("give back {name} in {source}: expire {silence}")
        }
    };
    if let Some(note) = wish.note.as_ref().filter(|_| wish.taking != Taking::Note) {
        // Writing to a String does not fail.
        let _ = write!(text, "; note “{}”", brief(note.as_str(), 160));
    }
    text
}

/// Who has it, since when, what they said; and what taking it over does where it is kept.
fn take_over(wish: &Wish, name: &str, view: View<'_>) -> String {
    let Some(ack) = &wish.incident.ack else { return format!("acknowledge {name}") };
    let mine = view.ui.is_me(&ack.by);
    let note = ack.note.as_ref().filter(|_| !mine).map_or_else(String::new, |n| format!(", “{n}”"));
    let since = format!("since {} ({}){note}", view.when(ack.at, false), view.age(ack.at));
    let (who, what) = if mine { ("you have".to_owned(), "hold") } else { (format!("{} has", ack.by), "take over") };
    let ends = ack.ends().filter(|_| mine).map_or_else(String::new, |at| format!(", lapses {}", view.when(at, false)));
    let anew = if mine { " anew" } else { "" };
    let place = match (&ack.target, &ack.silence) {
        _ if !wish.incident.members.is_empty() => several::places(&wish.incident),
        (Target::Alertmanager { source, .. }, Some(id)) if mine => format!("in {source}: silence {} goes on", short(id)),
        (Target::Alertmanager { source, .. }, Some(id)) if exact(wish, id, view) => {
            format!("in {source}: silence {} gets your name", short(id))
        }
        (Target::Alertmanager { source, .. }, _) => format!("in {source}: a silence in your name beside theirs"),
        (Target::PagerDuty { source, .. }, _) => format!("in {source}, in your name there"),
        (Target::Silences { .. } | Target::Journal | Target::Group { .. }, _) => "in the journal".to_owned(),
    };
    format!("{who} it {since}{ends}: {what} {name}{anew} {place}")
}

/// Whether a silence asks for exactly what an acknowledgement of ours would ask for: only then it becomes ours.
fn exact(wish: &Wish, id: &str, view: View<'_>) -> bool {
    if wish.incident.ack.as_ref().is_some_and(|a| a.act.is_some()) {
        return true;
    }
    let Some(silence) = view.ui.board.iter().filter_map(|h| h.silence.as_ref()).find(|s| s.id == id) else { return false };
    let (mut theirs, mut ours) = (silence.matchers.clone(), LabelMatcher::exactly(&wish.incident.labels));
    theirs.sort_unstable();
    ours.sort_unstable();
    theirs == ours
}

/// The SLO for an alert of ours; the service and the alert's name, else the title, for others.
fn name_of(incident: &Incident) -> String {
    let name = match (&incident.origin, &incident.service, incident.labels.get("alertname")) {
        (Origin::Own { slo, .. }, _, _) => slo.to_string(),
        (Origin::Queue { queue, .. }, _, _) => queue.to_string(),
        (_, Some(service), Some(alert)) => format!("{service} ({})", alert.text()),
        _ => incident.title.to_string(),
    };
    brief(&name, 72).into_owned()
}

/// The beginning of `text` in at most `most` cells: what others wrote must not push what will happen off the prompt.
pub fn brief(text: &str, most: u16) -> Cow<'_, str> {
    if cells(text) <= most {
        return Cow::Borrowed(text);
    }
    let first = wrap(text, most.saturating_sub(1)).into_iter().next().unwrap_or_default();
    Cow::Owned(format!("{first}…"))
}
