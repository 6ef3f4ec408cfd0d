//! A home with runbooks, and the journal that tells what became of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
};

use burnwatch::{
    domain::{ActId, End, Entry, How, Process, Run, RunEvent, RunId, What},
    store::Store,
};
use tempfile::TempDir;

use crate::support;

pub struct Home {
    folder: TempDir,
    pub store: Store,
}

impl Home {
    /// Runbooks by name and text, without front matter.
    pub fn new(books: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let runbooks = folder.path().join("runbooks");
        fs::create_dir(&runbooks).unwrap();
        for (name, text) in books {
            fs::write(runbooks.join(format!("{name}.md")), format!("---\ntitle: {name}\n---\n{text}")).unwrap();
        }
        let place = folder.path().join("store");
        let toml = format!(
            "[cockpit]\nname = \"test\"\nshared_accounts = [\"{}\"]\n[store]\nurl = \"sqlite:{}\"\n[runbooks]\ndir = \"{}\"\n[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9\"\nevery = \"1s\"\n",
            support::login(),
            place.display(),
            runbooks.display()
        );
        support::configure(folder.path(), &toml);
        let store = Store::open(&place).unwrap();
        Self { folder, store }
    }
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    pub fn config(&self) -> PathBuf {
        self.path().join("config/burnwatch/burnwatch.toml")
    }
    /// A file that steps write to.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join("runbooks").join(name)
    }
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }
    pub fn runbook(&self, args: &[&str]) -> Output {
        support::run(self.path(), &[&["runbook"], args].concat())
    }
    /// The same, which must end with this exit code; what it wrote to stdout and stderr.
    pub fn says(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.runbook(args);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (out, err)
    }
    pub fn start(&self, args: &[&str]) -> Child {
        let args = [&["runbook"], args].concat();
        support::burnwatch(self.path(), &args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
    pub fn thread(&self, run: u64) -> Vec<Entry> {
        self.store.thread(&RunId(run).subject()).unwrap()
    }
    pub fn run(&self, run: u64) -> Run {
        Run::of(&self.thread(run)).unwrap()
    }
    /// The newest run there is; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.store.highest("run:").unwrap()
    }
    /// Waits until the journal tells something of a run.
    pub fn wait<T>(&self, run: u64, what: &str, mut look: impl FnMut(&Run) -> Option<T>) -> T {
        support::poll(|| Run::of(&self.thread(run)).and_then(|r| look(&r)))
            .unwrap_or_else(|| panic!("waited for {what}: {:#?}", self.thread(run)))
    }
    /// Waits for the end of the last attempt of a step.
    pub fn end(&self, run: u64, step: &str) -> (ActId, End) {
        self.wait(run, &format!("the end of {step}"), |run| {
            let attempt = run.step(&step.into())?.attempts.last()?;
            Some((attempt.key.clone(), attempt.end.clone()?))
        })
    }
    /// Waits until the last attempt of a step has its runner.
    pub fn runner(&self, run: u64, step: &str) -> (ActId, Process) {
        self.wait(run, &format!("the runner of {step}"), |run| {
            let attempt = run.step(&step.into())?.attempts.last()?;
            Some((attempt.key.clone(), attempt.runner.clone()?))
        })
    }
}

/// How many entries of a thread start a step, tell of its runner, and end it.
pub fn counted(thread: &[Entry]) -> (usize, usize, usize) {
    let count = |which: fn(&RunEvent) -> bool| thread.iter().filter(|e| matches!(&e.what, What::Run { event } if which(event))).count();
    (
        count(|e| matches!(e, RunEvent::Started(_))),
        count(|e| matches!(e, RunEvent::Up { .. })),
        count(|e| matches!(e, RunEvent::Ended { .. })),
    )
}

/// Processes that carry the key of an attempt, or have this word among their arguments; those that have ended left out.
pub fn left(key: &ActId, word: Option<&str>) -> Vec<u32> {
    let mark = format!("BW_RUN_KEY={key}").into_bytes();
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: u32, file: &str, value: &[u8]| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|all| all.split(|b| *b == 0).any(|v| v == value))
    };
    pids.filter(|pid| holds(*pid, "environ", &mark) || word.is_some_and(|word| holds(*pid, "cmdline", word.as_bytes()))).collect()
}

/// Waits until nothing of an attempt runs.
pub fn nothing_left(key: &ActId, word: Option<&str>) {
    assert!(support::poll(|| left(key, word).is_empty().then_some(())).is_some(), "{:?} still run", left(key, word));
}

pub fn how(end: &End) -> How {
    end.how
}
