//! The board: acknowledgements and silences, what ends first on top; and one of them in full.
//!
//! ```text
//! ━━ Acks and silences ━━━━━━━━━━━━━━━━━━━━━━ 1 orphaned · 1 duplicate · 5 held ━━
//!      ends in  by         holds  what                                   state
//! ▌▲        9m  jon            1  orders: queue stalled                  ack
//! ```

use super::{
    super::theme::Role,
    View,
    canvas::{Canvas, cells, wrap},
    figure,
};
use crate::domain::{Hold, HoldState, WARNING};

/// Where each column begins and how wide it is; a column of no width is not there.
struct Columns {
    who: (u16, u16),
    holds: (u16, u16),
    what: (u16, u16),
    why: (u16, u16),
    place: (u16, u16),
    state: (u16, u16),
}

impl Columns {
    fn of(w: u16) -> Self {
        let wide = w >= 100;
        let (who, why, place, state) = if wide { (14, 24, 12, 16) } else { (10, 0, 0, 14) };
        let holds = 13 + who + 1;
        let what = holds + 7;
        let state = (w.saturating_sub(state + 1), state);
        let place = (state.0.saturating_sub(place + u16::from(wide)), place);
        let why = (place.0.saturating_sub(why + u16::from(wide)), why);
        Self { who: (13, who), holds: (holds, 5), what: (what, why.0.saturating_sub(what + 1)), why, place, state }
    }
}

/// The list.
pub fn screen(canvas: &mut Canvas<'_>, view: View<'_>) {
    let rows = &view.ui.board;
    rule(canvas, view);
    if rows.is_empty() {
        canvas.text(1, 2, canvas.width().saturating_sub(3), Role::Muted, "nothing is held back and nobody has anything");
        return;
    }
    let columns = Columns::of(canvas.width());
    canvas.right(3, 1, 9, Role::Muted, format_args!("ends in"));
    canvas.right(columns.holds.0, 1, columns.holds.1, Role::Muted, format_args!("holds"));
    for ((x, width), head) in
        [(columns.who, "by"), (columns.what, "what"), (columns.why, "why"), (columns.place, "in"), (columns.state, "state")]
    {
        canvas.text(x, 1, width, Role::Muted, head);
    }
    for (y, (at, index)) in (2..canvas.height()).zip(view.ui.holds.visible()) {
        let Some(row) = rows.get(index) else { continue };
        one(canvas, y, row, &columns, view);
        if at == view.ui.holds.at() {
            canvas.select(y);
        }
    }
}

fn rule(canvas: &mut Canvas<'_>, view: View<'_>) {
    let rows = &view.ui.board;
    let count = |is: fn(&HoldState) -> bool| rows.iter().filter(|r| is(&r.state)).count();
    let marked = view.ui.marked_holds.len();
    let counts = [
        (marked, "marked"),
        (count(|s| *s == HoldState::Orphaned), "orphaned"),
        (count(|s| matches!(s, HoldState::Duplicate(_))), "duplicate"),
    ];
    let mut words: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    words.push(format!("{} held", rows.len()));
    canvas.rule(0, "Acks and silences", format_args!("{}", words.join(" · ")), true);
}

fn one(canvas: &mut Canvas<'_>, y: u16, row: &Hold, columns: &Columns, view: View<'_>) {
    let soon = row.ends.is_some_and(|end| end - view.now <= WARNING);
    let (mark, role) = match &row.state {
        _ if row.stale => ("~", Role::Stale),
        HoldState::Holds if soon => ("▲", Role::Warning),
        state => figure::of_hold(state),
    };
    canvas.text(1, y, 1, role, mark);
    if view.ui.marked_holds.contains(&row.key) {
        canvas.text(2, y, 1, Role::Accent, figure::MARKED);
    }
    let ends = row
        .ends
        .map_or_else(|| "—".to_owned(), |at| super::Age::between(view.now, at).in_steps(view.ui.settings.low_bandwidth).to_string());
    canvas.right(3, y, 9, if soon { Role::Warning } else { Role::Text }, format_args!("{ends}"));
    by(canvas, (columns.who.0, y), columns.who.1, row);
    match row.covers {
        Some(n) => canvas.right(columns.holds.0, y, columns.holds.1, Role::Text, format_args!("{n}")),
        None => canvas.right(columns.holds.0, y, columns.holds.1, Role::Muted, format_args!("—")),
    };
    canvas.text(columns.what.0, y, columns.what.1, Role::Text, &name(row));
    canvas.text(columns.why.0, y, columns.why.1, Role::Muted, row.why.as_ref().map_or("", |why| why.as_str()));
    canvas.text(columns.place.0, y, columns.place.1, Role::Muted, row.sources.first().map_or("journal", |s| s.as_str()));
    let (words, role) = state(row);
    canvas.text(columns.state.0, y, columns.state.1, role, &words);
}

/// Who made it; a name that nobody vouches for has a mark where there is no room for the word.
fn by(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, row: &Hold) {
    match row.who.as_str().strip_suffix(" (unverified)") {
        Some(name) if cells(row.who.as_str()) > width => canvas.write(x, y, width, Role::Emphasis, format_args!("{name}?")),
        _ => canvas.text(x, y, width, Role::Emphasis, row.who.as_str()),
    };
}

/// The incident's title where it is an acknowledgement of one, else what is asked of alerts.
fn name(row: &Hold) -> String {
    row.incident.as_ref().map_or_else(|| row.what.clone(), |i| i.title.to_string())
}

/// `ack`, `silence`, `orphaned`, `duplicate`: what is to be said of it, in a word or two.
fn state(row: &Hold) -> (String, Role) {
    match &row.state {
        HoldState::Holds => (row.kind().to_owned(), Role::Muted),
        HoldState::Pending => (format!("{} later", row.kind()), Role::Accent),
        HoldState::Orphaned => ("orphaned".to_owned(), Role::Warning),
        HoldState::Duplicate(_) => ("duplicate".to_owned(), Role::Warning),
        HoldState::Undelivered => ("not delivered".to_owned(), Role::Warning),
    }
}

/// One row in full; returns how many lines it has.
pub fn draw(canvas: &mut Canvas<'_>, row: &Hold, gone: bool, view: View<'_>) -> u16 {
    let w = canvas.width();
    canvas.rule(0, row.kind(), format_args!("{}", row.sources.first().map_or("journal", |s| s.as_str())), false);
    let mut y = 1;
    let mut line = |name: &str, role, text: &str| {
        canvas.text(1, y, 11, Role::Muted, name);
        for part in wrap(text, w.saturating_sub(14)) {
            canvas.text(13, y, w.saturating_sub(14), role, &part);
            y += 1;
        }
    };
    if gone {
        line("state", Role::Ok, "over: its source no longer lists it");
    } else {
        let (words, role) = told(row);
        line("state", role, &words);
    }
    line("by", Role::Emphasis, row.who.as_str());
    line("why", Role::Text, row.why.as_ref().map_or("—", |why| why.as_str()));
    line("since", Role::Text, &format!("{} · {}", view.when(row.since, false), view.age(row.since)));
    line("ends", Role::Text, &row.ends.map_or_else(|| "—".to_owned(), |at| view.when(at, false).to_string()));
    if let Some(incident) = &row.incident {
        line("incident", Role::Text, incident.title.as_str());
    }
    if let Some(silence) = &row.silence {
        line("silence", Role::Text, &crate::domain::clean(&silence.id));
        for (n, matcher) in silence.matchers.iter().enumerate() {
            line(if n == 0 { "asks for" } else { "" }, Role::Text, matcher.shown().as_str());
        }
    }
    y
}

fn told(row: &Hold) -> (String, Role) {
    let covers = match row.covers {
        Some(1) => "holds back 1 alert".to_owned(),
        Some(n) => format!("holds back {n} alerts"),
        None => "holds".to_owned(),
    };
    match &row.state {
        HoldState::Holds => (covers, Role::Text),
        HoldState::Pending => ("has not begun".to_owned(), Role::Accent),
        HoldState::Orphaned => ("orphaned: holds back nothing that fires now".to_owned(), Role::Warning),
        HoldState::Duplicate(other) => (
            format!("duplicate: silence {} asks for the same and ends later; {covers}", super::super::receipts::short(other)),
            Role::Warning,
        ),
        HoldState::Undelivered => ("not delivered".to_owned(), Role::Warning),
    }
}
