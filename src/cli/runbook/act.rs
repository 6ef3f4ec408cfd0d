//! Acts in runs: begin, start, tick, skip, undo, cancel, abort.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    dry, follow,
    shown::{self, Ended},
};
use crate::{
    cli::{
        acts,
        args::{Common, RunWords, UndoWords},
        run::{Code, block_on},
        setup,
    },
    domain::{
        Act, ActId, Entry, How, Incident, IncidentId, RUN_PREFIX, Run, RunId, RunState, RunStep, RunVerb, Runbook, RunbookId, Snapshot,
        Step, StepName, StepState, Text, Untrusted, Verb,
    },
    engine::{self, Refusal, Setup},
};

/// Why a command does nothing: a plain no, and no trouble.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct No(String);

/// A command at work on runs: what it works with, and what it knows.
pub(super) struct Desk {
    pub(super) setup: Setup,
    pub(super) snapshot: Snapshot,
}

/// Values by the names of inputs.
type Chosen = BTreeMap<String, Untrusted>;

impl Desk {
    pub(super) fn open(common: &Common) -> Result<Self> {
        let setup = setup::setup(&setup::load(common)?, common)?;
        let snapshot = engine::recall(&setup)?;
        Ok(Self { setup, snapshot })
    }
    /// The same, knowing what is open now.
    fn open_with_incidents(common: &Common) -> Result<Self> {
        let setup = setup::setup(&setup::load(common)?, common)?;
        let snapshot = block_on(engine::once(&setup))?;
        Ok(Self { setup, snapshot })
    }
    /// Read what the journal has got since.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        if let Some(store) = &self.setup.store {
            self.snapshot = engine::catch_up(&self.setup, store, &self.snapshot)?;
        }
        Ok(())
    }
    pub(super) fn run(&self, id: RunId) -> Result<&Run> {
        let run = self.snapshot.runs.get(&id).map(AsRef::as_ref);
        run.ok_or_else(|| No(format!("there is no run {id}; `burnwatch runbook status` lists them")).into())
    }
    fn act(&mut self, subject: &IncidentId, seen: u64, verb: RunVerb) -> Result<Result<Entry, Refusal>> {
        let act = Act { incident: subject.clone(), seen, verb: Verb::Run(verb), by: None };
        let done = block_on(engine::run_once(&self.setup, &self.snapshot, &act))?;
        self.catch_up()?;
        Ok(done)
    }
}

/// `burnwatch runbook run`.
pub fn run(common: &Common, words: &RunWords) -> Result<Code> {
    if let (None, Ok(id)) = (&words.incident, words.name.parse::<RunId>()) {
        return go_on(common, id, words);
    }
    let mut desk = if words.incident.is_some() { Desk::open_with_incidents(common)? } else { Desk::open(common)? };
    let runbook = RunbookId::new(&words.name);
    let Some(book) = desk.setup.plan.runbooks.book(&runbook).cloned() else {
        let why = format!("there is no runbook `{runbook}` that can be used");
        return shown::refused(Code::No, &why, words.json);
    };
    let incident = match &words.incident {
        None => None,
        Some(id) => match acts::find(&desk.snapshot, id) {
            Ok(incident) => Some(incident),
            Err(told) => return shown::refused(told.code, &told.why.unwrap_or_default(), words.json),
        },
    };
    let inputs = match chosen(&words.input, &book) {
        Ok(inputs) => inputs,
        Err(why) => return shown::refused(Code::Usage, &why, words.json),
    };
    if words.dry_run {
        let open = desk.snapshot.open_run(&book.id, incident.as_ref().map(|i| &i.id)).map(|run| Run::clone(run));
        let run = open.unwrap_or_else(|| Run::imagined(&book, incident.as_deref()));
        return dry::show(&run, &book, words.step.as_deref(), &inputs, words.json);
    }
    let id = match begin(&mut desk, &book, incident.as_deref())? {
        Ok(id) => id,
        Err(refusal) => return shown::refusal(&refusal, words.json),
    };
    Walk { book: &book, id, inputs, words }.go(&mut desk)
}

/// Go on in the run of this number.
fn go_on(common: &Common, id: RunId, words: &RunWords) -> Result<Code> {
    let mut desk = Desk::open(common)?;
    let run = desk.run(id)?;
    let Some(book) = desk.setup.plan.runbooks.book(&run.runbook).cloned() else {
        return shown::refused(Code::No, &format!("there is no runbook `{}` any more", run.runbook), words.json);
    };
    let inputs = match chosen(&words.input, &book) {
        Ok(inputs) => inputs,
        Err(why) => return shown::refused(Code::Usage, &why, words.json),
    };
    if words.dry_run {
        let run = run.clone();
        return dry::show(&run, &book, words.step.as_deref(), &inputs, words.json);
    }
    Walk { book: &book, id, inputs, words }.go(&mut desk)
}

/// The run to go on in: the one that is open, or a new one.
fn begin(desk: &mut Desk, book: &Runbook, incident: Option<&Incident>) -> Result<Result<RunId, Refusal>> {
    let incident = incident.map(|i| i.id.clone());
    if let Some(open) = desk.snapshot.open_run(&book.id, incident.as_ref()) {
        return Ok(Ok(open.id));
    }
    let verb = RunVerb::Begin { runbook: book.id.clone(), incident, drill: None };
    let entry = match desk.act(&IncidentId::new(RUN_PREFIX), 0, verb)? {
        Ok(entry) => entry,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let id = RunId::of_subject(&entry.subject).ok_or_else(|| anyhow::anyhow!("the journal gave the run no number"))?;
    eprintln!("run {id} of `{}` begun", book.id);
    Ok(Ok(id))
}

/// `region=eu` and such; each must be an input of some step.
fn chosen(given: &[String], book: &Runbook) -> Result<Chosen, String> {
    let mut chosen = Chosen::new();
    for pair in given {
        let Some((name, value)) = pair.split_once('=') else { return Err(format!("`{pair}` is not of the form name=value")) };
        if !book.steps.iter().flat_map(|s| &s.inputs).any(|i| i.name == name) {
            return Err(format!("no step of `{}` has an input `{name}`", book.id));
        }
        chosen.insert(name.to_owned(), Untrusted::new(value));
    }
    Ok(chosen)
}

/// Those values that a step has inputs for.
pub(super) fn of_step(inputs: &Chosen, step: &Step) -> Chosen {
    inputs.iter().filter(|(name, _)| step.inputs.iter().any(|i| i.name == **name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Going through a run.
struct Walk<'a> {
    book: &'a Runbook,
    id: RunId,
    inputs: Chosen,
    words: &'a RunWords,
}

impl Walk<'_> {
    fn go(&self, desk: &mut Desk) -> Result<Code> {
        loop {
            let next = desk.run(self.id)?.next().map(|s| (s.plan.name.clone(), s.state()));
            let (name, state) = match (&self.words.step, next) {
                (Some(step), _) => {
                    let name = StepName::new(step);
                    let state = desk.run(self.id)?.step(&name).map_or(StepState::Waiting, RunStep::state);
                    (name, state)
                }
                (None, Some(next)) => next,
                (None, None) => return shown::run(desk, self.id, self.words.json, Code::Yes),
            };
            // One that somebody else has started is waited for, not started again.
            let key = match desk.run(self.id)?.at_work() {
                Some((step, attempt)) if step.plan.name == name && self.words.step.is_none() => attempt.key.clone(),
                _ => match self.start(desk, &name, state)? {
                    Ok(key) => key,
                    Err(code) => return Ok(code),
                },
            };
            let end = follow::to_the_end(desk, self.id, &key, !self.words.json)?;
            let passed = desk.run(self.id)?.step(&name).is_some_and(RunStep::passed);
            let over = desk.run(self.id)?.next().is_none();
            match end {
                Ended::Left => return Ok(Code::Signal(2)),
                Ended::How(how) if !passed || !self.words.all || over => return shown::run(desk, self.id, self.words.json, code_of(how)),
                Ended::How(_) => {}
            }
        }
    }

    /// Start a step; the key of the attempt, or how the command ends because it was not started.
    fn start(&self, desk: &mut Desk, name: &StepName, state: StepState) -> Result<Result<ActId, Code>> {
        let json = self.words.json;
        let Some(step) = self.book.step(name) else {
            let why = format!("there is no step `{name}` in `{}`", self.book.id);
            return shown::refused(Code::No, &why, json).map(Err);
        };
        if let Some(danger) = step.danger.as_ref().filter(|_| !self.words.yes) {
            let why = format!("step `{name}` is dangerous: {danger}; say --yes if you mean it");
            return shown::refused(Code::No, &why, json).map(Err);
        }
        if state == StepState::Unknown && !self.words.again {
            let why = format!("nobody knows how step `{name}` ended; look at what it did, then say --again, or skip it");
            return shown::refused(Code::No, &why, json).map(Err);
        }
        let (subject, seen) = (self.id.subject(), desk.run(self.id)?.version);
        let verb = RunVerb::Start { step: name.clone(), inputs: of_step(&self.inputs, step), again: self.words.again };
        if !json {
            eprintln!("step `{name}`: {}", step.title);
            if let Some(caution) = engine::caution().filter(|_| step.kind.command().is_some()) {
                eprintln!("burnwatch: {caution}");
            }
        }
        match desk.act(&subject, seen, verb)? {
            Ok(entry) => Ok(Ok(entry.act)),
            Err(refusal) => shown::refusal(&refusal, json).map(Err),
        }
    }
}

/// The exit code of a step's end.
pub(super) const fn code_of(how: How) -> Code {
    match how {
        How::Ok => Code::Yes,
        How::Failed | How::TimedOut | How::Cancelled | How::NotRun => Code::No,
        How::Unknown => Code::Unknown,
    }
}

/// One act in a run, and then how the run stands.
fn once(common: &Common, id: RunId, json: bool, verb: impl FnOnce(&Run) -> Result<RunVerb>) -> Result<(Desk, Option<Code>)> {
    let mut desk = Desk::open(common)?;
    let run = desk.run(id)?;
    let (verb, seen) = (verb(run)?, run.version);
    let refused = match desk.act(&id.subject(), seen, verb)? {
        Ok(_) => None,
        Err(refusal) => Some(shown::refusal(&refusal, json)?),
    };
    Ok((desk, refused))
}

/// The step whose turn it is.
fn turn(run: &Run) -> Result<StepName> {
    run.next().map(|s| s.plan.name.clone()).ok_or_else(|| No(format!("run {} is over", run.id)).into())
}

/// `burnwatch runbook tick`: say that the step whose turn it is was done.
pub fn tick(common: &Common, id: RunId, note: Option<&str>, json: bool) -> Result<Code> {
    let (desk, refused) = once(common, id, json, |run| Ok(RunVerb::Tick { step: turn(run)?, note: note.map(Text::from) }))?;
    refused.map_or_else(|| shown::run(&desk, id, json, Code::Yes), Ok)
}

/// `burnwatch runbook skip`: leave the step whose turn it is out.
pub fn skip(common: &Common, id: RunId, reason: &str, json: bool) -> Result<Code> {
    let (desk, refused) = once(common, id, json, |run| Ok(RunVerb::Skip { step: turn(run)?, reason: Text::from(reason) }))?;
    refused.map_or_else(|| shown::run(&desk, id, json, Code::Yes), Ok)
}

/// `burnwatch runbook undo`: take a step back, and wait for the end of that.
pub fn undo(common: &Common, words: &UndoWords) -> Result<Code> {
    let mut desk = Desk::open(common)?;
    let run = desk.run(words.run)?;
    let Some(book) = desk.setup.plan.runbooks.book(&run.runbook).cloned() else {
        return shown::refused(Code::No, &format!("there is no runbook `{}` any more", run.runbook), words.json);
    };
    let (step, seen) = (StepName::new(&words.step), run.version);
    let undo = book.step(&step).and_then(|s| s.undo.as_ref()).and_then(|name| book.step(name));
    let inputs = match chosen(&words.input, &book) {
        Ok(inputs) => undo.map_or_else(Chosen::new, |undo| of_step(&inputs, undo)),
        Err(why) => return shown::refused(Code::Usage, &why, words.json),
    };
    let key = match desk.act(&words.run.subject(), seen, RunVerb::Undo { step, inputs })? {
        Ok(entry) => entry.act,
        Err(refusal) => return shown::refusal(&refusal, words.json),
    };
    match follow::to_the_end(&mut desk, words.run, &key, !words.json)? {
        Ended::Left => Ok(Code::Signal(2)),
        Ended::How(how) => shown::run(&desk, words.run, words.json, code_of(how)),
    }
}

/// `burnwatch runbook cancel`: end what runs, or what a lost attempt has left, and wait until it has ended.
pub fn cancel(common: &Common, id: RunId, json: bool) -> Result<Code> {
    let mut key = None;
    let (mut desk, refused) = once(common, id, json, |run| {
        let lost = || run.steps.iter().filter_map(|s| s.attempts.last()).find(|a| a.how() == Some(How::Unknown));
        let Some(attempt) = run.at_work().map(|(_, a)| a).or_else(lost) else {
            return Err(No(format!("nothing runs in run {id}")).into());
        };
        key = Some(attempt.key.clone());
        Ok(RunVerb::Cancel { key: attempt.key.clone() })
    })?;
    if let Some(code) = refused {
        return Ok(code);
    }
    if let Some(key) = key {
        follow::to_the_end(&mut desk, id, &key, false)?;
    }
    shown::run(&desk, id, json, Code::Yes)
}

/// `burnwatch runbook abort`: end a run and what runs of it, and wait until it has ended.
pub fn abort(common: &Common, id: RunId, reason: &str, json: bool) -> Result<Code> {
    let (mut desk, refused) = once(common, id, json, |_| Ok(RunVerb::Abort { reason: Text::from(reason) }))?;
    if let Some(code) = refused {
        return Ok(code);
    }
    if let Some(key) = desk.run(id)?.at_work().map(|(_, a)| a.key.clone()) {
        follow::to_the_end(&mut desk, id, &key, false)?;
    }
    let over = desk.run(id)?.state() == RunState::Aborted;
    shown::run(&desk, id, json, if over { Code::Yes } else { Code::Unknown })
}
