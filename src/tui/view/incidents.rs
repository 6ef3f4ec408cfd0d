//! Incidents: a pane on the overview, a table on their own screen.

use std::sync::Arc;

use super::{
    super::theme::Role,
    View,
    canvas::{Canvas, cells},
    figure, several,
};
use crate::domain::{Freshness, Incident};

/// The pane of the overview: ` ● P1 checkout: budget burning 82×   1m  unacked`.
pub fn pane(canvas: &mut Canvas<'_>, view: View<'_>, focused: bool) {
    rule(canvas, view, focused);
    if view.ui.incidents.is_empty() {
        return nothing(canvas, 1, view);
    }
    let w = canvas.width();
    let state = w.saturating_sub((w / 4).clamp(12, 20));
    let age = state.saturating_sub(9);
    for (y, (at, incident)) in (1..canvas.height()).zip(visible(view)) {
        mark(canvas, y, incident, view);
        let end = since(canvas, (age, y), 7, incident, view);
        title(canvas, (6, y), end.saturating_sub(7), incident, incident.title.as_str());
        figure::holder(canvas, (state, y), w.saturating_sub(state + 1), incident, view);
        finish(canvas, y, at, incident, view, focused);
    }
}

/// The screen: severity, service, title, since, age, source, who has it.
pub fn screen(canvas: &mut Canvas<'_>, view: View<'_>) {
    rule(canvas, view, true);
    if view.ui.incidents.is_empty() {
        return nothing(canvas, 2, view);
    }
    let columns = Columns::of(canvas.width());
    head(canvas, &columns);
    for (y, (at, incident)) in (2..canvas.height()).zip(visible(view)) {
        mark(canvas, y, incident, view);
        let service = incident.service.as_ref().map_or("—", |s| s.as_str());
        canvas.text(columns.service.0, y, columns.service.1, Role::Emphasis, service);
        title(canvas, (columns.title.0, y), columns.title.1, incident, beside_service(incident));
        if columns.source.1 > 0 {
            canvas.text(columns.source.0, y, columns.source.1, Role::Muted, &sources(incident));
        }
        since(canvas, (columns.age.0, y), columns.age.1, incident, view);
        figure::holder(canvas, (columns.state.0, y), columns.state.1, incident, view);
        finish(canvas, y, at, incident, view, true);
    }
}

/// Where each column begins and how wide it is.
struct Columns {
    service: (u16, u16),
    title: (u16, u16),
    source: (u16, u16),
    age: (u16, u16),
    state: (u16, u16),
}

impl Columns {
    fn of(w: u16) -> Self {
        let wide = w >= 100;
        let (service, source, state) = if wide { (16, 14, 28) } else { (10, 0, 21) };
        let state = (w.saturating_sub(state + 1), state);
        let age = (state.0.saturating_sub(9), 7);
        let source = (age.0.saturating_sub(source + 1), source);
        let title = 6 + service + 1;
        Self { service: (6, service), title: (title, source.0.saturating_sub(title + 1)), source, age, state }
    }
}

fn head(canvas: &mut Canvas<'_>, columns: &Columns) {
    canvas.text(columns.service.0, 1, columns.service.1, Role::Muted, "service");
    canvas.text(columns.title.0, 1, columns.title.1, Role::Muted, "incident");
    canvas.text(columns.source.0, 1, columns.source.1, Role::Muted, "from");
    canvas.right(columns.age.0, 1, columns.age.1, Role::Muted, format_args!("for"));
    canvas.text(columns.state.0, 1, columns.state.1, Role::Muted, "held by");
}

fn rule(canvas: &mut Canvas<'_>, view: View<'_>, focused: bool) {
    let (ui, open, marked) = (view.ui, view.snapshot.incidents.len(), view.ui.marked.len());
    let open = open_of(open, &view.snapshot.incidents);
    match &ui.incident_filter {
        _ if marked > 0 => canvas.rule(0, "Incidents", format_args!("{marked} marked · {open} open"), focused),
        Some(filter) => canvas.rule(0, "Incidents", format_args!("/{} · {} of {open}", filter.text(), ui.incidents.len()), focused),
        None if ui.incident_sort == super::super::state::Sort::Worst => canvas.rule(0, "Incidents", format_args!("{open} open"), focused),
        None => canvas.rule(0, "Incidents", format_args!("{} · {open} open", ui.incident_sort.words()), focused),
    }
}

/// How many there are, and of how many alerts they are made where these are more: `9 of 2,000 alerts`.
fn open_of(open: usize, incidents: &[Arc<Incident>]) -> String {
    let parts: usize = incidents.iter().map(|i| i.count()).sum();
    if parts > open { format!("{open} of {} alerts", several::thousands(parts)) } else { open.to_string() }
}

fn visible(view: View<'_>) -> impl Iterator<Item = (usize, &Incident)> {
    let incidents = &view.snapshot.incidents;
    view.ui.incidents.visible().filter_map(|(at, i)| incidents.get(i).map(|incident| (at, &**incident)))
}

fn mark(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) {
    let (mark, role) = figure::of_incident(incident);
    canvas.text(1, y, 1, role, mark);
    if view.ui.marked.contains(&incident.id) {
        canvas.text(2, y, 1, Role::Accent, figure::MARKED);
    }
    let role = if matches!(role, Role::Critical | Role::Warning) { Role::Emphasis } else { Role::Muted };
    canvas.text(3, y, 2, role, incident.severity.word());
}

/// What it is called where its service stands beside it: without its name in front.
fn beside_service(incident: &Incident) -> &str {
    let title = incident.title.as_str();
    let rest = incident.service.as_ref().and_then(|service| title.strip_prefix(service.as_str())?.strip_prefix(": "));
    rest.unwrap_or(title)
}

/// What it is called and of how many alerts it is made; the count is never cut.
fn title(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, incident: &Incident, called: &str) {
    let alerts = several::alerts(incident);
    let at = canvas.text(x, y, width.saturating_sub(cells(&alerts)), Role::Text, called);
    canvas.text(at, y, cells(&alerts).min(width), Role::Muted, &alerts);
}

/// Who tells of it: `am`, `prom pd am`.
fn sources(incident: &Incident) -> String {
    match incident.sources.as_slice() {
        [] => "own rule".to_owned(),
        several => several.iter().map(crate::domain::SourceName::as_str).collect::<Vec<_>>().join(" "),
    }
}

/// How long it has lasted. Returns the column where that begins.
fn since(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, incident: &Incident, view: View<'_>) -> u16 {
    match incident.since {
        Some(at) => canvas.right(x, y, width, Role::Muted, format_args!("{}", view.age(at))),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    }
}

fn finish(canvas: &mut Canvas<'_>, y: u16, at: usize, incident: &Incident, view: View<'_>, focused: bool) {
    if focused && at == view.ui.incidents.at() {
        canvas.select(y);
    }
    if view.ui.is_fresh(&incident.id, view.now) {
        canvas.invert(y);
    }
}

/// What the pane says when it has no row: none, or why that cannot be told.
fn nothing(canvas: &mut Canvas<'_>, y: u16, view: View<'_>) {
    let w = canvas.width().saturating_sub(3);
    let blind = view.snapshot.sources.iter().find(|s| s.state != Freshness::Fresh);
    match (&view.ui.incident_filter, blind) {
        (Some(filter), _) if !view.snapshot.incidents.is_empty() => {
            canvas.write(1, y, w, Role::Muted, format_args!("no incident matches /{}/; esc clears the filter", filter.text()))
        }
        (_, Some(source)) => canvas.write(1, y, w, Role::Unknown, format_args!("none known; {} is {}", source.name, source.state.word())),
        (_, None) => canvas.text(1, y, w, Role::Muted, "none open"),
    };
}
