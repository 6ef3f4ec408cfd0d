//! Rotations against an independent computation: somebody who looks at the wall clock once a minute for 400 days.
//!
//! The observer knows no instants of handoffs. It keeps a list of wall times that are due, each worked out on paper (a table of month
//! lengths, a formula for the weekday), and every minute strikes out those that the clock on the wall has reached. However many are
//! struck out in one minute, the pager changes hands once. Only what the clock shows at a given minute is taken from the library.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

use burnwatch::domain::{Interval, Layer, Override, Rotation, Seat, Text};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

const DAYS: usize = 400;
const MINUTES: usize = DAYS * 24 * 60;
const NOBODY: u8 = b'-';
/// Both clock changes of north and south lie in the 400 days from here on, and no turn begins before.
/// The 29th of January 2026.
const BEGIN: i64 = 1_769_644_800;
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];

/// Year, month, day, hour, minute, as one number that grows with them.
type Stamp = u64;

#[derive(Clone, Copy)]
struct Paper {
    year: u64,
    month: u64,
    day: u64,
    minute: u64,
}

impl Paper {
    fn new(year: u64, month: u64, day: u64, minute: u64) -> Self {
        Self { year, month, day, minute }
    }
    fn stamp(self) -> Stamp {
        (self.year * 10_000 + self.month * 100 + self.day) * 10_000 + self.minute
    }
    fn month_length(year: u64, month: u64) -> u64 {
        match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
    fn tomorrow(self) -> Self {
        if self.day < Self::month_length(self.year, self.month) {
            Self { day: self.day + 1, ..self }
        } else if self.month < 12 {
            Self { month: self.month + 1, day: 1, ..self }
        } else {
            Self { year: self.year + 1, month: 1, day: 1, ..self }
        }
    }
    fn hours_later(self, hours: u64) -> Self {
        let mut later = Self { minute: self.minute + hours * 60, ..self };
        while later.minute >= 24 * 60 {
            later = Self { minute: later.minute - 24 * 60, ..later.tomorrow() };
        }
        later
    }
    fn days_later(self, days: u64) -> Self {
        (0..days).fold(self, |day, _| day.tomorrow())
    }
    /// From the first of all, so that February does not shorten March.
    fn months_later(self, months: u64) -> Self {
        let count = self.year * 12 + self.month - 1 + months;
        let (year, month) = (count / 12, count % 12 + 1);
        Self { year, month, day: self.day.min(Self::month_length(year, month)), ..self }
    }
    /// 0 is Monday: Zeller's congruence.
    fn weekday(self) -> u64 {
        let (y, m) = if self.month < 3 { (self.year - 1, self.month + 12) } else { (self.year, self.month) };
        let saturday_first = (self.day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7;
        (saturday_first + 5) % 7
    }
}

/// What the clock on the wall shows, minute by minute.
fn clock(zone: &str) -> Vec<Stamp> {
    let zone: Tz = zone.parse().unwrap();
    (0..MINUTES)
        .map(|m| {
            let local = minute(m).with_timezone(&zone);
            let minute = u64::from(local.hour() * 60 + local.minute());
            Paper::new(u64::try_from(local.year()).unwrap(), u64::from(local.month()), u64::from(local.day()), minute).stamp()
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Step {
    Hours(u64),
    Days(u64),
    Months,
}

/// A layer as the observer knows it.
#[derive(Clone)]
struct Sheet {
    people: &'static str,
    step: Step,
    first: Paper,
    /// Weekdays, from and to in minutes.
    only: Vec<(&'static [u64], u64, u64)>,
}

impl Sheet {
    fn due(&self, n: u64) -> Stamp {
        match self.step {
            Step::Hours(h) => self.first.hours_later(h * n),
            Step::Days(d) => self.first.days_later(d * n),
            Step::Months => self.first.months_later(n),
        }
        .stamp()
    }
    /// Who holds the pager each minute by this sheet alone.
    fn watch(&self, clock: &[Stamp]) -> Vec<u8> {
        let people = self.people.as_bytes();
        let (mut dues, mut struck, mut turn) = (self.dues(clock), 0, None::<usize>);
        dues.push(Stamp::MAX);
        let open = self.open(clock);
        let mut out = Vec::with_capacity(clock.len());
        for (shown, open) in clock.iter().zip(open) {
            let before = struck;
            while dues[struck] <= *shown {
                struck += 1;
            }
            if struck > before {
                turn = Some(turn.map_or(0, |t| t + 1));
            }
            out.push(turn.filter(|_| open).map_or(NOBODY, |t| people[t % people.len()]));
        }
        out
    }
    fn dues(&self, clock: &[Stamp]) -> Vec<Stamp> {
        let last = *clock.iter().max().unwrap();
        let (mut dues, mut at) = (Vec::new(), self.first);
        for n in 0.. {
            // Hours and days add up step by step; months are told from the first.
            let due = if matches!(self.step, Step::Months) { self.due(n) } else { at.stamp() };
            at = match self.step {
                Step::Hours(h) => at.hours_later(h),
                Step::Days(d) => at.days_later(d),
                Step::Months => at,
            };
            if due > last {
                break;
            }
            dues.push(due);
        }
        dues
    }
    /// Whether any of its hours are open, minute by minute.
    fn open(&self, clock: &[Stamp]) -> Vec<bool> {
        if self.only.is_empty() {
            return vec![true; clock.len()];
        }
        let mut edges = vec![(Stamp::MAX, 0)];
        let mut day = Paper::new(2026, 1, 25, 0);
        for _ in 0..DAYS + 10 {
            for (weekdays, from, to) in &self.only {
                if weekdays.contains(&day.weekday()) {
                    let last = if to > from { day } else { day.tomorrow() };
                    edges.push((Paper { minute: *from, ..day }.stamp(), 1));
                    edges.push((Paper { minute: *to, ..last }.stamp(), -1));
                }
            }
            day = day.tomorrow();
        }
        edges.sort_unstable();
        let (mut next, mut depth) = (0, 0);
        let mut out = Vec::with_capacity(clock.len());
        for shown in clock {
            while edges[next].0 <= *shown {
                depth += edges[next].1;
                next += 1;
            }
            out.push(depth > 0);
        }
        out
    }
    fn layer(&self) -> Layer {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let every = match self.step {
            Step::Hours(h) => format!("every {h}h"),
            Step::Days(d) => format!("every {d} days"),
            Step::Months => "monthly".to_owned(),
        };
        let hours = |(days, from, to): &(&[u64], u64, u64)| {
            let days: Vec<_> = days.iter().map(|d| DAYS[usize::try_from(*d).unwrap()]).collect();
            format!("{} {:02}:{:02}-{:02}:{:02}", days.join(","), from / 60, from % 60, to / 60, to % 60).parse().unwrap()
        };
        let number = |n: u64| u32::try_from(n).unwrap();
        let first = NaiveDate::from_ymd_opt(i32::try_from(self.first.year).unwrap(), number(self.first.month), number(self.first.day));
        Layer {
            seat: Seat::Primary,
            participants: self.people.chars().map(|p| Text::from(p.to_string())).collect(),
            every: every.parse().unwrap(),
            first: first.unwrap().and_hms_opt(number(self.first.minute / 60), number(self.first.minute % 60), 0).unwrap(),
            only: self.only.iter().map(hours).collect(),
        }
    }
}

/// Somebody who takes over from one minute to another.
type Swap = (u8, usize, usize);

/// Who holds the pager each minute, before anybody swaps.
fn observed(sheets: &[Sheet], clock: &[Stamp]) -> Vec<u8> {
    let mut held = vec![NOBODY; clock.len()];
    for sheet in sheets {
        for (held, own) in held.iter_mut().zip(sheet.watch(clock)) {
            if own != NOBODY {
                *held = own;
            }
        }
    }
    held
}

fn minute(n: usize) -> DateTime<Utc> {
    DateTime::from_timestamp(BEGIN + n as i64 * 60, 0).unwrap()
}

fn rotation(zone: &str, sheets: &[Sheet], swaps: &[Swap]) -> Rotation {
    let over = |(who, from, to): &Swap| Override {
        who: Text::from(char::from(*who).to_string()),
        seat: Seat::Primary,
        during: Interval { from: minute(*from), to: minute(*to) },
    };
    let (layers, overrides) = (sheets.iter().map(Sheet::layer).collect(), swaps.iter().map(over).collect());
    Rotation::new(Text::from("r"), zone.parse().unwrap(), layers, overrides).unwrap()
}

/// The same of the program, from its list of shifts.
fn listed(rotation: &Rotation) -> Vec<u8> {
    let mut held = vec![NOBODY; MINUTES];
    let place = |at: DateTime<Utc>| usize::try_from((at - minute(0)).num_minutes().clamp(0, MINUTES as i64)).unwrap();
    for shift in rotation.shifts(Seat::Primary, Interval { from: minute(0), to: minute(MINUTES) }) {
        held[place(shift.from)..shift.to.map_or(MINUTES, place)].fill(shift.who.as_str().as_bytes()[0]);
    }
    held
}

/// Compare the list of shifts with what was observed, and what each single minute of `asked` is answered.
fn compare(name: &str, rotation: &Rotation, expected: &[u8], asked: impl Iterator<Item = usize>) {
    let listed = listed(rotation);
    if listed != expected {
        let first = listed.iter().zip(expected).position(|(a, b)| a != b);
        panic!("{name} in {}: the list of shifts differs from {:?} on", rotation.zone(), first.map(minute));
    }
    for n in asked {
        let who = rotation.who_at(Seat::Primary, minute(n)).map_or(NOBODY, |w| w.as_str().as_bytes()[0]);
        assert_eq!(char::from(who), char::from(expected[n]), "{name} in {} at {}", rotation.zone(), minute(n));
    }
}

/// Every minute of the three days around each clock change, and every 61st of the others.
fn minutes_to_ask(zone: &str) -> Vec<usize> {
    let zone: Tz = zone.parse().unwrap();
    let offset = |n: usize| chrono::Offset::fix(minute(n.min(MINUTES)).with_timezone(&zone).offset()).local_minus_utc();
    let changes: Vec<_> = (0..DAYS).filter(|d| offset(d * 1_440) != offset((d + 1) * 1_440)).collect();
    let near = |n: &usize| changes.iter().any(|d| (n / 1_440).abs_diff(*d) <= 1);
    (0..MINUTES).filter(|n| n % 61 == 0 || near(n)).collect()
}

fn schedules() -> Vec<(&'static str, Vec<Sheet>)> {
    let sheet = |people, step, first, only| Sheet { people, step, first, only };
    let at = |hour: u64, minute: u64| Paper::new(2026, 1, 31, hour * 60 + minute);
    let week: &[u64] = &[0, 1, 2, 3, 4];
    let all: &[u64] = &[0, 1, 2, 3, 4, 5, 6];
    vec![
        ("daily in the hour that changes", vec![sheet("abc", Step::Days(1), at(2, 15), vec![])]),
        ("daily at midnight", vec![sheet("ab", Step::Days(1), at(0, 0), vec![])]),
        ("weekly", vec![sheet("abcd", Step::Days(7), at(9, 0), vec![])]),
        ("weekly on the day of change", vec![sheet("abc", Step::Days(7), Paper::new(2026, 2, 1, 150), vec![])]),
        ("every hour", vec![sheet("abc", Step::Hours(1), at(0, 0), vec![])]),
        ("every 5 hours", vec![sheet("abc", Step::Hours(5), at(2, 30), vec![])]),
        ("every 12 hours", vec![sheet("abcde", Step::Hours(12), at(8, 0), vec![])]),
        ("monthly on the 31st", vec![sheet("abc", Step::Months, at(2, 0), vec![])]),
        ("a first turn to come", vec![sheet("ab", Step::Days(1), Paper::new(2026, 3, 29, 150), vec![])]),
        (
            "hours of the week over nights and weekends",
            vec![
                sheet("abc", Step::Days(7), at(9, 0), vec![]),
                sheet("de", Step::Days(1), at(9, 0), vec![(week, 540, 1_080)]),
                sheet("f", Step::Months, at(9, 0), vec![(&[5, 6], 0, 0)]),
            ],
        ),
        ("hours that change with the clocks", vec![sheet("abc", Step::Days(1), at(2, 15), vec![(all, 135, 870), (week, 1_320, 150)])]),
        ("an hour that may be missing", vec![sheet("ab", Step::Hours(1), at(0, 0), vec![(all, 130, 140)])]),
    ]
}

/// Overrides over the clock changes of each zone, one over another, and at both ends.
fn swaps(zone: &str) -> Vec<Swap> {
    let zone: Tz = zone.parse().unwrap();
    let offset = |n: usize| chrono::Offset::fix(minute(n).with_timezone(&zone).offset()).local_minus_utc();
    let changes = (0..MINUTES - 1).step_by(30).filter(|n| offset(*n) != offset((n + 30).min(MINUTES - 1)));
    let around: Vec<_> = changes.flat_map(|n| [(b'x', n - 200, n + 100), (b'y', n + 10, n + 40), (b'z', n + 2_000, n + 4_000)]).collect();
    around.into_iter().chain([(b'x', 0, 77), (b'x', 100_000, 100_001), (b'y', MINUTES - 5, MINUTES)]).collect()
}

fn all_of(zone: &str) {
    let (clock, asked, swaps) = (clock(zone), minutes_to_ask(zone), swaps(zone));
    for (n, (name, sheets)) in schedules().iter().enumerate() {
        // Each schedule is asked other minutes, so that together they ask many.
        let asked = || asked.iter().map(|minute| (minute + n).min(MINUTES - 1));
        let mut expected = observed(sheets, &clock);
        compare(name, &rotation(zone, sheets, &[]), &expected, asked());
        for (who, from, to) in &swaps {
            expected[*from..*to].fill(*who);
        }
        compare(name, &rotation(zone, sheets, &swaps), &expected, asked().step_by(3));
    }
}

#[test]
fn berlin_agrees_at_every_minute_of_400_days() {
    all_of(ZONES[0]);
}
#[test]
fn new_york_agrees_at_every_minute_of_400_days() {
    all_of(ZONES[1]);
}
#[test]
fn kolkata_agrees_at_every_minute_of_400_days() {
    all_of(ZONES[2]);
}
#[test]
fn lord_howe_agrees_at_every_minute_of_400_days() {
    all_of(ZONES[3]);
}

#[test]
fn the_observer_can_count() {
    let day = |y, m, d| Paper::new(y, m, d, 0);
    assert_eq!([day(2026, 11, 22).weekday(), day(2024, 2, 29).weekday(), day(2026, 1, 5).weekday()], [6, 3, 0]);
    assert_eq!(day(2026, 1, 31).months_later(1).stamp(), day(2026, 2, 28).stamp());
    assert_eq!(day(2026, 12, 31).tomorrow().stamp(), day(2027, 1, 1).stamp());
    assert_eq!(Paper::new(2028, 2, 28, 1_380).hours_later(26).stamp(), Paper::new(2028, 3, 1, 60).stamp());
}

fn any_layer() -> impl Strategy<Value = (Layer, Layer)> {
    let every = prop::sample::select(vec!["every 1h", "every 7h", "daily", "weekly", "every 10 days", "monthly"]);
    let only = prop::sample::subsequence(vec!["mon-fri 09:00-18:00", "22:00-02:30", "sat,sun", "sun 02:10-02:20"], 0..3);
    (1..5_usize, every, 0..120_i64, 0..1_440_i64, only).prop_map(|(people, every, day, minute, only)| {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let layer = |seat| Layer {
            seat,
            participants: ["a", "b", "c", "d"].into_iter().take(people).map(Text::from).collect(),
            every: every.parse().unwrap(),
            first: first + TimeDelta::days(day) + TimeDelta::minutes(minute),
            only: only.iter().map(|h| h.parse().unwrap()).collect(),
        };
        (layer(Seat::Primary), layer(Seat::Secondary))
    })
}

fn any_rotation() -> impl Strategy<Value = Rotation> {
    let over = (0..100_i64 * 1_440, 1..5_000_i64).prop_map(|(from, length)| Override {
        who: Text::from("x"),
        seat: Seat::Primary,
        during: Interval { from: minute(0) + TimeDelta::minutes(from), to: minute(0) + TimeDelta::minutes(from + length) },
    });
    let parts = (prop::sample::select(&ZONES[..]), prop::collection::vec(any_layer(), 0..3), prop::collection::vec(over, 0..4));
    parts.prop_map(|(zone, layers, overrides)| {
        let layers = layers.into_iter().flat_map(|(one, other)| [one, other]).collect();
        Rotation::new(Text::from("r"), zone.parse().unwrap(), layers, overrides).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Shifts and gaps follow each other without a hole and without overlap, and each says of itself what a question inside it is told.
    #[test]
    fn shifts_and_gaps_tile_the_time(rotation in any_rotation(), from in 0..90_usize, inside in 0.0..1.0_f64) {
        let between = Interval { from: minute(from * 1_440), to: minute((from + 9) * 1_440) };
        let mut parts: Vec<_> = rotation.shifts(Seat::Primary, between).into_iter().map(|s| (Some(s.from), s.to, Some(s.who))).collect();
        parts.extend(rotation.gaps(Seat::Primary, between).into_iter().map(|g| (g.from, g.to, None)));
        parts.sort_by_key(|(from, ..)| *from);
        prop_assert!(parts.first().unwrap().0.is_none_or(|from| from <= between.from));
        prop_assert!(parts.last().unwrap().1.is_none_or(|to| to >= between.to));
        for pair in parts.windows(2) {
            prop_assert_eq!(pair[0].1, pair[1].0);
        }
        for (from, to, who) in parts {
            let (from, to) = (from.unwrap_or(between.from), to.unwrap_or(between.to));
            prop_assert!(from < to);
            let at = from + TimeDelta::seconds(((to - from).num_seconds() as f64 * inside) as i64);
            prop_assert_eq!(rotation.who_at(Seat::Primary, at), who.as_ref());
            let told = rotation.on_call_at(at);
            prop_assert_eq!(told.as_ref().ok().map(|s| &s.who), who.as_ref());
        }
    }

    /// Nothing changes before the next handoff, and something does at it.
    #[test]
    fn the_next_handoff_is_the_next_change(rotation in any_rotation(), from in 0..100_000_usize, inside in 0.0..1.0_f64) {
        let after = minute(from);
        let now = rotation.who_at(Seat::Primary, after);
        if let Some(handoff) = rotation.next_handoff(after) {
            prop_assert!(handoff > after);
            prop_assert_ne!(rotation.who_at(Seat::Primary, handoff), now);
            let meanwhile = after + TimeDelta::seconds(((handoff - after).num_seconds() as f64 * inside) as i64);
            prop_assert!(meanwhile == handoff || rotation.who_at(Seat::Primary, meanwhile) == now);
            prop_assert_eq!(rotation.who_at(Seat::Primary, handoff - TimeDelta::nanoseconds(1)), now);
        } else {
            prop_assert_eq!(rotation.who_at(Seat::Primary, after + TimeDelta::days(1_000)), now);
        }
    }

    /// Inside an override its person is on call, whatever the layers say.
    #[test]
    fn an_override_always_wins(rotation in any_rotation(), from in 0..100_000_usize, length in 1..3_000_i64, inside in 0..3_000_i64) {
        let during = Interval { from: minute(from), to: minute(from) + TimeDelta::minutes(length) };
        let over = Override { who: Text::from("y"), seat: Seat::Primary, during };
        let rotation = rotation.with([over]).unwrap();
        let at = during.from + TimeDelta::minutes(inside % length);
        prop_assert_eq!(rotation.who_at(Seat::Primary, at).map(Text::as_str), Some("y"));
        let shift = rotation.on_call_at(at).unwrap();
        prop_assert!(shift.from <= during.from && shift.to.is_some_and(|to| to >= during.to));
    }

    /// Somebody who holds a seat twice in `double_cover` holds it twice by `who_at`.
    #[test]
    fn double_cover_is_true(rotation in any_rotation(), from in 0..90_usize) {
        use burnwatch::domain::Doubled;
        let between = Interval { from: minute(from * 1_440), to: minute((from + 9) * 1_440) };
        for double in rotation.double_cover(between) {
            let at = double.during.from;
            prop_assert!(double.during.from < double.during.to && between.contains(at));
            match double.what {
                Doubled::Seats(who, one, other) => {
                    prop_assert_eq!(rotation.who_at(one, at), Some(&who));
                    prop_assert_eq!(rotation.who_at(other, at), Some(&who));
                }
                Doubled::People(seat, holds, _) => prop_assert_eq!(rotation.who_at(seat, at), Some(&holds)),
            }
        }
    }
}
