//! The board: everything that keeps an alert from calling anybody, acknowledgements and silences alike.
//!
//! A silence in an Alertmanager is one row, whoever made it and in however many peers it is listed; an acknowledgement that no silence
//! carries (PagerDuty's, the journal's, one on its way) is another. What ends first stands first. Who reads it sees at once what is
//! about to end, what holds back nothing, and what is there twice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{ACK_PREFIX, Ack, ActId, Delivery, Incident, IncidentId, LabelMatcher, Silence, Snapshot, SourceName, Target, Text};

/// One row of the board.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Names the row: a silence's id, or `ack:` and the incident's id.
    pub key: Text,
    /// Where it is kept, every peer that lists it; none for the journal.
    pub sources: Vec<SourceName>,
    /// The silence; `None` if none carries it.
    pub silence: Option<Silence>,
    /// The open incident that it acknowledges, if it is an acknowledgement of one.
    pub incident: Option<Arc<Incident>>,
    /// What it holds back: matchers, or the incident's title.
    pub what: String,
    /// Whose it is.
    pub who: Text,
    /// What they said.
    pub why: Option<Text>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it ends, whatever extends it until then; `None` if that is not known.
    pub ends: Option<DateTime<Utc>>,
    /// How many present alerts it holds back; `None` if no answer has said.
    pub covers: Option<usize>,
    /// What is to be said of it.
    pub state: HoldState,
    /// Whether its source no longer answers: it is as it was then.
    pub stale: bool,
}

/// What is to be said of a row of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// It holds.
    Holds,
    /// It has not begun.
    Pending,
    /// It holds back nothing that is there now.
    Orphaned,
    /// Another one asks for the same and ends later: its id.
    Duplicate(String),
    /// It is an acknowledgement that has not arrived.
    Undelivered,
}

impl HoldState {
    /// In a word: `holds`, `pending`, `orphaned`, `duplicate`, `undelivered`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Pending => "pending",
            Self::Orphaned => "orphaned",
            Self::Duplicate(_) => "duplicate",
            Self::Undelivered => "undelivered",
        }
    }
}

impl Hold {
    /// Whether it is an acknowledgement.
    pub fn is_ack(&self) -> bool {
        self.incident.is_some() || self.silence.as_ref().is_some_and(|s| s.comment.as_str().starts_with(ACK_PREFIX))
    }
    /// `ack` or `silence`.
    pub fn kind(&self) -> &'static str {
        if self.is_ack() { "ack" } else { "silence" }
    }
}

/// The board, what ends first on top.
pub fn board(snapshot: &Snapshot) -> Vec<Hold> {
    let mut rows: Vec<Hold> = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let all = || snapshot.incidents.iter().flat_map(|whole| whole.parts().filter_map(move |part| Some((part.ack.as_ref()?, whole))));
    let acked: HashMap<&str, Carried<'_>> = all().filter_map(|(ack, whole)| Some((carrier(ack)?, (ack, whole)))).collect();
    for (source, alerts) in &snapshot.alerts {
        for silence in &alerts.silences {
            if let Some(row) = seen.get(silence.id.as_str()).and_then(|at| rows.get_mut(*at)) {
                row.sources.push(source.clone());
                continue;
            }
            seen.insert(&silence.id, rows.len());
            rows.push(of_silence(snapshot, source, silence, acked.get(silence.id.as_str()).copied()));
        }
    }
    let carried = |ack: &Ack| carrier(ack).is_some_and(|id| seen.contains_key(id));
    // One act on a group is one row, however many parts it holds.
    let mut told = HashSet::new();
    let named = |ack: &Ack| ack.act.as_ref().map_or_else(|| format!("{:?}", ack.target), |act| act.whole().0.to_string());
    let acks = all().filter(|(ack, _)| !carried(ack)).filter(|(ack, whole)| told.insert((&whole.id, named(ack))));
    rows.extend(acks.map(|(ack, whole)| of_ack(whole, ack)));
    unique(&mut rows);
    mark_duplicates(&mut rows);
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

/// An acknowledgement that a silence carries, and the incident that it is of.
type Carried<'a> = (&'a Ack, &'a Arc<Incident>);

/// Several acknowledgements of one incident have names of their own.
fn unique(rows: &mut [Hold]) {
    let mut seen = HashSet::new();
    for row in rows {
        let mut number = 1;
        while !seen.insert(row.key.clone()) {
            number += 1;
            row.key = Text::from(format!("{} {number}", row.key));
        }
    }
}

/// The silence that carries an acknowledgement.
fn carrier(ack: &Ack) -> Option<&str> {
    ack.silence.as_deref().filter(|_| matches!(ack.target, Target::Alertmanager { .. }))
}

fn order(row: &Hold) -> (bool, Option<DateTime<Utc>>, DateTime<Utc>, &Text) {
    (row.ends.is_none(), row.ends, row.since, &row.key)
}

fn of_silence(snapshot: &Snapshot, source: &SourceName, silence: &Silence, carried: Option<Carried<'_>>) -> Hold {
    let (ack, incident) = carried.unzip();
    let (who, why) = match ack {
        Some(ack) => (Text::from(ack.by.to_string()), ack.note.clone()),
        None => (silence.created_by.clone(), spoken(&silence.comment, &silence.created_by)),
    };
    let nothing = silence.covers == Some(0);
    Hold {
        key: Text::clean(&silence.id),
        sources: vec![source.clone()],
        incident: incident.cloned(),
        what: super::shown_matchers(&silence.matchers),
        who,
        why,
        since: ack.map_or(silence.starts_at, |a| a.at),
        ends: Some(ack.and_then(|a| a.lapses).unwrap_or(silence.ends_at)),
        covers: silence.covers,
        state: match (silence.active, nothing) {
            (false, _) => HoldState::Pending,
            (true, true) => HoldState::Orphaned,
            (true, false) => HoldState::Holds,
        },
        stale: snapshot.source(source).is_none_or(|s| s.state != super::Freshness::Fresh),
        silence: Some(silence.clone()),
    }
}

fn of_ack(incident: &Arc<Incident>, ack: &Ack) -> Hold {
    Hold {
        key: Text::clean(&format!("ack:{}", incident.id)),
        sources: ack.target.source().cloned().into_iter().collect(),
        silence: None,
        incident: Some(Arc::clone(incident)),
        what: incident.title.to_string(),
        who: Text::from(ack.by.to_string()),
        why: ack.note.clone(),
        since: ack.at,
        ends: ack.ends(),
        covers: None,
        state: if ack.delivery == Delivery::Done { HoldState::Holds } else { HoldState::Undelivered },
        stale: incident.stale,
    }
}

/// Of several silences that ask for the same in the same place, all but the one that ends last.
fn mark_duplicates(rows: &mut [Hold]) {
    let mut last: HashMap<(Vec<LabelMatcher>, SourceName), (DateTime<Utc>, String)> = HashMap::new();
    for (key, silence) in rows.iter().filter_map(asks) {
        let newest = last.entry(key).or_insert_with(|| (silence.ends_at, silence.id.clone()));
        if (silence.ends_at, &silence.id) > (newest.0, &newest.1) {
            *newest = (silence.ends_at, silence.id.clone());
        }
    }
    for row in rows {
        let other = asks(row).and_then(|(key, silence)| last.get(&key).filter(|(_, id)| *id != silence.id)).map(|(_, id)| id.clone());
        if let Some(other) = other.filter(|_| row.state != HoldState::Pending) {
            row.state = HoldState::Duplicate(other);
        }
    }
}

fn asks(row: &Hold) -> Option<((Vec<LabelMatcher>, SourceName), &Silence)> {
    let silence = row.silence.as_ref().filter(|s| s.active && !s.matchers.is_empty())?;
    let mut matchers = silence.matchers.clone();
    matchers.sort_unstable();
    matchers.dedup();
    Some(((matchers, row.sources.first()?.clone()), silence))
}

/// What a silence's comment says, without the marks that programs set around it; `None` if that is nothing.
pub fn spoken(comment: &Text, by: &Text) -> Option<Text> {
    let text = comment.as_str().trim();
    let text = match text.strip_prefix(ACK_PREFIX).map(str::trim_start) {
        Some(ack) => ack.strip_prefix(by.as_str()).unwrap_or(ack),
        None => text,
    };
    let text = match text.rsplit_once("[bw:") {
        Some((before, mark)) if mark.ends_with(']') => before,
        _ => text,
    };
    Some(text.trim()).filter(|t| !t.is_empty()).map(Text::from)
}

/// The comment of a silence that a person asked for; the mark at its end is how it is found again.
pub fn silence_comment(comment: &Text, act: &ActId) -> String {
    format!("{comment} {}", super::mark(act))
}

/// An acknowledgement that ends soon unless somebody takes it anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Lapsing {
    /// Of which incident.
    pub incident: Arc<Incident>,
    /// When it ends.
    pub ends: DateTime<Utc>,
}

/// How long before its end an acknowledgement is warned of.
pub const WARNING: chrono::TimeDelta = chrono::TimeDelta::minutes(15);

/// Acknowledgements that end within the [`WARNING`] whatever extends them, the next one first. Those of other tools are left out: nobody
/// here knows whether they are extended.
pub fn lapsing(snapshot: &Snapshot, now: DateTime<Utc>) -> Vec<Lapsing> {
    let soon = |i: &Arc<Incident>| {
        let ack = i.ack.as_ref().filter(|a| a.delivery != Delivery::Failed)?;
        let known = ack.act.is_some() || matches!(ack.target, Target::PagerDuty { .. });
        let ends = ack.ends().filter(|ends| known && now < *ends && *ends - now <= WARNING)?;
        Some(Lapsing { incident: Arc::clone(i), ends })
    };
    let mut all: Vec<_> = snapshot.incidents.iter().filter_map(soon).collect();
    all.sort_by(|a, b| (a.ends, &a.incident.id).cmp(&(b.ends, &b.incident.id)));
    all
}

/// Present alerts that some matchers cover, in one Alertmanager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Those covered: what people call them.
    pub covered: Vec<Text>,
    /// How many there are.
    pub of: usize,
}

/// What `matchers` would hold back in `source` now; says what is wrong with them.
pub fn coverage(snapshot: &Snapshot, source: &SourceName, matchers: &[LabelMatcher]) -> Result<Coverage, String> {
    let ready = super::Matchers::new(matchers)?;
    if let Some(wide) = ready.too_wide() {
        return Err(wide.to_owned());
    }
    let Some(alerts) = snapshot.alerts.get(source) else { return Ok(Coverage::default()) };
    let covered = alerts.alerts.iter().filter(|a| ready.cover(&a.labels)).map(|a| called(&a.labels)).collect();
    Ok(Coverage { covered, of: alerts.alerts.len() })
}

/// An alert's name and whose it is: `checkout CheckoutSlow`.
fn called(labels: &super::Labels) -> Text {
    let text = |name: &str| labels.get(name).map(super::Untrusted::text);
    let service = ["service", "app", "job", "instance"].iter().find_map(|l| text(l));
    match (service, text("alertname")) {
        (Some(service), Some(name)) => Text::from(format!("{service} {name}")),
        (None, Some(name)) => name,
        (Some(service), None) => service,
        (None, None) => Text::from("an alert without a name"),
    }
}

/// The subject of a silence on the board: where it is kept and what it asks for.
pub fn hold_subject(row: &Hold) -> Option<(SourceName, IncidentId)> {
    let source = row.sources.first()?;
    let silence = row.silence.as_ref()?;
    Some((source.clone(), super::silence_subject(source, &silence.matchers)))
}
