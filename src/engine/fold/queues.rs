//! Queues out of what polls saw of them, and the episodes of those that stall.
//!
//! A queue that an answer leaves out may be one that its broker has not found again yet: it stays as it was for two intervals. What a
//! source no longer tells is stale, never empty.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::covers::Covers;
use crate::domain::{
    Ack, Episode, Grade, Incident, Labels, Origin, Plan, QueueMemory, QueueRow, QueueSample, QueueState, Severity, Snapshot, SourceName,
    Status, Text, Verdict, worst_first,
};

/// What one poll saw of all queues of `source`.
pub fn polled(next: &mut Snapshot, plan: &Plan, source: &SourceName, samples: &[QueueSample], as_of: DateTime<Utc>) {
    let kept = plan.source(source).and_then(|s| TimeDelta::from_std(s.stale_after()).ok()).unwrap_or_default();
    let (ours, mut rows): (Vec<_>, Vec<_>) = std::mem::take(&mut next.queues).into_iter().partition(|row| row.source == *source);
    let mut ours: HashMap<Text, Arc<QueueRow>> = ours.into_iter().map(|row| (row.name().clone(), row)).collect();
    let mut names = HashSet::new();
    for sample in samples.iter().filter(|sample| names.insert(&sample.name)) {
        let before = ours.remove(&sample.name);
        let seen = QueueRow::seen(before.as_deref(), source, sample, as_of, &plan.queues);
        if let Some(row) = &seen {
            episode(next, row);
        }
        rows.extend(seen.map(Arc::new).or(before));
    }
    for (_, row) in ours {
        if as_of - row.as_of <= kept {
            rows.push(row);
        } else {
            over(next, &row, as_of);
        }
    }
    rows.sort_by(|a, b| worst_first(a, b));
    next.queues = rows;
}

/// What the store remembers of the queues of `source`; what is known of later wins.
pub fn remembered(next: &mut Snapshot, plan: &Plan, source: &SourceName, memories: Vec<QueueMemory>) {
    if plan.source(source).is_none() {
        return;
    }
    let known: HashMap<Text, DateTime<Utc>> =
        next.queues.iter().filter(|row| row.source == *source).map(|row| (row.name().clone(), row.as_of)).collect();
    let news = memories.into_iter().filter(|m| known.get(&m.now.name).is_none_or(|at| *at < m.as_of));
    let news: Vec<_> = news.map(|memory| Arc::new(QueueRow::remembered(source, memory, &plan.queues))).collect();
    let newer = |row: &Arc<QueueRow>| news.iter().any(|n| n.id == row.id);
    next.queues.retain(|row| !newer(row));
    next.queues.extend(news);
    next.queues.sort_by(|a, b| worst_first(a, b));
}

/// Ages cannot be told of what lies in the future, once the clock has been set back: those are forgotten until they are seen again.
pub fn forget_future(next: &mut Snapshot, future: impl Fn(DateTime<Utc>) -> bool) {
    next.queues.retain(|row| !future(row.as_of));
}

/// Queues whose source has not told of them lately are stale.
pub fn settle(next: &mut Snapshot, plan: &Plan, now: DateTime<Utc>) {
    let mut moved = false;
    next.queues.retain(|row| plan.source(&row.source).is_some());
    for row in &mut next.queues {
        let sampled = row.now.sampled_at.is_some();
        let limit = plan.source(&row.source).map(|s| if sampled { s.sample_stale_after().max(s.stale_after()) } else { s.stale_after() });
        let old = limit.is_some_and(|limit| (now - row.as_of).to_std().is_ok_and(|age| age > limit));
        if old && row.state != QueueState::Stale {
            Arc::make_mut(row).state = QueueState::Stale;
            moved = true;
        }
    }
    if moved {
        next.queues.sort_by(|a, b| worst_first(a, b));
    }
}

/// A stall begins an episode, and movement ends it.
fn episode(next: &mut Snapshot, row: &QueueRow) {
    if row.verdict.stall.is_none() {
        return over(next, row, row.as_of);
    }
    let slo = row.id.episode();
    let open = next.episodes.get(&(slo.clone(), Grade::Page)).is_some_and(|e| e.ended_at.is_none());
    if !open {
        let (seen_at, since) = (row.as_of, row.verdict.stalled_since);
        next.episodes.insert((slo.clone(), Grade::Page), Episode { slo, grade: Grade::Page, seen_at, since, ended_at: None });
    }
}

fn over(next: &mut Snapshot, row: &QueueRow, at: DateTime<Utc>) {
    let key = (row.id.episode(), Grade::Page);
    if let Some(open) = next.episodes.get_mut(&key).filter(|e| e.ended_at.is_none() && e.seen_at < at) {
        open.ended_at = Some(at);
    }
}

/// The open incidents of queues that are stalled.
pub fn incidents(snapshot: &Snapshot, plan: &Plan, covers: &Covers<'_>, now: DateTime<Utc>) -> Vec<Incident> {
    let stalled = snapshot.queues.iter().filter(|row| row.verdict.stall.is_some());
    let of_row = |row: &Arc<QueueRow>| {
        let episode = snapshot.episodes.get(&(row.id.episode(), Grade::Page))?;
        Some(incident(snapshot, plan, row, covers, episode, now))
    };
    stalled.filter_map(of_row).collect()
}

fn incident(snapshot: &Snapshot, plan: &Plan, row: &QueueRow, covers: &Covers<'_>, episode: &Episode, now: DateTime<Utc>) -> Incident {
    let id = super::incidents::id_of(episode);
    let thread = snapshot.threads.get(&id);
    let acks: Vec<Ack> = covers.of(&id, thread, episode.seen_at).map(|(ack, _)| ack).collect();
    let ack = acks.iter().find(|ack| super::incidents::stands(ack, now)).cloned();
    Incident {
        title: Text::from(format!("{}: queue stalled", row.name())),
        severity: Severity::P2,
        service: row.service.clone(),
        status: if ack.is_some() { Status::Acknowledged } else { Status::Triggered },
        since: episode.since,
        labels: row.labels(),
        annotations: Labels::default(),
        links: Vec::new(),
        sources: vec![row.source.clone()],
        silenced: false,
        inhibited: false,
        lapsed: if ack.is_none() { acks.first().and_then(|ack| super::incidents::lapsed(ack, now)) } else { None },
        ack,
        version: thread.map_or(0, |t| t.version),
        members: Vec::new(),
        keys: Vec::new(),
        origin: Origin::Queue { queue: row.id.clone(), seen_at: episode.seen_at },
        stale: matches!(row.state, QueueState::Stale | QueueState::Unknown) || plan.source(&row.source).is_none(),
        id,
    }
}

/// What queues add to the verdict: a stall speaks through its incident, work that waits too long is a warning.
pub fn verdict(snapshot: &Snapshot) -> Option<Verdict> {
    let of = |row: &Arc<QueueRow>| match row.state {
        QueueState::Backlog => Some(Verdict::Warning),
        QueueState::Stale => Some(Verdict::Unknown),
        QueueState::Ok | QueueState::Unknown | QueueState::Stalled => None,
    };
    snapshot.queues.iter().filter_map(of).max()
}

#[cfg(test)]
mod tests;
