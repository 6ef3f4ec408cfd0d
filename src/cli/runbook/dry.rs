//! `burnwatch runbook run --dry-run`: exactly what would run, and nothing that runs.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use serde_json::{Value, json};

use super::act::of_step;
use crate::{
    cli::run::{Code, json as json_text, print},
    domain::{GIVEN_LATER, Run, Runbook, Step, StepKind, Text, Untrusted, Window, variables},
};

/// Show what would run in this run: all steps on the way, or one. 1 if one of them would be refused.
pub fn show(run: &Run, book: &Runbook, step: Option<&str>, inputs: &BTreeMap<String, Untrusted>, as_json: bool) -> Result<Code> {
    let steps = book.steps.iter().filter(|s| step.map_or(!book.is_undo(&s.name), |name| s.name.as_str() == name));
    let (mut text, mut shapes, mut refused) = (String::new(), Vec::new(), step.is_some_and(|n| book.step(&n.into()).is_none()));
    for step in steps {
        let told = variables(run, step, &"dry".into(), &of_step(inputs, step));
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
    for line in step.kind.does() {
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
