//! Fairness: what being on call has cost each person, and how evenly that is spread.
//!
//! Measured per person over a span: hours with the pager, pages taken, pages in *their* night, hours of *their* weekend, and how many
//! nights in a row were interrupted. Two rotations at once are one hour, not two: nobody sits through the same hour twice.
//!
//! **The balance** of a measure is 1 − H · n ∕ (n − 1), where H = ½ · Σ |xᵢ − mean| ∕ Σ xᵢ over n people: the share of the measure that
//! would have to change hands for all to carry the same (the Hoover index), against the most that it could be, (n − 1) ∕ n. So it is 1 if
//! all carry the same, and 0 if one carries all. It says nothing for fewer than two people, or where there is nothing to carry.
//!
//! **The load** of a person is the mean of their shares of all measures that occurred at all: sᵢ = mean over m of xᵢₘ ∕ Σⱼ xⱼₘ. It has no
//! unit and no weights: a share of the nights counts as much as a share of the hours. The loads of all people sum to 1; *against the
//! mean* is n · sᵢ − 1, and the balance of the rotation is the balance of the loads.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Timelike, Utc, Weekday};
use chrono_tz::Tz;

use super::{
    Interval, Person, Shift, Text,
    calendar::{instant, midnight, wall},
};

/// The night of those who do not say when theirs is: from 22 to 7 o'clock.
pub const USUAL_NIGHT: (u32, u32) = (22, 7);

/// Somebody was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub who: Text,
}

/// What being on call has cost one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Burden {
    /// Who.
    pub who: Text,
    /// Hours with the pager.
    pub hours: f64,
    /// Of these, hours of Saturdays and Sundays where they live.
    pub weekend_hours: f64,
    /// How often they were called.
    pub pages: u32,
    /// Of these, in their night.
    pub night_pages: u32,
    /// Nights in which they were called at least once.
    pub interrupted_nights: u32,
    /// The longest row of such nights.
    pub nights_in_a_row: u32,
    /// The row of such nights that the last night before the span's end belongs to; 0 if that night was quiet.
    pub nights_in_a_row_now: u32,
    /// Their share of all, 0 to 1; `None` if there was nothing to carry.
    pub load: Option<f64>,
    /// Their load against the mean: 0.38 for 38 % more; `None` as with `load`.
    pub against_mean: Option<f64>,
}

/// How evenly things are spread; each figure from 0 (one carries all) to 1 (all carry the same), `None` for fewer than two people or
/// nothing to carry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    /// Of hours.
    pub hours: Option<f64>,
    /// Of weekend hours.
    pub weekend_hours: Option<f64>,
    /// Of pages.
    pub pages: Option<f64>,
    /// Of pages by night.
    pub night_pages: Option<f64>,
    /// Of the loads.
    pub overall: Option<f64>,
}

/// The account of a rotation over some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Fairness {
    /// Over which time.
    pub span: Interval,
    /// What each person carried, the most loaded first.
    pub people: Vec<Burden>,
    /// How evenly.
    pub balance: Balance,
}

/// What was carried by whom in `span`.
///
/// `shifts` are those that count (usually the primary seat's), `people` those among whom it should be even: somebody who carried
/// nothing is in the mean too. Others who had a shift or a page are added, with the zone `home` and [`USUAL_NIGHT`], which also stand in
/// where a person does not tell theirs.
pub fn fairness(shifts: &[Shift], pages: &[Page], people: &[Person], home: Tz, span: Interval) -> Fairness {
    let known: BTreeMap<_, _> = people.iter().map(|p| (&p.name, p)).collect();
    let shifts: Vec<_> = shifts.iter().filter_map(|s| Some((&s.who, s.within(span)?))).collect();
    let pages: Vec<_> = pages.iter().filter(|p| span.contains(p.at)).collect();
    let names: BTreeSet<_> = known.keys().copied().chain(shifts.iter().map(|(who, _)| *who)).chain(pages.iter().map(|p| &p.who)).collect();
    let burden = |who: &Text| {
        let person = known.get(who);
        let zone = person.and_then(|p| p.time_zone).unwrap_or(home);
        let life = Life { zone, night: person.and_then(|p| p.night).unwrap_or(USUAL_NIGHT) };
        let held = union(shifts.iter().filter(|(s, _)| *s == who).map(|(_, during)| *during).collect());
        let called: Vec<_> = pages.iter().filter(|p| p.who == *who).map(|p| p.at).collect();
        life.burden(who, &held, &called, span)
    };
    let mut people: Vec<_> = names.into_iter().map(burden).collect();
    share_out(&mut people);
    people.sort_by(|a, b| b.load.partial_cmp(&a.load).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.who.cmp(&b.who)));
    let of = |measure: fn(&Burden) -> f64| balance(&people.iter().map(measure).collect::<Vec<_>>());
    let balance = Balance {
        hours: of(|b| b.hours),
        weekend_hours: of(|b| b.weekend_hours),
        pages: of(|b| f64::from(b.pages)),
        night_pages: of(|b| f64::from(b.night_pages)),
        overall: of(|b| b.load.unwrap_or_default()),
    };
    Fairness { span, people, balance }
}

/// How evenly `carried`, none of it negative, is spread: from 0 (one has all) to 1 (all have the same). `None` for fewer than two, or
/// nothing.
pub fn balance(carried: &[f64]) -> Option<f64> {
    let (n, total) = (carried.len() as f64, carried.iter().sum::<f64>());
    if n < 2.0 || total <= 0.0 || !total.is_finite() {
        return None;
    }
    let moved = carried.iter().map(|x| (x - total / n).abs()).sum::<f64>() / (2.0 * total);
    Some((1.0 - moved * n / (n - 1.0)).clamp(0.0, 1.0))
}

/// Give everybody their load.
fn share_out(people: &mut [Burden]) {
    let measures: [fn(&Burden) -> f64; 4] = [|b| b.hours, |b| b.weekend_hours, |b| f64::from(b.pages), |b| f64::from(b.night_pages)];
    let totals = measures.map(|measure| (measure, people.iter().map(measure).sum::<f64>()));
    let occurred: Vec<_> = totals.into_iter().filter(|(_, total)| *total > 0.0).collect();
    if occurred.is_empty() {
        return;
    }
    let n = people.len() as f64;
    for person in people {
        let load = occurred.iter().map(|(measure, total)| measure(person) / total).sum::<f64>() / occurred.len() as f64;
        (person.load, person.against_mean) = (Some(load), Some(n * load - 1.0));
    }
}

/// Where somebody lives and when they sleep.
struct Life {
    zone: Tz,
    night: (u32, u32),
}

impl Life {
    fn burden(&self, who: &Text, held: &[Interval], called: &[DateTime<Utc>], span: Interval) -> Burden {
        let nights: Vec<_> = called.iter().filter_map(|at| self.night_of(*at)).collect();
        let interrupted: BTreeSet<_> = nights.iter().copied().collect();
        let rows = rows(&interrupted);
        let last = self.last_night(span.to);
        Burden {
            who: who.clone(),
            hours: held.iter().map(Interval::secs).sum::<f64>() / 3_600.0,
            weekend_hours: held.iter().map(|during| self.weekend_secs(*during)).sum::<f64>() / 3_600.0,
            pages: count(called.len()),
            night_pages: count(nights.len()),
            interrupted_nights: count(interrupted.len()),
            nights_in_a_row: rows.iter().map(|(_, length)| *length).max().unwrap_or(0),
            nights_in_a_row_now: rows.last().filter(|(end, _)| Some(*end) >= last).map_or(0, |(_, length)| *length),
            load: None,
            against_mean: None,
        }
    }
    /// The night that `at` lies in, by the day on which it began; `None` by day.
    fn night_of(&self, at: DateTime<Utc>) -> Option<NaiveDate> {
        let ((from, to), shown) = (self.night, wall(self.zone, at));
        let (hour, today) = (shown.hour(), shown.date());
        match from < to {
            true => (from..to).contains(&hour).then_some(today),
            false if hour >= from => Some(today),
            false if hour < to => today.pred_opt(),
            false => None,
        }
    }
    /// The night that had begun last before `end`.
    fn last_night(&self, end: DateTime<Utc>) -> Option<NaiveDate> {
        let today = wall(self.zone, end).date();
        let began = NaiveTime::from_hms_opt(self.night.0, 0, 0).map(|time| instant(self.zone, today.and_time(time)));
        if began.is_some_and(|began| began < end) { Some(today) } else { today.pred_opt() }
    }
    /// Seconds of `during` that lie on a Saturday or Sunday.
    fn weekend_secs(&self, during: Interval) -> f64 {
        let first = wall(self.zone, during.from).date();
        let back = u64::from(first.weekday().num_days_from_monday());
        let Some(monday) = first.checked_sub_days(Days::new(back)) else { return 0.0 };
        let weeks = monday.iter_weeks().filter_map(|monday| {
            let saturday = monday.checked_add_days(Days::new(u64::from(Weekday::Sat.num_days_from_monday())))?;
            let next = monday.checked_add_days(Days::new(7))?;
            Some(Interval { from: midnight(self.zone, saturday), to: midnight(self.zone, next) })
        });
        weeks.take_while(|weekend| weekend.from < during.to).map(|weekend| weekend.overlap_secs(&during)).sum()
    }
}

/// Rows of days without a hole: the last day of each, and its length.
fn rows(days: &BTreeSet<NaiveDate>) -> Vec<(NaiveDate, u32)> {
    let mut rows: Vec<(NaiveDate, u32)> = Vec::new();
    for day in days {
        match rows.last_mut().filter(|(last, _)| last.succ_opt() == Some(*day)) {
            Some((last, length)) => (*last, *length) = (*day, *length + 1),
            None => rows.push((*day, 1)),
        }
    }
    rows
}

/// The time that is in any of `all`, in order, none twice.
fn union(mut all: Vec<Interval>) -> Vec<Interval> {
    all.sort_by_key(|i| i.from);
    let mut out: Vec<Interval> = Vec::new();
    for next in all {
        match out.last_mut().filter(|last| next.from <= last.to) {
            Some(last) => last.to = last.to.max(next.to),
            None => out.push(next),
        }
    }
    out
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Cover, Seat},
        *,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }
    fn shift(who: &str, from: &str, to: &str) -> Shift {
        let (rotation, seat, cover) = (Text::from("payments"), Seat::Primary, Cover::Turn);
        Shift { rotation, seat, who: Text::from(who), cover, from: at(from), to: Some(at(to)) }
    }
    fn person(name: &str, zone: &str, night: Option<(u32, u32)>) -> Person {
        Person { name: Text::from(name), login: None, email: None, time_zone: zone.parse().ok(), night }
    }
    fn pages(all: &[(&str, &str)]) -> Vec<Page> {
        all.iter().map(|(who, when)| Page { who: Text::from(*who), at: at(when) }).collect()
    }
    const NOVEMBER: [&str; 2] = ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"];
    fn november(shifts: &[Shift], called: &[Page], people: &[Person]) -> Fairness {
        fairness(shifts, called, people, Tz::UTC, Interval { from: at(NOVEMBER[0]), to: at(NOVEMBER[1]) })
    }
    fn of<'a>(fairness: &'a Fairness, who: &str) -> &'a Burden {
        fairness.people.iter().find(|b| b.who.as_str() == who).unwrap()
    }
    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn balance_goes_from_one_carries_all_to_all_carry_the_same() {
        for (carried, expected) in [
            (&[10.0, 10.0, 10.0][..], Some(1.0)),
            (&[30.0, 0.0, 0.0], Some(0.0)),
            (&[20.0, 10.0], Some(2.0 / 3.0)),
            (&[184.0, 160.0, 88.0, 96.0], Some(1.0 - (52.0 + 28.0 + 44.0 + 36.0) / (2.0 * 528.0) * 4.0 / 3.0)),
            (&[5.0], None),
            (&[], None),
            (&[0.0, 0.0], None),
            (&[f64::NAN, 1.0], None),
        ] {
            let found = balance(carried);
            assert_eq!(found.is_some(), expected.is_some(), "{carried:?}");
            assert!(near(found.unwrap_or_default(), expected.unwrap_or_default()), "{carried:?} {found:?}");
        }
    }

    #[test]
    fn the_same_hour_in_two_rotations_is_one_hour() {
        let shifts = [
            shift("maya", "2026-11-02T08:00:00Z", "2026-11-02T20:00:00Z"),
            shift("maya", "2026-11-02T12:00:00Z", "2026-11-03T00:00:00Z"),
            shift("maya", "2026-10-31T00:00:00Z", "2026-11-01T04:00:00Z"),
        ];
        let found = november(&shifts, &[], &[]);
        assert!(near(of(&found, "maya").hours, 16.0 + 4.0));
        assert_eq!(found.balance, Balance::default());
    }

    #[test]
    fn nights_and_weekends_are_those_where_they_live() {
        let people = [
            person("maya", "Europe/Berlin", Some((22, 7))),
            person("tom", "America/New_York", None),
            person("sam", "Asia/Kolkata", Some((1, 5))),
        ];
        // The same moment: 23:30 in Berlin, 17:30 in New York, 04:00 in India.
        let when = "2026-11-10T22:30:00Z";
        let found = november(&[], &pages(&[("maya", when), ("tom", when), ("sam", when)]), &people);
        assert_eq!(["maya", "tom", "sam"].map(|w| of(&found, w).night_pages), [1, 0, 1]);
        // From Friday evening to Saturday morning: seven hours of Saturday in Berlin, one in New York, all of it in India.
        let night = |who| shift(who, "2026-11-13T20:00:00Z", "2026-11-14T06:00:00Z");
        let found = november(&[night("maya"), night("tom"), night("sam")], &[], &people);
        let weekend = ["maya", "tom", "sam"].map(|w| of(&found, w).weekend_hours);
        assert!(near(weekend[0], 7.0) && near(weekend[1], 1.0) && near(weekend[2], 10.0), "{weekend:?}");
    }

    #[test]
    fn a_weekend_of_a_clock_change_is_as_long_as_it_was() {
        let people = [person("maya", "Europe/Berlin", None)];
        let week = [shift("maya", "2026-10-19T00:00:00Z", "2026-11-02T00:00:00Z")];
        let span = Interval { from: at("2026-10-19T00:00:00Z"), to: at("2026-11-02T00:00:00Z") };
        let found = fairness(&week, &[], &people, Tz::UTC, span);
        assert!(near(of(&found, "maya").weekend_hours, 49.0 + 48.0));
        assert!(near(of(&found, "maya").hours, 14.0 * 24.0));
    }

    #[test]
    fn interrupted_nights_in_a_row() {
        let people = [person("maya", "Europe/Berlin", Some((22, 7)))];
        let called = pages(&[
            ("maya", "2026-11-09T22:30:00Z"),
            ("maya", "2026-11-10T03:00:00Z"), // the same night
            ("maya", "2026-11-10T23:00:00Z"),
            ("maya", "2026-11-12T05:59:00Z"), // the night of the 11th
            ("maya", "2026-11-12T06:00:00Z"), // 7 in the morning: day
            ("maya", "2026-11-30T02:00:00Z"), // the night of the 29th
            ("maya", "2026-11-30T22:00:00Z"),
        ]);
        let found = november(&[], &called, &people);
        let maya = of(&found, "maya");
        assert_eq!((maya.pages, maya.night_pages, maya.interrupted_nights), (7, 6, 5));
        assert_eq!((maya.nights_in_a_row, maya.nights_in_a_row_now), (3, 2));
        let quiet = november(&[], &called[..4], &people);
        assert_eq!((of(&quiet, "maya").nights_in_a_row, of(&quiet, "maya").nights_in_a_row_now), (3, 0));
    }

    #[test]
    fn loads_sum_to_one_and_those_who_carried_nothing_count_too() {
        let people = [person("maya", "UTC", None), person("jon", "UTC", None), person("ana", "UTC", None)];
        let shifts =
            [shift("maya", "2026-11-02T00:00:00Z", "2026-11-05T00:00:00Z"), shift("jon", "2026-11-05T00:00:00Z", "2026-11-06T00:00:00Z")];
        let found = november(&shifts, &pages(&[("maya", "2026-11-02T12:00:00Z"), ("maya", "2026-11-03T12:00:00Z")]), &people);
        assert_eq!(found.people.iter().map(|b| b.who.as_str()).collect::<Vec<_>>(), ["maya", "jon", "ana"]);
        let loads: Vec<_> = found.people.iter().map(|b| b.load.unwrap()).collect();
        assert!(near(loads[0], f64::midpoint(0.75, 1.0)) && near(loads[1], 0.125) && near(loads[2], 0.0), "{loads:?}");
        assert!(near(of(&found, "maya").against_mean.unwrap(), 3.0 * 0.875 - 1.0));
        assert!(near(found.balance.overall.unwrap(), balance(&loads).unwrap()));
        assert_eq!(found.balance.night_pages, None);
    }

    #[test]
    fn nothing_to_carry_is_not_zero() {
        let found = november(&[], &[], &[person("maya", "UTC", None), person("jon", "UTC", None)]);
        assert_eq!((found.people[0].load, found.balance), (None, Balance::default()));
    }

    proptest! {
        #[test]
        fn balance_knows_no_order_and_no_unit(mut carried in prop::collection::vec(0.0..1_000.0_f64, 2..8), unit in 0.1..50.0_f64) {
            let found = balance(&carried);
            if let Some(found) = found {
                prop_assert!((0.0..=1.0).contains(&found));
                carried.reverse();
                let scaled: Vec<_> = carried.iter().map(|x| x * unit).collect();
                prop_assert!(near(balance(&scaled).unwrap(), found));
            }
        }
    }
}
