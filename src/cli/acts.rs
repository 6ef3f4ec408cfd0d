//! `burnwatch ack`, `unack`, `resolve`, `note`, `snooze` and `escalate`: acts on one incident, from a command line.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::{
    args::Common,
    run::{Code, block_on, json as json_text, print},
    setup,
};
use crate::{
    domain::{Act, Escalation, Freshness, Incident, IncidentId, Outcome, Snapshot, Text, Verb, Window},
    engine::{self, Refusal, Setup},
};

/// Take an incident.
pub fn acknowledge(common: &Common, id: &str, note: Option<&str>, as_json: bool) -> Result<Code> {
    act(common, id, Verb::Acknowledge { note: note.map(Text::from) }, "acknowledged", as_json)
}

/// Take an incident from whoever has it; one that nobody has is simply taken.
pub fn take_over(common: &Common, id: &str, note: Option<&str>, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let verb = |incident: &Incident| {
        let from = incident.ack.as_ref().map(|a| a.by.name.clone()).unwrap_or_default();
        // Who holds it anew has still said what they said.
        let said = incident.ack.as_ref().filter(|a| a.by.name == setup.me.name).and_then(|a| a.note.clone());
        Verb::TakeOver { from, note: note.map(Text::from).or(said) }
    };
    decide_and_act(&setup, id, verb, "taken over", as_json)
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
        (None, to) => match person(&setup, to.unwrap_or_default()) {
            Ok(person) => person,
            Err(why) => return tell(&Told::refused(Code::Usage, why), None, id, "", as_json),
        },
    };
    act_with(&setup, id, Verb::Escalate { to }, "escalated", as_json)
}

/// Somebody of the config who can be found elsewhere, or why not.
fn person(setup: &Setup, name: &str) -> Result<Escalation, String> {
    let found = setup.plan.people.iter().find(|p| p.name.as_str() == name);
    let found = found.ok_or_else(|| format!("there is no [[person]] named `{name}`; `burnwatch check` lists them"))?;
    let email = found.email.clone().ok_or_else(|| format!("[[person]] {name} has no `email`, by which PagerDuty knows people; add it"))?;
    Ok(Escalation::Person { name: found.name.clone(), email })
}

fn act(common: &Common, id: &str, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    act_with(&setup::setup(&loaded, common)?, id, verb, done, as_json)
}

fn act_with(setup: &Setup, id: &str, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    decide_and_act(setup, id, |_| verb, done, as_json)
}

fn decide_and_act(setup: &Setup, id: &str, verb: impl FnOnce(&Incident) -> Verb, done: &str, as_json: bool) -> Result<Code> {
    let (told, incident) = block_on(async {
        let mut snapshot = engine::once(setup).await;
        if let Ok(incident) = find(&snapshot, id) {
            for name in incident.names() {
                if snapshot.threads.get(name).is_some_and(|thread| !thread.open.is_empty()) {
                    snapshot = engine::look_after(setup, snapshot, name).await;
                }
            }
        }
        match find(&snapshot, id) {
            Err(missing) => (missing, None),
            Ok(incident) => {
                let act = Act { incident: incident.id.clone(), seen: incident.version, verb: verb(&incident), by: None };
                (Told::from(engine::act_once(setup, &snapshot, &act).await), Some(incident))
            }
        }
    })?;
    tell(&told, incident.as_deref(), id, done, as_json)
}

/// Say how an act ended, or why there was none.
pub fn tell(told: &Told, incident: Option<&Incident>, id: &str, done: &str, as_json: bool) -> Result<Code> {
    if as_json {
        let id = incident.map_or(id, |i| i.id.as_str());
        let shape = json!({"version": 1, "incident": id, "outcome": told.word, "why": told.why, "receipt": told.receipt});
        print(&json_text(&shape))?;
    } else if let Some(why) = &told.why {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    } else if let Some(incident) = incident {
        print(&format!("{done} {} [{}]\n", incident.title, incident.id))?;
    }
    Ok(told.code)
}

/// How an act ended.
pub(super) struct Told {
    pub(super) code: Code,
    pub(super) word: &'static str,
    pub(super) why: Option<String>,
    pub(super) receipt: Option<String>,
}

impl Told {
    pub fn refused(code: Code, why: String) -> Self {
        Self { code, word: "refused", why: Some(why), receipt: None }
    }
}

impl From<Result<Outcome, Refusal>> for Told {
    fn from(outcome: Result<Outcome, Refusal>) -> Self {
        match outcome {
            Ok(Outcome::Done { receipt }) => Self { code: Code::Yes, word: "done", why: None, receipt },
            // What may still be delivered is neither done nor refused; whatever else failed is a no: somebody was first, or it may not be.
            Ok(Outcome::Failed { why, retry }) => {
                let code = if retry { Code::Unknown } else { Code::No };
                Self { code, word: "failed", why: Some(why.to_string()), receipt: None }
            }
            Ok(Outcome::Unknown { why }) => Self { code: Code::Unknown, word: "unknown", why: Some(why.to_string()), receipt: None },
            Err(refusal @ Refusal::NoJournal(_)) => Self::refused(Code::Unknown, refusal.to_string()),
            Err(refusal) => Self::refused(Code::No, refusal.to_string()),
        }
    }
}

/// The open incident that goes by `id`, or is the only one that begins so; of a group one part, if that is what begins so. Where a source does not answer, that there is none cannot be told.
pub(super) fn find(snapshot: &Snapshot, id: &str) -> Result<Arc<Incident>, Told> {
    if let Some(exact) = snapshot.meant(&IncidentId::new(id)) {
        return Ok(Arc::clone(exact));
    }
    let begins = |name: &IncidentId| name.as_str().starts_with(id);
    let mut begins = snapshot.incidents.iter().flat_map(|i| {
        let whole = begins(&i.id) || i.keys.iter().any(begins);
        let parts = i.members.iter().filter(move |part| !whole && begins(&part.id));
        whole.then_some(i).into_iter().chain(parts)
    });
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
        (None, _, None) => Told::refused(Code::No, format!("no open incident is called `{id}`; `burnwatch incidents` lists them")),
    })
}
