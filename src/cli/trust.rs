//! `burnwatch trust`: a `./burnwatch.toml` may run commands, as it stands now.

use std::path::Path;

use anyhow::Result;

use super::run::{Code, print};
use crate::{config, domain::clean};

/// Trust this file as it stands: 0 if it is trusted, 1 if it cannot be.
pub fn trust(file: &Path) -> Result<Code> {
    match config::trust(file) {
        Ok(hash) => {
            let name = clean(&file.to_string_lossy()).into_owned();
            print(&format!("{name} is trusted as it stands ({}); changed, it is asked about anew\n", hash.short()))?;
            Ok(Code::Yes)
        }
        Err(why) => {
            eprintln!("burnwatch: {}", clean(&why));
            Ok(Code::No)
        }
    }
}
