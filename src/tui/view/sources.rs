//! Sources: how each stands and how polling it goes; below, the selected one in words, the lease and the store.

use super::{
    super::{layout, theme::Role},
    View,
    canvas::{Canvas, wrap},
    chrome, figure,
};
use crate::domain::{LeaseView, SourceRow};
use ratatui::layout::Rect;

/// Draw the body of the screen.
pub fn draw(canvas: &mut Canvas<'_>, body: Rect, view: View<'_>) {
    let (table, lower) = layout::sources(body);
    rows(&mut canvas.piece(table), view);
    selected(&mut canvas.piece(lower), view);
}

fn rows(canvas: &mut Canvas<'_>, view: View<'_>) {
    let sources = &view.snapshot.sources;
    canvas.rule(0, "Sources", format_args!("{}", sources.len()), true);
    let w = canvas.width();
    for (x, head) in [(3, "name"), (16, "kind"), (30, "state")] {
        canvas.text(x, 1, 12, Role::Muted, head);
    }
    for (x, width, head) in RIGHT {
        canvas.right(x, 1, width, Role::Muted, format_args!("{head}"));
    }
    canvas.text(WORDS, 1, w.saturating_sub(WORDS), Role::Muted, "what is wrong");
    if sources.is_empty() {
        canvas.text(3, 2, w.saturating_sub(4), Role::Muted, "no sources: add a [[source]] row to the configuration");
    }
    for (y, (at, index)) in (2..canvas.height()).zip(view.ui.sources.visible()) {
        let Some(source) = sources.get(index) else { continue };
        row(canvas, y, source, view);
        if at == view.ui.sources.at() {
            canvas.select(y);
        }
    }
}

const RIGHT: [(u16, u16, &str); 4] = [(39, 7, "age"), (47, 6, "p50"), (54, 6, "p99"), (61, 7, "skew")];
const WORDS: u16 = 70;

fn row(canvas: &mut Canvas<'_>, y: u16, source: &SourceRow, view: View<'_>) {
    let (w, (mark, role)) = (canvas.width(), figure::of_source(source.state));
    canvas.text(1, y, 1, role, mark);
    canvas.text(3, y, 12, Role::Emphasis, source.name.as_str());
    canvas.text(16, y, 13, Role::Text, source.kind);
    canvas.text(30, y, 8, role, source.state.word());
    let [age, p50, p99, skew] = RIGHT;
    match source.last_success {
        Some(at) => canvas.right(age.0, y, age.1, Role::Text, format_args!("{}", view.age(at))),
        None => canvas.right(age.0, y, age.1, Role::Muted, format_args!("—")),
    };
    for ((x, width, _), ms) in [(p50, source.poll_ms.map(|p| p.0)), (p99, source.poll_ms.map(|p| p.1))] {
        match ms {
            Some(ms) => canvas.right(x, y, width, Role::Text, format_args!("{}", Millis(ms))),
            None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
        };
    }
    match source.skew_secs {
        Some(secs) if secs.abs() > 5.0 => canvas.right(skew.0, y, skew.1, Role::Warning, format_args!("{}", Skew(secs))),
        Some(secs) => canvas.right(skew.0, y, skew.1, Role::Muted, format_args!("{}", Skew(secs))),
        None => canvas.right(skew.0, y, skew.1, Role::Muted, format_args!("—")),
    };
    let room = w.saturating_sub(WORDS + 1);
    match (&source.fault, &source.partial) {
        (Some(fault), _) => canvas.text(WORDS, y, room, Role::Warning, fault.class.words()),
        (None, Some(_)) => canvas.text(WORDS, y, room, Role::Unknown, "not whole"),
        (None, None) => canvas.text(WORDS, y, room, Role::Muted, "—"),
    };
}

/// Milliseconds: `12ms`, from a second on `1.2s`.
struct Millis(f64);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 < 999.5 { write!(f, "{:.0}ms", self.0) } else { write!(f, "{:.1}s", self.0 / 1e3) }
    }
}

/// How far a clock is ahead: `+0.2s`, `−7.0s`; from two minutes on in minutes.
struct Skew(f64);

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, size) = (if self.0 < 0.0 { "−" } else { "+" }, self.0.abs());
        if size < 120.0 { write!(f, "{sign}{size:.1}s") } else { write!(f, "{sign}{}", super::Age::secs(size)) }
    }
}

/// The selected source in words; who polls; where the store is.
fn selected(canvas: &mut Canvas<'_>, view: View<'_>) {
    let w = canvas.width();
    let name = view.ui.source().map_or("—", |s| s.name.as_str());
    canvas.rule(0, name, format_args!(""), false);
    let mut y = 1;
    let mut line = |canvas: &mut Canvas<'_>, name: &str, role, text: &str| {
        canvas.text(1, y, 9, Role::Muted, name);
        for part in wrap(text, w.saturating_sub(12)).iter().take(3) {
            canvas.text(11, y, w.saturating_sub(12), role, part);
            y += 1;
        }
    };
    if let Some(source) = view.ui.source() {
        if source.fault.is_some() || source.failures > 0 {
            line(canvas, "state", Role::Warning, &chrome::trouble(source, view));
        }
        if let Some(fault) = &source.fault {
            line(canvas, "error", Role::Text, fault.message.as_str());
        }
        if let Some(partial) = &source.partial {
            line(canvas, "not whole", Role::Unknown, partial.as_str());
        }
        if let Some((_, _, polls)) = source.poll_ms {
            line(canvas, "polls", Role::Text, &format!("{polls} measured"));
        }
    }
    let lease = match &view.snapshot.store.lease {
        LeaseView::Unknown => "not known yet".to_owned(),
        LeaseView::Ours => "this cockpit polls".to_owned(),
        LeaseView::Theirs(who) => format!("{who} polls; this cockpit reads along"),
    };
    line(canvas, "lease", Role::Text, &lease);
    let store = &view.snapshot.store;
    match &store.trouble {
        Some(trouble) => line(canvas, "store", Role::Warning, &format!("{}: {trouble}; acting is off", store.place)),
        None => line(canvas, "store", Role::Text, store.place.as_str()),
    }
}
