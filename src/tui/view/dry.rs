//! The dry run: exactly what a step would run or send, to the last byte, and what it would be told.

use std::collections::BTreeMap;

use super::{
    super::{runbooks::Open, theme::Role},
    canvas::{cells, wrap},
};
use crate::domain::{BadVariable, GIVEN_LATER, Hangup, RUN_KEY, Run, Runbook, Step, Text, Window, variables};

/// Lines that one variable gets at most.
const MOST_LINES: usize = 4;

/// A span of time as it is written.
pub fn span(of: std::time::Duration) -> String {
    Window::from_secs(of.as_secs()).map_or_else(|| "0s".to_owned(), |w| w.to_string())
}

/// What else is to be known before a step runs.
pub fn facts(step: &Step) -> Vec<(Role, String)> {
    let mut all = Vec::new();
    all.extend(step.danger.as_ref().map(|d| (Role::Critical, format!("danger: {d}"))));
    all.extend((step.approve > 0).then(|| (Role::Warning, format!("needs the approval of {} other", step.approve))));
    all.extend(step.cost.as_ref().map(|c| (Role::Money, format!("costs {c}"))));
    all.extend(step.undo.as_ref().map(|u| (Role::Muted, format!("undo: step `{u}`"))));
    all.extend(step.kind.expect().map(|e| (Role::Muted, format!("expects {e}"))));
    all.extend(step.inputs.iter().map(|input| {
        let choices = if input.choices.is_empty() { "anything".to_owned() } else { input.choices.join(", ") };
        (Role::Muted, Text::from(format!("asks for {}: {choices}", input.name)).to_string())
    }));
    all
}

/// The lines of a dry run.
pub fn dry_lines(step: &Step, open: &Open, run: Option<&Run>, book: &Runbook, width: u16) -> Vec<(Role, String)> {
    let mut lines = Vec::new();
    let folder = book.file.parent().map_or_else(String::new, |f| Text::from(format!(" in {}", f.display())).to_string());
    let shell = step.kind.command().map(|c| format!("{} -e -c is given exactly these bytes{folder}:", c.shell.program()));
    let shell = shell.or_else(|| step.kind.call().map(|_| "this is sent:".to_owned()));
    let head =
        shell.unwrap_or_else(|| if step.kind.word() == "manual" { "a person does this:".to_owned() } else { "this is asked:".to_owned() });
    lines.extend(wrap(&head, width).into_iter().map(|l| (Role::Muted, l)));
    if step.kind.word() == "manual" {
        lines.extend(step.prose.iter().flat_map(|l| wrap(l.as_str(), width)).map(|l| (Role::Text, l)));
    }
    // Not wrapped at spaces: every character stands where it stands.
    for line in step.kind.does() {
        lines.extend(pieces(line.as_str(), width.saturating_sub(2)).into_iter().map(|l| (Role::Emphasis, format!("  {l}"))));
    }
    if let Some(hash) = step.hash() {
        lines.push((Role::Muted, format!("sha256 {hash}")));
    }
    lines.push((Role::Text, String::new()));
    if step.kind.word() != "manual" {
        let hangup = if step.on_hangup == Hangup::Stop { "ends if the line is lost" } else { "goes on if the line is lost" };
        lines.push((Role::Text, format!("timeout {} · {hangup}", span(step.timeout))));
    }
    lines.extend(facts(step));
    lines.extend(step.effect.as_ref().map(|e| (Role::Muted, format!("effect: {e}"))));
    lines.push((Role::Text, String::new()));
    lines.push((Role::Muted, "variables:".to_owned()));
    match told(step, open, run, book) {
        Err(why) => lines.push((Role::Critical, Text::from(format!("  would be refused: {why}")).to_string())),
        Ok(all) => all.iter().for_each(|(name, value)| lines.extend(variable(name, value, width))),
    }
    lines
}

/// A variable, in as many lines as there is room for.
fn variable(name: &str, value: &str, width: u16) -> Vec<(Role, String)> {
    let shown = pieces(&format!("{name}={}", Text::clean(value)), width.saturating_sub(2));
    let cut = shown.len() > MOST_LINES;
    let mut lines: Vec<_> = shown.into_iter().take(MOST_LINES).map(|l| (Role::Text, format!("  {l}"))).collect();
    lines.extend(cut.then(|| (Role::Muted, format!("  … {} bytes in all", value.len()))));
    lines
}

/// A line in pieces of `width` cells; one that is empty is one piece.
pub fn pieces(text: &str, width: u16) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let wide = cells(c.encode_utf8(&mut [0; 4]));
        if used + wide > width.max(2) {
            out.push(String::new());
            used = 0;
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
        used += wide;
    }
    out
}

/// What a step would be told, as the runner would tell it: what it is most about comes first.
fn told(step: &Step, open: &Open, run: Option<&Run>, book: &Runbook) -> Result<Vec<(String, String)>, BadVariable> {
    let run = run.map_or_else(|| Run::imagined(book, open.incident.as_deref()), Run::clone);
    let (known, asked): (Vec<_>, Vec<_>) = step.inputs.iter().cloned().partition(|input| input.default.is_some());
    let step = Step { inputs: known, ..step.clone() };
    let asked = asked.into_iter().map(|input| (input.variable(), "(asked for)".to_owned()));
    let later = |name: &str| GIVEN_LATER.contains(&name) && (name == RUN_KEY || run.version == 0);
    let told = variables(&run, &step, &"dry".into(), &BTreeMap::new())?.into_iter();
    let told = told.map(|(name, value)| if later(&name) { (name, "(given as it starts)".to_owned()) } else { (name, value) });
    let mut all: Vec<_> = asked.chain(told).collect();
    let first = ["BW_INPUT_", "BW_LABEL_", "BW_ANNOTATION_", "BW_INCIDENT_"];
    let place = |name: &str| first.iter().position(|prefix| name.starts_with(prefix) && !name.ends_with("_JSON"));
    all.sort_by_key(|(name, _)| place(name).unwrap_or(first.len()));
    Ok(all)
}
