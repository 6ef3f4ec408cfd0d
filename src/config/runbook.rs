//! Runbook files: Markdown that people can read anywhere, with steps that burnwatch can take.
//!
//! A file is read in three goes. `front` reads the front matter between two lines of `---`: a small part of YAML, everything else of it
//! is told at its line. `markdown` cuts the rest into headings, prose and fenced blocks, each knowing where it stands. `steps` gives the
//! words their meaning: what stands in braces behind a fence becomes the step's attributes. `shell` then looks at the text of commands
//! for what goes wrong with values from outside. As with the config, every mistake is told, at its place, and none is guessed away.

mod attributes;
mod files;
mod front;
mod markdown;
mod shell;
mod steps;
mod words;

#[cfg(test)]
mod tests;

use std::{ops::Range, path::Path};

use super::{
    document::Document,
    problem::{Level, Problem, tidy},
};
use crate::domain::{Hash, Runbook, RunbookId, SloId, SourceName, Text};

pub(super) use files::runbook_files;
pub use files::{RunbookFiles, Shelf, library, lint};

/// The largest runbook, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// The most problems told of one file.
const MOST: usize = 100;

/// What the config knows and a runbook may name.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// Whether there is such an SLO; not asked if that is not known.
    pub slo: Option<&'a dyn Fn(&SloId) -> bool>,
    /// The sources that can be asked a query.
    pub sources: Option<&'a [SourceName]>,
}

/// Read a runbook's text. `None` if there is an error among the problems, which come in the order of the file.
pub fn read(path: &Path, text: &str, known: Known<'_>) -> (Option<Runbook>, Vec<Problem>) {
    let document = Document::new(path, text);
    let findings = Findings::default();
    for (at, _) in document.text().match_indices('\0').take(MOST) {
        findings.error(&(at..at + 1), "this is a NUL character", "save the file as plain text");
    }
    let front = front::read(&document, &findings);
    let body = markdown::read(&document, front.end, &findings);
    let (prose, steps) = steps::read(&document, &body, front.shell, known, &findings);
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let title = front.title.or(body.title).unwrap_or_else(|| Text::clean(&stem));
    let problems = findings.told(&document);
    let well = problems.iter().all(|p| p.level != Level::Error);
    let book = Runbook {
        id: RunbookId::new(&stem),
        title,
        services: front.services,
        alerts: front.alerts,
        prose,
        steps,
        file: path.to_owned(),
        place: None,
        hash: Hash::of(text.as_bytes()),
    };
    (well.then_some(book), problems)
}

/// What was found so far in one file.
#[derive(Debug, Default)]
struct Findings(std::cell::RefCell<Vec<Finding>>);

/// How bad, where, what, and what to do about it.
type Finding = (Level, Range<usize>, String, Option<String>);

impl Findings {
    fn error(&self, span: &Range<usize>, message: &str, help: &str) {
        self.add(Level::Error, span, message, help);
    }
    fn warning(&self, span: &Range<usize>, message: &str, help: &str) {
        self.add(Level::Warning, span, message, help);
    }
    fn add(&self, level: Level, span: &Range<usize>, message: &str, help: &str) {
        let help = Some(help).filter(|h| !h.is_empty()).map(tidy);
        self.0.borrow_mut().push((level, span.clone(), tidy(message), help));
    }
    /// All of it in the order of the file, nothing twice; of too many the first.
    fn told(self, document: &Document) -> Vec<Problem> {
        let mut found = self.0.into_inner();
        found.sort_by_key(|(level, span, ..)| (span.start, *level));
        found.dedup();
        let more = found.len().saturating_sub(MOST);
        let worst = found.iter().skip(MOST).map(|(level, ..)| *level).min();
        let place = |span: &Range<usize>| Some(document.place(span, &[]));
        let problem =
            |(level, span, message, help): Finding| Problem { level, file: document.path().to_owned(), place: place(&span), message, help };
        let mut problems: Vec<_> = found.into_iter().take(MOST).map(problem).collect();
        if let Some(level) = worst {
            problems.push(Problem { level, ..Problem::whole(document.path(), format!("and {more} more mistakes"), None) });
        }
        problems
    }
}
