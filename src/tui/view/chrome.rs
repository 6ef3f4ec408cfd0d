//! What every screen has at the same places: identity, verdict, screens, the answers, sources.

use std::fmt::Write as _;

use super::{
    super::{
        action::Action,
        answers::{Answers, Worst},
        layout::SMALLEST,
        state::Screen,
        theme::Role,
        widgets::figures::{Age, Burn, When},
    },
    View,
    canvas::{Canvas, cells, wrap},
    duty, figure,
};
use crate::domain::{Freshness, LeaseView, QueueState, SourceRow, Text};

/// All that is drawn on a terminal that is too small: the verdict, and why there is no more.
pub fn too_small(canvas: &mut Canvas<'_>, view: View<'_>) {
    let (w, h) = (canvas.width(), canvas.height());
    verdict(canvas, 0, view);
    let words = format!("burnwatch needs {}x{}, this is {w}x{h}", SMALLEST.0, SMALLEST.1);
    for (y, line) in (1..h).zip(wrap(&words, w)) {
        canvas.text(0, y, w, Role::Text, &line);
    }
}

fn verdict(canvas: &mut Canvas<'_>, x: u16, view: View<'_>) -> u16 {
    let (mark, role) = figure::of_verdict(view.snapshot.verdict);
    let word = view.snapshot.verdict.word();
    let at = canvas.chip(x, 0, 3, role, &format!(" {mark} "));
    canvas.chip(at, 0, 12, role, &format!("{word} "))
}

/// ` burnwatch  acme-prod   ● critical   2 pages  1 ticket                14:32:08 CEST `
pub fn head(canvas: &mut Canvas<'_>, view: View<'_>) {
    let (w, settings) = (canvas.width(), &view.ui.settings);
    let tight = u16::from(w < 100);
    let at = canvas.text(1, 0, 9, Role::Muted, "burnwatch");
    let at = canvas.text(at + 2 - tight, 0, w.saturating_sub(46).min(32), Role::Emphasis, settings.name.as_str());
    let mut at = verdict(canvas, at + 3 - tight, view) + 2 - tight;
    let (pages, tickets) = view.ui.open;
    for (count, word) in [(pages, "page"), (tickets, "ticket")] {
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            at = canvas.write(at, 0, w.saturating_sub(at + 16), Role::Text, format_args!("{count} {word}{plural}")) + 2;
        }
    }
    if settings.read_only {
        at = canvas.text(at, 0, w.saturating_sub(at + 16), Role::Muted, "read-only") + 2;
    }
    let local = view.now.with_timezone(&settings.time_zone);
    // Below 100 columns the zone gives way to who is on call.
    let zone = if tight == 1 && !view.snapshot.rotas.is_empty() { String::new() } else { local.format("%Z").to_string() };
    let (clock, seconds) = (local.format("%H:%M").to_string(), local.format(":%S").to_string());
    let seconds = if settings.low_bandwidth { "" } else { &seconds };
    let width = cells(&zone) + u16::from(!zone.is_empty()) + cells(&clock) + cells(seconds);
    let gap = if w >= 100 { 4 } else { 2 };
    // On a narrow line every cell counts: the clock then ends where the line does.
    let clock_at = w.saturating_sub(width + 1 - u16::from(zone.is_empty()));
    duty::head(canvas, at, clock_at.saturating_sub(at + gap), view);
    // The seconds are plain like the ages: what changes each second needs one ink.
    let at = canvas.text(clock_at, 0, width, Role::Emphasis, &clock);
    let at = canvas.text(at, 0, width, Role::Text, seconds);
    canvas.text(at + 1, 0, width, Role::Muted, &zone);
}

/// ` 1 Overview  2 SLOs  3 Incidents  0 Sources`: the open one is a chip.
pub fn tabs(canvas: &mut Canvas<'_>, view: View<'_>) {
    let (mut at, w) = (1, canvas.width());
    for screen in Screen::ALL {
        let (key, name) = screen.name();
        if screen == view.ui.screen.tab() {
            at = canvas.chip(at, 0, w, Role::Accent, &format!(" {key} {name} "));
        } else {
            at = canvas.write(at, 0, w, Role::Accent, format_args!(" {key} "));
            at = canvas.write(at, 0, w, Role::Muted, format_args!("{name} "));
        }
    }
}

/// ` ▲ lapses in 9m  held by jon  orders: queue stalled  and 1 more`: the acknowledgement that ends next, if that is soon.
pub fn lapsing(canvas: &mut Canvas<'_>, view: View<'_>) {
    let Some((next, others)) = view.ui.lapsing.split_first() else { return };
    let more = if others.is_empty() { String::new() } else { format!("and {} more", others.len()) };
    let room = canvas.width().saturating_sub(if more.is_empty() { 1 } else { cells(&more) + 3 });
    let left = Age::between(view.now, next.ends).in_steps(view.ui.settings.low_bandwidth);
    let at = canvas.write(1, 0, room, Role::Warning, format_args!("▲ lapses in {left}")) + 2;
    let who = next.incident.ack.as_ref().map(|a| a.by.to_string()).unwrap_or_default();
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Muted, "held by ");
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Emphasis, &who) + 2;
    let at = canvas.text(at, 0, room.saturating_sub(at), Role::Text, next.incident.title.as_str()) + 2;
    canvas.text(at, 0, canvas.width().saturating_sub(at + 1), Role::Muted, &more);
}

/// The answers, in columns that never move; one line where there is less room.
pub fn band(canvas: &mut Canvas<'_>, view: View<'_>) {
    match &view.ui.answers {
        None => calm(canvas, view),
        Some(answers) if canvas.height() > 1 => columns(canvas, answers, view),
        Some(answers) => line(canvas, answers, view),
    }
}

/// What the band says when there is nothing to answer; never that all is well while something cannot be seen.
fn calm(canvas: &mut Canvas<'_>, view: View<'_>) {
    let (w, y) = (canvas.width(), canvas.height().saturating_sub(1));
    let blind = view.snapshot.is_blind();
    if let Some(worry) = worry(view) {
        let at = canvas.write(1, y, w - 2, Role::Warning, format_args!("▲ {worry}"));
        if blind {
            canvas.text(at, y, w.saturating_sub(at + 1), Role::Unknown, "; something cannot be seen");
        }
        return;
    }
    if blind {
        let failing = view.snapshot.sources.iter().find(|s| s.state == Freshness::Failing);
        let why = failing.map_or_else(|| "something cannot be seen".to_owned(), |source| trouble(source, view));
        canvas.write(1, y, w - 2, Role::Unknown, format_args!("nothing known to burn; {why}"));
        return;
    }
    let at = match view.snapshot.calm_since {
        Some(since) => canvas.write(1, y, w - 2, Role::Text, format_args!("nothing burning for {}", view.age(since))),
        None => canvas.text(1, y, w - 2, Role::Text, "nothing burning"),
    };
    if let Some(next) = duty::leading(view).and_then(|rota| rota.pager()?.next.as_ref()) {
        let (who, when) = (duty::next_who(next), view.when(next.at, false));
        canvas.write(at, y, w.saturating_sub(at + 1), Role::Muted, format_args!(" · next handoff {who} {when}"));
    }
}

/// What is to be looked at though nothing burns: a queue that piles up, a certificate that ends soon.
fn worry(view: View<'_>) -> Option<String> {
    let late = view.snapshot.queues.iter().find(|row| row.state == QueueState::Backlog);
    let late = late.map(|row| format!("{} piles up: {}", row.id, super::queues::sentence(row, view.now)));
    late.or_else(|| view.snapshot.certificate_warnings().next().map(|(source, words)| format!("{source}: {words}")))
}

/// ```text
///  BURNING                            SINCE             HELD BY                NEXT
///  ● checkout availability 82.2×      14:20 · 12m       nobody                 a acknowledge
/// ```
fn columns(canvas: &mut Canvas<'_>, answers: &Answers, view: View<'_>) {
    let spots = if canvas.width() >= 160 { [1, 62, 84, 118] } else { [1, 36, 54, 77] };
    for (x, head) in spots.into_iter().zip(["BURNING", "SINCE", "HELD BY", "NEXT"]) {
        canvas.text(x, 0, 10, Role::Muted, head);
    }
    let [x, since_at, held_at, next_at] = spots;
    let role = if answers.pages { Role::Critical } else { Role::Warning };
    let (mark, what) = burning(answers);
    let at = canvas.write(x, 1, 2, role, format_args!("{mark} "));
    let figure = burn_of(answers);
    let room = (since_at - at).saturating_sub(cells(&figure) + 3);
    let at = canvas.text(at, 1, room, role, &what);
    canvas.text(at + 1, 1, 9, role, &figure);
    match answers.since {
        Some(at) => {
            let x = canvas.write(since_at, 1, held_at - since_at, Role::Emphasis, format_args!("{}", view.when(at, false)));
            canvas.write(x, 1, held_at - x, Role::Muted, format_args!(" · {}", view.age(at)));
        }
        None => _ = canvas.text(since_at, 1, 16, Role::Muted, "—"),
    }
    held(canvas, (held_at, 1), next_at - held_at - 1, answers, view);
    next(canvas, (next_at, 1), canvas.width() - next_at - 1, answers, view);
}

/// ` ● checkout availability 82.2×  since 14:20  held by nobody  a acknowledge`
fn line(canvas: &mut Canvas<'_>, answers: &Answers, view: View<'_>) {
    let w = canvas.width();
    let role = if answers.pages { Role::Critical } else { Role::Warning };
    let (mark, what) = burning(answers);
    let figure = burn_of(answers);
    let at = canvas.write(1, 0, 2, role, format_args!("{mark} "));
    let at = canvas.text(at, 0, w.saturating_sub(54).max(12), role, &what);
    let mut at = canvas.text(at + 1, 0, 9, role, &figure) + 1 + u16::from(!figure.is_empty());
    if let Some(since) = answers.since {
        at = canvas.text(at, 0, 6, Role::Muted, "since ");
        at = canvas.write(at, 0, 9, Role::Emphasis, format_args!("{}", view.when(since, false))) + 2;
    }
    // The title of a runbook may be cut; who has it may not.
    let next_width = (cells(&next_words(answers, view).1) + 3).min(w.saturating_sub(at + 16));
    if answers.incident.is_some() {
        at = canvas.text(at, 0, 8, Role::Muted, "held by ");
        at = held(canvas, (at, 0), w.saturating_sub(at + next_width + 2), answers, view) + 2;
    }
    next(canvas, (at, 0), w.saturating_sub(at + 1), answers, view);
}

fn burning(answers: &Answers) -> (&'static str, String) {
    let mark = if answers.pages { "●" } else { "▲" };
    match &answers.worst {
        Worst::Slo(row) => (mark, format!("{} {}", row.service, row.title())),
        Worst::Incident(incident) => (mark, incident.title.to_string()),
    }
}

fn burn_of(answers: &Answers) -> String {
    match &answers.worst {
        Worst::Slo(row) if row.firing().is_none() => "overspent".to_owned(),
        Worst::Slo(row) => Burn(row.now().and_then(|f| f.burn).map(|b| b.0)).to_string(),
        Worst::Incident(_) => String::new(),
    }
}

fn held(canvas: &mut Canvas<'_>, at: (u16, u16), width: u16, answers: &Answers, view: View<'_>) -> u16 {
    let (x, y) = at;
    match &answers.incident {
        None => canvas.text(x, y, width, Role::Muted, "no incident"),
        Some(incident) => match &incident.ack {
            Some(ack) => figure::held_by(canvas, at, width, ack, view),
            None if incident.lapsed.is_none() && incident.wants_somebody() => {
                let role = if incident.severity.pages() { Role::Critical } else { Role::Text };
                canvas.text(x, y, width, role, "nobody")
            }
            None => figure::holder(canvas, at, width, incident, view),
        },
    }
}

/// The next key and what it does: the runbook that matches, or acknowledge, if that is what the key would do from here, else the way
/// there.
fn next_words(answers: &Answers, view: View<'_>) -> (Option<Action>, String) {
    let here = view.ui.actionable();
    let would_open = view.ui.for_incident().filter(|_| view.ui.screen != Screen::Runbooks);
    let matching = answers.incident.as_ref().and_then(|i| {
        let books = view.ui.matching(i);
        let watched = books.iter().any(|(book, _)| view.snapshot.watched_run(&book.id, &i.id).is_some());
        if watched { Some("watch the effect".to_owned()) } else { books.first().map(|(book, _)| book.title.to_string()) }
    });
    if let Some(open) = view.ui.open_book().filter(|_| view.ui.acting_is_off().is_none()) {
        let over = open.run(view.ui).is_some_and(|run| run.state().is_over());
        return if !over && super::prompt::goes_on(view.ui, open) {
            (Some(Action::Open), "next step".to_owned())
        } else {
            (None, String::new())
        };
    }
    match &answers.incident {
        Some(worst) if matching.is_some() && would_open.is_some_and(|i| i.id == worst.id) => {
            (Some(Action::Runbook), matching.unwrap_or_default())
        }
        Some(worst) if here.as_ref().is_none_or(|i| i.id != worst.id) => match view.ui.screen {
            _ if view.ui.detail.is_some() => (Some(Action::Go(Screen::Overview)), "overview".to_owned()),
            screen if !screen.lists() => (Some(Action::Go(Screen::Overview)), "overview".to_owned()),
            // It stands in another list than the cursor.
            Screen::Overview if !view.ui.on_incidents() && matches!(answers.worst, Worst::Incident(_)) => {
                (Some(Action::NextPane), "to the incidents".to_owned())
            }
            Screen::Slos | Screen::Queues if matches!(answers.worst, Worst::Incident(_)) => {
                (Some(Action::Go(Screen::Incidents)), "incidents".to_owned())
            }
            _ => (Some(Action::First), "go to the worst".to_owned()),
        },
        Some(worst) if worst.ack.is_none() && view.ui.acting_is_off().is_none() => (Some(Action::Acknowledge), "acknowledge".to_owned()),
        _ if view.ui.detail.is_none() => (Some(Action::Open), "open".to_owned()),
        _ => (None, String::new()),
    }
}

fn next(canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, answers: &Answers, view: View<'_>) {
    let (action, words) = next_words(answers, view);
    let Some(chord) = action.and_then(|a| view.ui.keymap.chord_of(&a)) else { return };
    let at = canvas.write(x, y, width, Role::Accent, format_args!("{chord} "));
    canvas.text(at, y, width.saturating_sub(at - x), Role::Emphasis, &words);
}

/// ` prom 5s · am 5s`: trouble first and in words, ages of the rest, and the command by which another cockpit joins.
pub fn sources(canvas: &mut Canvas<'_>, view: View<'_>) {
    let w = canvas.width();
    let store = &view.snapshot.store;
    let hint = view.ui.settings.footer_hint.as_ref();
    let hint_width = hint.map_or(0, |h| cells(h.as_str()) + 8);
    let troubled = store.trouble.is_some() || view.snapshot.sources.iter().any(|s| s.state == Freshness::Failing);
    let room = if troubled { w } else { w.saturating_sub(hint_width) };
    let mut at = 1;
    if let Some(trouble) = &store.trouble {
        at = canvas.write(at, 0, room.saturating_sub(at + 1), Role::Warning, format_args!("{trouble}; watching goes on, acting is off"));
        at = separator(canvas, at, room);
    }
    let mut rows: Vec<&SourceRow> = view.snapshot.sources.iter().collect();
    rows.sort_by_key(|s| {
        (
            std::cmp::Reverse(rank(s.state).max(u8::from(view.snapshot.certificate_warning(&s.name).is_some()))),
            if s.state == Freshness::Fresh { None } else { s.last_success },
        )
    });
    for (n, row) in rows.iter().enumerate() {
        let more = rows.len() - n;
        if at + 16 > room && n > 0 {
            if at + 8 < room {
                canvas.write(at, 0, room - at, Role::Muted, format_args!("{more} more"));
            }
            break;
        }
        at = source(canvas, at, room, row, view);
        if more > 1 {
            at = separator(canvas, at, room);
        }
    }
    if rows.is_empty() && store.trouble.is_none() {
        at = canvas.text(1, 0, room, Role::Muted, "no sources yet");
    }
    if let LeaseView::Theirs(who) = &store.lease
        && at + cells(who.as_str()) + 14 < room
    {
        let x = separator(canvas, at, room);
        canvas.write(x, 0, room.saturating_sub(x), Role::Muted, format_args!("polled by {who}"));
    }
    if let (Some(hint), false) = (hint, troubled) {
        join(canvas, hint, at, w);
    }
}

/// The command stands at the right, whole, for it is there to be copied; where it cannot, it takes the line, in the end without its
/// label.
fn join(canvas: &mut Canvas<'_>, hint: &Text, used: u16, w: u16) {
    let label = if cells(hint.as_str()) + 8 <= w { "join: " } else { "" };
    let width = cells(hint.as_str()) + cells(label);
    if w < used + width + 2 {
        canvas.blank(0);
    }
    let x = w.saturating_sub(width + 1).max(u16::from(width < w));
    let at = canvas.text(x, 0, cells(label), Role::Muted, label);
    canvas.text(at, 0, w.saturating_sub(at), Role::Accent, hint.as_str());
}

fn separator(canvas: &mut Canvas<'_>, at: u16, room: u16) -> u16 {
    canvas.text(at, 0, room.saturating_sub(at), Role::Border, " · ")
}

const fn rank(state: Freshness) -> u8 {
    match state {
        Freshness::Failing => 3,
        Freshness::Stale => 2,
        Freshness::Starting => 1,
        Freshness::Fresh => 0,
    }
}

fn source(canvas: &mut Canvas<'_>, x: u16, room: u16, row: &SourceRow, view: View<'_>) -> u16 {
    let left = |at: u16| room.saturating_sub(at);
    match (row.state, row.last_success) {
        (Freshness::Fresh, Some(at)) => {
            let x = canvas.write(x, 0, left(x), Role::Muted, format_args!("{} ", row.name));
            // Three cells whatever the age, so that its neighbours stay where they are.
            let x = canvas.write(x, 0, left(x), Role::Text, format_args!("{}", view.age(at))).max(x + 3);
            match view.snapshot.certificate_warning(&row.name) {
                Some(warning) => canvas.write(x, 0, left(x), Role::Warning, format_args!(" ▲ {warning}")),
                None if row.partial.is_some() => canvas.text(x, 0, left(x), Role::Unknown, " partial"),
                None => x,
            }
        }
        (Freshness::Failing, _) => canvas.text(x, 0, left(x), Role::Warning, &trouble(row, view)),
        (Freshness::Stale, Some(at)) => canvas.write(x, 0, left(x), Role::Stale, format_args!("{} ~ {} old", row.name, view.age(at))),
        (Freshness::Starting, _) => canvas.write(x, 0, left(x), Role::Accent, format_args!("{} … {}", row.name, view.age(view.ui.started))),
        _ => canvas.write(x, 0, left(x), Role::Stale, format_args!("{} {}", row.name, row.state.word())),
    }
}

/// `prom: no answer in time (3rd time), figures from 14:29; next try 14:33`
pub fn trouble(row: &SourceRow, view: View<'_>) -> String {
    let time = |at| When { at, now: view.now, zone: view.ui.settings.time_zone, seconds: false };
    // Writing to a String does not fail.
    let mut text = row.name.to_string();
    match &row.fault {
        Some(fault) => text.extend([": ", fault.class.words()]),
        None => text.extend([": ", row.state.word()]),
    }
    if row.failures > 1 {
        let _ = write!(text, " ({} time)", ordinal(row.failures));
    }
    match row.last_success {
        Some(at) => _ = write!(text, ", figures from {}", time(at)),
        None => text.push_str(", never answered"),
    }
    if let Some(at) = row.next_try.filter(|at| *at > view.now) {
        let wait = Age::between(view.now, at).in_steps(view.ui.settings.low_bandwidth);
        let _ = write!(text, "; next try in {wait}");
    }
    text
}

fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}
