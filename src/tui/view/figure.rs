//! How states, burns and holders look, the same on every screen.

use super::{
    super::{theme::Role, widgets::figures::Burn},
    View,
    canvas::{Canvas, cells},
    several,
};
use crate::domain::{Ack, Delivery, Figure, Freshness, HoldState, Incident, QueueState, Severity, State, Status, Verdict, WARNING};

/// Stands behind the mark of a row that a person has marked.
pub const MARKED: &str = "*";

/// Mark and meaning of an SLO's state.
pub const fn of_state(state: State) -> (&'static str, Role) {
    match state {
        State::Critical => ("●", Role::Critical),
        State::Warning => ("▲", Role::Warning),
        State::Unknown | State::NoData => ("?", Role::Unknown),
        State::Stale => ("~", Role::Stale),
        State::NoTraffic => ("○", Role::Muted),
        State::Ok => ("·", Role::Ok),
    }
}

/// Mark and meaning of a queue's state.
pub const fn of_queue(state: QueueState) -> (&'static str, Role) {
    match state {
        QueueState::Stalled => ("●", Role::Critical),
        QueueState::Backlog => ("▲", Role::Warning),
        QueueState::Unknown => ("?", Role::Unknown),
        QueueState::Stale => ("~", Role::Stale),
        QueueState::Ok => ("·", Role::Ok),
    }
}

/// Mark and meaning of the verdict.
pub const fn of_verdict(verdict: Verdict) -> (&'static str, Role) {
    match verdict {
        Verdict::Critical => ("●", Role::Critical),
        Verdict::Warning => ("▲", Role::Warning),
        Verdict::Unknown => ("?", Role::Unknown),
        Verdict::Ok => ("✓", Role::Ok),
    }
}

/// Mark and meaning of a source's state.
pub const fn of_source(state: Freshness) -> (&'static str, Role) {
    match state {
        Freshness::Fresh => ("·", Role::Ok),
        Freshness::Starting => ("…", Role::Accent),
        Freshness::Stale => ("~", Role::Stale),
        Freshness::Failing => ("▲", Role::Warning),
    }
}

/// Mark and meaning of an incident.
pub fn of_incident(incident: &Incident) -> (&'static str, Role) {
    if incident.stale {
        ("~", Role::Stale)
    } else if incident.silenced || incident.inhibited || incident.severity >= Severity::P4 {
        ("○", Role::Muted)
    } else if incident.severity.pages() {
        ("●", Role::Critical)
    } else {
        ("▲", Role::Warning)
    }
}

/// Mark and meaning of a row of the board.
pub const fn of_hold(state: &HoldState) -> (&'static str, Role) {
    match state {
        HoldState::Holds => ("·", Role::Ok),
        HoldState::Pending => ("…", Role::Accent),
        HoldState::Orphaned | HoldState::Duplicate(_) => ("○", Role::Muted),
        HoldState::Undelivered => ("▲", Role::Warning),
    }
}

/// How loud a burn is.
pub fn of_burn(burn: Option<f64>) -> Role {
    match burn {
        Some(v) if v >= 14.4 => Role::Critical,
        Some(v) if v >= 1.0 => Role::Warning,
        Some(v) if v >= 0.05 => Role::Text,
        _ => Role::Muted,
    }
}

/// Draw a burn right-aligned in `width` cells, a `?` hanging behind it if it is not whole.
pub fn burn(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, figure: Option<&Figure>, stale: bool) {
    let value = figure.and_then(|f| f.burn).map(|b| b.0);
    let role = if stale { Role::Stale } else { of_burn(value) };
    canvas.right(x, y, width, role, format_args!("{}", Burn(value)));
    if figure.is_some_and(|f| f.partial) {
        canvas.text(x + width, y, 1, Role::Unknown, "?");
    }
}

/// Who has an incident, in `width` cells. Returns the column after it.
pub fn holder(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, incident: &Incident, view: View<'_>) -> u16 {
    if let Some(ack) = &incident.ack {
        let at = canvas.text(x, y, width, Role::Text, "ack ");
        held_by(canvas, (at, y), width.saturating_sub(at.saturating_sub(x)), ack, view)
    } else if incident.status == Status::Resolved {
        canvas.text(x, y, width, Role::Ok, "over")
    } else if let Some((who, at)) = &incident.lapsed {
        canvas.write(x, y, width, Role::Critical, format_args!("lapsed {}, was {who:#}", view.age(*at)))
    } else if incident.inhibited {
        canvas.text(x, y, width, Role::Muted, "inhibited")
    } else if incident.silenced {
        canvas.text(x, y, width, Role::Muted, "silenced")
    } else {
        let role = if incident.severity.pages() { Role::Critical } else { Role::Text };
        let Some(unheld) = several::unheld(incident) else { return canvas.text(x, y, width, role, "unacked") };
        let at = canvas.text(x, y, width, role, &unheld);
        let who = incident.partly_held().map(|(_, ack)| format!(" · {:#}", ack.by)).unwrap_or_default();
        canvas.text(at, y, width.saturating_sub(at.saturating_sub(x)), Role::Muted, &who)
    }
}

/// Cells for how an acknowledgement stands, in most cases: ` 3h12m left`.
const HOW: u16 = 11;

/// Whose acknowledgement it is and how it stands, in `width` cells. Returns the column after it.
pub fn held_by(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, ack: &Ack, view: View<'_>) -> u16 {
    let whole = ack.by.to_string();
    let at = if cells(&whole) + HOW <= width {
        canvas.text(x, y, width, Role::Emphasis, &whole)
    } else {
        canvas.write(x, y, width, Role::Emphasis, format_args!("{:#}", ack.by))
    };
    held_how(canvas, (at, y), width.saturating_sub(at.saturating_sub(x)), ack, view)
}

/// How far an acknowledgement has come: not delivered, about to lapse, or how old it is.
fn held_how(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, ack: &Ack, view: View<'_>) -> u16 {
    let left = ack.ends().map(|end| end - view.now);
    match ack.delivery {
        Delivery::Failed => canvas.text(x, y, width, Role::Critical, " not delivered"),
        Delivery::Unknown => canvas.text(x, y, width, Role::Unknown, " no answer yet"),
        Delivery::Pending if ack.why.is_some() => canvas.text(x, y, width, Role::Warning, " not delivered yet"),
        Delivery::Pending => canvas.text(x, y, width, Role::Muted, " sending"),
        Delivery::Done => match left {
            Some(left) if left <= WARNING => {
                let age = super::Age::secs(left.as_seconds_f64()).in_steps(view.ui.settings.low_bandwidth);
                canvas.write(x, y, width, Role::Warning, format_args!(" {age} left"))
            }
            _ => canvas.write(x, y, width, Role::Muted, format_args!(" {}", view.age(ack.at))),
        },
    }
}
