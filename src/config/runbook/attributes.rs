//! What stands in braces behind a fence or a heading: `{name=restart timeout=2m}`, or as JSON `{"name":"restart","timeout":"2m"}`.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// One attribute and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attribute {
    pub key: String,
    pub value: Given,
    /// Key and value.
    pub span: Range<usize>,
}

/// What an attribute was given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// Nothing: `{check}`.
    Bare,
    /// A text; numbers and booleans of JSON are as they are spelt.
    Text(String),
    /// A list or table of JSON.
    Tree(Value),
}

/// All of one block.
pub(super) type Attributes = Vec<Attribute>;

/// What is wrong with a text in braces, and where in it.
pub(super) struct Wrong {
    pub span: Range<usize>,
    pub what: String,
}

/// Read `{…}`; spans are relative to `text`.
pub(super) fn parse(text: &str) -> Result<Attributes, Wrong> {
    let inner = text.strip_prefix('{').unwrap_or(text).trim_start();
    if inner.starts_with('"') && json_like(inner) { json(text) } else { plain(text) }
}

/// Whether the text behind the brace begins with a key of JSON: a text in quotes and a colon.
fn json_like(inner: &str) -> bool {
    let mut escaped = false;
    let end = inner.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.is_some_and(|(at, _)| inner.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with(':')))
}

/// `key=value key="long value" flag`.
fn plain(text: &str) -> Result<Attributes, Wrong> {
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        at += spaces(text, at);
        match text.get(at..).and_then(|rest| rest.chars().next()) {
            None => return Err(Wrong { span: 0..text.len(), what: "the brace is never closed".to_owned() }),
            Some('}') => break,
            Some(',') => at += 1,
            Some(_) => {
                let attribute = one(text, at)?;
                at = attribute.span.end;
                out.push(attribute);
            }
        }
    }
    match text.get(at + 1..).filter(|rest| !rest.trim().is_empty()) {
        Some(rest) => Err(Wrong { span: at + 1..at + 1 + rest.len(), what: "nothing may stand behind the brace".to_owned() }),
        None => Ok(out),
    }
}

/// The attribute that begins at `at`.
fn one(text: &str, at: usize) -> Result<Attribute, Wrong> {
    let rest = text.get(at..).unwrap_or_default();
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let key = rest.split(|c| !is_key(c)).next().unwrap_or_default();
    if key.is_empty() {
        let wide = rest.chars().next().map_or(1, char::len_utf8);
        return Err(Wrong { span: at..at + wide, what: "an attribute is written `name=value`".to_owned() });
    }
    let after = at + key.len();
    let Some(value) = text.get(after..).and_then(|r| r.strip_prefix('=')) else {
        return Ok(Attribute { key: key.to_owned(), value: Given::Bare, span: at..after });
    };
    let begin = after + 1;
    let (value, length) = if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        quoted(value, quote).ok_or_else(|| Wrong { span: begin..text.len(), what: "the quote is never closed".to_owned() })?
    } else {
        let bare: String = value.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '}' | ',')).collect();
        let length = bare.len();
        (bare, length)
    };
    Ok(Attribute { key: key.to_owned(), value: Given::Text(value), span: at..begin + length })
}

/// A text in quotes and how long it is with them; `\"` and `\\` stand for the character behind the stroke.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                if c != quote && c != '\\' {
                    out.push('\\');
                }
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            c if c == quote => return Some((out, at + c.len_utf8())),
            c => out.push(c),
        }
    }
    None
}

fn spaces(text: &str, at: usize) -> usize {
    text.get(at..).map_or(0, |rest| rest.len() - rest.trim_start().len())
}

/// Keys and values of a JSON object in their order; a key may be there twice.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(All)
    }
}

fn json(text: &str) -> Result<Attributes, Wrong> {
    let wrong = |why: &serde_json::Error| {
        let at = text.char_indices().nth(why.column().saturating_sub(1)).map_or(text.len().saturating_sub(1), |(at, _)| at);
        let what = why.to_string();
        let what = what.split(" at line").next().unwrap_or_default().to_owned();
        Wrong { span: at..at + 1, what: format!("this is no JSON: {what}") }
    };
    let Pairs(pairs) = serde_json::from_str(text.trim_end()).map_err(|why| wrong(&why))?;
    let mut from = 0;
    let spanned = pairs.into_iter().map(|(key, value)| {
        let quoted = Value::from(key.as_str()).to_string();
        let is_key = |at: &usize| text.get(at + quoted.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'));
        let found = text.match_indices(&quoted).map(|(at, _)| at).filter(|at| *at >= from).find(is_key);
        let span = found.map_or(0..text.len(), |at| at..at + quoted.len());
        from = found.map_or(from, |at| at + quoted.len());
        let value = match value {
            Value::String(text) => Given::Text(text),
            Value::Bool(flag) => Given::Text(flag.to_string()),
            Value::Number(number) => Given::Text(number.to_string()),
            Value::Null => Given::Bare,
            tree => Given::Tree(tree),
        };
        Attribute { key, value, span }
    });
    Ok(spanned.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let Ok(all) = parse(text) else { return vec![("wrong".to_owned(), None)] };
        let value = |given| if let Given::Text(text) = given { Some(text) } else { None };
        all.into_iter().map(|a| (a.key, value(a.value))).collect()
    }
    fn pairs(all: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        all.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect()
    }

    #[test]
    fn both_spellings_say_the_same() {
        let expected = pairs(&[("name", Some("drain")), ("interactive", Some("false"))]);
        for text in [
            "{name=drain interactive=false}",
            "{ name=drain interactive=false }",
            "{name=\"drain\", interactive='false'}",
            "{\"name\":\"drain\",\"interactive\":\"false\"}",
            "{ \"name\": \"drain\", \"interactive\": false }",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("{name=a check}"), pairs(&[("name", Some("a")), ("check", None)]));
        assert_eq!(read("{}"), pairs(&[]));
        assert_eq!(read(r#"{a="x \"y\" \\ \n }" b=}"#), pairs(&[("a", Some("x \"y\" \\ \\n }")), ("b", Some(""))]));
        assert_eq!(read("{\"a\":1,\"a\":2}"), pairs(&[("a", Some("1")), ("a", Some("2"))]), "a second one is seen too");
    }

    #[test]
    fn spans_are_where_the_attribute_stands() {
        let text = "{name=é  undo=\"a b\"}";
        let all = parse(text).ok().unwrap();
        assert_eq!(all.iter().map(|a| text.get(a.span.clone()).unwrap()).collect::<Vec<_>>(), ["name=é", "undo=\"a b\""]);
        let text = "{\"name\":\"undo\",\"undo\":\"b\"}";
        let all = parse(text).ok().unwrap();
        assert_eq!(all.last().unwrap().span, 15..21);
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, at, what) in [
            ("{name=a", 0, "never closed"),
            ("{name=\"a}", 6, "quote"),
            ("{=a}", 1, "name=value"),
            ("{a=b} c", 5, "behind the brace"),
            ("{\"a\":}", 5, "no JSON"),
            ("{1,3-4}", 0, ""),
        ] {
            let found = parse(text).err();
            if let Some(wrong) = found {
                assert!(wrong.span.start == at && wrong.what.contains(what), "{text}: {} {}", wrong.span.start, wrong.what);
            }
        }
    }
}
