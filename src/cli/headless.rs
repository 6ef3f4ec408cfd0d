//! `burnwatch watch --headless`: an engine without a screen. It takes the lease like any cockpit, so that figures go on being kept while
//! nobody looks, and says in the log what a person would have seen change.

use std::sync::Arc;

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};
use tokio::sync::{oneshot, watch};

use super::{args::Common, log, run::Code, setup};
use crate::{
    domain::{LeaseView, Snapshot},
    engine,
};

/// Collect until a signal asks for an end.
pub fn watch(common: &Common) -> Result<Code> {
    let loaded = setup::load(common)?;
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    if common.log.is_none() {
        log::to_stderr()?;
    }
    let end = signals()?;
    let folder = setup::store_folder(&loaded, common);
    let running = engine::start(setup::prepare(&loaded, common)?, move || setup::open_store(&folder))?;
    let snapshots = running.snapshots.clone();
    super::run::block_on(async {
        tokio::select! {
            () = tell(snapshots) => {}
            _ = end => {}
        }
    })?;
    tracing::info!("ending: the lease is given back");
    running.stop();
    Ok(Code::Yes)
}

/// The first signal that asks for an end.
fn signals() -> Result<oneshot::Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT]).context("signals cannot be waited for")?;
    let (to, from) = oneshot::channel();
    let wait = move || {
        // Nobody who waits any more needs it.
        let _ = signals.forever().next().map(|signal| to.send(signal));
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(from)
}

/// Say in the log what changes, until the engine is gone.
async fn tell(mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut before = Arc::clone(&snapshots.borrow_and_update());
    tracing::info!(store = %before.store.place, sources = before.sources.len(), "collecting");
    while snapshots.changed().await.is_ok() {
        let now = Arc::clone(&snapshots.borrow_and_update());
        differences(&before, &now);
        before = now;
    }
}

fn differences(before: &Snapshot, now: &Snapshot) {
    if before.store.lease != now.store.lease {
        match &now.store.lease {
            LeaseView::Ours => tracing::info!("this collector polls"),
            LeaseView::Theirs(who) => tracing::info!(%who, "somebody else polls, this collector stands by"),
            LeaseView::Unknown => tracing::info!("the lease was lost"),
        }
    }
    if let Some(trouble) = now.store.trouble.as_ref().filter(|t| before.store.trouble.as_ref() != Some(*t)) {
        tracing::warn!(%trouble, "the store");
    }
    if before.verdict != now.verdict {
        tracing::info!(verdict = now.verdict.word(), "everything together");
    }
    for row in &now.sources {
        let old = before.source(&row.name).map(|s| s.state);
        if old == Some(row.state) {
            continue;
        }
        if let Some(fault) = &row.fault {
            tracing::warn!(source = %row.name, state = row.state.word(), why = %fault.message, "source");
        } else {
            tracing::info!(source = %row.name, state = row.state.word(), "source");
        }
    }
}
