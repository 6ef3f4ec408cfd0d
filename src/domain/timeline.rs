//! What happened to one incident: the journal's entries, our own rules, and what its sources tell, merged by time.
//!
//! What is told of an incident beyond what every poll brings is a [`Chronicle`]: it is asked for when somebody looks, and kept in the
//! snapshot by the incident's id.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    ActId, Actor, Delivery, Effect, Entry, Episode, Escalation, Fault, Grade, Incident, Moment, Origin, Outcome, Release, Response, Run,
    Settled, Snapshot, SourceName, Text, What, Window,
};

/// Parts of a group whose beginning is told: those that want somebody most.
const MOST_PARTS: usize = 50;

/// What is told of one incident to those who look at it in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chronicle {
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// Its whole thread of the journal, oldest first.
    pub entries: Vec<Entry>,
    /// What sources that keep a log of it tell.
    pub logs: Vec<Log>,
    /// How its service was responded to in the last thirty days; `None` if its service, or the journal, is not known.
    pub response: Option<Response>,
}

/// One source's log of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Whose.
    pub source: SourceName,
    /// As of when the moments are; `None` if it never told any.
    pub as_of: Option<DateTime<Utc>>,
    /// What happened, oldest first.
    pub moments: Vec<Moment>,
    /// Why it did not answer last; the moments are then those of before.
    pub fault: Option<Fault>,
}

impl Chronicle {
    /// This one, with what an earlier one knew from sources that gave no answer now.
    #[must_use]
    pub fn after(mut self, earlier: Option<&Self>) -> Self {
        for log in self.logs.iter_mut().filter(|log| log.fault.is_some()) {
            if let Some(before) = earlier.and_then(|e| e.logs.iter().find(|b| b.source == log.source)) {
                log.moments.clone_from(&before.moments);
                log.as_of = before.as_of;
            }
        }
        self
    }
}

/// Who tells that something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Teller {
    /// The journal.
    Journal,
    /// Our own burn-rate rules.
    Rules,
    /// A source.
    Source(SourceName),
}

impl Teller {
    /// `journal`, `own rule`, or the source's name.
    pub fn word(&self) -> &str {
        match self {
            Self::Journal => "journal",
            Self::Rules => "own rule",
            Self::Source(name) => name.as_str(),
        }
    }
}

/// One thing that happened to an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// When.
    pub at: DateTime<Utc>,
    /// What, in one word: `fires`, `page`, `ticket`, `over`, `ack`, `unack`, `clear`, `note`, `resolve`, `snooze`, `escalate`, `assign`,
    /// `failed`, `unknown`, `log`; of runs of runbooks `run`, `step`, `tick`, `skip`, `abort`, `effect`.
    pub what: &'static str,
    /// Who tells.
    pub told_by: Teller,
    /// Who did it; `None` if nobody in particular.
    pub who: Option<Text>,
    /// What they did, to be read after their name.
    pub text: Text,
    /// What they said.
    pub said: Option<Text>,
}

impl Passage {
    /// In one line: `maya took it: “on it”`.
    pub fn sentence(&self) -> String {
        let named = self.who.as_ref().filter(|who| !self.text.as_str().contains(who.as_str()));
        let mut line = match (named, &self.told_by) {
            (Some(who), Teller::Source(_)) => format!("{who}: {}", self.text),
            (Some(who), _) => format!("{who} {}", self.text),
            (None, _) => self.text.to_string(),
        };
        if let Some(said) = &self.said {
            line = format!("{}: “{said}”", line.trim_end_matches([' ', ':']));
        }
        line
    }
}

/// All that is known to have happened to an incident, newest first.
pub fn timeline(snapshot: &Snapshot, incident: &Incident) -> Vec<Passage> {
    let chronicle = snapshot.chronicles.get(&incident.id);
    let entries = entries(snapshot, incident, chronicle.map(Arc::as_ref));
    let mut all: Vec<Passage> = entries.iter().filter_map(|e| of_entry(e)).collect();
    for log in chronicle.iter().flat_map(|c| &c.logs) {
        all.extend(log.moments.iter().filter(|m| !entries.iter().any(|e| echoes(m, e))).map(|m| of_moment(&log.source, m)));
    }
    for part in incident.parts().take(MOST_PARTS) {
        let own = match &part.origin {
            Origin::Own { slo, grade, .. } => Some((slo.clone(), *grade)),
            Origin::Queue { queue, .. } => Some((queue.episode(), Grade::Page)),
            Origin::Alertmanager { .. } | Origin::PagerDuty { .. } => None,
        };
        if let Some(episode) = own.and_then(|own| snapshot.episodes.get(&own)) {
            all.extend(of_episode(episode));
        }
        // A source that tells of itself how it began needs nobody to tell it again.
        let told = |p: &Passage| p.what == "fires" && matches!(&p.told_by, Teller::Source(source) if part.sources.contains(source));
        if !all.iter().any(told) {
            all.extend(beginning(part));
        }
    }
    let names: HashSet<_> = incident.names().collect();
    let runs = snapshot.runs.values().filter(|run| run.incident.as_ref().is_some_and(|id| names.contains(id)));
    all.extend(runs.flat_map(|run| of_run(run)));
    all.sort_by_key(|p| std::cmp::Reverse(p.at));
    all
}

/// What happened in a run for the incident, oldest first.
fn of_run(run: &Run) -> Vec<Passage> {
    let passage = |at, what, who: Option<&Actor>, text: String, said: Option<&Text>| {
        let who = who.map(|who| Text::from(format!("{who:#}")));
        Passage { at, what, told_by: Teller::Journal, who, text: Text::from(text), said: said.cloned() }
    };
    let mut all = vec![passage(run.at, "run", Some(&run.by), format!("began {}, run {}", run.title, run.id), None)];
    for step in &run.steps {
        let name = &step.plan.name;
        match &step.settled {
            Some(Settled::Ticked { by, at, note }) => all.push(passage(*at, "tick", Some(by), format!("did `{name}`"), note.as_ref())),
            Some(Settled::Skipped { by, at, reason }) => {
                all.push(passage(*at, "skip", Some(by), format!("skipped `{name}`"), Some(reason)));
            }
            None => {}
        }
        for attempt in &step.attempts {
            let (at, how) = match (&attempt.end, attempt.ended_at) {
                (Some(end), Some(at)) => (at, format!(": {end}")),
                _ => (attempt.at, String::new()),
            };
            all.push(passage(at, "step", Some(&attempt.by), format!("ran `{name}`{how}"), None));
            if let (Some(judgement), Some(at)) = (&attempt.judged, attempt.judged_at) {
                all.push(passage(at, "effect", None, format!("of `{name}`: {judgement}"), None));
            }
        }
    }
    all.extend(run.aborted.as_ref().map(|(by, at, why)| passage(*at, "abort", Some(by), format!("ended run {}", run.id), Some(why))));
    all
}

/// When somebody first had this occurrence of it; `None` while nobody has.
pub fn taken_at(incident: &Incident, happened: &[Passage]) -> Option<DateTime<Utc>> {
    let since = incident.since?;
    let held = incident.ack.as_ref().filter(|ack| ack.delivery == Delivery::Done).map(|ack| ack.at);
    let known = held.or(incident.lapsed.as_ref().map(|(_, at)| *at))?;
    let taken = happened.iter().filter(|p| p.what == "ack" && p.at >= since).map(|p| p.at);
    Some(taken.fold(known, DateTime::min))
}

/// When this occurrence of it was over, as far as anybody told; `None` while it is open.
pub fn over_at(incident: &Incident, happened: &[Passage]) -> Option<DateTime<Utc>> {
    let since = incident.since?;
    let ends = happened.iter().filter(|p| matches!(p.what, "resolve" | "clear" | "over") && p.at >= since);
    ends.map(|p| p.at).min()
}

/// The incident's thread: what was looked up, and what has been written since.
fn entries<'a>(snapshot: &'a Snapshot, incident: &Incident, chronicle: Option<&'a Chronicle>) -> Vec<&'a Entry> {
    let older: Vec<&Entry> = chronicle.map(|c| c.entries.iter().collect()).unwrap_or_default();
    let read = older.last().map_or(0, |e| e.id);
    let names: HashSet<_> = incident.names().collect();
    let newer = snapshot.latest.iter().map(Arc::as_ref).filter(|e| names.contains(&e.subject) && e.id > read);
    older.into_iter().chain(newer).collect()
}

/// Whether a moment is only the note that an entry of ours left there, to the letter: a mark alone may have been copied to hide something.
fn echoes(moment: &Moment, entry: &Entry) -> bool {
    let What::Asked { effect: Effect::Note { note, .. } } = &entry.what else { return false };
    // A note on a group carries the number of its leg.
    let said = moment.text.as_str().trim_end();
    let ours = |act: &ActId| said == format!("{note} {}", super::mark(act));
    moment.what.as_str() == "annotate" && (ours(&entry.act) || (0..MOST_PARTS).any(|leg| said.ends_with(']') && ours(&entry.act.leg(leg))))
}

fn beginning(incident: &Incident) -> Option<Passage> {
    let source = match &incident.origin {
        Origin::Alertmanager { source, .. } | Origin::PagerDuty { source, .. } => source,
        Origin::Own { .. } | Origin::Queue { .. } => return None,
    };
    Some(Passage {
        at: incident.occurrence(),
        what: "fires",
        told_by: Teller::Source(source.clone()),
        who: None,
        text: Text::from(format!("reported by {source}")),
        said: None,
    })
}

fn of_episode(episode: &Episode) -> impl Iterator<Item = Passage> + use<> {
    let passage = |at, what, text| Passage { at, what, told_by: Teller::Rules, who: None, text: Text::from(text), said: None };
    let began = passage(episode.since.unwrap_or(episode.seen_at), episode.grade.word(), episode.began());
    let ended = episode.ended_at.map(|at| passage(at, "over", episode.over()));
    std::iter::once(began).chain(ended)
}

/// An entry; extensions and good ends say nothing new.
fn of_entry(entry: &Entry) -> Option<Passage> {
    let mut who = Some(Text::from(entry.who.to_string()));
    let (what, text, said) = match &entry.what {
        What::Asked { effect } => {
            let text = match effect {
                Effect::Acknowledge { .. } => "took it".to_owned(),
                Effect::TakeOver { from, .. } => format!("took it over from {from}"),
                Effect::Silence { .. } => "silenced it".to_owned(),
                Effect::Expire { .. } => "ended its silence".to_owned(),
                Effect::Release { why: Release::Unacknowledged, .. } => "gave it back".to_owned(),
                Effect::Release { why: Release::Cleared, .. } => {
                    who = None;
                    "it cleared".to_owned()
                }
                Effect::Resolve { .. } => "resolved it".to_owned(),
                Effect::Note { .. } => "said".to_owned(),
                Effect::Snooze { until, .. } => snoozed(*until, entry.at),
                Effect::Escalate { to: Escalation::Level(level), .. } => format!("escalated it to level {level}"),
                Effect::Escalate { to: Escalation::Person { name, .. }, .. } => format!("handed it to {name}"),
                Effect::Extend { .. } | Effect::Override { .. } | Effect::HandoffNote { .. } | Effect::HandoffRead { .. } => return None,
            };
            (effect.verb(), text, effect.note().cloned())
        }
        What::Ended { outcome: Outcome::Failed { why, retry }, .. } => {
            who = None;
            let again = if *retry { "; it is tried again" } else { "" };
            ("failed", format!("{why}{again}"), None)
        }
        What::Ended { outcome: Outcome::Unknown { why }, .. } => {
            who = None;
            ("unknown", format!("{why}; it is looked up"), None)
        }
        What::Ended { outcome: Outcome::Done { .. }, .. } | What::Run { .. } | What::Drilled { .. } => return None,
    };
    Some(Passage { at: entry.at, what, told_by: Teller::Journal, who, text: Text::from(text), said })
}

fn snoozed(until: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let span = u64::try_from((until - at).num_seconds()).ok().and_then(Window::from_secs);
    span.map_or_else(|| "snoozed it".to_owned(), |span| format!("snoozed it for {span}"))
}

fn of_moment(source: &SourceName, moment: &Moment) -> Passage {
    let what = match moment.what.as_str() {
        "trigger" => "fires",
        "notify" => "page",
        "acknowledge" => "ack",
        "unacknowledge" => "unack",
        "annotate" => "note",
        "resolve" => "resolve",
        "snooze" => "snooze",
        "escalate" => "escalate",
        "assign" => "assign",
        _ => "log",
    };
    let text = unmarked(moment.text.as_str());
    let is_note = what == "note";
    let kind = if what == "log" && !moment.what.is_empty() { format!("{}: ", moment.what) } else { String::new() };
    Passage {
        at: moment.at,
        what,
        told_by: Teller::Source(source.clone()),
        who: moment.who.clone(),
        text: if is_note { Text::default() } else { Text::from(format!("{kind}{text}")) },
        said: is_note.then(|| Text::from(text)),
    }
}

/// A text without the mark by which another burnwatch finds it again.
fn unmarked(text: &str) -> &str {
    let marked = text.trim_end().strip_suffix(']').and_then(|t| t.rsplit_once("[bw:"));
    marked.filter(|(_, act)| act.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')).map_or(text, |(before, _)| before.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_not_part_of_a_note() {
        assert_eq!(unmarked("rolling back [bw:18f3a]"), "rolling back");
        assert_eq!(unmarked("see [bw: the wiki]"), "see [bw: the wiki]");
        assert_eq!(unmarked("a]"), "a]");
    }

    #[test]
    fn a_log_that_was_not_told_again_is_kept_with_its_age() {
        let moment = Moment { at: DateTime::default(), what: "trigger".into(), who: None, text: "x".into() };
        let log = |as_of, moments: Vec<Moment>, fault| Chronicle {
            logs: vec![Log { source: "pd".into(), as_of, moments, fault }],
            ..Chronicle::default()
        };
        let fault = Fault { class: super::super::FaultClass::Timeout, message: "pd: late".into(), retry_after_secs: None };
        let before = log(Some(DateTime::default()), vec![moment], None);
        let after = log(None, Vec::new(), Some(fault.clone())).after(Some(&before));
        assert_eq!((after.logs[0].moments.len(), after.logs[0].as_of, &after.logs[0].fault), (1, Some(DateTime::default()), &Some(fault)));
    }
}
