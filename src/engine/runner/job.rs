//! What a runner is given to do, and how it is started.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::{PASSED_ON, WORD, session};
use crate::domain::{ActId, Actor, Entry, Expectation, HttpCall, Process, RunEvent, RunId, Text, Variables, What};

/// One attempt of a step, as a runner is given it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The folder of the store.
    pub store: PathBuf,
    /// Which run.
    pub run: RunId,
    /// What people call its runbook.
    pub title: Text,
    /// Whose service, if that is known.
    pub service: Option<Text>,
    /// Who started it.
    pub who: Actor,
    /// The key of the attempt.
    pub key: ActId,
    /// The version of the run's thread that its start made.
    pub version: u64,
    /// What is to be done.
    pub task: Task,
    /// What should be seen of it.
    pub expect: Option<Expectation>,
    /// The folder that it is done in.
    pub folder: PathBuf,
    /// What it is told.
    pub variables: Variables,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it ends when the process that started it does.
    pub stops: bool,
    /// The process that started it.
    pub starter: Process,
}

/// What a runner does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A command.
    Command {
        /// The program that understands it, looked up in `PATH`.
        shell: String,
        /// Exactly what it is given.
        text: String,
    },
    /// A request.
    Http {
        /// Which.
        call: HttpCall,
        /// Whether it changes something there, so that one without an answer may have been done.
        acts: bool,
    },
}

impl Job {
    /// An entry of this attempt.
    pub fn entry(&self, event: RunEvent, at: DateTime<Utc>) -> Entry {
        Entry {
            id: 0,
            at,
            act: self.key.clone(),
            subject: self.run.subject(),
            title: self.title.clone(),
            service: self.service.clone(),
            version: 0,
            who: self.who.clone(),
            what: What::Run { event },
        }
    }

    /// The job that was handed to this process.
    pub(super) fn receive() -> io::Result<Self> {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(io::Error::from)
    }
}

/// Start a runner on this job: `program` is this program, as a path that leads to the very one that runs now, also if its file was replaced.
///
/// The job lies in memory that only the two of them see, whole before the runner is started: it is in no argument, where everybody on
/// the host could read it, and half of one can never be received.
pub fn launch(job: &Job, program: &Path) -> io::Result<Child> {
    let mut memory = File::from(memfd_create("burnwatch-job", MemfdFlags::CLOEXEC)?);
    memory.write_all(&serde_json::to_vec(job)?)?;
    memory.rewind()?;
    let passed = PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    session::start(program)
        .arg(WORD)
        .env_clear()
        .envs(passed)
        .current_dir("/")
        .stdin(memory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
