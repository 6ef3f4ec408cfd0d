//! A document: a file's text that can tell line and column of every byte, and show a line without giving secrets away.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use unicode_width::UnicodeWidthStr;

use super::problem::{Place, tidy};

/// Cells of a line shown before and after the caret, if it is a long one.
const BEFORE: usize = 60;
const AFTER: usize = 120;

/// A file's path and text.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Document {
    /// A document; a byte order mark in front is dropped.
    pub fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), text, lines }
    }
    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// What was read.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The folder it lies in, `.` for a bare file name.
    pub fn folder(&self) -> &Path {
        self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
    /// The text of `span`, empty if it lies outside.
    pub fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }
    /// The number of the line, from 0, that byte `at` belongs to; a line break belongs to the line it ends.
    pub fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }
    /// How many lines there are, at least 1.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }
    /// The bytes of line `line` (from 0), without its line break.
    pub fn line_span(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| next.saturating_sub(1));
        start..end.max(start)
    }
    /// The text of line `line` (from 0).
    pub fn line(&self, line: usize) -> &str {
        self.slice(self.line_span(line))
    }
    /// Where `span` is and how its first line looks; what lies in `masks` is shown as `***`.
    pub fn place(&self, span: &Range<usize>, masks: &[Range<usize>]) -> Place {
        let line = self.line_of(span.start);
        let bounds = self.line_span(line);
        let (from, to) = (span.start.min(bounds.end), span.end.min(bounds.end));
        let column = self.slice(bounds.start..from).chars().count() + 1;
        let mut picture = Picture::default();
        for (offset, c) in self.slice(bounds.clone()).trim_end_matches('\r').char_indices() {
            let at = bounds.start + offset;
            let masked = masks.iter().any(|m| m.contains(&at));
            picture.push(c, masked, at >= from && at < to, at < from);
        }
        let (text, indent, carets) = picture.cut();
        Place { line: line + 1, column, text, indent, carets }
    }
}

/// A line in the making: its cells, and which of them stand under the caret.
#[derive(Default)]
struct Picture {
    cells: Vec<(String, usize)>,
    masked: bool,
    before: usize,
    under: usize,
}

impl Picture {
    fn push(&mut self, c: char, masked: bool, under: bool, before: bool) {
        let shown = match (masked, c) {
            (true, _) if self.masked => String::new(),
            (true, _) => "***".to_owned(),
            (false, '\t') => "    ".to_owned(),
            (false, c) => tidy(c.encode_utf8(&mut [0; 4])),
        };
        self.masked = masked;
        let width = shown.width();
        self.before += if before { width } else { 0 };
        self.under += if under { width } else { 0 };
        self.cells.push((shown, width));
    }
    /// Text, cells before the caret, cells under it.
    fn cut(self) -> (String, usize, usize) {
        let (mut text, mut at, mut dropped) = (String::new(), 0, 0);
        for (shown, width) in self.cells {
            if at + BEFORE < self.before {
                dropped += width;
            } else if at <= self.before + AFTER {
                text.push_str(&shown);
            }
            at += width;
        }
        if at > self.before + AFTER {
            text.push('…');
        }
        let lead = usize::from(dropped > 0);
        let text = if lead > 0 { format!("…{text}") } else { text };
        (text, self.before + lead - dropped, self.under.clamp(1, AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_right_after_tabs_and_wide_characters() {
        let doc = Document::new("x", "a\n\tk = \"東京\u{1b}[2J\" = bad\r\n");
        let at = doc.text().find("bad").unwrap();
        let place = doc.place(&(at..at + 3), &[]);
        assert_eq!((place.line, place.column), (2, 17));
        assert_eq!(place.text, "    k = \"東京␛[2J\" = bad");
        assert_eq!(place.text.width() - place.indent, 3);
        assert_eq!(place.carets, 3);
    }

    #[test]
    fn masked_bytes_are_never_shown() {
        let doc = Document::new("x", "token = \"s3cret\" # x");
        let mask = 8..16;
        let place = doc.place(&mask, std::slice::from_ref(&mask));
        assert_eq!((place.text.as_str(), place.indent, place.carets), ("token = *** # x", 8, 3));
    }

    #[test]
    fn long_lines_are_shown_around_the_caret() {
        let doc = Document::new("x", &format!("{}bad{}", "a".repeat(5_000), "b".repeat(5_000)));
        let place = doc.place(&(5_000..5_003), &[]);
        assert_eq!(place.column, 5_001);
        assert!(place.text.width() < 200 && place.text.starts_with('…') && place.text.ends_with('…'));
        assert_eq!(place.text.chars().skip(place.indent).take(3).collect::<String>(), "bad");
    }

    #[test]
    fn every_offset_has_a_place() {
        let doc = Document::new("x", "\u{feff}a\n\nb");
        for at in 0..10 {
            let place = doc.place(&(at..at), &[]);
            assert!(place.line <= 3 && place.carets == 1);
        }
        assert_eq!(doc.place(&(3..4), &[]).line, 3);
    }
}
