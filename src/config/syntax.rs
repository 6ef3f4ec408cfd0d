//! From text to a tree in which every key and value knows its place.
//!
//! The parser goes on after many mistakes but not after all: a key without `=` ends the document for it, an unclosed bracket swallows
//! the rest. So each broken statement is reported, blanked (its bytes become spaces: places stay true), and the text parsed anew,
//! until nothing is broken. What was blanked is remembered, so that nobody complains that it is missing.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::document::Document;

/// Broken statements repaired in one file; more are reported as the parser gives them.
const MOST: usize = 100;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub span: Range<usize>,
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// Decimal spelling, and whether it is an integer.
    Number(String, bool),
    Flag(bool),
    Time,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

impl Value {
    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(..) => "a number",
            Self::Flag(_) => "true or false",
            Self::Time => "a time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub at: Range<usize>,
    pub node: Node,
}

/// A mistake of syntax.
#[derive(Debug)]
pub(super) struct Mistake {
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<&'static str>,
}

/// What became of a text.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub root: Vec<Entry>,
    pub mistakes: Vec<Mistake>,
    /// The statements that could not be read.
    pub broken: Vec<Range<usize>>,
    /// Whether one of them was a header, so that a whole section is missing.
    pub lost_section: bool,
}

/// Read `document`, all of it.
pub(super) fn parse(document: &Document) -> Parsed {
    let mut text = document.text().to_owned();
    let mut out = Parsed::default();
    loop {
        let (table, mut errors) = DeTable::parse_recoverable(&text);
        errors.sort_by_key(|e| e.span().map_or(0, |s| s.start));
        let Some(first) = errors.first() else {
            out.root = entries(table.get_ref());
            return out;
        };
        let at = first.span().unwrap_or(0..0);
        let (span, message, lost) = match value_around(table.get_ref(), at.start) {
            Some(whole) if document.line_of(whole.start) < document.line_of(at.start) => {
                match errors.iter().find(|e| is_unclosed(e.message())) {
                    Some(open) => (whole.clone(), open.message(), to_next_statement(document, &whole)),
                    None => (at, first.message(), whole),
                }
            }
            _ => (at.clone(), first.message(), at),
        };
        out.mistakes.push(Mistake { span, message: message.to_owned(), help: help(message) });
        let (range, header) = statement(document, &lost);
        let Some(repaired) = blank(&text, &range).filter(|_| out.mistakes.len() < MOST) else {
            let rest = errors.iter().skip(1);
            out.mistakes.extend(rest.map(|e| Mistake {
                span: e.span().unwrap_or(0..0),
                message: e.message().to_owned(),
                help: help(e.message()),
            }));
            out.root = entries(table.get_ref());
            return out;
        };
        text = repaired;
        out.lost_section |= header;
        out.broken.push(range);
    }
}

fn is_unclosed(message: &str) -> bool {
    message.starts_with("unclosed") || message.starts_with("invalid multi-line")
}

fn help(message: &str) -> Option<&'static str> {
    let told = [
        ("string values must be quoted", "put the value in quotes"),
        ("invalid float", "put the value in quotes, or write a plain number"),
        ("duplicate key", "it is already there further up; keep one of the two"),
        ("key with no value", "write `key = value`"),
    ];
    told.into_iter().find(|(begin, _)| message.starts_with(begin)).map(|(_, help)| help)
}

/// Key and value of the statement whose value holds byte `at`.
fn value_around(table: &DeTable<'_>, at: usize) -> Option<Range<usize>> {
    table.iter().find_map(|(key, value)| {
        let span = value.span();
        if key.span().end <= span.start {
            return (span.start < at && at <= span.end).then(|| key.span().start..span.end);
        }
        match value.get_ref() {
            DeValue::Table(inner) => value_around(inner, at),
            DeValue::Array(list) => list.iter().find_map(|item| item.get_ref().as_table().and_then(|t| value_around(t, at))),
            _ => None,
        }
    })
}

/// From a value that is not closed up to the next line that looks like a statement of its own.
fn to_next_statement(document: &Document, whole: &Range<usize>) -> Range<usize> {
    let first = document.line_of(whole.start);
    let next = (first + 1..document.line_count()).find(|n| is_header(document.line(*n)) || is_pair(document.line(*n)));
    let last = next.unwrap_or(document.line_count()).saturating_sub(1);
    whole.start..document.line_span(last).end
}

/// The whole lines of what is lost, and whether that is a section; a header takes its keys with it.
fn statement(document: &Document, lost: &Range<usize>) -> (Range<usize>, bool) {
    let (first, mut last) = (document.line_of(lost.start), document.line_of(lost.end));
    let header = document.line(first).trim_start().starts_with('[') && last == first;
    if header {
        let next = (first + 1..document.line_count()).find(|n| is_header(document.line(*n)));
        last = next.unwrap_or(document.line_count()).saturating_sub(1);
    }
    (document.line_span(first).start..document.line_span(last).end, header)
}

pub(super) fn is_header(line: &str) -> bool {
    let line = line.trim_start();
    line.strip_prefix('[').is_some_and(|rest| rest.trim_start_matches('[').trim_start().starts_with(|c: char| c.is_alphanumeric()))
}

fn is_pair(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim().trim_matches(['"', '\'']);
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
    })
}

/// The text with everything in `range` but line breaks turned into spaces; `None` if that changes nothing.
fn blank(text: &str, range: &Range<usize>) -> Option<String> {
    let old = text.get(range.clone())?;
    let new: String = old.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    let mut out = text.to_owned();
    out.replace_range(range.clone(), &new);
    (new != old).then_some(out)
}

fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut all: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), at: key.span(), node: node(value.get_ref(), value.span()) })
        .collect();
    all.sort_by_key(|e| e.at.start);
    all
}

fn node(value: &DeValue<'_>, span: Range<usize>) -> Node {
    let value = match value {
        DeValue::String(s) => Value::Text(s.to_string()),
        DeValue::Integer(i) => {
            Value::Number(i64::from_str_radix(i.as_str(), i.radix()).map_or_else(|_| i.to_string(), |n| n.to_string()), true)
        }
        DeValue::Float(f) => Value::Number(f.as_str().to_owned(), false),
        DeValue::Boolean(b) => Value::Flag(*b),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(list) => Value::List(list.iter().map(|v| node(v.get_ref(), v.span())).collect()),
        DeValue::Table(table) => Value::Table(entries(table)),
    };
    Node { value, span }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mistakes(text: &str) -> (Vec<(usize, usize)>, Vec<String>) {
        let doc = Document::new("x", text);
        let parsed = parse(&doc);
        let places = parsed.mistakes.iter().map(|m| doc.place(&m.span, &[])).map(|p| (p.line, p.column)).collect();
        (places, parsed.root.iter().map(|e| e.key.clone()).collect())
    }

    #[test]
    fn every_mistake_is_found_and_the_rest_still_read() {
        for (text, places, keys) in [
            ("a 1\nb = 1\n", vec![(1, 3)], vec!["b"]),
            ("a = [1, 2\nb = 3\n[c]\nd = 1\n", vec![(1, 1)], vec!["b", "c"]),
            ("a = { x = 1\nb = 3\nc x\nd = 1", vec![(1, 1), (3, 3)], vec!["b", "d"]),
            ("a = '''x\nb = 3\n", vec![(1, 1)], vec!["b"]),
            ("[a\nb = 1\n[c]\nd = 30d\n", vec![(1, 3), (4, 5)], vec!["c"]),
            ("a = 1\na = 2\nb = 99.9%", vec![(2, 1), (3, 9)], vec!["a"]),
            ("time: \"x\"\nb = \"y\nc = 1", vec![(1, 5), (2, 7)], vec!["c"]),
            ("[x]\n[x]\ny = 1", vec![(2, 2)], vec!["x"]),
        ] {
            let (found, read) = mistakes(text);
            assert_eq!((found, read), (places, keys.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_stops_it(text in "[\\[\\]{}a-c=\"'#.,\\\\ 0-9\n\té]{0,60}") {
            let doc = Document::new("x", &text);
            for mistake in parse(&doc).mistakes {
                prop_assert!(doc.place(&mistake.span, &[]).line <= doc.line_count());
            }
        }
    }
}
