//! `burnwatch ack` and `burnwatch unack`: what the keys `a` and `A` do, from a command line.

use anyhow::{Result, anyhow};
use serde_json::json;

use super::{
    args::Common,
    run::{Code, block_on, print},
    setup,
};
use crate::{
    domain::{Act, Incident, Outcome, Snapshot, Text, Verb},
    engine::{self, Refusal},
};

/// Take an incident.
pub fn acknowledge(common: &Common, id: &str, note: Option<&str>, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Acknowledge { note: note.map(Text::from) }, "acknowledged", as_json)
}

/// Give an incident back.
pub fn unacknowledge(common: &Common, id: &str, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Unacknowledge, "given back", as_json)
}

fn act(common: &Common, id: &str, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let (incident, outcome) = block_on(async {
        let snapshot = engine::once(&setup).await;
        let incident = find(&snapshot, id)?;
        let act = Act { incident: incident.id.clone(), seen: incident.version, verb, by: None };
        let outcome = engine::act_once(&setup, &snapshot, &act).await;
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
