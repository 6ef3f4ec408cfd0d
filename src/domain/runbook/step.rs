//! One step of a runbook: what it does, for how long it may, and what is expected of it.

use std::{fmt, time::Duration};

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{Comparison, EffectWish, Hash};
use crate::domain::{SourceName, StepName, Text, Untrusted, legible};

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in its runbook.
    pub name: StepName,
    /// The heading it stands under.
    pub title: Text,
    /// What the file says about it, line by line; its block is not among them.
    pub prose: Vec<Text>,
    /// What it does.
    pub kind: StepKind,
    /// How long it may take before it is ended; [`Step::TIMEOUT`] if the file does not say.
    pub timeout: Duration,
    /// What it costs, in the file's words.
    pub cost: Option<Text>,
    /// What it may destroy, in the file's words: to be confirmed once more before it runs.
    pub danger: Option<Text>,
    /// The step that takes it back.
    pub undo: Option<StepName>,
    /// What it is meant to change.
    pub effect: Option<EffectWish>,
    /// Whether the next step may be taken also if this one failed.
    pub continue_on_error: bool,
    /// What becomes of it when the line to the terminal is lost.
    pub on_hangup: Hangup,
    /// What a person chooses before it runs.
    pub inputs: Vec<Input>,
    /// How many other people must agree before it runs. A step with more than 0 must not run as long as nobody can be asked.
    pub approve: u32,
    /// Line of the file, from 1: where its block begins, or its heading if it has none.
    pub line: u32,
}

impl Step {
    /// How long a step may take if its file does not say.
    pub const TIMEOUT: Duration = Duration::from_mins(1);
    /// The longest timeout that a file may ask for.
    pub const LONGEST: Duration = Duration::from_hours(24);

    /// The hash of what it would do: what was shown, agreed to and run are the same if their hashes are. `None` for what people do.
    pub fn hash(&self) -> Option<Hash> {
        match &self.kind {
            StepKind::Manual => None,
            StepKind::Check { check: Check::Command(command), .. } | StepKind::Run(command) => Some(command.hash()),
            StepKind::Check { check: Check::Query { query, .. }, .. } => Some(Hash::of(query.raw().as_bytes())),
            StepKind::Check { check: Check::Http(call), .. } | StepKind::Http { call, .. } => Some(call.hash()),
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepKind {
    /// A person does it and ticks it off.
    Manual,
    /// Looks at something and changes nothing; it stops when the line is lost.
    Check {
        /// At what.
        check: Check,
        /// What should be seen; `None` for what is usual: exit code 0, any figure, status 2xx.
        expect: Option<Expectation>,
    },
    /// Runs a command.
    Run(Command),
    /// Sends a request.
    Http {
        /// Which.
        call: HttpCall,
        /// What should come back; `None` for status 2xx.
        expect: Option<Expectation>,
    },
}

impl StepKind {
    /// The word for it: `manual`, `check`, `run`, `http`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Check { .. } => "check",
            Self::Run(_) => "run",
            Self::Http { .. } => "http",
        }
    }
    /// The command that would run.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Run(command) | Self::Check { check: Check::Command(command), .. } => Some(command),
            Self::Manual | Self::Check { .. } | Self::Http { .. } => None,
        }
    }
    /// The request that would be sent.
    pub const fn call(&self) -> Option<&HttpCall> {
        match self {
            Self::Http { call, .. } | Self::Check { check: Check::Http(call), .. } => Some(call),
            Self::Manual | Self::Check { .. } | Self::Run(_) => None,
        }
    }
    /// What it would run, send or ask, line by line; nothing of a step that a person does.
    pub fn does(&self) -> Vec<Text> {
        match self {
            Self::Check { check: Check::Query { query, .. }, .. } => legible(query.raw().as_bytes()),
            kind => match (kind.command(), kind.call()) {
                (Some(command), _) => command.lines().collect(),
                (None, Some(call)) => call.lines().collect(),
                (None, None) => Vec::new(),
            },
        }
    }
    /// What is expected, if the file says.
    pub const fn expect(&self) -> Option<&Expectation> {
        match self {
            Self::Check { expect, .. } | Self::Http { expect, .. } => expect.as_ref(),
            Self::Manual | Self::Run(_) => None,
        }
    }
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Check {
    /// A command's exit code and output.
    Command(Command),
    /// A figure of a metrics source.
    Query {
        /// Which source; `None` if there is only one that can be asked.
        source: Option<SourceName>,
        /// The query, as it is sent.
        query: Untrusted,
    },
    /// An answer over HTTP.
    Http(HttpCall),
}

/// A command: exactly these bytes are shown, hashed and handed to the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What understands it.
    pub shell: Shell,
    /// The text between the fences, its last line break included.
    pub text: Untrusted,
}

impl Command {
    /// The most bytes a command may have: what one argument of a process can hold, with room to spare.
    pub const LARGEST: usize = 64 << 10;

    /// SHA-256 of the bytes that are handed to the shell.
    pub fn hash(&self) -> Hash {
        Hash::of(self.text.raw().as_bytes())
    }
    /// The lines as they may be shown.
    pub fn lines(&self) -> impl Iterator<Item = Text> + '_ {
        self.text.raw().lines().map(Text::clean)
    }
}

/// What understands a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shell {
    /// The shell that every system has.
    Sh,
    /// GNU Bash.
    Bash,
    /// Dash.
    Dash,
    /// Korn shell.
    Ksh,
    /// Z shell.
    Zsh,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sh, Self::Bash, Self::Dash, Self::Ksh, Self::Zsh];
    /// The name of its program, looked up in `PATH`.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Ksh => "ksh",
            Self::Zsh => "zsh",
        }
    }
    /// The shell that the language of a fenced block names: `sh`, `shell`, `bash`, …
    pub fn of_language(word: &str) -> Option<Self> {
        if word == "shell" {
            return Some(Self::Sh);
        }
        Self::ALL.into_iter().find(|s| s.program() == word)
    }
}

/// A request over HTTP. Nothing from an incident is ever put into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// `GET`, `POST`, …
    pub method: String,
    /// Whole address, `http` or `https`, without a login in it.
    pub url: Untrusted,
    /// Names and values, as they are sent.
    pub headers: Vec<(String, Untrusted)>,
    /// What is sent with it; empty for nothing.
    pub body: Untrusted,
}

impl HttpCall {
    /// SHA-256 of all that would be sent.
    pub fn hash(&self) -> Hash {
        let headers = self.headers.iter().flat_map(|(name, value)| [name.as_str(), value.raw()]);
        Hash::of_parts([self.method.as_str(), self.url.raw()].into_iter().chain(headers).chain([self.body.raw()]))
    }
    /// The lines as they may be shown: method and address, headers, an empty line, the body.
    pub fn lines(&self) -> impl Iterator<Item = Text> + '_ {
        let first = Text::clean(&format!("{} {}", self.method, self.url.raw()));
        let headers = self.headers.iter().map(|(name, value)| Text::clean(&format!("{name}: {}", value.raw())));
        let gap = (!self.body.raw().is_empty()).then(Text::default);
        std::iter::once(first).chain(headers).chain(gap).chain(self.body.raw().lines().map(Text::clean))
    }
}

/// What becomes of a step when the line to the terminal is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hangup {
    /// It goes on until it ends or its time is up.
    #[default]
    Finish,
    /// It is ended, as a check always is.
    Stop,
}

/// What a person chooses before a step runs; the step finds it in the variable `BW_INPUT_<NAME>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name: a letter, then letters, digits and `_`.
    pub name: String,
    /// What may be chosen; anything if empty.
    pub choices: Vec<String>,
    /// What is taken if nothing is chosen; `None` if something must be.
    pub default: Option<String>,
}

impl Input {
    /// The variable that carries it: `BW_INPUT_REGION`.
    pub fn variable(&self) -> String {
        super::variable_name("BW_INPUT_", &self.name)
    }
    /// Whether `value` may be chosen.
    pub fn takes(&self, value: &str) -> bool {
        self.choices.is_empty() || self.choices.iter().any(|c| c == value)
    }
}

/// What should be seen of a check or an HTTP step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "expect", rename_all = "snake_case")]
pub enum Expectation {
    /// `exit 3`: this exit code.
    Exit {
        /// Which.
        code: i32,
    },
    /// `204`, `2xx`: a status between these, both included.
    Status {
        /// From.
        from: u16,
        /// To.
        to: u16,
    },
    /// `< 100`: the figure, or the last number in the output.
    Figure {
        /// How it is compared.
        comparison: Comparison,
        /// With what.
        value: f64,
    },
    /// `contains ready`: the output has this text in it.
    Contains {
        /// Which.
        text: Untrusted,
    },
    /// `matches ^ok$`: some line of the output matches this regular expression.
    Matches {
        /// Which.
        regex: String,
    },
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observed<'a> {
    /// A command's exit code; `None` for what is no command, or if a signal ended it.
    pub exit: Option<i32>,
    /// The status of an answer; `None` for what is no request.
    pub status: Option<u16>,
    /// What a query gave; `None` for what is no query, or if it gave nothing.
    pub figure: Option<f64>,
    /// What was written or answered.
    pub output: &'a str,
}

impl Expectation {
    /// Whether what was seen is as expected; if not, what is different.
    pub fn judge(&self, seen: &Observed<'_>) -> Result<(), String> {
        match self {
            Self::Exit { code } => match seen.exit {
                Some(exit) if exit == *code => Ok(()),
                Some(exit) => Err(format!("exit {exit}, expected {code}")),
                None => Err(format!("no exit code, expected {code}")),
            },
            Self::Status { from, to } => match seen.status {
                Some(status) if (*from..=*to).contains(&status) => Ok(()),
                Some(status) => Err(format!("status {status}, expected {self}")),
                None => Err(format!("no answer, expected {self}")),
            },
            Self::Figure { comparison, value } => {
                let figure = seen.figure.or_else(|| last_number(seen.output)).ok_or_else(|| format!("no figure, expected {self}"))?;
                if comparison.holds(figure, *value) { usual(seen) } else { Err(format!("{figure}, expected {self}")) }
            }
            Self::Contains { text } if seen.output.contains(text.raw()) => usual(seen),
            Self::Matches { regex } if Regex::new(regex).is_ok_and(|r| seen.output.lines().any(|line| r.is_match(line))) => usual(seen),
            Self::Contains { .. } | Self::Matches { .. } => usual(seen).and(Err(format!("the output is not as expected: {self}"))),
        }
    }
    /// The same for a step that expects nothing in particular: exit code 0, status 2xx, any figure.
    pub fn judge_or_usual(expect: Option<&Self>, seen: &Observed<'_>) -> Result<(), String> {
        expect.map_or_else(|| usual(seen), |expect| expect.judge(seen))
    }
}

/// Exit code 0 if it was a command, status 2xx if it was a request.
fn usual(seen: &Observed<'_>) -> Result<(), String> {
    match (seen.exit, seen.status) {
        (Some(exit), _) if exit != 0 => Err(format!("exit {exit}")),
        (_, Some(status)) if !(200..300).contains(&status) => Err(format!("status {status}")),
        _ => Ok(()),
    }
}

/// The last word of `output` that is a finite number.
fn last_number(output: &str) -> Option<f64> {
    output.split_whitespace().rev().find_map(|word| word.parse::<f64>().ok().filter(|n| n.is_finite()))
}

/// As it is written in a file: `exit 3`, `2xx`, `< 100`, `contains ready`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit { code } => write!(f, "exit {code}"),
            Self::Status { from, to } if from == to => write!(f, "{from}"),
            Self::Status { from, .. } => write!(f, "{}xx", from / 100),
            Self::Figure { comparison, value } => write!(f, "{} {value}", comparison.sign()),
            Self::Contains { text } => write!(f, "contains {}", text.text()),
            Self::Matches { regex } => write!(f, "matches {}", Text::clean(regex)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(output: &str) -> Observed<'_> {
        Observed { exit: Some(0), output, ..Observed::default() }
    }

    #[test]
    fn what_was_seen_is_judged_by_what_was_expected() {
        let figure = Expectation::Figure { comparison: Comparison::Less, value: 100.0 };
        assert_eq!(figure.judge(&output("backlog 7\n")), Ok(()));
        assert_eq!(figure.judge(&output("backlog 700\n")), Err("700, expected < 100".to_owned()));
        assert_eq!(figure.judge(&output("backlog NaN\n")), Err("no figure, expected < 100".to_owned()));
        assert_eq!(figure.judge(&Observed { exit: Some(1), ..output("7") }), Err("exit 1".to_owned()));
        assert_eq!(figure.judge(&Observed { figure: Some(f64::NAN), ..Observed::default() }), Err("NaN, expected < 100".to_owned()));
        let status = Expectation::Status { from: 200, to: 299 };
        assert_eq!(status.judge(&Observed { status: Some(204), ..Observed::default() }), Ok(()));
        assert_eq!(status.judge(&Observed { status: Some(302), ..Observed::default() }), Err("status 302, expected 2xx".to_owned()));
        let exit = Expectation::Exit { code: 3 };
        assert_eq!(exit.judge(&Observed { exit: Some(3), ..Observed::default() }), Ok(()));
        assert_eq!(exit.judge(&Observed::default()), Err("no exit code, expected 3".to_owned()));
        let ready = Expectation::Matches { regex: "^ready$".to_owned() };
        assert_eq!(ready.judge(&output("wait\nready\n")), Ok(()));
        assert!(ready.judge(&output("already")).is_err());
        assert_eq!(Expectation::judge_or_usual(None, &Observed { status: Some(500), ..Observed::default() }), Err("status 500".to_owned()));
    }

    #[test]
    fn a_command_is_bound_to_its_bytes() {
        let command = |text: &str| Command { shell: Shell::Sh, text: Untrusted::new(text) };
        assert_ne!(command("ls\n").hash(), command("ls \n").hash());
        assert_eq!(command("a\u{1b}[2J\nb\n").lines().map(|t| t.to_string()).collect::<Vec<_>>(), ["a␛[2J", "b"]);
        let call = |body: &str| HttpCall {
            method: "POST".to_owned(),
            url: Untrusted::new("http://h/x"),
            headers: vec![("Accept".to_owned(), Untrusted::new("text/plain"))],
            body: Untrusted::new(body),
        };
        assert_ne!(call("a").hash(), call("b").hash());
        assert_eq!(call("a").lines().map(|t| t.to_string()).collect::<Vec<_>>(), ["POST http://h/x", "Accept: text/plain", "", "a"]);
    }
}
