//! The last line: the keys of the moment; or a prompt, a failure, a toast in their place.
//!
//! A prompt is one sentence, what will happen and to what, then its keys. Where that is wider than the terminal it grows upwards; it
//! is never cut.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    super::{
        Settings,
        action::Action,
        handing::{self, Handing, Step},
        keymap::{Binding, Scope},
        receipts::short,
        state::{Mode, Screen, Subject, Taking, Typed, Ui, Wish},
        theme::Role,
        widgets::figures::Age,
    },
    View,
    canvas::{Canvas, cells, wrap},
};
use crate::domain::{Incident, Origin, Target};

/// Draw the footer at the bottom of `canvas`, which is the whole screen.
pub fn footer(canvas: &mut Canvas<'_>, view: View<'_>) {
    let ui = view.ui;
    match &ui.mode {
        Mode::Confirm(wish) => prompt(canvas, &sentence(wish, &ui.settings), &confirm_keys(ui)),
        Mode::Note(_, typed) => typing(canvas, "note: ", typed, "enter done   esc leave it"),
        Mode::Name(_, typed) => typing(canvas, "who acts (unverified): ", typed, "enter acknowledge   esc leave"),
        Mode::Filter(typed) => typing(canvas, "/", typed, "enter keep   esc leave"),
        Mode::Handing(handing) => handed(canvas, handing, view),
        Mode::Normal | Mode::Help(_) => line(canvas, view),
    }
}

/// A note to whoever takes over: its words, whether it was read, or who acts.
fn handed(canvas: &mut Canvas<'_>, handing: &Handing, view: View<'_>) {
    match &handing.step {
        Step::Write(typed) => {
            let to = handing.to.as_ref().map_or("whoever is next", |to| to.as_str());
            typing(canvas, &format!("note for {to}, {}: ", view.when(handing.handoff, false)), typed, "enter leave it there   esc drop it");
        }
        Step::Read(note) => {
            let sentence = format!("{}'s note of {} is read: write that down, it goes from the top", note.by, handing.rota);
            let keys = confirm_keys(view.ui).into_iter().filter(|(_, what)| *what != "note").collect::<Vec<_>>();
            prompt(canvas, &sentence, &keys);
        }
        Step::Name(_, typed) => typing(canvas, "who acts (unverified): ", typed, "enter do it   esc leave"),
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
    let keys = keys_of_the_moment(view.ui, view.now);
    pairs(canvas, 1, y, keys.iter().map(|b| (b.chords.first().map(ToString::to_string).unwrap_or_default(), b.footer)));
}

/// At most eight keys, none of which does nothing.
fn keys_of_the_moment(ui: &Ui, now: DateTime<Utc>) -> Vec<&Binding> {
    let bindings = ui.keymap.bindings().iter();
    bindings.filter(|b| b.scope == Scope::Screens && !b.footer.is_empty() && does_something(ui, &b.action, now)).take(8).collect()
}

fn does_something(ui: &Ui, action: &Action, now: DateTime<Utc>) -> bool {
    let in_list = ui.detail.is_none() && ui.screen.lists();
    if matches!(ui.mode, Mode::Help(_)) {
        return matches!(action, Action::Back);
    }
    match action {
        Action::Acknowledge if ui.screen == Screen::OnCall => ui.acting_is_off().is_none() && handing::readable(ui, now).is_some(),
        Action::Note => ui.screen == Screen::OnCall && ui.acting_is_off().is_none() && handing::writable(ui, now).is_some(),
        Action::Acknowledge => ui.acting_is_off().is_none() && ui.actionable().is_some_and(|i| i.ack.is_none()),
        Action::Unacknowledge => ui.acting_is_off().is_none() && ui.actionable().is_some_and(|i| i.ack.is_some()),
        Action::Back => {
            ui.detail.is_some() || (in_list && if ui.on_incidents() { ui.incident_filter.is_some() } else { ui.slo_filter.is_some() })
        }
        Action::Step(_) => ui.detail.as_ref().is_some_and(|d| ui.drawn.below > 0 || d.scroll > 0),
        Action::NextPane => in_list && ui.screen == Screen::Overview,
        Action::Open | Action::Filter | Action::Sort => in_list && ui.subject().is_some(),
        Action::Copy => ui.detail.is_some() && ui.subject().is_some(),
        Action::Refresh => ui.screen == Screen::Sources,
        Action::Quit => !matches!(ui.subject(), Some(Subject::Slo(_) | Subject::Incident(_))) || ui.screen == Screen::Overview,
        _ => true,
    }
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

fn confirm_keys(ui: &Ui) -> Vec<(String, &'static str)> {
    let bindings = ui.keymap.bindings().iter().filter(|b| b.scope == Scope::Prompt);
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
fn sentence(wish: &Wish, settings: &Settings) -> String {
    let name = name_of(&wish.incident);
    let mut text = match (wish.taking, wish.incident.target()) {
        (Taking::Take, Target::Journal) => format!("acknowledge {name}: in the journal"),
        (Taking::Take, Target::Alertmanager { source, labels }) => {
            let count = labels.0.len();
            let plural = if count == 1 { "" } else { "s" };
            let length = settings.ack_for.iter().find(|(s, _)| *s == source).map(|(_, d)| format!(" for {}", Age::secs(d.as_secs_f64())));
            let length = length.unwrap_or_default();
            format!("acknowledge {name} in {source}: silence {count} label{plural}{length}; no resolved notice while silenced")
        }
        (Taking::Take, Target::PagerDuty { source, .. }) => format!("acknowledge {name} in {source}, in your name there"),
        (Taking::GiveBack, Target::PagerDuty { source, .. }) => format!("give back {name}: {source} cannot do that, escalate it instead"),
        (Taking::GiveBack, Target::Journal) => format!("give back {name}: in the journal"),
        (Taking::GiveBack, Target::Alertmanager { source, .. }) => {
            let silence = wish.incident.ack.as_ref().and_then(|a| a.silence.as_deref());
            let silence = silence.map_or_else(|| "its silence".to_owned(), |id| format!("silence {}", short(id)));
            format!("give back {name} in {source}: expire {silence}")
        }
    };
    if let (Taking::Take, Some(ack)) = (wish.taking, &wish.incident.ack) {
        text = format!("{} has it; {text}", ack.by);
    }
    if let Some(note) = &wish.note {
        // Writing to a String does not fail.
        let _ = write!(text, "; note “{note}”");
    }
    text
}

/// The SLO for an alert of ours; the service and the alert's name, else the title, for others.
fn name_of(incident: &Incident) -> String {
    match (&incident.origin, &incident.service, incident.labels.get("alertname")) {
        (Origin::Own { slo, .. }, _, _) => slo.to_string(),
        (_, Some(service), Some(alert)) => format!("{service} ({})", alert.text()),
        _ => incident.title.to_string(),
    }
}
