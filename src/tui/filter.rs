//! Filter: a regular expression, with `!` in front its opposite.

use regex::{Regex, RegexBuilder};

/// A regular expression that rows must match, or must not.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    regex: Regex,
    inverted: bool,
}

impl Filter {
    /// Read a filter as it is typed. Small letters match capitals too. `Ok(None)` for nothing typed; an error says what is wrong
    /// with the expression.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let (inverted, pattern) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        if pattern.is_empty() {
            return Ok(None);
        }
        let any_case = !pattern.chars().any(char::is_uppercase);
        let regex = RegexBuilder::new(pattern).case_insensitive(any_case).size_limit(1 << 20).build();
        let regex = regex.map_err(|e| reason(&e))?;
        Ok(Some(Self { text: text.to_owned(), regex, inverted }))
    }
    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Whether a row with this text stays.
    pub fn keeps(&self, row: &str) -> bool {
        self.regex.is_match(row) != self.inverted
    }
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "too large an expression".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_and_invert_and_say_what_is_wrong() {
        let keeps = |filter: &str, row: &'static str| Filter::parse(filter).unwrap().unwrap().keeps(row);
        assert!(keeps("check|pay", "Payments/latency"));
        assert!(!keeps("Check", "checkout"));
        assert!(keeps("!ok", "checkout critical"));
        assert!(Filter::parse("!").unwrap().is_none());
        assert_eq!(Filter::parse("a(").unwrap_err(), "unclosed group");
    }
}
