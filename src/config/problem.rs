//! Problems: what is wrong in a file, where, and what to do about it.
//!
//! They are collected, never thrown one by one, and printed the way compilers do: the line, a caret, a suggestion. Everything that
//! comes from a file is cleaned, and what may be a secret is masked before it gets here.

use std::{fmt, path::PathBuf};

use crate::domain::clean;

/// Whether a [`Problem`] forbids to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably not as meant.
    Warning,
}

impl Level {
    /// The word for it: `error`, `warning`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// In which file.
    pub file: PathBuf,
    /// Where in the file; `None` if it concerns the file as a whole.
    pub place: Option<Place>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file, with the line as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line: cleaned, tabs widened, secrets masked, shortened around the caret if it is long.
    pub text: String,
    /// Terminal cells of `text` before the caret.
    pub indent: usize,
    /// Terminal cells under which carets stand, at least 1.
    pub carets: usize,
}

impl Problem {
    /// An error that concerns `file` as a whole.
    pub fn whole(file: impl Into<PathBuf>, message: impl AsRef<str>, help: Option<&str>) -> Self {
        Self { level: Level::Error, file: file.into(), place: None, message: tidy(message.as_ref()), help: help.map(tidy) }
    }
    /// Line and column, (0, 0) if it concerns the file as a whole.
    pub fn position(&self) -> (usize, usize) {
        self.place.as_ref().map_or((0, 0), |place| (place.line, place.column))
    }
}

/// A message or a suggestion, harmless to print.
pub(super) fn tidy(text: &str) -> String {
    clean(text).into_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = tidy(&self.file.to_string_lossy());
        writeln!(f, "{}: {}", self.level.word(), self.message)?;
        let Some(place) = &self.place else {
            write!(f, " --> {file}")?;
            return self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  = {help}"));
        };
        let margin = " ".repeat(place.line.to_string().len());
        writeln!(f, "{margin}--> {file}:{}:{}", place.line, place.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{}", format!("{} | {}", place.line, place.text).trim_end())?;
        let (indent, carets) = (" ".repeat(place.indent), "^".repeat(place.carets));
        let help = self.help.as_deref().unwrap_or_default();
        write!(f, "{}", format!("{margin} | {indent}{carets} {help}").trim_end())
    }
}

/// All that is wrong, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n > 0 { "\n\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The one of `known` that `word` was probably meant to be: at most a third of its letters differ.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |k: &str| strsim::damerau_levenshtein(&word, &k.to_lowercase());
    known
        .into_iter()
        .map(|k| (distance(k), k))
        .filter(|(d, k)| *d <= (k.chars().count().max(word.chars().count()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// The suggestion that goes with [`closest`].
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(word, known).map(|k| format!("did you mean `{k}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_compilers_do() {
        let place = Place { line: 41, column: 1, text: "objectve = 99.9".to_owned(), indent: 0, carets: 8 };
        let problem = Problem {
            level: Level::Error,
            file: "burnwatch.toml".into(),
            place: Some(place),
            message: "unknown key `objectve`".to_owned(),
            help: Some("did you mean `objective`?".to_owned()),
        };
        let expected = "\
error: unknown key `objectve`
  --> burnwatch.toml:41:1
   |
41 | objectve = 99.9
   | ^^^^^^^^ did you mean `objective`?";
        assert_eq!(problem.to_string(), expected);
        let whole = Problem::whole("a.toml", "cannot read it", Some("chmod o-w a.toml"));
        assert_eq!(whole.to_string(), "error: cannot read it\n --> a.toml\n  = chmod o-w a.toml");
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(closest("objectve", ["name", "objective"]), Some("objective"));
        assert_eq!(closest("prometeus", ["prometheus", "scrape"]), Some("prometheus"));
        assert_eq!(closest("colour", ["name", "objective"]), None);
    }
}
