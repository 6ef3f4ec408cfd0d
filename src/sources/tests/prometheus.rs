//! A Prometheus, as recorded from 2.42 and as it is on bad days.

use std::{fmt::Write, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    super::{
        Prometheus, PrometheusSettings, Source,
        decode::{self, Seen},
    },
    definition, fixture, form, line,
    stand_in::{Say, StandIn, deadlines, http, patient, sunday},
};
use crate::domain::{
    Answer, Ask, Definition, DefinitionId, EventCounts, FaultClass, Grade, Group, GroupCounts, Lane, Part, Ratio, Side, Sli, Untrusted,
    Want, Window,
};

const MINUTE: Window = Window::minutes(1);

fn source(server: &StandIn) -> Prometheus {
    source_of(server, definition("availability", &["service"]))
}
fn source_of(server: &StandIn, definition: Definition) -> Prometheus {
    let settings = PrometheusSettings { name: "prom".into(), http: http(&server.url), deadlines: patient() };
    Prometheus::new(settings, vec![Arc::new(definition)]).unwrap()
}
fn counts(window: Window) -> Want {
    Want::Counts { definition: DefinitionId::new("availability"), window }
}
fn group(value: &str) -> Group {
    Group(vec![Untrusted::new(value)])
}
async fn poll(source: &Prometheus, want: Want) -> Part {
    source.poll(&Ask { wants: vec![want] }, Lane::Short, &sunday).await.parts.remove(0)
}
async fn answer(body: impl AsRef<[u8]>, want: Want) -> Part {
    let server = StandIn::saying(Say::json(body)).await;
    poll(&source(&server), want).await
}
fn good_counts(part: Part) -> Vec<GroupCounts> {
    match part.outcome {
        Ok(Answer::Counts(counts)) => counts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn counts_as_recorded() {
    let found = good_counts(answer(fixture("prometheus-2.42/counts-5m.json"), counts(Window::minutes(5))).await);
    let names: Vec<_> = found.iter().map(|c| c.group.clone()).collect();
    assert_eq!(names, [group("svc-00000"), group("svc-00001"), group("svc-00002")]);
    assert!(found.iter().all(|c| c.covered.is_none() && c.counts.is_some_and(|c| c.bad >= 0.0 && c.total > 0.0)));
    let period = good_counts(answer(fixture("prometheus-2.42/counts-30d.json"), counts(Window::days(30))).await);
    assert_eq!(period[0].covered, Some(16.0 / 240.0), "two days of thirty");
    let total = 2_000_222.321_118_444;
    assert_eq!(period[0].counts, Some(EventCounts { bad: total - 2_000_087.297_672_803, total }));
}

#[tokio::test]
async fn every_want_is_one_request_at_a_named_instant() {
    let server = StandIn::saying(Say::json(fixture("prometheus-2.42/counts-5m.json"))).await;
    let part = poll(&source(&server), counts(Window::minutes(5))).await;
    assert_eq!(part.as_of, sunday());
    let asked = server.asked();
    assert_eq!((asked.len(), line(&asked[0])), (1, "POST /api/v1/query"));
    let form = form(&asked[0]);
    assert_eq!((form["time"].as_str(), form["timeout"].as_str()), ("1795338600.250", "30s"));
    assert!(form["query"].contains("\"part\"") && form["query"].contains("\"total\""), "{form:?}");
}

#[tokio::test]
async fn a_thousand_groups_cost_as_many_requests_as_ten() {
    for groups in [10, 1_000] {
        let mut body = String::from(r#"{"status":"success","data":{"resultType":"vector","result":["#);
        for n in 0..groups {
            let comma = if n == 0 { "" } else { "," };
            write!(body, r#"{comma}{{"metric":{{"burnwatch_side":"part","service":"s{n}"}},"value":[1,"9"]}}"#).unwrap();
            write!(body, r#",{{"metric":{{"burnwatch_side":"total","service":"s{n}"}},"value":[1,"10"]}}"#).unwrap();
        }
        body.push_str("]}}");
        let server = StandIn::saying(Say::json(body)).await;
        let found = good_counts(poll(&source(&server), counts(Window::minutes(5))).await);
        assert_eq!((found.len(), server.asked().len()), (groups, 1));
        assert!(found.iter().all(|c| c.counts == Some(EventCounts { bad: 1.0, total: 10.0 })));
    }
}

#[tokio::test]
async fn a_server_without_post_is_asked_by_get_from_then_on() {
    let empty = fixture("prometheus-2.42/empty.json");
    let server = StandIn::new(
        move |request| {
            if request.starts_with("POST") { Say::answer("405 Method Not Allowed", "", "") } else { Say::json(&empty) }
        },
    )
    .await;
    let source = source(&server);
    for _ in 0..2 {
        assert_eq!(good_counts(poll(&source, counts(Window::minutes(5))).await), []);
    }
    let methods: Vec<_> = server.asked().iter().map(|r| line(r).split_once(' ').unwrap().0.to_owned()).collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
    assert!(line(&server.asked()[1]).starts_with("GET /api/v1/query?query=label_replace"));
}

#[tokio::test]
async fn warnings_mark_the_answer_as_not_whole() {
    let body = |extra: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[]}}{extra}}}"#);
    for (extra, partial) in [
        (r#","warnings":["store a\u001b[2J is away"],"infos":["PromQL info"]"#, Some("store a\u{241b}[2J is away; PromQL info")),
        (r#","warnings":["a","b","c","d","e"]"#, Some("a; b; c; and 2 more")),
        (r#","isPartial":true"#, Some("the server says that some of its stores did not answer")),
        (r#","isPartial":false,"warnings":null"#, None),
        ("", None),
    ] {
        let part = answer(body(extra), counts(Window::minutes(5))).await;
        assert_eq!(part.partial.as_ref().map(crate::domain::Text::as_str), partial);
        assert_eq!(good_counts(part), []);
    }
}

#[tokio::test]
async fn a_value_that_is_no_number_is_never_a_count() {
    let part = answer(fixture("prometheus-2.42/counts-nan.json"), counts(Window::minutes(5))).await;
    assert_eq!(part.partial.as_ref().map(crate::domain::Text::as_str), Some("3 groups left out: their counts are no finite number"));
    let found = good_counts(part);
    assert_eq!(found.iter().map(|c| c.counts).collect::<Vec<_>>(), [None, None, None]);
}

#[test]
fn a_missing_side_means_zero_only_where_the_row_says_so() {
    let mut ratio = definition("availability", &[]).sli.ratio().unwrap().clone();
    let sum_up = |ratio: &Ratio, part, total| decode::sum_up(&Sli::Ratio(ratio.clone()), part, total);
    let ten = Some(EventCounts { bad: 10.0, total: 10.0 });
    assert_eq!(sum_up(&ratio, Seen::Missing, Seen::Number(10.0)), ten, "no good events among ten");
    assert_eq!(sum_up(&ratio, Seen::Number(3.0), Seen::Missing), None, "three of nothing");
    assert_eq!(sum_up(&ratio, Seen::NoNumber, Seen::Number(10.0)), None);
    assert_eq!(sum_up(&ratio, Seen::Missing, Seen::Missing), None);
    ratio.part = Side::Bad;
    assert_eq!(sum_up(&ratio, Seen::Missing, Seen::Number(10.0)), Some(EventCounts { bad: 0.0, total: 10.0 }));
    ratio.missing_is_zero = false;
    assert_eq!(sum_up(&ratio, Seen::Missing, Seen::Number(10.0)), None);
    assert_eq!(sum_up(&ratio, Seen::Number(2.0), Seen::Number(10.0)), Some(EventCounts { bad: 2.0, total: 10.0 }));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_or_of_another_shape_is_malformed() {
    let whole = fixture("prometheus-2.42/counts-5m.json");
    let shapes: [&[u8]; 6] = [
        &whole[..whole.len() / 2],
        b"",
        b"[]",
        b"{\"status\":\"success\"}",
        b"ok",
        b"{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":{},\"value\":[1,2]}]}}",
    ];
    for body in shapes {
        let fault = answer(body, counts(Window::minutes(5))).await.outcome.unwrap_err();
        assert_eq!(fault.class, FaultClass::Malformed, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let server = StandIn::saying(Say::answer("400 Bad Request", "", fixture("prometheus-2.42/error-bad-data.json"))).await;
    let fault = poll(&source(&server), counts(Window::minutes(5))).await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Rejected);
    assert!(fault.message.as_str().contains("1:5: parse error: unclosed left parenthesis"), "{fault:?}");
    let with_200 = answer(r#"{"status":"error","errorType":"execution","error":"too many samples"}"#, counts(Window::minutes(5))).await;
    assert!(with_200.outcome.unwrap_err().message.as_str().contains("execution: too many samples"));
}

#[tokio::test]
async fn one_hung_question_takes_no_other_with_it() {
    let empty = fixture("prometheus-2.42/empty.json");
    let server = StandIn::new(move |request| if request.contains("1h") { Say::Nothing } else { Say::json(&empty) }).await;
    let settings = PrometheusSettings { name: "prom".into(), http: http(&server.url), deadlines: deadlines() };
    let source = Prometheus::new(settings, vec![Arc::new(definition("availability", &["service"]))]).unwrap();
    let wants = [Window::hours(1), Window::minutes(5), Window::minutes(30), Window::hours(6)].map(counts).to_vec();
    let reading = source.poll(&Ask { wants: wants.clone() }, Lane::Short, &sunday).await;
    let ok: Vec<_> = reading.parts.iter().map(|p| p.outcome.as_ref().map_err(|f| f.class).is_ok()).collect();
    assert_eq!((ok, reading.fault().unwrap().class), (vec![false, true, true, true], FaultClass::Timeout));
    assert_eq!(reading.parts.into_iter().map(|p| p.want).collect::<Vec<_>>(), wants);
}

#[tokio::test]
async fn what_is_not_asked_of_this_server_is_refused_without_a_request() {
    let server = StandIn::saying(Say::Nothing).await;
    for want in [Want::Alerts, Want::Scrape, Want::Presence { definition: DefinitionId::new("other") }] {
        assert_eq!(poll(&source(&server), want).await.outcome.unwrap_err().class, FaultClass::Rejected);
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn presence_as_recorded() {
    let part = answer(fixture("prometheus-2.42/presence.json"), Want::Presence { definition: DefinitionId::new("availability") }).await;
    let at = DateTime::<Utc>::from_timestamp(1_795_336_140, 0).unwrap();
    let expected = ["svc-00000", "svc-00001", "svc-00002"].map(|s| (group(s), at)).to_vec();
    assert_eq!(part.outcome, Ok(Answer::Presence(expected)));
}

#[tokio::test]
async fn history_has_a_point_for_every_step_and_gaps_where_there_is_none() {
    let server = StandIn::saying(Say::json(fixture("prometheus-2.42/history.json"))).await;
    let at = |secs| DateTime::<Utc>::from_timestamp(secs, 0).unwrap();
    let want = Want::History {
        definition: DefinitionId::new("availability"),
        groups: vec![group("svc-00001")],
        window: Window::minutes(5),
        from: at(1_795_333_810),
        to: at(1_795_335_999),
        step: Window::minutes(5),
    };
    let Ok(Answer::History(lines)) = poll(&source(&server), want).await.outcome else { panic!("no history") };
    let form = form(&server.asked()[0]);
    assert_eq!(["start", "end", "step"].map(|k| form[k].as_str()), ["1795333800.000", "1795335900.000", "300"]);
    assert!(form["query"].contains(r#"http_requests_total{service=~"svc\\-00001"}[5m]"#), "{form:?}");
    assert_eq!(line(&server.asked()[0]), "POST /api/v1/query_range");
    let [(name, points)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((name, points.len()), (&group("svc-00001"), 8));
    assert_eq!(points[0], (at(1_795_333_800), None));
    assert_eq!(points[2], (at(1_795_334_400), Some(EventCounts { bad: 1.0, total: 3_939.0 })));
}

/// A matrix of both sides of the page rules' windows: bad is `errors(window, minutes before now)` of 1,000.
fn page_lines(errors: impl Fn(&str, i64) -> f64) -> String {
    let mut lines = Vec::new();
    for window in ["5m", "30m", "1h", "6h"] {
        let points = |value: &dyn Fn(i64) -> f64| {
            let first = sunday().timestamp_millis() as f64 / 1e3 - 21_600.0;
            (0..=360).map(|n| format!("[{},\"{}\"]", first + 60.0 * n as f64, value(360 - n))).collect::<Vec<_>>().join(",")
        };
        for (side, values) in [("part", points(&|ago| 1_000.0 - errors(window, ago))), ("total", points(&|_| 1_000.0))] {
            lines.push(format!(r#"{{"metric":{{"burnwatch_side":"{side}:{window}","service":"a"}},"values":[{values}]}}"#));
        }
    }
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, lines.join(","))
}

#[tokio::test]
async fn the_start_of_an_alert_is_where_its_run_of_firing_points_begins() {
    let start = |body: String| async move {
        let want = Want::Start { definition: DefinitionId::new("availability"), group: group("a"), grade: Grade::Page };
        match answer(body, want).await.outcome {
            Ok(Answer::Start(start)) => start,
            other => panic!("{other:?}"),
        }
    };
    let ago = |minutes: i32| Some(sunday() - MINUTE.delta() * minutes);
    let hour_rule = |since: i64| move |window: &str, ago: i64| if matches!(window, "5m" | "1h") && ago <= since { 20.0 } else { 0.0 };
    assert_eq!(start(page_lines(hour_rule(40))).await, ago(40), "20 ‰ of errors burn at 20");
    assert_eq!(start(page_lines(hour_rule(9_999))).await, None, "it began before what was looked at");
    let handed_over = |window: &str, ago: i64| match window {
        "5m" | "1h" if (30..=90).contains(&ago) => 20.0,
        "30m" | "6h" if ago <= 30 => 7.0,
        _ => 0.0,
    };
    assert_eq!(start(page_lines(handed_over)).await, ago(90), "one rule took over from the other");
    let interrupted = |window: &str, ago: i64| if matches!(window, "5m" | "1h") && (ago <= 10 || ago >= 20) { 20.0 } else { 0.0 };
    assert_eq!(start(page_lines(interrupted)).await, ago(10));
    assert_eq!(start(page_lines(|_, _| 0.0)).await, ago(0), "it stopped just now");
    assert_eq!(start(page_lines(|w, _| if w == "1h" { 20.0 } else { 0.0 })).await, ago(0), "both windows must burn");
}

#[tokio::test]
async fn several_labels_make_a_group_in_their_order() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"burnwatch_side":"total","zone":"eu","service":"a\nb"},"value":[1,"10"]},
        {"metric":{"burnwatch_side":"part","service":"a\nb","zone":"eu"},"value":[1,"9"]},
        {"metric":{"burnwatch_side":"total","zone":"eu"},"value":[1,"5"]},
        {"metric":{"burnwatch_side":"part","zone":"eu"},"value":[1,"5"]}]}}"#;
    let server = StandIn::saying(Say::json(body)).await;
    let found = good_counts(poll(&source_of(&server, definition("availability", &["service", "zone"])), counts(MINUTE)).await);
    let of = |s: &str, z: &str| Group(vec![Untrusted::new(s), Untrusted::new(z)]);
    assert_eq!(found.iter().map(|c| c.group.clone()).collect::<Vec<_>>(), [of("", "eu"), of("a\nb", "eu")]);
    assert_eq!(found[1].counts, Some(EventCounts { bad: 1.0, total: 10.0 }));
    let server = StandIn::saying(Say::json(body.replace(r#","zone":"eu""#, "").replace(r#""zone":"eu","#, ""))).await;
    assert_eq!(good_counts(poll(&source_of(&server, definition("availability", &[])), counts(MINUTE)).await).len(), 1);
}
