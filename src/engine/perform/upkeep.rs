//! What the lease holder does of itself: extend the silences behind acknowledgements, end them when what they were for has cleared, and
//! look after acts that nobody ended.
//!
//! Each leg of a group's acknowledgement lives by itself: the part that has cleared is given back, the others are held on.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Chore, abandoned, delta, release};
use crate::domain::{
    Ack, ActId, Delivery, Effect, Freshness, Incident, IncidentId, LabelMatcher, Plan, Release, Seen, Snapshot, SourceName, Target, Text,
    Thread,
};

/// How long an alert must be missing before its acknowledgement is released: an Alertmanager that was restarted knows nothing until
/// Prometheus has sent everything again, which takes a minute.
const GONE_FOR: TimeDelta = TimeDelta::seconds(75);

/// Since when what was acknowledged has been missing, by the acknowledgement.
#[derive(Clone, Debug, Default)]
pub struct Missing(HashMap<ActId, DateTime<Utc>>);

/// What the lease holder has to do of itself: extend, release, look after acts that nobody ended.
pub fn chores(snapshot: &Snapshot, plan: &Plan, missing: &mut Missing, now: DateTime<Utc>) -> Vec<Chore> {
    let mut chores = Vec::new();
    let mut present = HashSet::new();
    let look = Look { snapshot, plan, now, parts: OnceCell::new() };
    for (subject, thread) in &snapshot.threads {
        chores.extend(abandoned(subject, thread, now));
        // An act on this subject is under way: wait for its end.
        if !thread.open.is_empty() {
            present.extend(thread.acks().flat_map(ids));
            continue;
        }
        if let Some(effect) = look.upkeep(subject, thread, missing, &mut present) {
            let of_it = snapshot.latest.iter().rev().find(|e| e.subject == *subject);
            let title = of_it.map_or_else(|| Text::from(subject.as_str()), |e| e.title.clone());
            chores.push(Chore::New { subject: subject.clone(), title, seen: thread.version, effect });
        }
    }
    missing.0.retain(|act, _| present.contains(act));
    chores
}

/// The names of an acknowledgement and of its legs.
fn ids(ack: &Ack) -> Vec<ActId> {
    let act = ack.act.iter();
    act.flat_map(|act| std::iter::once(act.clone()).chain((0..ack.legs.len()).map(|number| act.leg(number)))).collect()
}

struct Look<'a> {
    snapshot: &'a Snapshot,
    plan: &'a Plan,
    now: DateTime<Utc>,
    /// What is open, each thing by itself, by its id; made when it is first needed.
    parts: OnceCell<HashMap<&'a IncidentId, &'a Incident>>,
}

/// How what an acknowledgement is for stands.
enum Stand<'a> {
    /// It is held by it.
    Held(&'a Incident),
    /// It is there, and held by somebody else or by nobody: one whose silence somebody has ended is nobody's.
    Otherwise,
    /// It is not there, by an answer that can tell.
    Gone,
    /// Nobody can tell now.
    Untold,
}

impl<'a> Look<'a> {
    /// What is due on a thread on which nothing is under way.
    fn upkeep(&self, subject: &IncidentId, thread: &Thread, missing: &mut Missing, present: &mut HashSet<ActId>) -> Option<Effect> {
        if let Some((ack, target)) = thread.stray.clone() {
            return Some(Effect::Release { target, silence: None, ack, why: Release::Cleared });
        }
        let delivered = thread.acks().filter(|ack| ack.delivery == Delivery::Done).cloned();
        let pieces = delivered.flat_map(|ack| match ack.legs.len() {
            0 => {
                let seen: Vec<_> = ack.occurrence.iter().map(|at| Seen { id: subject.clone(), at: *at }).collect();
                vec![(ack, seen)]
            }
            legs => (0..legs).filter_map(|n| Some((ack.of_leg(n)?, ack.legs.get(n)?.leg.members.clone()))).collect(),
        });
        // All are looked at, so that all that are missing are known to be; one act is begun at a time.
        let due: Vec<_> = pieces
            .filter(|(ack, _)| ack.delivery == Delivery::Done)
            .filter_map(|(ack, seen)| self.due(&ack, &seen, missing, present))
            .collect();
        due.into_iter().next()
    }

    fn due(&self, ack: &Ack, seen: &[Seen], missing: &mut Missing, present: &mut HashSet<ActId>) -> Option<Effect> {
        let act = ack.act.clone()?;
        match self.stand(ack, seen) {
            Stand::Held(incident) => self.extension(ack, incident),
            Stand::Otherwise => None,
            Stand::Untold => {
                missing.0.remove(&act);
                None
            }
            // What a rule of ours says of its end is sure.
            Stand::Gone if ack.target == Target::Journal && seen.iter().all(|s| self.source_of(s).is_none()) => {
                Some(release(ack, Release::Cleared))
            }
            Stand::Gone => {
                present.insert(act.clone());
                let since = *missing.0.entry(act).or_insert(self.now);
                (self.now - since >= GONE_FOR).then(|| release(ack, Release::Cleared))
            }
        }
    }

    fn parts(&self) -> &HashMap<&'a IncidentId, &'a Incident> {
        self.parts.get_or_init(|| self.snapshot.incidents.iter().flat_map(|i| i.parts()).map(|part| (&part.id, part)).collect())
    }

    fn stand(&self, ack: &Ack, seen: &[Seen]) -> Stand<'a> {
        let all = if seen.is_empty() { self.sharing(ack) } else { self.of_seen(seen).collect() };
        if let Some(held) = all.iter().find(|part| part.ack.as_ref().is_some_and(|shown| shown.act == ack.act)) {
            return Stand::Held(held);
        }
        if !all.is_empty() {
            return Stand::Otherwise;
        }
        match &ack.target {
            Target::Journal if self.tells_of(seen) => Stand::Gone,
            Target::Journal | Target::Group { .. } => Stand::Untold,
            Target::Alertmanager { source, .. } | Target::PagerDuty { source, .. } | Target::Silences { source } => {
                let answers = self.snapshot.source(source).is_some_and(|s| s.state == Freshness::Fresh);
                if answers { Stand::Gone } else { Stand::Untold }
            }
        }
    }

    /// Those of these occurrences that are open.
    fn of_seen(&self, seen: &[Seen]) -> impl Iterator<Item = &'a Incident> {
        seen.iter().filter_map(|seen| self.parts().get(&seen.id).copied().filter(|part| part.occurrence() == seen.at))
    }

    /// Those that have the labels of a silence.
    fn sharing(&self, ack: &Ack) -> Vec<&'a Incident> {
        let Target::Alertmanager { source, labels } = &ack.target else { return Vec::new() };
        let there = |part: &&&Incident| part.sources.contains(source) && LabelMatcher::all_in(labels, &part.labels);
        let of_it = |part: &&&Incident| matches!(part.origin, crate::domain::Origin::Alertmanager { .. });
        self.parts().values().filter(of_it).filter(there).copied().collect()
    }

    /// Whether those who would tell of these are heard: of an alert its source, of a rule of ours whoever counts for it.
    fn tells_of(&self, seen: &[Seen]) -> bool {
        let fresh = |source: &SourceName| self.snapshot.source(source).is_some_and(|s| s.state == Freshness::Fresh);
        seen.iter().all(|seen| self.source_of(seen).map_or(!self.snapshot.slos.is_empty(), fresh))
    }

    /// The Alertmanager that this is an alert of, if it is one.
    fn source_of(&self, seen: &Seen) -> Option<&'a SourceName> {
        let of_it = |source: &&SourceName| seen.id.as_str().strip_prefix(source.as_str()).is_some_and(|rest| rest.starts_with(':'));
        self.snapshot.alerts.keys().find(of_it)
    }

    /// Move the silence's end at half of its life, never beyond where the acknowledgement lapses.
    fn extension(&self, ack: &Ack, incident: &Incident) -> Option<Effect> {
        let Target::Alertmanager { source, .. } = &ack.target else { return None };
        let (lapses, until, silence, act) = (ack.lapses?, ack.until?, ack.silence.clone()?, ack.act.clone()?);
        let ack_for = delta(self.plan.source(source)?.ack_for);
        let end = lapses.min(self.now + ack_for);
        let due = until - self.now < ack_for / 2 && self.now < until && end > until;
        let comment = crate::domain::ack_comment(&ack.by.name, ack.note.as_ref(), &act);
        (due && !incident.stale).then(|| Effect::Extend {
            target: ack.target.clone(),
            silence,
            starts: ack.at,
            until: end,
            ack: act,
            comment,
            by: ack.by.name.clone(),
        })
    }
}
