//! The dry run: exactly what a step would run or send, to the last byte, and what it would be told.

use super::{
    super::{runbooks::Open, theme::Role},
    canvas::{cells, wrap},
};
use crate::domain::{Check, Hangup, Incident, Run, Runbook, Step, StepKind, Text, Window, variable_name};

/// What a step would run or send, line by line.
pub fn what(step: &Step) -> Vec<Text> {
    match &step.kind {
        StepKind::Check { check: Check::Query { query, .. }, .. } => query.raw().lines().map(Text::clean).collect(),
        kind => match (kind.command(), kind.call()) {
            (Some(command), _) => command.lines().collect(),
            (_, Some(call)) => call.lines().collect(),
            _ => Vec::new(),
        },
    }
}

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
pub fn dry_lines(step: &Step, open: &Open, run: Option<&Run>, book: Option<&Runbook>, width: u16) -> Vec<(Role, String)> {
    let mut lines = Vec::new();
    let folder = book.and_then(|b| b.file.parent()).map_or_else(String::new, |f| Text::from(format!(" in {}", f.display())).to_string());
    let shell = step.kind.command().map(|c| format!("{} -e -c is given exactly these bytes{folder}:", c.shell.program()));
    let shell = shell.or_else(|| step.kind.call().map(|_| "this is sent:".to_owned()));
    let head =
        shell.unwrap_or_else(|| if step.kind.word() == "manual" { "a person does this:".to_owned() } else { "this is asked:".to_owned() });
    lines.extend(wrap(&head, width).into_iter().map(|l| (Role::Muted, l)));
    if step.kind.word() == "manual" {
        lines.extend(step.prose.iter().flat_map(|l| wrap(l.as_str(), width)).map(|l| (Role::Text, l)));
    }
    // Not wrapped at spaces: every character stands where it stands.
    for line in what(step) {
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
    for (name, value) in variables(step, open, run) {
        let shown = pieces(&format!("{name}={value}"), width.saturating_sub(2));
        let more = shown.len().saturating_sub(4);
        lines.extend(shown.into_iter().take(4).map(|l| (Role::Text, format!("  {l}"))));
        if more > 0 {
            lines.push((Role::Muted, format!("  … {} characters in all", value.as_str().chars().count())));
        }
    }
    lines
}

/// A line in pieces of `width` cells.
fn pieces(text: &str, width: u16) -> Vec<String> {
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

/// The variables that a step would find, by name; the values as they may be shown.
fn variables(step: &Step, open: &Open, run: Option<&Run>) -> Vec<(String, Text)> {
    let mut all = Vec::new();
    for input in &step.inputs {
        let value = input.default.clone().unwrap_or_else(|| "(asked for)".to_owned());
        all.push((input.variable(), Text::from(value)));
    }
    if let Some(incident) = &open.incident {
        all.extend(of_incident(incident));
    }
    all.extend(run.map(|r| ("BW_RUN".to_owned(), Text::from(r.id.to_string()))));
    all.extend([("BW_RUNBOOK".to_owned(), Text::from(open.id.as_str())), ("BW_STEP".to_owned(), Text::from(step.name.as_str()))]);
    all
}

fn of_incident(incident: &Incident) -> Vec<(String, Text)> {
    let plain = |name: &str, value: &str| (name.to_owned(), Text::from(value));
    let all = vec![
        plain("BW_INCIDENT_ID", incident.id.as_str()),
        plain("BW_INCIDENT_TITLE", incident.title.as_str()),
        plain("BW_INCIDENT_SEVERITY", incident.severity.word()),
        plain("BW_INCIDENT_SERVICE", incident.service.as_ref().map_or("", Text::as_str)),
        plain("BW_INCIDENT_JSON", "(all of it as JSON)"),
    ];
    let pairs = |prefix: &'static str, labels: &crate::domain::Labels| {
        labels.0.iter().map(|(name, value)| (variable_name(prefix, name.raw()), value.text())).collect::<Vec<_>>()
    };
    // What steps use most comes first.
    [pairs("BW_LABEL_", &incident.labels), pairs("BW_ANNOTATION_", &incident.annotations), all].concat()
}
