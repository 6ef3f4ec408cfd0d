//! A silence being written: its matchers, how long, why; below, what it would hold back now.
//!
//! ```text
//! ━━ Silence in am ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 2 of 7 matchers ━━
//! ▌ in   service     =   checkout
//!   out  region      =   eu-central
//!   for  2h
//!   because  canary rolled back
//! ── would hold back 3 of 14 present alerts ────────────────────────── as of 5s ──
//!   checkout CheckoutErrorBudgetBurn
//!   checkout HighLatency · 2 alerts
//! ```

use std::collections::HashMap;

use super::{
    super::{draft::Draft, theme::Role},
    View,
    canvas::{Canvas, cells},
    several,
};
use crate::domain::{Freshness, LabelMatcher, Text};

/// Draw it. It scrolls with the cursor, so nothing is ever counted as below.
pub fn draw(canvas: &mut Canvas<'_>, open: &Draft, view: View<'_>) -> u16 {
    let h = canvas.height();
    let places: Vec<_> = open.sources.iter().map(ToString::to_string).collect();
    let taken = open.rows.iter().filter(|(_, on)| *on).count();
    canvas.rule(0, &format!("Silence in {}", places.join(", ")), format_args!("{taken} of {} matchers", open.rows.len()), true);
    // Two thirds for what is written, the rest for what it does.
    let upper = usize::from((h * 2 / 3).max(3)).saturating_sub(1).min(open.rows.len() + 2);
    let top = (open.at + 1).saturating_sub(upper);
    let widest = open.rows.iter().map(|(m, _)| cells(m.name.text().as_str())).max().unwrap_or_default().clamp(6, 24);
    let mut y = 1;
    for at in top..(top + upper) {
        line(canvas, y, open, at, widest);
        if at == open.at {
            canvas.select(y);
        }
        y += 1;
    }
    covered(canvas, y, open, view);
    0
}

fn line(canvas: &mut Canvas<'_>, y: u16, open: &Draft, at: usize, widest: u16) {
    let w = canvas.width();
    if let Some((matcher, on)) = open.rows.get(at) {
        return one(canvas, y, matcher, *on, widest);
    }
    if at == open.rows.len() {
        canvas.text(2, y, 8, Role::Muted, "for");
        canvas.write(10, y, w.saturating_sub(11), Role::Emphasis, format_args!("{}", open.span));
        return;
    }
    canvas.text(2, y, 8, Role::Muted, "because");
    if open.comment.is_empty() {
        canvas.text(10, y, w.saturating_sub(11), Role::Warning, "—  a silence says why");
    } else {
        canvas.text(10, y, w.saturating_sub(11), Role::Emphasis, Text::clean(&open.comment).as_str());
    }
}

fn one(canvas: &mut Canvas<'_>, y: u16, matcher: &LabelMatcher, on: bool, widest: u16) {
    let role = if on { Role::Emphasis } else { Role::Muted };
    canvas.text(2, y, 3, if on { Role::Ok } else { Role::Muted }, if on { "in" } else { "out" });
    canvas.text(6, y, widest, role, matcher.name.text().as_str());
    canvas.text(7 + widest, y, 2, if on { Role::Accent } else { Role::Muted }, matcher.op.sign());
    canvas.text(10 + widest, y, canvas.width().saturating_sub(11 + widest), role, matcher.value.text().as_str());
}

/// How many present alerts it would hold back, as of when, and which.
fn covered(canvas: &mut Canvas<'_>, y: u16, open: &Draft, view: View<'_>) {
    let (w, h) = (canvas.width(), canvas.height());
    let seen = open.sources.iter().filter_map(|s| view.snapshot.source(s)).collect::<Vec<_>>();
    let blind = seen.iter().find(|s| s.state != Freshness::Fresh);
    let as_of =
        seen.iter().filter_map(|s| s.last_success).min().map_or_else(|| "never seen".to_owned(), |at| format!("{} ago", view.age(at)));
    match open.coverage(view.snapshot) {
        Err(why) => {
            canvas.rule(y, "cannot be sent", format_args!(""), false);
            canvas.text(2, y + 1, w.saturating_sub(3), Role::Warning, &why);
        }
        Ok(found) => {
            let [held, all] = [found.covered.len(), found.of].map(several::thousands);
            let title = format!("would hold back {held} of {all} present alerts");
            canvas.rule(y, &title, format_args!("seen {as_of}"), false);
            let mut at = y + 1;
            if let Some(source) = blind {
                canvas.write(
                    2,
                    at,
                    w.saturating_sub(3),
                    Role::Unknown,
                    format_args!("{} is {}: this may be otherwise now", source.name, source.state.word()),
                );
                at += 1;
            }
            let names = alike(&found.covered);
            let room = usize::from(h.saturating_sub(at));
            let cut = if names.len() > room { room.saturating_sub(1) } else { room };
            for (name, count) in names.iter().take(cut) {
                let end = canvas.text(2, at, w.saturating_sub(16), Role::Text, name.as_str());
                if *count > 1 {
                    canvas.write(end, at, 13, Role::Muted, format_args!(" · {} alerts", several::thousands(*count)));
                }
                at += 1;
            }
            let more: usize = names.iter().skip(cut).map(|(_, count)| count).sum();
            if more > 0 {
                canvas.write(2, at, w.saturating_sub(3), Role::Muted, format_args!("and {} more", several::thousands(more)));
            }
        }
    }
}

/// Each name once, with how many have it, in the order in which they come.
fn alike(covered: &[Text]) -> Vec<(&Text, usize)> {
    let mut names: Vec<(&Text, usize)> = Vec::new();
    let mut places: HashMap<&Text, usize> = HashMap::new();
    for name in covered {
        let place = *places.entry(name).or_insert(names.len());
        match names.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    names
}
