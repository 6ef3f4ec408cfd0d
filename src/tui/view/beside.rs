//! What stands beside an incident: how its service burns, and who is on call for it.

use super::{
    super::{state::BESIDE, theme::Role, widgets::figures::Percent},
    View,
    canvas::{Canvas, wrap},
    figure,
    incident_detail::VALUES,
    slos,
};
use crate::domain::{Held, Incident, OnCallEntry, Place, Seat, Service, SloRow, State, Window, on_call_for, person_of};

/// Columns of the burns, and of the sparkline.
const BURNS: [u16; 3] = [24, 31, 38];
const SPARK: u16 = 47;

/// How its service burns, worst first, and who is on call for it. Returns the next line.
pub fn service(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    let Some(name) = &incident.service else {
        canvas.rule(y, "the service", format_args!("not known"), false);
        return on_call(canvas, y + 1, incident, view);
    };
    let known = view.ui.settings.services.get(name);
    let owner = known.and_then(|s| s.owner.as_ref()).map(|o| format!(" · {o}")).unwrap_or_default();
    let tier = known.and_then(|s| s.tier).map(|t| format!(" · tier {t}")).unwrap_or_default();
    canvas.rule(y, "the service", format_args!("{name}{owner}{tier}"), false);
    let rows: Vec<_> = view.snapshot.slos.iter().filter(|r| r.service == *name).take(BESIDE).collect();
    if rows.is_empty() {
        canvas.text(1, y + 1, canvas.width(), Role::Muted, "no SLO of ours");
        return on_call(canvas, y + 2, incident, view);
    }
    let windows = [Window::minutes(5), Window::hours(1), Window::hours(6)];
    canvas.right(16, y + 1, 8, Role::Muted, format_args!("left"));
    for (x, window) in BURNS.into_iter().zip(windows) {
        canvas.right(x, y + 1, 7, Role::Muted, format_args!("{window}"));
    }
    canvas.text(SPARK, y + 1, 8, Role::Muted, "6 hours");
    let mut y = y + 2;
    for row in rows {
        slo(canvas, y, row, windows, view);
        y += 1;
    }
    on_call(canvas, y, incident, view)
}

/// ` ● availability   34.2%  82.2×  16.8×   3.0×  ▁▁▁▁▁▁█`
fn slo(canvas: &mut Canvas<'_>, y: u16, row: &SloRow, windows: [Window; 3], view: View<'_>) {
    let (mark, role) = figure::of_state(row.state);
    canvas.text(1, y, 1, role, mark);
    canvas.text(3, y, 13, Role::Text, &row.title());
    match row.budget_left() {
        Some(left) => canvas.right(16, y, 8, Role::Text, format_args!("{}", Percent(left))),
        None => canvas.right(16, y, 8, Role::Muted, format_args!("—")),
    };
    let stale = row.state == State::Stale;
    for (x, window) in BURNS.into_iter().zip(windows) {
        figure::burn(canvas, (x, y), 7, row.figure(window), stale);
    }
    let width = canvas.width().saturating_sub(SPARK + 1).min(36);
    slos::spark(canvas, (SPARK, y), width, row, view);
}

/// Whose turn it is. Returns the next line.
fn on_call(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    let settings = &view.ui.settings;
    let service = incident.service.as_ref().and_then(|name| settings.services.get(name));
    let turns = on_call_for(view.snapshot, incident, service, view.now);
    canvas.text(1, y, 11, Role::Muted, "on call");
    let w = canvas.width().saturating_sub(VALUES + 1);
    if turns.is_empty() {
        let named = service.and_then(|s| s.rotation.as_ref());
        let words = match (named, incident.paged()) {
            (Some(rotation), _) => format!("nobody known in {rotation}"),
            (None, Some((source, _))) => format!("nobody known; {source} names no turn for it"),
            (None, None) => "not known: its [[service]] names no rotation".to_owned(),
        };
        canvas.text(VALUES, y, w, Role::Unknown, &words);
        return y + 1;
    }
    let mut y = y;
    let mut words: Vec<_> = turns.iter().map(|entry| turn(entry, view)).collect();
    words.extend(mentors(service, view));
    for line in wrap(&words.join(", "), w).iter().take(3) {
        canvas.text(VALUES, y, w, Role::Text, line);
        y += 1;
    }
    y
}

/// Who rides along and is called by nobody: `mentor ines`.
fn mentors(service: Option<&Service>, view: View<'_>) -> Vec<String> {
    let Some(rota) = service.and_then(|s| s.rotation.as_ref()).and_then(|name| view.snapshot.rota(name)) else { return Vec::new() };
    match rota.held(Place::Seat(Seat::Mentor), view.now) {
        Held::By(shifts) => shifts.iter().map(|shift| format!("mentor {}", shift.who)).collect(),
        Held::Nobody(_) | Held::Unknown => Vec::new(),
    }
}

/// `maya (19:02 there) until 18:00`, `secondary jon`
fn turn(turn: &OnCallEntry, view: View<'_>) -> String {
    let people = &view.ui.settings.people;
    let named = || people.iter().find(|p| p.name == turn.who);
    let person = turn.email.as_ref().and_then(|email| person_of(people, email)).or_else(named);
    let who = person.map_or(&turn.who, |p| &p.name);
    let seat = if turn.level <= 1 { String::new() } else { format!("{} ", turn.seat()) };
    let until = turn.until.map(|at| format!(" until {}", view.when(at, false))).unwrap_or_default();
    let there = person.and_then(|p| p.time_zone).map(|zone| view.now.with_timezone(&zone).format("%H:%M").to_string());
    let here = view.now.with_timezone(&view.ui.settings.time_zone).format("%H:%M").to_string();
    let there = there.filter(|there| *there != here).map(|there| format!(" ({there} there)")).unwrap_or_default();
    format!("{seat}{who}{there}{until}")
}
