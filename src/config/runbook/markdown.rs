//! Markdown, as far as steps need it: headings, prose, fenced blocks; each knows where it stands.
//!
//! What a reader of the rendered page does not see is not there: headings and blocks inside an HTML comment are passed over. Rules of
//! fences and headings are those of `CommonMark` 0.31, sections 4.2, 4.5 and 4.6.

use std::ops::Range;

use super::{super::document::Document, Findings, attributes::Attributes, words};
use crate::domain::Text;

/// The body of a file.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Its first heading of the first level.
    pub title: Option<Text>,
    /// What comes before the first section, and between sections.
    pub prose: Vec<Text>,
    /// One for each heading of the second level.
    pub sections: Vec<Section>,
}

/// A heading of the second level and what stands under it.
#[derive(Debug)]
pub(super) struct Section {
    pub title: Text,
    /// Where the heading stands.
    pub span: Range<usize>,
    /// What stands in braces behind the title.
    pub attributes: Option<Attributes>,
    pub parts: Vec<Part>,
}

/// What stands under a heading.
#[derive(Debug)]
pub(super) enum Part {
    Prose(Text),
    Block(Block),
}

/// A fenced block that says in braces what it is.
#[derive(Debug)]
pub(super) struct Block {
    /// The first word behind the fence.
    pub language: String,
    pub attributes: Attributes,
    /// Where its opening fence stands.
    pub span: Range<usize>,
    /// What stands between the fences, line ends as `\n`.
    pub text: String,
    /// The lines between the fences, by number from 0.
    pub lines: Range<usize>,
}

/// A fence that stands open.
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    span: Range<usize>,
    language: String,
    attributes: Option<Attributes>,
    first: usize,
    text: String,
}

/// Read all lines from line `from` (counted from 0).
pub(super) fn read(document: &Document, from: usize, findings: &Findings) -> Body {
    let mut body = Body::default();
    let mut fence: Option<Fence> = None;
    let mut comment = false;
    let mut after_text = false;
    for number in from..document.line_count() {
        let span = document.line_span(number);
        let line = document.line(number).strip_suffix('\r').unwrap_or(document.line(number));
        if let Some(open) = fence.as_mut() {
            if closes(line, open.mark, open.length) {
                let Some(open) = fence.take() else { continue };
                close(&mut body, open, number, line);
            } else {
                let kept = strip(line, open.indent);
                open.text.push_str(kept);
                open.text.push('\n');
                if open.attributes.is_none() {
                    prose(&mut body, line);
                }
            }
            continue;
        }
        if comment || opens_comment(line) {
            comment = !line.contains("-->");
            continue;
        }
        let (indent, rest) = indent_of(line);
        let underline = after_text && indent < 4 && !rest.trim_end().is_empty() && rest.trim_end().chars().all(|c| c == '-');
        after_text = false;
        if let Some(open) = open_fence(rest, indent, span.start + indent, number, findings) {
            if open.attributes.is_none() {
                prose(&mut body, line);
            }
            fence = Some(open);
        } else if let Some((level, title)) = heading(rest).filter(|_| indent < 4) {
            take_heading(&mut body, level, title, span.start + indent, document, findings);
        } else {
            if underline && rest.trim_end().len() > 1 {
                findings.warning(&span, "this line makes the text above it a heading, which is no step", "write a step as `## Title`");
            }
            after_text = !rest.is_empty();
            prose(&mut body, line);
        }
    }
    if let Some(open) = fence {
        let help = format!("close it with a line of `{}`", String::from(open.mark).repeat(open.length));
        findings.error(&open.span, "this block is never closed", &help);
        close(&mut body, open, document.line_count(), "");
    }
    body
}

fn prose(body: &mut Body, line: &str) {
    let text = Text::clean(&line.replace('\t', "    "));
    match body.sections.last_mut() {
        Some(section) => section.parts.push(Part::Prose(text)),
        None => body.prose.push(text),
    }
}

fn close(body: &mut Body, open: Fence, number: usize, line: &str) {
    let Fence { span, language, attributes, first, text, .. } = open;
    match (attributes, body.sections.last_mut()) {
        (None, _) => prose(body, line),
        (Some(attributes), Some(section)) => {
            section.parts.push(Part::Block(Block { language, attributes, span, text, lines: first..number }));
        }
        // A block before the first heading makes a section of its own, named after itself.
        (Some(attributes), None) => {
            let block = Block { language, attributes, span: span.clone(), text, lines: first..number };
            body.sections.push(Section { title: Text::default(), span, attributes: None, parts: vec![Part::Block(block)] });
        }
    }
}

fn take_heading(body: &mut Body, level: usize, title: &str, at: usize, document: &Document, findings: &Findings) {
    let line = document.line_span(document.line_of(at));
    match level {
        1 => {
            if body.title.is_none() {
                body.title = Some(Text::clean(title));
            } else {
                prose(body, title);
            }
        }
        2 => {
            let braces = title.ends_with('}').then(|| title.rfind(" {")).flatten();
            let (title, attributes) = match braces {
                Some(brace) => {
                    let start = document.slice(line.clone()).find(title).map_or(line.start, |offset| line.start + offset) + brace + 1;
                    let text = title.get(brace + 1..).unwrap_or_default();
                    (title.get(..brace).unwrap_or_default().trim_end(), words::attributes(text, start, findings))
                }
                None => (title, None),
            };
            body.sections.push(Section { title: Text::clean(title), span: line, attributes, parts: Vec::new() });
        }
        _ => prose(body, document.slice(line)),
    }
}

/// Level and title of a heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.chars().take_while(|c| *c == '#').count();
    let rest = line.get(level..).filter(|_| (1..=6).contains(&level))?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    let closed = bare.is_empty() || bare.ends_with([' ', '\t']);
    Some((level, if closed { bare.trim_end() } else { title }))
}

/// A fence that opens here.
fn open_fence(rest: &str, indent: usize, at: usize, number: usize, findings: &Findings) -> Option<Fence> {
    let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.chars().take_while(|c| *c == mark).count();
    let info = rest.get(length..)?;
    if length < 3 || mark == '`' && info.contains('`') {
        return None;
    }
    let span = at..at + rest.trim_end().len();
    if indent >= 4 {
        if info.contains('{') {
            findings.warning(&span, "this block is indented by four spaces or more, so it is no step", "indent it by three at most");
        }
        return None;
    }
    let lead = info.len() - info.trim_start().len();
    let info = info.trim();
    let words = info.find('{').map_or((info, None), |brace| (info.get(..brace).unwrap_or_default(), info.get(brace..)));
    let start = at + length + lead + words.0.len();
    let attributes = words.1.and_then(|text| words::attributes_of_block(words.0.trim(), text, start, findings));
    let language = words.0.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    Some(Fence { mark, length, indent, span, language, attributes, first: number + 1, text: String::new() })
}

/// Whether a line closes a fence of `length` marks.
fn closes(line: &str, mark: char, length: usize) -> bool {
    let (indent, rest) = indent_of(line);
    let marks = rest.chars().take_while(|c| *c == mark).count();
    indent < 4 && marks >= length && rest.get(marks..).is_some_and(|tail| tail.trim().is_empty())
}

/// How many spaces a line begins with, and the rest; a tab is no space.
fn indent_of(line: &str) -> (usize, &str) {
    let rest = line.trim_start_matches(' ');
    (line.len() - rest.len(), rest)
}

/// A line without its first `indent` spaces.
fn strip(line: &str, indent: usize) -> &str {
    let spaces = line.bytes().take(indent).take_while(|b| *b == b' ').count();
    line.get(spaces..).unwrap_or(line)
}

fn opens_comment(line: &str) -> bool {
    let (indent, rest) = indent_of(line);
    indent < 4 && rest.starts_with("<!--")
}
