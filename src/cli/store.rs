//! `burnwatch store init`: a store that a group of people on one host shares.

use anyhow::Result;

use super::{args::Common, run::Code, setup};
use crate::store;

/// Make the configured store (or the one of `--store`) a shared one.
pub fn init(common: &Common, group: &str) -> Result<Code> {
    let folder = setup::folder(common)?;
    store::init_shared(&folder, group)?;
    eprintln!("{}: shared with group {group}; everyone in it may now use `--store {}`", folder.display(), folder.display());
    Ok(Code::Yes)
}
