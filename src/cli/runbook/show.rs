//! `burnwatch runbook show`: one runbook in full, with exactly what its steps would run.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::library;
use crate::{
    cli::{
        args::Common,
        run::{Code, block_on, json as json_text, print},
        setup,
    },
    config::closest,
    domain::{Drilled, LabelMatcher, LastRun, Library, Runbook, RunbookId, Step, StepName, Text, Window, last_rehearsed},
    engine,
};

/// Show a runbook.
pub fn show(common: &Common, id: &str, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let mut setup = setup::setup(&loaded, common)?;
    setup.sources.clear();
    let snapshot = block_on(engine::once(&setup))?;
    let Some(book) = find(&setup.plan.runbooks, id) else {
        eprintln!("burnwatch: {}", missing(&setup.plan.runbooks, id));
        return Ok(Code::No);
    };
    let last = snapshot.last_runs.get(&book.id).map(|last| &**last);
    let rehearsed = last_rehearsed(&snapshot.drills, &book.id).map(|drilled| &**drilled);
    print(&if as_json { json_text(&json(book, last, rehearsed)) } else { text(book) })?;
    Ok(Code::Yes)
}

/// The runbook of this id, or the only one whose id begins so.
pub fn find<'a>(library: &'a Library, id: &str) -> Option<&'a Runbook> {
    if let Some(book) = library.book(&RunbookId::new(id)) {
        return Some(book);
    }
    let mut found = library.books.iter().filter(|b| b.id.as_str().starts_with(id));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// That there is no such runbook, and which was probably meant.
pub fn missing(library: &Library, id: &str) -> String {
    let ids = library.books.iter().map(|b| b.id.as_str());
    let near = closest(id, ids.clone()).map(|near| format!("did you mean `{near}`?"));
    let begins: Vec<_> = ids.filter(|known| known.starts_with(id)).collect();
    let help = match (begins.len(), near) {
        (2.., _) => format!("several begin so: {}", begins.join(", ")),
        (_, Some(near)) => near,
        _ if library.books.is_empty() => "the configuration names none: add [runbooks] dir = \"…\"".to_owned(),
        _ => "`burnwatch runbook list` names them".to_owned(),
    };
    format!("there is no runbook `{}`; {help}", Text::clean(id))
}

fn text(book: &Runbook) -> String {
    let mut out = format!("{}\n{}  {}\n", book.title, Text::from(book.file.display().to_string()), book.hash.short());
    let mut line = |text: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}", text.trim_end());
    };
    let services: Vec<_> = book.services.iter().map(Text::as_str).collect();
    if !services.is_empty() {
        line(&format!("for {}", services.join(", ")));
    }
    for alert in &book.alerts {
        line(&format!("alerts {}", alert.conditions().map(|c| c.shown().to_string()).collect::<Vec<_>>().join(", ")));
    }
    if !book.prose.is_empty() {
        line("");
        book.prose.iter().for_each(|prose| line(prose.as_str()));
    }
    for (n, step) in book.steps.iter().enumerate() {
        line("");
        let undo = if book.is_undo(&step.name) { ", takes another back" } else { "" };
        line(&format!("{}. {}  [{}, {}{undo}]", n + 1, step.title, step.name, step.kind.word()));
        step.prose.iter().for_each(|prose| line(&format!("   {prose}")));
        for what in step.kind.does() {
            line(&format!("   $ {what}"));
        }
        for fact in facts(step) {
            line(&format!("   {fact}"));
        }
    }
    out
}

/// What else there is to know of a step, one line each.
fn facts(step: &Step) -> Vec<String> {
    let span = |of: std::time::Duration| Window::from_secs(of.as_secs()).map_or_else(|| "0s".to_owned(), |w| w.to_string());
    let mut all = Vec::new();
    if let Some(hash) = step.hash() {
        all.push(format!("timeout {}, {}", span(step.timeout), hash.short()));
    }
    all.extend(step.kind.expect().map(|e| format!("expects {e}")));
    all.extend(step.cost.as_ref().map(|c| format!("costs {c}")));
    all.extend(step.danger.as_ref().map(|d| format!("danger: {d}")));
    all.extend(step.inputs.iter().map(|input| {
        let choices = if input.choices.is_empty() { "anything".to_owned() } else { input.choices.join(", ") };
        let default = input.default.as_ref().map_or_else(String::new, |d| format!("; {d} if nothing is said"));
        Text::from(format!("asks for {}: {choices}{default}", input.name)).to_string()
    }));
    all.extend((step.approve > 0).then(|| format!("needs the approval of {} other", step.approve)));
    all.extend(step.undo.as_ref().map(|u| format!("undo by `{u}`")));
    all.extend(step.effect.as_ref().map(|e| format!("effect: {e}")));
    all
}

fn json(book: &Runbook, last: Option<&LastRun>, rehearsed: Option<&Drilled>) -> Value {
    json!({
        "version": 1, "id": book.id.as_str(), "title": book.title, "file": Text::from(book.file.display().to_string()), "hash": book.hash,
        "services": book.services,
        "alerts": book.alerts.iter().map(|a| a.conditions().map(LabelMatcher::shown).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "prose": book.prose, "gates": library::gates(book), "last_run": last.map(library::last_json),
        "last_rehearsed": rehearsed.map(library::rehearsed_json),
        "steps": book.steps.iter().map(|step| self::step(book, step)).collect::<Vec<_>>(),
    })
}

fn step(book: &Runbook, step: &Step) -> Value {
    let inputs = step.inputs.iter().map(|i| json!({"name": i.name, "variable": i.variable(), "choices": i.choices, "default": i.default}));
    json!({
        "name": step.name.as_str(), "title": step.title, "kind": step.kind.word(), "prose": step.prose, "line": step.line,
        "what": step.kind.does(), "shell": step.kind.command().map(|c| c.shell.program()), "hash": step.hash(),
        "timeout_s": step.timeout.as_secs(), "expect": step.kind.expect().map(ToString::to_string), "cost": step.cost,
        "danger": step.danger, "undo": step.undo.as_ref().map(StepName::as_str), "undoes_only": book.is_undo(&step.name),
        "effect": step.effect.as_ref().map(ToString::to_string), "continue_on_error": step.continue_on_error,
        "on_hangup": step.on_hangup, "inputs": inputs.collect::<Vec<_>>(), "approve": step.approve,
    })
}
