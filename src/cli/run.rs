//! Dispatch and exit codes.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser;
use serde_json::Value;

use super::{
    acts,
    args::{AuditCommand, Cli, Command, Common, OncallCommand, OverrideCommand, SilenceCommand, StoreCommand},
    audit, check, demo, drill, headless, incidents, oncall, rotation, runbook, shop, silence, status, store, trust, watch,
};
use crate::domain::{clean, is_plain};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Yes, done, ok.
    Yes,
    /// No, held, refused, problems found, status critical or warning.
    No,
    /// Could not tell, not delivered, outcome unknown.
    Unknown,
    /// Wrong usage.
    Usage,
    /// Ended by a signal: 128 and its number, as shells have it.
    Signal(i32),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Yes => 0,
            Code::No => 1,
            Code::Unknown => 2,
            Code::Usage => 64,
            Code::Signal(number) => u8::try_from(128 + number).unwrap_or(255),
        })
    }
}

/// Run the program with the words it was given.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Code::Usage } else { Code::Yes };
            say(&error);
            return code.into();
        }
    };
    match dispatch(&cli) {
        Ok(code) => code.into(),
        Err(error) => {
            complain(&error);
            Code::Unknown.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Code> {
    if let Some(file) = &cli.common.log {
        super::log::start(file)?;
    }
    let common = &cli.common;
    match &cli.command {
        None | Some(Command::Watch { headless: false }) => watch::watch(common),
        Some(Command::Watch { headless: true }) => headless::watch(common),
        Some(Command::Demo) => demo::demo(common),
        Some(Command::Drill(args)) => drill::drill(common, args),
        Some(Command::Shop { words }) => shop::order(words),
        Some(Command::Check { live }) => check::check(common, *live),
        Some(Command::Status { json }) => status::status(common, *json),
        Some(Command::Incidents { id: None, json }) => incidents::list(common, *json),
        Some(Command::Incidents { id: Some(id), json }) => incidents::show(common, id, *json),
        Some(Command::Ack { id, note, take_over: false, json }) => acts::acknowledge(common, id, note.as_deref(), *json),
        Some(Command::Ack { id, note, take_over: true, json }) => acts::take_over(common, id, note.as_deref(), *json),
        Some(Command::Unack { id, json }) => acts::unacknowledge(common, id, *json),
        Some(Command::Resolve { id, note, json }) => acts::resolve(common, id, note.as_deref(), *json),
        Some(Command::Note { id, text, json }) => acts::note(common, id, text, *json),
        Some(Command::Snooze { id, span, json }) => acts::snooze(common, id, *span, *json),
        Some(Command::Escalate { id, level, to, json }) => acts::escalate(common, id, *level, to.as_deref(), *json),
        Some(Command::Silence { what: None, new }) => silence::silence(common, new),
        Some(Command::Silence { what: Some(SilenceCommand::List { json }), .. }) => silence::list(common, *json),
        Some(Command::Silence { what: Some(SilenceCommand::Expire { id, json }), .. }) => silence::expire(common, id, *json),
        Some(Command::Oncall { look, what: None }) => oncall::look(common, look),
        Some(Command::Oncall { what: Some(what), .. }) => oncall_act(common, what),
        Some(Command::Runbook { what }) => runbook::runbook(common, what),
        Some(Command::Trust { file }) => trust::trust(file),
        Some(Command::RunStep) => Ok(crate::engine::run_step().map(|()| Code::Yes)?),
        Some(Command::Audit { what: AuditCommand::List { last, json } }) => audit::list(common, *last, *json),
        Some(Command::Audit { what: AuditCommand::Verify { json } }) => audit::verify(common, *json),
        Some(Command::Store { what: StoreCommand::Init { group } }) => store::init(common, group),
    }
}

fn oncall_act(common: &Common, what: &OncallCommand) -> Result<Code> {
    match what {
        OncallCommand::Override { what: OverrideCommand::Add(add) } => rotation::add(common, add),
        OncallCommand::Override { what: OverrideCommand::List { rotation, json } } => rotation::list(common, rotation.as_deref(), *json),
        OncallCommand::Note { rotation, text, json } => rotation::note(common, rotation, text, *json),
        OncallCommand::Read { rotation, json } => rotation::read(common, rotation, *json),
    }
}

/// Problems of a config file as they are, everything else as one line.
fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<crate::config::Problems>() {
        Some(problems) => eprintln!("{problems}\n\nburnwatch: {}", mistakes(problems)),
        None => eprintln!("burnwatch: {}", clean(&format!("{error:#}"))),
    }
}

/// How many mistakes there are, in words.
pub fn mistakes(problems: &crate::config::Problems) -> String {
    match problems.0.len() {
        1 => "1 mistake".to_owned(),
        n => format!("{n} mistakes"),
    }
}

/// Say what is wrong with the words that were given; they may have come from a label by way of a script.
fn say(error: &clap::Error) {
    let plain = error.render().to_string();
    if plain.lines().all(|line| line.chars().all(is_plain)) {
        drop(error.print());
    } else {
        plain.lines().for_each(|line| eprintln!("{}", clean(line)));
    }
}

/// JSON as it is printed: what might act on a terminal stands in it as an escape, which a reader of JSON undoes.
pub fn json(shape: &Value) -> String {
    let pretty = format!("{shape:#}\n");
    if pretty.chars().all(|c| c == '\n' || is_plain(c)) {
        return pretty;
    }
    pretty.chars().fold(String::with_capacity(pretty.len() * 2), |mut out, c| {
        if c == '\n' || is_plain(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

/// Print data. A closed pipe is a success: the reader has seen enough.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A runtime for a command that asks backends once.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
