//! `burnwatch ack` and `burnwatch unack`: what the keys `a` and `A` do, from a command line.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::{
    args::Common,
    run::{Code, block_on, print},
    setup,
};
use crate::{
    domain::{Act, Freshness, Incident, Outcome, Snapshot, Text, Verb},
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
    let (told, incident) = block_on(async {
        let snapshot = engine::once(&setup).await;
        match find(&snapshot, id) {
            Err(missing) => (missing, None),
            Ok(incident) => {
                let act = Act { incident: incident.id.clone(), seen: incident.version, verb, by: None };
                (Told::from(engine::act_once(&setup, &snapshot, &act).await), Some(incident))
            }
        }
    })?;
    if as_json {
        let id = incident.as_ref().map_or(id, |i| i.id.as_str());
        let shape = json!({"version": 1, "incident": id, "outcome": told.word, "why": told.why, "receipt": told.receipt});
        print(&format!("{shape:#}\n"))?;
    } else if let Some(why) = &told.why {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    } else if let Some(incident) = incident {
        print(&format!("{done} {} [{}]\n", incident.title, incident.id))?;
    }
    Ok(told.code)
}

/// How an act ended.
struct Told {
    code: Code,
    word: &'static str,
    why: Option<String>,
    receipt: Option<String>,
}

impl Told {
    fn refused(code: Code, why: String) -> Self {
        Self { code, word: "refused", why: Some(why), receipt: None }
    }
}

impl From<Result<Outcome, Refusal>> for Told {
    fn from(outcome: Result<Outcome, Refusal>) -> Self {
        match outcome {
            Ok(Outcome::Done { receipt }) => Self { code: Code::Yes, word: "done", why: None, receipt },
            Ok(Outcome::Failed { why, .. }) => Self { code: Code::Unknown, word: "failed", why: Some(why.to_string()), receipt: None },
            Ok(Outcome::Unknown { why }) => Self { code: Code::Unknown, word: "unknown", why: Some(why.to_string()), receipt: None },
            Err(refusal @ Refusal::NoJournal(_)) => Self::refused(Code::Unknown, refusal.to_string()),
            Err(refusal) => Self::refused(Code::No, refusal.to_string()),
        }
    }
}

/// The open incident whose id is, or alone begins with, `id`. Where a source does not answer, that there is none cannot be told.
fn find(snapshot: &Snapshot, id: &str) -> Result<Arc<Incident>, Told> {
    if let Some(exact) = snapshot.incidents.iter().find(|i| i.id.as_str() == id) {
        return Ok(Arc::clone(exact));
    }
    let mut begins = snapshot.incidents.iter().filter(|i| i.id.as_str().starts_with(id));
    let blind = snapshot.sources.iter().find(|s| s.state != Freshness::Fresh);
    Err(match (begins.next(), begins.next(), blind) {
        (Some(only), None, _) => return Ok(Arc::clone(only)),
        (Some(one), Some(other), _) => Told::refused(Code::Usage, format!("`{id}` could be {} or {}; write more of it", one.id, other.id)),
        (None, _, Some(source)) => {
            let state = source.state.word();
            Told::refused(
                Code::Unknown,
                format!("no open incident is known as `{id}`, but {} is {state}; `burnwatch status` tells why", source.name),
            )
        }
        (None, _, None) => Told::refused(Code::No, format!("no open incident is called `{id}`; `burnwatch status` lists them")),
    })
}
