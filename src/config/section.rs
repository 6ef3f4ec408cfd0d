//! Sections: a table of the file that knows its place and remembers which of its keys were asked for.
//!
//! Whoever gives words a meaning reads them from a section: the model reads `[cockpit]`, a backend its own `[[source]]` row. A value of
//! the wrong type or without meaning becomes a problem at its place and reads as `None`. [`Section::finish`] then reports every key
//! that nobody asked for, so read *all* keys before giving up on a row.

use std::{collections::BTreeSet, fmt, ops::Range, str::FromStr, sync::Arc};

use toml::Spanned;

use super::{
    context::Context,
    document::Document,
    mask,
    problem::{Level, did_you_mean},
    syntax::{Entry, Node, Value},
};
use crate::domain::Text;

/// A table of the file.
#[derive(Clone)]
pub struct Section {
    pub(super) context: Arc<Context>,
    pub(super) entries: Vec<Entry>,
    span: Range<usize>,
    pub(super) asked: BTreeSet<String>,
}

impl fmt::Debug for Section {
    /// The names of its keys: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|e| &e.key)).finish()
    }
}

impl Section {
    pub(super) fn new(context: Arc<Context>, entries: Vec<Entry>, span: Range<usize>) -> Self {
        Self { context, entries, span, asked: BTreeSet::new() }
    }
    /// Where its header stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
    /// The file it is a part of.
    pub fn document(&self) -> &Document {
        &self.context.document
    }
    /// Whether `key` is there, without reading it.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }
    /// Where `key` stands, or the header if it is not there.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.entries.iter().find(|e| e.key == key).map_or_else(|| self.span(), |e| e.at.clone())
    }

    /// Report an error at `span`.
    pub fn error(&self, span: &Range<usize>, message: &str) {
        self.context.report(Level::Error, span, message, None);
    }
    /// Report an error at `span`, with the way out of it.
    pub fn error_with_help(&self, span: &Range<usize>, message: &str, help: &str) {
        self.context.report(Level::Error, span, message, Some(help));
    }
    /// Report at `span` what is probably not meant so.
    pub fn warning(&self, span: &Range<usize>, message: &str, help: &str) {
        self.context.report(Level::Warning, span, message, Some(help));
    }
    /// Report that `key` is missing, unless part of the section could not be read.
    pub fn missing(&self, key: &str, example: &str) {
        self.missing_with_help(&format!("`{key}` is missing"), &format!("add `{key} = {example}`"));
    }
    /// Report that something is missing, unless part of the section could not be read.
    pub fn missing_with_help(&self, message: &str, help: &str) {
        if !self.context.is_broken(&self.span) {
            self.error_with_help(&self.span, message, help);
        }
    }

    /// A text.
    pub fn str(&mut self, key: &str) -> Option<Spanned<String>> {
        let node = self.node(key)?;
        let Value::Text(text) = node.value else { return self.wrong(key, &node, "a text in quotes") };
        Some(Spanned::new(node.span, text))
    }
    /// A text that must be there and must not be empty; `example` shows one, quotes included.
    pub fn required_str(&mut self, key: &str, example: &str) -> Option<Spanned<String>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        let text = self.str(key)?;
        if text.get_ref().trim().is_empty() {
            self.error_with_help(&text.span(), &format!("`{key}` is empty"), &format!("write for example {example}"));
            return None;
        }
        Some(text)
    }
    /// A text for people, cleaned.
    pub fn text(&mut self, key: &str) -> Option<Text> {
        self.str(key).map(|t| Text::clean(t.get_ref()))
    }
    /// A required name of which ids are made: visible characters, at most 100, no `/`, no space at its ends.
    pub fn name(&mut self, key: &str, example: &str) -> Option<Spanned<String>> {
        let name = self.required_str(key, example)?;
        let text = name.get_ref();
        let fault = if text.contains('/') {
            "contains `/`, which parts the names in an id"
        } else if text.trim() != text {
            "begins or ends with a space"
        } else if text.chars().count() > 100 {
            "is longer than 100 characters"
        } else if *Text::clean(text).as_str() != **text {
            "contains characters that cannot be shown"
        } else {
            return Some(name);
        };
        self.error(&name.span(), &format!("`{key}` {fault}"));
        None
    }
    /// As [`Section::name`], for a name that may be left out.
    pub fn name_if_there(&mut self, key: &str, example: &str) -> Option<Spanned<String>> {
        self.asked.insert(key.to_owned());
        if self.has(key) { self.name(key, example) } else { None }
    }
    /// True or false.
    pub fn bool(&mut self, key: &str) -> Option<Spanned<bool>> {
        let node = self.node(key)?;
        let Value::Flag(flag) = node.value else { return self.wrong(key, &node, "true or false") };
        Some(Spanned::new(node.span, flag))
    }
    /// An integer from `min` to `max`.
    pub fn integer(&mut self, key: &str, min: i64, max: i64) -> Option<Spanned<i64>> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Number(raw, true) => raw.parse().ok().filter(|n| (min..=max).contains(n)),
            _ => return self.wrong(key, &node, "an integer"),
        };
        if number.is_none() {
            self.error(&node.span, &format!("`{key}` lies between {min} and {max}"));
        }
        Some(Spanned::new(node.span, number?))
    }
    /// A number that is finite and not negative.
    pub fn number(&mut self, key: &str) -> Option<Spanned<f64>> {
        let node = self.node(key)?;
        let Value::Number(raw, _) = &node.value else { return self.wrong(key, &node, "a number") };
        let number = raw.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
        if number.is_none() {
            self.error(&node.span, &format!("`{key}` is a finite number, 0 or more"));
        }
        Some(Spanned::new(node.span, number?))
    }
    /// A text or a number, as it was written: for figures such as `"99.9%"` and `0.999`.
    pub fn figure(&mut self, key: &str) -> Option<Spanned<String>> {
        let node = self.node(key)?;
        match node.value {
            Value::Text(raw) | Value::Number(raw, _) => Some(Spanned::new(node.span, raw)),
            _ => self.wrong(key, &node, "a number or a text"),
        }
    }
    /// A text that means a `T`; what `T` says of a bad one becomes the problem.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Option<Spanned<T>> {
        let text = self.str(key)?;
        self.parse(&text)
    }
    /// Read `text`, a part of this section, as a `T`.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&self, text: &Spanned<String>) -> Option<Spanned<T>> {
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(why) => {
                self.error(&text.span(), &why.to_string());
                None
            }
        }
    }
    /// One of a few words.
    pub fn one_of<'w>(&mut self, key: &str, words: &[&'w str]) -> Option<Spanned<&'w str>> {
        let text = self.str(key)?;
        let found = words.iter().find(|w| *w == text.get_ref());
        if found.is_none() {
            let all = words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
            let help = did_you_mean(text.get_ref(), words.iter().copied()).unwrap_or_else(|| format!("there is {all}"));
            self.error_with_help(&text.span(), &format!("unknown {key} `{}`", text.get_ref()), &help);
        }
        Some(Spanned::new(text.span(), *found?))
    }
    /// A list of texts.
    pub fn strings(&mut self, key: &str) -> Option<Vec<Spanned<String>>> {
        let node = self.node(key)?;
        let Value::List(items) = node.value else { return self.wrong(key, &node, "a list of texts") };
        let texts = items.into_iter().filter_map(|item| match item.value {
            Value::Text(text) => Some(Spanned::new(item.span, text)),
            _ => self.wrong(key, &item, "a list of texts"),
        });
        Some(texts.collect())
    }
    /// A table of its own; finish it.
    pub fn table(&mut self, key: &str) -> Option<Section> {
        let node = self.node(key)?;
        match node.value {
            Value::Table(entries) => Some(self.child(entries, node.span)),
            Value::List(items) if items.iter().all(|i| matches!(i.value, Value::Table(_))) && !items.is_empty() => {
                self.error_with_help(&node.span, &format!("`{key}` stands once"), &format!("write [{key}], in single brackets"));
                items.into_iter().find_map(|item| self.as_section(item))
            }
            _ => self.wrong(key, &node, "a table"),
        }
    }
    /// The tables of a list, `[[key]]`; none if the key is not there. Finish each.
    pub fn sections(&mut self, key: &str) -> Vec<Section> {
        let Some(node) = self.node(key) else { return Vec::new() };
        match node.value {
            Value::List(items) => items.into_iter().filter_map(|item| self.row(key, item)).collect(),
            Value::Table(entries) => {
                let help = format!("write [[{key}]], in double brackets");
                self.error_with_help(&node.span, &format!("`{key}` is a list of tables"), &help);
                vec![self.child(entries, node.span)]
            }
            _ => self.wrong::<Vec<_>>(key, &node, "a list of tables").unwrap_or_default(),
        }
    }
    fn row(&self, key: &str, item: Node) -> Option<Section> {
        if !matches!(item.value, Value::Table(_)) {
            return self.wrong(key, &item, "a list of tables");
        }
        self.as_section(item)
    }
    fn as_section(&self, node: Node) -> Option<Section> {
        let Value::Table(entries) = node.value else { return None };
        Some(self.child(entries, node.span))
    }
    fn child(&self, entries: Vec<Entry>, span: Range<usize>) -> Section {
        Section::new(Arc::clone(&self.context), entries, span)
    }
    /// Whether the value of `key` is a text (and not a list or table); false if it is not there.
    pub fn is_text(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key && matches!(e.node.value, Value::Text(_)))
    }
    /// Whether the value of `key` is true or false; false if it is not there.
    pub fn is_flag(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key && matches!(e.node.value, Value::Flag(_)))
    }
    /// The text of `key`, without reading it.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|e| e.key == key)
            .and_then(|e| if let Value::Text(text) = &e.node.value { Some(text.as_str()) } else { None })
    }
    /// The names of its keys, for sections whose keys are the user's own words.
    pub fn keys(&self) -> Vec<Spanned<String>> {
        self.entries.iter().map(|e| Spanned::new(e.at.clone(), e.key.clone())).collect()
    }
    /// Report every key that was not asked for. What an unknown key holds is not shown: it may be a misspelt secret.
    pub fn finish(self) {
        let missing = self.asked.iter().filter(|k| !self.has(k)).map(String::as_str);
        let missing: Vec<_> = missing.chain(self.asked.iter().filter(|k| self.has(k)).map(String::as_str)).collect();
        for entry in self.entries.iter().filter(|e| !self.asked.contains(&e.key)) {
            self.hide_texts(&entry.node);
            let help = did_you_mean(&entry.key, missing.iter().copied());
            self.context.report(Level::Error, &entry.at, &format!("unknown key `{}`", entry.key), help.as_deref());
        }
    }
    fn hide_texts(&self, node: &Node) {
        match &node.value {
            Value::Text(_) => self.context.hide(node.span.clone()),
            Value::List(items) => items.iter().for_each(|i| self.hide_texts(i)),
            Value::Table(entries) => entries.iter().for_each(|e| self.hide_texts(&e.node)),
            _ => {}
        }
    }
    pub(super) fn node(&mut self, key: &str) -> Option<Node> {
        self.asked.insert(key.to_owned());
        self.entries.iter().find(|e| e.key == key).map(|e| e.node.clone())
    }
    pub(super) fn wrong<T>(&self, key: &str, node: &Node, wanted: &str) -> Option<T> {
        if mask::is_secret(key) {
            self.context.hide(node.span.clone());
        }
        self.error(&node.span, &format!("`{key}` wants {wanted}, this is {}", node.value.kind()));
        None
    }
}

/// Whether `text` can be the name of a label that users give: letters, digits and `_`, not beginning with a digit or `__`.
pub(super) fn is_label(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !text.starts_with("__");
    starts && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn read(text: &str, reader: impl FnOnce(&mut Section)) -> Vec<String> {
        let (context, entries) = Context::new(Document::new("x", text), None);
        let context = Arc::new(context);
        let mut section = Section::new(Arc::clone(&context), entries, 0..0);
        reader(&mut section);
        section.finish();
        let line = |p: super::super::Problem| {
            let (line, column) = p.position();
            format!("{line}:{column} {}{}", p.message, p.help.map(|h| format!(" ({h})")).unwrap_or_default())
        };
        context.problems().into_iter().map(line).collect()
    }

    #[test]
    fn single_and_double_brackets_are_told_apart() {
        let found = read("[slo]\na = 1\n[[cockpit]]\nb = 1", |s| {
            let mut slo = s.sections("slo").remove(0);
            assert!(slo.integer("a", 0, 9).is_some());
            slo.finish();
            let mut cockpit = s.table("cockpit").unwrap();
            assert!(cockpit.integer("b", 0, 9).is_some());
            cockpit.finish();
        });
        let expected = [
            "1:1 `slo` is a list of tables (write [[slo]], in double brackets)",
            "3:1 `cockpit` stands once (write [cockpit], in single brackets)",
        ];
        assert_eq!(found, expected);
    }
}
