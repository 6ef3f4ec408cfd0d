//! The picture of the house stays true by itself: every path in `src/` that names a room is read, and one that climbs fails.
//!
//! A path is `crate::…`, `super::…`, `self::…`, in `main.rs` `burnwatch::…`, and every leaf of a `use` tree, wherever it stands: in
//! tests and macros too. Comments and strings do not count. The root of the crate offers rooms only, so that nothing can be reached
//! under another name, and a room passes on no room but `domain`.

use std::{fmt, fs, path::Path};

/// Each room, and the rooms that it may import.
const ROOMS: [(&str, &[&str]); 10] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("store", &["domain"]),
    ("report", &["domain"]),
    ("fleet", &["domain"]),
    ("sources", &["config", "domain"]),
    ("tui", &["config", "domain"]),
    ("engine", &["sources", "store", "domain"]),
    ("cli", &["domain", "config", "store", "report", "fleet", "sources", "tui", "engine"]),
    ("main", &["cli"]),
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Mark(char),
}

/// A path that was found, with the line it starts on, from the root of the crate: `["store", "Journal"]`.
#[derive(Debug, PartialEq)]
struct Found {
    line: usize,
    path: Vec<String>,
    /// Whether a `pub use` hands it on.
    handed_on: bool,
}

#[derive(Debug, PartialEq)]
enum Climb {
    Room(String),
    Above(String),
    HandedOn(String),
    WholeCrate,
}

impl fmt::Display for Climb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(name) => write!(f, "`{name}` is not a room: the root of the crate offers rooms only"),
            Self::Above(name) => write!(f, "imports `{name}`, which this room may not know"),
            Self::HandedOn(name) => write!(f, "hands `{name}` on under a name of its own"),
            Self::WholeCrate => write!(f, "imports the whole crate"),
        }
    }
}

/// The words and marks of a Rust text with the line of each; comments, strings, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut found) = (0, 1, Vec::new());
    while i < chars.len() {
        let start = i;
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = after_block_comment(&chars, i);
        } else if c == '"' {
            i = after_string(&chars, i);
        } else if c == '\'' {
            i = after_quote(&chars, i);
        } else if c == ':' && at(i + 1) == ':' {
            found.push((line, Token::Path));
            i += 2;
        } else if c.is_alphanumeric() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
            match word.as_str() {
                "r" | "br" | "cr" if at(i + hashes) == '"' => i = after_raw_string(&chars, i + hashes, hashes),
                "r" if hashes == 1 => i += 1,
                "b" | "c" if at(i) == '"' || at(i) == '\'' => {}
                _ => found.push((line, Token::Word(word))),
            }
        } else {
            if !c.is_whitespace() {
                found.push((line, Token::Mark(c)));
            }
            i += 1;
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn after_block_comment(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match chars[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && !(chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes) {
        i += 1;
    }
    i + 1 + hashes
}

/// After a character (`'"'`, `'\''`, `'\u{7f}'`) or after the mark of a lifetime (`'a`).
fn after_quote(chars: &[char], start: usize) -> usize {
    match chars[start + 1..] {
        ['\\', _, ..] => chars[start + 3..].iter().position(|c| *c == '\'').map_or(chars.len(), |end| start + 4 + end),
        [_, '\'', ..] => start + 3,
        _ => start + 1,
    }
}

/// Reads the paths of one file, following the modules written inside it.
struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    /// Where the file stands: `["domain", "slo"]`, and the modules opened inside it, each with the depth of its brace.
    module: Vec<String>,
    open: Vec<usize>,
    found: Vec<Found>,
}

impl Reader<'_> {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        if let Some(Token::Word(word)) = self.token(ahead) { Some(word) } else { None }
    }

    fn is(&self, ahead: usize, mark: char) -> bool {
        self.token(ahead) == Some(&Token::Mark(mark))
    }

    fn read(mut self) -> Vec<Found> {
        let mut depth = 0;
        while let Some((line, token)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => {
                    if self.open.last() == Some(&depth) {
                        self.open.pop();
                        self.module.pop();
                    }
                    depth -= 1;
                }
                Token::Word(word) if word == "mod" && self.is(2, '{') => {
                    let name = self.word(1).unwrap_or_default().to_owned();
                    self.module.push(name);
                    depth += 1;
                    self.open.push(depth);
                    self.at += 2;
                }
                Token::Word(word) if word == "use" && !self.is(1, '<') => {
                    let handed_on = self.is_public();
                    self.at += 1;
                    self.use_tree(&[], handed_on);
                    continue;
                }
                Token::Word(word) if word == "extern" && self.word(1) == Some("crate") && self.word(2) == Some("self") => {
                    self.note(line, &["crate".to_owned()], false);
                }
                Token::Word(_) if self.token(1) == Some(&Token::Path) && !self.follows_path() => {
                    let path = self.inline_path();
                    self.note(line, &path, false);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.found
    }

    /// Whether the `use` here is `pub use`, or `pub(…) use`.
    fn is_public(&self) -> bool {
        let before = |n: usize| self.at.checked_sub(n).and_then(|i| self.tokens.get(i)).map(|(_, token)| token);
        before(1) == Some(&Token::Word("pub".to_owned())) || before(1) == Some(&Token::Mark(')'))
    }

    /// Whether the word here is the tail of a path that began with something else, as in `<T as X>::crate::`.
    fn follows_path(&self) -> bool {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).is_some_and(|(_, token)| *token == Token::Path)
    }

    fn inline_path(&mut self) -> Vec<String> {
        let mut path = vec![self.word(0).unwrap_or_default().to_owned()];
        self.at += 1;
        while self.token(0) == Some(&Token::Path) {
            let Some(word) = self.word(1) else { break };
            path.push(word.to_owned());
            self.at += 2;
        }
        path
    }

    /// One tree of a `use`: a path, a path and `*`, or a path and a group of trees.
    fn use_tree(&mut self, before: &[String], handed_on: bool) {
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        let mut path = before.to_vec();
        while let Some(token) = self.token(0).cloned() {
            match token {
                Token::Word(word) if word == "as" => {
                    self.at += 2;
                    break;
                }
                Token::Word(word) => path.push(word),
                Token::Path => {}
                Token::Mark('*') => path.push("*".to_owned()),
                Token::Mark('{') => return self.use_group(&path, handed_on),
                Token::Mark(_) => break,
            }
            self.at += 1;
        }
        self.note_use(line, &path, handed_on);
    }

    fn use_group(&mut self, before: &[String], handed_on: bool) {
        self.at += 1;
        while self.token(0).is_some() && !self.is(0, '}') {
            self.use_tree(before, handed_on);
            if self.is(0, ',') {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn note_use(&mut self, line: usize, path: &[String], handed_on: bool) {
        let path = if path.len() > 1 && path.last().is_some_and(|last| last == "self") { &path[..path.len() - 1] } else { path };
        self.note(line, path, handed_on);
    }

    /// Keeps a path that starts at a place we know, as seen from the root; others are names of this module or of other crates.
    fn note(&mut self, line: usize, path: &[String], handed_on: bool) {
        let mut from_root = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate" | "burnwatch") if !(self.is_main() && path[0] == "crate") => {
                from_root.clear();
                rest = &path[1..];
            }
            Some("crate") => {
                from_root.truncate(1);
                rest = &path[1..];
            }
            Some("self" | "super") => {}
            Some(_) if self.module.is_empty() && ROOMS.iter().any(|(room, _)| *room == path[0]) => {}
            _ => return,
        }
        for word in rest {
            match word.as_str() {
                "self" => {}
                "super" => drop(from_root.pop()),
                word => from_root.push(word.to_owned()),
            }
        }
        self.found.push(Found { line, path: from_root, handed_on });
    }

    fn is_main(&self) -> bool {
        self.module.first().is_some_and(|room| room == "main")
    }
}

/// The module that a file below `src/` is: `domain/slo.rs` is `["domain", "slo"]`, `domain/mod.rs` is `["domain"]`, `lib.rs` is the root.
fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || file == "lib.rs" {
        module.pop();
    }
    module
}

fn paths(file: &str, text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    Reader { tokens: &tokens, at: 0, module: module_of(file), open: Vec::new(), found: Vec::new() }.read()
}

/// Why a path must not stand in a room, if it must not.
fn climb(room: Option<&str>, found: &Found) -> Option<Climb> {
    let name = match found.path.first().map(String::as_str) {
        None | Some("*") => return Some(Climb::WholeCrate),
        Some(name) => name,
    };
    let Some(room) = room else { return Some(Climb::HandedOn(name.to_owned())) };
    if name == room {
        return None;
    }
    let allowed = ROOMS.iter().find(|(known, _)| *known == room).map_or(&[][..], |(_, allowed)| *allowed);
    if !ROOMS.iter().any(|(known, _)| *known == name) {
        Some(Climb::Room(name.to_owned()))
    } else if !allowed.contains(&name) {
        Some(Climb::Above(name.to_owned()))
    } else if found.handed_on && name != "domain" {
        Some(Climb::HandedOn(name.to_owned()))
    } else {
        None
    }
}

/// What climbs in one file, a line each.
fn faults(file: &str, text: &str) -> Vec<String> {
    let room = module_of(file).into_iter().next();
    if let Some(room) = &room
        && !ROOMS.iter().any(|(known, _)| known == room)
    {
        return vec![format!("src/{file}: `{room}` is not a room; add it to the picture in docs/ARCHITECTURE.md and to tests/layers.rs")];
    }
    let judge = |found: &Found| climb(room.as_deref(), found).map(|climb| format!("src/{file}:{}: {climb}", found.line));
    paths(file, text).iter().filter_map(judge).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn no_path_in_the_house_climbs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files).unwrap();
    files.sort();
    assert!(files.iter().any(|file| file.ends_with("domain/mod.rs")), "the rooms are not where they were: {files:?}");
    let mut all = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        all.extend(faults(file, &fs::read_to_string(path).unwrap()));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

/// The paths of a text as `store::Journal`, in order.
fn read(file: &str, text: &str) -> Vec<String> {
    paths(file, text).into_iter().map(|found| found.path.join("::")).collect()
}

#[test]
fn reads_every_way_to_write_a_path() {
    let cases: [(&str, &str, &[&str]); 21] = [
        ("engine/fold.rs", "use crate::store::Journal;", &["store::Journal"]),
        (
            "engine/fold.rs",
            "use crate::{store::{self, Journal as J, lease::*}, domain};",
            &["store", "store::Journal", "store::lease::*", "domain"],
        ),
        ("engine/fold.rs", "use {crate::store, super::poller, std::fmt};", &["store", "engine::poller"]),
        ("engine/fold.rs", "fn f() -> crate::store::Row { crate::tui::draw::<u8>() }", &["store::Row", "tui::draw"]),
        ("engine/fold.rs", "use super::super::tui::State;", &["tui::State"]),
        ("engine/mod.rs", "use super::tui::State;", &["tui::State"]),
        ("engine/fold.rs", "use self::super::super::tui;", &["tui"]),
        ("tui/view/draw.rs", "use super::super::state::State; use super::super::super::engine;", &["tui::state::State", "engine"]),
        ("domain/slo.rs", "mod tests { use super::super::super::store; } use super::Text;", &["store", "domain::Text"]),
        (
            "domain/slo.rs",
            "mod a { mod b { super::super::x(); } fn f() { if x {} super::y() } } super::z()",
            &["domain::slo::x", "domain::slo::y", "domain::z"],
        ),
        ("domain/slo.rs", "#[cfg(test)] mod tests { use crate::cli::run; }", &["cli::run"]),
        ("domain/slo.rs", "macro_rules! m { () => { $crate::cli::run() } }", &["cli::run"]),
        ("domain/slo.rs", "pub(crate) fn f() {} pub(in crate::domain) struct S;", &["domain"]),
        ("domain/slo.rs", "impl crate::r#cli::T for S {} fn f() -> impl Sized + use<'_> {}", &["cli::T"]),
        ("domain/slo.rs", "use crate as everything;", &[""]),
        ("domain/slo.rs", "extern crate self as b;", &[""]),
        ("domain/slo.rs", "use crate::{self as all};", &[""]),
        ("main.rs", "use burnwatch::cli; fn main() { burnwatch::engine::start(); crate::own(); }", &["cli", "engine::start", "main::own"]),
        ("main.rs", "use ::burnwatch::cli::run;", &["cli::run"]),
        ("lib.rs", "pub mod store; pub use store::Journal; use std::fmt;", &["store::Journal"]),
        ("domain/slo.rs", "use std::fmt; use chrono::{DateTime, Utc}; let x = Utc::now();", &[]),
    ];
    for (file, text, expected) in cases {
        assert_eq!(read(file, text), expected, "{file}: {text}");
    }
}

#[test]
fn comments_strings_and_characters_are_no_paths() {
    let texts = [
        "// use crate::cli;\n/// [`crate::cli::run`]\n//! crate::cli",
        "/* crate::cli /* super::super::cli */ crate::cli */",
        r#"let s = "crate::cli \" crate::cli"; let b = b"crate::cli";"#,
        r##"let s = r#"crate::cli " crate::cli"#; let b = br"crate::cli\"; let c = c"crate::cli";"##,
        r#"let (a, b) = ('"', '\''); let s = "crate::cli";"#,
        r#"let (a, b) = (b'"', '\u{22}'); let s = "crate::cli";"#,
        "let s = \"line\\\n crate::cli\";",
    ];
    for text in texts {
        assert_eq!(read("domain/slo.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_path_after_a_quote_or_a_lifetime_is_still_read() {
    let texts = [
        r"fn f<'a>(x: &'a str) -> crate::cli::T<'a> {}",
        r#"let s = "\\"; crate::cli::T"#,
        r#"let c = '"'; crate::cli::T"#,
        r##"let s = r#"""#; crate::cli::T"##,
        "/* */ crate::cli::T // x",
        "let r = 0..9; crate::cli::T",
    ];
    for text in texts {
        assert_eq!(read("domain/slo.rs", text), ["cli::T"], "{text}");
    }
}

#[test]
fn a_fault_names_file_line_and_room() {
    let cases = [
        ("domain/slo.rs", "\n\nuse crate::store::Journal;", "src/domain/slo.rs:3: imports `store`, which this room may not know"),
        ("tui/app.rs", "use crate::engine::Engine;", "src/tui/app.rs:1: imports `engine`, which this room may not know"),
        ("engine/a.rs", "/* \n */ crate::config::load()", "src/engine/a.rs:2: imports `config`, which this room may not know"),
        (
            "sources/a.rs",
            "let s = \"\n\"; super::super::store::open()",
            "src/sources/a.rs:2: imports `store`, which this room may not know",
        ),
        ("main.rs", "burnwatch::engine::start();", "src/main.rs:1: imports `engine`, which this room may not know"),
        ("cli/run.rs", "use crate::Journal;", "src/cli/run.rs:1: `Journal` is not a room: the root of the crate offers rooms only"),
        ("cli/run.rs", "use crate::*;", "src/cli/run.rs:1: imports the whole crate"),
        ("cli/mod.rs", "use super as root;", "src/cli/mod.rs:1: imports the whole crate"),
        ("lib.rs", "pub use crate::store::Journal;", "src/lib.rs:1: hands `store` on under a name of its own"),
        ("sources/mod.rs", "pub use crate::config::Secret;", "src/sources/mod.rs:1: hands `config` on under a name of its own"),
        (
            "helpers/mod.rs",
            "",
            "src/helpers/mod.rs: `helpers` is not a room; add it to the picture in docs/ARCHITECTURE.md and to tests/layers.rs",
        ),
    ];
    for (file, text, expected) in cases {
        assert_eq!(faults(file, text), [expected], "{file}: {text}");
    }
}

#[test]
fn what_points_down_is_allowed() {
    let cases = [
        ("cli/setup.rs", "use crate::{config, domain, engine, fleet, report, sources, store, tui};"),
        ("engine/engine.rs", "use crate::{domain::Plan, sources::Source, store::Journal}; use super::fold;"),
        ("tui/app.rs", "use crate::{config::Problem, domain}; use super::super::domain::Text; pub use crate::domain::Text;"),
        ("main.rs", "fn main() -> std::process::ExitCode { burnwatch::cli::run() }"),
        ("lib.rs", "pub mod domain; pub mod store;"),
    ];
    for (file, text) in cases {
        assert_eq!(faults(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}
