//! One incident in full: where it comes from, its labels, annotations and links, the service's SLOs, what happened.

use super::{
    super::{
        happenings,
        theme::Role,
        widgets::figures::{Burn, Percent},
    },
    View,
    canvas::{Canvas, cells, wrap},
    figure, overview,
};
use crate::domain::{Delivery, Incident, Labels, Origin, SloRow};

/// Draw the detail; returns how many lines it has.
pub fn draw(canvas: &mut Canvas<'_>, incident: &Incident, gone: bool, view: View<'_>) -> u16 {
    let mut y = title(canvas, incident, gone, view);
    y = held(canvas, y, incident, view);
    y = pairs(canvas, y, "labels", &incident.labels);
    y = pairs(canvas, y, "annotations", &incident.annotations);
    y = links(canvas, y, incident);
    y = service(canvas, y, incident, view);
    happened(canvas, y, incident, view)
}

/// ` ● P1 checkout: error budget burning 82×      since 14:20 · 12m     unacked`
fn title(canvas: &mut Canvas<'_>, incident: &Incident, gone: bool, view: View<'_>) -> u16 {
    let (w, (mark, role)) = (canvas.width(), figure::of_incident(incident));
    let since = match incident.since {
        Some(at) => format!("since {} · {}", view.when(at, false), view.age(at)),
        None => "since —".to_owned(),
    };
    let since_at = w.saturating_sub(cells(&since) + 1);
    canvas.text(1, 0, 1, role, mark);
    canvas.text(3, 0, 2, Role::Emphasis, incident.severity.word());
    canvas.text(6, 0, since_at.saturating_sub(8), Role::Emphasis, incident.title.as_str());
    canvas.text(since_at, 0, w, Role::Muted, &since);
    canvas.text(1, 1, 9, Role::Muted, "held by");
    if gone {
        canvas.text(13, 1, w, Role::Ok, "over: its source no longer reports it");
    } else {
        figure::holder(canvas, (13, 1), w.saturating_sub(14), incident, view);
    }
    canvas.text(1, 2, 9, Role::Muted, "from");
    let from = match &incident.origin {
        Origin::Alertmanager { source, .. } => format!("{source}, an Alertmanager"),
        Origin::PagerDuty { source, .. } => format!("{source}, a PagerDuty"),
        Origin::Own { slo, grade, .. } => format!("our own {} rule on {slo}", grade.word()),
    };
    let more = if incident.stale { "; its source no longer answers, this is as it was then" } else { "" };
    canvas.write(13, 2, w.saturating_sub(14), Role::Text, format_args!("{from}{more}"));
    3
}

/// The holder's words, and why an acknowledgement is not where it should be.
fn held(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    let (mut y, w) = (y, canvas.width());
    let Some(ack) = &incident.ack else { return y };
    let mut line = |name: &str, role, text: String| {
        canvas.text(1, y, 11, Role::Muted, name);
        canvas.text(13, y, w.saturating_sub(14), role, &text);
        y += 1;
    };
    if let Some(note) = &ack.note {
        line("note", Role::Text, note.to_string());
    }
    line("since", Role::Text, format!("{} · {}", view.when(ack.at, false), view.age(ack.at)));
    if let Some(end) = ack.until {
        let lapses = ack.lapses.map(|at| format!("; lapses {} whatever happens", view.when(at, false)));
        line("until", Role::Text, format!("{}{}", view.when(end, false), lapses.unwrap_or_default()));
    }
    if let Some(silence) = &ack.silence {
        line("silence", Role::Text, crate::domain::clean(silence).into_owned());
    }
    if let Some(why) = ack.why.as_ref().filter(|_| ack.delivery != Delivery::Done) {
        line("delivery", Role::Warning, why.to_string());
    }
    y
}

/// Names and values, values wrapped where they are long. Returns the next line.
fn pairs(canvas: &mut Canvas<'_>, y: u16, title: &str, labels: &Labels) -> u16 {
    if labels.0.is_empty() {
        return y;
    }
    canvas.rule(y + 1, title, format_args!(""), false);
    let widest = labels.shown().map(|(name, _)| cells(name.as_str())).max().unwrap_or_default().clamp(8, 24);
    let x = 1 + widest + 2;
    let mut y = y + 2;
    for (name, value) in labels.shown() {
        canvas.text(1, y, widest, Role::Muted, name.as_str());
        for line in wrap(value.as_str(), canvas.width().saturating_sub(x + 1)).iter().take(12) {
            canvas.text(x, y, canvas.width(), Role::Text, line);
            y += 1;
        }
    }
    y
}

fn links(canvas: &mut Canvas<'_>, y: u16, incident: &Incident) -> u16 {
    if incident.links.is_empty() {
        return y;
    }
    canvas.rule(y + 1, "links", format_args!(""), false);
    let widest = incident.links.iter().map(|l| cells(l.name.as_str())).max().unwrap_or_default().clamp(8, 24);
    let mut y = y + 2;
    for link in &incident.links {
        canvas.text(1, y, widest, Role::Muted, link.name.as_str());
        for line in wrap(link.url.as_str(), canvas.width().saturating_sub(widest + 4)) {
            canvas.text(widest + 3, y, canvas.width(), Role::Accent, &line);
            y += 1;
        }
    }
    y
}

/// The SLOs of its service, worst first. Returns the next line.
fn service(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    let Some(name) = &incident.service else { return y };
    let rows: Vec<_> = view.snapshot.slos.iter().filter(|r| r.service == *name).take(5).collect();
    if rows.is_empty() {
        return y;
    }
    canvas.rule(y + 1, "the service", format_args!("{name}"), false);
    let mut y = y + 2;
    for row in rows {
        slo(canvas, y, row, view);
        y += 1;
    }
    y
}

/// ` ● availability    34.2%  5m 82.2×  1h 16.8×  6h  3.0×`
fn slo(canvas: &mut Canvas<'_>, y: u16, row: &SloRow, view: View<'_>) {
    let (mark, role) = figure::of_state(row.state);
    canvas.text(1, y, 1, role, mark);
    canvas.text(3, y, 16, Role::Text, row.definition.name.as_str());
    match row.budget_left() {
        Some(left) => canvas.right(20, y, 8, Role::Text, format_args!("{}", Percent(left))),
        None => canvas.right(20, y, 8, Role::Muted, format_args!("—")),
    };
    let windows = [crate::domain::Window::minutes(5), crate::domain::Window::hours(1), crate::domain::Window::hours(6)];
    for (x, window) in [30, 42, 54].into_iter().zip(windows) {
        let burn = row.burn(window).map(|b| b.0);
        canvas.write(x, y, 3, Role::Muted, format_args!("{window}"));
        canvas.right(x + 3, y, 7, figure::of_burn(burn), format_args!("{}", Burn(burn)));
    }
    let width = canvas.width().saturating_sub(68).min(24);
    super::slos::spark(canvas, (67, y), width, row, view);
}

fn happened(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    canvas.rule(y + 1, "what happened", format_args!("journal"), false);
    let lines = happenings::of_incident(view.snapshot, incident, 30);
    if lines.is_empty() {
        canvas.text(1, y + 2, canvas.width(), Role::Muted, "nothing in the journal");
    }
    let mut y = y + 2;
    for happening in &lines {
        overview::line(canvas, y, happening, view);
        y += 1;
    }
    y + u16::from(lines.is_empty())
}
