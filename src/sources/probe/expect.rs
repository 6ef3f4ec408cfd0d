//! What an answer must be like for a check to succeed.

use std::ops::RangeInclusive;

use hyper::{HeaderMap, StatusCode};
use serde_json::Value;

use super::super::failure::shorten;

/// What is expected of an answer; nothing but its status if nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Statuses that are well, each from and to.
    pub status: Vec<RangeInclusive<u16>>,
    /// A text that stands in the body.
    pub body: Option<String>,
    /// Headers that are there with exactly this value.
    pub headers: Vec<(String, String)>,
    /// Fields of a JSON body, `db.state` or `nodes.0.name`, and what they hold.
    pub json: Vec<(String, String)>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { status: vec![200..=399], body: None, headers: Vec::new(), json: Vec::new() }
    }
}

/// An answer, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, or the beginning of it.
    pub body: &'a [u8],
    /// Whether that is all of the body.
    pub whole: bool,
}

impl Expectation {
    /// Whether the body is looked at.
    pub const fn reads_body(&self) -> bool {
        self.body.is_some() || !self.json.is_empty()
    }

    /// What is not as expected, in words; `None` if all is.
    pub fn unmet(&self, answer: Answer<'_>) -> Option<String> {
        let code = answer.status.as_u16();
        if !self.status.iter().any(|range| range.contains(&code)) {
            return Some(format!("answered with status {code}, not {}", shown(&self.status)));
        }
        let header = self.headers.iter().find_map(|(name, value)| header(answer.headers, name, value));
        header.or_else(|| self.text(answer)).or_else(|| self.fields(answer))
    }

    fn text(&self, answer: Answer<'_>) -> Option<String> {
        let wanted = self.body.as_deref().filter(|text| !text.is_empty())?;
        let there = answer.body.windows(wanted.len()).any(|part| part == wanted.as_bytes());
        (!there).then(|| format!("the body{} does not hold `{}`", read_of(answer), shorten(wanted)))
    }

    fn fields(&self, answer: Answer<'_>) -> Option<String> {
        if self.json.is_empty() {
            return None;
        }
        let Ok(body) = serde_json::from_slice::<Value>(answer.body) else {
            return Some(format!("the body{} is no JSON", read_of(answer)));
        };
        self.json.iter().find_map(|(path, wanted)| match field(&body, path) {
            None => Some(format!("the JSON has no `{}`", shorten(path))),
            Some(found) if holds(found, wanted) => None,
            Some(found) => Some(format!("`{}` is {}, not `{}`", shorten(path), shorten(&found.to_string()), shorten(wanted))),
        })
    }
}

/// How much of a body was read, if not all of it.
fn read_of(answer: Answer<'_>) -> String {
    if answer.whole { String::new() } else { format!(", of which the first {} bytes were read,", answer.body.len()) }
}

fn header(headers: &HeaderMap, name: &str, wanted: &str) -> Option<String> {
    let found: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_owned()).collect();
    if found.iter().any(|value| value == wanted) {
        return None;
    }
    let name = shorten(name);
    Some(match found.first() {
        None => format!("there is no header `{name}`"),
        Some(value) => format!("the header `{name}` is `{}`, not `{}`", shorten(value), shorten(wanted)),
    })
}

/// The field that a path of names and places leads to.
fn field<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |at, step| match at {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

/// Whether a field holds what is wanted: the same text, or the same number however it is written.
fn holds(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        Value::Number(number) => number.as_f64().is_some_and(|n| wanted.parse() == Ok(n)),
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Null => wanted == "null",
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// `200-299, 404`
fn shown(ranges: &[RangeInclusive<u16>]) -> String {
    let one = |r: &RangeInclusive<u16>| if r.start() == r.end() { r.start().to_string() } else { format!("{}-{}", r.start(), r.end()) };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Statuses as they are written in the config: `200`, `200-299`, several with commas between.
pub fn statuses(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|n| (100..=599).contains(n));
    let range = |part: &str| match part.split_once('-') {
        Some((from, to)) => Some(number(from)?..=number(to)?).filter(|r| !r.is_empty()),
        None => number(part).map(|n| n..=n),
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(expectation: &Expectation, status: u16, body: &str) -> Option<String> {
        let headers = [("content-type", "text/plain")].map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).into_iter().collect();
        expectation.unmet(Answer { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: body.as_bytes(), whole: true })
    }

    #[test]
    fn a_status_outside_the_ranges_is_named_with_them() {
        let usual = Expectation::default();
        assert_eq!((unmet(&usual, 200, ""), unmet(&usual, 301, "")), (None, None));
        assert_eq!(unmet(&usual, 503, "").unwrap(), "answered with status 503, not 200-399");
        let odd = Expectation { status: statuses("200-204, 404").unwrap(), ..usual };
        assert_eq!((unmet(&odd, 404, ""), unmet(&odd, 205, "").unwrap()), (None, "answered with status 205, not 200-204, 404".to_owned()));
        for bad in ["", "99", "600", "300-200", "2xx", "200-", "200,,201"] {
            assert_eq!(statuses(bad), None, "{bad}");
        }
    }

    #[test]
    fn texts_headers_and_fields_are_looked_for() {
        let text = Expectation { body: Some("all well".into()), ..Expectation::default() };
        assert_eq!(unmet(&text, 200, "… all well"), None);
        assert_eq!(unmet(&text, 200, "sorry").unwrap(), "the body does not hold `all well`");
        let header = |value: &str| Expectation { headers: vec![("Content-Type".into(), value.into())], ..Expectation::default() };
        assert_eq!(unmet(&header("text/plain"), 200, ""), None);
        assert_eq!(unmet(&header("text/html"), 200, "").unwrap(), "the header `Content-Type` is `text/plain`, not `text/html`");
        let json = |path: &str, value: &str| Expectation { json: vec![(path.into(), value.into())], ..Expectation::default() };
        let body = r#"{"db":{"state":"up","lag":0.50},"ready":true,"nodes":[{"name":"a"},null]}"#;
        for (path, value) in [("db.state", "up"), ("db.lag", "0.5"), ("ready", "true"), ("nodes.0.name", "a"), ("nodes.1", "null")] {
            assert_eq!(unmet(&json(path, value), 200, body), None, "{path}");
        }
        assert_eq!(unmet(&json("db.state", "down"), 200, body).unwrap(), "`db.state` is \"up\", not `down`");
        assert_eq!(unmet(&json("db.nothing", "up"), 200, body).unwrap(), "the JSON has no `db.nothing`");
        assert_eq!(unmet(&json("nodes.9", "a"), 200, body).unwrap(), "the JSON has no `nodes.9`");
        assert_eq!(unmet(&json("db", "up"), 200, "<html>").unwrap(), "the body is no JSON");
    }
}
