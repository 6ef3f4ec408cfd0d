//! The log: structured, redacted, only to a file; a line on the terminal would destroy the screen.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Mutex};

use anyhow::{Context, Result};

use crate::domain::is_plain;

/// Write what happens to `file` from now on, as JSON lines; the file is private.
pub fn start(file: &Path) -> Result<()> {
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    let out = open.with_context(|| format!("{}: the log cannot be written; name another file", file.display()))?;
    let subscriber = tracing_subscriber::fmt().json().with_writer(Mutex::new(Harmless(out))).finish();
    tracing::subscriber::set_global_default(subscriber).context("the log was started twice")
}

/// Write what happens to stderr, as lines for people: for where there is no screen to destroy.
pub fn to_stderr() -> Result<()> {
    let subscriber = tracing_subscriber::fmt().with_target(false).with_writer(Mutex::new(Harmless(io::stderr()))).finish();
    tracing::subscriber::set_global_default(subscriber).context("the log was started twice")
}

/// Writes lines, each in one piece, with nothing in them that could act on the terminal of who reads them.
struct Harmless<W>(W);

impl<W: io::Write> io::Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let plain: String = text.chars().map(|c| if c == '\n' || is_plain(c) { c } else { '\u{fffd}' }).collect();
        self.0.write_all(plain.as_bytes())?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[path = "../../tests/support/hostile.rs"]
mod hostile;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        hostile::{harm, strings},
        *,
    };

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_the_log_is_one_harmless_line_whatever_is_logged() {
        let written = Shared::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(Mutex::new(Harmless(written.clone()))).finish();
        let all = strings();
        tracing::subscriber::with_default(subscriber, || {
            for text in &all {
                tracing::warn!(%text, raw = text, "{text}");
            }
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), all.len());
        for line in written.lines() {
            assert_eq!(harm(line), None, "{line:?}");
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
