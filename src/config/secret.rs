//! Secrets: read from a file, the environment or a command; never from the command line, never printed.
//!
//! A key such as `token` comes in four spellings, of which exactly one may stand in a section: `token_file`, `token_env`,
//! `token_command`, and `token` itself, which is refused in a file that others can read.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use toml::Spanned;

use super::{
    context::{Commands, expand},
    section::Section,
};

/// How long a `*_command` may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest secret, in bytes.
const LONGEST: u64 = 65_536;

/// Something that must not be seen: it prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keep `text` from being printed.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }
    /// The secret itself: for the request that needs it, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Section {
    /// The secret `word`, from whichever of its four spellings is there; `None` if none is, or if it cannot be had (then that is
    /// reported).
    pub fn secret(&mut self, word: &str) -> Option<Secret> {
        let [file, env, command] = ["file", "env", "command"].map(|kind| format!("{word}_{kind}"));
        let given: Vec<_> = [word, &file, &env, &command].into_iter().filter(|k| self.has(k)).collect();
        if let Some(second) = given.get(1) {
            self.error_with_help(&self.key_span(second), &format!("more than one `{word}`"), "keep exactly one of them");
        }
        let (literal, file) = (self.str(word), self.str(&file));
        let (env, command) = (self.str(&env), self.strings(&command));
        if given.len() > 1 {
            return None;
        }
        if let Some(literal) = literal {
            return self.literal(word, &literal, &format!("use `{word}_file`, or chmod go-r the config"));
        }
        if let Some(file) = file {
            return self.out_of_file(&file);
        }
        env.and_then(|env| self.out_of_environment(&env)).or_else(|| command.and_then(|argv| self.out_of_command(&argv)))
    }
    /// A secret that stands in the config file itself; `help` is the way out if others can read that file.
    pub(super) fn literal(&self, word: &str, text: &Spanned<String>, help: &str) -> Option<Secret> {
        self.context.hide(text.span());
        if let Some(mode) = self.context.mode.filter(|mode| mode & 0o044 != 0) {
            let message = format!("`{word}` stands in a file that others can read (mode {:04o})", mode & 0o7777);
            self.error_with_help(&text.span(), &message, help);
            return None;
        }
        self.checked(text, text.get_ref(), "it")
    }
    fn out_of_file(&self, name: &Spanned<String>) -> Option<Secret> {
        let path = self.context.path(name.get_ref());
        match read(&path) {
            Ok((text, mode)) => {
                if mode & 0o004 != 0 {
                    let message = format!("{} can be read by everyone (mode {:04o})", path.display(), mode & 0o7777);
                    self.warning(&name.span(), &message, "chmod o-r it");
                }
                self.checked(name, &text, &path.display().to_string())
            }
            Err(why) => {
                self.error(&name.span(), &format!("cannot read {}: {}", path.display(), cause(&why)));
                None
            }
        }
    }
    fn out_of_environment(&self, name: &Spanned<String>) -> Option<Secret> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let variable = name.get_ref();
        if variable.is_empty() || !variable.chars().all(plain) {
            self.context.hide(name.span());
            self.error_with_help(&name.span(), "this is not the name of an environment variable", "name one, such as \"PROM_TOKEN\"");
            return None;
        }
        match std::env::var(variable) {
            Ok(text) => self.checked(name, &text, "the environment variable"),
            Err(why) => {
                let state = if matches!(why, std::env::VarError::NotPresent) { "is not set" } else { "is not UTF-8" };
                self.context.hide(name.span());
                self.error_with_help(&name.span(), &format!("the environment variable {state}"), "set it before burnwatch starts");
                None
            }
        }
    }
    fn out_of_command(&self, argv: &[Spanned<String>]) -> Option<Secret> {
        let Some(program) = argv.first() else {
            self.error_with_help(&self.span(), "an empty command gives no secret", "name a program and its arguments");
            return None;
        };
        match self.context.commands.get() {
            Some(Commands::Run) => {}
            Some(Commands::FoundHere) => {
                let message = "a ./burnwatch.toml that was merely found runs no commands";
                self.error_with_help(&program.span(), message, "read it, then `burnwatch trust`, or name the file with --config");
                return None;
            }
            Some(Commands::Distrusted) | None => return None,
        }
        let words: Vec<_> = argv.iter().map(Spanned::get_ref).map(String::as_str).collect();
        match run(&words, PATIENCE) {
            Ok(line) => self.checked(program, &line, "the command's first line"),
            Err(why) => {
                self.error(&program.span(), &format!("the command gave no secret: {why}"));
                None
            }
        }
    }
    /// The first line of `text`, if it can be sent in a header.
    fn checked(&self, at: &Spanned<String>, text: &str, whose: &str) -> Option<Secret> {
        let line = text.lines().next().unwrap_or_default().trim();
        let fault = if line.is_empty() {
            "is empty"
        } else if line.chars().any(char::is_control) {
            "contains control characters"
        } else {
            return Some(Secret::new(line));
        };
        self.error(&at.span(), &format!("{whose} {fault}"));
        None
    }
}

/// Text and permission bits of a file with a secret.
fn read(path: &Path) -> io::Result<(String, u32)> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok((text, meta.mode()))
}

/// Why a file could not be read, in a few words.
pub(super) fn cause(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => why.to_string(),
    }
}

/// The first line that a command prints. No shell; nothing on its input; it and its children are killed after `patience`.
fn run(argv: &[&str], patience: Duration) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("it is empty")?;
    let program = expand(program, std::env::home_dir().as_deref());
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|why| cause(&why))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let read = child.stdout.take().map(|out| BufReader::new(out.take(LONGEST)).read_until(b'\n', &mut line));
        let ended = child.wait();
        tell.send((read.transpose().is_ok().then_some(line), ended)).ok();
    });
    let Ok((line, ended)) = told.recv_timeout(patience) else {
        group.map(|g| kill_process_group(g, Signal::KILL));
        return Err(format!("it took longer than {} s", patience.as_secs()));
    };
    let status = ended.map_err(|why| cause(&why))?;
    if !status.success() {
        return Err(status.code().map_or("it was killed".to_owned(), |code| format!("it ended with {code}")));
    }
    line.and_then(|line| String::from_utf8(line).ok()).ok_or("it printed no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::new("s3cret");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "s3cret");
    }

    #[test]
    fn commands_give_their_first_line_and_no_more() {
        assert_eq!(run(&["printf", "one\ntwo\n"], PATIENCE).unwrap(), "one\n");
        assert_eq!(run(&["false"], PATIENCE).unwrap_err(), "it ended with 1");
        assert_eq!(run(&["no-such-program-anywhere"], PATIENCE).unwrap_err(), "there is no such file");
        assert_eq!(run(&["sleep", "600"], Duration::from_millis(20)).unwrap_err(), "it took longer than 0 s");
        assert_eq!(run(&["echo", "$HOME; id"], PATIENCE).unwrap(), "$HOME; id\n");
    }
}
