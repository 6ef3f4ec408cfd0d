//! Who may read and write it does not depend on anybody's umask.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use burnwatch::store::{Store, StoreError, check_modes, init_shared};
use rustix::{fs::Mode, process::umask};

use super::support::{asked, at, child, in_child, take};

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(folder.to_owned());
    files.sort();
    files.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path.metadata().unwrap().mode() & 0o7777)).collect()
}

/// Every file that a store can have, after something was written to both.
fn expected(folder: u32, file: u32) -> Vec<(String, u32)> {
    let files = ["history.db", "history.db-shm", "history.db-wal", "journal.db", "journal.db-shm", "journal.db-wal", "journal.head"];
    std::iter::once(("store", folder)).chain(files.map(|name| (name, file))).map(|(name, mode)| (name.to_owned(), mode)).collect()
}

fn write_something(store: &Store) {
    store.append(asked("a", "ana", "checkout"), None).unwrap();
    take(store, "ana", at(0));
}

fn own_group() -> String {
    uzers::get_group_by_gid(uzers::get_effective_gid()).unwrap().name().to_string_lossy().into_owned()
}

#[test]
fn modes_are_as_they_should_be_under_any_umask() {
    for story in ["modes::private_under_an_open_umask", "modes::shared_under_a_closed_umask"] {
        let folder = tempfile::tempdir().unwrap();
        assert!(child(story, folder.path()).spawn().unwrap().wait().unwrap().success(), "{story}");
    }
}

#[test]
fn private_under_an_open_umask() {
    let Some(folder) = in_child() else { return };
    umask(Mode::empty());
    let place = folder.join("new/store");
    let store = Store::open(&place).unwrap();
    write_something(&store);
    assert_eq!(modes(&place), expected(0o700, 0o600));
    assert_eq!(folder.join("new").metadata().unwrap().mode() & 0o777, 0o700, "parents are private too");
    assert_eq!(check_modes(&place), Vec::<String>::new());
}

#[test]
fn shared_under_a_closed_umask() {
    let Some(folder) = in_child() else { return };
    umask(Mode::from_raw_mode(0o077));
    let place = folder.join("store");
    init_shared(&place, &own_group()).unwrap();
    write_something(&Store::open(&place).unwrap());
    assert_eq!(modes(&place), expected(0o2770, 0o660));
    assert_eq!(check_modes(&place), Vec::<String>::new());
}

#[test]
fn a_private_store_can_be_shared_later() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    write_something(&Store::open(&place).unwrap());
    init_shared(&place, &own_group()).unwrap();
    assert_eq!(modes(&place), expected(0o2770, 0o660));
    assert_eq!(Store::open(&place).unwrap().entries_since(0).unwrap().len(), 1);
}

#[test]
fn a_group_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = init_shared(&folder.path().join("store"), "no-such-group").unwrap_err();
    assert!(refused.to_string().contains("there is no group `no-such-group`"), "{refused}");
    assert!(!folder.path().join("store").exists());
}

#[test]
fn wrong_modes_are_named_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    assert_eq!(check_modes(&place), Vec::<String>::new(), "nothing there, nothing wrong");
    drop(Store::open(&place).unwrap());
    fs::set_permissions(&place, Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(place.join("journal.db"), Permissions::from_mode(0o644)).unwrap();
    let (place, wrong) = (place.display().to_string(), check_modes(&place));
    let expected = [
        format!("{place}: has mode 0750, should have 0700; chmod 0700 {place}"),
        format!("{place}/journal.db: has mode 0644, should have 0600; chmod 0600 {place}/journal.db"),
    ];
    assert_eq!(wrong, expected);
}

#[test]
fn a_store_that_anyone_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    drop(Store::open(&place).unwrap());
    for path in [place.clone(), place.join("journal.db")] {
        let mode = path.metadata().unwrap().mode();
        fs::set_permissions(&path, Permissions::from_mode(mode | 0o002)).unwrap();
        assert!(matches!(Store::open(&place), Err(StoreError::WrongModes { .. })));
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    Store::open(&place).unwrap();
}
