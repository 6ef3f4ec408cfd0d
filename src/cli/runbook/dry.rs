//! `burnwatch runbook run --dry-run`: exactly what would run, and nothing that runs.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use serde_json::{Value, json};

use super::act::{Desk, of_step};
use crate::{
    cli::run::{Code, json as json_text, print},
    domain::{Begun, Check, Entry, Facts, Incident, Run, RunEvent, RunId, Runbook, Step, StepKind, Text, Untrusted, What, Window, legible},
    engine,
};

/// What stands for what is given only when a step starts.
const GIVEN_LATER: [&str; 2] = ["BW_RUN", "BW_RUN_KEY"];

/// Show what would run: all steps on the way, or one. 1 if one of them would be refused.
pub fn run(
    desk: &Desk,
    book: &Runbook,
    incident: Option<&Incident>,
    step: Option<&str>,
    inputs: &BTreeMap<String, Untrusted>,
    as_json: bool,
) -> Result<Code> {
    show(&imagined(desk, book, incident)?, book, step, inputs, as_json)
}

/// Show what would run in this run.
pub fn show(run: &Run, book: &Runbook, step: Option<&str>, inputs: &BTreeMap<String, Untrusted>, as_json: bool) -> Result<Code> {
    let steps = book.steps.iter().filter(|s| step.map_or(!book.is_undo(&s.name), |name| s.name.as_str() == name));
    let (mut text, mut shapes, mut refused) = (String::new(), Vec::new(), step.is_some_and(|n| book.step(&n.into()).is_none()));
    for step in steps {
        let told = engine::variables(run, step, &"dry".into(), &of_step(inputs, step));
        refused |= told.is_err();
        let told = told.map_err(|e| e.to_string());
        if as_json { shapes.push(shape(book, step, &told)) } else { text += &lines(book, step, &told) }
    }
    if as_json {
        print(&json_text(&json!({"version": 1, "dry_run": true, "runbook": book.id, "hash": book.hash, "steps": shapes})))?;
    } else {
        print(&text)?;
        eprintln!("nothing was run");
    }
    Ok(if refused { Code::No } else { Code::Yes })
}

/// The run as it would begin.
fn imagined(desk: &Desk, book: &Runbook, incident: Option<&Incident>) -> Result<Run> {
    let begun = Begun {
        incident: incident.map(|i| i.id.clone()),
        incident_title: incident.map(|i| i.title.clone()),
        facts: incident.map(Facts::of),
        ..Begun::of(book)
    };
    let entry = Entry {
        id: 0,
        at: desk.setup.clock.now(),
        act: "dry".into(),
        subject: RunId(0).subject(),
        title: book.title.clone(),
        service: incident.and_then(|i| i.service.clone()),
        version: 1,
        who: desk.setup.me.clone(),
        what: What::Run { event: RunEvent::Begun(Box::new(begun)) },
    };
    Run::begin(&entry).ok_or_else(|| anyhow::anyhow!("`{}` cannot be begun", book.id))
}

/// What a step does, line by line.
fn does(step: &Step) -> Vec<Text> {
    match &step.kind {
        StepKind::Manual => vec!["by hand".into()],
        StepKind::Check { check: Check::Query { query, .. }, .. } => legible(query.raw().as_bytes()),
        kind => match (kind.command(), kind.call()) {
            (Some(command), _) => command.lines().collect(),
            (None, Some(call)) => call.lines().collect(),
            (None, None) => Vec::new(),
        },
    }
}

type Told = Result<BTreeMap<String, String>, String>;

fn lines(book: &Runbook, step: &Step, told: &Told) -> String {
    let mut out = format!("{} [{}] {}\n", step.title, step.name, step.kind.word());
    let timeout = Window::from_secs(step.timeout.as_secs()).map_or_else(String::new, |w| format!("at most {w}"));
    if let Some(command) = step.kind.command() {
        let folder = book.file.parent().map(|f| f.display().to_string()).unwrap_or_default();
        let hash = command.hash();
        let _ = writeln!(out, "  {} -e -c, in {}, {timeout}, sha256 {}", command.shell.program(), Text::from(folder), hash.short());
    } else if !matches!(step.kind, StepKind::Manual) {
        let _ = writeln!(out, "  {timeout}");
    }
    for (word, text) in [("cost", &step.cost), ("danger", &step.danger)] {
        if let Some(text) = text {
            let _ = writeln!(out, "  {word}: {text}");
        }
    }
    for line in does(step) {
        let _ = writeln!(out, "    {line}");
    }
    match told {
        Err(why) => _ = writeln!(out, "  would be refused: {}", Text::clean(why)),
        Ok(variables) if step.kind.command().is_some() => {
            for (name, value) in variables.iter().filter(|(name, _)| !GIVEN_LATER.contains(&name.as_str())) {
                let _ = writeln!(out, "    {name}={}", Text::clean(value));
            }
        }
        Ok(_) => {}
    }
    out
}

fn shape(book: &Runbook, step: &Step, told: &Told) -> Value {
    let variables = told.as_ref().ok().filter(|_| step.kind.command().is_some());
    let variables: Option<BTreeMap<_, _>> = variables.map(|all| all.iter().filter(|(n, _)| !GIVEN_LATER.contains(&n.as_str())).collect());
    json!({
        "name": step.name, "title": step.title, "kind": step.kind.word(), "timeout_s": step.timeout.as_secs(), "hash": step.hash(),
        "shell": step.kind.command().map(|c| c.shell.program()), "folder": book.file.parent(), "does": step.kind,
        "cost": step.cost, "danger": step.danger, "approve": step.approve, "variables": variables, "refused": told.as_ref().err(),
    })
}
