//! `burnwatch audit`: what was done here, and whether the journal is as it was written.

use anyhow::{Context, Result};
use chrono::SecondsFormat;
use serde_json::json;

use super::{
    args::Common,
    run::{Code, json as json_text, print},
    setup,
};
use crate::{
    domain::{Effect, Entry, Outcome, What},
    store::{Head, Store, Verified},
};

/// Print the newest `last` entries, oldest first.
pub fn list(common: &Common, last: u32, as_json: bool) -> Result<Code> {
    let entries = open(common)?.recent(last)?;
    if as_json {
        print(&json_text(&json!({"version": 1, "entries": entries})))?;
    } else {
        print(&entries.iter().map(line).collect::<String>())?;
    }
    Ok(Code::Yes)
}

/// Tell whether the journal is as it was written: 0 if so, 1 if not.
pub fn verify(common: &Common, as_json: bool) -> Result<Code> {
    let found = open(common)?.verify()?;
    let (chain, head) = (chain(&found), head(&found));
    if as_json {
        let shape = json!({
            "version": 1, "good": found.good(), "entries": found.entries,
            "chain": {"good": found.chain.is_ok(), "first_bad": found.chain.err(), "says": chain},
            "head": {"good": found.head == Head::Reached, "says": head},
        });
        print(&json_text(&shape))?;
    } else {
        print(&format!("entries  {}\nchain    {chain}\nhead     {head}\n", found.entries))?;
    }
    Ok(if found.good() { Code::Yes } else { Code::No })
}

fn open(common: &Common) -> Result<Store> {
    let folder = setup::folder(common)?;
    Store::open_read_only(&folder).with_context(|| format!("the store {} cannot be read", folder.display()))
}

/// `2026-11-19T13:31:08Z  jon  ack  checkout/availability:page  checkout: availability 82.2×  “on it”`
fn line(entry: &Entry) -> String {
    let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (verb, more) = match &entry.what {
        What::Asked { effect: effect @ Effect::Override { over, .. } } => {
            let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let (from, to) = (time(over.during.from), time(over.during.to));
            let note = effect.note().map_or_else(String::new, |note| format!("  “{note}”"));
            (effect.verb(), format!("  {} is {} from {from} until {to}{note}", over.who, over.seat))
        }
        What::Asked { effect } => (effect.verb(), effect.note().map_or_else(String::new, |note| format!("  “{note}”"))),
        What::Drilled { drill } => ("drill", format!("  {drill}")),
        What::Run { event } => (event.verb(), format!("  {}", event.words())),
        What::Ended { outcome: Outcome::Done { .. }, .. } => ("done", String::new()),
        What::Ended { outcome: Outcome::Failed { why, .. }, .. } => ("failed", format!("  {why}")),
        What::Ended { outcome: Outcome::Unknown { why }, .. } => ("unknown", format!("  {why}")),
    };
    format!("{at}  {}  {verb}  {}  {}{more}\n", entry.who, entry.subject, entry.title)
}

fn chain(found: &Verified) -> String {
    match found.chain {
        Ok(()) => "every entry is as it was written".to_owned(),
        Err(id) => format!("entry {id} is missing or is not as it was written"),
    }
}

fn head(found: &Verified) -> String {
    match found.head {
        Head::Reached => "the journal reaches as far as its head says".to_owned(),
        Head::Cut(entries) => format!("entries are missing at the end: there were at least {entries}"),
        Head::Differs(id) => format!("entry {id} is not the one that the head names"),
        Head::Missing if found.entries == 0 => "none yet".to_owned(),
        Head::Missing => "there is none, so that a cut end would not show".to_owned(),
    }
}
