//! When an event recurs (RFC 5545, section 3.3.10), told in wall times.
//!
//! A rule speaks of the wall clock, so it is followed there, on a clock that never changes; only what comes out is turned into instants,
//! by the rules of all calendars here. (The standard would drop an occurrence at an hour that does not exist. A shift that vanishes for
//! a day is what nobody means, and not what calendars on people's desks do.)

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use rrule::{RRule, RRuleSet, Unvalidated};

use super::super::failure::shorten;
use crate::domain::wall;

/// How many times of day a rule may name: more is no rota, and would have to be laid out day by day.
const TIMES_A_DAY: usize = 96;

/// Steps that may still be taken through the rules of one feed, so that no feed keeps us busy.
#[derive(Debug)]
pub struct Steps(pub usize);

/// A rule, taken apart.
struct Rule {
    /// Without its end.
    text: String,
    until: Option<NaiveDateTime>,
}

/// The wall times from `start` on, in `zone`, at which `rule` lets something happen, up to `last`. The first is always `start`.
pub fn recurrences(
    rule: &str,
    start: NaiveDateTime,
    zone: Tz,
    last: NaiveDateTime,
    steps: &mut Steps,
) -> Result<Vec<NaiveDateTime>, String> {
    let Rule { text, until } = take_apart(rule, zone)?;
    let wrong = |why: rrule::RRuleError| format!("its rule is not understood: {}", shorten(&why.to_string()));
    let steady = |wall: NaiveDateTime| rrule::Tz::UTC.from_utc_datetime(&wall);
    let parsed: RRule<Unvalidated> = text.parse().map_err(wrong)?;
    let mut found = vec![start];
    if until.is_some_and(|until| until < start) {
        return Ok(found);
    }
    let parsed = until.into_iter().fold(parsed, |rule, until| rule.until(steady(until)));
    let set = RRuleSet::new(steady(start)).rrule(parsed.validate(steady(start)).map_err(wrong)?).limit();
    for next in &set {
        let next = next.naive_utc();
        if next > last {
            break;
        }
        steps.0 = steps.0.checked_sub(1).ok_or("its rule takes too long to follow")?;
        if next != start {
            found.push(next);
        }
    }
    Ok(found)
}

/// Check a rule as far as the library does not, and put its end on the wall.
fn take_apart(rule: &str, zone: Tz) -> Result<Rule, String> {
    let (mut kept, mut until, mut times) = (Vec::new(), None, 1_usize);
    for part in rule.trim().trim_end_matches(';').split(';') {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("its rule is not understood: {}", shorten(part)))?;
        match name.trim().to_ascii_uppercase().as_str() {
            "UNTIL" => until = Some(end(value.trim(), zone).ok_or_else(|| format!("its rule ends at no time: {}", shorten(value)))?),
            "FREQ" if matches!(value.trim().to_ascii_uppercase().as_str(), "SECONDLY" | "MINUTELY") => {
                return Err("it recurs by the minute".to_owned());
            }
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                times = times.saturating_mul(value.split(',').count());
                kept.push(part.trim().to_ascii_uppercase());
            }
            _ => kept.push(part.trim().to_ascii_uppercase()),
        }
    }
    if times > TIMES_A_DAY {
        return Err(format!("it recurs more than {TIMES_A_DAY} times a day"));
    }
    Ok(Rule { text: kept.join(";"), until })
}

/// The last wall time of a rule: an instant, a wall time, or the end of a day.
fn end(text: &str, zone: Tz) -> Option<NaiveDateTime> {
    const FORM: &str = "%Y%m%dT%H%M%S";
    if let Some(utc) = text.strip_suffix('Z') {
        return NaiveDateTime::parse_from_str(utc, FORM).ok().map(|utc| wall(zone, utc.and_utc()));
    }
    let day = |text| NaiveDate::parse_from_str(text, "%Y%m%d").ok()?.and_time(NaiveTime::MIN).checked_add_days(chrono::Days::new(1));
    NaiveDateTime::parse_from_str(text, FORM).ok().or_else(|| day(text)?.checked_sub_signed(chrono::TimeDelta::seconds(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }
    fn of(rule: &str, start: &str, last: &str) -> Result<Vec<String>, String> {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let all = recurrences(rule, on(start), berlin, on(last), &mut Steps(100_000))?;
        Ok(all.into_iter().map(|w| w.format("%m-%d %H:%M").to_string()).collect())
    }

    #[test]
    fn rules_are_followed_on_the_wall() {
        for (rule, expected) in [
            ("FREQ=WEEKLY;COUNT=3", &["03-23 02:30", "03-30 02:30", "04-06 02:30"][..]),
            ("FREQ=DAILY;INTERVAL=3;UNTIL=20260329T003000Z", &["03-23 02:30", "03-26 02:30"]),
            ("FREQ=DAILY;INTERVAL=3;UNTIL=20260329T020000Z", &["03-23 02:30", "03-26 02:30", "03-29 02:30"]),
            ("FREQ=WEEKLY;BYDAY=MO,FR;WKST=SU;UNTIL=20260330", &["03-23 02:30", "03-27 02:30", "03-30 02:30"]),
            ("FREQ=MONTHLY;BYDAY=-1MO;COUNT=2", &["03-23 02:30", "03-30 02:30", "04-27 02:30"]),
            ("freq=monthly;bymonthday=23", &["03-23 02:30", "04-23 02:30"]),
            ("FREQ=DAILY;UNTIL=20260101", &["03-23 02:30"]),
        ] {
            assert_eq!(of(rule, "2026-03-23 02:30", "2026-05-01 00:00").unwrap(), expected, "{rule}");
        }
    }

    #[test]
    fn rules_that_make_no_sense_or_no_end_of_work_are_refused() {
        for (rule, why) in [
            ("FREQ=SECONDLY", "it recurs by the minute"),
            ("FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11;BYMINUTE=0,1,2,3,4,5,6,7,8", "it recurs more than 96 times a day"),
            ("FREQ=HOURLY", "its rule takes too long to follow"),
            ("FREQ=DAILY;UNTIL=soon", "its rule ends at no time: soon"),
            ("weekly", "its rule is not understood: weekly"),
        ] {
            assert_eq!(of(rule, "1990-03-23 02:30", "2026-05-01 00:00").unwrap_err(), why);
        }
        for rule in [
            "FREQ=FORTNIGHTLY",
            "FREQ=DAILY;INTERVAL=-1",
            "INTERVAL=2",
            "FREQ=DAILY;BYDAY=XX",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=DAILY;COUNT=x",
        ] {
            assert!(of(rule, "2026-03-23 02:30", "2026-05-01 00:00").unwrap_err().starts_with("its rule is not understood: "), "{rule}");
        }
    }

    #[test]
    fn a_rule_that_never_comes_true_ends() {
        assert_eq!(of("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-03-23 02:30", "2036-05-01 00:00").unwrap(), ["03-23 02:30"]);
    }
}
