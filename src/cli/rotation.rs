//! `burnwatch oncall override`, `note` and `read`: what people do to a rotation. Written to the journal before and after.

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    acts::Told,
    args::{Common, OverrideAdd},
    oncall::{moment, shown, snapshot, usage},
    run::{Code, block_on, print},
    status::time,
};
use crate::{
    domain::{Act, Book, Interval, MadeOverride, Override, Rota, Seat, Snapshot, Text, Verb, rotation_subject},
    engine::{self, Refusal, RotationRefusal, Setup},
};

/// Give a seat to somebody for some time.
pub fn add(common: &Common, add: &OverrideAdd) -> Result<Code> {
    let (setup, snapshot) = snapshot(common)?;
    let (zone, now) = (setup.plan.time_zone, setup.clock.now());
    let (from, to) = match (moment(&add.from, zone, now), moment(&add.to, zone, now)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(why), _) | (_, Err(why)) => return Ok(usage(&why)),
    };
    let Some(seat) = Seat::ALL.into_iter().find(|seat| seat.word() == add.seat) else {
        return Ok(usage("there are the seats primary, secondary and mentor"));
    };
    let (rotation, who) = (Text::clean(&add.rotation), Text::clean(&add.who));
    let over = Override { who: who.clone(), seat, during: Interval { from, to } };
    let verb = Verb::Override { rotation: rotation.clone(), over, note: add.note.as_deref().map(Text::clean) };
    let done = format!("{who} is {seat} of {rotation} from {} until {}", shown(from, zone), shown(to, zone));
    act(&setup, &snapshot, &rotation, verb, &done, add.json)
}

/// Leave a note to whoever takes over next.
pub fn note(common: &Common, rotation: &str, text: &str, as_json: bool) -> Result<Code> {
    let (setup, snapshot) = snapshot(common)?;
    let rotation = Text::clean(rotation);
    let next = snapshot.rota(&rotation).and_then(|rota| rota.handoff_to_note(setup.clock.now()));
    let to = next.as_ref().and_then(|h| h.who.clone()).map_or_else(|| "whoever is next".to_owned(), |who| who.to_string());
    // Without a handoff the act is refused, with the reason.
    let handoff = next.map_or_else(|| setup.clock.now(), |h| h.at);
    let done = format!("note left for {to} at {}", shown(handoff, setup.plan.time_zone));
    let verb = Verb::HandoffNote { rotation: rotation.clone(), handoff, note: Text::clean(text) };
    act(&setup, &snapshot, &rotation, verb, &done, as_json)
}

/// Say that the note was read; it is printed.
pub fn read(common: &Common, rotation: &str, as_json: bool) -> Result<Code> {
    let (setup, snapshot) = snapshot(common)?;
    let (rotation, now) = (Text::clean(rotation), setup.clock.now());
    let note = snapshot.rota(&rotation).and_then(|rota| rota.waiting_notes(now).last().cloned());
    let handoff = note.as_ref().map_or(now, |n| n.at);
    let done = note.map(|n| format!("{}: {}", n.by, n.note)).unwrap_or_default();
    let verb = Verb::HandoffRead { rotation: rotation.clone(), handoff };
    act(&setup, &snapshot, &rotation, verb, &done, as_json)
}

fn act(setup: &Setup, snapshot: &Snapshot, rotation: &Text, verb: Verb, done: &str, as_json: bool) -> Result<Code> {
    let subject = rotation_subject(rotation);
    let seen = snapshot.threads.get(&subject).map_or(0, |t| t.version);
    let act = Act { incident: subject, seen, verb, by: None };
    let outcome = block_on(engine::act_once(setup, snapshot, &act))?;
    // A name that nobody has is a wrong word, not a no.
    let unknown = matches!(&outcome, Err(Refusal::Rotation(RotationRefusal::NoRotation { .. } | RotationRefusal::NoPerson { .. })));
    let told = Told::from(outcome);
    if as_json {
        let shape = json!({"version": 1, "rotation": rotation, "outcome": told.word, "why": told.why, "receipt": told.receipt});
        print(&format!("{shape:#}\n"))?;
    } else if let Some(why) = &told.why {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    } else {
        print(&format!("{done}\n"))?;
    }
    Ok(if unknown { Code::Usage } else { told.code })
}

/// Print the overrides in force and ahead.
pub fn list(common: &Common, rotation: Option<&str>, as_json: bool) -> Result<Code> {
    let (setup, snapshot) = snapshot(common)?;
    let (zone, now) = (setup.plan.time_zone, setup.clock.now());
    let own = snapshot.rotas.iter().filter(|r| matches!(r.book, Book::Own(_)));
    let rotas: Vec<&Rota> = own.map(|r| &**r).filter(|r| rotation.is_none_or(|name| name == r.name.as_str())).collect();
    if let Some(name) = rotation.filter(|_| rotas.is_empty()) {
        return Ok(usage(&format!("there is no [[rotation]] named `{name}`; overrides are made on those of the configuration")));
    }
    let all: Vec<_> = rotas.into_iter().flat_map(|rota| overrides(&snapshot, rota, now)).collect();
    if as_json {
        let shape = json!({"version": 1, "overrides": all.iter().map(|(name, over, made)| shape(name, over, *made)).collect::<Vec<_>>()});
        print(&format!("{shape:#}\n"))?;
    } else {
        let line = |(name, over, made): &(&Text, &Override, Option<&MadeOverride>)| {
            let origin = made.map_or_else(|| "by the configuration".to_owned(), |made| format!("by {}", made.by));
            let note = made.and_then(|m| m.note.as_ref()).map_or_else(String::new, |note| format!("  “{note}”"));
            let (from, to) = (shown(over.during.from, zone), shown(over.during.to, zone));
            format!("{name}  {}  {}  {from} until {to}  {origin}{note}\n", over.seat, over.who)
        };
        print(&all.iter().map(line).collect::<String>())?;
    }
    Ok(Code::Yes)
}

/// The overrides of a rotation that are not over, with what the journal says of each that it has.
fn overrides<'a>(
    snapshot: &'a Snapshot,
    rota: &'a Rota,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (&'a Text, &'a Override, Option<&'a MadeOverride>)> {
    let Book::Own(rotation) = &rota.book else { return Vec::new().into_iter() };
    let made = snapshot.rotation_logs.get(&rota.name).map(|log| log.overrides.as_slice()).unwrap_or_default();
    let configured = rotation.overrides().len().saturating_sub(made.len());
    let all = rotation.overrides().iter().enumerate().filter(|(_, over)| over.during.to > now);
    let all = all.map(|(n, over)| (&rota.name, over, n.checked_sub(configured).and_then(|n| made.get(n))));
    all.collect::<Vec<_>>().into_iter()
}

fn shape(rotation: &Text, over: &Override, made: Option<&MadeOverride>) -> Value {
    json!({
        "rotation": rotation, "seat": over.seat, "who": over.who, "from": time(over.during.from), "until": time(over.during.to),
        "made": made.map(|m| json!({"by": m.by.to_string(), "at": time(m.at), "act": m.act, "note": m.note})),
    })
}
