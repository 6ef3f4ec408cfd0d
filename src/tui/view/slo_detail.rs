//! One SLO in full: every window, both sides of each rule, the budget in three units, the last six hours.
//!
//! ```text
//!  ● checkout / availability                  goal 99.9% over 30d · prom as of 14:32:03
//!  burn      5m 82.2×   30m 33.0×   1h 16.8×   6h 3.0×   1d 0.9×   3d 0.4×
//!  budget    ━━━╸━━━━━━ 34.2%   106,400 of 311,000 bad events left   14m47s of full outage left   all 30d covered
//!  rules     ● page    1h  16.8× > 14.4×   and   5m  82.2× > 14.4×   firing since 14:31   clears 4m07s after errors stop
//!            · page    6h   3.0× > 6.0×    and  30m  33.0× > 6.0×    no
//! ── 6 hours ────
//! ── windows ────   burn, errors, bad, total, as of
//! ── incident ────
//! ```

use std::fmt::Write as _;

use super::{
    super::{
        answers, happenings,
        theme::Role,
        widgets::{
            budget_bar,
            figures::{Burn, Count, Percent, Span},
            sparkline,
        },
    },
    View,
    canvas::{Canvas, cells},
    figure, overview,
    probe::Millis,
    slos,
};
use crate::domain::{Cell, Figure, Grade, History, Rule, RuleState, Sli, SloRow, State, events_left, outage_left_secs};

/// Draw the detail; returns how many lines it has.
pub fn draw(canvas: &mut Canvas<'_>, slo: &SloRow, gone: bool, view: View<'_>) -> u16 {
    title(canvas, slo, gone, view);
    let mut y = burns(canvas, 1, slo);
    y = budget(canvas, y, slo);
    y = answers_in(canvas, y, slo, view);
    y = rules(canvas, y, slo, view);
    y = line(canvas, y + 1, slo, view);
    y = windows(canvas, y + 1, slo, view);
    incident(canvas, y + 1, slo, view)
}

fn title(canvas: &mut Canvas<'_>, slo: &SloRow, gone: bool, view: View<'_>) {
    let (w, (mark, role)) = (canvas.width(), figure::of_state(slo.state));
    let word = if gone { "no longer watched" } else { slo.state.word() };
    let (service, name) = (slo.service.as_str(), &*slo.title());
    let right = basis(slo, w.saturating_sub(cells(service) + cells(name) + cells(word) + 11), view);
    let room = w.saturating_sub(cells(&right) + 3);
    let at = canvas.text(1, 0, 2, role, mark) + 1;
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Emphasis, service);
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Muted, " / ");
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Emphasis, name) + 2;
    canvas.text(at, 0, room.saturating_sub(at), role, word);
    canvas.text(room + 2, 0, w, Role::Muted, &right);
}

/// `goal 99.9% over 30d · prom as of 14:32:03`, or as much of it as fits whole in `room` cells.
fn basis(slo: &SloRow, room: u16, view: View<'_>) -> String {
    let goal = format!("goal {} over {}", slo.objective, slo.definition.period);
    let sourced = format!("{goal} · {}", slo.definition.source);
    let timed = slo.now().map(|f| format!("{sourced} as of {}", view.when(f.as_of, true)));
    let fits = |text: &String| cells(text) <= room;
    timed.into_iter().chain([sourced, goal]).find(fits).unwrap_or_default()
}

/// `burn      5m 82.2×   30m 33.0×   …`, in as many lines as needed. Returns the next line.
fn burns(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow) -> u16 {
    canvas.text(1, y, 9, Role::Muted, "burn");
    let (mut x, mut y) = (11, y);
    for (window, figure) in slo.figures.iter().filter(|(w, _)| *w != slo.definition.period) {
        let burn = figure.burn.map(|b| b.0);
        let text = format!("{}{}", Burn(burn), if figure.partial { "?" } else { "" });
        let name = window.to_string();
        if x > 11 && x + cells(&name) + cells(&text) + 1 > canvas.width() {
            (x, y) = (11, y + 1);
        }
        x = canvas.text(x, y, 8, Role::Muted, &name) + 1;
        let role = if slo.state == State::Stale { Role::Stale } else { figure::of_burn(burn) };
        x = canvas.text(x, y, 8, role, &text) + 2;
    }
    if slo.figures.is_empty() {
        canvas.text(x, y, 40, Role::Unknown, "not asked yet");
    }
    y + 1
}

/// `answers   5m 43 · 61 · 212ms   1h 41 · 58 · 190ms   …   p50 · p90 · p99`, of a probe. Returns the next line.
fn answers_in(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, view: View<'_>) -> u16 {
    let Some(quantiles) = view.snapshot.latencies.get(&slo.id).filter(|found| !found.is_empty()) else { return y };
    canvas.text(1, y, 9, Role::Muted, "answers");
    let (mut x, mut y) = (11, y);
    let room = canvas.width();
    for (window, q) in quantiles.iter() {
        let (name, text) = (window.to_string(), format!("{} · {} · {}ms", Millis(q.p50), Millis(q.p90), Millis(q.p99)));
        if x > 11 && x + cells(&name) + cells(&text) + 1 > room {
            (x, y) = (11, y + 1);
        }
        x = canvas.text(x, y, 8, Role::Muted, &name) + 1;
        x = canvas.text(x, y, room.saturating_sub(x), Role::Text, &text) + 3;
    }
    let legend = "p50 · p90 · p99";
    if x + cells(legend) + 1 > room {
        (x, y) = (11, y + 1);
    }
    canvas.text(x, y, room.saturating_sub(x), Role::Muted, legend);
    y + 1
}

/// The budget in percent, in events, in time at full outage, and how much of the period was seen. Returns the next line.
fn budget(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow) -> u16 {
    canvas.text(1, y, 9, Role::Muted, "budget");
    let (Some(left), Some(counts)) = (slo.budget_left(), slo.period_counts()) else {
        canvas.write(11, y, canvas.width(), Role::Unknown, format_args!("unknown: nothing counted over {}", slo.definition.period));
        return y + 1;
    };
    let stale = slo.state == State::Stale;
    let at = slos::bar(canvas, (11, y), 10, left, stale) + 1;
    let role = if stale {
        Role::Stale
    } else if left >= 0.4 {
        Role::Text
    } else {
        budget_bar::tint(left)
    };
    let mut x = canvas.write(at, y, 10, role, format_args!("{}", Percent(left))) + 3;
    let all = slo.objective.budget() * counts.total;
    let events = events_left(&counts, slo.objective);
    let events = if events >= 0.0 {
        format!("{} of {} bad events left", Count(events), Count(all))
    } else {
        format!("{} bad events over {}", Count(-events), Count(all))
    };
    let outage = outage_left_secs(left, slo.objective, slo.definition.period);
    let outage = outage.map_or_else(|| "no outage left".to_owned(), |s| format!("{} of full outage left", Span(s)));
    let mut y = y;
    for text in [events, outage, covered(slo)] {
        if x + cells(&text) + 1 > canvas.width() {
            (x, y) = (11, y + 1);
        }
        x = canvas.text(x, y, canvas.width().saturating_sub(x), Role::Text, &text) + 3;
    }
    y + 1
}

fn covered(slo: &SloRow) -> String {
    let period = slo.definition.period;
    match slo.covered {
        None => format!("how much of {period} is covered is not known"),
        Some(share) if share >= 0.95 => format!("all {period} covered"),
        Some(share) if share * period.secs_f64() >= 86_400.0 => {
            format!("only {:.1}d of {period} covered", share * period.secs_f64() / 86_400.0)
        }
        Some(share) => format!("only {} of {period} covered", Span(share * period.secs_f64())),
    }
}

/// Each rule with both its sides. Returns the next line.
fn rules(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, view: View<'_>) -> u16 {
    canvas.text(1, y, 9, Role::Muted, "rules");
    let mut y = y;
    for (rule, state) in slo.definition.rules.iter().zip(&slo.rules) {
        y = one_rule(canvas, y, slo, rule, *state, view);
    }
    if slo.definition.rules.is_empty() {
        canvas.text(11, y, 20, Role::Muted, "none");
    }
    if slo.definition.rules.is_empty() || slo.rules.is_empty() { y + 1 } else { y }
}

fn one_rule(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, rule: &Rule, state: RuleState, view: View<'_>) -> u16 {
    let (mark, role) = match (state.firing, rule.grade) {
        (Some(true), Grade::Page) => ("●", Role::Critical),
        (Some(true), Grade::Ticket) => ("▲", Role::Warning),
        (Some(false), _) => ("·", Role::Ok),
        (None, _) => ("?", Role::Unknown),
    };
    canvas.text(11, y, 1, role, mark);
    canvas.text(13, y, 6, if role == Role::Ok { Role::Muted } else { role }, rule.grade.word());
    side(canvas, (20, y), (rule.long, slo.burn(rule.long).map(|b| b.0)), rule.factor);
    canvas.text(43, y, 3, Role::Muted, "and");
    side(canvas, (47, y), (rule.short, slo.burn(rule.short).map(|b| b.0)), rule.factor);
    let words = verdict(slo, rule, state, view);
    let (x, y) = if 71 + cells(&words) < canvas.width() { (71, y) } else { (20, y + 1) };
    canvas.text(x, y, canvas.width().saturating_sub(x + 1), if role == Role::Ok { Role::Muted } else { role }, &words);
    y + 1
}

/// `  1h  16.8× > 14.4×`
fn side(canvas: &mut Canvas<'_>, (x, y): (u16, u16), (window, burn): (crate::domain::Window, Option<f64>), factor: f64) {
    let above = burn.is_some_and(|b| b > factor);
    canvas.right(x, y, 4, Role::Muted, format_args!("{window}"));
    canvas.right(x + 5, y, 6, if above { figure::of_burn(burn) } else { Role::Text }, format_args!("{}", Burn(burn)));
    canvas.text(x + 12, y, 1, Role::Muted, if above { ">" } else { "≤" });
    canvas.write(x + 14, y, 8, Role::Muted, format_args!("{}", Burn(Some(factor))));
}

/// Whether a rule fires, since when, and when it would clear if errors stopped now.
fn verdict(slo: &SloRow, rule: &Rule, state: RuleState, view: View<'_>) -> String {
    if !rule.can_fire(slo.objective) {
        return "can never fire: a total outage burns slower".to_owned();
    }
    match state.firing {
        None => "cannot tell: a window is not known".to_owned(),
        Some(false) => "no".to_owned(),
        Some(true) => {
            let episode = view.snapshot.episodes.get(&(slo.id.clone(), rule.grade)).filter(|e| e.ended_at.is_none());
            let since = episode.and_then(|e| e.since);
            let mut words = since.map_or_else(|| "firing".to_owned(), |at| format!("firing since {}", view.when(at, false)));
            let ratio = slo.figure(rule.short).and_then(|f| f.counts).and_then(|c| c.error_ratio());
            if let Some(secs) = ratio.and_then(|r| rule.clears_in_secs(r, slo.objective)) {
                let _ = write!(words, ", clears {} after errors stop", Span(secs));
            }
            words
        }
    }
}

/// The sparkline at its full 72 cells (as many as fit), with the times at its ends. Returns the next line.
fn line(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, view: View<'_>) -> u16 {
    let width = (History::KEEP as u16).min(canvas.width().saturating_sub(12));
    canvas.rule(y, "6 hours", format_args!("steps at 0.5 1 3 6 14.4 28.8 57.6"), false);
    slos::spark(canvas, (11, y + 1), width, slo, view);
    let burns = slo.history.cells.iter().filter_map(|c| if let Cell::Burn(b) = c { Some(*b) } else { None });
    let worst = burns.fold(None, |worst: Option<f32>, b| Some(worst.map_or(b, |w| w.max(b))));
    canvas.text(1, y + 1, 9, Role::Muted, "worst 5m");
    let from = view.now - chrono::TimeDelta::hours(6);
    canvas.write(11, y + 2, 8, Role::Muted, format_args!("{}", view.when(from, false)));
    canvas.right(11, y + 2, width, Role::Muted, format_args!("now"));
    match worst {
        Some(worst) => {
            let role = sparkline::step(worst).1;
            let role = if role == Role::Chart { Role::Text } else { role };
            canvas.write(1, y + 2, 9, role, format_args!("{}", Burn(Some(f64::from(worst)))));
        }
        None => _ = canvas.text(1, y + 2, 9, Role::Muted, if slo.history.filled { "—" } else { "asking" }),
    }
    y + 3
}

/// Every window: burn, share of bad events, counts, and as of when. Returns the next line.
fn windows(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, view: View<'_>) -> u16 {
    canvas.rule(y, "windows", format_args!("{}", slo.id), false);
    for (x, width, head) in [(1, 7, "window"), (9, 8, "burn"), (18, 10, "errors"), (29, 10, "bad"), (40, 10, "total"), (52, 12, "as of")] {
        canvas.right(x, y + 1, width, Role::Muted, format_args!("{head}"));
    }
    let mut y = y + 2;
    for (window, figure) in &slo.figures {
        canvas.right(1, y, 7, Role::Muted, format_args!("{window}"));
        window_row(canvas, y, figure, slo, view);
        y += 1;
    }
    y
}

fn window_row(canvas: &mut Canvas<'_>, y: u16, figure: &Figure, slo: &SloRow, view: View<'_>) {
    let stale = slo.state == State::Stale;
    figure::burn(canvas, (9, y), 8, Some(figure), stale);
    let role = if stale { Role::Stale } else { Role::Text };
    match figure.counts {
        None => match &slo.definition.sli {
            Sli::Latency(latency) => _ = canvas.right(18, y, 32, Role::Unknown, format_args!("no bucket up to {}", latency.under)),
            _ => _ = canvas.right(18, y, 32, Role::Unknown, format_args!("a side is missing")),
        },
        Some(counts) => {
            match counts.error_ratio() {
                Some(ratio) => canvas.right(18, y, 10, role, format_args!("{:.4}%", ratio * 100.0)),
                None => canvas.right(18, y, 10, Role::Muted, format_args!("no traffic")),
            };
            canvas.right(29, y, 10, role, format_args!("{}", Count(counts.bad)));
            canvas.right(40, y, 10, role, format_args!("{}", Count(counts.total)));
        }
    }
    canvas.right(52, y, 12, Role::Muted, format_args!("{}", view.when(figure.as_of, true)));
}

/// The incident that an act here would be on, and what happened to it. Returns the next line.
fn incident(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, view: View<'_>) -> u16 {
    let Some(incident) = answers::incident_of(view.snapshot, slo) else { return y.saturating_sub(1) };
    let w = canvas.width();
    canvas.rule(y, "incident", format_args!("{}", incident.id), false);
    let (mark, role) = figure::of_incident(&incident);
    canvas.text(1, y + 1, 1, role, mark);
    canvas.text(3, y + 1, 2, Role::Emphasis, incident.severity.word());
    canvas.text(6, y + 1, w.saturating_sub(36), Role::Text, incident.title.as_str());
    figure::holder(canvas, (w.saturating_sub(29), y + 1), 28, &incident, view);
    let mut y = y + 2;
    for happening in happenings::of_incident(view.snapshot, &incident, 8) {
        overview::line(canvas, y, &happening, view);
        y += 1;
    }
    y
}
