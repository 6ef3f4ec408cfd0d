//! Several acts in one list: before the yes what will be done where, after it what became of each.
//!
//! ```text
//! ━━ 3 acts ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
//!  ✓ acknowledge in am  orders: queue stalled
//!      acknowledged · silence 3f2a until 14:47
//!  ○ payments: latency 3.1×
//!      left alone: priya has it; a on it alone takes it over
//! ```

use super::{
    super::{
        deeds::{Deed, Deeds, Fate},
        receipts::short,
        state::Taking,
        theme::Role,
    },
    View,
    canvas::{Canvas, wrap},
    several,
};
use crate::domain::{Coverage, Hold, Target, shown_matchers};

/// Alerts that are named in a sentence; the others are counted.
const NAMED: usize = 3;

/// Whether these stand in a list: more than one, or read after the yes.
pub fn is_list(listed: &Deeds) -> bool {
    listed.only().is_none()
}

/// Draw the list; returns how many of its lines lie below the pane.
pub fn draw(canvas: &mut Canvas<'_>, listed: &Deeds, view: View<'_>) -> u16 {
    let (w, h) = (canvas.width(), canvas.height());
    let lines = lines(listed, w.saturating_sub(8), view);
    let rows = h.saturating_sub(1);
    let total = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let below = total.saturating_sub(listed.scroll).saturating_sub(rows);
    let (all, _, _) = listed.counts();
    let title = if listed.sent { "What became of it" } else { "To be done" };
    if below > 0 {
        canvas.rule(0, title, format_args!("j for {below} more · {all} acts"), true);
    } else {
        canvas.rule(0, title, format_args!("{all} acts"), true);
    }
    for (y, line) in (1..h).zip(lines.iter().skip(usize::from(listed.scroll))) {
        match line {
            Row::Head { mark, role, what, title } => {
                canvas.text(1, y, 1, *role, mark);
                let at = canvas.text(3, y, w.saturating_sub(4), Role::Muted, what);
                let at = if what.is_empty() { 3 } else { at + 2 };
                canvas.text(at, y, w.saturating_sub(at + 1), Role::Emphasis, title);
            }
            Row::More(role, text) => _ = canvas.text(5, y, w.saturating_sub(6), *role, text),
        }
    }
    below
}

enum Row {
    Head { mark: &'static str, role: Role, what: String, title: String },
    More(Role, String),
}

fn lines(listed: &Deeds, width: u16, view: View<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in &listed.lines {
        let (mark, role) = match (&line.deed, &line.fate) {
            (Deed::Left { .. }, _) => ("○", Role::Muted),
            (_, Fate::Waits) => ("·", Role::Text),
            (_, Fate::Sent) => ("…", Role::Accent),
            (_, Fate::Done(_)) => ("✓", Role::Ok),
            (_, Fate::Failed(_)) => ("✗", Role::Critical),
        };
        rows.push(Row::Head { mark, role, what: what(&line.deed), title: line.deed.title() });
        let (role, more) = match (&line.deed, &line.fate) {
            (Deed::Left { why, .. }, _) => (Role::Muted, why.clone()),
            (deed, Fate::Waits) => (Role::Muted, more(deed, view)),
            (_, Fate::Sent) => (Role::Muted, String::new()),
            (_, Fate::Done(text)) => (Role::Muted, text.clone()),
            (_, Fate::Failed(text)) => (Role::Warning, text.clone()),
        };
        if !more.is_empty() {
            rows.extend(wrap(&more, width).into_iter().map(|text| Row::More(role, text)));
        }
    }
    rows
}

/// `acknowledge in am`
fn what(deed: &Deed) -> String {
    match deed {
        Deed::On(wish) => {
            let verb = wish.taking.verb();
            match wish.incident.target() {
                _ if !wish.incident.members.is_empty() => format!("{verb}, all {} of it", wish.incident.count()),
                Target::Alertmanager { source, .. } | Target::PagerDuty { source, .. } | Target::Silences { source } => {
                    format!("{verb} in {source}")
                }
                Target::Journal | Target::Group { .. } => format!("{verb} in the journal"),
            }
        }
        Deed::Silence { source, .. } => format!("silence in {source}"),
        Deed::Expire(hold) => format!("expire in {}", hold.sources.first().map_or("—", |s| s.as_str())),
        Deed::Left { .. } => String::new(),
    }
}

/// What else is to be said before it is done.
fn more(deed: &Deed, view: View<'_>) -> String {
    match deed {
        Deed::On(wish) if wish.taking == Taking::Take && !wish.incident.members.is_empty() => several::take(&wish.incident, view),
        Deed::On(wish) => match (&wish.taking, wish.incident.target(), &wish.incident.ack) {
            (Taking::Take, Target::Alertmanager { labels, .. }, _) => {
                format!("silence {} labels; no resolved notice while silenced", labels.0.len())
            }
            (Taking::GiveBack, _, Some(ack)) => format!("held by {}", ack.by),
            _ => String::new(),
        },
        Deed::Silence { coverage, span, .. } => format!("for {span}; {}", holds_back(coverage)),
        Deed::Expire(hold) => calls_again(hold),
        Deed::Left { .. } => String::new(),
    }
}

/// What one deed will do, in one sentence with the true target.
pub fn sentence(deed: &Deed) -> String {
    match deed {
        Deed::Silence { source, matchers, span, coverage, comment } => {
            let (what, holds) = (shown_matchers(matchers), holds_back(coverage));
            // What counts stands first: the rest may be longer than the screen.
            format!("silence in {source} for {span}: {holds}; no resolved notice while silenced: {what} “{comment}”")
        }
        Deed::Expire(hold) => {
            let id = hold.silence.as_ref().map(|s| short(&s.id)).unwrap_or_default();
            let place = hold.sources.first().map_or("—", |s| s.as_str());
            format!("expire silence {id} of {} in {place}, {}: {}", hold.who, hold.what, calls_again(hold))
        }
        Deed::Left { title, why } => format!("{title}: {why}"),
        Deed::On(_) => String::new(),
    }
}

/// `holds back 3 of 14 present alerts (checkout Slow, cart Slow, search Slow and 2 more)`
fn holds_back(coverage: &Coverage) -> String {
    let mut names: Vec<_> = coverage.covered.iter().take(NAMED).map(ToString::to_string).collect();
    let others = coverage.covered.len().saturating_sub(NAMED);
    if others > 0 {
        names.push(format!("{others} more"));
    }
    let which = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("holds back {} of {} present alerts{which}", coverage.covered.len(), coverage.of)
}

fn calls_again(hold: &Hold) -> String {
    match hold.covers {
        Some(0) => "it holds back nothing now".to_owned(),
        Some(1) => "the alert that it holds back calls again".to_owned(),
        Some(n) => format!("the {n} alerts that it holds back call again"),
        None => "what it holds back is not known".to_owned(),
    }
}
