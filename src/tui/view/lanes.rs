//! Lanes: who holds which place over one or two weeks, a cell for some hours.
//!
//! ```text
//! ━━ week 47 ━━━━━━━ Mon 16 ━━━━━━ Tue 17 ━━━━━━ Wed 18 ━━━━━━ Thu 19 ━━━━━━
//! ▌payments primary  maya━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━│jon──
//!           second   jon─────────────────────────────────────────────────│ana──
//!  data     primary  sam──────────────────────────────────────────────────│lena
//!                                                              ▲ now
//! ```
//!
//! Days are days of the calendar: each has as many cells as the next, also where clocks change and it is an hour shorter. A cell in which
//! nobody has the pager, be it for a minute, is marked; so is one in which two may believe that it is theirs.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::{
    super::theme::Role,
    View,
    canvas::{Canvas, cells},
    duty::seat_word,
};
use crate::domain::{Cover, Doubled, Interval, Rota, SeatRow, Shift, midnight, wall};

/// Cells of a day from which two weeks are shown.
const ROOMY: u16 = 10;

/// The time that the lanes cover, and where it is drawn.
pub struct Calendar {
    first: NaiveDate,
    days: u16,
    /// Cells of a day.
    wide: u16,
    /// The column of the first cell.
    pub x: u16,
    zone: Tz,
}

impl Calendar {
    /// As many days as fit from column `x` on: from this week's Monday, on a weekend from its Friday if there is room for one week only.
    pub fn new(width: u16, x: u16, zone: Tz, now: DateTime<Utc>) -> Self {
        let room = width.saturating_sub(x + 1);
        let days: u16 = if room / 14 >= ROOMY { 14 } else { 7 };
        let today = wall(zone, now).date();
        let weekday = today.weekday();
        let back = match weekday {
            Weekday::Sat | Weekday::Sun if days == 7 => weekday.num_days_from_monday() - 4,
            _ => weekday.num_days_from_monday(),
        };
        let first = today.checked_sub_days(Days::new(u64::from(back))).unwrap_or(today);
        Self { first, days, wide: (room / days).max(1), x, zone }
    }
    fn day(&self, n: u16) -> NaiveDate {
        self.first.checked_add_days(Days::new(u64::from(n))).unwrap_or(self.first)
    }
    /// All of it.
    pub fn span(&self) -> Interval {
        Interval { from: midnight(self.zone, self.first), to: midnight(self.zone, self.day(self.days)) }
    }
    fn cells(&self) -> u16 {
        self.days * self.wide
    }
    /// When a cell begins.
    fn begin(&self, cell: u16) -> DateTime<Utc> {
        let (day, part) = (cell / self.wide, cell % self.wide);
        let (from, to) = (midnight(self.zone, self.day(day)), midnight(self.zone, self.day(day + 1)));
        from + TimeDelta::seconds((to - from).num_seconds() * i64::from(part) / i64::from(self.wide))
    }
    /// The cell that `at` lies in; the nearest one if it lies outside.
    fn cell(&self, at: DateTime<Utc>) -> u16 {
        let (mut low, mut high) = (0, self.cells());
        while low < high {
            let middle = low.midpoint(high);
            if self.begin(middle) <= at { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }
    /// The cells that a stretch of time touches, from and to.
    fn touched(&self, part: Interval) -> (u16, u16) {
        let last = self.cell(part.to - TimeDelta::nanoseconds(1));
        (self.cell(part.from), (last + 1).min(self.cells()))
    }

    /// The rule above the lanes, with its days.
    pub fn rule(&self, canvas: &mut Canvas<'_>, y: u16, view: View<'_>) {
        let (first, last) = (self.first.iso_week().week(), self.day(self.days - 1).iso_week().week());
        let title = if first == last { format!("week {first}") } else { format!("weeks {first}–{last}") };
        canvas.rule(y, &title, format_args!(""), true);
        let today = wall(self.zone, view.now).date();
        for n in 0..self.days {
            let day = self.day(n);
            let role = if day == today { Role::Emphasis } else { Role::Accent };
            let name = format!(" {} ", day.format("%a %-d"));
            canvas.text(self.x + n * self.wide, y, self.wide, role, &name);
        }
    }

    /// ` ▲ now` below the lanes.
    pub fn now(&self, canvas: &mut Canvas<'_>, y: u16, view: View<'_>) {
        let x = self.x + self.cell(view.now);
        canvas.text(x, y, 1, Role::Accent, "▲");
        let local = wall(self.zone, view.now).format("%H:%M");
        let words = format!("now {local}");
        let before = x + 2 + cells(&words) > canvas.width();
        let at = if before { x.saturating_sub(cells(&words) + 1) } else { x + 2 };
        canvas.text(at, y, cells(&words), Role::Muted, &words);
    }

    /// One lane.
    pub fn lane(&self, canvas: &mut Canvas<'_>, y: u16, rota: &Rota, seat: &SeatRow, view: View<'_>) {
        self.untold(canvas, y, rota);
        for shift in &seat.shifts {
            self.line(canvas, y, shift, view);
        }
        for double in rota.double.iter().filter(|d| is_on(&d.what, seat)) {
            self.mark(canvas, y, double.during, ("×", Role::Warning));
        }
        canvas.text(self.x + self.cell(view.now), y, 1, Role::Accent, "┃");
        for shift in &seat.shifts {
            self.name(canvas, y, rota, shift);
        }
        let span = self.span();
        for gap in rota.gaps.iter().filter(|_| seat.place == rota.first_place()) {
            let during = Interval { from: gap.from.unwrap_or(span.from), to: gap.to.unwrap_or(span.to) };
            self.mark(canvas, y, during, ("!", Role::Critical));
        }
    }

    /// Where a source has not told: dots, which are neither somebody nor nobody.
    fn untold(&self, canvas: &mut Canvas<'_>, y: u16, rota: &Rota) {
        for cell in 0..self.cells() {
            if !rota.knows(self.begin(cell)) {
                canvas.text(self.x + cell, y, 1, Role::Muted, "·");
            }
        }
    }
    fn line(&self, canvas: &mut Canvas<'_>, y: u16, shift: &Shift, view: View<'_>) {
        let Some(part) = shift.within(self.span()) else { return };
        let (from, to) = self.touched(part);
        let on = shift.contains(view.now);
        let (line, role) = if on { ("━", Role::Chart) } else { ("─", Role::Border) };
        for cell in from..to {
            canvas.text(self.x + cell, y, 1, role, line);
        }
    }
    fn name(&self, canvas: &mut Canvas<'_>, y: u16, rota: &Rota, shift: &Shift) {
        let Some(part) = shift.within(self.span()) else { return };
        let (mut from, to) = self.touched(part);
        if part.from > self.span().from {
            canvas.text(self.x + from, y, 1, Role::Muted, "│");
            from += 1;
        }
        let role = match (shift.cover, rota.stale) {
            (_, true) => Role::Stale,
            (Cover::Override, false) => Role::Accent,
            (Cover::Turn, false) => Role::Emphasis,
        };
        let whole = if shift.cover == Cover::Override { format!("{}, override", shift.who) } else { shift.who.to_string() };
        // The cell in which it ends belongs to the next one.
        let to = if part.to < self.span().to { self.cell(part.to) } else { to };
        let room = to.saturating_sub(from);
        let text = if cells(&whole) <= room { &whole } else { shift.who.as_str() };
        if room >= 2 || cells(text) <= room {
            canvas.text(self.x + from, y, room, role, text);
        }
    }
    /// Mark the cells that a stretch of time touches.
    fn mark(&self, canvas: &mut Canvas<'_>, y: u16, during: Interval, (mark, role): (&str, Role)) {
        let span = self.span();
        let part = Interval { from: during.from.max(span.from), to: during.to.min(span.to) };
        if part.from < part.to {
            let (from, to) = self.touched(part);
            (from..to).for_each(|cell| _ = canvas.text(self.x + cell, y, 1, role, mark));
        }
    }
}

fn is_on(what: &Doubled, seat: &SeatRow) -> bool {
    match what {
        Doubled::People(on, ..) => *on == seat.place.seat(),
        Doubled::Seats(_, one, other) => [*one, *other].contains(&seat.place.seat()),
    }
}

/// The words before a lane: the rota's name before its first, and the place.
pub fn label(canvas: &mut Canvas<'_>, y: u16, width: u16, rota: &Rota, seat: &SeatRow) {
    let first = rota.seats.first().is_some_and(|s| s.place == seat.place);
    let place = width.saturating_sub(9);
    if first {
        canvas.text(1, y, place.saturating_sub(2), Role::Text, rota.name.as_str());
    }
    canvas.text(place, y, 8, Role::Muted, &seat_word(seat));
}
