//! What a step writes, in lines that a person can read.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, Utc};

use super::super::{ActId, Text};

/// What an attempt of a step has written so far, the end of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutput {
    /// Of which attempt.
    pub key: ActId,
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes before the first line here, which are not among them.
    pub omitted: u64,
    /// The lines, the last one perhaps not yet whole.
    pub lines: Arc<[Text]>,
}

impl StepOutput {
    /// The most bytes that are turned into lines.
    pub const SHOWN: usize = 64 << 10;

    /// What is shown of an output of `bytes` in all that ends with `end`.
    pub fn new(key: ActId, end: &[u8], bytes: u64, as_of: DateTime<Utc>) -> Self {
        let from = end.len().saturating_sub(Self::SHOWN);
        let mut shown = end.get(from..).unwrap_or_default();
        // Do not begin in the middle of a line, unless it is all there is.
        if (shown.len() as u64) < bytes
            && let Some(at) = shown.iter().position(|b| *b == b'\n').filter(|at| at + 1 < shown.len())
        {
            shown = shown.get(at + 1..).unwrap_or_default();
        }
        Self { key, as_of, bytes, omitted: bytes.saturating_sub(shown.len() as u64), lines: legible(shown).into() }
    }
}

/// Lines as they stand on a terminal after they were written: colours and cursor movements left out, what a carriage return has written
/// over gone, tabs as spaces, everything else that is not plain as a visible placeholder.
pub fn legible(bytes: &[u8]) -> Vec<Text> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\n').map(|line| Text::clean(&spaced(&uncoloured(overwritten(line))))).collect()
}

/// What is left of a line after its carriage returns.
fn overwritten(line: &str) -> &str {
    line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default()
}

/// Without control sequences (ECMA-48: ESC, `[`, parameters, one final byte).
fn uncoloured(line: &str) -> Cow<'_, str> {
    if !line.contains("\u{1b}[") {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(' '..='?').contains(&c)).unwrap_or(part.len());
        let rest = part.get(end..).unwrap_or_default();
        let mut rest = rest.chars();
        match rest.next() {
            Some('@'..='~') | None => out.push_str(rest.as_str()),
            Some(_) => out.push_str(part),
        }
    }
    Cow::Owned(out)
}

fn spaced(line: &str) -> Cow<'_, str> {
    const TAB: usize = 8;
    if !line.contains('\t') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + TAB);
    for (n, part) in line.split('\t').enumerate() {
        if n > 0 {
            let cells = TAB - unicode_width::UnicodeWidthStr::width(out.as_str()) % TAB;
            out.extend(std::iter::repeat_n(' ', cells));
        }
        out.push_str(part);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        legible(text.as_bytes()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn output_reads_as_on_a_terminal() {
        assert_eq!(shown(""), Vec::<String>::new());
        assert_eq!(shown("a\n\nb\n"), ["a", "", "b"]);
        assert_eq!(shown("10 %\r50 %\r100 %\r\ndone"), ["100 %", "done"]);
        assert_eq!(shown("\u{1b}[31;1mred\u{1b}[0m plain\u{1b}[K"), ["red plain"]);
        assert_eq!(shown("a\tb\n"), ["a       b"]);
        assert_eq!(shown("x\u{1b}]0;title\u{7}"), ["x␛]0;title␇"]);
        assert_eq!(legible(b"\xff\xfe").len(), 1);
    }

    #[test]
    fn only_the_end_of_much_is_shown_from_the_beginning_of_a_line() {
        let all = (0..20_000).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        let at = DateTime::UNIX_EPOCH;
        let out = StepOutput::new("k".into(), all.as_bytes(), all.len() as u64, at);
        assert_eq!(out.lines.last().unwrap().as_str(), "line 19999");
        assert!(out.lines[0].as_str().starts_with("line ") && out.omitted > 0);
        let shown: usize = out.lines.iter().map(|l| l.as_str().len() + 1).sum();
        assert_eq!(out.omitted + shown as u64, out.bytes);
        let endless = vec![b'x'; 200_000];
        assert_eq!(StepOutput::new("k".into(), &endless, 200_000, at).omitted, 200_000 - StepOutput::SHOWN as u64);
    }
}
