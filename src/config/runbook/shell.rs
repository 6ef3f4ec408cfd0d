//! What goes wrong with values from outside in the text of a command.
//!
//! A value of an incident reaches a command only as a variable, `$BW_…`. Out of quotes the shell parts it at spaces and fills in names of
//! files; as a part of what another shell reads (`eval`, `ssh`, `sh -c`) it is a program. Both are told where they stand. This is no
//! parser of shell: it knows quotes, substitutions, comments, here-documents and where a command begins, which is enough for warnings.

use std::ops::Range;

use super::{super::document::Document, Findings, markdown::Block};
use crate::domain::Input;

/// A use of one of our variables.
#[derive(Debug, PartialEq)]
struct Use {
    /// Where in the command's text.
    span: Range<usize>,
    name: String,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// It stands out of quotes.
    Bare,
    /// Another shell reads it.
    Reread,
}

/// Warn of each use of a variable of ours that is not safe.
pub(super) fn lint(document: &Document, block: &Block, findings: &Findings) {
    for found in scan(&block.text) {
        let span = place(document, block, &found.span);
        let name = &found.name;
        match found.trouble {
            Some(Trouble::Bare) => {
                let help = format!("write \"${name}\" in double quotes");
                findings.warning(&span, "a value from outside stands out of quotes: the shell would part it and fill in file names", &help);
            }
            Some(Trouble::Reread) => {
                let help = "hand it over as an argument: sh -c '… \"$1\"' sh \"$VALUE\"";
                findings.warning(&span, "a value from outside becomes part of what another shell reads", help);
            }
            None => {}
        }
    }
}

/// Tell of inputs that a command uses and nobody is asked for.
pub(super) fn inputs_used(document: &Document, block: &Block, inputs: &[Input], findings: &Findings) {
    for found in scan(&block.text) {
        let asked = inputs.iter().any(|i| i.variable() == found.name);
        if found.name.starts_with("BW_INPUT_") && !asked {
            let name = found.name.trim_start_matches("BW_INPUT_").to_ascii_lowercase();
            let message = format!("nobody is asked for `{name}`, so ${} is empty", found.name);
            findings.error(&place(document, block, &found.span), &message, &format!("add inputs=\"{name}\" behind the fence"));
        }
    }
}

/// Where a part of the command's text stands in the file.
fn place(document: &Document, block: &Block, span: &Range<usize>) -> Range<usize> {
    let before = block.text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let whole = document.line_span(block.lines.start + line);
    let written = document.slice(whole.clone()).trim_end_matches('\r');
    let kept = block.text.lines().nth(line).unwrap_or_default();
    let start = whole.start + written.len().saturating_sub(kept.len()) + column;
    start..start + span.len()
}

/// What the scanner stands in.
#[derive(Clone, Copy, PartialEq)]
enum In {
    Command,
    Double,
    Backtick,
}

/// The simple command that is being read.
#[derive(Clone, Default)]
struct Simple {
    /// Its first word, if that has been read.
    head: Option<String>,
    /// The word before the present one.
    last: String,
    /// The word that is being read.
    word: String,
    /// Whether there is one.
    begun: bool,
}

impl Simple {
    fn end_word(&mut self) {
        if !self.begun {
            return;
        }
        let word = std::mem::take(&mut self.word);
        self.begun = false;
        let passing = ["sudo", "env", "command", "exec", "nohup", "time", "if", "then", "else", "elif", "do", "while", "until", "!", "{"];
        let assignment = word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if self.head.is_none() && !assignment && !passing.contains(&word.as_str()) {
            let program = word.rsplit('/').next().unwrap_or_default().to_owned();
            self.head = Some(program);
        }
        self.last = word;
    }
    /// Whether another shell reads the word that is being read.
    fn rereads(&self) -> bool {
        match self.head.as_deref() {
            Some("eval" | "ssh") => true,
            Some("sh" | "bash" | "dash" | "ksh" | "zsh" | "su" | "xargs") => self.last.starts_with('-') && self.last.ends_with('c'),
            _ => false,
        }
    }
    /// Whether the word that is being read is an assignment in front of a command, which the shell does not part.
    fn assigns(&self) -> bool {
        let name =
            |w: &str| w.split_once('=').is_some_and(|(n, _)| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        self.head.is_none() && name(&self.word)
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    stack: Vec<(In, Simple)>,
    simple: Simple,
    heredocs: Vec<String>,
    uses: Vec<Use>,
}

fn scan(text: &str) -> Vec<Use> {
    let mut scanner = Scanner { text, at: 0, stack: vec![], simple: Simple::default(), heredocs: Vec::new(), uses: Vec::new() };
    while scanner.at < text.len() {
        scanner.step();
    }
    scanner.uses
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn place(&self) -> In {
        self.stack.last().map_or(In::Command, |(place, _)| *place)
    }
    fn push_char(&mut self, c: char) {
        self.simple.begun = true;
        self.simple.word.push(c);
        self.at += c.len_utf8();
    }
    fn enter(&mut self, place: In, length: usize) {
        self.at += length;
        let outer = if place == In::Double { self.simple.clone() } else { std::mem::take(&mut self.simple) };
        self.stack.push((place, outer));
    }
    fn leave(&mut self) {
        self.at += 1;
        if let Some((place, outer)) = self.stack.pop()
            && place != In::Double
        {
            self.simple = outer;
        }
        self.simple.begun = true;
    }
    fn step(&mut self) {
        let Some(c) = self.rest().chars().next() else { return };
        let double = self.place() == In::Double;
        match c {
            '\\' => {
                let next = self.rest().chars().nth(1).map_or(0, char::len_utf8);
                self.simple.begun = true;
                self.at += 1 + next;
            }
            '"' if double => self.leave(),
            '"' => {
                self.simple.begun = true;
                self.enter(In::Double, 1);
            }
            '\'' if !double => {
                self.simple.begun = true;
                let length = self.rest().get(1..).and_then(|r| r.find('\'')).map_or(self.rest().len(), |end| end + 2);
                self.at += length;
            }
            '`' if self.place() == In::Backtick => self.leave(),
            '`' => self.enter(In::Backtick, 1),
            '$' if self.rest().starts_with("$(") => self.enter(In::Command, 2),
            '$' => self.dollar(),
            _ if double => self.push_char(c),
            '(' => self.enter(In::Command, 1),
            ')' if !self.stack.is_empty() => self.leave(),
            '#' if !self.simple.begun => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '<' if self.rest().starts_with("<<") && !self.rest().starts_with("<<<") => self.heredoc(),
            '\n' => {
                self.at += 1;
                self.simple = Simple::default();
                self.skip_heredocs();
            }
            ';' | '|' | '&' => {
                self.at += 1;
                self.simple = Simple::default();
            }
            c if c.is_whitespace() => {
                self.at += c.len_utf8();
                self.simple.end_word();
            }
            c => self.push_char(c),
        }
    }
    /// `$NAME`, `${NAME…}`.
    fn dollar(&mut self) {
        let rest = self.rest();
        let braced = rest.starts_with("${");
        let lead = if braced { 2 } else { 1 };
        let mark = usize::from(braced && rest.get(2..).is_some_and(|r| r.starts_with(['#', '!'])));
        let name: String =
            rest.get(lead + mark..).unwrap_or_default().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let length = lead + mark + name.len();
        if name.starts_with("BW_") {
            let counted = rest.starts_with("${#");
            let bare = self.place() != In::Double && !self.simple.assigns() && !counted;
            let trouble = if self.simple.rereads() && !counted {
                Some(Trouble::Reread)
            } else if bare {
                Some(Trouble::Bare)
            } else {
                None
            };
            let end = self.at + length + usize::from(braced && rest.get(length..).is_some_and(|r| r.starts_with('}')));
            self.uses.push(Use { span: self.at..end, name, trouble });
        }
        self.simple.begun = true;
        self.at += length.max(1);
    }
    fn heredoc(&mut self) {
        let rest = self.rest();
        let dash = usize::from(rest.get(2..).is_some_and(|r| r.starts_with('-')));
        let after = rest.get(2 + dash..).unwrap_or_default();
        let spaces = after.len() - after.trim_start_matches([' ', '\t']).len();
        let word: String =
            after.trim_start_matches([' ', '\t']).chars().take_while(|c| !c.is_whitespace() && !";|&<>()".contains(*c)).collect();
        let length = 2 + dash + spaces + word.len();
        let bare: String = word.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
        if !bare.is_empty() {
            self.heredocs.push(bare);
        }
        self.at += length;
    }
    /// Pass over the bodies of here-documents: the shell neither parts a value in them nor fills in names.
    fn skip_heredocs(&mut self) {
        for word in std::mem::take(&mut self.heredocs) {
            let mut length = 0;
            for line in self.rest().split_inclusive('\n') {
                length += line.len();
                if line.trim_start_matches('\t').trim_end_matches('\n') == word {
                    break;
                }
            }
            self.at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubles(text: &str) -> Vec<(String, Option<Trouble>)> {
        scan(text).into_iter().map(|u| (text.get(u.span).unwrap().to_owned(), u.trouble)).collect()
    }

    #[test]
    fn a_value_out_of_quotes_is_seen() {
        use Trouble::{Bare, Reread};
        let v = "$BW_LABEL_X";
        for (text, expected) in [
            (format!("echo {v}"), Some(Bare)),
            (format!("echo \"{v}\""), None),
            (format!("echo '{v}' ok"), Some(Bare)),
            ("echo ${BW_LABEL_X:-none}".to_owned(), Some(Bare)),
            (format!("echo \"a $(ls {v}) b\""), Some(Bare)),
            (format!("echo \"a $(ls \"{v}\") b\""), None),
            (format!("x={v}"), None),
            (format!("x={v} run it"), None),
            (format!("export x={v}"), Some(Bare)),
            (format!("# {v}\ntrue"), Some(Bare)),
            (format!("echo a#{v}"), Some(Bare)),
            (format!("cat <<EOF\n{v}\nEOF\necho \"{v}\""), None),
            (format!("ssh host \"systemctl restart {v}\""), Some(Reread)),
            (format!("eval \"echo {v}\""), Some(Reread)),
            (format!("sudo sh -c \"echo {v}\""), Some(Reread)),
            (format!("sh -c 'echo \"$1\"' sh \"{v}\""), None),
            (format!("true; bash -ec \"echo {v}\""), Some(Reread)),
            (format!("echo `ls {v}`"), Some(Bare)),
            (format!("echo \\{v}"), Some(Bare)),
            ("echo ${#BW_LABEL_X}".to_owned(), None),
        ] {
            let found = troubles(&text);
            let harmless = text.starts_with('#') || text.contains('\'') && expected == Some(Bare) || text.contains('\\');
            match (harmless, found.last()) {
                (true, last) => assert!(last.is_none(), "{text}: {found:?}"),
                (false, Some((_, trouble))) => assert_eq!(*trouble, expected, "{text}"),
                (false, None) => panic!("{text}: nothing found"),
            }
        }
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in ["$", "${", "$(", "\"", "'", "`", "\\", "<<", "<<EOF", "${BW_", "((", "))", "\"$(\"", "é$BW_É"] {
            scan(text);
        }
    }
}
