//! A RabbitMQ as it has been seen to answer: well, in pages, and with what cannot be.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    super::{Deadlines, HttpSettings, RabbitMq, RabbitMqSettings, Source},
    line,
    stand_in::{Say, StandIn, patient},
};
use crate::domain::{Answer, Ask, FaultClass, Lane, Part, QueueSample, Want};

fn rabbit(server: &StandIn, vhosts: &[&str]) -> RabbitMq {
    let http = HttpSettings::new(server.url.clone());
    let vhosts = vhosts.iter().map(|v| (*v).to_owned()).collect();
    RabbitMq::new(RabbitMqSettings { name: "rabbit".into(), http, deadlines: patient(), vhosts }).unwrap()
}

async fn poll(source: &RabbitMq) -> Part {
    source.poll(&Ask { wants: vec![Want::Queues] }, Lane::Short, &now).await.parts.remove(0)
}

fn now() -> DateTime<Utc> {
    "2026-11-25T14:32:08Z".parse().unwrap()
}

fn queue(name: &str) -> Value {
    json!({
        "name": name, "vhost": "/", "state": "running", "messages": 5, "messages_ready": 4, "messages_unacknowledged": 1,
        "consumers": 2, "head_message_timestamp": null, "arguments": {}, "effective_policy_definition": {},
        "message_stats": {"publish": 100, "ack": 90, "deliver": 95, "deliver_no_ack": 3, "deliver_get": 98, "get_no_ack": 2},
    })
}

fn page(items: &[Value]) -> Value {
    json!({"items": items, "page": 1, "page_count": 1, "page_size": 500, "item_count": items.len(),
           "filtered_count": items.len(), "total_count": items.len()})
}

/// What one poll of these items tells: the samples, and what is said beside them.
async fn told(items: &[Value]) -> (Vec<QueueSample>, String) {
    let server = StandIn::saying(Say::json(page(items).to_string())).await;
    let part = poll(&rabbit(&server, &[])).await;
    let Ok(Answer::Queues(queues)) = part.outcome else { panic!("{:?}", part.outcome) };
    (queues, part.partial.map(|t| t.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn a_queue_becomes_one_of_ours() {
    let mut orders = queue("orders");
    orders["vhost"] = json!("shop");
    orders["head_message_timestamp"] = json!(now().timestamp() - 90);
    let (queues, partial) = told(&[orders, queue("mail")]).await;
    let expected = QueueSample {
        name: "shop/orders".into(),
        ready: Some(4),
        in_flight: Some(1),
        oldest_at: Some(now() - TimeDelta::seconds(90)),
        consumers: Some(2),
        entered: Some(100),
        taken: Some(98),
        left: Some(95),
        ..QueueSample::default()
    };
    let mail = QueueSample { name: "mail".into(), oldest_at: None, ..expected.clone() };
    assert_eq!((queues, partial.as_str()), (vec![expected, mail], ""));
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_a_queue_that_moved_counts_once() {
    let server = StandIn::new(|request| {
        let (at, items) =
            if line(request).contains("page=1&") { (1, vec![queue("a"), queue("b")]) } else { (2, vec![queue("b"), queue("\u{1b}[2J")]) };
        let mut page = page(&items);
        (page["page"], page["page_count"]) = (json!(at), json!(2));
        Say::json(page.to_string())
    })
    .await;
    let part = poll(&rabbit(&server, &[])).await;
    let Ok(Answer::Queues(queues)) = part.outcome else { panic!("{:?}", part.outcome) };
    assert_eq!(queues.iter().map(|q| q.name.as_str()).collect::<Vec<_>>(), ["a", "b", "␛[2J"]);
    assert_eq!(server.asked().len(), 2);
    let asked = server.asked();
    assert!(line(&asked[0]).starts_with("GET /api/queues?page=1&page_size=500&columns=name%2Cvhost%2C"), "{}", asked[0]);
    // Some virtual hosts only: each by its name, whatever that is.
    let server = StandIn::saying(Say::json(page(&[]).to_string())).await;
    poll(&rabbit(&server, &["/", "shop"])).await;
    let asked = server.asked();
    assert!(line(&asked[0]).starts_with("GET /api/queues/%2F?page=1"), "{}", asked[0]);
    assert!(line(&asked[1]).starts_with("GET /api/queues/shop?page=1"), "{}", asked[1]);
}

#[tokio::test]
async fn what_cannot_be_is_named_and_never_a_figure() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut one = queue("orders");
        change(&mut one);
        one
    };
    let none = |queues: &[QueueSample]| queues.first().map(|q| (q.ready, q.in_flight, q.oldest_at));
    for (item, partial) in [
        (with(&|q| q["messages_ready"] = json!(-4)), "orders: impossible counts, left out"),
        (with(&|q| q["messages_ready"] = json!("4")), "orders: impossible counts, left out"),
        (with(&|q| q["messages_ready"] = json!([])), "orders: impossible counts, left out"),
        (with(&|q| q["messages_ready"] = json!(1e30)), "orders: impossible counts, left out"),
    ] {
        let (queues, said) = told(&[item]).await;
        assert_eq!((none(&queues), said.as_str()), (Some((None, Some(1), None)), partial));
    }
    let zeros = with(&|q| (q["messages_ready"], q["messages_unacknowledged"]) = (json!(0), json!(0)));
    let (queues, said) = told(&[zeros]).await;
    assert_eq!(none(&queues), Some((None, None, None)));
    assert_eq!(said, "orders: nothing ready and nothing taken of what is in it, left out");
    for stats in [json!([]), json!(null), json!("x")] {
        let (queues, said) = told(&[with(&|q| q["message_stats"] = stats.clone())]).await;
        assert_eq!((queues[0].entered, queues[0].taken, queues[0].left, queues[0].ready), (None, None, None, Some(4)));
        assert_eq!(said, "orders: no message_stats, so no rates");
    }
    // Nothing in it: a queue without traffic has no statistics, and nothing is wrong with that.
    let idle = with(&|q| {
        (q["messages"], q["messages_ready"], q["messages_unacknowledged"]) = (json!(0), json!(0), json!(0));
        q["message_stats"] = Value::Null;
    });
    assert_eq!(told(&[idle]).await.1, "");
    // The empty list where an object belongs, among queues that are well.
    let (queues, said) = told(&[json!([]), queue("mail"), json!({}), with(&|q| q["state"] = json!("down"))]).await;
    assert_eq!(queues.len(), 2);
    assert_eq!(said, "2 items: no object where a queue belongs; orders: not running, as of its last word");
    for odd in [json!(now().timestamp() + 3_600), json!(-1), json!(12), json!("yesterday"), json!(i64::MAX)] {
        let (queues, said) = told(&[with(&|q| q["head_message_timestamp"] = odd.clone())]).await;
        assert_eq!((queues[0].oldest_at, said.as_str()), (None, "orders: the oldest message's timestamp is no time, age unknown"));
    }
    let millis = with(&|q| q["head_message_timestamp"] = json!(now().timestamp_millis() - 1_500));
    assert_eq!(told(&[millis]).await.0[0].oldest_at, Some(now() - TimeDelta::milliseconds(1_500)));
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_a_fault() {
    for (body, words) in [
        ("[]", "answered with a list where a page of queues belongs"),
        ("{}", "a page without queues in it"),
        ("{\"items\":{}}", "a page without queues in it"),
        (
            "{\"items\":[],\"page\":1,\"page_count\":1,\"filtered_count\":12,\"total_count\":12}",
            "says that there are 12 queues and lists none",
        ),
        ("4", "something else where a page of queues belongs"),
        ("{\"items\":[", "the answer is not JSON (it is cut off"),
    ] {
        let server = StandIn::saying(Say::json(body)).await;
        let fault = poll(&rabbit(&server, &[])).await.outcome.unwrap_err();
        assert_eq!(fault.class, FaultClass::Malformed);
        assert!(fault.message.as_str().contains(words), "{body}: {}", fault.message);
    }
    let server = StandIn::saying(Say::answer("401 Unauthorized", "", "{\"error\":\"not_authorised\"}")).await;
    assert_eq!(poll(&rabbit(&server, &[])).await.outcome.unwrap_err().class, FaultClass::Unauthorized);
    // Pages without end.
    let endless = StandIn::new(|_| Say::json(json!({"items": [queue("a")], "page": 1, "page_count": 1_000_000}).to_string())).await;
    let source = rabbit(&endless, &[]);
    assert!(poll(&source).await.outcome.unwrap_err().message.as_str().contains("do not come to an end"));
    assert_eq!(endless.asked().len(), 100);
}

#[tokio::test]
async fn counters_that_stand_still_while_the_backlog_grows_are_not_believed() {
    let depth = Arc::new(AtomicI64::new(4));
    let deep = depth.clone();
    let server = StandIn::new(move |_| {
        let mut orders = queue("orders");
        orders["messages_ready"] = json!(deep.load(Ordering::Relaxed));
        Say::json(page(&[orders, queue("mail")]).to_string())
    })
    .await;
    let source = rabbit(&server, &[]);
    let mut seen = Vec::new();
    for ready in [4, 40, 400, 400, 300] {
        depth.store(ready, Ordering::Relaxed);
        let part = poll(&source).await;
        let Ok(Answer::Queues(queues)) = part.outcome else { panic!("{:?}", part.outcome) };
        assert_eq!((queues[0].ready, queues[1].entered), (Some(ready as u64), Some(100)));
        seen.push((queues[0].entered.is_some(), part.partial.map(|t| t.to_string())));
    }
    let doubt = Some("orders: counters stand still while the backlog grows, rates not believed".to_owned());
    assert_eq!(seen, [(true, None), (true, None), (false, doubt.clone()), (false, doubt), (true, None)]);
}

#[tokio::test]
async fn dead_letter_queues_are_known_by_who_sends_to_them() {
    let named = |name: &str, to: Option<&str>, consumers: u64, delivered: u64| {
        let mut one = queue(name);
        one["consumers"] = json!(consumers);
        (one["message_stats"]["deliver"], one["message_stats"]["deliver_no_ack"]) = (json!(delivered), json!(0));
        if let Some(to) = to {
            one["arguments"] = json!({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to});
        }
        one
    };
    let by_policy = |mut one: Value, to: &str| {
        one["effective_policy_definition"] = json!({"dead-letter-exchange": "", "dead-letter-routing-key": to});
        one
    };
    let (queues, _) = told(&[
        named("orders", Some("orders.dead"), 2, 9),
        named("orders.dead", None, 0, 0),
        by_policy(named("mail", None, 0, 7), "shared.dead"),
        by_policy(named("sms", None, 1, 7), "shared.dead"),
        named("shared.dead", None, 0, 0),
        // A waiting room sends to a queue of work, whose workers are away.
        named("retry.wait", Some("retry"), 0, 0),
        named("retry", Some("retry.wait"), 0, 0),
        // Somebody works on what was given up.
        named("audit", Some("audit.dead"), 1, 1),
        named("audit.dead", None, 1, 1),
    ])
    .await;
    let dead: Vec<_> = queues.iter().filter(|q| q.dead_letters).map(|q| (q.name.as_str(), q.failed)).collect();
    assert_eq!(dead, [("orders.dead", Some(4)), ("shared.dead", Some(4))]);
    let failed: Vec<_> = queues.iter().filter(|q| !q.dead_letters && q.failed.is_some()).map(|q| q.name.as_str()).collect();
    assert_eq!(failed, ["orders"]);
}

#[test]
fn the_settings_tell_no_secret() {
    let http = HttpSettings::new("http://guest:hush@h:15672".parse().unwrap());
    let deadlines = Deadlines { short: std::time::Duration::from_secs(5), long: std::time::Duration::from_mins(1) };
    let settings = RabbitMqSettings { name: "rabbit".into(), http, deadlines, vhosts: Vec::new() };
    assert!(!format!("{settings:?}{:?}", RabbitMq::new(settings.clone()).unwrap()).contains("hush"));
}
