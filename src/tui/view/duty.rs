//! Who is on call, in a line: in the head of every screen and in the overview's pane.

use super::{
    super::{answers::Answers, theme::Role},
    View,
    canvas::{Canvas, cells},
};
use crate::domain::{Handoff, Held, Rota, SeatRow, Text};

/// The rota that the head tells of: that of the worst thing's service, else the first.
pub fn leading(view: View<'_>) -> Option<&Rota> {
    let service = view.ui.answers.as_ref().and_then(Answers::service);
    let of_service = service.and_then(|service| view.snapshot.rota_of(&service));
    of_service.or_else(|| view.snapshot.rotas.first()).map(|rota| &**rota)
}

/// Who holds it in a few words, `~` before what may be old, and how that is meant.
pub fn holder(rota: &Rota, seat: &SeatRow) -> (String, Role) {
    match &seat.now {
        Held::By(shifts) => {
            let names: Vec<_> = shifts.iter().map(|s| s.who.as_str()).collect();
            let role = match (rota.stale, shifts.len()) {
                (true, _) => Role::Stale,
                (false, 1) => Role::Emphasis,
                (false, _) => Role::Warning,
            };
            let mark = if rota.stale { "~" } else { "" };
            (format!("{mark}{}", names.join("+")), role)
        }
        Held::Nobody(_) => ("nobody".to_owned(), Role::Critical),
        Held::Unknown => ("?".to_owned(), Role::Unknown),
    }
}

/// `jon`, `nobody`.
pub fn next_who(next: &Handoff) -> &str {
    next.who.as_ref().map_or("nobody", Text::as_str)
}

/// `on call maya → jon in 3h27m`, shorter where there is less room, right-aligned in the `width` cells from `x`.
pub fn head(canvas: &mut Canvas<'_>, x: u16, width: u16, view: View<'_>) {
    let Some(rota) = leading(view) else { return };
    let Some(seat) = rota.pager() else { return };
    let (who, role) = holder(rota, seat);
    let next = seat.next.as_ref().map(|next| {
        let wait = super::Age::between(view.now, next.at).in_steps(view.ui.settings.low_bandwidth);
        (next_who(next).to_owned(), wait.to_string())
    });
    let long = next.as_ref().map_or_else(String::new, |(to, wait)| format!(" → {to} in {wait}"));
    let short = next.as_ref().map_or_else(String::new, |(to, wait)| format!(" → {to} {wait}"));
    for (before, after) in [("on call ", &long), ("", &short), ("", &String::new())] {
        let used = cells(before) + cells(&who) + cells(after);
        if used <= width {
            let at = canvas.text(x + width - used, 0, used, Role::Muted, before);
            let at = canvas.text(at, 0, used, role, &who);
            canvas.text(at, 0, used, Role::Text, after);
            return;
        }
    }
}

/// The pane of the overview: ` payments   maya   → jon 18:00      second jon   mentor ines`.
pub fn pane(canvas: &mut Canvas<'_>, view: View<'_>) {
    let rotas = &view.snapshot.rotas;
    let shown = usize::from(canvas.height().saturating_sub(1));
    if rotas.len() > shown {
        canvas.rule(0, "On call", format_args!("{} shown {shown}", rotas.len()), false);
    } else {
        canvas.rule(0, "On call", format_args!(""), false);
    }
    let widest = |of: fn(&Rota) -> u16, least: u16, most: u16| rotas.iter().map(|r| of(r)).max().unwrap_or(0).clamp(least, most);
    let name = widest(|r| cells(r.name.as_str()), 8, 14);
    let who = widest(|r| r.pager().map_or(0, |seat| cells(&holder(r, seat).0)), 4, 12);
    let nexts = rotas.iter().filter(|r| r.seats.len() > 1).filter_map(|r| Some(cells(&next_words(r, r.pager()?, view))));
    let columns = [name, who, nexts.max().unwrap_or(0).clamp(8, 20)];
    for (y, rota) in (1..canvas.height()).zip(rotas) {
        line(canvas, y, rota, columns, view);
    }
}

fn line(canvas: &mut Canvas<'_>, y: u16, rota: &Rota, [name, who, next]: [u16; 3], view: View<'_>) {
    let w = canvas.width();
    canvas.text(1, y, name, Role::Text, rota.name.as_str());
    let Some(seat) = rota.pager() else { return };
    let (holder, role) = holder(rota, seat);
    let x = name + 4;
    canvas.text(x, y, who, role, &holder);
    let x = x + who + 2;
    let words = next_words(rota, seat, view);
    let end = canvas.text(x, y, w.saturating_sub(x + 1), if rota.stale { Role::Stale } else { Role::Muted }, &words);
    let mut at = end.max(x + next) + 3;
    for seat in rota.seats.iter().skip(1) {
        let Some(shift) = seat.now.shift() else { continue };
        let label = seat_word(seat);
        let used = cells(&label) + 1 + cells(shift.who.as_str());
        if at + used >= w {
            break;
        }
        at = canvas.text(at, y, used, Role::Muted, &label) + 1;
        at = canvas.text(at, y, used, Role::Text, shift.who.as_str()) + 3;
    }
}

/// `→ jon 18:00`; where it is kept and has not answered, since when nothing was heard.
fn next_words(rota: &Rota, seat: &SeatRow, view: View<'_>) -> String {
    let kept = rota.sources().first();
    match (&seat.next, &seat.now, kept) {
        (_, Held::Unknown, Some(source)) => format!("{source} has not told"),
        (Some(next), ..) => format!("→ {} {}", next_who(next), view.when(next.at, false)),
        (None, ..) => "for good".to_owned(),
    }
}

/// `second`, `mentor`, `level 3`.
pub fn seat_word(seat: &SeatRow) -> String {
    let word = seat.place.to_string();
    if word == "secondary" { "second".to_owned() } else { word }
}
