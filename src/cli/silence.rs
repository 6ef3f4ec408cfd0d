//! `burnwatch silence`: hold back alerts by their labels, see what is held back and by whom, end a silence.
//!
//! A silence is made in one Alertmanager, the one that is meant. What it would hold back now is counted before it is sent, and
//! `--dry-run` stops there.

use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    acts::{self, Told},
    args::{Common, NewSilence},
    run::{Code, block_on, print},
    setup,
};
use crate::{
    domain::{
        Act, Coverage, Freshness, Hold, HoldState, Incident, LabelMatcher, Snapshot, SourceName, Target, Text, Verb, Window, board, common,
        coverage, hold_subject, shown_matchers, silence_subject,
    },
    engine::{self, Setup},
    tui::figures::Age,
};

/// Covered alerts that are named in text; the others are counted.
const NAMED: usize = 20;

/// Where an incident's alerts are, and what they have in common; the one alert, if `id` names it.
fn alerts(incident: &Incident, id: &str, place: Option<&str>) -> Result<(SourceName, Vec<LabelMatcher>), Told> {
    let told = |why: String| Told::refused(Code::No, format!("{}: {why}; nothing was done", incident.title));
    let meant = |part: &&Incident| incident.id.as_str() == id || !incident.parts().any(|p| p.id.as_str() == id) || part.id.as_str() == id;
    let of_alert = |part: &Incident| match part.target() {
        Target::Alertmanager { source, labels } => Some((source, labels)),
        _ => None,
    };
    let all: Vec<_> = incident.parts().filter(meant).filter_map(of_alert).collect();
    let wanted = |source: &SourceName| place.is_none_or(|place| source.as_str() == place);
    let there: Vec<_> = all.iter().filter(|(source, _)| wanted(source)).collect();
    let Some((source, _)) = there.first() else {
        return Err(told("no alert of an Alertmanager, so there is nothing to silence".to_owned()));
    };
    if let Some((other, _)) = there.iter().find(|(other, _)| other != source) {
        return Err(told(format!("its alerts are in {source} and in {other}; say which with --source")));
    }
    let matchers = LabelMatcher::exactly(&common(there.iter().map(|(_, labels)| labels)));
    if matchers.is_empty() { Err(told("its alerts have no label in common".to_owned())) } else { Ok((source.clone(), matchers)) }
}

/// A silence that was asked for, as far as it is known.
struct Asked {
    source: SourceName,
    matchers: Vec<LabelMatcher>,
    coverage: Coverage,
}

/// Hold back alerts, or say what that would hold back.
pub fn silence(common: &Common, new: &NewSilence) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let (Some(span), Some(comment)) = (new.span, &new.comment) else { return Ok(Code::Usage) };
    let (told, asked) = block_on(async {
        let snapshot = engine::once(&setup).await;
        match ask(&setup, &snapshot, new) {
            Err(refused) => (refused, None),
            Ok(asked) if new.dry_run => (Told { code: Code::Yes, word: "dry_run", why: None, receipt: None }, Some(asked)),
            Ok(asked) => {
                let (source, matchers) = (asked.source.clone(), asked.matchers.clone());
                let verb = Verb::Silence { source, matchers, span: span.duration(), comment: Text::from(comment.as_str()) };
                (act(&setup, &snapshot, &asked.source, &asked.matchers, verb).await, Some(asked))
            }
        }
    })?;
    if new.json {
        print(&format!("{:#}\n", shape(&told, asked.as_ref())))?;
    } else if let Some(why) = &told.why {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    } else if let Some(asked) = &asked {
        print(&words(asked, span, &told))?;
    }
    Ok(told.code)
}

async fn act(setup: &Setup, snapshot: &Snapshot, source: &SourceName, matchers: &[LabelMatcher], verb: Verb) -> Told {
    let subject = silence_subject(source, matchers);
    let seen = snapshot.threads.get(&subject).map_or(0, |t| t.version);
    Told::from(engine::act_once(setup, snapshot, &Act { incident: subject, seen, verb, by: None }).await)
}

/// What was asked for, in which Alertmanager, and what that would hold back now.
fn ask(setup: &Setup, snapshot: &Snapshot, new: &NewSilence) -> Result<Asked, Told> {
    let usage = |why: String| Told::refused(Code::Usage, why);
    let (source, matchers) = if let Some(id) = &new.id {
        let incident = acts::find(snapshot, id)?;
        alerts(&incident, id, new.source.as_deref())?
    } else {
        let list = |m: &String| LabelMatcher::list(m).map_err(|e| format!("`{m}`: {e}"));
        let lists = new.matcher.iter().map(list).collect::<Result<Vec<_>, _>>().map_err(usage)?;
        (place(setup, new.source.as_deref()).map_err(usage)?, lists.concat())
    };
    let coverage = coverage(snapshot, &source, &matchers).map_err(usage)?;
    if new.dry_run && snapshot.source(&source).is_none_or(|s| s.state != Freshness::Fresh) {
        let why = format!("{source} does not answer, so what this would hold back cannot be told; `burnwatch status` tells why");
        return Err(Told::refused(Code::Unknown, why));
    }
    Ok(Asked { source, matchers, coverage })
}

/// The Alertmanager that is meant: a silence made in one must not reach the others.
fn place(setup: &Setup, named: Option<&str>) -> Result<SourceName, String> {
    let all: Vec<_> = setup.plan.sources.iter().filter(|s| s.kind == "alertmanager").map(|s| &s.name).collect();
    let names = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (named, all.as_slice()) {
        (_, []) => Err("there is no Alertmanager among the sources, and only those have silences".to_owned()),
        (Some(named), all) => {
            let found = all.iter().find(|name| name.as_str() == named).map(|name| (*name).clone());
            found.ok_or_else(|| format!("there is no Alertmanager named `{named}`; there are {}", names()))
        }
        (None, [only]) => Ok((*only).clone()),
        (None, _) => Err(format!("say with --source which Alertmanager is meant: {}", names())),
    }
}

fn shape(told: &Told, asked: Option<&Asked>) -> Value {
    json!({
        "version": 1, "outcome": told.word, "why": told.why, "receipt": told.receipt,
        "source": asked.map(|a| &a.source), "matchers": asked.map(|a| matchers(&a.matchers)),
        "covers": asked.map(|a| json!({"alerts": a.coverage.covered.len(), "of": a.coverage.of, "names": a.coverage.covered})),
    })
}

fn matchers(all: &[LabelMatcher]) -> Vec<Value> {
    all.iter().map(|m| json!({"name": m.name.text(), "op": m.op.sign(), "value": m.value.text()})).collect()
}

/// `silenced {service="checkout"} in am for 2h: holds back 2 of 14 alerts [3f2a…]` and which.
fn words(asked: &Asked, span: Window, told: &Told) -> String {
    let (covered, of) = (&asked.coverage.covered, asked.coverage.of);
    let (done, holds) = if told.word == "dry_run" { ("would silence", "would hold back") } else { ("silenced", "holds back") };
    let receipt = told.receipt.as_ref().map_or_else(String::new, |id| format!(" [{}]", crate::domain::clean(id)));
    let what = shown_matchers(&asked.matchers);
    let mut text = format!("{done} {what} in {} for {span}: {holds} {} of {of} alerts{receipt}\n", asked.source, covered.len());
    for name in covered.iter().take(NAMED) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name}");
    }
    if covered.len() > NAMED {
        let _ = writeln!(text, "  and {} more", covered.len() - NAMED);
    }
    text
}

/// Everything that keeps an alert from calling anybody.
pub fn list(common: &Common, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let snapshot = block_on(engine::once(&setup))?;
    let rows = board(&snapshot);
    if as_json {
        let shape = json!({"version": 1, "at": time(snapshot.at), "holds": rows.iter().map(hold).collect::<Vec<_>>()});
        print(&format!("{shape:#}\n"))?;
    } else {
        print(&rows.iter().map(|row| line(row, snapshot.at)).collect::<String>())?;
    }
    let blind = snapshot.sources.iter().find(|s| matches!(s.kind, "alertmanager" | "pagerduty") && s.state != Freshness::Fresh);
    if let Some(source) = blind {
        eprintln!("burnwatch: {} is {}; what it holds back may be missing here", source.name, source.state.word());
        return Ok(Code::Unknown);
    }
    Ok(Code::Yes)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn hold(row: &Hold) -> Value {
    let silence = row.silence.as_ref();
    let duplicate_of = if let HoldState::Duplicate(id) = &row.state { Some(crate::domain::clean(id)) } else { None };
    json!({
        "id": row.key, "kind": row.kind(), "sources": row.sources, "silence": silence.map(|s| crate::domain::clean(&s.id)),
        "incident": row.incident.as_ref().map(|i| &i.id), "what": row.what, "matchers": silence.map(|s| matchers(&s.matchers)),
        "by": row.who, "why": row.why, "since": time(row.since), "ends": row.ends.map(time), "covers": row.covers,
        "state": row.state.word(), "duplicate_of": duplicate_of, "stale": row.stale,
    })
}

/// `3f2a9c1e…  silence  in 1h12m  orphaned   holds back 0  maya  “deploy”  {service="checkout"}  am`
fn line(row: &Hold, now: DateTime<Utc>) -> String {
    let ends = row.ends.map_or_else(|| "—".to_owned(), |at| Age::between(now, at).to_string());
    let covers = row.covers.map_or_else(|| "—".to_owned(), |n| n.to_string());
    let why = row.why.as_ref().map_or_else(String::new, |why| format!("  “{why}”"));
    let place = row.sources.first().map_or("journal", SourceName::as_str);
    let stale = if row.stale { "  (as it was when its source answered last)" } else { "" };
    let state = row.state.word();
    format!(
        "{}  {:<7}  ends in {ends:>6}  {state:<11}  holds {covers:>3}  {}{why}  {}  in {place}{stale}\n",
        row.key,
        row.kind(),
        row.who,
        row.what
    )
}

/// End a silence. One that carries an acknowledgement is given back, so that its incident knows.
pub fn expire(common: &Common, id: &str, as_json: bool) -> Result<Code> {
    let loaded = setup::load(common)?;
    let setup = setup::setup(&loaded, common)?;
    let (told, row) = block_on(async {
        let snapshot = engine::once(&setup).await;
        match find(&snapshot, id) {
            Err(missing) => (missing, None),
            Ok(row) => (end(&setup, &snapshot, &row).await, Some(row)),
        }
    })?;
    if as_json {
        let id = row.as_ref().map_or(id, |r| r.key.as_str());
        let shape = json!({"version": 1, "silence": id, "outcome": told.word, "why": told.why});
        print(&format!("{shape:#}\n"))?;
    } else if let Some(why) = &told.why {
        eprintln!("burnwatch: {}", crate::domain::clean(why));
    } else if let Some(row) = &row {
        print(&format!("expired {} [{}]\n", row.what, row.key))?;
    }
    Ok(told.code)
}

async fn end(setup: &Setup, snapshot: &Snapshot, row: &Hold) -> Told {
    if let Some(incident) = &row.incident {
        let act = Act { incident: incident.id.clone(), seen: incident.version, verb: Verb::Unacknowledge, by: None };
        return Told::from(engine::act_once(setup, snapshot, &act).await);
    }
    match (hold_subject(row), &row.silence) {
        (Some((source, _)), Some(silence)) => {
            let verb = Verb::Expire { source: source.clone(), silence: silence.id.clone() };
            act(setup, snapshot, &source, &silence.matchers, verb).await
        }
        _ => Told::refused(Code::No, format!("{} is no silence; nothing was done", row.key)),
    }
}

/// The row of the board whose id is, or alone begins with, `id`.
fn find(snapshot: &Snapshot, id: &str) -> Result<Hold, Told> {
    let rows = board(snapshot);
    if let Some(exact) = rows.iter().find(|r| r.key.as_str() == id) {
        return Ok(exact.clone());
    }
    let mut begins = rows.iter().filter(|r| r.silence.is_some() && !id.is_empty() && r.key.as_str().starts_with(id));
    let blind = snapshot.sources.iter().find(|s| s.kind == "alertmanager" && s.state != Freshness::Fresh);
    Err(match (begins.next(), begins.next(), blind) {
        (Some(only), None, _) => return Ok(only.clone()),
        (Some(one), Some(other), _) => {
            Told::refused(Code::Usage, format!("`{id}` could be {} or {}; write more of it", one.key, other.key))
        }
        (None, _, Some(source)) => {
            let (name, state) = (&source.name, source.state.word());
            Told::refused(Code::Unknown, format!("no silence is known as `{id}`, but {name} is {state}; `burnwatch status` tells why"))
        }
        (None, _, None) => Told::refused(Code::No, format!("no silence is called `{id}`; `burnwatch silence list` lists them")),
    })
}
