//! Events of a calendar: what a `VEVENT` says, and when it takes place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    super::failure::shorten,
    lines::{Component, Line},
    recur::{Steps, recurrences},
    zone,
};
use crate::domain::{Interval, instant, wall};

/// What times without a zone of their own mean, and what the calendar calls its zones.
#[derive(Debug)]
pub struct Zones {
    /// The zone of all-day events and of times that name none.
    pub home: Tz,
    /// The place that a `VTIMEZONE` gives for its name.
    pub told: BTreeMap<String, String>,
}

/// A time as a calendar tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    wall: NaiveDateTime,
    zone: Tz,
    /// Whether it is a day.
    day: bool,
}

impl Moment {
    fn at(self) -> DateTime<Utc> {
        instant(self.zone, self.wall)
    }
}

/// One `VEVENT`.
#[derive(Clone, Debug)]
pub struct Event {
    /// Shared by an event and the exceptions of it.
    pub uid: String,
    /// The higher one counts.
    pub sequence: i64,
    /// What it is called.
    pub summary: String,
    /// The addresses of those who take part, else of who made it.
    pub emails: Vec<String>,
    /// Whether it does not take place.
    pub cancelled: bool,
    /// Which occurrence of the event it stands for, if it is an exception.
    pub instead_of: Option<DateTime<Utc>>,
    /// Whether it stands for all later ones too.
    pub and_later: bool,
    start: Moment,
    /// On the wall: a week is a week also when clocks change, so that shifts which meet go on meeting.
    length: TimeDelta,
    rules: Vec<String>,
    more: Vec<Moment>,
    without: Vec<Moment>,
}

impl Event {
    /// What `part` says, or why it is not understood.
    pub fn read(part: &Component, zones: &Zones) -> Result<Self, String> {
        let start = part.line("DTSTART").ok_or("it has no beginning")?;
        let start = moment(start, &start.value, zones)?;
        let instead_of = part.line("RECURRENCE-ID");
        let list = |name| part.lines(name).flat_map(|l| l.value.split(',').map(move |v| (l, v))).map(|(l, v)| moment(l, v, zones));
        let text = |name| part.line(name).map(Line::text).unwrap_or_default();
        Ok(Self {
            uid: text("UID"),
            sequence: text("SEQUENCE").trim().parse().unwrap_or(0),
            summary: text("SUMMARY"),
            emails: emails(part),
            cancelled: text("STATUS").trim().eq_ignore_ascii_case("CANCELLED"),
            instead_of: instead_of.map(|l| moment(l, &l.value, zones)).transpose()?.map(Moment::at),
            and_later: instead_of.and_then(|l| l.param("RANGE")).is_some_and(|r| r.eq_ignore_ascii_case("THISANDFUTURE")),
            start,
            length: length(part, start, zones)?,
            rules: part.lines("RRULE").map(|l| l.value.clone()).collect(),
            more: list("RDATE").collect::<Result<_, _>>()?,
            without: list("EXDATE").collect::<Result<_, _>>()?,
        })
    }
    /// Its first instant.
    pub fn begins(&self) -> DateTime<Utc> {
        self.start.at()
    }
    /// Its occurrences that touch `between`, but for those that begin at one of `elsewhere`: exceptions stand for them.
    pub fn occurrences(&self, between: Interval, elsewhere: &BTreeSet<DateTime<Utc>>, steps: &mut Steps) -> Result<Vec<Interval>, String> {
        let Moment { wall: start, zone, .. } = self.start;
        let mut walls = BTreeSet::from([start]);
        for rule in &self.rules {
            walls.extend(recurrences(rule, start, zone, wall(zone, between.to), steps)?);
        }
        walls.extend(self.more.iter().map(|m| wall(zone, m.at())));
        let all = walls.into_iter().filter(|w| !self.is_left_out(*w) && !elsewhere.contains(&instant(zone, *w)));
        let during = all.map(|w| Interval {
            from: instant(zone, w),
            to: w.checked_add_signed(self.length).map_or(between.to, |end| instant(zone, end)),
        });
        Ok(during.filter(|d| d.from < d.to && d.from < between.to && between.from < d.to).collect())
    }
    fn is_left_out(&self, shown: NaiveDateTime) -> bool {
        let at = instant(self.start.zone, shown);
        self.without.iter().any(|out| if out.day { out.wall.date() == shown.date() } else { out.at() == at })
    }
}

/// The addresses of those who take part; of who made it, if nobody does.
fn emails(part: &Component) -> Vec<String> {
    let address = |line: &Line| {
        let value = line.value.trim();
        let mail = value.get(..7).filter(|begin| begin.eq_ignore_ascii_case("mailto:")).and_then(|_| value.get(7..)).unwrap_or(value);
        let mail = if mail.contains('@') { mail } else { line.param("EMAIL")? };
        Some(mail.trim().to_owned())
    };
    let declined = |line: &&Line| line.param("PARTSTAT").is_some_and(|p| p.eq_ignore_ascii_case("DECLINED"));
    let guests: Vec<_> = part.lines("ATTENDEE").filter(|l| !declined(l)).filter_map(address).collect();
    if guests.is_empty() { part.line("ORGANIZER").and_then(address).into_iter().collect() } else { guests }
}

/// How long an event takes, on the wall.
fn length(part: &Component, start: Moment, zones: &Zones) -> Result<TimeDelta, String> {
    if let Some(line) = part.line("DTEND") {
        let end = moment(line, &line.value, zones)?;
        return Ok(wall(start.zone, end.at()) - start.wall);
    }
    match part.line("DURATION") {
        Some(line) => duration(line.value.trim()).ok_or_else(|| format!("its duration is not understood: {}", shorten(&line.value))),
        None if start.day => Ok(TimeDelta::days(1)),
        None => Err("it has no end".to_owned()),
    }
}

/// `P1W`, `P1DT2H30M`.
fn duration(text: &str) -> Option<TimeDelta> {
    let span = text.trim_start_matches('+').strip_prefix('P')?;
    let (days, time) = span.split_once('T').unwrap_or((span, ""));
    let sum = |text: &str, units: &[(char, i64)]| {
        text.split_inclusive(|c: char| c.is_ascii_alphabetic()).try_fold(0_i64, |sum, part| {
            let unit = part.chars().last()?;
            let (_, secs) = units.iter().find(|(u, _)| *u == unit)?;
            sum.checked_add(part.strip_suffix(unit)?.parse::<i64>().ok().filter(|n| *n >= 0)?.checked_mul(*secs)?)
        })
    };
    let secs = sum(days, &[('W', 604_800), ('D', 86_400)])?.checked_add(sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?;
    TimeDelta::try_seconds(secs)
}

/// The time that `text`, a value of `line`, tells.
fn moment(line: &Line, text: &str, zones: &Zones) -> Result<Moment, String> {
    let text = text.trim();
    let bad = || format!("`{}` is no time: {}", line.name, shorten(text));
    if text.len() == 8 {
        let day = NaiveDate::parse_from_str(text, "%Y%m%d").map_err(|_| bad())?;
        return Ok(Moment { wall: day.and_time(NaiveTime::MIN), zone: zones.home, day: true });
    }
    let (text, utc) = text.strip_suffix('Z').map_or((text, false), |text| (text, true));
    let wall = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map_err(|_| bad())?;
    let zone = match line.param("TZID") {
        _ if utc => Tz::UTC,
        None => zones.home,
        Some(id) => zone::zone(id, &zones.told).ok_or_else(|| format!("its time zone `{}` is not known", shorten(id)))?,
    };
    Ok(Moment { wall, zone, day: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, secs) in [
            ("P1W", Some(604_800)),
            ("P1DT2H30M", Some(86_400 + 9_000)),
            ("PT12H", Some(43_200)),
            ("PT0S", Some(0)),
            ("P", Some(0)),
            ("-PT1H", None),
            ("P-1D", None),
            ("1H", None),
            ("PT1X", None),
            ("P99999999999999999999W", None),
        ] {
            assert_eq!(duration(text).map(|d| d.num_seconds()), secs, "{text}");
        }
    }
}
