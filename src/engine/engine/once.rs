//! One look, and one act, for commands: no cockpit of this process goes on.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{
    Setup, acting, first, fold,
    record::{grow, keep_queues, load_ledger, write},
    remembered, ttl,
};
use crate::{
    domain::{Act, Event, IncidentId, Lane, LeaseView, Outcome, Snapshot, SourcePlan, Text, What},
    engine::{
        latencies,
        ledger::Ledger,
        perform::{self, Acting, Chore},
        poller::{LONGEST_PAUSE, is_raw, poll_once, random_bits},
        schedule::{Answered, Interest, schedule},
    },
    sources::Source,
    store::{Lease, Store},
};

/// Between two looks at what another process is just asking the sources.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long a command may hold the lease while it looks after acts.
const LOOKING_AFTER: Duration = Duration::from_secs(30);

/// One look for a command: fresh readings of the store if somebody polls, else one poll of everything. If somebody else is just at their
/// first poll it waits for that, or for the lease.
pub async fn once(setup: &Setup) -> Snapshot {
    let Some(store) = &setup.store else { return poll_all(setup, first(setup), None).await };
    let patience = Instant::now() + ttl(&setup.plan) + LOOK_AGAIN;
    loop {
        let mut snapshot = remembered(setup, store).0;
        let now = setup.clock.now();
        match store.try_lease(&setup.holder, now, ttl(&setup.plan)) {
            Ok(Lease::Ours { epoch }) => return poll_all(setup, snapshot, Some((store, epoch))).await,
            Ok(Lease::Theirs { .. }) if !asked_lately(setup, &snapshot, now) && Instant::now() < patience => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(Lease::Theirs { name, .. }) => {
                snapshot.store.lease = LeaseView::Theirs(name);
                return fold(&snapshot, &setup.plan, Event::Tick, now);
            }
            Err(error) => {
                snapshot.store.trouble = Some(Text::from(error.to_string()));
                return poll_all(setup, snapshot, None).await;
            }
        }
    }
}

/// Whether every source of which there is anything to be asked was asked as lately as one is that somebody polls; a failing one is asked
/// more seldom.
fn asked_lately(setup: &Setup, snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
    let asks = |row: &SourcePlan, source: &Arc<dyn Source>, lane| {
        let ask = schedule(&setup.plan, row, source.gives(), lane, &Answered::default(), &Interest::default(), now);
        *source.name() == row.name && !ask.wants.is_empty()
    };
    snapshot.sources.iter().all(|row| {
        let Some(source) = setup.plan.source(&row.name) else { return true };
        if !setup.sources.iter().any(|s| asks(source, s, Lane::Short) || asks(source, s, Lane::Long)) {
            return true;
        }
        let pause = if row.fault.is_some() { LONGEST_PAUSE + source.timeout } else { Duration::ZERO };
        let limit = source.stale_after().max(pause);
        row.last_poll.is_some_and(|at| (now - at).to_std().unwrap_or_default() <= limit)
    })
}

/// Ask every source once; with the lease all is written down too, and the lease given back.
async fn poll_all(setup: &Setup, mut snapshot: Snapshot, lease: Option<(&Arc<Store>, u64)>) -> Snapshot {
    let mut ledger = setup.store.as_ref().map_or_else(Ledger::default, |store| load_ledger(setup, store));
    let rows = setup.sources.iter().filter_map(|s| Some((setup.plan.source(s.name())?, s)));
    let polls = rows.map(|(row, source)| async move { (row, poll_once(&setup.plan, row, source.as_ref(), &setup.clock).await) });
    for (row, readings) in futures::future::join_all(polls).await {
        for raw in readings {
            let (reading, growth) =
                if is_raw(&raw) { grow(&mut ledger, setup, row, &raw, &snapshot.queues, &|_, _| true) } else { (raw, None) };
            if let Some((store, epoch)) = lease {
                drop(write(store, epoch, &reading, growth.as_ref()).and_then(|()| latencies::keep(store, epoch, &reading)));
            }
            snapshot = fold(&snapshot, &setup.plan, Event::Read(Arc::new(reading)), setup.clock.now());
        }
    }
    if let Some((store, epoch)) = lease {
        let sources: BTreeSet<_> = snapshot.queues.iter().map(|row| row.source.clone()).collect();
        for source in sources {
            drop(keep_queues(store, epoch, &snapshot, &source, setup.clock.now()));
        }
        drop(store.put_episodes(epoch, &snapshot.episodes.values().cloned().collect::<Vec<_>>()));
        drop(store.release(&setup.holder, epoch));
    }
    snapshot
}

/// With quantiles of how long the answers took that SLOs of probes count, of all of them.
pub fn with_latencies(setup: &Setup, mut snapshot: Snapshot) -> Snapshot {
    let now = setup.clock.now();
    let rows: Vec<_> = snapshot.slos.iter().filter(|row| latencies::has(row)).cloned().collect();
    for (row, store) in rows.iter().zip(setup.store.iter().cycle()) {
        if let Ok(found) = latencies::look_up(store, &row.definition, &row.group, now) {
            snapshot.latencies.insert(row.id.clone(), Arc::new(found));
        }
    }
    snapshot
}

/// Bring the acts on an incident to an end that their process has left without one, before somebody decides on what the journal says of
/// it: for commands, where there may be no cockpit to do it. Does nothing while somebody else has the lease: then they do.
pub async fn look_after(setup: &Setup, snapshot: Snapshot, subject: &IncidentId) -> Snapshot {
    let Some((store, acting)) = setup.store.as_ref().zip(acting(setup)).filter(|_| !setup.plan.read_only) else { return snapshot };
    let now = setup.clock.now();
    let left: Vec<Chore> = snapshot.threads.get(subject).into_iter().flat_map(|thread| perform::abandoned(subject, thread, now)).collect();
    if left.is_empty() {
        return snapshot;
    }
    let Ok(Lease::Ours { epoch }) = store.try_lease(&setup.holder, now, LOOKING_AFTER) else { return snapshot };
    for chore in left {
        if let Chore::Again(asked) = chore {
            acting.carry_out(&asked, true, setup.clock.now()).await;
        }
    }
    drop(store.release(&setup.holder, epoch));
    let newest = snapshot.latest.last().map_or(0, |e| e.id);
    let news = Event::Journal(store.entries_since(newest).unwrap_or_default());
    fold(&snapshot, &setup.plan, news, setup.clock.now())
}

/// Do one act and see it through: for commands.
pub async fn act_once(setup: &Setup, snapshot: &Snapshot, act: &Act) -> Result<Outcome, perform::Refusal> {
    let Some(acting) = acting(setup) else {
        return Err(perform::Refusal::NoJournal(setup.state.trouble.as_ref().map(ToString::to_string).unwrap_or_default()));
    };
    let now = setup.clock.now();
    let entry = acting.decide(snapshot, act, &perform::act_id(now, random_bits()), now)?;
    let seen = Acting::seen(snapshot, act, &entry);
    let asked = acting.ask_patiently(entry, seen).await?;
    let ended = acting.carry_out(&asked, false, setup.clock.now()).await;
    Ok(match ended.map(|e| e.what) {
        Some(What::Ended { outcome, .. }) => outcome,
        _ => Outcome::Unknown { why: Text::from("how it ended could not be written to the journal") },
    })
}
