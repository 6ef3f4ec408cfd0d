//! A practice fleet and all that a cockpit on it needs, in a temporary folder that goes with it: what `demo` and `drill` stand on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{args::Common, run::Code, setup, shop::ADDRESS, watch};
use crate::{
    domain::{DefinitionId, Entry, Episode, Group, IncidentId, RUN_PREFIX, Run, RunEvent, Text, Untrusted, What},
    engine,
    fleet::{self, Fleet, Harm, Scenario},
    store::{self, Store},
};

/// Days of history laid into the store.
const DAYS: u32 = 30;

/// How long steps that are still at work are waited for.
const PATIENCE: Duration = Duration::from_secs(4);

/// The runbooks of the practice fleet.
const RUNBOOKS: [(&str, &str); 4] = [
    ("roll-back-canary.md", include_str!("../../practice/runbooks/roll-back-canary.md")),
    ("restart-queue-workers.md", include_str!("../../practice/runbooks/restart-queue-workers.md")),
    ("grow-connection-pool.md", include_str!("../../practice/runbooks/grow-connection-pool.md")),
    ("switch-off-recommendations.md", include_str!("../../practice/runbooks/switch-off-recommendations.md")),
];

/// A running fleet, its folder, its config and its store.
pub struct Practice {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    fleet: Fleet,
    /// The command line's words, with the practice config in place of the user's.
    pub common: Common,
}

/// What is left to be read once the cockpit has ended.
pub struct Remains {
    /// The practice store's journal, oldest first.
    pub entries: Vec<Entry>,
    /// Its alerts.
    pub episodes: Vec<Episode>,
    /// What was wrong in the fleet, and until when.
    pub harm: Harm,
}

impl Practice {
    /// Start a fleet to which `scenario` happens. `beside` is where the scenario's file lies, and with it runbooks of its own.
    pub fn start(common: &Common, scenario: Scenario, beside: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("burnwatch-demo-").tempdir().context("there is no place for the fleet's files")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("fleet").enable_all().build()?;
        let books = runbooks(&scenario, beside)?;
        let fleet = runtime.block_on(Fleet::start(scenario, Arc::new(chrono::Utc::now)))?;
        let config = folder.path().join("burnwatch.toml");
        let text = fleet.config(&folder.path().join("store").display().to_string(), login().as_deref());
        write(&config, &format!("{text}\n[runbooks]\ndir = \"runbooks\"\n"), 0o600)?;
        lay_runbooks(&folder.path().join("runbooks"), &books, &fleet.control())?;
        lay(&folder.path().join("store"), &fleet.history(DAYS))?;
        let common = Common { config: Some(config), store: None, ..common.clone() };
        Ok(Self { folder, runtime, fleet, common })
    }

    /// A cockpit on it, until the person leaves.
    pub fn play(&self) -> Result<Code> {
        let loaded = setup::load(&self.common)?;
        let hint = Text::from(self.join());
        let place = self.place();
        watch::cockpit(
            setup::prepare(&loaded, &self.common)?,
            move || setup::open_store(&place),
            &self.common,
            self.common.look.theme.as_deref(),
            Some(hint),
        )
    }

    /// The command by which another cockpit joins.
    pub fn join(&self) -> String {
        let config = self.common.config.as_deref().unwrap_or(Path::new("")).display().to_string();
        format!("{} --config {}", quoted(&program()), quoted(&config))
    }

    /// What is wrong in the fleet now.
    pub fn harm(&self) -> Harm {
        self.fleet.harm()
    }

    /// Where its store is.
    pub fn place(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// What there is to be read of it so far.
    pub fn remains(&self) -> Result<Remains> {
        let store = Store::open(&self.place())?;
        let entries = store.entries_since(0)?;
        let episodes = store.episodes(self.fleet.started_at())?;
        Ok(Remains { entries, episodes, harm: self.fleet.harm() })
    }

    /// End the steps that are still at work, as they would find nothing left to act on and nobody to tell.
    fn end_steps(&self) -> Result<()> {
        let store = Store::open(&self.place())?;
        let until = Instant::now() + PATIENCE;
        let mut ended = BTreeSet::new();
        loop {
            let at_work: Vec<Run> = runs(&store.threads_before(RUN_PREFIX, i64::MAX.unsigned_abs())?);
            let at_work: Vec<Run> = at_work.into_iter().filter(|run| run.at_work().is_some()).collect();
            if at_work.is_empty() || Instant::now() > until {
                return Ok(());
            }
            for run in at_work.iter().filter(|run| ended.insert(run.id)) {
                let what = What::Run { event: RunEvent::Aborted { reason: "the practice is over".into() } };
                let (at, subject, title) = (chrono::Utc::now(), run.id.subject(), run.title.clone());
                let act = engine::act_id(at, engine::random_bits());
                let entry = Entry { id: 0, at, act, subject, title, service: None, version: 0, who: run.by.clone(), what };
                drop(store.append(entry, Some(run.version)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Close the fleet and take all its files away.
    pub fn end(self) -> Result<()> {
        // Whatever goes wrong with that, the files go.
        drop(self.end_steps());
        drop(self.fleet);
        self.runtime.shutdown_timeout(Duration::from_millis(100));
        self.folder.close().context("the fleet's files could not be removed")
    }
}

/// The runs that a journal tells.
fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut threads: BTreeMap<&IncidentId, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        threads.entry(&entry.subject).or_default().push(entry);
    }
    threads.into_values().filter_map(Run::of).collect()
}

/// The runbooks that a scenario's steps are taken from: the fleet's own all of them, and files that lie beside the scenario's.
fn runbooks(scenario: &Scenario, beside: Option<&Path>) -> Result<Vec<(String, String)>> {
    let mut books: Vec<(String, String)> = RUNBOOKS.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
    for named in scenario.runbooks.iter().filter(|n| !RUNBOOKS.iter().any(|(own, _)| own == n)) {
        let missing =
            || format!("{}: there is no runbook `{named}` of the practice fleet, nor one beside the scenario's file", scenario.name);
        let file = beside.map(|folder| folder.join(named)).with_context(missing)?;
        let text = fs::read_to_string(&file).with_context(missing)?;
        let name = file.file_name().with_context(missing)?.to_string_lossy().into_owned();
        books.retain(|(own, _)| *own != name);
        books.push((name, text));
    }
    Ok(books)
}

/// Lay the runbooks into a folder of their own, and beside them the script by which their steps act on the fleet.
fn lay_runbooks(folder: &Path, books: &[(String, String)], control: &str) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    for (name, text) in books {
        write(&folder.join(name), text, 0o600)?;
    }
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    let script = format!(
        "#!/bin/sh\n# An order to the practice fleet: ./shop look checkout\n{ADDRESS}={control} exec {} shop \"$@\"\n",
        quoted(&program.display().to_string())
    );
    write(&folder.join("shop"), &script, 0o700)
}

fn write(file: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(file, text)
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(mode)))
        .with_context(|| file.display().to_string())
}

/// The command that started this program, as the person typed it.
fn program() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    if typed.is_empty() { "burnwatch".to_owned() } else { typed }
}

/// A word as a shell takes it: in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn login() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    uzers::get_user_by_uid(uid).map(|u| u.name().to_string_lossy().into_owned())
}

/// Lay the fleet's past into a new store.
fn lay(place: &Path, past: &[fleet::Bucket]) -> Result<()> {
    let bucket = |b: &fleet::Bucket| store::Bucket {
        definition: DefinitionId::new(b.slo),
        group: Group(vec![Untrusted::new(b.service.clone())]),
        from: b.from,
        to: b.to,
        bad: b.bad,
        total: b.total,
        gap: false,
    };
    let buckets: Vec<_> = past.iter().map(bucket).collect();
    Store::open(place)?.lay_history(&buckets)?;
    Ok(())
}
