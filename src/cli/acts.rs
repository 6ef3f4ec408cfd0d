//! `burnwatch ack`, `unack`, `resolve`, `note`, `snooze` and `escalate`: acts on one incident, from a command line.

use anyhow::{Result, anyhow};
use serde_json::json;

use super::{
    args::Common,
    run::{Code, block_on, print},
    setup,
};
use crate::{
    domain::{Act, Escalation, Incident, Outcome, Snapshot, Text, Verb, Window},
    engine::{self, Refusal, Setup},
};

/// Take an incident.
pub fn acknowledge(common: &Common, id: &str, note: Option<&str>, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Acknowledge { note: note.map(Text::from) }, "acknowledged", as_json)
}

/// Give an incident back.
pub fn unacknowledge(common: &Common, id: &str, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Unacknowledge, "given back", as_json)
}

/// End an incident where it is kept.
pub fn resolve(common: &Common, id: &str, note: Option<&str>, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Resolve { note: note.map(Text::from) }, "resolved", as_json)
}

/// Say something about an incident.
pub fn note(common: &Common, id: &str, text: &str, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Note { note: Text::from(text) }, "noted on", as_json)
}

/// Hold an incident for a while.
pub fn snooze(common: &Common, id: &str, span: Window, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Snooze { span: span.duration() }, "snoozed", as_json)
}

/// Hand an incident to a level or to a person.
pub fn escalate(common: &Common, id: &str, level: Option<u32>, to: Option<&str>, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let to = match (level, to) {
        (Some(level), _) => Escalation::Level(level),
        (None, to) => person(&setup, to.unwrap_or_default())?,
    };
    act_with(&setup, id, Verb::Escalate { to }, "escalated", as_json)
}

/// Somebody of the config who can be found elsewhere.
fn person(setup: &Setup, name: &str) -> Result<Escalation> {
    let found = setup.plan.people.iter().find(|p| p.name.as_str() == name);
    let found = found.ok_or_else(|| anyhow!("there is no [[person]] named `{name}`; `burnwatch check` lists them"))?;
    let email = found.email.clone().ok_or_else(|| anyhow!("[[person]] {name} has no `email`, by which PagerDuty knows people; add it"))?;
    Ok(Escalation::Person { name: found.name.clone(), email })
}

fn act(common: &Common, id: &str, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    act_with(&setup::setup(&loaded, common)?, id, verb, done, as_json)
}

fn act_with(setup: &Setup, id: &str, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    let (incident, outcome) = block_on(async {
        let snapshot = engine::once(setup).await;
        let incident = find(&snapshot, id)?;
        let act = Act { incident: incident.id.clone(), seen: incident.version, verb, by: None };
        let outcome = engine::act_once(setup, &snapshot, &act).await;
        Ok::<_, anyhow::Error>((incident, outcome))
    })??;
    let (code, word, why) = told(&outcome);
    if as_json {
        let receipt = if let Ok(Outcome::Done { receipt }) = &outcome { receipt.clone() } else { None };
        let shape = json!({"version": 1, "incident": incident.id, "outcome": word, "why": why, "receipt": receipt});
        print(&format!("{shape:#}\n"))?;
    } else if code == Code::Yes {
        print(&format!("{done} {} [{}]\n", incident.title, incident.id))?;
    } else {
        eprintln!("burnwatch: {}", why.unwrap_or_default());
    }
    Ok(code)
}

/// Exit code, word and reason of an outcome.
fn told(outcome: &Result<Outcome, Refusal>) -> (Code, &'static str, Option<String>) {
    match outcome {
        Ok(Outcome::Done { .. }) => (Code::Yes, "done", None),
        Ok(Outcome::Failed { why, .. }) => (Code::Unknown, "failed", Some(why.to_string())),
        Ok(Outcome::Unknown { why }) => (Code::Unknown, "unknown", Some(why.to_string())),
        Err(refusal @ Refusal::NoJournal(_)) => (Code::Unknown, "refused", Some(refusal.to_string())),
        Err(refusal) => (Code::No, "refused", Some(refusal.to_string())),
    }
}

/// The open incident whose id is, or alone begins with, `id`.
fn find(snapshot: &Snapshot, id: &str) -> Result<std::sync::Arc<Incident>> {
    if let Some(exact) = snapshot.incidents.iter().find(|i| i.id.as_str() == id) {
        return Ok(std::sync::Arc::clone(exact));
    }
    let mut begins = snapshot.incidents.iter().filter(|i| i.id.as_str().starts_with(id));
    match (begins.next(), begins.next()) {
        (Some(only), None) => Ok(std::sync::Arc::clone(only)),
        (None, _) => Err(anyhow!("no open incident is called `{id}`; `burnwatch status` lists them")),
        (Some(one), Some(other)) => Err(anyhow!("`{id}` could be {} or {}; write more of it", one.id, other.id)),
    }
}
