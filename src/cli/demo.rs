//! `burnwatch demo`: the cockpit on a practice fleet. Nothing to install, nothing left behind.

use anyhow::Result;

use super::{args::Common, practice::Practice, run::Code, watch};
use crate::fleet::Scenario;

/// Run the practice fleet and a cockpit on it, in a temporary folder that goes with it.
pub fn demo(common: &Common) -> Result<Code> {
    watch::look_for_terminal()?;
    let practice = Practice::start(common, Scenario::bad_canary(), None)?;
    let ended = practice.play();
    practice.end()?;
    ended
}
