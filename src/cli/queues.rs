//! Queues in `burnwatch status`: as JSON all of them, as text those at which there is something to look.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::status::time;
use crate::{
    domain::{QueueRow, QueueState, Snapshot},
    tui::figures::{Age, Count, Rate},
};

/// Queues that the text names at most, of each status the worst.
const NAMED: usize = 10;

/// One queue. What a system does not tell is `null`.
pub fn json(row: &QueueRow, now: DateTime<Utc>) -> Value {
    let at = if row.state == QueueState::Stale { row.as_of } else { now };
    let age = row.age(at);
    let secs = |bound: bool| age.filter(|age| age.at_least == bound).map(|age| age.span.num_seconds());
    json!({
        "id": row.id, "source": row.source, "name": row.name(), "service": row.service, "state": row.state,
        "depth": row.now.ready, "in_flight": row.now.in_flight, "delayed": row.now.delayed, "failed": row.now.failed,
        "oldest_age_s": secs(false), "oldest_age_at_least_s": secs(true), "max_age_s": row.limit.num_seconds(),
        "rate_in": row.verdict.rate_in, "rate_out": row.verdict.rate_out, "empty_in_s": row.verdict.drain_secs.map(f64::round),
        "consumers": row.now.consumers, "paused": row.now.paused, "dead_letters": row.now.dead_letters, "filling": row.verdict.filling,
        "failed_grew": row.verdict.failed_grew, "stalled_by": row.verdict.stall, "as_of": time(row.as_of),
    })
}

/// `  rabbit/orders  stalled   12,431 waiting, oldest 14m  in 120/s  out 0/s  0 consumers  no consumers`, and how many more there are.
pub fn lines(snapshot: &Snapshot) -> Vec<String> {
    let loud: Vec<_> = snapshot.queues.iter().filter(|row| !row.is_quiet()).collect();
    let named = loud.iter().take(NAMED);
    let width = named.clone().map(|row| row.id.as_str().chars().count()).max().unwrap_or(0).min(60);
    let mut lines: Vec<String> = named.map(|row| line(row, width, snapshot.at)).collect();
    let (more, quiet) = (loud.len().saturating_sub(NAMED), snapshot.queues.len() - loud.len());
    let rest: Vec<_> =
        [(more, "more"), (quiet, "quiet")].into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if !rest.is_empty() {
        lines.push(format!("  queues: {}", rest.join(", ")));
    }
    lines
}

fn line(row: &QueueRow, width: usize, now: DateTime<Utc>) -> String {
    let at = if row.state == QueueState::Stale { row.as_of } else { now };
    let depth = row.now.ready.map_or_else(|| "—".to_owned(), |n| Count(n as f64).to_string());
    let oldest = match row.age(at) {
        Some(age) => format!(", oldest {}{}", if age.at_least { "≥" } else { "" }, Age::secs(age.span.num_seconds() as f64)),
        None if row.now.waits() == Some(true) && !row.now.dead_letters => ", age unknown".to_owned(),
        None => String::new(),
    };
    let rate = |name: &str, rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("  {name} {}", Rate(rate)));
    let stall = row.verdict.stall.map_or_else(String::new, |stall| format!("  {}", stall.words()));
    let failed = if row.verdict.failed_grew > 0 { format!("  {} more failed", row.verdict.failed_grew) } else { String::new() };
    let stale = if row.state == QueueState::Stale { format!("  {} old", Age::between(row.as_of, now)) } else { String::new() };
    let short: String = row.id.as_str().chars().take(60).collect();
    format!(
        "  {short:<width$}  {:<8} {depth:>7} waiting{oldest}{}{}{stall}{failed}{stale}",
        row.state.word(),
        rate("in", row.verdict.rate_in),
        rate("out", row.verdict.rate_out),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{domain::QueueSample, tui::fixture};

    fn snapshot() -> Snapshot {
        let now = fixture::now();
        let row = |name: &str, ready: Option<u64>, consumers| {
            let sample = QueueSample { name: name.into(), ready, consumers: Some(consumers), left: Some(1), ..QueueSample::default() };
            let seen = |before: Option<&QueueRow>, back| {
                QueueRow::seen(before, &"rabbit".into(), &sample, now - chrono::TimeDelta::seconds(back), &[]).unwrap()
            };
            Arc::new(seen(Some(&seen(None, 15)), 0))
        };
        let idle = (0..490).map(|n| row(&format!("idle-{n}"), Some(0), 1));
        let queues = [row("orders", Some(12_431), 0), row("unknown", None, 1)].into_iter().chain(idle).collect();
        Snapshot { queues, ..fixture::calm() }
    }

    #[test]
    fn what_is_not_known_is_null_and_the_quiet_are_counted() {
        let snapshot = snapshot();
        let orders = json(&snapshot.queues[0], snapshot.at);
        let expected = [("depth", 12_431.into()), ("state", "stalled".into()), ("oldest_age_s", Value::Null), ("rate_in", Value::Null)];
        for (name, value) in expected {
            assert_eq!(orders[name], value, "{name}");
        }
        assert_eq!((&orders["rate_out"], &orders["stalled_by"]), (&serde_json::json!(0.0), &"no_consumers".into()));
        assert_eq!(json(&snapshot.queues[1], snapshot.at)["depth"], Value::Null);
        assert_eq!(
            lines(&snapshot),
            [
                "  rabbit/orders   stalled   12,431 waiting, age unknown  out 0/s  no consumers",
                "  rabbit/unknown  unknown        — waiting  out 0/s",
                "  queues: 490 quiet",
            ]
        );
    }
}
