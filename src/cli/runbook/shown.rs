//! How runs are shown: as lines, and as JSON.

use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::act::Desk;
use crate::{
    cli::{
        args::Common,
        run::{Code, json as json_text, print},
    },
    domain::{Attempt, How, Run, RunId, RunState, RunStep, Settled, Untrusted},
    engine::Refusal,
};

/// Version of the JSON shapes.
const VERSION: u32 = 1;
/// Runs that are over and still listed.
const LISTED: usize = 20;

/// How following a step ended.
pub enum Ended {
    /// The step has ended.
    How(How),
    /// Who followed it left, and it goes on.
    Left,
}

/// `burnwatch runbook status`: one run: 0 if it is finished or waits for its next step, 1 if it is stuck or was aborted, 2 while it runs or
/// if nobody knows how a step ended. Without a number all that are open and the newest others: 0.
pub fn status(common: &Common, id: Option<RunId>, as_json: bool) -> Result<Code> {
    let desk = Desk::open(common)?;
    if let Some(id) = id {
        let code = code(desk.run(id)?);
        return run(&desk, id, as_json, code);
    }
    let (over, open): (Vec<_>, Vec<_>) = desk.snapshot.runs.values().rev().partition(|r| r.state().is_over());
    let listed: Vec<_> = open.into_iter().chain(over.into_iter().take(LISTED)).collect();
    if as_json {
        let runs: Vec<_> = listed.iter().map(|r| shape(r)).collect();
        print(&json_text(&json!({"version": VERSION, "runs": runs})))?;
    } else {
        print(&listed.iter().map(|r| line(r)).collect::<String>())?;
    }
    Ok(Code::Yes)
}

/// The exit code that tells how a run stands.
fn code(run: &Run) -> Code {
    let unknown = run.next().and_then(|s| s.attempts.last()).is_some_and(|a| a.how() == Some(How::Unknown));
    match run.state() {
        RunState::Finished | RunState::Open => Code::Yes,
        RunState::Running => Code::Unknown,
        RunState::Stuck if unknown => Code::Unknown,
        RunState::Stuck | RunState::Aborted => Code::No,
    }
}

/// Show one run, and end with `code`.
pub fn run(desk: &Desk, id: RunId, as_json: bool, code: Code) -> Result<Code> {
    let run = desk.run(id)?;
    if as_json {
        print(&json_text(&json!({"version": VERSION, "run": shape(run)})))?;
    } else {
        eprint!("{}", text(run));
    }
    Ok(code)
}

/// Say why nothing was done.
pub fn refusal(refusal: &Refusal, as_json: bool) -> Result<Code> {
    let code = if matches!(refusal, Refusal::NoJournal(_)) { Code::Unknown } else { Code::No };
    refused(code, &refusal.to_string(), as_json)
}

/// The same in words.
pub fn refused(code: Code, why: &str, as_json: bool) -> Result<Code> {
    if as_json {
        print(&json_text(&json!({"version": VERSION, "outcome": "refused", "why": why})))?;
    } else {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    }
    Ok(code)
}

/// `0192  running   2/4  Roll back a bad canary  for checkout: availability  by maya  2026-11-25T14:34:10Z`
fn line(run: &Run) -> String {
    let (done, all) = (run.way().filter(|s| s.passed()).count(), run.way().count());
    let title = run.incident_title.as_ref().map_or_else(String::new, |t| format!("  for {t}"));
    format!("{}  {:<8}  {done}/{all}  {}{title}  by {}  {}\n", run.id, run.state().word(), run.title, run.by, stamp(run.at))
}

fn text(run: &Run) -> String {
    let mut out = line(run);
    if let Some((by, at, reason)) = &run.aborted {
        let _ = writeln!(out, "      ended by {by} at {}: “{reason}”", stamp(*at));
    }
    let width = run.steps.iter().map(|s| s.plan.name.as_str().chars().count()).max().unwrap_or(0);
    for step in &run.steps {
        let name = step.plan.name.as_str();
        if step.plan.undoes_only && step.attempts.is_empty() {
            continue;
        }
        let _ = writeln!(out, "      {name:<width$}  {:<14}  {}", run.state_of(step).word(), told(step));
    }
    let next = run.next().filter(|_| !matches!(run.state(), RunState::Running | RunState::Aborted));
    if let Some(step) = next {
        let _ = writeln!(out, "      {}", next_step(run, step));
    }
    out
}

/// What there is to say of a step.
fn told(step: &RunStep) -> String {
    match (&step.settled, step.attempts.last()) {
        (Some(Settled::Ticked { by, note, .. }), _) => {
            format!("by {by}{}", note.as_ref().map_or_else(String::new, |n| format!(": “{n}”")))
        }
        (Some(Settled::Skipped { by, reason, .. }), _) => format!("by {by}: “{reason}”"),
        (None, Some(attempt)) => {
            let end = attempt.end.as_ref().map_or_else(String::new, |end| format!(" · {end}"));
            let judged = attempt.judged.as_ref().map_or_else(String::new, |j| format!(" · {j}"));
            format!("by {}{end}{judged}", attempt.by)
        }
        (None, None) => step.plan.title.to_string(),
    }
}

/// The command that comes next.
fn next_step(run: &Run, step: &RunStep) -> String {
    let (name, id) = (&step.plan.name, run.id);
    if step.plan.is_manual() {
        return format!("next: do `{name}` ({}), then burnwatch runbook tick {id}", step.plan.title);
    }
    if step.plan.approve > 0 {
        return format!("next: `{name}` needs the approval of {} other; or burnwatch runbook skip {id} --reason …", step.plan.approve);
    }
    let again = if step.attempts.last().is_some_and(|a| a.how() == Some(How::Unknown)) { " --again" } else { "" };
    let undo = step.plan.undo.as_ref().filter(|_| step.attempts.iter().any(|a| a.how() != Some(How::NotRun)) && run.undone(name).is_none());
    let undo = undo.map_or_else(String::new, |_| format!(", or take it back: burnwatch runbook undo {id} {name}"));
    format!("next: burnwatch runbook run {id}{again} (step `{name}`){undo}")
}

/// One run as JSON, documented in docs/STATUS.md.
pub fn shape(run: &Run) -> Value {
    let (by, at, reason) = run.aborted.as_ref().map_or((None, None, None), |(by, at, why)| (Some(by), Some(stamp(*at)), Some(why)));
    json!({
        "id": run.id.to_string(), "runbook": run.runbook, "title": run.title, "hash": run.hash, "state": run.state(),
        "incident": run.incident, "incident_title": run.incident_title, "service": run.service, "drill": run.drill,
        "by": run.by, "at": stamp(run.at), "over_at": run.over_at().map(stamp),
        "aborted": run.aborted.as_ref().map(|_| json!({"by": by, "at": at, "reason": reason})),
        "next": run.next().map(|s| &s.plan.name),
        "steps": run.steps.iter().map(|s| step_shape(run, s)).collect::<Vec<_>>(),
    })
}

fn step_shape(run: &Run, step: &RunStep) -> Value {
    let settled = step.settled.as_ref().map(|settled| match settled {
        Settled::Ticked { by, at, note } => json!({"what": "ticked", "by": by, "at": stamp(*at), "says": note}),
        Settled::Skipped { by, at, reason } => json!({"what": "skipped", "by": by, "at": stamp(*at), "says": reason}),
    });
    json!({
        "name": step.plan.name, "title": step.plan.title, "kind": step.plan.kind, "state": run.state_of(step),
        "undo": step.plan.undo, "undoes_only": step.plan.undoes_only, "undone": run.undone(&step.plan.name).is_some(),
        "settled": settled, "attempts": step.attempts.iter().map(attempt_shape).collect::<Vec<_>>(),
    })
}

fn attempt_shape(attempt: &Attempt) -> Value {
    let end = attempt.end.as_ref();
    let output = end.and_then(|e| e.output.as_ref());
    json!({
        "key": attempt.key, "by": attempt.by, "at": stamp(attempt.at), "undoes": attempt.undoes, "command": attempt.command,
        "timeout_s": attempt.timeout_secs, "runner": attempt.runner.as_ref().map(|r| r.pid),
        "cancelled_by": attempt.cancel.as_ref().map(|(by, _)| by),
        "how": attempt.how(), "code": end.and_then(|e| e.code), "signal": end.and_then(|e| e.signal), "why": end.and_then(|e| e.why.as_ref()),
        "took_ms": end.and_then(|e| e.took_ms), "ended_at": attempt.ended_at.map(stamp),
        "left": end.map(|e| e.left.iter().map(|l| json!({"pid": l.process.pid, "name": l.name})).collect::<Vec<_>>()),
        "output_bytes": output.map(|o| o.bytes), "output_hash": output.map(|o| &o.hash),
        "output_end": output.map(|o| Untrusted::raw(&o.last)), "effect": attempt.judged,
    })
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
