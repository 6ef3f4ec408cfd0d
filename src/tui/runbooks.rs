//! Runbooks on the screen: which one is open, in which run, and what the keys do in it.
//!
//! A runbook is opened for an incident (or for none) and shows its steps. To begin a run writes that down and runs nothing; from then on
//! the next step is always one key away, and asks before it runs. What the screen shows of a run is what the journal says of it, so that a
//! run which somebody else began, or which went on while nobody looked, is simply there.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    action::Action,
    state::{Detail, Mode, Screen, Subject, Typed, Ui},
    update,
};
use crate::domain::{
    Act, ActId, Actor, Incident, IncidentId, Input, Question, QueueRow, Reason, Request, Run, RunId, RunStep, RunVerb, Runbook, RunbookId,
    Step, StepName, StepState, Text, Untrusted, Verb,
};

/// A runbook that is open.
#[derive(Clone, Debug)]
pub struct Open {
    /// Which.
    pub id: RunbookId,
    /// For which incident; the one that was drawn.
    pub incident: Option<Arc<Incident>>,
    /// The step that is looked at; `None` for the one whose turn it is.
    pub at: Option<StepName>,
    /// Lines of what stands at the right that are scrolled away.
    pub scroll: u16,
    /// Whether exactly what would run is shown.
    pub dry: bool,
    /// The run that was going on when it was last looked: it stays when it is over.
    pub pinned: Option<RunId>,
    /// The run that is over and was turned away from: another one may begin.
    pub left: Option<RunId>,
    /// What else matches.
    pub others: Vec<RunbookId>,
    /// Where to go back to.
    pub from: (Screen, Option<Box<Detail>>),
}

/// What is to be done in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    /// Start a step; the second time, after who asks has looked at what the first has done.
    Start {
        /// Whether it is the second time.
        again: bool,
    },
    /// Take a step back by another.
    Undo,
    /// Say that a step is done.
    Tick,
    /// Leave a step out.
    Skip,
    /// End an attempt.
    Cancel(ActId),
    /// End the run.
    Abort,
}

impl Doing {
    /// The verb for a key.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Start { .. } => "run it",
            Self::Undo => "undo it",
            Self::Tick => "it is done",
            Self::Skip => "skip it",
            Self::Cancel(_) => "end it",
            Self::Abort => "end the run",
        }
    }
}

/// What waits for a yes, as it was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct RunWish {
    /// The run, as it stood.
    pub run: Arc<Run>,
    /// The step.
    pub step: StepName,
    /// What.
    pub doing: Doing,
    /// What was chosen, by the names of the inputs.
    pub inputs: BTreeMap<String, Untrusted>,
    /// The reason, or the note.
    pub words: Option<Text>,
}

/// What is typed before.
#[derive(Clone, Debug, PartialEq)]
pub enum Asking {
    /// The value of an input.
    Input(Input),
    /// Why; or, of what is ticked off, anything.
    Words,
    /// The step's name, because it is dangerous.
    Danger(Text),
    /// Who acts.
    Name,
}

impl Ui {
    /// Whether the keys go to a runbook.
    pub fn reads(&self) -> bool {
        self.screen == Screen::Runbooks && self.book.is_some() && matches!(self.mode, Mode::Normal)
    }
    /// The runbook that is open on the screen.
    pub fn open_book(&self) -> Option<&Open> {
        self.book.as_deref().filter(|_| self.screen == Screen::Runbooks)
    }
    /// The runbooks for an incident.
    pub fn matching(&self, incident: &Incident) -> Vec<(&Arc<Runbook>, Reason)> {
        self.snapshot.runbooks.matching(incident)
    }
    /// The incident that runbooks would be opened for: that under the cursor; in a list whose row has none the worst there is.
    pub fn for_incident(&self) -> Option<Arc<Incident>> {
        match &self.detail {
            Some(Detail { subject: Subject::Incident(incident), .. }) => Some(incident.clone()),
            _ if self.screen == Screen::Runbooks => self.incident().cloned(),
            None if self.screen.lists() => self.actionable().or_else(|| self.answers.as_ref().and_then(|answers| answers.incident.clone())),
            _ => self.actionable(),
        }
    }
    /// The selected runbook of the library.
    pub fn selected_book(&self) -> Option<&Arc<Runbook>> {
        self.snapshot.runbooks.books.get(self.books.source_index()?)
    }
    /// The library's order: what matches the selected incident first, then by service, then by title.
    pub(super) fn book_order(&self) -> Vec<u32> {
        let library = &self.snapshot.runbooks;
        let matching: Vec<RunbookId> =
            self.incident().map(|i| library.matching(i)).into_iter().flatten().map(|(book, _)| book.id.clone()).collect();
        let place = |book: &Runbook| matching.iter().position(|id| *id == book.id).unwrap_or(usize::MAX);
        let mut order: Vec<u32> = (0..u32::try_from(library.books.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by_key(|i| library.books.get(*i as usize).map(|b| (place(b), b.services.first().cloned(), b.title.clone())));
        order
    }
}

impl Open {
    fn new(id: RunbookId, incident: Option<Arc<Incident>>, ui: &Ui) -> Self {
        let from = (ui.screen, ui.detail.clone().map(Box::new));
        Self { id, incident, at: None, scroll: 0, dry: false, pinned: None, left: None, others: Vec::new(), from }
    }
    /// The runbook, as its file says.
    pub fn book<'a>(&self, ui: &'a Ui) -> Option<&'a Arc<Runbook>> {
        ui.snapshot.runbooks.book(&self.id)
    }
    fn incident_id(&self) -> Option<&IncidentId> {
        self.incident.as_ref().map(|i| &i.id)
    }
    /// The run that goes on, or whose effect is still watched: of this runbook for this incident; where it was opened for none, of this
    /// runbook.
    pub fn run<'a>(&self, ui: &'a Ui) -> Option<&'a Arc<Run>> {
        let of = |run: &&Arc<Run>| run.runbook == self.id && (self.incident.is_none() || run.incident.as_ref() == self.incident_id());
        let newest = ui.snapshot.runs.values().rev().find(of)?;
        let shown = || self.left != Some(newest.id) && (newest.watched().is_some() || self.pinned == Some(newest.id));
        (!newest.state().is_over() || shown()).then_some(newest)
    }
    /// The step that is looked at.
    pub fn step_name(&self, ui: &Ui) -> Option<StepName> {
        if let Some(at) = &self.at {
            return Some(at.clone());
        }
        let run = self.run(ui);
        let at_work = run.and_then(|r| r.at_work()).map(|(step, _)| step.plan.name.clone());
        let next = || run.and_then(|r| r.next()).map(|s| s.plan.name.clone());
        let watched = || run.and_then(|r| r.watched()).map(|s| s.plan.name.clone());
        let last = || run.and_then(|r| r.way().last()).map(|s| s.plan.name.clone());
        let first = || self.book(ui)?.way().next().map(|s| s.name.clone());
        at_work.or_else(next).or_else(watched).or_else(last).or_else(first)
    }
    /// Names of all steps, those that undo others last.
    pub fn order(&self, ui: &Ui) -> Vec<StepName> {
        match (self.run(ui), self.book(ui)) {
            (Some(run), _) => run.way().chain(run.steps.iter().filter(|s| s.plan.undoes_only)).map(|s| s.plan.name.clone()).collect(),
            (None, Some(book)) => book.way().chain(book.steps.iter().filter(|s| book.is_undo(&s.name))).map(|s| s.name.clone()).collect(),
            (None, None) => Vec::new(),
        }
    }
    /// The step's text, if the file is still what the run began with.
    pub fn step<'a>(&self, ui: &'a Ui, name: &StepName) -> Option<&'a Step> {
        let book = self.book(ui)?;
        self.run(ui).is_none_or(|run| run.hash == book.hash).then(|| book.step(name)).flatten()
    }
    /// The attempt whose output is to be seen.
    pub fn shown_attempt(&self, ui: &Ui) -> Option<ActId> {
        let name = self.step_name(ui)?;
        Some(self.run(ui)?.step(&name)?.attempts.last()?.key.clone())
    }
}

/// Open the fittest runbook for the incident that was drawn, in the run that goes on if there is one.
pub fn open_matching(ui: &mut Ui, now: DateTime<Utc>) {
    if ui.screen == Screen::Runbooks {
        return open_selected(ui);
    }
    let Some(incident) = ui.for_incident() else {
        if let Some(Subject::Queue(row)) = ui.subject() {
            return open_for_queue(ui, &row, now);
        }
        return ui.say("no open incident here: 6 lists all runbooks", now);
    };
    let matching: Vec<RunbookId> = ui.matching(&incident).into_iter().map(|(book, _)| book.id.clone()).collect();
    let Some(first) = matching.first().cloned() else {
        return ui.say(format!("no runbook matches {}: 6 lists all", incident.title), now);
    };
    let going_on = matching.iter().find(|id| ui.snapshot.open_run(id, Some(&incident.id)).is_some());
    let going_on = going_on.or_else(|| matching.iter().find(|id| ui.snapshot.watched_run(id, &incident.id).is_some())).cloned();
    let mut open = Open::new(going_on.unwrap_or(first), Some(incident), ui);
    open.others = matching;
    show(ui, open);
}

/// Open the fittest runbook for a queue that has no incident.
fn open_for_queue(ui: &mut Ui, row: &QueueRow, now: DateTime<Utc>) {
    let matching: Vec<RunbookId> = ui.snapshot.runbooks.matching_queue(row).into_iter().map(|(book, _)| book.id.clone()).collect();
    let Some(first) = matching.first().cloned() else {
        return ui.say(format!("no runbook is for {}: 6 lists all", row.id), now);
    };
    let mut open = Open::new(first, None, ui);
    open.others = matching;
    show(ui, open);
}

/// Open the runbook under the cursor of the library, for the selected incident if it is for that one.
pub fn open_selected(ui: &mut Ui) {
    let Some(book) = ui.selected_book().cloned() else { return };
    let going_on = ui.snapshot.runs.values().rev().find(|r| r.runbook == book.id && !r.state().is_over());
    let of_run = going_on.and_then(|r| r.incident.clone()).and_then(|id| ui.snapshot.incident(&id).cloned());
    let fits = |i: &&Arc<Incident>| ui.matching(i).iter().any(|(b, _)| b.id == book.id);
    let incident = if going_on.is_some() { of_run } else { ui.incident().filter(fits).cloned() };
    let open = Open::new(book.id.clone(), incident, ui);
    show(ui, open);
}

fn show(ui: &mut Ui, open: Open) {
    ui.detail = None;
    ui.screen = Screen::Runbooks;
    ui.book = Some(Box::new(open));
    ui.pin();
    ui.fit();
}

/// What an action means while a runbook is open. `None` if it means what it means on every screen.
pub fn update(ui: &mut Ui, action: &Action, now: DateTime<Utc>) -> Option<Vec<Request>> {
    let mut open = *ui.book.take()?;
    let mut requests = Vec::new();
    match action {
        Action::Back if ui.failures.front().is_some() => {
            ui.failures.pop_front();
        }
        Action::Back if open.dry => open.dry = false,
        Action::Back => {
            (ui.screen, ui.detail) = (open.from.0, open.from.1.map(|d| *d));
            ui.fit();
            return Some(requests);
        }
        Action::DryRun => (open.dry, open.scroll) = (!open.dry, 0),
        Action::Step(by) if open.dry => open.scroll = scrolled(&open, ui, *by),
        Action::Step(by) => choose(&mut open, ui, *by),
        Action::Page(by) => open.scroll = scrolled(&open, ui, by.saturating_mul(8)),
        Action::First => (open.at, open.scroll) = (None, 0),
        Action::NextPane => another(&mut open),
        Action::Open => requests = go_on(&mut open, ui, now),
        Action::Skip => wish(&open, ui, Doing::Skip, now),
        Action::Undo => wish(&open, ui, Doing::Undo, now),
        Action::Abort => wish(&open, ui, Doing::Abort, now),
        Action::Cancel => cancel(&open, ui, now),
        Action::Copy => {
            let id = open.run(ui).map_or_else(|| open.id.to_string(), |r| r.id.to_string());
            ui.say(format!("copied {id}"), now);
            ui.clipboard = Some(id);
        }
        _ => {
            ui.book = Some(Box::new(open));
            return None;
        }
    }
    ui.book = Some(Box::new(open));
    Some(requests)
}

fn scrolled(open: &Open, ui: &Ui, by: i32) -> u16 {
    let furthest = i64::from(open.scroll) + i64::from(ui.drawn.below);
    u16::try_from((i64::from(open.scroll) + i64::from(by)).clamp(0, furthest)).unwrap_or_default()
}

fn choose(open: &mut Open, ui: &Ui, by: i32) {
    let order = open.order(ui);
    let at = open.step_name(ui).and_then(|name| order.iter().position(|n| *n == name)).unwrap_or(0);
    let to = i64::try_from(at).unwrap_or(0).saturating_add(i64::from(by)).max(0);
    let to = usize::try_from(to).unwrap_or(0).min(order.len().saturating_sub(1));
    (open.at, open.scroll) = (order.get(to).cloned(), 0);
}

/// The next of those that match.
fn another(open: &mut Open) {
    let at = open.others.iter().position(|id| *id == open.id).unwrap_or(0);
    if let Some(next) = open.others.get((at + 1) % open.others.len().max(1)).cloned() {
        (open.id, open.at, open.scroll, open.pinned) = (next, None, 0, None);
    }
}

/// Do what comes next: begin a run, or ask whether to take the step whose turn it is.
fn go_on(open: &mut Open, ui: &mut Ui, now: DateTime<Utc>) -> Vec<Request> {
    if let Some(why) = ui.acting_is_off() {
        ui.fail(why);
        return Vec::new();
    }
    let Some(run) = open.run(ui).cloned() else { return begin(open, ui, now) };
    if run.state().is_over() {
        // One key too many begins nothing: the steps come first, and then the next run.
        (open.left, open.at, open.scroll) = (Some(run.id), None, 0);
        return Vec::new();
    }
    if let Some((step, _)) = run.at_work() {
        ui.say(format!("step `{}` is running: wait for it, or end it with c", step.plan.name), now);
        return Vec::new();
    }
    let Some(next) = run.next() else {
        ui.say("every step was taken: this run is over", now);
        return Vec::new();
    };
    open.at = None;
    let doing = match (next.plan.is_manual(), next.state()) {
        _ if next.plan.approve > 0 => {
            let name = &next.plan.name;
            ui.fail(format!("step `{name}` needs the approval of others, and nobody can be asked yet: do it by hand, and skip it with s"));
            return Vec::new();
        }
        (true, _) => Doing::Tick,
        (false, state) => Doing::Start { again: state == StepState::Unknown },
    };
    if let Some(held) = ui.snapshot.runbooks.held.clone().filter(|_| doing != Doing::Tick) {
        ui.fail(held.to_string());
        return Vec::new();
    }
    let name = next.plan.name.clone();
    if doing != Doing::Tick && open.step(ui, &name).is_none() {
        ui.fail("the runbook's file has changed since this run began: end the run with x, and begin a new one");
        return Vec::new();
    }
    ask(open, ui, run, name, doing);
    Vec::new()
}

fn begin(open: &mut Open, ui: &mut Ui, now: DateTime<Utc>) -> Vec<Request> {
    if open.book(ui).is_none() {
        ui.fail(format!("there is no runbook {} any more", open.id));
        return Vec::new();
    }
    if let (Some(proposed), None) = (ui.settings.ask_name.clone(), &ui.name) {
        ui.mode = Mode::Naming(Typed { text: proposed.to_string(), ..Typed::default() });
        return Vec::new();
    }
    ui.say("beginning; nothing has run yet", now);
    (open.at, open.scroll, open.dry) = (None, 0, false);
    let verb = RunVerb::Begin { runbook: open.id.clone(), incident: open.incident_id().cloned(), drill: None };
    let subject = open.incident_id().cloned().unwrap_or_else(|| IncidentId::new("run:0"));
    vec![act(ui, subject, 0, verb)]
}

fn act(ui: &Ui, subject: IncidentId, seen: u64, verb: RunVerb) -> Request {
    let by = ui.name.clone().map(|name| Actor { name, verified: false });
    Request::Act(Act { incident: subject, seen, verb: Verb::Run(verb), by })
}

/// Ask whether to do something with the step that is looked at.
fn wish(open: &Open, ui: &mut Ui, doing: Doing, now: DateTime<Utc>) {
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    let Some(run) = open.run(ui).filter(|r| !r.state().is_over()).cloned() else {
        return ui.say("no run has begun: enter begins one", now);
    };
    let looked_at = open.step_name(ui).and_then(|name| run.step(&name).cloned());
    let step = match doing {
        Doing::Skip => run.next().cloned(),
        Doing::Undo => looked_at.filter(|s| s.plan.undo.is_some()).or_else(|| undoable(&run)),
        _ => looked_at.or_else(|| run.steps.first().cloned()),
    };
    let Some(step) = step else {
        let what = if doing == Doing::Undo { "nothing here can be undone" } else { "every step was taken" };
        return ui.say(what, now);
    };
    if doing == Doing::Undo && step.plan.undo.is_none() {
        return ui.say(format!("step `{}` names no step that takes it back", step.plan.name), now);
    }
    if let (Some((busy, _)), true) = (run.at_work(), doing == Doing::Skip || doing == Doing::Undo) {
        return ui.say(format!("step `{}` is running: wait for it, or end it with c", busy.plan.name), now);
    }
    ask(open, ui, run, step.plan.name, doing);
}

/// The last step that has run and can be taken back.
pub fn undoable(run: &Run) -> Option<RunStep> {
    let ran = |s: &&RunStep| s.plan.undo.is_some() && s.attempts.iter().any(|a| a.undoes.is_none() && a.end.is_some());
    run.steps.iter().rev().find(ran).cloned()
}

fn cancel(open: &Open, ui: &mut Ui, now: DateTime<Utc>) {
    let Some(run) = open.run(ui).cloned() else { return ui.say("nothing is running", now) };
    let unknown = |s: &RunStep| s.attempts.last().filter(|a| a.how().is_some_and(crate::domain::How::is_a_guess)).map(|a| a.key.clone());
    let looked_at = open.step_name(ui).and_then(|name| run.step(&name)).and_then(|s| Some((s.plan.name.clone(), unknown(s)?)));
    let Some((step, key)) = run.at_work().map(|(s, a)| (s.plan.name.clone(), a.key.clone())).or(looked_at) else {
        return ui.say("nothing is running", now);
    };
    if let Some(why) = ui.acting_is_off() {
        return ui.fail(why);
    }
    ask(open, ui, run, step, Doing::Cancel(key));
}

/// Ask for what is missing, and then for the yes.
fn ask(open: &Open, ui: &mut Ui, run: Arc<Run>, step: StepName, doing: Doing) {
    let wish = RunWish { run, step, doing, inputs: BTreeMap::new(), words: None };
    ui.mode = next_mode(wish, &runs_what(open, ui));
}

/// Texts of the steps of a runbook, by name.
fn runs_what(open: &Open, ui: &Ui) -> BTreeMap<StepName, Step> {
    open.book(ui).into_iter().flat_map(|b| b.steps.iter().map(|s| (s.name.clone(), s.clone()))).collect()
}

/// The next thing to be typed, else the prompt.
fn next_mode(wish: RunWish, steps: &BTreeMap<StepName, Step>) -> Mode {
    let acting = match wish.doing {
        Doing::Start { .. } => steps.get(&wish.step),
        Doing::Undo => steps.get(&wish.step).and_then(|s| s.undo.as_ref()).and_then(|undo| steps.get(undo)),
        _ => None,
    };
    if let Some(input) = acting.and_then(|s| s.inputs.iter().find(|i| !wish.inputs.contains_key(&i.name))).cloned() {
        let text = input.default.clone().unwrap_or_default();
        return Mode::RunWords(Box::new(wish), Asking::Input(input), Typed { text, ..Typed::default() });
    }
    if wish.words.is_none() && matches!(wish.doing, Doing::Skip | Doing::Abort) {
        return Mode::RunWords(Box::new(wish), Asking::Words, Typed::default());
    }
    if let Some(danger) = acting.and_then(|s| s.danger.clone()).filter(|_| wish.words.is_none()) {
        return Mode::RunWords(Box::new(wish), Asking::Danger(danger), Typed::default());
    }
    Mode::RunConfirm(Box::new(wish))
}

/// What an action means at the prompt.
pub fn confirm(ui: &mut Ui, wish: Box<RunWish>, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match action {
        Action::Accept => return send(ui, *wish, now),
        Action::Note if wish.doing == Doing::Tick => {
            let text = wish.words.as_ref().map(ToString::to_string).unwrap_or_default();
            ui.mode = Mode::RunWords(wish, Asking::Words, Typed { text, ..Typed::default() });
        }
        Action::Back => {}
        _ => ui.mode = Mode::RunConfirm(wish),
    }
    Vec::new()
}

/// What an action means while something is typed.
pub fn words(ui: &mut Ui, mut wish: Box<RunWish>, asking: Asking, mut typed: Typed, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match action {
        Action::Accept => match take(&mut wish, &asking, &typed.text) {
            Ok(()) if asking == Asking::Name => {
                ui.name = Some(Text::clean(typed.text.trim()));
                return send(ui, *wish, now);
            }
            Ok(()) => {
                let steps = ui.book.as_deref().map(|open| runs_what(open, ui)).unwrap_or_default();
                ui.mode = next_mode(*wish, &steps);
            }
            Err(problem) => {
                typed.problem = Some(problem);
                ui.mode = Mode::RunWords(wish, asking, typed);
            }
        },
        Action::Back => {}
        _ => {
            typed.problem = None;
            update::edit(&mut typed, action);
            ui.mode = Mode::RunWords(wish, asking, typed);
        }
    }
    Vec::new()
}

fn take(wish: &mut RunWish, asking: &Asking, text: &str) -> Result<(), String> {
    let text = text.trim();
    match asking {
        Asking::Input(input) if !input.takes(text) => return Err(format!("one of {}", input.choices.join(", "))),
        Asking::Input(_) if text.is_empty() => return Err("the step needs it".to_owned()),
        Asking::Input(input) => _ = wish.inputs.insert(input.name.clone(), Untrusted::new(text)),
        Asking::Words if text.is_empty() && wish.doing != Doing::Tick => return Err("say why: a reason is kept".to_owned()),
        Asking::Words => wish.words = Some(Text::clean(text)).filter(|t| !t.is_empty()),
        Asking::Danger(_) if text != wish.step.as_str() => return Err(format!("type {}", wish.step)),
        Asking::Danger(_) => wish.words = Some(Text::clean(text)),
        Asking::Name if text.is_empty() => return Err("a name is needed".to_owned()),
        Asking::Name => {}
    }
    Ok(())
}

/// The name of who begins a run is typed.
pub fn naming(ui: &mut Ui, mut typed: Typed, action: &Action, now: DateTime<Utc>) -> Vec<Request> {
    match action {
        Action::Accept if typed.text.trim().is_empty() => typed.problem = Some("a name is needed".to_owned()),
        Action::Accept => {
            ui.name = Some(Text::clean(typed.text.trim()));
            let Some(mut open) = ui.book.take() else { return Vec::new() };
            let requests = go_on(&mut open, ui, now);
            ui.book = Some(open);
            return requests;
        }
        Action::Back => return Vec::new(),
        _ => update::edit(&mut typed, action),
    }
    ui.mode = Mode::Naming(typed);
    Vec::new()
}

fn send(ui: &mut Ui, wish: RunWish, now: DateTime<Utc>) -> Vec<Request> {
    if let Some(why) = ui.acting_is_off() {
        ui.fail(why);
        return Vec::new();
    }
    if let (Some(proposed), None) = (ui.settings.ask_name.clone(), &ui.name) {
        ui.mode = Mode::RunWords(Box::new(wish), Asking::Name, Typed { text: proposed.to_string(), ..Typed::default() });
        return Vec::new();
    }
    let RunWish { run, step, doing, inputs, words } = wish;
    let newest = ui.snapshot.runs.get(&run.id).map_or(run.version, |r| r.version);
    // To end something is meant of whatever it has come to by now.
    let seen = if matches!(doing, Doing::Cancel(_) | Doing::Abort) { newest } else { run.version };
    let reason = words.clone().unwrap_or_default();
    // What was started here stays in sight when it has ended: its output is what the next step is decided on.
    let watched = match doing {
        Doing::Start { .. } => Some(step.clone()),
        Doing::Undo => run.step(&step).and_then(|s| s.plan.undo.clone()),
        _ => None,
    };
    let (verb, said) = match doing {
        Doing::Start { again } => (RunVerb::Start { step, inputs, again }, "starting …"),
        Doing::Undo => (RunVerb::Undo { step, inputs }, "undoing …"),
        Doing::Tick => (RunVerb::Tick { step, note: words }, "writing it down …"),
        Doing::Skip => (RunVerb::Skip { step, reason }, "writing it down …"),
        Doing::Cancel(key) => (RunVerb::Cancel { key }, "ending it …"),
        Doing::Abort => (RunVerb::Abort { reason }, "ending the run …"),
    };
    if let Some(open) = &mut ui.book {
        (open.at, open.scroll, open.dry) = (watched, 0, false);
    }
    ui.say(said, now);
    if let Some(notice) = &mut ui.notice {
        notice.asked = Some((run.id, newest));
    }
    vec![act(ui, run.id.subject(), seen, verb)]
}

impl Ui {
    /// A run that goes on where a runbook is open stays there when it is over.
    pub(super) fn pin(&mut self) {
        let going_on = self.book.as_deref().and_then(|open| open.run(self)).map(|run| run.id);
        if let (Some(open), Some(id)) = (&mut self.book, going_on) {
            open.pinned = Some(id);
        }
    }
    /// What was asked for in a run is no longer on its way once the run has gone on.
    pub(super) fn unsay(&mut self) {
        let asked = self.notice.as_ref().and_then(|notice| notice.asked);
        let gone_on = |(id, version)| self.snapshot.runs.get(&id).is_some_and(|run| run.version > version);
        if asked.is_some_and(gone_on) {
            self.notice = None;
        }
    }
    /// Runbooks are read anew whenever they, or one of them, come on screen.
    pub(super) fn runbooks_wanted(&mut self) -> Option<Question> {
        let one = || self.book.as_deref().map_or_else(|| RunbookId::new(""), |open| open.id.clone());
        let read = (self.screen == Screen::Runbooks).then(one);
        let news = read.is_some() && read != self.read;
        self.read = read;
        news.then_some(Question::Runbooks)
    }
    /// The files were read anew: something else may match.
    pub(super) fn match_anew(&mut self) {
        let incident = self.book.as_deref().filter(|open| !open.others.is_empty()).and_then(|open| open.incident.clone());
        let matching = incident.map(|incident| self.matching(&incident).into_iter().map(|(book, _)| book.id.clone()).collect());
        if let (Some(open), Some(matching)) = (&mut self.book, matching) {
            open.others = matching;
        }
    }
    /// The output of the step that is looked at is wanted, or no longer.
    pub(super) fn output_wanted(&mut self) -> Option<Question> {
        let wanted = self.open_book().and_then(|open| open.shown_attempt(self));
        if wanted == self.watched {
            return None;
        }
        self.watched.clone_from(&wanted);
        Some(Question::Output(wanted))
    }
}
