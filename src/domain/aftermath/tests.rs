use std::time::Duration;

use super::*;
use crate::domain::Comparison;

fn at(secs: i64) -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(secs)
}

/// `burn checkout/availability < 1 within 10m`, of a 99.9 % promise.
fn wish() -> EffectWish {
    let signal = Signal::Burn { slo: "checkout/availability".into() };
    EffectWish { signal, comparison: Comparison::Less, threshold: 1.0, within: Duration::from_mins(10) }
}

/// A burn over five minutes in which so many events happened.
#[expect(clippy::unnecessary_wraps, reason = "beside those that are missing")]
fn burn(value: f64, as_of: i64, events: f64) -> Result<Sighting, Text> {
    let window = Over { length: TimeDelta::minutes(5), events, min_events: 0.0, at_most: 1_000.0 };
    Ok(Sighting { value, as_of: at(as_of), window: Some(window) })
}

/// How it stands `secs` after the step's end, which was at 0, if it burned at `before` when the step was started.
fn stands(before: Option<f64>, seen: &Result<Sighting, Text>, secs: i64) -> Stands {
    judge(&Watched { wish: &wish(), before, ended_at: at(0), disturbed_at: None }, seen, at(secs))
}

/// The same in short: `settling`, `watching`, or what the journal would read.
fn told(before: Option<f64>, seen: &Result<Sighting, Text>, secs: i64) -> String {
    match stands(before, seen, secs) {
        Stands::Settling { until } => format!("settling {}", (until - at(0)).num_seconds()),
        Stands::Watching { until } => format!("watching {}", (until - at(0)).num_seconds()),
        Stands::Judged(judgement) => judgement.to_string(),
    }
}

#[test]
fn an_effect_is_judged_by_what_lies_behind_the_step() {
    let missing = |why: &str| -> Result<Sighting, Text> { Err(why.into()) };
    let many = 50_000.0;
    for (case, before, seen, secs, says) in [
        ("the window still holds the trouble", Some(18.0), burn(12.0, 60, many), 60, "settling 300"),
        ("also if it looks fine already", Some(18.0), burn(0.4, 290, many), 299, "settling 300"),
        ("and if the figure is of before that", Some(18.0), burn(0.4, 295, many), 301, "watching 600"),
        ("it fell below the wish", Some(18.0), burn(0.4, 360, many), 362, "burn 18.0× → 0.4× in 6m"),
        ("it has time left", Some(18.0), burn(2.0, 360, many), 362, "watching 600"),
        ("it fell, and not far enough", Some(18.0), burn(2.0, 600, many), 601, "too little: burn 18.0× → 2.0× in 10m"),
        ("it fell by less than half of the way", Some(18.0), burn(9.9, 600, many), 601, "no effect: burn 18.0× → 9.9× in 10m"),
        ("it did not fall", Some(18.0), burn(18.4, 600, many), 601, "no effect: burn 18.0× → 18.4× in 10m"),
        ("it rose", Some(18.0), burn(40.0, 600, many), 601, "no effect: burn 18.0× → 40.0× in 10m"),
        (
            "it did not burn before",
            Some(0.4),
            burn(0.3, 360, many),
            362,
            "cannot tell what became of burn checkout/availability: it was 0.4× before the step already",
        ),
        ("nobody saw it before", None, burn(0.4, 360, many), 362, "burn — → 0.4× in 6m"),
        ("nobody saw it before and it burns", None, burn(9.0, 600, many), 601, "no effect: burn — → 9.0× in 10m"),
        ("there was no traffic since", Some(18.0), burn(0.0, 360, 0.0), 362, "watching 600"),
        (
            "and none until the end",
            Some(18.0),
            burn(0.0, 600, 0.0),
            601,
            "cannot tell what became of burn checkout/availability: there is no traffic",
        ),
        // 18 × 0.1 % of 150 events: fewer than three failures would be expected if nothing had changed.
        (
            "too few to tell luck from cure",
            Some(18.0),
            burn(0.0, 600, 150.0),
            601,
            "cannot tell what became of burn checkout/availability: too little traffic: 150 events in 5 min",
        ),
        ("enough to tell", Some(18.0), burn(0.0, 600, 170.0), 601, "burn 18.0× → 0.0× in 10m"),
        ("no figures yet", Some(18.0), missing("its figures are stale"), 400, "watching 600"),
        ("a little patience", Some(18.0), missing("its figures are stale"), 650, "watching 720"),
        (
            "and no more",
            Some(18.0),
            missing("its figures are stale"),
            720,
            "cannot tell what became of burn checkout/availability: its figures are stale",
        ),
        (
            "the source stopped before it was settled",
            Some(18.0),
            burn(0.4, 200, many),
            720,
            "cannot tell what became of burn checkout/availability: its figures are too old",
        ),
        (
            "nobody was there",
            Some(18.0),
            burn(0.4, 4_000, many),
            4_002,
            "cannot tell what became of burn checkout/availability: nobody looked while it was to be judged",
        ),
    ] {
        assert_eq!(told(before, &seen, secs), says, "{case}");
    }
}

#[test]
fn a_longer_window_takes_longer_to_settle() {
    let window = Over { length: TimeDelta::minutes(30), events: 50_000.0, min_events: 0.0, at_most: 1_000.0 };
    let seen = Ok(Sighting { value: 0.4, as_of: at(600), window: Some(window) });
    assert_eq!(told(Some(18.0), &seen, 601), "settling 1800");
}

#[test]
fn a_definition_may_want_more_events() {
    let window = Over { length: TimeDelta::minutes(5), events: 900.0, min_events: 1_000.0, at_most: 1_000.0 };
    let seen = Ok(Sighting { value: 0.4, as_of: at(600), window: Some(window) });
    assert!(told(Some(500.0), &seen, 601).ends_with("too little traffic: 900 events in 5 min"));
}

#[test]
fn what_is_done_again_is_not_judged() {
    let watched = Watched { wish: &wish(), before: Some(18.0), ended_at: at(0), disturbed_at: Some(at(130)) };
    let Stands::Judged(judgement) = judge(&watched, &burn(0.4, 360, 50_000.0), at(362)) else { panic!("it is judged") };
    assert!(judgement.to_string().ends_with("the step was taken again or back 2m later"), "{judgement}");
}

#[test]
fn an_age_is_judged_without_a_window() {
    let signal = Signal::QueueAge { queue: "rabbit/orders".into() };
    let wish = EffectWish { signal, comparison: Comparison::Less, threshold: 30.0, within: Duration::from_mins(2) };
    let age = |value, as_of| Ok(Sighting { value, as_of: at(as_of), window: None });
    let judge = |seen, secs| judge(&Watched { wish: &wish, before: Some(600.0), ended_at: at(0), disturbed_at: None }, &seen, at(secs));
    assert_eq!(judge(age(0.0, 200), 200), Stands::Settling { until: at(300) });
    let Stands::Judged(judgement) = judge(age(0.0, 305), 305) else { panic!("it is judged") };
    assert_eq!(judgement.to_string(), "age 10m → 0s in 5m");
}
