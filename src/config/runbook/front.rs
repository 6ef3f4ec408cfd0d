//! Front matter: what a runbook is called and what it is for.
//!
//! It is written in a small part of YAML: `key: value`, values plain or in quotes, lists in brackets or as lines that begin with `- `.
//! What is more than that is told at its line and never read as something else.

use std::ops::Range;

use super::{
    super::{document::Document, problem::did_you_mean},
    Findings,
};
use crate::domain::{LabelMatcher, Matchers, Shell, Text, variable_name};

/// Keys with a meaning.
const KEYS: [&str; 4] = ["title", "services", "alerts", "shell"];
/// Keys with a meaning to runme alone.
const RUNMES: [&str; 4] = ["cwd", "skipPrompts", "runme", "terminalRows"];

/// What the front matter says.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub title: Option<Text>,
    pub services: Vec<Text>,
    pub alerts: Vec<Matchers>,
    /// The shell of blocks that say only `sh`.
    pub shell: Option<Shell>,
    /// The first line that is not front matter, counted from 0.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
struct Item {
    text: String,
    span: Range<usize>,
}

/// A key and its values.
struct Field {
    key: Item,
    values: Vec<Item>,
    list: bool,
    /// Whether a mistake in it was told already.
    bad: bool,
}

/// Read the front matter of `document`; it may have none.
pub(super) fn read(document: &Document, findings: &Findings) -> Front {
    let line = |n: usize| document.line(n).trim_end();
    if line(0) != "---" {
        let first = document.line_span(0);
        findings.warning(&first, "there is no front matter, so no alert leads here", "begin with `---`, `title: …`, `alerts: […]`, `---`");
        return Front::default();
    }
    let Some(end) = (1..document.line_count()).find(|n| matches!(line(*n), "---" | "...")) else {
        findings.error(&document.line_span(0), "the front matter is never closed", "end it with a line of `---`");
        return Front { end: document.line_count(), ..Front::default() };
    };
    let mut front = Front { end: end + 1, ..Front::default() };
    let fields = fields(document, end, findings);
    let mut seen: Vec<&str> = Vec::new();
    for field in &fields {
        let key = field.key.text.as_str();
        if seen.contains(&key) {
            findings.error(&field.key.span, &format!("`{key}` is there already"), "leave one of them");
            continue;
        }
        seen.push(key);
        if !field.bad {
            take(&mut front, field, findings);
        }
    }
    front
}

fn take(front: &mut Front, field: &Field, findings: &Findings) {
    let key = field.key.text.as_str();
    match key {
        "title" => front.title = single(field, findings).map(|item| Text::clean(&item.text)),
        "shell" => {
            let Some(item) = single(field, findings) else { return };
            front.shell = Shell::of_language(&item.text);
            if front.shell.is_none() {
                findings.error(&item.span, &format!("there is no shell `{}` here", item.text), "there is sh, bash, dash, ksh, zsh");
            }
        }
        "services" => front.services = field.values.iter().filter(|i| !empty(i, findings)).map(|i| Text::clean(&i.text)).collect(),
        "alerts" => {
            front.alerts = field.values.iter().filter(|i| !empty(i, findings)).filter_map(|item| alert(item, findings)).collect();
        }
        _ if RUNMES.contains(&key) => {
            findings.warning(&field.key.span, &format!("`{key}` is for runme; here it is passed over"), "");
        }
        _ => {
            let help = did_you_mean(key, KEYS).unwrap_or_else(|| format!("there is {}", KEYS.join(", ")));
            findings.warning(&field.key.span, &format!("unknown key `{key}`, passed over"), &help);
        }
    }
}

fn single<'a>(field: &'a Field, findings: &Findings) -> Option<&'a Item> {
    match field.values.as_slice() {
        [item] if !field.list => Some(item).filter(|i| !empty(i, findings)),
        _ => {
            let key = &field.key.text;
            findings.error(&field.key.span, &format!("`{key}` is one text"), &format!("write `{key}: …` on one line"));
            None
        }
    }
}

fn empty(item: &Item, findings: &Findings) -> bool {
    let empty = item.text.trim().is_empty();
    if empty {
        findings.error(&item.span, "nothing stands here", "write a value, or leave the key out");
    }
    empty
}

/// What an alert must look like.
fn alert(item: &Item, findings: &Findings) -> Option<Matchers> {
    let read = LabelMatcher::list(&item.text).and_then(|list| Matchers::new(&list));
    let matchers = match read {
        Ok(matchers) => matchers,
        Err(why) => {
            findings.error(&item.span, &format!("these are no label matchers: {why}"), "such as 'alertname=\"QueueStalled\"'");
            return None;
        }
    };
    if matchers.too_wide().is_some() {
        findings.warning(&item.span, "this matches every alert", "ask for a value of some label");
    }
    let mut names: Vec<_> = matchers.conditions().map(|c| c.name.raw().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    for (n, name) in names.iter().enumerate() {
        let variable = variable_name("BW_LABEL_", name);
        if let Some(other) = names.iter().take(n).find(|o| variable_name("BW_LABEL_", o) == variable) {
            let message = format!("labels `{other}` and `{name}` would both be {variable}, so every step would be refused");
            findings.error(&item.span, &message, "an alert with only one of them can be worked on");
        }
    }
    Some(matchers)
}

/// Keys and values of lines 1 to `end`.
fn fields(document: &Document, end: usize, findings: &Findings) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for number in 1..end {
        let span = document.line_span(number);
        let line = document.line(number).trim_end();
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let at = span.start + indent;
        let whole = at..at + content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(rest) = content.strip_prefix('-').filter(|r| r.is_empty() || r.starts_with(' ')) {
            let Some(field) = fields.last_mut().filter(|f| f.list || f.values.is_empty()) else {
                findings.error(&whole, "this item belongs to no list", "write the list's key above it, as `alerts:`");
                continue;
            };
            field.list = true;
            let lead = rest.len() - rest.trim_start().len();
            match scalar(rest.trim_start(), at + 1 + lead, &[]) {
                Ok((item, _)) => field.values.push(item),
                Err((span, what)) => (field.bad, ()) = (true, more(findings, &span, &what)),
            }
            continue;
        }
        let unknown = fields.last().is_some_and(|f| !KEYS.contains(&f.key.text.as_str()));
        if indent > 0 {
            if !unknown {
                more(findings, &whole, "this line is indented and no item of a list");
                fields.iter_mut().next_back().into_iter().for_each(|f| f.bad = true);
            }
            continue;
        }
        fields.extend(key_line(content, at, findings));
    }
    fields
}

/// `key: value`, `key: [a, b]`, `key:`.
fn key_line(content: &str, at: usize, findings: &Findings) -> Option<Field> {
    let whole = at..at + content.len();
    let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let Some((key, rest)) = content.split_once(':').filter(|(k, r)| plain(k) && (r.is_empty() || r.starts_with(' '))) else {
        more(findings, &whole, "this is no line of front matter");
        return None;
    };
    let key_item = Item { text: key.to_owned(), span: at..at + key.len() };
    let lead = rest.len() - rest.trim_start().len();
    let (value, start) = (rest.trim_start(), at + key.len() + 1 + lead);
    let mut field = Field { key: key_item, values: Vec::new(), list: false, bad: false };
    let read = if value.is_empty() || value.starts_with('#') {
        Ok(())
    } else if value.starts_with('[') {
        field.list = true;
        list(value, start).map(|items| field.values = items)
    } else {
        scalar(value, start, &[]).map(|(item, _)| field.values = vec![item])
    };
    if let Err((span, what)) = read {
        field.bad = true;
        if KEYS.contains(&key) {
            more(findings, &span, &what);
        }
    }
    Some(field)
}

fn more(findings: &Findings, span: &Range<usize>, what: &str) {
    findings.error(span, what, "front matter is `key: text`, `key: [a, b]`, or `key:` with lines of `- item`");
}

/// Where something is wrong, and what.
type Wrong = (Range<usize>, String);

/// `[a, "b", 'c']` on one line.
fn list(text: &str, at: usize) -> Result<Vec<Item>, Wrong> {
    let mut items = Vec::new();
    let mut pos = 1;
    loop {
        let rest = text.get(pos..).unwrap_or_default();
        let lead = rest.len() - rest.trim_start().len();
        pos += lead;
        let rest = rest.trim_start();
        match rest.chars().next() {
            None => return Err((at..at + text.len(), "this list is not closed on its line".to_owned())),
            Some(']') => {
                let tail = rest.get(1..).unwrap_or_default().trim();
                let clean = tail.is_empty() || tail.starts_with('#');
                let span = at + pos + 1..at + text.len();
                return if clean { Ok(items) } else { Err((span, "nothing may stand behind the list".to_owned())) };
            }
            Some(',') => pos += 1,
            Some(_) => {
                let (item, length) = scalar(rest, at + pos, &[',', ']'])?;
                items.push(item);
                pos += length;
            }
        }
    }
}

/// A text, plain or in quotes, and how long it is as written; a plain one ends before one of `ends`, or at ` #`.
fn scalar(text: &str, at: usize, ends: &[char]) -> Result<(Item, usize), Wrong> {
    let whole = at..at + text.len();
    let quoted = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quoted {
        let Some((value, length)) = in_quotes(text, quote) else { return Err((whole, "the quote is not closed on its line".to_owned())) };
        let tail = text.get(length..).unwrap_or_default().trim_start();
        if ends.is_empty() && !tail.is_empty() && !tail.starts_with('#') {
            return Err((at + length..at + text.len(), "nothing may stand behind the quote".to_owned()));
        }
        return Ok((Item { text: value, span: at..at + length }, length));
    }
    if text.starts_with(['{', '[', '&', '*', '!', '|', '>', '%', '@', '`']) {
        return Err((whole, format!("a text that begins with `{}` stands in quotes", text.chars().next().unwrap_or_default())));
    }
    let end = text.find(|c| ends.contains(&c)).unwrap_or(text.len());
    let cut = text.get(..end).unwrap_or(text);
    let cut = cut.find(" #").and_then(|comment| cut.get(..comment)).unwrap_or(cut);
    let value = cut.trim_end();
    if value.contains(": ") {
        return Err((at..at + value.len(), "a text with `: ` in it stands in quotes".to_owned()));
    }
    Ok((Item { text: value.to_owned(), span: at..at + value.len().max(1) }, end))
}

/// A text in quotes as YAML has them: `''` in single ones, `\"` and `\\` in double ones.
fn in_quotes(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                out.push('\'');
            }
            '\\' if quote == '"' => out.push(chars.next()?.1),
            c if c == quote => return Some((out, at + 1)),
            c => out.push(c),
        }
    }
    None
}
