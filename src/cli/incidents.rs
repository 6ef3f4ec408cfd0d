//! `burnwatch incidents`: those that are open, or one of them with all that is known to have happened to it.

use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::{
    acts,
    args::Common,
    run::{Code, block_on, json as json_text, print},
    setup, status,
};
use crate::{
    domain::{Event, Freshness, Incident, Mean, OnCallEntry, Passage, Service, Snapshot, on_call_for, over_at, taken_at, timeline},
    engine::{self, Setup},
    tui::figures::Age,
};

/// Version of the JSON shapes.
const VERSION: u32 = 1;

/// List what is open: 0 if nothing is, 1 if something is, 2 if that cannot be told.
pub fn list(common: &Common, as_json: bool) -> Result<Code> {
    let setup = setup::setup(&setup::load(common)?, common)?;
    let snapshot = block_on(engine::once(&setup))?;
    print(&if as_json { json_text(&list_json(&snapshot)) } else { table(&snapshot) })?;
    let blind: Vec<_> = snapshot.sources.iter().filter(|s| s.state != Freshness::Fresh).collect();
    for source in &blind {
        eprintln!("burnwatch: {}", crate::domain::clean(&status::source_line(source)));
    }
    Ok(match (snapshot.incidents.is_empty(), blind.is_empty()) {
        (false, _) => Code::No,
        (true, true) => Code::Yes,
        (true, false) => Code::Unknown,
    })
}

fn list_json(snapshot: &Snapshot) -> Value {
    let mut shape = status::json(snapshot);
    if let Value::Object(fields) = &mut shape {
        fields.retain(|name, _| matches!(name.as_str(), "version" | "at" | "verdict" | "incidents" | "sources"));
    }
    shape
}

/// `P1    14m  unacked          checkout answers with errors  [pd:Q2KJ7V]`, the columns as wide as what is in them.
fn table(snapshot: &Snapshot) -> String {
    let held: Vec<_> = snapshot.incidents.iter().map(|i| status::held(i)).collect();
    let width = held.iter().map(|h| h.width()).max().unwrap_or(0).min(32);
    let line = |(i, held): (&Arc<Incident>, &String)| {
        let age = i.since.map_or_else(|| "—".to_owned(), |s| Age::between(s, snapshot.at).to_string());
        let gap = " ".repeat(width.saturating_sub(held.width()));
        format!("{}  {age:>6}  {held}{gap}  {}{}  [{}]\n", i.severity.word(), i.title, status::made_of(i), i.id)
    };
    snapshot.incidents.iter().zip(&held).map(line).collect()
}

/// Show one incident: 0 if it is there, else as for an act on it.
pub fn show(common: &Common, id: &str, as_json: bool) -> Result<Code> {
    let setup = setup::setup(&setup::load(common)?, common)?;
    let found = block_on(async {
        let snapshot = engine::once(&setup).await;
        let incident = acts::find(&snapshot, id)?;
        let chronicle = Box::new(engine::look_up(&setup, &incident).await);
        let event = Event::Chronicle(incident.id.clone(), chronicle);
        Ok((engine::fold(&snapshot, &setup.plan, event, setup.clock.now()), incident))
    })?;
    let (snapshot, incident) = match found {
        Ok(found) => found,
        Err(missing) => return acts::tell(&missing, None, id, "", as_json),
    };
    let room = Room::of(&setup, &snapshot, &incident);
    print(&if as_json { json_text(&room.json()) } else { room.text() })?;
    Ok(Code::Yes)
}

/// One incident and what there is to say of it.
struct Room<'a> {
    snapshot: &'a Snapshot,
    incident: &'a Incident,
    happened: Vec<Passage>,
    on_call: Vec<OnCallEntry>,
}

impl<'a> Room<'a> {
    fn of(setup: &Setup, snapshot: &'a Snapshot, incident: &'a Incident) -> Self {
        let service: Option<&Service> = incident.service.as_ref().and_then(|name| setup.plan.services.get(name));
        Self { snapshot, incident, happened: timeline(snapshot, incident), on_call: on_call_for(snapshot, incident, service, snapshot.at) }
    }

    fn json(&self) -> Value {
        let chronicle = self.snapshot.chronicles.get(&self.incident.id);
        let response = chronicle.and_then(|c| c.response).unwrap_or_default();
        let since = self.incident.since;
        let after = |at: Option<DateTime<Utc>>| since.zip(at).map(|(since, at)| (at - since).num_seconds().max(0));
        let mean = |m: Option<Mean>| m.map(|m| json!({"mean_s": m.span.num_seconds(), "of": m.of}));
        let annotations: serde_json::Map<String, Value> =
            self.incident.annotations.shown().map(|(name, value)| (name.to_string(), json!(value))).collect();
        let mut shape = status::incident(self.incident);
        let more = json!({
            "version": VERSION,
            "at": stamp(self.snapshot.at),
            "annotations": annotations,
            "on_call": self.on_call.iter().map(turn).collect::<Vec<_>>(),
            "first_response_s": after(taken_at(self.incident, &self.happened)),
            "resolution_s": after(over_at(self.incident, &self.happened)),
            "response_30d": {"acknowledge": mean(response.acknowledge), "resolve": mean(response.resolve)},
            "timeline": self.happened.iter().map(passage).collect::<Vec<_>>(),
            "logs": chronicle.iter().flat_map(|c| &c.logs).map(|log| json!({
                "source": log.source, "as_of": log.as_of.map(stamp),
                "error": log.fault.as_ref().map(|f| json!({"class": f.class, "message": f.message})),
            })).collect::<Vec<_>>(),
        });
        if let (Value::Object(fields), Value::Object(more)) = (&mut shape, more) {
            fields.extend(more);
        }
        shape
    }

    fn text(&self) -> String {
        let i = self.incident;
        let mut out = vec![format!("{} {}", i.severity.word(), i.title)];
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                out.push(format!("{name:<12}{value}"));
            }
        };
        let ago = |at: DateTime<Utc>| format!("{} ({})", seconds(at), Age::between(at, self.snapshot.at));
        line("id", i.id.to_string());
        line("held by", status::held(i));
        line("note", i.ack.as_ref().and_then(|a| a.note.as_ref()).map(ToString::to_string).unwrap_or_default());
        line("since", i.since.map_or_else(|| "not known".to_owned(), ago));
        line("service", i.service.as_ref().map(ToString::to_string).unwrap_or_default());
        line("sources", i.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let turn = |e: &OnCallEntry| format!("{} ({})", e.who, e.seat());
        line(
            "on call",
            if self.on_call.is_empty() { "not known".to_owned() } else { self.on_call.iter().map(turn).collect::<Vec<_>>().join(", ") },
        );
        line("clocks", self.clocks());
        for part in &i.members {
            line("made of", format!("{}  {}  {}  [{}]", part.severity.word(), part.title, status::held(part), part.id));
        }
        for (name, value) in i.labels.shown() {
            line("label", format!("{name}={value}"));
        }
        for (name, value) in i.annotations.shown() {
            line("annotation", format!("{name}: {value}"));
        }
        for link in &i.links {
            line("link", format!("{}: {}", link.name, link.url));
        }
        let logs = self.snapshot.chronicles.get(&i.id).into_iter().flat_map(|c| &c.logs);
        for fault in logs.filter_map(|log| log.fault.as_ref()) {
            line("missing", fault.message.to_string());
        }
        out.push(String::new());
        out.extend(self.happened.iter().map(|p| format!("{}  {:<8}  {}  {}", seconds(p.at), p.what, p.told_by.word(), p.sentence())));
        out.join("\n") + "\n"
    }

    fn clocks(&self) -> String {
        let response = self.snapshot.chronicles.get(&self.incident.id).and_then(|c| c.response).unwrap_or_default();
        let mean =
            |m: Option<Mean>| m.map_or_else(|| "—".to_owned(), |m| format!("{} of {}", Age::secs(m.span.num_seconds() as f64), m.of));
        let Some(since) = self.incident.since else { return String::new() };
        let span = |at: Option<DateTime<Utc>>| match at {
            Some(at) => Age::between(since, at).to_string(),
            None => format!("{} so far", Age::between(since, self.snapshot.at)),
        };
        let (first, over) = (taken_at(self.incident, &self.happened), over_at(self.incident, &self.happened));
        let means = (mean(response.acknowledge), mean(response.resolve));
        format!("first response {}, resolution {}; in 30d MTTA {}, MTTR {}", span(first), span(over), means.0, means.1)
    }
}

fn turn(entry: &OnCallEntry) -> Value {
    json!({"who": entry.who, "seat": entry.seat(), "rotation": entry.rotation(), "email": entry.email, "until": entry.until.map(stamp)})
}

fn passage(p: &Passage) -> Value {
    json!({"at": stamp(p.at), "what": p.what, "told_by": p.told_by.word(), "who": p.who, "text": p.text, "said": p.said})
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
