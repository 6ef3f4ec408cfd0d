//! What the words of attributes mean: expectations, effects, inputs, spans of time.

use std::{ops::Range, time::Duration};

use regex::Regex;
use serde_json::Value;

use super::{
    Findings,
    attributes::{self, Attribute, Attributes, Given},
};
use crate::domain::{Comparison, EffectWish, Expectation, Input, Shell, Signal, SloId, Step, Text, Untrusted, Window};

/// Read what stands in braces behind a heading; a mistake is told and reads as nothing.
pub(super) fn attributes(text: &str, start: usize, findings: &Findings) -> Option<Attributes> {
    match attributes::parse(text) {
        Ok(all) => Some(all.into_iter().map(|a| Attribute { span: a.span.start + start..a.span.end + start, ..a }).collect()),
        Err(wrong) => {
            let span = wrong.span.start + start..wrong.span.end + start;
            findings.error(&span, &wrong.what, "such as {name=restart timeout=2m} or {\"name\":\"restart\"}");
            None
        }
    }
}

/// The same behind a fence. `None` for a block that is there to be read: of a language that cannot run and without a step's attributes, or
/// one that is to be ignored.
pub(super) fn attributes_of_block(language: &str, text: &str, start: usize, findings: &Findings) -> Option<Attributes> {
    if runs(language) {
        let all = attributes(text, start, findings).unwrap_or_default();
        return (!ignored(&all)).then_some(all);
    }
    let quiet = Findings::default();
    let all = attributes(text, start, &quiet)?;
    let meant = all.iter().any(|a| matches!(a.key.as_str(), "name" | "kind" | "check" | "run" | "manual"));
    (meant && !ignored(&all)).then_some(all)
}

/// Whether blocks of this language can be steps.
pub(super) fn runs(language: &str) -> bool {
    let language = language.to_ascii_lowercase();
    Shell::of_language(&language).is_some() || matches!(language.as_str(), "http" | "promql")
}

/// Whether `ignore` is set.
pub(super) fn ignored(all: &Attributes) -> bool {
    all.iter().any(|a| a.key == "ignore" && matches!(&a.value, Given::Bare) | matches!(&a.value, Given::Text(t) if t == "true"))
}

/// `90s`, `2m`, `1h30m`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let window: Window = text.parse().map_err(|_| format!("`{text}` is not a span of time such as 30s, 2m or 1h"))?;
    let span = window.duration();
    if span > Step::LONGEST { Err("a step ends within 24 hours".to_owned()) } else { Ok(span) }
}

/// `exit 3`, `200`, `2xx`, `< 100`, `contains ready`, `matches ^ok$`.
pub(super) fn expectation(text: &str) -> Result<Expectation, String> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).map_or((text, ""), |(w, r)| (w, r.trim()));
    let told = || format!("`{text}` is no expectation: write `exit 0`, `2xx`, `< 100`, `contains TEXT` or `matches REGEX`");
    match word {
        "exit" => rest.parse().map(|code| Expectation::Exit { code }).map_err(|_| told()),
        "contains" if !rest.is_empty() => Ok(Expectation::Contains { text: Untrusted::new(rest) }),
        "matches" if !rest.is_empty() => match Regex::new(rest) {
            Ok(_) => Ok(Expectation::Matches { regex: rest.to_owned() }),
            Err(_) => Err(format!("`{rest}` is not a regular expression")),
        },
        _ => status(text).or_else(|| figure(text)).ok_or_else(told),
    }
}

fn status(text: &str) -> Option<Expectation> {
    let class = text.strip_suffix("xx").and_then(|c| c.parse::<u16>().ok()).filter(|c| (1..=5).contains(c));
    let exact = text.parse::<u16>().ok().filter(|s| (100..600).contains(s));
    let (from, to) = class.map(|c| (c * 100, c * 100 + 99)).or_else(|| exact.map(|s| (s, s)))?;
    Some(Expectation::Status { from, to })
}

fn figure(text: &str) -> Option<Expectation> {
    let (comparison, rest) = comparison(text)?;
    let value = rest.trim().parse::<f64>().ok().filter(|v| v.is_finite())?;
    Some(Expectation::Figure { comparison, value })
}

/// The comparison that `text` begins with, and the rest.
fn comparison(text: &str) -> Option<(Comparison, &str)> {
    Comparison::ALL.iter().find_map(|(c, sign)| text.strip_prefix(sign).map(|rest| (*c, rest)))
}

/// `burn checkout/availability < 1 within 10m`, `age rabbit/orders < 1m within 5m`, `probe shop up within 2m`.
pub(super) fn effect(text: &str) -> Result<EffectWish, String> {
    let told = || "an effect is written `burn checkout/availability < 1 within 10m`".to_owned();
    let text = text.trim();
    let (wish, within) = text.rsplit_once(" within ").ok_or_else(told)?;
    let within = span(within.trim())?;
    let (word, rest) = wish.trim().split_once(char::is_whitespace).ok_or_else(told)?;
    let rest = rest.trim();
    if word == "probe" {
        let (name, state) = rest.rsplit_once(char::is_whitespace).ok_or("a probe is written `probe shop up within 2m`")?;
        let threshold = match state {
            "up" => 1.0,
            "down" => 0.0,
            _ => return Err(format!("a probe is `up` or `down`, not `{state}`")),
        };
        let signal = Signal::Probe { probe: Text::clean(name.trim()) };
        return Ok(EffectWish { signal, comparison: Comparison::Equal, threshold, within });
    }
    let sign = rest.find(['<', '>', '=']).ok_or_else(told)?;
    let (subject, rest) = rest.split_at_checked(sign).ok_or_else(told)?;
    let (comparison, value) = comparison(rest).ok_or_else(told)?;
    let (subject, value) = (subject.trim(), value.trim());
    if subject.is_empty() {
        return Err(told());
    }
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let (signal, threshold) = match word {
        "burn" => (Signal::Burn { slo: SloId::new(subject) }, number(value.trim_end_matches(['x', '×']))),
        "errors" => {
            (Signal::Errors { slo: SloId::new(subject) }, value.strip_suffix('%').and_then(|p| number(p.trim())).map(|p| p / 100.0))
        }
        "age" => (Signal::QueueAge { queue: Text::clean(subject) }, span(value).ok().map(|s| s.as_secs_f64())),
        "depth" => (Signal::QueueDepth { queue: Text::clean(subject) }, number(value)),
        other => return Err(format!("there is no signal `{other}`: there is burn, errors, age, depth, probe")),
    };
    let threshold = threshold.ok_or_else(|| {
        let example = match word {
            "burn" => "1, 14.4",
            "errors" => "1%",
            "age" => "30s, 5m",
            _ => "100",
        };
        format!("`{value}` is no {word}; write such as {example}")
    })?;
    Ok(EffectWish { signal, comparison, threshold, within })
}

/// `region=eu|us, workers=2|4|8 default 4, ticket`: names, what may be chosen, what is taken otherwise.
pub(super) fn inputs(given: &Given) -> Result<Vec<Input>, String> {
    match given {
        Given::Text(text) => text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(input).collect(),
        Given::Tree(tree) => from_tree(tree),
        Given::Bare => Err("`inputs` wants names, such as inputs=\"region=eu|us\"".to_owned()),
    }
}

fn input(text: &str) -> Result<Input, String> {
    let (text, default) = match text.rsplit_once(" default ") {
        Some((before, default)) => (before.trim(), Some(default.trim().to_owned())),
        None => (text, None),
    };
    let (name, choices) = text.split_once('=').map_or((text, ""), |(n, c)| (n.trim(), c.trim()));
    let choices = choices.split('|').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
    checked(Input { name: name.to_owned(), choices, default })
}

/// `[{"name":"region","choices":["eu","us"],"default":"eu"}]`
fn from_tree(tree: &Value) -> Result<Vec<Input>, String> {
    let told = || "inputs are written [{\"name\":\"region\",\"choices\":[\"eu\",\"us\"],\"default\":\"eu\"}]".to_owned();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |value: &Value| {
        let table = value.as_object().ok_or_else(told)?;
        if table.keys().any(|k| !matches!(k.as_str(), "name" | "choices" | "default")) {
            return Err(told());
        }
        let choices = match table.get("choices") {
            None => Some(Vec::new()),
            Some(list) => list.as_array().and_then(|all| all.iter().map(text).collect()),
        };
        let default = table.get("default").map(|d| text(d).ok_or_else(told)).transpose()?;
        let name = table.get("name").and_then(text).ok_or_else(told)?;
        checked(Input { name, choices: choices.ok_or_else(told)?, default })
    };
    tree.as_array().ok_or_else(told)?.iter().map(one).collect()
}

fn checked(input: Input) -> Result<Input, String> {
    let Input { name, choices, default } = &input;
    let well = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !well || name.len() > 40 {
        return Err(format!("`{name}` cannot name an input: a letter, then letters, digits and `_`, 40 at most"));
    }
    if choices.iter().chain(default).any(|c| c.contains('\0') || c.len() > 1_000) {
        return Err(format!("a choice of `{name}` is too long, or holds a NUL"));
    }
    if let Some(default) = default.as_ref().filter(|d| !input.takes(d)) {
        return Err(format!("`{default}` is not among the choices of `{name}`"));
    }
    Ok(input)
}

/// Whether a word can name a step.
pub(super) fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain) && word.len() <= 64
}

/// A name made of a title: `Restart the workers` becomes `restart-the-workers`.
pub(super) fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= 40 {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// Where an attribute stands, for whoever tells something about it.
pub(super) fn place(all: &Attributes, key: &str) -> Option<Range<usize>> {
    all.iter().find(|a| a.key == key).map(|a| a.span.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_read() {
        let reads = |text: &str| effect(text).map_or_else(|why| why, |wish| wish.to_string());
        for (text, shown) in [
            ("burn checkout/availability < 1 within 10m", "burn checkout/availability < 1.0× within 10m"),
            ("burn prom/checkout/availability<=14.4x within 1h", "burn prom/checkout/availability <= 14.4× within 1h"),
            ("errors checkout/availability < 0.5% within 5m", "errors checkout/availability < 0.5% within 5m"),
            ("age rabbit/orders < 1m within 10m", "age rabbit/orders < 1m within 10m"),
            ("depth rabbit/orders < 100 within 10m", "depth rabbit/orders < 100 within 10m"),
            ("probe shop up within 2m", "probe shop = up within 2m"),
        ] {
            assert_eq!(reads(text), shown, "{text}");
        }
        for (text, told) in [
            ("burn checkout < 1", "an effect is written"),
            ("burn checkout < 1 within soon", "not a span of time"),
            ("burn checkout < a lot within 5m", "no burn"),
            ("burn < 1 within 5m", "an effect is written"),
            ("heat checkout < 1 within 5m", "no signal `heat`"),
            ("age orders < 10 within 5m", "no age"),
            ("probe shop fine within 2m", "`up` or `down`"),
            ("burn checkout < NaN within 5m", "no burn"),
        ] {
            assert!(reads(text).contains(told), "{text}: {}", reads(text));
        }
    }

    #[test]
    fn expectations_are_read_as_they_are_written() {
        for text in ["exit 3", "204", "2xx", "< 100", ">= 0.5", "contains two words", "matches ^ok$"] {
            assert_eq!(expectation(text).unwrap().to_string(), text);
        }
        for text in ["", "exit", "exit x", "99", "7xx", "< many", "contains", "matches (", "ok"] {
            assert!(expectation(text).is_err(), "{text}");
        }
    }

    #[test]
    fn inputs_are_read_in_both_spellings() {
        let plain = inputs(&Given::Text("region=eu|us, workers=2|4|8 default 4, ticket".to_owned())).unwrap();
        let tree = serde_json::json!([{"name":"region","choices":["eu","us"]},{"name":"workers","choices":["2","4","8"],"default":"4"},{"name":"ticket"}]);
        assert_eq!(plain, inputs(&Given::Tree(tree)).unwrap());
        assert_eq!(plain.iter().map(Input::variable).collect::<Vec<_>>(), ["BW_INPUT_REGION", "BW_INPUT_WORKERS", "BW_INPUT_TICKET"]);
        for bad in ["1a", "a-b", "a=x|y default z", "=x"] {
            assert!(inputs(&Given::Text(bad.to_owned())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_title_becomes_a_name() {
        assert_eq!(slug("2. Restart the `workers`!"), "2-restart-the-workers");
        assert_eq!(slug("東京"), "");
        assert!(is_name(&slug(&"x y".repeat(100))));
    }
}
