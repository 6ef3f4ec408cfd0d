//! Feeds in the manner of Google, `PagerDuty` and Outlook, written from descriptions and not seen live. What recurs in them was compared
//! with another implementation (the Python package `recurring-ical-events`).

use chrono::NaiveDateTime;

use super::*;
use crate::domain::{Layer, Rotation, shifts_of};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/described/ical/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
fn reader(summary: Option<&str>) -> Reader {
    let summary = summary.map(|s| Regex::new(s).unwrap());
    Reader { rotation: Text::from("payments"), seat: Seat::Primary, summary, time_zone: None }
}
fn span(from: &str, to: &str) -> Interval {
    let at = |day: &str| format!("2026-{day}T00:00:00Z").parse().unwrap();
    Interval { from: at(from), to: at(to) }
}
/// `from to title` of each duty, in UTC.
fn told(feed: &Feed) -> Vec<String> {
    let shown = |at: DateTime<Utc>| at.format("%m-%dT%H:%M").to_string();
    feed.duties.iter().map(|d| format!("{} {} {}", shown(d.during.from), shown(d.during.to), d.title)).collect()
}
/// An event of one calendar with these lines.
fn calendar(head: &str, events: &[&str]) -> String {
    let events: Vec<_> = events.iter().map(|e| format!("BEGIN:VEVENT\n{e}\nEND:VEVENT\n")).collect();
    format!("BEGIN:VCALENDAR\n{head}\n{}END:VCALENDAR\n", events.concat())
}

#[test]
fn google_weeks_with_exceptions_days_and_other_events() {
    let feed = reader(Some("^Pager: (.+)$")).read(&fixture("google.ics"), span("03-01", "05-20")).unwrap();
    let expected = [
        "03-02T08:00 03-09T08:00 Maya",
        "03-09T08:00 03-16T08:00 jon",
        "03-16T08:00 03-23T08:00 Maya",
        "03-24T11:00 03-30T07:00 jon",                         // moved
        "03-27T23:00 03-29T22:00 ines, second line; holidays", // two days of Berlin, one of 23 hours
        "03-30T07:00 04-06T07:00 Maya",
        // the 6th of April was cancelled, the 13th left out
        "04-20T07:00 04-27T07:00 jon",
        "04-27T07:00 05-04T07:00 Maya",
        "05-11T07:00 05-18T07:00 Maya",
    ];
    assert_eq!((told(&feed), feed.trouble), (expected.map(str::to_owned).to_vec(), None));
    let maya = feed.duties.first().unwrap();
    assert_eq!(maya.emails, [Text::from("maya@acme.example")], "not that of the alarm");
}

#[test]
fn without_a_look_every_event_is_a_duty() {
    let feed = reader(None).read(&fixture("google.ics"), span("03-25", "03-26")).unwrap();
    assert_eq!(told(&feed), ["03-24T11:00 03-30T07:00 Pager: jon", "03-25T10:00 03-25T11:00 Rota planning"]);
}

#[test]
fn pagerduty_shifts_follow_each_other() {
    let reader = reader(Some(r"^On Call - (.+) - [^-]+$"));
    let feed = reader.read(&fixture("pagerduty.ics"), span("03-01", "06-01")).unwrap();
    let expected = ["03-23T17:00 03-30T16:00 Maya Lin", "03-30T16:00 04-06T16:00 Jon Ek", "04-06T16:00 04-13T16:00 Maya Lin"];
    assert_eq!((told(&feed), feed.trouble), (expected.map(str::to_owned).to_vec(), None));
    assert_eq!(feed.duties.first().unwrap().emails, [Text::from("maya@acme.example")]);
}

#[test]
fn outlook_names_zones_in_its_own_words() {
    let feed = reader(Some("München: (.+)$")).read(&fixture("outlook.ics"), span("02-01", "05-01")).unwrap();
    let expected = [
        "02-26T23:00 02-27T23:00 Ines",
        "03-26T17:30 03-27T07:30 Maya Lin",
        "03-28T17:30 03-29T06:30 Jon Ek", // the newer of two exceptions
        "03-29T16:30 03-30T06:30 Maya Lin",
        "03-29T22:00 03-30T22:00 Ines", // the one more
        "03-30T16:30 03-31T06:30 Maya Lin",
        "03-30T22:00 03-31T22:00 Ines",
        "04-01T16:30 04-02T06:30 Maya Lin",
        "04-02T16:30 04-03T06:30 Maya Lin",
        "04-29T22:00 04-30T22:00 Ines",
    ];
    assert_eq!(told(&feed), expected);
    assert_eq!(feed.trouble.as_deref(), Some("1 of 5 events not read: its time zone `Customized Time Zone` is not known"));
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_there() {
    let good = "UID:1\nSUMMARY:maya\nDTSTART:20260301T000000Z\nDTEND:20260302T000000Z";
    for (event, why) in [
        ("UID:2\nSUMMARY:jon", "it has no beginning"),
        ("UID:2\nSUMMARY:jon\nDTSTART:2026-03-01", "`DTSTART` is no time: 2026-03-01"),
        ("UID:2\nSUMMARY:jon\nDTSTART:20260230", "`DTSTART` is no time: 20260230"),
        ("UID:2\nSUMMARY:jon\nDTSTART:20260301T000000Z", "it has no end"),
        ("UID:2\nSUMMARY:jon\nDTSTART:20260301T000000Z\nDURATION:PT-1H", "its duration is not understood: PT-1H"),
        ("UID:2\nDTSTART:20260301T000000Z\nDTEND:20260302T000000Z", "it names nobody"),
        ("UID:2\nSUMMARY:jon\nDTSTART:20260301T000000Z\nDURATION:P1D\nRRULE:FREQ=SECONDLY", "it recurs by the minute"),
        (
            "UID:2\nSUMMARY:jon\nDTSTART:20260301T000000Z\nDURATION:P1D\nRDATE;VALUE=PERIOD:20260305T000000Z/PT5H",
            "`RDATE` is no time: 20260305T000000Z/PT5H",
        ),
    ] {
        let feed = reader(None).read(calendar("", &[good, event]).as_bytes(), span("02-01", "04-01")).unwrap();
        assert_eq!(told(&feed).first().map(String::as_str), Some("03-01T00:00 03-02T00:00 maya"));
        assert_eq!(feed.trouble, Some(format!("1 of 2 events not read: {why}")));
    }
}

#[test]
fn hostile_text_is_harmless() {
    let event =
        "UID:1\nSUMMARY:\u{1b}]52;c;YQ==\u{7}\u{202e}maya\nDTSTART:20260301T000000Z\nDTEND:20260302T000000Z\nATTENDEE:mailto:a\u{1b}@x";
    let bad = "UID:2\nSUMMARY:x\nDTSTART;TZID=\u{1b}[2J:20260301T000000";
    let feed = reader(None).read(calendar("", &[event, bad]).as_bytes(), span("02-01", "04-01")).unwrap();
    let all = format!("{} {} {}", feed.duties[0].title, feed.duties[0].emails[0], feed.trouble.unwrap());
    assert!(!all.chars().any(|c| c.is_control() || c == '\u{202e}'), "{all:?}");
}

#[test]
fn times_without_a_zone_are_those_of_the_row_then_of_the_calendar_and_else_a_guess() {
    let event = "UID:1\nSUMMARY:maya\nDTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330";
    let read = |head: &str, zone: Option<&str>| {
        let reader = Reader { time_zone: zone.map(|z| z.parse().unwrap()), ..reader(None) };
        let feed = reader.read(calendar(head, &[event]).as_bytes(), span("03-01", "04-01")).unwrap();
        (told(&feed).remove(0), feed.trouble.is_some())
    };
    let berlin = "X-WR-TIMEZONE:Europe/Berlin";
    assert_eq!(read(berlin, None), ("03-27T23:00 03-29T22:00 maya".to_owned(), false));
    assert_eq!(read(berlin, Some("Asia/Kolkata")), ("03-27T18:30 03-29T18:30 maya".to_owned(), false));
    assert_eq!(read("", None), ("03-28T00:00 03-30T00:00 maya".to_owned(), true));
}

#[test]
fn a_day_may_be_left_out_by_its_date() {
    let event = "UID:1\nSUMMARY:maya\nDTSTART;TZID=Europe/Berlin:20260328T090000\nDURATION:PT8H\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260329";
    let feed = reader(None).read(calendar("", &[event]).as_bytes(), span("03-01", "04-01")).unwrap();
    assert_eq!(told(&feed), ["03-28T08:00 03-28T16:00 maya", "03-30T07:00 03-30T15:00 maya"]);
}

#[test]
fn no_feed_keeps_us_busy() {
    let event = "UID:1\nSUMMARY:maya\nDTSTART:19000101T000000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY";
    let feed = reader(None).read(calendar("", &[event, event, event]).as_bytes(), span("03-01", "04-01")).unwrap();
    assert_eq!((feed.duties.len(), feed.trouble.as_deref()), (0, Some("1 of 3 events not read: its rule takes too long to follow")));
}

#[test]
fn what_is_no_calendar_is_none() {
    for body in ["", "<html>", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"] {
        assert_eq!(reader(None).read(body.as_bytes(), span("03-01", "04-01")), None);
    }
}

/// Two people week about in a calendar, and the same in a rotation of ours: they agree for 400 days.
#[test]
fn a_calendar_and_a_rotation_agree() {
    let first: NaiveDateTime = "2026-01-05T02:30:00".parse().unwrap();
    for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
        let event = |who: &str, from: &str, to: &str| {
            format!(
                "UID:{who}\nSUMMARY:{who}\nDTSTART;TZID={zone}:{from}T023000\nDTEND;TZID={zone}:{to}T023000\nRRULE:FREQ=WEEKLY;INTERVAL=2"
            )
        };
        let events = [event("maya", "20260105", "20260112"), event("jon", "20260112", "20260119")];
        let body = calendar("", &[&events[0], &events[1]]);
        let between = Interval { from: "2026-01-10T00:00:00Z".parse().unwrap(), to: "2027-02-10T00:00:00Z".parse().unwrap() };
        let feed = reader(None).read(body.as_bytes(), between).unwrap();
        let layer = Layer {
            seat: Seat::Primary,
            participants: vec![Text::from("maya"), Text::from("jon")],
            every: "weekly".parse().unwrap(),
            first,
            only: vec![],
        };
        let rotation = Rotation::new(Text::from("payments"), zone.parse().unwrap(), vec![layer], vec![]).unwrap();
        let shifts = rotation.shifts(Seat::Primary, between);
        assert!(shifts.len() > 50);
        assert_eq!(shifts_of(&feed.duties, &[]), shifts, "{zone}");
    }
}
