//! Trust: a `./burnwatch.toml` that was merely found runs no command until somebody has said that it may.
//!
//! What is trusted is a file at a place with exactly this content: changed, it is asked about anew. The list lies in the user's state
//! folder, one line a file: hash, space, path.

use std::{
    ffi::OsString,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::load::environment;
use crate::domain::Hash;

/// Where the list lies: `$XDG_STATE_HOME/burnwatch/trusted`, or `~/.local/state/burnwatch/trusted`. `None` without a home.
fn list(env: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").or_else(std::env::home_dir).map(|h| h.join(".local/state")))?;
    Some(state.join("burnwatch/trusted"))
}

fn line(path: &Path, text: &str) -> io::Result<String> {
    let whole = path.canonicalize()?;
    let whole = whole.to_str().filter(|p| !p.contains('\n')).ok_or_else(|| io::Error::other("its path cannot be written down"))?;
    Ok(format!("{} {whole}", Hash::of(text.as_bytes())))
}

/// Whether this file with this content is trusted. A list that others could have written trusts nothing.
pub(super) fn is_trusted(path: &Path, text: &str) -> bool {
    let Some(list) = list(&environment) else { return false };
    let (Ok(meta), Ok(line)) = (fs::metadata(&list), line(path, text)) else { return false };
    let mine = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    mine && fs::read_to_string(&list).is_ok_and(|all| all.lines().any(|l| l == line))
}

/// Trust the file at `path` as it stands; what was said of it before no longer counts. Tells what was trusted: the hash of its content.
pub fn trust(path: &Path) -> Result<Hash, String> {
    let (meta, text) = super::load::open(path, super::load::LARGEST).map_err(|(why, _)| format!("{}: {why}", path.display()))?;
    if let Some(fault) = super::ownership::check(path, &meta, false, &[]).first() {
        return Err(format!("{}; nobody can trust what others may change", fault.message));
    }
    let list = list(&environment).ok_or("there is no home folder to remember it in; name the file with --config")?;
    let written = write(&list, path, &text);
    written.map(|()| Hash::of(text.as_bytes())).map_err(|why| format!("cannot write {}: {why}", list.display()))
}

fn write(list: &Path, path: &Path, text: &str) -> io::Result<()> {
    let line = line(path, text)?;
    let place = line.split_once(' ').map_or("", |(_, place)| place).to_owned();
    let folder = list.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let before = match fs::read_to_string(list) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let others = before.lines().filter(|l| l.split_once(' ').is_none_or(|(_, p)| p != place));
    let all: String = others.chain([line.as_str()]).flat_map(|l| [l, "\n"]).collect();
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(all.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(list)?;
    Ok(())
}
