//! The library of runbooks: what matches the selected incident on top, the rest by service; below, what became of the selected one.
//!
//! ```text
//! ━━ Runbooks ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ for checkout: availability burning 82× ━━
//!    title                        for        steps            last run            result
//! ▌▸ Roll back a bad canary       checkout   3 steps, 1 gate  9d ago by jon       burn 12.0× → 0.4× in 6m
//!    Drain a stuck queue          orders     5 steps          never
//! ── runs of Roll back a bad canary ──────────────────────────────────────────────────────────
//!  0192  Wed 14:34  maya  finished  burn 82.2× → 0.4× in 6m
//! ```

use std::sync::Arc;

use super::{
    super::{layout, theme::Role},
    View,
    canvas::{Canvas, wrap},
};
use crate::domain::{Incident, IncidentId, Library, Reason, Run, RunState, Runbook, Text};
use ratatui::layout::Rect;

/// From this width on there is room for the service and the steps.
const WIDE: u16 = 100;

/// Draw the body of the screen.
pub fn draw(canvas: &mut Canvas<'_>, body: Rect, view: View<'_>) {
    let library = &*view.ui.snapshot.runbooks;
    let (upper, lower) = layout::library(body);
    if library.books.is_empty() {
        return nothing(&mut canvas.piece(body), library);
    }
    list(&mut canvas.piece(upper), library, view);
    below(&mut canvas.piece(lower), library, view);
}

fn nothing(canvas: &mut Canvas<'_>, library: &Library) {
    canvas.rule(0, "Runbooks", format_args!(""), true);
    let w = canvas.width().saturating_sub(4);
    let words = "no runbooks yet: write [runbooks] dir = \"runbooks\" into the configuration; docs/RUNBOOKS.md tells how they are written";
    let mut y = 2;
    for line in wrap(words, w) {
        canvas.text(3, y, w, Role::Muted, &line);
        y += 1;
    }
    unusable(canvas, y + 1, library);
}

/// Columns: where they begin and how wide they are.
struct Columns {
    title: (u16, u16),
    service: Option<(u16, u16)>,
    steps: Option<(u16, u16)>,
    last: (u16, u16),
    result: (u16, u16),
}

impl Columns {
    fn of(width: u16) -> Self {
        if width < WIDE {
            let title = width.saturating_sub(50).clamp(18, 30);
            let last = 3 + title + 2;
            return Self {
                title: (3, title),
                service: None,
                steps: None,
                last: (last, 16),
                result: (last + 18, width.saturating_sub(last + 19)),
            };
        }
        let title = (width / 3).min(48);
        let service = 3 + title + 1;
        let steps = service + 13;
        let last = steps + 16;
        Self {
            title: (3, title),
            service: Some((service, 12)),
            steps: Some((steps, 15)),
            last: (last, 17),
            result: (last + 18, width.saturating_sub(last + 19)),
        }
    }
}

fn list(canvas: &mut Canvas<'_>, library: &Library, view: View<'_>) {
    let incident = view.ui.incident();
    let matching: Vec<_> = incident.map(|i| library.matching(i)).unwrap_or_default();
    match incident.filter(|_| !matching.is_empty()) {
        Some(incident) => canvas.rule(0, "Runbooks", format_args!("▸ for {}", incident.title), true),
        None => canvas.rule(0, "Runbooks", format_args!("{}", library.books.len()), true),
    }
    let columns = Columns::of(canvas.width());
    let mut head = |(x, w): (u16, u16), text: &str| _ = canvas.text(x, 1, w, Role::Muted, text);
    head(columns.title, "title");
    columns.service.into_iter().for_each(|c| head(c, "for"));
    columns.steps.into_iter().for_each(|c| head(c, "steps"));
    head(columns.last, "last run");
    head(columns.result, "result");
    for (row, (place, index)) in (2..canvas.height()).zip(view.ui.books.visible()) {
        let Some(book) = library.books.get(index) else { continue };
        if matching.iter().any(|(b, _)| b.id == book.id) {
            canvas.text(1, row, 1, Role::Accent, "▸");
        }
        one(canvas, row, &columns, book, view);
        if place == view.ui.books.at() {
            canvas.select(row);
        }
    }
}

fn one(canvas: &mut Canvas<'_>, y: u16, columns: &Columns, book: &Runbook, view: View<'_>) {
    let mut put = |(x, w): (u16, u16), role, text: &str| _ = canvas.text(x, y, w, role, text);
    put(columns.title, Role::Text, book.title.as_str());
    if let Some(column) = columns.service {
        put(column, Role::Muted, &book.services.iter().map(Text::as_str).collect::<Vec<_>>().join(", "));
    }
    if let Some(column) = columns.steps {
        put(column, Role::Muted, &steps(book));
    }
    let going_on = view.snapshot.runs.values().rev().find(|r| r.runbook == book.id && !r.state().is_over());
    if let Some(run) = going_on {
        put(columns.last, Role::Accent, &format!("{} by {:#}", run.state().word(), run.by));
        let next = run.next().map_or_else(String::new, |s| format!("at {}", s.plan.title));
        return put(columns.result, Role::Text, &next);
    }
    match last(book, view) {
        None => put(columns.last, Role::Warning, "never rehearsed"),
        Some((when, role, result)) => {
            put(columns.last, Role::Text, &when);
            put(columns.result, role, &result);
        }
    }
}

/// When it was last gone through and by whom, and what came of it: a run that was meant, or a drill.
pub fn last(book: &Runbook, view: View<'_>) -> Option<(String, Role, String)> {
    let run = view.snapshot.last_runs.get(&book.id);
    let drill = crate::domain::last_rehearsed(&view.snapshot.drills, &book.id);
    match (run, drill) {
        (Some(run), drill) if drill.is_none_or(|d| d.at <= run.at) => {
            let result = run.judged.as_ref().map_or_else(|| run.state.word().to_owned(), ToString::to_string);
            Some((format!("{} ago by {:#}", view.age(run.at), run.by), of_state(run.state).1, result))
        }
        (_, Some(drill)) => {
            let who = drill.drill.people.first().map_or_else(|| format!("{:#}", drill.by), ToString::to_string);
            Some((format!("{} ago by {who}", view.age(drill.at)), Role::Text, format!("drill: {}", drill.drill)))
        }
        _ => None,
    }
}

/// `3 steps, 1 gate`
pub fn steps(book: &Runbook) -> String {
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let gates = book.way().filter(|s| s.approve > 0).count();
    let steps = many(book.way().count(), "step");
    if gates == 0 { steps } else { format!("{steps}, {}", many(gates, "gate")) }
}

/// The mark and the role of where a run stands.
pub const fn of_state(state: RunState) -> (&'static str, Role) {
    match state {
        RunState::Running => ("▸", Role::Accent),
        RunState::Open => ("…", Role::Accent),
        RunState::Stuck => ("✗", Role::Critical),
        RunState::Finished => ("✓", Role::Ok),
        RunState::Aborted => ("✗", Role::Muted),
    }
}

/// The runs of the selected runbook; beside them what is wrong with the library.
fn below(canvas: &mut Canvas<'_>, library: &Library, view: View<'_>) {
    let Some(book) = view.ui.selected_book() else { return };
    let w = canvas.width();
    canvas.rule(0, &format!("runs of {}", book.title), format_args!("{}", book.id), false);
    let mut y = 1;
    let troubles = u16::try_from(library.unusable.len().min(2)).unwrap_or(2) + u16::from(library.held.is_some());
    let room = usize::from(canvas.height().saturating_sub(1 + troubles).max(1));
    y += history(canvas, y, room, book, view);
    if y == 1 {
        let words = "no run yet: enter opens it; a drill rehearses it (burnwatch drill)";
        canvas.text(1, 1, w.saturating_sub(2), Role::Muted, words);
    }
    let from = canvas.height().saturating_sub(troubles);
    if let Some(held) = &library.held {
        canvas.text(1, from, w.saturating_sub(2), Role::Warning, held.as_str());
    }
    unusable(canvas, from + u16::from(library.held.is_some()), library);
}

/// The newest runs of a runbook, one line each. Returns how many.
pub fn history(canvas: &mut Canvas<'_>, y: u16, room: usize, book: &Runbook, view: View<'_>) -> u16 {
    let runs = view.snapshot.runs.values().rev().filter(|r| r.runbook == book.id).take(room);
    let mut rows = 0;
    for run in runs {
        line(canvas, y + rows, run, view);
        rows += 1;
    }
    rows
}

/// ` ✓ 0192  14:34  maya  finished  burn 82.2× → 0.4× in 6m`
fn line(canvas: &mut Canvas<'_>, y: u16, run: &Run, view: View<'_>) {
    let (w, (mark, role)) = (canvas.width(), of_state(run.state()));
    canvas.text(1, y, 1, role, mark);
    canvas.write(3, y, 6, Role::Text, format_args!("{}", run.id));
    canvas.write(10, y, 10, Role::Muted, format_args!("{}", view.when(run.at, false)));
    canvas.write(21, y, 12, Role::Emphasis, format_args!("{:#}", run.by));
    let at = canvas.text(34, y, 10, role, run.state().word()).max(43) + 1;
    let judged = run.steps.iter().flat_map(|s| &s.attempts).filter_map(|a| Some((a.at, a.judged.as_ref()?))).max_by_key(|(at, _)| *at);
    let what = match (judged, &run.incident_title) {
        (Some((_, judgement)), _) => judgement.to_string(),
        (None, Some(title)) => format!("for {title}"),
        (None, None) => String::new(),
    };
    let drill = run.drill.as_ref().map_or_else(String::new, |d| format!("drill {d}  "));
    canvas.write(at, y, w.saturating_sub(at + 1), Role::Text, format_args!("{drill}{what}"));
}

fn unusable(canvas: &mut Canvas<'_>, y: u16, library: &Library) {
    for (row, book) in (y..canvas.height()).zip(library.unusable.iter().take(2)) {
        let name = book.file.file_name().map_or_else(String::new, |n| Text::from(n.to_string_lossy().into_owned()).to_string());
        let more = if library.unusable.len() > 2 && row > y { format!(" and {} more", library.unusable.len() - 2) } else { String::new() };
        let at = canvas.text(1, row, 2, Role::Warning, "✗ ");
        let words = format!("{name} cannot be used: {}{more}; burnwatch runbook lint", book.first);
        canvas.text(at, row, canvas.width().saturating_sub(at + 1), Role::Text, &words);
    }
}

/// The runbooks for an incident, in its room. Returns the next line.
pub fn matching(canvas: &mut Canvas<'_>, y: u16, gap: u16, incident: &Incident, view: View<'_>) -> u16 {
    listed(canvas, y + gap, &view.ui.matching(incident), Some(&incident.id), view).unwrap_or(y)
}

/// Runbooks that match, the fittest first. Returns the next line; `None` if there is none.
pub fn listed(
    canvas: &mut Canvas<'_>,
    y: u16,
    found: &[(&Arc<Runbook>, Reason)],
    incident: Option<&IncidentId>,
    view: View<'_>,
) -> Option<u16> {
    if found.is_empty() {
        return None;
    }
    let key =
        view.ui.keymap.chord_of(&super::super::action::Action::Runbook).map_or_else(String::new, |key| format!("{key} opens the first"));
    canvas.rule(y, "runbooks that match", format_args!("{key}"), false);
    let (mut row, w) = (y + 1, canvas.width());
    let most = if canvas.height() >= 24 { 3 } else { 2 };
    for (n, (book, why)) in found.iter().take(most).enumerate() {
        let role = if n == 0 { Role::Emphasis } else { Role::Text };
        if n == 0 {
            canvas.text(1, row, 1, Role::Accent, "▸");
        }
        // Where its steps have no room the title has theirs.
        let title = if w >= WIDE { w / 3 } else { w.saturating_sub(40) }.clamp(20, 40);
        canvas.text(3, row, title, role, book.title.as_str());
        let mut at = 3 + title + 2;
        if w >= WIDE {
            canvas.text(at, row, 16, Role::Muted, &steps(book));
            canvas.write(at + 18, row, 11, Role::Muted, format_args!("by {}", why.word()));
            at += 30;
        }
        let going_on = view.snapshot.open_run(&book.id, incident);
        let room = w.saturating_sub(at + 1);
        match (going_on, last(book, view)) {
            (Some(run), _) => _ = canvas.write(at, row, room, Role::Accent, format_args!("run {} {}", run.id, run.state().word())),
            (None, None) => _ = canvas.text(at, row, room, Role::Warning, "never rehearsed"),
            (None, Some((when, _, result))) => _ = canvas.write(at, row, room, Role::Muted, format_args!("last {when}, {result}")),
        }
        row += 1;
    }
    if found.len() > most {
        canvas.write(3, row, w.saturating_sub(4), Role::Muted, format_args!("and {} more", found.len() - most));
        row += 1;
    }
    Some(row)
}
