//! Who is on call, worked out of the config's rotations, the journal's overrides, and what calendars and paging services tell.
//!
//! It changes at handoffs and when somebody tells something new, so it is not worked out with every event: a snapshot knows until when
//! its rotas hold. Only the account of what they cost grows in between, and is brought up to date every ten minutes, or a minute after
//! somebody was called.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::{
    Actor, Book, Call, Duties, Effect, Entry, Episode, Feed, HandoffNote, Interval, MadeOverride, OnCallEntry, Person, Place, Plan, Rota,
    Rotation, RotationLog, Snapshot, SourceName, Text, Told, What, rotas_of, shifts_of,
};

/// How long calls are remembered: as long as accounts go back.
const ACCOUNT: TimeDelta = TimeDelta::days(30);
/// The longest that rotas hold, so that the account goes on.
const LONGEST: TimeDelta = TimeDelta::minutes(10);
/// How soon after somebody was called the account shows it.
const SOON: TimeDelta = TimeDelta::minutes(1);
/// Notes kept of each rotation.
const NOTES: usize = 20;

/// A calendar told who is on duty.
pub fn duties(next: &mut Snapshot, source: &SourceName, told: Duties) {
    if next.duties.get(source).is_none_or(|old| old.duties != told.duties || old.between.to + LONGEST < told.between.to) {
        next.rotas_until = None;
    }
    next.duties.insert(source.clone(), Arc::new(told));
}

/// A paging service told who is on call.
pub fn on_call(next: &mut Snapshot, source: &SourceName, entries: &[OnCallEntry], as_of: DateTime<Utc>) {
    if next.on_call.get(source).is_none_or(|old| old.as_slice() != entries) {
        next.rotas_until = None;
    }
    next.on_call.insert(source.clone(), Arc::new(entries.to_vec()));
    next.on_call_as_of.insert(source.clone(), as_of);
}

/// What an entry of the journal says of a rotation, or of somebody who was called.
pub fn entry(next: &mut Snapshot, entry: &Entry) {
    called(next, Call::of_entry(entry));
    if let What::Asked { effect } = &entry.what {
        rotation_entry(next, entry, effect);
    }
}

fn rotation_entry(next: &mut Snapshot, entry: &Entry, effect: &Effect) {
    let (Effect::Override { rotation, .. } | Effect::HandoffNote { rotation, .. } | Effect::HandoffRead { rotation, .. }) = effect else {
        return;
    };
    next.rotas_until = None;
    let log = Arc::make_mut(next.rotation_logs.entry(rotation.clone()).or_default());
    match effect {
        Effect::Override { over, note, .. } => {
            let (act, by, over, note) = (entry.act.clone(), entry.who.clone(), over.clone(), note.clone());
            log.overrides.push(MadeOverride { act, by, at: entry.at, over, note });
        }
        Effect::HandoffNote { handoff, note, .. } => leave(log, *handoff, note, &entry.who, entry.at),
        Effect::HandoffRead { handoff, .. } => {
            if let Some(note) = log.notes.iter_mut().find(|n| n.at == *handoff && n.read.is_none()) {
                note.read = Some((entry.who.clone(), entry.at));
            }
        }
        _ => {}
    }
}

fn leave(log: &mut RotationLog, at: DateTime<Utc>, note: &Text, by: &Actor, written: DateTime<Utc>) {
    log.notes.retain(|n| n.at != at);
    log.notes.push(HandoffNote { at, note: note.clone(), by: by.clone(), written, read: None });
    log.notes.sort_by_key(|n| n.at);
    let surplus = log.notes.len().saturating_sub(NOTES);
    log.notes.drain(..surplus);
}

/// Episodes of our own rules, as the store has them.
pub fn episodes(next: &mut Snapshot, plan: &Plan, stored: &[Episode]) {
    for episode in stored {
        let service = service_of(plan, next, episode);
        called(next, Call::of_episode(episode, service));
    }
}

/// The service of an episode: its SLO's, else what its id begins with.
fn service_of(plan: &Plan, known: &Snapshot, episode: &Episode) -> Text {
    if let Some(row) = known.slos.iter().find(|r| r.id == episode.slo) {
        return row.service.clone();
    }
    if let Some(queue) = episode.queue() {
        let row = known.queues.iter().find(|q| q.id.as_str() == queue);
        return row.and_then(|q| q.service.clone()).unwrap_or_default();
    }
    let mut parts = episode.slo.as_str().rsplit('/').skip(1);
    let named = parts.next().unwrap_or_default();
    let alone = plan.definitions.iter().find(|d| d.id.as_str() == episode.slo.as_str()).and_then(|d| d.service.clone());
    alone.unwrap_or_else(|| Text::from(named))
}

/// Remember a call that is news; the accounts show it soon.
fn called(next: &mut Snapshot, call: Option<Call>) {
    if let Some(call) = call.filter(|call| !next.calls.knows(call)) {
        let soon = next.at + SOON;
        next.rotas_until = next.rotas_until.map(|until| until.min(soon));
        Arc::make_mut(&mut next.calls).add(call);
    }
}

/// Bring the rotas up to date, if they are not.
pub fn settle(next: &mut Snapshot, previous: &Snapshot, plan: &Plan, now: DateTime<Utc>) {
    if plan.rotations.is_empty() && plan.feeds.is_empty() && next.on_call.is_empty() {
        return;
    }
    see_incidents(next);
    let hold = previous.at <= now && next.rotas_until.is_some_and(|until| now < until);
    if !hold {
        forget(next, now - ACCOUNT);
        let rotas: Vec<_> = Builder::new(next, plan, now).rotas();
        next.rotas_until = Some(rotas.iter().filter_map(|r| changes(r, now)).fold(now + LONGEST, DateTime::min));
        next.rotas = rotas.into_iter().map(Arc::new).collect();
    }
    let fresh = |name: &SourceName| next.sources.iter().any(|s| s.name == *name && s.tells_on_call());
    for rota in &mut next.rotas {
        let stale = rota.sources().iter().any(|name| !fresh(name));
        if stale != rota.stale {
            Arc::make_mut(rota).stale = stale;
        }
    }
}

fn forget(next: &mut Snapshot, since: DateTime<Utc>) {
    if !next.calls.is_young(since) {
        Arc::make_mut(&mut next.calls).forget(since);
    }
}

/// Incidents that are open: the first look at each of them may be news.
fn see_incidents(next: &mut Snapshot) {
    let news: Vec<_> =
        next.incidents.iter().flat_map(|i| i.parts()).filter_map(Call::of_incident).filter(|call| !next.calls.knows(call)).collect();
    for call in news {
        called(next, Some(call));
    }
}

/// When a rota changes of itself.
fn changes(rota: &Rota, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let ends = rota.seats.iter().filter_map(|s| s.now.shift().and_then(|s| s.to));
    let nexts = rota.seats.iter().filter_map(|s| s.next.as_ref().map(|n| n.at));
    ends.chain(nexts).filter(|at| *at > now).min()
}

struct Builder<'a> {
    snapshot: &'a Snapshot,
    plan: &'a Plan,
    people: Arc<Vec<Person>>,
    now: DateTime<Utc>,
}

impl<'a> Builder<'a> {
    fn new(snapshot: &'a Snapshot, plan: &'a Plan, now: DateTime<Utc>) -> Self {
        Self { snapshot, plan, people: Arc::new(plan.people.clone()), now }
    }

    /// All rotas: those of the config in its order, then those of calendars, then those of paging services by name.
    fn rotas(&self) -> Vec<Rota> {
        let own = self.plan.rotations.iter().map(|r| (r.name().clone(), r.zone(), Book::Own(self.overridden(r))));
        let fed = self.fed().into_iter().map(|(name, told)| (name, self.plan.time_zone, Book::Told(told)));
        let paged = self.paged().into_iter().map(|(name, told)| (name, self.plan.time_zone, Book::Told(told)));
        let mut all: Vec<Rota> = Vec::new();
        for (name, zone, book) in own.chain(fed).chain(paged) {
            all.push(self.rota(unique(&all, name, &book), zone, book));
        }
        all
    }

    /// What paging services told, by rota: who is called first stands first.
    fn paged(&self) -> Vec<(Text, Told)> {
        let of_source = |(source, entries): (&SourceName, &Arc<Vec<OnCallEntry>>)| {
            let as_of = self.snapshot.on_call_as_of.get(source).copied().unwrap_or(self.now);
            let known = Interval { from: as_of, to: as_of + OnCallEntry::AHEAD };
            let mut rotas: Vec<_> = rotas_of(source, entries, known, &self.plan.people).into_iter().collect();
            rotas.sort_by(|(_, a), (_, b)| a.shifts.keys().next().cmp(&b.shifts.keys().next()));
            rotas
        };
        self.snapshot.on_call.iter().flat_map(of_source).collect()
    }

    /// The rotation with what the journal lays over it.
    fn overridden(&self, rotation: &Arc<Rotation>) -> Arc<Rotation> {
        let Some(log) = self.snapshot.rotation_logs.get(rotation.name()).filter(|log| !log.overrides.is_empty()) else {
            return Arc::clone(rotation);
        };
        let over = log.overrides.iter().map(|made| made.over.clone());
        Rotation::clone(rotation).with(over).map_or_else(|_| Arc::clone(rotation), Arc::new)
    }

    /// What calendars told, by rotation; one that has not answered leaves its rotation unknown.
    fn fed(&self) -> Vec<(Text, Told)> {
        let mut all: Vec<(Text, Told)> = Vec::new();
        for feed in &self.plan.feeds {
            let told = self.of_feed(feed);
            match all.iter_mut().find(|(name, _)| *name == feed.rotation) {
                Some((_, other)) => join(other, told),
                None => all.push((feed.rotation.clone(), told)),
            }
        }
        all
    }

    fn of_feed(&self, feed: &Feed) -> Told {
        let mut told = Told { sources: vec![feed.source.clone()], ..Told::default() };
        let mut shifts = Vec::new();
        if let Some(duties) = self.snapshot.duties.get(&feed.source) {
            told.known = Some(duties.between);
            shifts = shifts_of(&duties.duties, &self.plan.people);
        }
        told.shifts.insert(Place::Seat(feed.seat), shifts);
        told
    }

    fn rota(&self, name: Text, zone: Tz, book: Book) -> Rota {
        let mut rota = Rota::new(name, zone, book);
        let serves = self.plan.services.values().filter(|s| s.rotation.as_ref() == Some(&rota.name));
        rota.serves = serves.map(|s| s.name.clone()).collect();
        rota.people = Arc::clone(&self.people);
        rota.notes = self.snapshot.rotation_logs.get(&rota.name).map(|log| log.notes.clone()).unwrap_or_default();
        rota.standing(&self.snapshot.calls, self.now)
    }
}

/// What another source tells of the same rotation: known is what both know.
fn join(told: &mut Told, other: Told) {
    told.sources.extend(other.sources);
    told.known = told.known.zip(other.known).map(|(a, b)| Interval { from: a.from.max(b.from), to: a.to.min(b.to) });
    for (place, shifts) in other.shifts {
        let all = told.shifts.entry(place).or_default();
        all.extend(shifts);
        all.sort_by(|a, b| (a.from, &a.who).cmp(&(b.from, &b.who)));
    }
}

/// A name that no rota has: of two by one name, the later is told by where it comes from.
fn unique(all: &[Rota], name: Text, book: &Book) -> Text {
    let taken = |name: &Text| all.iter().any(|r| r.name == *name);
    match book {
        Book::Told(told) if taken(&name) => {
            let sources: Vec<_> = told.sources.iter().map(SourceName::as_str).collect();
            Text::from(format!("{name} ({})", sources.join(", ")))
        }
        Book::Own(_) | Book::Told(_) => name,
    }
}

#[cfg(test)]
mod tests;
