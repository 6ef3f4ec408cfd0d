//! SLOs as a table, on the overview and on their own screen.
//!
//! ```text
//! ━━ SLOs ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ worst first · 18 shown 11 ━━
//!    service    sli              goal  budget left             5m      1h     6h     3d   6 hours                empty in
//! ▌● checkout   availability    99.9%  ━━━╸━━━━━━   34.2%   82.2×   16.8×   3.0×   0.4×   ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█     14h40m
//! ```
//!
//! Only the rows on the screen are formatted. Which columns there are depends on the width alone, so that they never move.

use super::{
    super::{
        theme::Role,
        widgets::{
            budget_bar,
            figures::{Age, Covered, Percent},
            sparkline,
        },
    },
    View,
    canvas::Canvas,
    figure,
};
use crate::domain::{Cell, Freshness, SloRow, State, Window};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Service,
    Sli,
    Goal,
    Bar,
    Left,
    Burn(Window),
    Spark,
    EmptyIn,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    column: Column,
    gap: u16,
    x: u16,
    width: u16,
}

const BURNS: [Window; 4] = [Window::minutes(5), Window::hours(1), Window::hours(6), Window::days(3)];
const LONGEST_SPARK: u16 = crate::domain::History::KEEP as u16;

/// Every column with its gap and width on a full screen (and the gap on a narrower one).
fn all(roomy: bool) -> Vec<Place> {
    let [m5, h1, h6, d3] = BURNS;
    let column = |column, gap: u16, tight, width| Place { column, gap: if roomy { gap } else { tight }, x: 0, width };
    vec![
        column(Column::Service, 3, 3, 10),
        column(Column::Sli, 1, 1, 13),
        column(Column::Goal, 2, 1, 6),
        column(Column::Bar, 2, 1, budget_bar::CELLS),
        column(Column::Left, 1, 1, 7),
        column(Column::Burn(m5), 2, 1, 6),
        column(Column::Burn(h1), 2, 1, 6),
        column(Column::Burn(h6), 2, 1, 5),
        column(Column::Burn(d3), 2, 1, 5),
        column(Column::Spark, 3, 2, 20),
        column(Column::EmptyIn, 3, 2, 8),
    ]
}

/// The columns that fit in `width` cells. From 100 on the goal goes first; below, in this order: 3d, goal, bar, cells of the
/// sparkline, 6h, the sparkline.
fn places(width: u16) -> Vec<Place> {
    let [_, _, h6, d3] = BURNS.map(Column::Burn);
    let mut places = all(width >= 120);
    let gone = if width >= 100 { [Column::Goal, d3, Column::Bar, h6] } else { [d3, Column::Goal, Column::Bar, h6] };
    for column in gone {
        let shortest = if width >= 100 && column != Column::Goal || column == h6 { 8 } else { 0 };
        if total(&places).saturating_sub(shortest) > width {
            places.retain(|p| p.column != column);
        }
    }
    shorten_spark(&mut places, width);
    for (column, most) in [(Column::Spark, 24), (Column::Service, 24), (Column::Sli, 20), (Column::Spark, LONGEST_SPARK)] {
        widen(&mut places, column, most, width);
    }
    let mut at = 0;
    for place in &mut places {
        place.x = at + place.gap;
        at = place.x + place.width;
    }
    places
}

/// Take cells from the sparkline until all fit; below twelve it goes.
fn shorten_spark(places: &mut Vec<Place>, width: u16) {
    let over = total(places).saturating_sub(width);
    match places.iter_mut().find(|p| p.column == Column::Spark) {
        Some(spark) if over <= 8 => spark.width = spark.width.saturating_sub(over),
        _ => places.retain(|p| p.column != Column::Spark),
    }
}

/// Give a column up to `most` cells of those that are free in `width`.
fn widen(places: &mut [Place], column: Column, most: u16, width: u16) {
    let free = width.saturating_sub(total(places));
    if let Some(place) = places.iter_mut().find(|p| p.column == column) {
        place.width = place.width.max(most.min(place.width + free));
    }
}

fn total(places: &[Place]) -> u16 {
    places.iter().map(|p| p.gap + p.width).sum::<u16>() + 1
}

/// The pane: rule, head, rows.
pub fn draw(canvas: &mut Canvas<'_>, view: View<'_>, focused: bool) {
    let ui = view.ui;
    let (all, shown) = (view.snapshot.slos.len(), ui.slos.visible().count());
    let words = ui.slo_sort.words();
    match &ui.slo_filter {
        Some(filter) => canvas.rule(0, "SLOs", format_args!("/{} · {words} · {} of {all}", filter.text(), ui.slos.len()), focused),
        None if shown < all => canvas.rule(0, "SLOs", format_args!("{words} · {all} shown {shown}"), focused),
        None => canvas.rule(0, "SLOs", format_args!("{words} · {all}"), focused),
    }
    if ui.slos.is_empty() {
        return nothing(canvas, view);
    }
    let places = places(canvas.width());
    head(canvas, &places);
    for (y, (at, index)) in (2..).zip(ui.slos.visible()) {
        if y >= canvas.height() {
            break;
        }
        let Some(slo) = view.snapshot.slos.get(index) else { continue };
        row(canvas, y, slo, &places, view);
        if focused && at == ui.slos.at() {
            canvas.select(y);
        }
        if ui.is_fresh_slo(&slo.id, view.now) {
            canvas.invert(y);
        }
    }
}

/// What the pane says when it has no row: why.
fn nothing(canvas: &mut Canvas<'_>, view: View<'_>) {
    let w = canvas.width().saturating_sub(4);
    let sources = &view.snapshot.sources;
    let waiting: Vec<_> = sources.iter().filter(|s| s.state == Freshness::Starting).map(|s| s.name.as_str()).collect();
    if let Some(filter) = view.ui.slo_filter.as_ref().filter(|_| !view.snapshot.slos.is_empty()) {
        canvas.write(3, 2, w, Role::Muted, format_args!("no SLO matches /{}/; esc clears the filter", filter.text()));
    } else if !waiting.is_empty() {
        let age = view.age(view.ui.started);
        canvas.write(3, 2, w, Role::Muted, format_args!("waiting for the first answer: {} · {age}", waiting.join(", ")));
    } else if let Some(failing) = sources.iter().find(|s| s.state == Freshness::Failing) {
        canvas.text(3, 2, w, Role::Warning, &super::chrome::trouble(failing, view));
    } else {
        canvas.text(3, 2, w, Role::Muted, "no SLOs: no [[slo]] row has found events yet; burnwatch check --live tells what each finds");
    }
}

fn head(canvas: &mut Canvas<'_>, places: &[Place]) {
    let bar = places.iter().any(|p| p.column == Column::Bar);
    for place in places {
        let Place { column, x, width, .. } = *place;
        match column {
            Column::Service => _ = canvas.text(x, 1, width, Role::Muted, "service"),
            Column::Sli => _ = canvas.text(x, 1, width, Role::Muted, "sli"),
            Column::Goal => _ = canvas.right(x, 1, width, Role::Muted, format_args!("goal")),
            Column::Bar => _ = canvas.text(x, 1, width + 1, Role::Muted, "budget left"),
            Column::Left if bar => {}
            Column::Left => _ = canvas.right(x, 1, width, Role::Muted, format_args!("left")),
            Column::Burn(window) => _ = canvas.right(x, 1, width, Role::Muted, format_args!("{window}")),
            Column::Spark => _ = canvas.text(x, 1, width, Role::Muted, "6 hours"),
            Column::EmptyIn => _ = canvas.right(x, 1, width, Role::Muted, format_args!("empty in")),
        }
    }
}

fn row(canvas: &mut Canvas<'_>, y: u16, slo: &SloRow, places: &[Place], view: View<'_>) {
    let (mark, tone) = figure::of_state(slo.state);
    let stale = slo.state == State::Stale;
    let plain = if stale { Role::Stale } else { Role::Text };
    canvas.text(1, y, 1, tone, mark);
    let absent = absence(slo, view);
    if let Some(words) = &absent {
        let from = places.iter().find(|p| matches!(p.column, Column::Bar | Column::Left)).map_or(0, |p| p.x);
        let to = places.iter().find(|p| matches!(p.column, Column::Spark | Column::EmptyIn)).map_or(canvas.width(), |p| p.x);
        canvas.text(from, y, to.saturating_sub(from + 1), tone, words);
    }
    let bar = places.iter().any(|p| p.column == Column::Bar);
    for place in places {
        let Place { column, x, width, .. } = *place;
        match column {
            Column::Service => {
                let role = if matches!(slo.state, State::Critical | State::Warning) { Role::Emphasis } else { plain };
                canvas.text(x, y, width, role, slo.service.as_str());
            }
            Column::Sli => _ = canvas.text(x, y, width, plain, &slo.title()),
            Column::Goal => {
                let role = if stale { Role::Stale } else { Role::Muted };
                canvas.right(x, y, width, role, format_args!("{}", slo.objective));
            }
            Column::Spark => spark(canvas, (x, y), width, slo, view),
            Column::EmptyIn => empty_in(canvas, (x, y), width, slo, absent.is_some(), view),
            _ if absent.is_some() => {}
            Column::Bar => _ = budget(canvas, (x, y), width, slo),
            Column::Left => left(canvas, (x, y), width, slo, bar),
            Column::Burn(window) => figure::burn(canvas, (x, y), width, slo.figure(window), stale),
        }
    }
}

/// The words across the figures of a row that has none.
fn absence(slo: &SloRow, view: View<'_>) -> Option<String> {
    let what = match slo.state {
        State::NoData | State::NoTraffic => slo.state.word(),
        State::Unknown if slo.figures.is_empty() => return Some("not asked yet".to_owned()),
        _ => return None,
    };
    Some(match slo.absent_since {
        Some(since) => format!("{what} for {}", view.age(since)),
        None => what.to_owned(),
    })
}

/// The part of the period that was seen, where that is not nearly all of it.
fn uncovered(slo: &SloRow) -> Option<f64> {
    slo.covered.filter(|c| *c < 0.95)
}

/// The bar, or the word where nothing is left; nothing where the covered part takes its place. Returns the column after it.
fn budget(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, slo: &SloRow) -> u16 {
    let Some(left) = slo.budget_left() else { return canvas.text(x, y, width, Role::Muted, "—") };
    if uncovered(slo).is_some() {
        return x;
    }
    bar(canvas, (x, y), width, left, slo.state == State::Stale)
}

/// A budget bar of ten cells, or the word where nothing is left.
pub fn bar(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, left: f64, stale: bool) -> u16 {
    match budget_bar::bar(left) {
        None => canvas.chip(x, y, width, if stale { Role::Stale } else { Role::Warning }, "overspent "),
        Some(bar) => {
            let at = canvas.text(x, y, width, if stale { Role::Stale } else { bar.role }, bar.line);
            canvas.text(at, y, width, Role::Border, bar.track)
        }
    }
}

/// The budget left in percent; where only a part of the period was seen, with that part.
fn left(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, slo: &SloRow, bar: bool) {
    let Some(left) = slo.budget_left() else {
        if !bar {
            canvas.right(x, y, width, Role::Muted, format_args!("—"));
        }
        return;
    };
    let role = match (slo.state, budget_bar::tint(left)) {
        (State::Stale, _) => Role::Stale,
        (_, Role::Chart) => Role::Text,
        (_, tint) => tint,
    };
    let (period, partial) = (slo.definition.period, slo.figure(slo.definition.period).is_some_and(|f| f.partial));
    match (uncovered(slo), bar) {
        (Some(covered), true) => {
            canvas.right(x - 12, y, width + 12, role, format_args!("{} ({})", Percent(left), Covered(covered, period)));
        }
        (uncovered, _) => {
            canvas.right(x, y, width, role, format_args!("{}", Percent(left)));
            if uncovered.is_some() || partial || slo.state == State::Unknown {
                canvas.text(x + width, y, 1, Role::Unknown, "?");
            }
        }
    }
}

/// The last six hours in `width` cells.
pub fn spark(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, slo: &SloRow, view: View<'_>) {
    let now = view.now.timestamp();
    for index in 0..width {
        let cell = sparkline::worst(&slo.history, now, index, width);
        if cell != Cell::Gap {
            let (glyph, role) = sparkline::glyph(cell);
            let role = if slo.state == State::Stale { Role::Stale } else { role };
            canvas.text(x + index, y, 1, role, glyph);
        }
    }
}

/// When the budget will be empty; the age of figures that are too old.
fn empty_in(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, slo: &SloRow, absent: bool, view: View<'_>) {
    let (_, tone) = figure::of_state(slo.state);
    let role = if matches!(slo.state, State::Critical | State::Warning) { tone } else { Role::Text };
    let (x, width) = (x.saturating_sub(2), width + 2);
    if slo.state == State::Stale {
        let since = slo.last_sample.or(slo.now().map(|f| f.as_of));
        match since {
            Some(at) => canvas.right(x, y, width, Role::Stale, format_args!("{} old", view.age(at))),
            None => canvas.right(x, y, width, Role::Stale, format_args!("stale")),
        };
    } else if absent {
        canvas.right(x, y, width, Role::Muted, format_args!("—"));
    } else if slo.budget_left().is_some_and(|left| left <= 0.0) {
        canvas.right(x, y, width, role, format_args!("spent"));
    } else {
        match slo.exhausted_in_secs() {
            Some(secs) => canvas.right(x, y, width, role, format_args!("{}", Age::secs(secs).in_steps(view.ui.settings.low_bandwidth))),
            None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(width: u16) -> String {
        let shown = places(width).into_iter().map(|p| format!("{}+{}", p.x, p.width));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_give_way_in_order_and_never_overflow() {
        assert_eq!(columns(120), "3+10 14+13 29+6 37+10 48+7 57+6 65+6 73+5 80+5 88+20 111+8");
        assert_eq!(columns(80), "3+10 14+13 28+7 36+6 43+6 50+5 57+12 71+8");
        assert_eq!(columns(100), "3+10 14+13 28+10 39+7 47+6 54+6 61+5 67+5 74+15 91+8");
        for width in 60..400 {
            assert!(total(&places(width)) <= width, "{width}: {}", columns(width));
        }
    }
}
