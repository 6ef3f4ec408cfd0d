//! What a probe saw of its targets, in words.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::super::theme::Role;
use crate::domain::Probed;

/// Milliseconds of so many microseconds, as short as they can be told apart: `0.8`, `43`.
pub struct Millis(pub u64);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 as f64 / 1e3 {
            ms if ms < 9.95 => write!(f, "{ms:.1}"),
            ms => write!(f, "{ms:.0}"),
        }
    }
}

/// What fails first, then certificates that end, then the slowest.
pub fn worst_first(checks: &[Probed], now: DateTime<Utc>) -> Vec<&Probed> {
    let mut all: Vec<&Probed> = checks.iter().collect();
    all.sort_by_key(|c| (c.outcome.is_ok(), c.warning(now).is_none(), std::cmp::Reverse(c.outcome.as_ref().ok().copied())));
    all
}

/// `https://shop.example/ 43 ms: name 1, connection 12, TLS 25, first byte 4; certificate ends in 61 days`
pub fn words(check: &Probed, now: DateTime<Utc>) -> (Role, String) {
    let mut out = check.target.to_string();
    let mut role = match &check.outcome {
        Ok(took) => {
            let _ = write!(out, " {} ms", Millis(*took));
            Role::Text
        }
        Err(fault) => {
            let _ = write!(out, " {}: {}", fault.class.words(), fault.message);
            Role::Warning
        }
    };
    let phases = check.phases;
    let named = [("name", phases.resolve), ("connection", phases.connect), ("TLS", phases.tls), ("first byte", phases.first_byte)];
    let took: Vec<String> = named.iter().filter_map(|(name, us)| Some(format!("{name} {}", Millis((*us)?)))).collect();
    if check.outcome.is_ok() && !took.is_empty() {
        let _ = write!(out, ": {}", took.join(", "));
    }
    if let Some(certificate) = check.certificate {
        let days = certificate.days_left(now);
        let _ = if days < 0 { write!(out, "; certificate has ended") } else { write!(out, "; certificate ends in {days} days") };
        role = if certificate.ends_soon(now) { Role::Warning } else { role };
    }
    (role, out)
}
