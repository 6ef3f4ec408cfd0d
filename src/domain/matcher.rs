//! What a silence asks of an alert: conditions on its labels, as an Alertmanager understands them.
//!
//! They differ from the matchers of a [`Selector`](super::Selector) in what they may hold: names and values of labels come from outside
//! and are kept as they came, for an Alertmanager compares bytes. Regular expressions are anchored at both ends, a label that is missing
//! equals the empty text.

use std::fmt::Write as _;

use regex::Regex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{IncidentId, Labels, Op, Selector, SourceName, Text, Untrusted, quote};

/// One condition on one label of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelMatcher {
    /// The label's name.
    pub name: Untrusted,
    /// How its value is compared.
    pub op: Op,
    /// What it is compared with.
    pub value: Untrusted,
}

impl LabelMatcher {
    /// A condition on a label.
    pub fn new(name: &str, op: Op, value: &str) -> Self {
        Self { name: Untrusted::new(name), op, value: Untrusted::new(value) }
    }
    /// Read `alertname="Slow", service=~"check.*"`; says what is wrong with another text.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let selector: Selector = format!("alert{{{text}}}").parse().map_err(|e: super::BadSelector| e.what)?;
        let found: Vec<_> = selector.matchers().iter().map(|m| Self::new(&m.label, m.op, &m.value)).collect();
        if found.is_empty() { Err("write a matcher as service=\"checkout\"".to_owned()) } else { Ok(found) }
    }
    /// Exactly the labels of an alert. One with an empty value is the same as none.
    pub fn exactly(labels: &Labels) -> Vec<Self> {
        let pairs = labels.0.iter().filter(|(_, value)| !value.raw().is_empty());
        pairs.map(|(name, value)| Self { name: name.clone(), op: Op::Equal, value: value.clone() }).collect()
    }
    /// Whether an alert has all of these labels with these values; an empty value is as good as none.
    pub fn all_in(asked: &Labels, alert: &Labels) -> bool {
        asked.0.iter().filter(|(_, value)| !value.raw().is_empty()).all(|(name, value)| alert.0.get(name) == Some(value))
    }
    /// As it is written, safe to show: `service=~"check.*"`.
    pub fn shown(&self) -> Text {
        Text::clean(&format!("{}{}{}", self.name.raw(), self.op.sign(), quote(self.value.raw())))
    }
    fn test(&self) -> Result<Option<Regex>, String> {
        if !matches!(self.op, Op::Match | Op::NotMatch) {
            return Ok(None);
        }
        let value = self.value.raw();
        let bad = || format!("`{}` is not a regular expression", self.value.text());
        // By itself first: `a)|(b` is none, though it would be one between the anchors.
        Regex::new(value).map_err(|_| bad())?;
        Regex::new(&format!("^(?:{value})$")).map(Some).map_err(|_| bad())
    }
}

/// Conditions as they are written, in braces: `{alertname="Slow", service=~"check.*"}`.
pub fn shown_matchers(matchers: &[LabelMatcher]) -> String {
    let all: Vec<_> = matchers.iter().map(|m| m.shown().to_string()).collect();
    format!("{{{}}}", all.join(", "))
}

/// The subject under which acts on a silence of these conditions stand in the journal: the same for the same conditions in any order.
pub fn silence_subject(source: &SourceName, matchers: &[LabelMatcher]) -> IncidentId {
    let mut sorted: Vec<_> = matchers.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hash = Sha256::new();
    for matcher in sorted {
        for part in [matcher.name.raw(), matcher.op.sign(), matcher.value.raw()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    let hex = hash.finalize().iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    IncidentId::new(&format!("{source}:silence:{hex}"))
}

/// Conditions made ready to be asked of many alerts.
#[derive(Clone, Debug)]
pub struct Matchers(Vec<(LabelMatcher, Option<Regex>)>);

impl PartialEq for Matchers {
    fn eq(&self, other: &Self) -> bool {
        self.conditions().eq(other.conditions())
    }
}

impl Matchers {
    /// All of these conditions; says which one has no meaning.
    pub fn new(matchers: &[LabelMatcher]) -> Result<Self, String> {
        matchers.iter().map(|m| Ok((m.clone(), m.test()?))).collect::<Result<_, String>>().map(Self)
    }
    /// The conditions, as given.
    pub fn conditions(&self) -> impl Iterator<Item = &LabelMatcher> {
        self.0.iter().map(|(matcher, _)| matcher)
    }
    /// Whether an alert with these labels meets all of them.
    pub fn cover(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(matcher, regex)| {
            let value = labels.0.get(&matcher.name).map_or("", |v| v.raw());
            let hit = regex.as_ref().map_or_else(|| value == matcher.value.raw(), |r| r.is_match(value));
            hit == matches!(matcher.op, Op::Equal | Op::Match)
        })
    }
    /// Why an Alertmanager would refuse a silence of them: it would hold back everything. `None` if it would not.
    pub fn too_wide(&self) -> Option<&'static str> {
        let says_nothing = |(matcher, regex): &(LabelMatcher, Option<Regex>)| match matcher.op {
            Op::Equal => matcher.value.raw().is_empty(),
            Op::Match => regex.as_ref().is_none_or(|r| r.is_match("")),
            Op::NotEqual | Op::NotMatch => false,
        };
        let wide = self.0.iter().all(says_nothing);
        wide.then_some("this would hold back everything: at least one matcher must ask for a value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }
    fn cover(text: &str, pairs: &[(&str, &str)]) -> bool {
        Matchers::new(&LabelMatcher::list(text).unwrap()).unwrap().cover(&labels(pairs))
    }

    #[test]
    fn matchers_mean_what_an_alertmanager_means() {
        let checkout = [("alertname", "Slow"), ("service", "checkout")];
        assert!(cover("service=\"checkout\"", &checkout) && !cover("service=\"check\"", &checkout));
        assert!(cover("service=~\"check.*\", zone!=\"eu\"", &checkout), "a missing label equals the empty text");
        assert!(!cover("service=~\"check\"", &checkout), "anchored at both ends");
        assert!(cover("service!~\"search|cart\"", &checkout) && !cover("service!~\"search|checkout\"", &checkout));
        assert!(cover("zone=\"\"", &checkout) && !cover("zone=~\".+\"", &checkout));
    }

    #[test]
    fn what_is_no_matcher_is_told() {
        for bad in ["", "service", "service=checkout", "service=\"a\"} or {b=\"c\"", "service=~\"(\""] {
            assert!(LabelMatcher::list(bad).is_err(), "{bad}");
        }
        assert!(Matchers::new(&[LabelMatcher::new("a", Op::Match, "a)|(b")]).is_err());
        for (wide, text) in [(true, "a=\"\""), (true, "a=~\".*\",b=\"\""), (false, "a!=\"b\""), (false, "a=~\".*\",b=\"c\"")] {
            let matchers = Matchers::new(&LabelMatcher::list(text).unwrap()).unwrap();
            assert_eq!(matchers.too_wide().is_some(), wide, "{text}");
        }
        assert!(Matchers::new(&[]).unwrap().too_wide().is_some());
    }

    #[test]
    fn a_subject_is_the_same_in_any_order_and_no_other() {
        let of = |text: &str| silence_subject(&"am".into(), &LabelMatcher::list(text).unwrap());
        assert_eq!(of("a=\"1\",b=\"2\""), of("b=\"2\",a=\"1\",a=\"1\""));
        assert_ne!(of("a=\"1\",b=\"2\""), of("a=\"1\",b=~\"2\""));
        assert_ne!(of("a=\"1\""), silence_subject(&"other".into(), &LabelMatcher::list("a=\"1\"").unwrap()));
    }

    #[test]
    fn hostile_values_are_shown_harmlessly_and_kept_as_they_came() {
        let exact = LabelMatcher::exactly(&labels(&[("path", "a\u{1b}[2J\"b\""), ("empty", "")]));
        assert_eq!(shown_matchers(&exact), "{path=\"a␛[2J\\\"b\\\"\"}");
        let written = serde_json::to_string(&exact).unwrap();
        assert_eq!(serde_json::from_str::<Vec<LabelMatcher>>(&written).unwrap(), exact);
    }
}
