//! One queue in full: what waits and since when, the incident and the runbooks for it, what is promised, the last hour.
//!
//! ```text
//!  ● rabbit/shop/orders     stalled: no consumers                       checkout · as of 14:32:03
//!  waiting   12,431          oldest 14m, limit 5m         taken 12     later 3     failed 3
//!  in        120/s           out 0/s                      empty in —   workers 0
//! ── incident ──────────────────────────────────────────────────── queue:rabbit/shop/orders:page ──
//! ── runbooks that match ────────────────────────────────────────────────── r opens the first ──
//! ── promised ──────────────────────────────────────────────────────────────────── orders/age ──
//! ── waiting, 1 hour ──────────────────────────────────────────────────────────── most 12,431 ──
//!  ▁▁▁▁▁▂▃▄▅▆▇█
//! ── came in, finished ─────────────────────────────────────────────────────────── over the last ──
//! ```

use std::fmt::{Display, Write as _};

use super::{
    super::{
        answers,
        theme::Role,
        widgets::{
            figures::{Age, Burn, Count, Percent, Rate},
            sparkline,
        },
    },
    View,
    canvas::{Canvas, cells},
    figure, queues, runbooks,
};
use crate::domain::{Incident, QueueRow, QueueState, State, Window};

/// Rows of the chart.
const CHART: u16 = 6;

/// Draw the detail; returns how many lines it has.
pub fn draw(canvas: &mut Canvas<'_>, row: &QueueRow, gone: bool, view: View<'_>) -> u16 {
    title(canvas, row, gone, view);
    let y = figures(canvas, 2, row, view);
    // What to do comes before how it came to this.
    let incident = answers::of_queue(view.snapshot, row);
    let y = incident.map_or(y, |found| self::incident(canvas, y + 1, found, view));
    let found = incident.map_or_else(|| view.snapshot.runbooks.matching_queue(row), |found| view.ui.matching(found));
    let y = runbooks::listed(canvas, y + 1, &found, incident.map(|i| &i.id), view).unwrap_or(y);
    let y = promise(canvas, y + 1, row, view);
    let y = chart(canvas, y + 1, row, view);
    flow(canvas, y + 1, row, view)
}

fn title(canvas: &mut Canvas<'_>, row: &QueueRow, gone: bool, view: View<'_>) {
    let (w, (mark, role)) = (canvas.width(), figure::of_queue(row.state));
    let service = row.service.as_ref().map_or_else(String::new, |s| format!("{s} · "));
    let right = format!("{service}as of {}", view.when(row.as_of, true));
    let room = w.saturating_sub(cells(&right) + 3);
    let at = canvas.text(1, 0, 2, role, mark) + 1;
    let words = queues::words(row, view);
    let words = match row.state {
        _ if gone => "no longer listed".to_owned(),
        state if words == state.word() || words.starts_with(state.word()) => words,
        state => format!("{}: {words}", state.word()),
    };
    // A name of any length leaves room for how the queue stands.
    let at = canvas.text(at, 0, room.saturating_sub(at + cells(&words) + 2), Role::Emphasis, row.id.as_str()) + 2;
    canvas.text(at, 0, room.saturating_sub(at), role, &words);
    canvas.text(room + 2, 0, w, Role::Muted, &right);
}

/// Names and figures, as many in a line as there is room for. Returns the next line.
fn figures(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow, view: View<'_>) -> u16 {
    let count = |n: Option<u64>| n.map(|n| Count(n as f64));
    let waits = row.now.waits() == Some(true) && !row.now.dead_letters;
    let oldest = match queues::oldest(row, view) {
        None if waits => "unknown".to_owned(),
        None => "—".to_owned(),
        Some(age) => age,
    };
    let all = [
        ("waiting", told(count(row.now.ready))),
        ("oldest", oldest),
        ("limit", Age::secs(row.limit.num_seconds() as f64).to_string()),
        ("in", told(row.verdict.rate_in.map(Rate))),
        ("out", told(row.verdict.rate_out.map(Rate))),
        ("empty in", told(row.verdict.drain_secs.map(Age::secs))),
        ("workers", told(count(row.now.consumers))),
        ("taken", told(count(row.now.in_flight))),
        ("delayed", told(count(row.now.delayed))),
        ("failed", told(count(row.now.failed))),
    ];
    let (w, role) = (canvas.width(), if row.state == QueueState::Stale { Role::Stale } else { Role::Text });
    let each = 21;
    let (mut x, mut y) = (1, y);
    for (name, figure) in all {
        if x > 1 && x + each > w {
            (x, y) = (1, y + 1);
        }
        canvas.text(x, y, 9, Role::Muted, name);
        canvas.text(x + 10, y, 10, role, &figure);
        x += each;
    }
    y + 1
}

fn told(figure: Option<impl Display>) -> String {
    figure.map_or_else(|| "—".to_owned(), |figure| figure.to_string())
}

/// The last hour, a column a minute where there is room. Returns the next line.
fn chart(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow, view: View<'_>) -> u16 {
    let width = canvas.width().saturating_sub(2).min(crate::domain::QueueTrail::KEEP as u16 * 2);
    let now = view.now.timestamp();
    let depths: Vec<_> = (0..width).map(|index| sparkline::depth(&row.trail, now, index, width)).collect();
    let most = depths.iter().flatten().copied().max();
    match most {
        Some(most) => canvas.rule(y, "waiting, 1 hour", format_args!("most {}", Count(most as f64)), false),
        None => canvas.rule(y, "waiting, 1 hour", format_args!("not told"), false),
    }
    let Some(most) = most else { return y + 1 };
    let role = if row.state == QueueState::Stale { Role::Stale } else { Role::Chart };
    for (x, depth) in (1..).zip(depths) {
        let Some(depth) = depth else { continue };
        // Eighths of a cell, from the bottom.
        let full = u128::from(CHART) * 8;
        let height = if most == 0 { 1 } else { (u128::from(depth) * full).div_ceil(u128::from(most)).max(1) };
        for line in 0..CHART {
            let part = height.saturating_sub(u128::from(CHART - 1 - line) * 8).min(8);
            let glyph = usize::try_from(part).ok().and_then(|part| part.checked_sub(1)).and_then(|part| EIGHTHS.get(part));
            if let Some(glyph) = glyph {
                canvas.text(x, y + 1 + line, 1, role, glyph);
            }
        }
    }
    y + 1 + CHART
}

const EIGHTHS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// What came in and what was finished over the last minutes, for systems that count. Returns the next line.
fn flow(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow, view: View<'_>) -> u16 {
    let counted = row.trail.cells.iter().any(|c| c.finished.1 > 0.0 || c.entered.1 > 0.0);
    if !counted {
        return y.saturating_sub(1);
    }
    canvas.rule(y, "came in, finished", format_args!("over the last"), false);
    let newest = view.now.timestamp().div_euclid(60);
    let minutes = [60, 30, 10, 5, 1];
    canvas.text(1, y + 2, 9, Role::Muted, "in");
    canvas.text(1, y + 3, 9, Role::Muted, "out");
    for (x, minutes) in (11..).step_by(11).zip(minutes) {
        let from = newest - minutes + 1;
        let cells = || (row.trail.start..).zip(&row.trail.cells).filter(move |(minute, _)| *minute >= from).map(|(_, cell)| cell);
        let rate = |of: fn(&crate::domain::QueueCell) -> (u64, f32)| {
            let (jobs, secs) = cells().map(of).fold((0_u64, 0.0), |(jobs, all), (n, secs)| (jobs.saturating_add(n), all + f64::from(secs)));
            told((secs > 0.0).then(|| Rate(jobs as f64 / secs)))
        };
        canvas.right(x, y + 1, 9, Role::Muted, format_args!("{minutes}m"));
        canvas.right(x, y + 2, 9, Role::Text, format_args!("{}", rate(|c| c.entered)));
        canvas.right(x, y + 3, 9, Role::Text, format_args!("{}", rate(|c| c.finished)));
    }
    y + 4
}

/// What is promised of its age, and how that burns. Returns the next line.
fn promise(canvas: &mut Canvas<'_>, y: u16, row: &QueueRow, view: View<'_>) -> u16 {
    let Some(slo) = view.snapshot.promise_of(row) else { return y.saturating_sub(1) };
    canvas.rule(y, "promised", format_args!("{}", slo.id), false);
    let (mark, role) = figure::of_state(slo.state);
    canvas.text(1, y + 1, 1, role, mark);
    let limit = Age::secs(row.limit.num_seconds() as f64);
    let mut words = format!("{} of the looks nothing older than {limit}", slo.objective);
    let left = slo.budget_left().map_or_else(|| "not known".to_owned(), |left| Percent(left).to_string());
    _ = write!(words, "   budget left {left}   burn");
    for window in [Window::minutes(5), Window::hours(1), Window::hours(6)] {
        if let Some(figure) = slo.figure(window) {
            _ = write!(words, "  {window} {}", Burn(figure.burn.map(|b| b.0)));
        }
    }
    let stale = matches!(slo.state, State::Stale | State::Unknown);
    canvas.text(3, y + 1, canvas.width().saturating_sub(4), if stale { Role::Stale } else { Role::Text }, &words);
    y + 2
}

/// The incident of a stall, or of the promise. Returns the next line.
fn incident(canvas: &mut Canvas<'_>, y: u16, incident: &Incident, view: View<'_>) -> u16 {
    let w = canvas.width();
    canvas.rule(y, "incident", format_args!("{}", incident.id), false);
    let (mark, role) = figure::of_incident(incident);
    canvas.text(1, y + 1, 1, role, mark);
    let at = canvas.write(3, y + 1, w.saturating_sub(30), Role::Text, format_args!("{} {}", incident.severity.word(), incident.title)) + 2;
    let at = match incident.since {
        Some(since) => {
            canvas.write(at, y + 1, 20, Role::Muted, format_args!("since {} · {}", view.when(since, false), view.age(since))) + 2
        }
        None => at,
    };
    figure::holder(canvas, (at, y + 1), w.saturating_sub(at + 1), incident, view);
    y + 2
}
