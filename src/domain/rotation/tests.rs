//! Tables of cases: handoffs, restrictions, overrides and seats. The independent computation is in `tests/rotation.rs`.

use super::*;

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
fn span(from: &str, to: &str) -> Interval {
    Interval { from: at(from), to: at(to) }
}
fn layer(people: &[&str], every: &str, first: &str, only: &[&str]) -> Layer {
    Layer {
        seat: Seat::Primary,
        participants: people.iter().map(|p| Text::from(*p)).collect(),
        every: every.parse().unwrap(),
        first: NaiveDateTime::parse_from_str(first, "%Y-%m-%d %H:%M").unwrap(),
        only: only.iter().map(|h| h.parse().unwrap()).collect(),
    }
}
fn over(who: &str, from: &str, to: &str) -> Override {
    Override { who: Text::from(who), seat: Seat::Primary, during: span(from, to) }
}
fn rotation(zone: &str, layers: Vec<Layer>, overrides: Vec<Override>) -> Rotation {
    Rotation::new(Text::from("payments"), zone.parse().unwrap(), layers, overrides).unwrap()
}
/// `who from to` of all shifts and gaps, on the wall of the rotation.
fn lane(rotation: &Rotation, between: Interval) -> Vec<String> {
    let shown = |t: DateTime<Utc>| super::super::wall(rotation.zone(), t).format("%m-%d %H:%M").to_string();
    let line = |stretch: Result<Shift, GapInCover>| match stretch {
        Ok(s) => format!("{} {} {}", s.who, shown(s.from), s.to.map_or("-".into(), shown)),
        Err(g) => format!("! {} {}", g.from.map_or("-".into(), shown), g.to.map_or("-".into(), shown)),
    };
    rotation.stretches(Seat::Primary, between).map(line).collect()
}

#[test]
fn weeks_turn_at_the_same_hour_on_the_wall() {
    let weekly = rotation("Europe/Berlin", vec![layer(&["maya", "jon", "ana"], "weekly", "2026-03-16 18:00", &[])], vec![]);
    let expected = ["maya 03-16 18:00 03-23 18:00", "jon 03-23 18:00 03-30 18:00", "ana 03-30 18:00 04-06 18:00"];
    assert_eq!(lane(&weekly, span("2026-03-17T00:00:00Z", "2026-04-06T00:00:00Z")), expected);
    // The week of the clock change lasts an hour less.
    let short = weekly.on_call_at(at("2026-03-25T00:00:00Z")).unwrap();
    assert_eq!((short.to.unwrap() - short.from).num_hours(), 7 * 24 - 1);
    assert_eq!(weekly.next_handoff(at("2026-03-25T00:00:00Z")), Some(at("2026-03-30T16:00:00Z")));
    assert_eq!(weekly.next_handoff(at("2026-01-01T00:00:00Z")), Some(at("2026-03-16T17:00:00Z")));
}

#[test]
fn nobody_is_on_call_before_the_first_turn() {
    let weekly = rotation("Europe/Berlin", vec![layer(&["maya", "jon"], "weekly", "2026-03-16 18:00", &[])], vec![]);
    let gap = weekly.on_call_at(at("2026-01-01T00:00:00Z")).unwrap_err();
    assert_eq!((gap.from, gap.to), (None, Some(at("2026-03-16T17:00:00Z"))));
    assert_eq!(weekly.gaps(Seat::Primary, span("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")), [gap]);
    let nobody = rotation("Europe/Berlin", vec![], vec![]).on_call_at(at("2026-01-01T00:00:00Z")).unwrap_err();
    assert_eq!((nobody.from, nobody.to), (None, None));
}

#[test]
fn one_person_alone_never_hands_off() {
    let alone = rotation("Europe/Berlin", vec![layer(&["maya"], "daily", "2026-03-16 18:00", &[])], vec![]);
    let shift = alone.on_call_at(at("2027-03-16T18:00:00Z")).unwrap();
    assert_eq!((shift.from, shift.to), (at("2026-03-16T17:00:00Z"), None));
    assert_eq!(alone.next_handoff(at("2027-03-16T18:00:00Z")), None);
    let twice = rotation("UTC", vec![layer(&["maya", "maya", "jon"], "daily", "2026-03-16 00:00", &[])], vec![]);
    let expected = ["maya 03-16 00:00 03-18 00:00", "jon 03-18 00:00 03-19 00:00", "maya 03-19 00:00 03-21 00:00"];
    assert_eq!(lane(&twice, span("2026-03-17T00:00:00Z", "2026-03-20T00:00:00Z")), expected);
}

#[test]
fn a_limited_layer_lies_over_an_open_one() {
    let layers = vec![
        layer(&["maya", "jon"], "weekly", "2026-11-16 09:00", &[]),
        layer(&["sam", "lena"], "daily", "2026-11-16 09:00", &["mon-fri 09:00-18:00"]),
    ];
    let both = rotation("Europe/Berlin", layers, vec![]);
    let expected =
        ["sam 11-20 09:00 11-20 18:00", "maya 11-20 18:00 11-23 09:00", "lena 11-23 09:00 11-23 18:00", "jon 11-23 18:00 11-24 09:00"];
    assert_eq!(lane(&both, span("2026-11-20T12:00:00Z", "2026-11-24T00:00:00Z")), expected);
    assert_eq!(both.who_at(Seat::Primary, at("2026-11-20T16:59:59Z")), Some(&Text::from("sam")));
    assert_eq!(both.who_at(Seat::Primary, at("2026-11-20T17:00:00Z")), Some(&Text::from("maya")));
}

#[test]
fn hours_without_anybody_are_gaps_with_both_their_ends() {
    let office = rotation("Europe/Berlin", vec![layer(&["maya", "jon"], "daily", "2026-11-18 09:00", &["mon-fri 09:00-18:00"])], vec![]);
    let expected = ["! - 11-18 09:00", "maya 11-18 09:00 11-18 18:00", "! 11-18 18:00 11-19 09:00", "jon 11-19 09:00 11-19 18:00"];
    assert_eq!(lane(&office, span("2026-11-18T00:00:00Z", "2026-11-19T12:00:00Z")), expected);
    let weekend = office.on_call_at(at("2026-11-21T12:00:00Z")).unwrap_err();
    assert_eq!(
        weekend.to_string(),
        "payments: nobody is primary from 2026-11-20T17:00Z until 2026-11-23T08:00Z; add a layer or an override"
    );
    // A turn that nobody serves still counts: Saturday's and Sunday's went by.
    assert_eq!(office.who_at(Seat::Primary, at("2026-11-23T12:00:00Z")), Some(&Text::from("jon")));
}

#[test]
fn overrides_win_over_layers_and_later_ones_over_earlier_ones() {
    let base = || vec![layer(&["maya", "jon"], "weekly", "2026-11-16 09:00", &[])];
    let overrides = vec![
        over("ana", "2026-11-17T08:00:00Z", "2026-11-18T08:00:00Z"),
        over("sam", "2026-11-17T20:00:00Z", "2026-11-17T22:00:00Z"),
        over("ana", "2026-11-18T08:00:00Z", "2026-11-18T10:00:00Z"),
    ];
    let rotation = rotation("UTC", base(), overrides);
    let expected = [
        "maya 11-16 09:00 11-17 08:00",
        "ana 11-17 08:00 11-17 20:00",
        "sam 11-17 20:00 11-17 22:00",
        "ana 11-17 22:00 11-18 10:00",
        "maya 11-18 10:00 11-23 09:00",
    ];
    assert_eq!(lane(&rotation, span("2026-11-16T12:00:00Z", "2026-11-19T00:00:00Z")), expected);
    assert_eq!(rotation.on_call_at(at("2026-11-17T21:00:00Z")).unwrap().cover, Cover::Override);
    assert_eq!(rotation.next_handoff(at("2026-11-17T22:00:00Z")), Some(at("2026-11-18T10:00:00Z")));
    let more = rotation.with([over("maya", "2026-11-18T09:00:00Z", "2026-11-18T12:00:00Z")]).unwrap();
    // Her own turn goes on after the override: two shifts, one handoff.
    assert_eq!(more.on_call_at(at("2026-11-18T11:00:00Z")).unwrap().to, Some(at("2026-11-18T12:00:00Z")));
    assert_eq!(more.next_handoff(at("2026-11-18T11:00:00Z")), Some(at("2026-11-23T09:00:00Z")));
}

#[test]
fn an_override_lasts_across_clock_changes() {
    let base = vec![layer(&["maya", "jon"], "daily", "2026-03-01 02:30", &[])];
    let rotation = rotation("Europe/Berlin", base, vec![over("ana", "2026-03-28T23:00:00Z", "2026-03-29T00:30:00Z")]);
    let expected =
        ["jon 03-28 02:30 03-29 00:00", "ana 03-29 00:00 03-29 01:30", "jon 03-29 01:30 03-29 03:00", "maya 03-29 03:00 03-30 02:30"];
    assert_eq!(lane(&rotation, span("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z")), expected);
}

#[test]
fn seats_are_held_apart() {
    let mut mentor = layer(&["ines"], "monthly", "2026-01-31 09:00", &[]);
    mentor.seat = Seat::Mentor;
    let rotation = rotation("UTC", vec![layer(&["maya", "jon"], "weekly", "2026-01-05 09:00", &[]), mentor], vec![]);
    let now = at("2026-02-10T00:00:00Z");
    assert_eq!(rotation.seats().collect::<Vec<_>>(), [Seat::Primary, Seat::Mentor]);
    assert_eq!(rotation.seat_at(Seat::Mentor, now).unwrap().who, Text::from("ines"));
    assert_eq!(
        rotation.seat_at(Seat::Secondary, now).unwrap_err().to_string(),
        "payments: nobody is secondary from then on; add a layer or an override"
    );
    assert_eq!(rotation.next_handoff_of(Seat::Mentor, now), None);
}

#[test]
fn what_cannot_be_is_refused() {
    let new = |layers, overrides| Rotation::new(Text::from("p"), Tz::UTC, layers, overrides).unwrap_err().to_string();
    assert_eq!(new(vec![layer(&[], "daily", "2026-01-01 00:00", &[])], vec![]), "p: a layer has no participants; name at least one");
    let backwards = over("maya", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z");
    assert_eq!(new(vec![], vec![backwards]), "p: an override of maya ends before it begins; swap its times");
}

#[test]
fn the_ends_of_time_are_no_panic() {
    let layers =
        vec![layer(&["a", "b"], "every 1h", "2026-01-01 00:00", &[]), layer(&["c"], "monthly", "2026-01-31 09:00", &["mon 09:00-10:00"])];
    let rotation = rotation("America/New_York", layers, vec![]);
    for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let _ = rotation.on_call_at(end);
        rotation.next_handoff(end);
    }
    assert!(rotation.shifts(Seat::Primary, Interval { from: DateTime::<Utc>::MAX_UTC, to: DateTime::<Utc>::MIN_UTC }).is_empty());
}
