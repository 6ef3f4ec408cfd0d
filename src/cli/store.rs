//! `burnwatch store init`: a store that a group of people on one host shares.

use anyhow::Result;

use super::{args::Common, run::Code, setup};
use crate::{config, store};

/// Make the configured store (or the one of `--store`) a shared one.
pub fn init(common: &Common, group: &str) -> Result<Code> {
    let folder = match &common.store {
        Some(folder) => folder.clone(),
        None => match setup::load(common) {
            Ok(loaded) => setup::store_folder(&loaded, common),
            Err(error) if error.is::<config::NotFound>() => store::default_folder(config::environment),
            Err(error) => return Err(error),
        },
    };
    store::init_shared(&folder, group)?;
    eprintln!("{}: shared with group {group}; everyone in it may now use `--store {}`", folder.display(), folder.display());
    Ok(Code::Yes)
}
