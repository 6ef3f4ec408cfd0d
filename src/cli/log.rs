//! The log: structured, redacted, only to a file; a line on the terminal would destroy the screen.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, sync::Mutex};

use anyhow::{Context, Result};

/// Write what happens to `file` from now on, as JSON lines; the file is private.
pub fn start(file: &Path) -> Result<()> {
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    let out = open.with_context(|| format!("{}: the log cannot be written; name another file", file.display()))?;
    let subscriber = tracing_subscriber::fmt().json().with_writer(Mutex::new(out)).finish();
    tracing::subscriber::set_global_default(subscriber).context("the log was started twice")
}
