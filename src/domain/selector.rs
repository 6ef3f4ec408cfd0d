//! Selectors: the part of `PromQL` in which an SLI is written, `http_requests_total{code!~"5.."}`.
//!
//! A selector is sent to Prometheus as it was written and matched against scraped series here, with the same meaning (label matchers
//! of `PromQL`: regular expressions are anchored at both ends, a missing label equals the empty text).

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use regex::Regex;
use serde::{Deserialize, Serialize};

/// A metric name with label matchers.
#[derive(Clone, Debug)]
pub struct Selector {
    metric: String,
    matchers: Vec<Matcher>,
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub label: String,
    /// How its value is compared.
    pub op: Op,
    /// What it is compared with.
    pub value: String,
    regex: Option<Arc<Regex>>,
}

/// The four comparisons of a label matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    /// `=`
    #[serde(rename = "=")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
    /// `=~`
    #[serde(rename = "=~")]
    Match,
    /// `!~`
    #[serde(rename = "!~")]
    NotMatch,
}

impl Op {
    const ALL: [(Op, &'static str); 4] = [(Op::Match, "=~"), (Op::NotMatch, "!~"), (Op::NotEqual, "!="), (Op::Equal, "=")];
    /// As it is written.
    pub fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(op, _)| *op == self).map_or("=", |(_, s)| s)
    }
}

/// Why a text is not a selector, and at which byte.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}")]
pub struct BadSelector {
    /// Byte offset of the trouble.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

impl Selector {
    /// A selector of this metric with these matchers.
    pub const fn of(metric: String, matchers: Vec<Matcher>) -> Self {
        Self { metric, matchers }
    }
    /// The metric's name.
    pub fn metric(&self) -> &str {
        &self.metric
    }
    /// The label matchers, as written.
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }
    /// Whether a series of this `name` with these labels is selected.
    pub fn selects<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        name == self.metric && self.matchers.iter().all(|m| m.matches(label(&m.label).unwrap_or_default()))
    }
    /// This selector with more matchers, as `PromQL`: how a question is narrowed to the rows on screen.
    pub fn with(&self, more: &BTreeMap<String, String>) -> String {
        let mut out = self.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>();
        out.extend(more.iter().map(|(label, regex)| format!("{label}=~{}", quote(regex))));
        format!("{}{{{}}}", self.metric, out.join(","))
    }
}

impl Matcher {
    /// Build a matcher; a regular expression that does not compile is an error.
    pub fn new(label: &str, op: Op, value: &str) -> Result<Self, String> {
        let regex = match op {
            Op::Match | Op::NotMatch => {
                Some(Arc::new(Regex::new(&format!("^(?s:{value})$")).map_err(|_| format!("`{value}` is not a regular expression"))?))
            }
            _ => None,
        };
        Ok(Self { label: label.to_owned(), op, value: value.to_owned(), regex })
    }
    /// Whether a label value (empty if missing) meets the condition.
    pub fn matches(&self, value: &str) -> bool {
        let hit = self.regex.as_ref().map_or_else(|| value == self.value, |r| r.is_match(value));
        hit == matches!(self.op, Op::Equal | Op::Match)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.op, &self.value) == (&other.label, other.op, &other.value)
    }
}
impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.metric == other.metric && self.matchers == other.matchers
    }
}

/// A text as a double-quoted `PromQL` string.
pub fn quote(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.op.sign(), quote(&self.value))
    }
}
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        let all = self.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>();
        write!(f, "{{{}}}", all.join(","))
    }
}

/// A cursor over the text of a selector.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }
    fn fail<T>(&self, what: impl Into<String>) -> Result<T, BadSelector> {
        Err(BadSelector { at: self.at, what: what.into() })
    }
    fn take(&mut self, sign: &str) -> bool {
        self.skip_space();
        let hit = self.rest().starts_with(sign);
        self.at += if hit { sign.len() } else { 0 };
        hit
    }
    fn name(&mut self, colon: bool) -> &'a str {
        self.skip_space();
        let ok = |(i, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || (colon && c == ':') || (i > 0 && c.is_ascii_digit());
        let rest = self.rest();
        let end = rest.char_indices().find(|x| !ok(*x)).map_or(rest.len(), |(i, _)| i);
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }
    fn string(&mut self) -> Result<String, BadSelector> {
        self.skip_space();
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('"' | '\'' | '`'))) = chars.next() else { return self.fail("a label value stands in quotes") };
        let mut out = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += i + 1;
                    return Ok(out);
                }
                '\\' if quote != '`' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, c @ ('\\' | '"' | '\''))) => out.push(c),
                    // PromQL refuses `\.` in a quoted string; people write it all the same and mean the regular expression.
                    Some((_, c)) => return self.fail(format!("`\\{c}` is no escape in a quoted text; write `\\\\{c}`")),
                    None => break,
                },
                c => out.push(c),
            }
        }
        self.fail("this text has no closing quote")
    }
    fn matcher(&mut self) -> Result<Matcher, BadSelector> {
        let start = self.at;
        let label = self.name(false);
        if label.is_empty() {
            return self.fail("a label name is missing here");
        }
        let Some((op, _)) = Op::ALL.into_iter().find(|(_, sign)| self.take(sign)) else {
            return self.fail(format!("after `{label}` stands one of = != =~ !~"));
        };
        let value = self.string()?;
        Matcher::new(label, op, &value).map_err(|what| BadSelector { at: start, what })
    }
}

impl FromStr for Selector {
    type Err = BadSelector;
    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let mut read = Reader { text, at: 0 };
        let metric = read.name(true).to_owned();
        if metric.is_empty() {
            return read.fail("a selector begins with a metric name, such as http_requests_total");
        }
        let mut matchers = Vec::new();
        if read.take("{") {
            while !read.take("}") {
                matchers.push(read.matcher()?);
                if !read.take(",") && !read.rest().trim_start().starts_with('}') {
                    return read.fail("a comma or a closing brace is missing here");
                }
            }
        }
        read.skip_space();
        if read.rest().is_empty() {
            Ok(Self { metric, matchers })
        } else {
            read.fail("a selector ends here: no functions, ranges or operators (burnwatch adds them)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_mean_what_promql_means() {
        let good: Selector = r#"http_requests_total{code!~"5..", job='api',}"#.parse().unwrap();
        assert_eq!(good.to_string(), r#"http_requests_total{code!~"5..",job="api"}"#);
        let selects = |code: &'static str| {
            good.selects("http_requests_total", |l| match l {
                "code" => Some(code),
                "job" => Some("api"),
                _ => None,
            })
        };
        assert!(selects("200") && !selects("503") && selects("1500"));
        assert!(!good.selects("http_requests", |_| Some("api")));
        let absent: Selector = r#"x{y=""}"#.parse().unwrap();
        assert!(absent.selects("x", |_| None));
        let more = BTreeMap::from([("service".to_owned(), "a|b".to_owned())]);
        assert_eq!(good.with(&more), r#"http_requests_total{code!~"5..",job="api",service=~"a|b"}"#);
    }

    #[test]
    fn mistakes_are_placed() {
        for (text, at) in [("", 0), ("x{", 2), ("x{a}", 3), ("x{a=1}", 4), ("x{a=\"b}", 4), ("sum(x)", 3), ("x[5m]", 1), ("x{a=~\"(\"}", 2)]
        {
            assert_eq!(text.parse::<Selector>().unwrap_err().at, at, "{text}");
        }
    }
}
