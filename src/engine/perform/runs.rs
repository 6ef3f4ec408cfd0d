//! Acts in runs of runbooks: what may be done is decided by the run as the journal tells it, written down, and only then done.
//!
//! What is done is mostly to start a runner, which then goes its own way; the journal brings back what comes of it. Nothing here starts
//! a step that nobody asked for. What somebody asked for and nobody ended is looked after by saying that it is not known, by
//! every cockpit alike: the version that each names lets one of them say it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Acting, Refusal, itself};
use crate::{
    domain::{
        Act, ActId, Attempt, BadVariable, Begun, Check, End, Entry, Expectation, Hangup, How, IncidentId, Observed, Process, RUN_PREFIX,
        Run, RunEvent, RunId, RunVerb, Runbook, RunbookId, Snapshot, Started, Step, StepKind, StepName, Text, Untrusted, What, baseline,
        variables,
    },
    engine::{
        Clock,
        runner::{
            Job, Task, launch,
            process::{self, GRACE},
        },
    },
    sources::Source,
    store::{JournalError, Store},
};

/// How long a runner may take to come up before it is given up, if nobody sees that it is gone.
const COMING_UP: TimeDelta = TimeDelta::seconds(45);
/// How long after its time an attempt is given up whose runner cannot be looked at from here.
const OVERDUE: TimeDelta = TimeDelta::seconds(60);
/// How many numbers of runs are tried that others have just taken.
const NUMBERS: u64 = 50;
/// The longest a query may take, whatever the step allows.
const QUERY: Duration = Duration::from_mins(2);

/// Why nothing was done in a run.
#[derive(Debug, thiserror::Error)]
pub enum RunTrouble {
    /// The run as it stands has no place for it.
    #[error("{0}")]
    Run(#[from] crate::domain::RunRefusal),
    /// There is no such runbook.
    #[error("there is no runbook `{0}` that can be used; `burnwatch runbook list` tells which there are and what is wrong with others")]
    NoRunbook(RunbookId),
    /// The file is another than the one that the run began with.
    #[error("runbook `{0}` is not what it was when this run began; begin a new run")]
    Changed(RunbookId),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// Somebody has begun it already.
    #[error("run {run} of this runbook is open already, begun by {by}; go on in that one")]
    Open {
        /// Which.
        run: RunId,
        /// By whom.
        by: crate::domain::Actor,
    },
    /// What is known of the incident or was chosen cannot be told to the step.
    #[error("{0}")]
    Variable(#[from] BadVariable),
    /// There is no source that could answer a query.
    #[error("{0}")]
    NoSource(String),
    /// Nothing runs by the word of this configuration.
    #[error("{0}")]
    Held(Text),
    /// What an earlier attempt has left still runs.
    #[error("what the last attempt has left still runs ({0}); end that first")]
    StillRuns(String),
}

impl From<RunTrouble> for Refusal {
    fn from(trouble: RunTrouble) -> Self {
        Self::Run(trouble)
    }
}

/// What was decided: the entry to be written, the version it is decided on, and what is to be done once it is written.
#[derive(Debug)]
pub struct Deed {
    entry: Entry,
    seen: u64,
    work: Work,
}

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Nothing more.
    None,
    /// Start a runner.
    Launch(Box<Job>),
    /// Ask a source.
    Query(Box<Query>),
    /// End what an attempt has left whose runner is gone.
    Sweep(Box<Attempt>),
}

/// A query of a check.
#[derive(Debug)]
pub struct Query {
    key: ActId,
    source: Arc<dyn Source>,
    text: Untrusted,
    expect: Option<Expectation>,
    timeout: Duration,
}

impl Acting {
    /// Decide what a wish means for the run as it is now, without doing anything.
    pub fn decide_run(&self, snapshot: &Snapshot, act: &Act, verb: &RunVerb, id: &ActId, now: DateTime<Utc>) -> Result<Deed, Refusal> {
        if self.plan.read_only {
            return Err(Refusal::ReadOnly);
        }
        if let RunVerb::Begin { runbook, incident, drill } = verb {
            return self.begin(snapshot, act, (runbook, incident.as_ref(), drill.as_ref()), id, now);
        }
        let run = RunId::of_subject(&act.incident).and_then(|id| snapshot.runs.get(&id));
        let run = run.ok_or_else(|| RunTrouble::NoRun(RunId::of_subject(&act.incident).unwrap_or(RunId(0))))?;
        // Whatever a person did since is to be seen first; that a runner came up or ended is not.
        let deed = |e: &&Arc<Entry>| e.subject == act.incident && e.version > act.seen && e.what.is_a_deed();
        if let Some(first) = snapshot.latest.iter().find(deed) {
            return Err(late(first));
        }
        let (event, work) = self.event(snapshot, run, verb, id)?;
        let who = act.by.clone().unwrap_or_else(|| self.me.clone());
        run.as_ref().clone().apply(&event, &who, now).map_err(RunTrouble::from)?;
        let mut deed = Deed { entry: entry(run, id, who, event, now), seen: run.version, work };
        if let Work::Launch(job) = &mut deed.work {
            job.who = deed.entry.who.clone();
        }
        Ok(deed)
    }

    fn begin(
        &self,
        snapshot: &Snapshot,
        act: &Act,
        (runbook, incident, drill): (&RunbookId, Option<&IncidentId>, Option<&Text>),
        id: &ActId,
        now: DateTime<Utc>,
    ) -> Result<Deed, Refusal> {
        let book = self.plan.runbooks.book(runbook).ok_or_else(|| RunTrouble::NoRunbook(runbook.clone()))?;
        let incident = incident.map(|id| snapshot.incident(id).ok_or_else(|| Refusal::NotOpen(id.clone()))).transpose()?;
        let begun = Begun { drill: drill.cloned(), ..Begun::of(book, incident.map(|i| &**i)) };
        if let Some(open) = snapshot.open_run(runbook, begun.incident.as_ref()) {
            return Err(RunTrouble::Open { run: open.id, by: open.by.clone() }.into());
        }
        // First the number, then the journal: who began the same meanwhile has either taken that number or is seen now.
        let journal = |e: crate::store::StoreError| Refusal::NoJournal(e.to_string());
        let number = self.store.highest(RUN_PREFIX).map_err(journal)? + 1;
        let newest = snapshot.latest.last().map_or(0, |e| e.id);
        for entry in self.store.entries_since(newest).map_err(journal)? {
            same(&begun, &entry)?;
        }
        let service = incident.and_then(|i| i.service.clone());
        let who = act.by.clone().unwrap_or_else(|| self.me.clone());
        let (title, subject) = (book.title.clone(), RunId(number).subject());
        let what = What::Run { event: RunEvent::Begun(Box::new(begun)) };
        let entry = Entry { id: 0, at: now, act: id.clone(), subject, title, service, version: 0, who, what };
        Ok(Deed { entry, seen: 0, work: Work::None })
    }

    /// What a wish is as an event, and what is to be done once that is written.
    fn event(&self, snapshot: &Snapshot, run: &Run, verb: &RunVerb, id: &ActId) -> Result<(RunEvent, Work), Refusal> {
        Ok(match verb {
            RunVerb::Begin { .. } => return Err(RunTrouble::NoRun(run.id).into()),
            RunVerb::Start { step, inputs, again } => self.start(snapshot, run, (step, None, *again), inputs, id)?,
            RunVerb::Undo { step, inputs } => {
                let planned = run.step(step).ok_or_else(|| RunTrouble::Run(crate::domain::RunRefusal::NoStep(step.clone())))?;
                let undo = planned.plan.undo.clone().ok_or_else(|| RunTrouble::Run(crate::domain::RunRefusal::NoUndo(step.clone())))?;
                self.start(snapshot, run, (&undo, Some(step), true), inputs, id)?
            }
            RunVerb::Tick { step, note } => (RunEvent::Ticked { step: step.clone(), note: note.clone() }, Work::None),
            RunVerb::Skip { step, reason } => (RunEvent::Skipped { step: step.clone(), reason: reason.clone() }, Work::None),
            RunVerb::Abort { reason } => (RunEvent::Aborted { reason: reason.clone() }, Work::None),
            RunVerb::Cancel { key } => {
                let lost = |a: &&Attempt| a.how() == Some(How::Unknown) || a.runner.as_ref().map(process::is_alive) == Some(Some(false));
                let attempt = run.attempt(key).map(|(_, attempt)| attempt).filter(lost);
                let work = attempt.map_or(Work::None, |attempt| Work::Sweep(Box::new(attempt.clone())));
                (RunEvent::CancelAsked { key: key.clone() }, work)
            }
        })
    }

    fn start(
        &self,
        snapshot: &Snapshot,
        run: &Run,
        (name, undoes, again): (&StepName, Option<&StepName>, bool),
        inputs: &BTreeMap<String, Untrusted>,
        id: &ActId,
    ) -> Result<(RunEvent, Work), Refusal> {
        let book = self.plan.runbooks.book(&run.runbook).ok_or_else(|| RunTrouble::NoRunbook(run.runbook.clone()))?;
        if book.hash != run.hash {
            return Err(RunTrouble::Changed(run.runbook.clone()).into());
        }
        let step = book.step(name).ok_or_else(|| RunTrouble::Run(crate::domain::RunRefusal::NoStep(name.clone())))?;
        let last = run.step(name).and_then(|s| s.attempts.last()).filter(|a| a.how() == Some(How::Unknown));
        let left = last.map_or_else(Vec::new, |a| process::left_by(&a.key, a.runner.as_ref()));
        if !left.is_empty() {
            return Err(RunTrouble::StillRuns(named(&left)).into());
        }
        if let Some(why) =
            self.plan.runbooks.held.as_ref().filter(|_| !matches!(step.kind, StepKind::Check { check: Check::Query { .. }, .. }))
        {
            return Err(RunTrouble::Held(why.clone()).into());
        }
        let work = self.work_of(run, book, step, inputs, id)?;
        let started = Started {
            key: id.clone(),
            step: name.clone(),
            undoes: undoes.cloned(),
            again,
            command: step.hash(),
            inputs: inputs.clone(),
            timeout_secs: step.timeout.as_secs(),
            starter: process::this(),
            before: step.effect.as_ref().and_then(|wish| baseline(snapshot, &wish.signal)),
        };
        Ok((RunEvent::Started(started), work))
    }

    fn work_of(&self, run: &Run, book: &Runbook, step: &Step, inputs: &BTreeMap<String, Untrusted>, id: &ActId) -> Result<Work, Refusal> {
        let variables = variables(run, step, id, inputs).map_err(RunTrouble::from)?;
        let expect = step.kind.expect().cloned();
        let task = match &step.kind {
            // Refused by the run itself.
            StepKind::Manual => return Ok(Work::None),
            StepKind::Check { check: Check::Query { source, query }, .. } => {
                let source = self.asked(source.as_ref())?;
                let (key, text, timeout) = (id.clone(), query.clone(), step.timeout.min(QUERY));
                return Ok(Work::Query(Box::new(Query { key, source, text, expect, timeout })));
            }
            StepKind::Check { check: Check::Command(command), .. } | StepKind::Run(command) => {
                Task::Command { shell: command.shell.program().to_owned(), text: command.text.raw().to_owned() }
            }
            StepKind::Check { check: Check::Http(call), .. } => Task::Http { call: call.clone(), acts: false },
            StepKind::Http { call, .. } => {
                let acts = !matches!(call.method.as_str(), "GET" | "HEAD");
                Task::Http { call: call.clone(), acts }
            }
        };
        let stops = step.on_hangup == Hangup::Stop || matches!(step.kind, StepKind::Check { .. });
        Ok(Work::Launch(Box::new(Job {
            store: self.store.folder().to_owned(),
            run: run.id,
            title: run.title.clone(),
            service: run.service.clone(),
            who: self.me.clone(),
            key: id.clone(),
            version: 0,
            task,
            expect,
            folder: book.file.parent().filter(|f| f.is_dir()).map_or_else(|| PathBuf::from("/"), PathBuf::from),
            variables,
            timeout: step.timeout,
            stops,
            starter: process::this(),
        })))
    }

    /// The source that a query goes to.
    fn asked(&self, named: Option<&crate::domain::SourceName>) -> Result<Arc<dyn Source>, Refusal> {
        let mut can = self.sources.iter().filter(|s| s.figures().is_some());
        let found = match named {
            Some(name) => can.find(|s| s.name() == name).ok_or_else(|| format!("there is no source `{name}` that answers queries")),
            None => match (can.next(), can.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err("there is no source that answers queries".to_owned()),
                (Some(_), Some(_)) => Err("several sources answer queries; say which with `source=`".to_owned()),
            },
        };
        found.cloned().map_err(|why| RunTrouble::NoSource(why).into())
    }

    /// Write a deed down; what is to be done then, and the entry. Of two who do the same at once the second is told who was first.
    pub fn ask_run(&self, deed: Deed) -> Result<(Entry, Work), Refusal> {
        let Deed { mut entry, seen, mut work } = deed;
        for _ in 0..NUMBERS {
            match self.store.append(entry.clone(), Some(seen)) {
                Ok(written) => {
                    if let Work::Launch(job) = &mut work {
                        job.version = written.version;
                    }
                    return Ok((written, work));
                }
                Err(JournalError::Store(error)) => return Err(Refusal::NoJournal(error.to_string())),
                Err(JournalError::Conflict { first }) => match (&entry.what, RunId::of_subject(&entry.subject)) {
                    (What::Run { event: RunEvent::Begun(begun) }, Some(RunId(number))) => {
                        // Who took the number may have gone on meanwhile: what they began is what their thread begins with.
                        let taken = self.store.thread(&entry.subject).map_err(|e| Refusal::NoJournal(e.to_string()))?;
                        taken.first().map_or(Ok(()), |begins| same(begun, begins))?;
                        entry.subject = RunId(number + 1).subject();
                    }
                    // That a runner came up or ended meanwhile is no deed; what was decided is decided anew by who asked.
                    _ => return Err(late(&first)),
                },
            }
        }
        Err(Refusal::NoJournal("too many begin runs at once; try again".to_owned()))
    }

    /// Do what is to be done. What comes of it is in the journal.
    pub async fn work(&self, asked: &Entry, work: Work, clock: &Clock) {
        match work {
            Work::None => {}
            Work::Launch(job) => self.launch(&job, clock),
            Work::Query(query) => self.query(asked, &query, clock).await,
            Work::Sweep(attempt) => {
                let (store, asked, clock) = (Arc::clone(&self.store), asked.clone(), clock.clone());
                let _ = tokio::task::spawn_blocking(move || sweep(&store, &asked, &attempt, &clock)).await;
            }
        }
    }

    /// Start the runner, and see to it that one that goes without a word is not waited for.
    fn launch(&self, job: &Job, clock: &Clock) {
        let (store, run, key) = (Arc::clone(&self.store), job.run, job.key.clone());
        match launch(job, &self.program) {
            Ok(mut child) => {
                let clock = clock.clone();
                std::thread::spawn(move || {
                    let _ = child.wait();
                    look_after_run(&store, run, Some(&key), clock.now());
                });
            }
            Err(error) => {
                let why = format!("its runner could not be started: {error}");
                let event = RunEvent::Ended { key: job.key.clone(), end: End::told(How::NotRun, &why) };
                let _ = store.append(job.entry(event, clock.now()), Some(job.version));
            }
        }
    }

    async fn query(&self, asked: &Entry, query: &Query, clock: &Clock) {
        let write = |event, expects| {
            let entry = Entry { id: 0, version: 0, at: clock.now(), what: What::Run { event }, ..asked.clone() };
            self.store.append(entry, expects)
        };
        let up = RunEvent::Up { key: query.key.clone(), runner: process::this() };
        if write(up, Some(asked.version)).is_err() {
            return;
        }
        let Some(figures) = query.source.figures() else { return };
        let tell = clock.clone();
        let began = std::time::Instant::now();
        let figure = figures.figure(query.text.raw(), query.timeout, &move || tell.now()).await;
        let mut end = match figure {
            Err(why) => End::told(How::Failed, why.as_str()),
            Ok(None) => End::told(How::Failed, "the query gives no figure"),
            Ok(Some(figure)) => {
                let seen = Observed { figure: Some(figure), ..Observed::default() };
                match Expectation::judge_or_usual(query.expect.as_ref(), &seen) {
                    Ok(()) => End::told(How::Ok, &figure.to_string()),
                    Err(why) => End::told(How::Failed, &why),
                }
            }
        };
        end.took_ms = u64::try_from(began.elapsed().as_millis()).ok();
        let _ = write(RunEvent::Ended { key: query.key.clone(), end }, None);
    }
}

/// Refuses to begin what `entry` has begun.
fn same(begun: &Begun, entry: &Entry) -> Result<(), Refusal> {
    match (&entry.what, RunId::of_subject(&entry.subject)) {
        (What::Run { event: RunEvent::Begun(other) }, Some(run)) if other.runbook == begun.runbook && other.incident == begun.incident => {
            Err(RunTrouble::Open { run, by: entry.who.clone() }.into())
        }
        _ => Ok(()),
    }
}

fn late(first: &Entry) -> Refusal {
    let at = first.at.format("%H:%M:%S UTC").to_string();
    Refusal::Late { title: first.title.clone(), who: first.who.clone(), verb: first.what.verb(), at }
}

fn entry(run: &Run, id: &ActId, who: crate::domain::Actor, event: RunEvent, at: DateTime<Utc>) -> Entry {
    let (subject, title, service, what) = (run.id.subject(), run.title.clone(), run.service.clone(), What::Run { event });
    Entry { id: 0, at, act: id.clone(), subject, title, service, version: 0, who, what }
}

/// `sleep (4711), curl (4712)`
fn named(stats: &[process::Stat]) -> String {
    let some: Vec<_> = stats.iter().take(5).map(|s| format!("{} ({})", s.name, s.pid)).collect();
    let more = stats.len().saturating_sub(some.len());
    format!("{}{}", some.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

/// End what an attempt has left, and say so.
fn sweep(store: &Store, asked: &Entry, attempt: &Attempt, clock: &Clock) {
    let look = || process::left_by(&attempt.key, attempt.runner.as_ref());
    let (ended, rest) = process::end_all(look, GRACE, std::thread::sleep);
    let why = match (ended, rest.as_slice()) {
        (0, _) => return,
        (n, []) => format!("its runner was gone; what it had left was ended ({n})"),
        (_, rest) => format!("its runner was gone; what it had left could not all be ended: {}", named(rest)),
    };
    let how = if rest.is_empty() { How::Cancelled } else { How::Unknown };
    let end = End { left: process::as_left(&rest), ..End::told(how, &why) };
    let event = RunEvent::Ended { key: attempt.key.clone(), end };
    let entry = Entry { id: 0, version: 0, at: clock.now(), what: What::Run { event }, ..asked.clone() };
    let _ = store.append(entry, None);
}

/// Say of an attempt that nobody will end any more that its end is not known, or that it never began. `gone` is the attempt whose runner
/// was seen to end by who asks.
fn look_after_run(store: &Store, run: RunId, gone: Option<&ActId>, now: DateTime<Utc>) {
    // Whoever writes at the same moment has seen something too: look again what it is.
    for _ in 0..5 {
        let Some(run) = store.thread(&run.subject()).ok().and_then(|thread| Run::of(&thread)) else { return };
        match lost(&run, gone, now) {
            None => return,
            Some(entry) => match store.append(entry, Some(run.version)) {
                Err(JournalError::Conflict { .. }) => {}
                _ => return,
            },
        }
    }
}

/// What is to be said of the attempt that is at work in `run`, if it is lost.
fn lost(run: &Run, gone: Option<&ActId>, now: DateTime<Utc>) -> Option<Entry> {
    let (_, attempt) = run.at_work()?;
    // The next step may have been started already.
    let gone = gone == Some(&attempt.key);
    let overdue = now > attempt.at + TimeDelta::seconds(attempt.timeout_secs.min(1 << 32).cast_signed()) + OVERDUE;
    let end = match &attempt.runner {
        Some(runner) if is_gone(runner, overdue) => {
            let left = process::left_by(&attempt.key, Some(runner));
            let why = if left.is_empty() {
                "its runner is gone without a word; look at what it did before you repeat it".to_owned()
            } else {
                format!("its runner is gone without a word; still running: {}; look, or cancel it", named(&left))
            };
            End { left: process::as_left(&left), ..End::told(How::Unknown, &why) }
        }
        None if gone || now > attempt.at + COMING_UP => End::told(How::NotRun, "its runner never came up; nothing of it ran"),
        _ => return None,
    };
    let event = RunEvent::Ended { key: attempt.key.clone(), end };
    Some(entry(run, &attempt.key, itself(), event, now))
}

fn is_gone(runner: &Process, overdue: bool) -> bool {
    process::is_alive(runner).map_or(overdue, |alive| !alive)
}

/// Look after every run in which something is at work.
pub fn look_after_runs(store: &Store, snapshot: &Snapshot, now: DateTime<Utc>) {
    let open = snapshot.runs.values().filter(|run| lost(run, None, now).is_some());
    for run in open {
        look_after_run(store, run.id, None, now);
    }
}
