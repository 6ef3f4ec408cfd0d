//! `burnwatch demo`: the cockpit on a practice fleet. Nothing to install, nothing left behind.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use anyhow::{Context, Result};

use super::{args::Common, run::Code, setup, watch};
use crate::{
    domain::{DefinitionId, Group, Text, Untrusted},
    fleet::{self, Fleet, Scenario},
    store,
};

/// Days of history laid into the demo's store.
const DAYS: u32 = 30;

/// Run the practice fleet and a cockpit on it, in a temporary folder that goes with it.
pub fn demo(common: &Common) -> Result<Code> {
    watch::look_for_terminal()?;
    let folder = tempfile::Builder::new().prefix("burnwatch-demo-").tempdir().context("there is no place for the demo's files")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("fleet").enable_all().build()?;
    let fleet = runtime.block_on(Fleet::start(Scenario::bad_canary(), Arc::new(chrono::Utc::now)))?;
    let file = folder.path().join("burnwatch.toml");
    let place = folder.path().join("store");
    fs::write(&file, fleet.config(&place.display().to_string(), login().as_deref()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    lay(&place, &fleet.history(DAYS))?;
    let common = Common { config: Some(file.clone()), store: None, ..common.clone() };
    let loaded = setup::load(&common)?;
    let hint = Text::from(format!("{} --config {}", quoted(&program()), quoted(&file.display().to_string())));
    let ended = watch::cockpit(
        setup::prepare(&loaded, &common)?,
        move || setup::open_store(&place),
        &common,
        common.look.theme.as_deref(),
        Some(hint),
    );
    drop(fleet);
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    folder.close().context("the demo's files could not be removed")?;
    ended
}

/// The command that started this program, as the person typed it.
fn program() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    if typed.is_empty() { "burnwatch".to_owned() } else { typed }
}

/// A word as a shell takes it: in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn login() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    uzers::get_user_by_uid(uid).map(|u| u.name().to_string_lossy().into_owned())
}

/// Lay the fleet's past into a new store.
fn lay(place: &Path, past: &[fleet::Bucket]) -> Result<()> {
    let bucket = |b: &fleet::Bucket| store::Bucket {
        definition: DefinitionId::new(b.slo),
        group: Group(vec![Untrusted::new(b.service.clone())]),
        from: b.from,
        to: b.to,
        bad: b.bad,
        total: b.total,
        gap: false,
    };
    let buckets: Vec<_> = past.iter().map(bucket).collect();
    store::Store::open(place)?.lay_history(&buckets)?;
    Ok(())
}
