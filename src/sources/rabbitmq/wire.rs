//! A page of queues as the management API sends it, read field by field: one that lies spoils no other.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{super::failure::json_trouble, doubts::Doubts};
use crate::domain::{QueueSample, Text};

/// Numbers from here on are milliseconds, not seconds: the year 5138 in seconds, 1973 in milliseconds.
const MILLIS: i64 = 100_000_000_000;
/// How far a publisher's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(1);
/// Nothing was queued before: 2000-01-01.
const EARLIEST: i64 = 946_684_800;

/// One page of queues.
#[derive(Debug)]
pub struct Page {
    /// The queues, unread.
    pub items: Vec<Value>,
    /// Whether there is another page.
    pub more: bool,
}

impl Page {
    /// Read a page; what is wrong with it in words, and the next step.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        const WHERE: &str = "check `url`, the server's version (3.6 or newer) and proxies before it";
        let read: Value = serde_json::from_slice(body).map_err(|e| format!("the answer is not JSON ({}); {WHERE}", json_trouble(&e)))?;
        let Value::Object(mut page) = read else {
            let what = if read.is_array() { "a list" } else { "something else" };
            return Err(format!("answered with {what} where a page of queues belongs; {WHERE}"));
        };
        let number = |key: &str| page.get(key).and_then(Value::as_u64);
        let (at, count, total) = (number("page"), number("page_count"), number("filtered_count").or_else(|| number("total_count")));
        let Some(Value::Array(items)) = page.remove("items") else {
            return Err(format!("answered with a page without queues in it; {WHERE}"));
        };
        if items.is_empty() && at.is_none_or(|at| at <= 1) && total.is_some_and(|total| total > 0) {
            return Err(format!("says that there are {} queues and lists none; look at the server's log", total.unwrap_or_default()));
        }
        let more = !items.is_empty() && at.zip(count).is_some_and(|(at, count)| at < count);
        Ok(Self { items, more })
    }
}

/// One queue, and what else is known of it.
#[derive(Debug)]
pub struct Item {
    /// How it stands.
    pub sample: QueueSample,
    vhost: String,
    name: String,
    /// Where it sends what it gives up, if that is straight to a queue.
    gives_up_to: Option<String>,
    /// Whether somebody takes from it, or ever did, by subscribing to it: a look with the web page does not count.
    worked: bool,
}

impl Item {
    /// Read a queue seen at `at`; `None` if it is none. What cannot be goes to `doubts`.
    pub fn read(item: &Value, at: DateTime<Utc>, doubts: &mut Doubts) -> Option<Self> {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let (Some(name), vhost) = (text("name"), text("vhost").unwrap_or("/")) else {
            doubts.no_object();
            return None;
        };
        let shown = Text::from(if vhost == "/" { name.to_owned() } else { format!("{vhost}/{name}") });
        if text("state").is_some_and(|state| !matches!(state, "running" | "idle" | "flow")) {
            doubts.down(&shown);
        }
        let mut impossible = false;
        let mut count = |of: &Value, key: &str| match of.get(key) {
            None | Some(Value::Null) => None,
            Some(value) => {
                impossible |= value.as_u64().is_none();
                value.as_u64()
            }
        };
        let (all, mut ready, mut taken) = (count(item, "messages"), count(item, "messages_ready"), count(item, "messages_unacknowledged"));
        let consumers = count(item, "consumers");
        let counted = item.get("message_stats").filter(|stats| stats.is_object());
        let mut counter = |key: &str| counted.and_then(|stats| count(stats, key));
        let (entered, acked, given) = (counter("publish"), counter("ack"), counter("deliver_get"));
        let unasked = [counter("deliver_no_ack"), counter("get_no_ack")];
        let pushed = counter("deliver").unwrap_or(0) > 0 || unasked.first().copied().flatten().unwrap_or(0) > 0;
        if impossible {
            doubts.impossible(&shown);
        }
        if all.is_some_and(|all| all > 0) && ready == Some(0) && taken == Some(0) {
            doubts.zeros(&shown);
            (ready, taken) = (None, None);
        }
        if counted.is_none() && ready.zip(taken).is_some_and(|(ready, taken)| ready.max(taken) > 0) {
            doubts.no_stats(&shown);
        }
        let oldest_at = item.get("head_message_timestamp").filter(|t| !t.is_null() && ready.is_some_and(|n| n > 0));
        let oldest_at = oldest_at.and_then(|told| {
            let time = told.as_i64().and_then(|told| stamp(told, at));
            if time.is_none() {
                doubts.timestamp(&shown);
            }
            time
        });
        // What is handed out without waiting for a word is done with, as far as the broker can tell.
        let left = acked.map(|acked| unasked.into_iter().flatten().fold(acked, u64::saturating_add));
        let sample = QueueSample {
            name: shown,
            ready,
            in_flight: taken,
            oldest_at,
            consumers,
            entered,
            taken: given,
            left,
            ..QueueSample::default()
        };
        let worked = pushed || consumers.is_some_and(|n| n > 0);
        Some(Self { sample, vhost: vhost.to_owned(), name: name.to_owned(), gives_up_to: gives_up_to(item), worked })
    }
}

/// When a message was published, by its timestamp: seconds as the protocol says, or milliseconds as some publishers write.
fn stamp(told: i64, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = if told >= MILLIS { DateTime::from_timestamp_millis(told) } else { DateTime::from_timestamp(told, 0) }?;
    (time.timestamp() >= EARLIEST && time <= at + AHEAD).then_some(time.min(at))
}

/// The queue to which this one sends what it gives up: by its own arguments or by a policy, through the exchange that knows every queue
/// by its name.
fn gives_up_to(item: &Value) -> Option<String> {
    let said = |of: &str, exchange: &str, key: &str| {
        let of = item.get(of)?;
        let straight = of.get(exchange)?.as_str()?.is_empty();
        of.get(key)?.as_str().filter(|_| straight).map(str::to_owned)
    };
    said("arguments", "x-dead-letter-exchange", "x-dead-letter-routing-key")
        .or_else(|| said("effective_policy_definition", "dead-letter-exchange", "dead-letter-routing-key"))
}

/// Find the queues in which others lay down what they gave up: those that a queue which somebody works on sends to, and on which nobody
/// ever worked. (A queue that nobody works on and that sends on is a waiting room, and what it sends to is work.) What is in one counts
/// as failed, there and at the queue that sends to it if it is the only one.
pub fn dead_letters(items: &mut [Item]) {
    let of = |item: &Item, name: &str| (item.vhost.clone(), name.to_owned());
    let mut senders: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (n, item) in items.iter().enumerate() {
        if let Some(target) = item.gives_up_to.as_deref().filter(|target| item.worked && **target != *item.name) {
            senders.entry(of(item, target)).or_default().push(n);
        }
    }
    let mut laid_down = Vec::new();
    for item in items.iter_mut().filter(|item| !item.worked) {
        if let Some(from) = senders.get(&of(item, &item.name)) {
            item.sample.dead_letters = true;
            item.sample.failed = item.sample.ready;
            if let [only] = from.as_slice() {
                laid_down.push((*only, item.sample.ready));
            }
        }
    }
    for (n, failed) in laid_down {
        if let Some(item) = items.get_mut(n) {
            item.sample.failed = failed;
        }
    }
}
