//! Who may read and write a store: private (0700, 0600) or shared by a group (2770, 0660), whatever the umask.
//!
//! `SQLite` gives its `-wal` and `-shm` files the mode of the database, so that the mode the database is made with is what counts. A
//! database is made here and never by `SQLite`, and only if it is not there: to open and close one behind `SQLite`'s back would drop
//! the locks that this process holds on it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD};

use super::{
    Store, StoreError,
    error::{from_io, shown},
    place::check_local,
};

/// The journal's file.
pub(super) const JOURNAL_FILE: &str = "journal.db";
/// The history's file.
pub(super) const HISTORY_FILE: &str = "history.db";
/// The file that remembers how long the journal is.
pub(super) const HEAD_FILE: &str = "journal.head";

/// All files of a store; those that come and go with `SQLite` too.
pub(super) const FILES: [&str; 7] =
    [JOURNAL_FILE, HISTORY_FILE, HEAD_FILE, "journal.db-wal", "journal.db-shm", "history.db-wal", "history.db-shm"];

const SHARED_FOLDER: u32 = 0o2770;
const SHARED_FILE: u32 = 0o660;
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
/// Setgid and group write: what tells a shared folder from a private one.
const SHARED_BITS: u32 = 0o2020;

/// The mode that files of a folder with mode `folder` have.
pub(super) const fn file_mode(folder: u32) -> u32 {
    if folder & SHARED_BITS == SHARED_BITS { SHARED_FILE } else { PRIVATE_FILE }
}

/// Make a folder and its parents private to us, if it is absent.
pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder);
    made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(PRIVATE_FOLDER))).map_err(|e| match from_io(folder, &e) {
        StoreError::ReadOnly { place, why } => StoreError::Missing { place, why },
        other => other,
    })
}

/// Make an empty file of exactly `mode`, owned as the folder says, if it is absent.
pub(super) fn make_file(file: &Path, mode: u32) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(file) {
        Ok(made) => {
            own_like(&made, file.parent().unwrap_or(file));
            made.set_permissions(Permissions::from_mode(mode)).map_err(|e| from_io(file, &e))
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(from_io(file, &e)),
    }
}

/// Whether we may write `path`.
pub(super) fn may_write(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Refuse a store that anyone may write: its journal would prove nothing.
pub(super) fn refuse_open_to_all(folder: &Path) -> Result<(), StoreError> {
    let files = [JOURNAL_FILE, HISTORY_FILE].map(|name| folder.join(name));
    for path in std::iter::once(folder.to_owned()).chain(files) {
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.mode() & 0o002 != 0 {
            return Err(StoreError::WrongModes { place: shown(&path), what: "anyone may write it".into() });
        }
    }
    Ok(())
}

/// Make the store at `folder` one that the members of `group` share, or turn a private one into such: a 2770 folder, 0660 files.
pub fn init_shared(folder: &Path, group: &str) -> Result<(), StoreError> {
    check_local(folder)?;
    let known = uzers::get_group_by_name(group);
    let gid = known.ok_or_else(|| other(folder, format!("there is no group `{group}` on this host")))?.gid();
    make_folder(folder)?;
    hand_over(folder, gid, SHARED_FOLDER)?;
    for name in FILES {
        let file = folder.join(name);
        if file.exists() {
            hand_over(&file, gid, SHARED_FILE)?;
        }
    }
    Store::open(folder)?.writable()
}

/// Give `path` to a group, with exactly `mode`.
fn hand_over(path: &Path, gid: u32, mode: u32) -> Result<(), StoreError> {
    let refused = |e: io::Error| match e.kind() {
        io::ErrorKind::PermissionDenied => other(path, "only its owner, who must be in the group, can share it".to_owned()),
        _ => from_io(path, &e),
    };
    chown(path, None, Some(gid)).map_err(refused)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(refused)?;
    let got = fs::metadata(path).map_err(refused)?.mode() & 0o7777;
    if got == mode { Ok(()) } else { Err(other(path, format!("its mode became {got:04o} instead of {mode:04o}; join the group first"))) }
}

fn other(path: &Path, what: String) -> StoreError {
    StoreError::Other { place: shown(path), what: what.into() }
}

/// What is wrong with the modes and owners of a store, one sentence each; nothing if all is well or the store does not exist yet.
pub fn check_modes(folder: &Path) -> Vec<String> {
    let meta = match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => meta,
        Ok(_) => return vec![format!("{}: is not a folder; name another place with --store", shown(folder))],
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => return vec![from_io(folder, &e).to_string()],
    };
    let house = House { folder: folder.to_owned(), uid: meta.uid(), gid: meta.gid(), shared: meta.mode() & SHARED_BITS == SHARED_BITS };
    let mut wrong: Vec<String> = house.check_folder(meta.mode() & 0o7777).into_iter().collect();
    wrong.extend(FILES.iter().flat_map(|name| house.check_file(name)));
    wrong.extend(house.check_rights());
    wrong
}

/// What a folder says about how its files should be.
struct House {
    folder: PathBuf,
    uid: u32,
    gid: u32,
    shared: bool,
}

impl House {
    fn check_folder(&self, mode: u32) -> Option<String> {
        let should = if self.shared { SHARED_FOLDER } else { PRIVATE_FOLDER };
        wrong_mode(&self.folder, mode, should)
    }

    fn check_file(&self, name: &str) -> Vec<String> {
        let file = self.folder.join(name);
        let Ok(meta) = fs::metadata(&file) else { return Vec::new() };
        let should = if self.shared { SHARED_FILE } else { PRIVATE_FILE };
        let owner = if self.shared {
            (meta.gid() != self.gid).then(|| {
                let (has, should) = (group_name(meta.gid()), group_name(self.gid));
                format!("{}: belongs to group {has}, the folder to {should}; chgrp {should} {0}", shown(&file))
            })
        } else {
            (meta.uid() != self.uid).then(|| {
                let (has, should) = (user_name(meta.uid()), user_name(self.uid));
                format!("{}: belongs to {has}, the folder to {should}; chown {should} {0}", shown(&file))
            })
        };
        wrong_mode(&file, meta.mode() & 0o7777, should).into_iter().chain(owner).collect()
    }

    /// Whether we ourselves may write, said as plainly as it can be.
    fn check_rights(&self) -> Option<String> {
        let barred = |path: &Path| path.exists() && !may_write(path);
        let files = FILES.iter().map(|name| self.folder.join(name));
        let path = std::iter::once(self.folder.clone()).chain(files).find(|path| barred(path))?;
        let us = user_name(uzers::get_effective_uid());
        let remedy = if self.shared {
            format!("ask to be made a member of group {}", group_name(self.gid))
        } else {
            format!("it is private to {}", user_name(self.uid))
        };
        Some(format!("{}: {us} may not write it, so can watch and not act; {remedy}, or name another place with --store", shown(&path)))
    }
}

fn wrong_mode(path: &Path, mode: u32, should: u32) -> Option<String> {
    (mode != should).then(|| format!("{}: has mode {mode:04o}, should have {should:04o}; chmod {should:04o} {0}", shown(path)))
}

fn user_name(uid: u32) -> String {
    uzers::get_user_by_uid(uid).map_or_else(|| format!("uid {uid}"), |user| shown(Path::new(user.name())).to_string())
}

fn group_name(gid: u32) -> String {
    uzers::get_group_by_gid(gid).map_or_else(|| format!("gid {gid}"), |group| shown(Path::new(group.name())).to_string())
}

/// Make `file` belong to whoever owns `like`; what only root can and need do is not an error for others.
pub(super) fn own_like(file: &File, like: &Path) {
    let Ok(meta) = fs::metadata(like) else { return };
    if uzers::get_effective_uid() == 0 {
        let _ = std::os::unix::fs::fchown(file, Some(meta.uid()), Some(meta.gid()));
    }
}
