//! What all sections of one file share: the document, the problems found so far, and what must not be shown.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    document::Document,
    mask,
    problem::{Level, Problem, tidy},
    syntax::{self, Parsed},
};

/// Whether the commands that a file names may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    /// They may.
    Run,
    /// The file was only found in the working directory: nobody said that it may run anything.
    FoundHere,
    /// Somebody else could have written the file; that is an error of its own already.
    Distrusted,
}

/// One file while it is read.
#[derive(Debug)]
pub(super) struct Context {
    pub document: Document,
    /// Permission bits of the file, if it is one on disk.
    pub mode: Option<u32>,
    pub commands: OnceLock<Commands>,
    broken: Vec<Range<usize>>,
    /// Whether a section could not be read at all, so that what refers to it is not to blame.
    pub lost_section: bool,
    found: Mutex<Vec<Finding>>,
    masks: Mutex<Vec<Range<usize>>>,
}

/// A problem whose line has not been drawn yet.
#[derive(Debug)]
struct Finding {
    level: Level,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Context {
    /// Parse `document`; mistakes of syntax are findings already.
    pub fn new(document: Document, mode: Option<u32>) -> (Self, Vec<syntax::Entry>) {
        let Parsed { root, mistakes, broken, lost_section } = syntax::parse(&document);
        let context = Self {
            masks: Mutex::new(mask::all(&document)),
            document,
            mode,
            commands: OnceLock::new(),
            broken,
            lost_section,
            found: Mutex::default(),
        };
        for mistake in mistakes {
            context.report(Level::Error, &mistake.span, &mistake.message, mistake.help);
        }
        (context, root)
    }
    /// Add a problem at `span`.
    pub fn report(&self, level: Level, span: &Range<usize>, message: &str, help: Option<&str>) {
        let finding = Finding { level, span: span.clone(), message: tidy(message), help: help.map(tidy) };
        locked(&self.found).push(finding);
    }
    /// Never show what stands at `span`.
    pub fn hide(&self, span: Range<usize>) {
        locked(&self.masks).push(span);
    }
    /// Whether some statement of the section whose header stands at `header` could not be read.
    pub fn is_broken(&self, header: &Range<usize>) -> bool {
        let doc = &self.document;
        let first = doc.line_of(header.start);
        let next = (first + 1..doc.line_count()).find(|n| syntax::is_header(doc.line(*n)));
        let end = next.map_or(doc.text().len(), |n| doc.line_span(n).start);
        let start = doc.line_span(first).start;
        self.broken.iter().any(|b| b.start >= start && b.start < end)
    }
    /// A path of the file: `~` is the home folder, a relative one starts at the file's folder.
    pub fn path(&self, written: &str) -> PathBuf {
        self.document.folder().join(expand(written, std::env::home_dir().as_deref()))
    }
    /// Everything found, in the order of the file, nothing twice.
    pub fn problems(&self) -> Vec<Problem> {
        let masks = locked(&self.masks);
        let mut found: Vec<_> = locked(&self.found).drain(..).collect();
        found.sort_by_key(|f| (f.span.start, f.level));
        let mut seen = BTreeSet::new();
        found.retain(|f| seen.insert((f.span.start, f.message.clone())));
        found
            .into_iter()
            .map(|f| Problem {
                level: f.level,
                file: self.document.path().to_owned(),
                place: Some(self.document.place(&f.span, &masks)),
                message: f.message,
                help: f.help,
            })
            .collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `~` and `~/…` under `home`; other paths as they are.
pub(super) fn expand(written: &str, home: Option<&Path>) -> PathBuf {
    match (written.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Some(Path::new("/home/maya"));
        assert_eq!(expand("~/x/y", home), Path::new("/home/maya/x/y"));
        assert_eq!(expand("~", home), Path::new("/home/maya"));
        assert_eq!(expand("~joe/x", home), Path::new("~joe/x"));
        assert_eq!(expand("/a", home), Path::new("/a"));
        assert_eq!(expand("~/x", None), Path::new("~/x"));
    }
}
