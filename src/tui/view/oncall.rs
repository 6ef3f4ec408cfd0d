//! On call: what the outgoing left to the incoming, who has it and when it changes hands, one or two weeks as lanes, what is wrong with
//! them, and what it has cost whom.

use chrono_tz::Tz;

use super::{
    super::theme::Role,
    View,
    canvas::{Canvas, cells, wrap},
    duty::{holder, next_who, seat_word},
    lanes::{self, Calendar},
};
use crate::domain::{Balance, Burden, Doubled, Fairness, HandoffNote, Held, Interval, Rota, SeatRow, Text};

/// The least rows of the account of a rota.
const ACCOUNT: u16 = 4;

/// Draw the body of the screen.
pub fn draw(canvas: &mut Canvas<'_>, view: View<'_>) {
    let Some(selected) = view.ui.rota() else { return nothing(canvas) };
    let mut y = notes(canvas, view);
    y = summary(canvas, y, selected, view);
    let names = view.snapshot.rotas.iter().map(|r| cells(r.name.as_str())).max().unwrap_or(0).clamp(6, 12);
    let calendar = Calendar::new(canvas.width(), names + 12, view.ui.settings.time_zone, view.now);
    calendar.rule(canvas, y, view);
    let people = selected.fairness.as_ref().map_or(1, |f| f.people.len());
    let wrong = wrong(view, calendar.span());
    // Lanes take what is there; what is below them shrinks to what must be read.
    let account = ACCOUNT.max(u16::try_from(people).unwrap_or(8).min(8) + 1);
    let faults = u16::try_from(wrong.len()).unwrap_or(u16::MAX).min(3);
    let free = canvas.height().saturating_sub(y + 1);
    let below = 1 + faults + account.min(free / 3);
    y = all_lanes(canvas, y + 1, free.saturating_sub(below).max(1), &calendar, view);
    calendar.now(canvas, y, view);
    y += 1;
    for (n, (mark, role, words)) in wrong.iter().take(usize::from(faults)).enumerate() {
        let more = wrong.len() - usize::from(faults);
        canvas.text(1, y, 1, *role, mark);
        let end = canvas.text(3, y, canvas.width().saturating_sub(4), Role::Text, words);
        if more > 0 && n + 1 == usize::from(faults) {
            canvas.write(
                end + 2,
                y,
                canvas.width().saturating_sub(end + 3),
                Role::Muted,
                format_args!("and {more} other: burnwatch oncall"),
            );
        }
        y += 1;
    }
    // A blank row where there is one to spare.
    if canvas.height().saturating_sub(y) > account + 1 {
        y += 1;
    }
    account_of(canvas, y, selected, view);
}

fn nothing(canvas: &mut Canvas<'_>) {
    canvas.rule(0, "On call", format_args!(""), true);
    let w = canvas.width().saturating_sub(4);
    let words = "nothing tells who is on call: add a [[rotation]], or a source that keeps a rota (ical, pagerduty)";
    for (y, line) in (2..canvas.height()).zip(wrap(words, w)) {
        canvas.text(3, y, w, Role::Muted, &line);
    }
}

/// The notes that wait to be read, on top. Returns the row below them.
fn notes(canvas: &mut Canvas<'_>, view: View<'_>) -> u16 {
    let waiting = view.snapshot.rotas.iter().flat_map(|rota| rota.waiting_notes(view.now).map(move |note| (rota, note)));
    let mut y = 0;
    for (rota, note) in waiting.take(2) {
        y = one_note(canvas, y, rota, note, view);
    }
    y
}

fn one_note(canvas: &mut Canvas<'_>, y: u16, rota: &Rota, note: &HandoffNote, view: View<'_>) -> u16 {
    let w = canvas.width();
    let to = rota.held(rota.first_place(), note.at);
    let to = to.shift().map_or("whoever is next", |s| s.who.as_str());
    let when = view.when(note.at, false);
    canvas.text(1, y, 1, Role::Accent, "▸");
    let at = canvas.write(3, y, w.saturating_sub(4), Role::Emphasis, format_args!("{} for {to}", note.by));
    let key = view.ui.keymap.chord_of(&super::super::action::Action::Acknowledge).filter(|_| view.ui.acting_is_off().is_none());
    let key = key.map_or_else(String::new, |key| format!("   {key} read"));
    canvas.write(
        at,
        y,
        w.saturating_sub(at + 1),
        Role::Muted,
        format_args!(", {} {when}, written {} ago{key}", rota.name, view.age(note.written)),
    );
    let most = if canvas.height() >= 24 { 4 } else { 2 };
    let lines = wrap(note.note.as_str(), w.saturating_sub(5));
    let shown = lines.len().min(most);
    for (n, line) in lines.iter().take(shown).enumerate() {
        let row = y + 1 + u16::try_from(n).unwrap_or_default();
        let cut = if n + 1 == shown && lines.len() > shown { " …" } else { "" };
        canvas.write(3, row, w.saturating_sub(4), Role::Text, format_args!("{line}{cut}"));
    }
    y + 1 + u16::try_from(shown).unwrap_or_default() + u16::from(canvas.height() >= 24)
}

/// ` payments      now maya until 18:00 (3h27m), then jon       second jon     mentor ines        maya's time 14:32`
fn summary(canvas: &mut Canvas<'_>, y: u16, rota: &Rota, view: View<'_>) -> u16 {
    let w = canvas.width();
    let room = |at: u16| w.saturating_sub(at + 1);
    let at = canvas.text(1, y, room(1), Role::Emphasis, rota.name.as_str()) + 3;
    let Some(seat) = rota.pager() else { return y + 1 };
    let (who, role) = holder(rota, seat);
    let mut at = canvas.text(at, y, room(at), Role::Muted, "now ");
    at = canvas.text(at, y, room(at), role, &who);
    if let Some(next) = &seat.next {
        let wait = super::Age::between(view.now, next.at).in_steps(view.ui.settings.low_bandwidth);
        at = canvas.write(
            at,
            y,
            room(at),
            Role::Text,
            format_args!(" until {} ({wait}), then {}", view.when(next.at, false), next_who(next)),
        );
    }
    if rota.stale {
        let source = rota.sources().first().map_or("its source", |s| s.as_str());
        at = canvas.write(at, y, room(at), Role::Stale, format_args!(" ~ {source} does not answer"));
    }
    let others = rota.seats.iter().skip(1).filter_map(|s| Some((seat_word(s), s.now.shift()?.who.clone())));
    let pager = seat.now.shift().map(|s| s.who.clone());
    let local = pager.and_then(|who| Some((local(rota, &who, view)?, who)));
    let parts = others.map(|(word, who)| (word, who.to_string())).chain(local.map(|(time, who)| (format!("{who}'s time"), time)));
    for (word, what) in parts {
        let used = cells(&word) + 1 + cells(&what);
        if at + 4 + used >= w {
            break;
        }
        at = canvas.text(at + 4, y, used, Role::Muted, &word) + 1;
        at = canvas.text(at, y, used, Role::Text, &what);
    }
    y + 1
}

/// What clocks show where somebody lives; `None` if that is not known.
fn local(rota: &Rota, who: &Text, view: View<'_>) -> Option<String> {
    let zone: Tz = rota.zone_of(who)?;
    Some(view.now.with_timezone(&zone).format("%a %H:%M").to_string())
}

/// All lanes, or as many as fit around those of the selected rota. Returns the row below them.
fn all_lanes(canvas: &mut Canvas<'_>, y: u16, room: u16, calendar: &Calendar, view: View<'_>) -> u16 {
    let at = view.ui.rotas.at();
    let rows: Vec<(usize, &Rota, &SeatRow)> =
        view.snapshot.rotas.iter().enumerate().flat_map(|(n, rota)| rota.seats.iter().map(move |seat| (n, &**rota, seat))).collect();
    let room = usize::from(room);
    let first = rows.iter().position(|(n, ..)| *n == at).unwrap_or(0);
    let last = rows.iter().rposition(|(n, ..)| *n == at).unwrap_or(0);
    let top = if last < room { 0 } else { first.min((last + 1).saturating_sub(room)).max(first.saturating_sub(room / 3)) };
    let top = top.min(rows.len().saturating_sub(room));
    let mut y = y;
    for (n, rota, seat) in rows.into_iter().skip(top).take(room) {
        lanes::label(canvas, y, calendar.x, rota, seat);
        calendar.lane(canvas, y, rota, seat, view);
        if n == at && rota.first_place() == seat.place {
            canvas.select(y);
        }
        y += 1;
    }
    y
}

/// What is wrong in the time that is drawn: nobody, or two. What comes again is one line, with how often.
fn wrong(view: View<'_>, span: Interval) -> Vec<(&'static str, Role, String)> {
    let mut all: Vec<(&'static str, Role, String, Interval, usize)> = Vec::new();
    let mut tell = |mark, role, words: String, during: Interval| match all.iter_mut().find(|(.., told, _, _)| *told == words) {
        Some((.., more)) => *more += 1,
        None => all.push((mark, role, words, during, 0)),
    };
    let shown = |during: Interval| {
        let length = super::Age::secs((during.to - during.from).as_seconds_f64());
        let zone = view.ui.settings.time_zone;
        let (from, to) = (during.from.with_timezone(&zone), during.to.with_timezone(&zone));
        let end = if from.date_naive() == to.date_naive() { "%H:%M" } else { "%a %-d %H:%M" };
        format!("{}–{} ({length})", from.format("%a %-d %H:%M"), to.format(end))
    };
    for rota in &view.snapshot.rotas {
        for gap in rota.gaps.iter().filter(|g| g.from.is_none_or(|from| from < span.to)) {
            let during = Interval { from: gap.from.unwrap_or(view.now), to: gap.to.unwrap_or(span.to) };
            tell("!", Role::Critical, format!("{}: nobody", rota.name), during);
        }
        for double in rota.double.iter().filter(|d| d.during.from < span.to) {
            let what = match &double.what {
                Doubled::People(seat, one, other) => format!("{one} and {other} are both {seat}"),
                Doubled::Seats(who, one, other) => format!("{who} is both {one} and {other}"),
            };
            tell("×", Role::Warning, format!("{}: {what}", rota.name), double.during);
        }
        if rota.seats.iter().any(|s| s.now == Held::Unknown) {
            let source = rota.sources().first().map_or("its source", |s| s.as_str());
            let now = Interval { from: view.now, to: view.now };
            tell("?", Role::Unknown, format!("{}: {source} has not told who is on call", rota.name), now);
        }
    }
    all.sort_by_key(|(mark, .., during, _)| (*mark != "!", during.from));
    let sentence = |words: String, during: Interval, more: usize| match (during.to > during.from, more) {
        (false, _) => words,
        (true, 0) => format!("{words} {}", shown(during)),
        (true, more) => format!("{words} {}, and {more} more", shown(during)),
    };
    all.into_iter().map(|(mark, role, words, during, more)| (mark, role, sentence(words, during, more))).collect()
}

/// Columns of the account: head, first column, width.
const COLUMNS: [(&str, u16, u16); 6] =
    [("hours", 12, 6), ("pages", 19, 6), ("nights", 26, 7), ("weekend h", 34, 10), ("in a row", 45, 9), ("local", 55, 10)];
/// Where the share against the mean stands.
const AGAINST: u16 = 67;

/// What being on call has cost whom, over thirty days.
fn account_of(canvas: &mut Canvas<'_>, y: u16, rota: &Rota, view: View<'_>) {
    let h = canvas.height();
    if y >= h {
        return;
    }
    let Some(fairness) = &rota.fairness else {
        canvas.rule(y, &format!("{}, fairness", rota.name), format_args!("no account"), false);
        let source = rota.sources().first().map_or("its source", |s| s.as_str());
        let words = format!("{source} tells who is on call, not who was: what it has cost whom is not known");
        canvas.text(1, y + 1, canvas.width().saturating_sub(2), Role::Muted, &words);
        return;
    };
    let title = format!("{}, fairness of 30 days", rota.name);
    match fairness.balance.overall {
        Some(overall) if canvas.width() < 100 => canvas.rule(y, &title, format_args!("balance {:.0} %", overall * 100.0), false),
        _ => canvas.rule(y, &title, format_args!("{}", Balanced(&fairness.balance)), false),
    }
    head(canvas, y + 1);
    let rows = fairness.people.len();
    for (row, burden) in (y + 2..h).zip(&fairness.people) {
        person(canvas, row, rota, burden, fairness, view);
    }
    let basis = y + 3 + u16::try_from(rows).unwrap_or(u16::MAX / 2);
    let words = "nights: pages in one's own night; in a row: nights with pages; balance: 100 % if all carry the same, 0 % if one carries all; \
                 a page falls on who had the pager, as own rules, open alerts and the journal tell";
    let lines = wrap(words, canvas.width().saturating_sub(2));
    if usize::from(h.saturating_sub(basis)) < lines.len() {
        return;
    }
    for (row, line) in (basis..h).zip(lines) {
        canvas.text(1, row, canvas.width().saturating_sub(2), Role::Muted, &line);
    }
}

fn head(canvas: &mut Canvas<'_>, y: u16) {
    for (name, x, width) in COLUMNS {
        canvas.right(x, y, width, Role::Muted, format_args!("{name}"));
    }
    canvas.text(AGAINST, y, canvas.width().saturating_sub(AGAINST + 1), Role::Muted, "against mean");
}

fn person(canvas: &mut Canvas<'_>, y: u16, rota: &Rota, burden: &Burden, fairness: &Fairness, view: View<'_>) {
    canvas.text(1, y, 11, Role::Text, burden.who.as_str());
    let local = local(rota, &burden.who, view).unwrap_or_else(|| "—".to_owned());
    let row = burden.nights_in_a_row_now.max(burden.nights_in_a_row);
    let figures = [
        format!("{:.0}", burden.hours),
        burden.pages.to_string(),
        burden.night_pages.to_string(),
        format!("{:.0}", burden.weekend_hours),
        row.to_string(),
        local,
    ];
    for ((name, x, width), figure) in COLUMNS.into_iter().zip(figures) {
        let tired = name == "in a row" && row >= 3;
        let role = if tired { Role::Warning } else { Role::Text };
        canvas.right(x, y, width, role, format_args!("{figure}"));
    }
    against(canvas, y, burden, fairness);
}

/// `━━━━━━╸ +38 %`: twice the mean fills the bar.
fn against(canvas: &mut Canvas<'_>, y: u16, burden: &Burden, fairness: &Fairness) {
    let Some(share) = burden.against_mean else {
        canvas.text(AGAINST, y, 1, Role::Muted, "—");
        return;
    };
    let w = canvas.width();
    let bar = w.saturating_sub(AGAINST + 9).min(24);
    let halves = ((1.0 + share).max(0.0) * f64::from(bar)).round().min(f64::from(bar) * 2.0) as u16;
    let role = if share > 0.25 && fairness.people.len() > 1 { Role::Warning } else { Role::Chart };
    let full = if bar >= 8 { halves / 2 } else { 0 };
    for x in 0..full {
        canvas.text(AGAINST + x, y, 1, role, "━");
    }
    let half = bar >= 8 && halves % 2 == 1;
    let end = if half { canvas.text(AGAINST + full, y, 1, role, "╸") } else { AGAINST + full };
    let sign = if share < 0.0 { "−" } else { "+" };
    let gap = u16::from(end > AGAINST);
    canvas.write(end + gap, y, w.saturating_sub(end + gap), Role::Text, format_args!("{sign}{:.0} %", share.abs() * 100.0));
}

/// `balance 86 % · hours 95 % · pages 70 % · nights 61 % · weekends —`
struct Balanced<'a>(&'a Balance);

impl std::fmt::Display for Balanced<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Balance { hours, weekend_hours, pages, night_pages, overall } = *self.0;
        let all = [("balance", overall), ("hours", hours), ("pages", pages), ("nights", night_pages), ("weekends", weekend_hours)];
        for (n, (name, share)) in all.into_iter().enumerate() {
            if n > 0 {
                f.write_str(" · ")?;
            }
            match share {
                Some(share) => write!(f, "{name} {:.0} %", share * 100.0)?,
                None => write!(f, "{name} —")?,
            }
        }
        Ok(())
    }
}
