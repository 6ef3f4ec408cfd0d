//! Help: made from the keymap, so that it cannot be wrong; and what the marks mean.

use super::{
    super::{
        keymap::{Binding, Scope},
        theme::Role,
    },
    View,
    canvas::{Canvas, cells},
};

const MARKS: [(&str, Role, &str); 9] = [
    ("●", Role::Critical, "critical: pages"),
    ("▲", Role::Warning, "warning: tickets, spent"),
    ("?", Role::Unknown, "unknown, no data, partial"),
    ("~", Role::Stale, "stale: last good value"),
    ("○", Role::Muted, "no traffic, silenced"),
    ("·", Role::Ok, "fine"),
    ("jon?", Role::Emphasis, "a name nobody vouches for"),
    ("✓", Role::Ok, "ended well"),
    ("✗", Role::Critical, "ended badly"),
];

/// One line of help.
enum Line<'a> {
    Head(&'static str),
    Key(&'a Binding),
    Mark(&'static str, Role, &'static str),
}

/// Cells a column of help needs so that nothing in it is cut.
const COLUMN: u16 = 40;

/// Draw help in as many columns as fit; returns how many lines lie below.
pub fn draw(canvas: &mut Canvas<'_>, scroll: u16, view: View<'_>) -> u16 {
    let lines = lines(view);
    let rows = usize::from(canvas.height().saturating_sub(1)).max(1);
    let columns = (canvas.width() / COLUMN).clamp(1, 3);
    let width = canvas.width() / columns;
    let shown = rows * usize::from(columns);
    let below = u16::try_from(lines.len().saturating_sub(shown + usize::from(scroll))).unwrap_or(u16::MAX);
    let version = env!("CARGO_PKG_VERSION");
    if below > 0 {
        canvas.rule(0, "Help", format_args!("j for {below} more · burnwatch {version}"), true);
    } else {
        canvas.rule(0, "Help", format_args!("burnwatch {version}"), true);
    }
    for (n, line) in lines.iter().skip(usize::from(scroll)).take(shown).enumerate() {
        let (column, y) = (n / rows, n % rows);
        let x = u16::try_from(column).unwrap_or_default() * width + 1;
        one(canvas, (x, u16::try_from(y).unwrap_or_default() + 1), width.saturating_sub(2), line);
    }
    below
}

fn lines(view: View<'_>) -> Vec<Line<'_>> {
    let bindings = view.ui.keymap.bindings();
    let mut lines = Vec::new();
    // Where the person is comes first.
    let (first, second) = if view.ui.open_book().is_some() { (Scope::Runbook, Scope::Screens) } else { (Scope::Screens, Scope::Runbook) };
    for scope in [first, second, Scope::Prompt, Scope::Typing, Scope::Always] {
        lines.push(Line::Head(scope.title()));
        lines.extend(bindings.iter().filter(|b| b.scope == scope).map(Line::Key));
    }
    lines.push(Line::Head("marks"));
    lines.extend(MARKS.map(|(mark, role, words)| Line::Mark(mark, role, words)));
    lines
}

fn one(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, line: &Line<'_>) {
    match line {
        Line::Head(title) => _ = canvas.text(x, y, width, Role::Accent, title),
        Line::Mark(mark, role, words) => {
            canvas.text(x + 1, y, 11, *role, mark);
            canvas.text(x + 13, y, width.saturating_sub(13), Role::Text, words);
        }
        Line::Key(binding) => {
            let mut at = x + 1;
            for chord in &binding.chords {
                let name = chord.to_string();
                if at + cells(&name) > x + 12 {
                    break;
                }
                at = canvas.text(at, y, 12, Role::Emphasis, &name) + 1;
            }
            canvas.text(x + 13, y, width.saturating_sub(13), Role::Text, binding.help);
        }
    }
}
