//! Queues.

use chrono::{DateTime, Utc};

use super::super::widgets::figures::{Age, Count};
use crate::domain::QueueRow;

/// A queue in a sentence: `12,431 wait, the oldest for 14m, 0 consumers`.
pub fn sentence(row: &QueueRow, now: DateTime<Utc>) -> String {
    let ready = row.now.ready.map_or_else(|| "work waits".to_owned(), |n| format!("{} wait", Count(n as f64)));
    let age = row.age(now).map_or_else(
        || ", nobody tells how long".to_owned(),
        |age| format!(", the oldest for {}{}", if age.at_least { "at least " } else { "" }, Age::secs(age.span.num_seconds() as f64)),
    );
    let consumers = match row.now.consumers {
        None => String::new(),
        Some(1) => ", 1 consumer".to_owned(),
        Some(n) => format!(", {n} consumers"),
    };
    format!("{ready}{age}{consumers}")
}
