//! Why a call brought nothing: by what can be done about it, in words for a person, and how far the request came.

use std::error::Error;

use chrono::{DateTime, Utc};

use crate::domain::{Fault, FaultClass, SourceName, Text, clean};

/// The longest wait that a `Retry-After` can ask for, in seconds.
const LONGEST_WAIT: u64 = 3_600;
/// How much of a refusal is shown, in characters.
const EXCERPT: usize = 200;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The request never left.
    Unsent,
    /// It may have arrived; no answer came.
    Perhaps,
    /// This status came back.
    Answered(u16),
}

/// Why a call brought no good answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How far it came.
    pub reached: Reached,
    /// What the backend said, if it refused: one line, cleaned.
    pub excerpt: String,
    fault: Fault,
}

impl Failure {
    /// A failure before anything was sent.
    pub fn unsent(source: &SourceName, class: FaultClass, what: &str) -> Self {
        Self::new(source, class, Reached::Unsent, what)
    }
    /// A good answer that is not of the expected form.
    pub fn malformed(source: &SourceName, what: &str) -> Self {
        Self::new(source, FaultClass::Malformed, Reached::Answered(200), what)
    }
    /// A failure of `class`: `what` happened, and the next step.
    pub fn new(source: &SourceName, class: FaultClass, reached: Reached, what: &str) -> Self {
        let message = Text::clean(&format!("{source}: {what}"));
        Self { reached, excerpt: String::new(), fault: Fault { class, message, retry_after_secs: None } }
    }
    /// With what the backend said and how long it asks us to wait.
    pub fn said(mut self, excerpt: String, retry_after_secs: Option<u64>) -> Self {
        self.excerpt = excerpt;
        self.fault.retry_after_secs = retry_after_secs;
        self
    }
    /// Why, for a reading.
    pub fn fault(self) -> Fault {
        self.fault
    }
    /// Seconds that the backend asks us to wait.
    pub fn wait_secs(&self) -> Option<u64> {
        self.fault.retry_after_secs
    }
    /// Why, in words.
    pub fn why(&self) -> &Text {
        &self.fault.message
    }
}

/// The last cause in a chain: what the system or the TLS library said. The outer ones repeat addresses.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    if at.is::<reqwest::Error>() { "no further cause".to_owned() } else { shorten(&at.to_string()) }
}

/// Whether the handshake failed: a cause that is neither of the system nor of the name service, or one that speaks of certificates.
pub fn is_tls(error: &reqwest::Error) -> bool {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    let (mut by_system, mut words) = (error.is_timeout(), String::new());
    while let Some(cause) = at {
        by_system |= cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.raw_os_error().is_some());
        words = cause.to_string();
        by_system |= words.contains("dns error") || words.contains("lookup address") || words.contains("tunnel");
        at = cause.source();
    }
    words.contains("certificate") || words.contains("alert") || (error.is_connect() && !by_system)
}

/// What is wrong with JSON, and where; never what stands there.
pub fn json_trouble(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it is cut off",
        serde_json::error::Category::Data => "it has another shape",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// Whether a body is a web page, whatever its type says.
pub fn looks_like_html(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype"[..], b"<html"].iter().any(|mark| start.get(..mark.len()).is_some_and(|s| s.eq_ignore_ascii_case(mark)))
}

/// What a refusal says: the `error` or `message` of a JSON object, a JSON text, or the body as it is, in one line.
pub fn excerpt(body: &[u8]) -> String {
    if looks_like_html(body) {
        return "a web page".to_owned();
    }
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    if let Some(said) = json.as_ref().and_then(|v| nested(v.get("error")?)) {
        return shorten(&said);
    }
    let said = json.as_ref().and_then(|v| v.get("error").or_else(|| v.get("message")).unwrap_or(v).as_str());
    said.map_or_else(|| shorten(&String::from_utf8_lossy(body)), shorten)
}

/// `{"message": "…", "errors": ["…"]}` in one line.
fn nested(error: &serde_json::Value) -> Option<String> {
    let message = error.get("message")?.as_str()?;
    let more = error.get("errors").and_then(serde_json::Value::as_array).into_iter().flatten().filter_map(serde_json::Value::as_str);
    let more = more.collect::<Vec<_>>().join("; ");
    Some(if more.is_empty() { message.to_owned() } else { format!("{message}: {more}") })
}

/// Text from outside in one line of bounded length, cleaned.
pub fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(EXCERPT).collect();
    clean(&if cut.len() < line.len() { cut + "…" } else { cut }).into_owned()
}

/// Seconds to wait: a number or an HTTP date; at most an hour; `None` for what is past, negative or no time at all.
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<u64> {
    let value = value.trim();
    let secs = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().unwrap_or(LONGEST_WAIT)
    } else {
        u64::try_from((DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).num_seconds()).ok()?
    };
    (secs > 0).then_some(secs.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date_and_is_never_absurd() {
        let now = "2015-10-21T07:28:00Z".parse().unwrap();
        for (value, secs) in [
            ("30", Some(30)),
            (" 30 ", Some(30)),
            ("Wed, 21 Oct 2015 07:28:45 GMT", Some(45)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", None),
            ("86400", Some(3_600)),
            ("99999999999999999999999", Some(3_600)),
            ("Wed, 21 Oct 2099 07:28:45 GMT", Some(3_600)),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), secs, "{value}");
        }
    }

    #[test]
    fn what_a_refusal_says_is_one_clean_line() {
        assert_eq!(excerpt(br#"{"status":"error","errorType":"bad_data","error":"parse error: \u001b[2J"}"#), "parse error: \u{241b}[2J");
        assert_eq!(excerpt(br#"{"code":601,"message":"bad\n  uuid"}"#), "bad uuid");
        let nested = br#"{"error":{"message":"Invalid Input Provided","code":2001,"errors":["Incident Already Resolved"]}}"#;
        assert_eq!(excerpt(nested), "Invalid Input Provided: Incident Already Resolved");
        assert_eq!(excerpt(br#""silence not found""#), "silence not found");
        assert_eq!(excerpt(b" \n<!DOCTYPE html><title>Log in"), "a web page");
        assert_eq!(excerpt(b""), "");
        assert_eq!(excerpt("é".repeat(300).as_bytes()).chars().count(), EXCERPT + 1);
    }
}
