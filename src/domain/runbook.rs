//! Runbooks: what to do about a trouble, step by step, as a Markdown file that burnwatch has read.
//!
//! Everything here is what the file says; nothing of it has run. A [`Runbook`] is bound by the hash of its file, a [`Command`] by the hash
//! of exactly those bytes that are shown before a run and handed to the shell in it. What stands in a file is prose to read; only a
//! [`Command`] and an [`HttpCall`] ever leave the screen, and nothing from an alert is ever put into their text.

mod effect;
mod last_run;
mod library;
mod step;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Matchers, RunbookId, SloId, StepName, Text};

pub use effect::{Comparison, EffectWish, Signal};
pub use last_run::LastRun;
pub use library::{Library, Reason, Unusable};
pub use step::{Check, Command, Expectation, Hangup, HttpCall, Input, Observed, Shell, Step, StepKind};

/// One runbook file.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// Its file's name without `.md`: `checkout-rollback`.
    pub id: RunbookId,
    /// What people call it.
    pub title: Text,
    /// Services it is for, as the file and the config's `[[service]]` rows say, by name.
    pub services: Vec<Text>,
    /// Alerts it is for: each of these alone is enough.
    pub alerts: Vec<Matchers>,
    /// What to know before the first step, line by line.
    pub prose: Vec<Text>,
    /// Steps in the order of the file; names are unique.
    pub steps: Vec<Step>,
    /// The file it was read from.
    pub file: PathBuf,
    /// Its path under the folder of runbooks, with `/` between, as an address would end: `payments/checkout-rollback.md`. `None` for a file
    /// that lies elsewhere.
    pub place: Option<String>,
    /// SHA-256 of the file's bytes: what a run is bound to.
    pub hash: Hash,
}

impl Runbook {
    /// The step of this name.
    pub fn step(&self, name: &StepName) -> Option<&Step> {
        self.steps.iter().find(|s| s.name == *name)
    }
    /// Whether some step names this one as its undo: then it is no part of the way from first to last and runs only if asked for.
    pub fn is_undo(&self, name: &StepName) -> bool {
        self.steps.iter().any(|s| s.undo.as_ref() == Some(name))
    }
    /// The steps to go through, in order: all but those that undo another.
    pub fn way(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| !self.is_undo(&s.name))
    }
    /// The SLOs that its effects are judged by.
    pub fn slos(&self) -> impl Iterator<Item = &SloId> {
        self.steps.iter().filter_map(|s| s.effect.as_ref()).filter_map(|wish| wish.signal.slo())
    }
}

/// SHA-256 of some bytes, in lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("{:x}", Sha256::digest(bytes)))
    }
    /// The hash of several parts, told apart by their lengths.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(format!("{:x}", hash.finalize()))
    }
    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first twelve digits, for a screen.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.short())
    }
}

/// The name of the variable in which a step finds a value from outside: `prefix` and the value's own name in capitals, where every
/// character but a letter, a digit and `_` has become `_`. Several names can become one variable; then the step is refused.
pub fn variable_name(prefix: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{prefix}{}", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_sha256sum_says() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.short(), "ba7816bf8f01");
        assert_ne!(Hash::of_parts(["a", "bc"]), Hash::of_parts(["ab", "c"]));
    }

    #[test]
    fn names_from_outside_become_plain_variables() {
        assert_eq!(variable_name("BW_LABEL_", "service"), "BW_LABEL_SERVICE");
        assert_eq!(variable_name("BW_LABEL_", "k8s-app.io/näme"), "BW_LABEL_K8S_APP_IO_N_ME");
        assert_eq!(variable_name("BW_LABEL_", "a.b"), variable_name("BW_LABEL_", "A_b"));
    }
}
