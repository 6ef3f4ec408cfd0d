//! Sources: how each stands and how polling it goes; below, the selected one in words, the lease and the store.

use super::{
    super::{layout, theme::Role},
    View,
    canvas::{Canvas, wrap},
    chrome, figure, probe,
};
use crate::domain::{LeaseView, SourceRow};
use ratatui::layout::Rect;

/// Draw the body of the screen.
pub fn draw(canvas: &mut Canvas<'_>, body: Rect, view: View<'_>) {
    let (table, lower) = layout::sources(body, view.snapshot.sources.len());
    rows(&mut canvas.piece(table), view);
    selected(&mut canvas.piece(lower), view);
}

/// Where each column begins and how wide it is; a column of no width is not there.
struct Columns {
    kind: (u16, u16),
    state: (u16, u16),
    age: (u16, u16),
    p50: (u16, u16),
    p99: (u16, u16),
    skew: (u16, u16),
    words: (u16, u16),
}

impl Columns {
    fn of(w: u16) -> Self {
        let (kind, at) = if w >= 100 { ((20, 13), 34) } else { ((20, 0), 20) };
        let words = at + 41;
        Self {
            kind,
            state: (at, 8),
            age: (at + 9, 7),
            p50: (at + 17, 6),
            p99: (at + 24, 6),
            skew: (at + 31, 7),
            words: (words, w.saturating_sub(words + 1)),
        }
    }
}

fn rows(canvas: &mut Canvas<'_>, view: View<'_>) {
    let sources = &view.snapshot.sources;
    canvas.rule(0, "Sources", format_args!("{}", sources.len()), true);
    let columns = Columns::of(canvas.width());
    head(canvas, &columns);
    if sources.is_empty() {
        let w = canvas.width().saturating_sub(4);
        canvas.text(3, 2, w, Role::Muted, "no sources: add a [[source]] row to the configuration");
    }
    for (y, (at, index)) in (2..canvas.height()).zip(view.ui.sources.visible()) {
        let Some(source) = sources.get(index) else { continue };
        row(canvas, y, source, &columns, view);
        if at == view.ui.sources.at() {
            canvas.select(y);
        }
    }
}

fn head(canvas: &mut Canvas<'_>, columns: &Columns) {
    canvas.text(3, 1, 16, Role::Muted, "name");
    canvas.text(columns.kind.0, 1, columns.kind.1, Role::Muted, "kind");
    canvas.text(columns.state.0, 1, columns.state.1, Role::Muted, "state");
    for ((x, width), head) in [(columns.age, "age"), (columns.p50, "p50"), (columns.p99, "p99"), (columns.skew, "skew")] {
        canvas.right(x, 1, width, Role::Muted, format_args!("{head}"));
    }
    canvas.text(columns.words.0, 1, columns.words.1, Role::Muted, "trouble");
}

fn row(canvas: &mut Canvas<'_>, y: u16, source: &SourceRow, columns: &Columns, view: View<'_>) {
    let (mark, role) = figure::of_source(source.state);
    canvas.text(1, y, 1, role, mark);
    canvas.text(3, y, 16, Role::Emphasis, source.name.as_str());
    canvas.text(columns.kind.0, y, columns.kind.1, Role::Text, source.kind);
    canvas.text(columns.state.0, y, columns.state.1, role, source.state.word());
    let (x, width) = columns.age;
    match source.last_success {
        Some(at) => canvas.right(x, y, width, Role::Text, format_args!("{}", view.age(at))),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    };
    for ((x, width), ms) in [(columns.p50, source.poll_ms.map(|p| p.0)), (columns.p99, source.poll_ms.map(|p| p.1))] {
        match ms {
            Some(ms) => canvas.right(x, y, width, Role::Text, format_args!("{}", Millis(ms))),
            None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
        };
    }
    skew(canvas, (columns.skew.0, y), columns.skew.1, source.skew_secs);
    trouble(canvas, (columns.words.0, y), columns.words.1, source, view);
}

fn skew(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, skew: Option<f64>) {
    match skew {
        Some(secs) if secs.abs() > 5.0 => canvas.right(x, y, width, Role::Warning, format_args!("{}", Skew(secs))),
        Some(secs) => canvas.right(x, y, width, Role::Muted, format_args!("{}", Skew(secs))),
        None => canvas.right(x, y, width, Role::Muted, format_args!("—")),
    };
}

/// What is wrong, by class; where there is room also when it is asked again.
fn trouble(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, source: &SourceRow, view: View<'_>) {
    let certificate = view.snapshot.certificate_warning(&source.name);
    let (role, words) = match (&source.fault, &source.partial, &certificate) {
        (Some(fault), ..) => (Role::Warning, fault.class.words()),
        (None, _, Some(warning)) => (Role::Warning, warning.as_str()),
        (None, Some(_), _) => (Role::Unknown, "not whole"),
        (None, None, _) => failing(source, view),
    };
    let end = canvas.text(x, y, width, role, words);
    if let Some(at) = source.next_try.filter(|at| *at > view.now && width >= 40) {
        let wait = super::Age::between(view.now, at).in_steps(view.ui.settings.low_bandwidth);
        canvas.write(end, y, (x + width).saturating_sub(end), Role::Muted, format_args!(", next try in {wait}"));
    }
}

/// Whether targets of a probe fail, of which nothing else on this screen tells.
fn failing(source: &SourceRow, view: View<'_>) -> (Role, &'static str) {
    let checks = view.snapshot.probes.get(&source.name).map(|c| c.as_slice()).unwrap_or_default();
    if checks.iter().any(|c| c.outcome.is_err()) { (Role::Warning, "targets fail") } else { (Role::Muted, "—") }
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
        let polls = source.poll_ms.map_or_else(|| "not polled yet".to_owned(), |(_, _, polls)| format!("{polls} polls measured"));
        line(canvas, "kind", Role::Text, &format!("{}, {polls}", source.kind));
        if source.fault.is_some() || source.failures > 0 {
            line(canvas, "state", Role::Warning, &chrome::trouble(source, view));
        }
        if let Some(fault) = &source.fault {
            line(canvas, "error", Role::Text, fault.message.as_str());
        }
        if let Some(partial) = &source.partial {
            line(canvas, "not whole", Role::Unknown, partial.as_str());
        }
        let checks = view.snapshot.probes.get(&source.name).map(|c| c.as_slice()).unwrap_or_default();
        for check in probe::worst_first(checks, view.now).into_iter().take(usize::from(canvas.height() / 2)) {
            let (role, words) = probe::words(check, view.now);
            line(canvas, "target", role, &words);
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
