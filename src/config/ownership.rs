//! Who may have written the file: what it says decides which commands run and where tokens go.
//!
//! File and folder must belong to root or to the user and be writable by nobody else. `trusted_owners` widens that for the folder; for
//! the file itself only if the user named it, since a file that was merely found cannot vouch for itself.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use uzers::{get_user_by_name, get_user_by_uid};

use super::problem::Problem;

/// What the file system says of a file or folder.
#[derive(Clone, Copy, Debug)]
struct Facts {
    uid: u32,
    mode: u32,
    folder: bool,
}

impl Facts {
    fn of(meta: &Metadata) -> Self {
        Self { uid: meta.uid(), mode: meta.mode(), folder: meta.is_dir() }
    }
    /// What is wrong, and the remedy, for a user `me` who trusts `trusted`.
    fn fault(self, me: u32, trusted: &[u32]) -> Option<(String, &'static str)> {
        if self.uid != 0 && self.uid != me && !trusted.contains(&self.uid) {
            let owner = get_user_by_uid(self.uid).map_or(self.uid.to_string(), |u| u.name().to_string_lossy().into_owned());
            return Some((format!("belongs to {owner}"), "make it yours or root's, or name the owner in `trusted_owners`"));
        }
        let sticky = self.folder && self.uid == 0 && self.mode & 0o1000 != 0;
        let shared = self.mode & 0o022 != 0 && !sticky;
        shared.then(|| (format!("can be written by others (mode {:04o})", self.mode & 0o7777), "chmod go-w it"))
    }
}

/// Problems with the owner and mode of the file at `path` (whose open handle gave `meta`) and of its folder.
///
/// `named`: the user said which file to read; `trusted`: names or numbers from the file's `trusted_owners`.
pub(super) fn check(path: &Path, meta: &Metadata, named: bool, trusted: &[String]) -> Vec<Problem> {
    let me = rustix::process::geteuid().as_raw();
    let trusted: Vec<_> = trusted.iter().filter_map(|name| uid(name)).collect();
    let vouched = if named { trusted.as_slice() } else { &[] };
    let mut found: Vec<_> = Facts::of(meta).fault(me, vouched).map(|fault| problem(path, path, fault)).into_iter().collect();
    found.extend(folders(path).iter().filter_map(|folder| folder_fault(path, folder, me, &trusted)));
    found
}

/// Problems with the folders between that of the file at `path` and `root`, which is the last of them.
pub(super) fn check_between(path: &Path, root: &Path, trusted: &[String]) -> Vec<Problem> {
    let me = rustix::process::geteuid().as_raw();
    let trusted: Vec<_> = trusted.iter().filter_map(|name| uid(name)).collect();
    let between = path.ancestors().skip(2).take_while(|folder| folder.starts_with(root) && !folder.as_os_str().is_empty());
    between.filter_map(|folder| folder_fault(path, folder, me, &trusted)).collect()
}

fn folder_fault(path: &Path, folder: &Path, me: u32, trusted: &[u32]) -> Option<Problem> {
    match std::fs::metadata(folder) {
        Ok(meta) => Facts::of(&meta).fault(me, trusted).map(|fault| problem(path, folder, fault)),
        Err(why) => Some(Problem::whole(path, format!("cannot look at {}: {why}", folder.display()), None)),
    }
}

/// The folder of the path as written and, if it is a link, of what it leads to.
fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let own = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let real = path.canonicalize().ok().and_then(|p| p.parent().map(Path::to_owned));
    let same = real.as_ref().is_some_and(|r| own.canonicalize().is_ok_and(|o| o == *r));
    [Some(own), real.filter(|_| !same)].into_iter().flatten().collect()
}

/// The number of a user given by name or number.
pub(super) fn uid(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| get_user_by_name(name).map(|u| u.uid()))
}

fn problem(file: &Path, what: &Path, (fault, help): (String, &str)) -> Problem {
    Problem::whole(file, format!("{} {fault}", what.display()), Some(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(uid: u32, mode: u32, folder: bool) -> Option<String> {
        Facts { uid, mode, folder }.fault(1_000, &[77]).map(|(what, _)| what)
    }

    #[test]
    fn only_the_user_and_root_and_trusted_owners_may_have_written_it() {
        assert_eq!(fault(1_000, 0o100_600, false), None);
        assert_eq!(fault(0, 0o100_644, false), None);
        assert_eq!(fault(77, 0o100_644, false), None);
        assert_eq!(fault(4_000_001, 0o100_600, false).as_deref(), Some("belongs to 4000001"));
        assert_eq!(fault(1_000, 0o100_664, false).as_deref(), Some("can be written by others (mode 0664)"));
        assert_eq!(fault(1_000, 0o100_602, false).as_deref(), Some("can be written by others (mode 0602)"));
    }

    #[test]
    fn a_sticky_folder_of_roots_is_as_good_as_a_private_one() {
        assert_eq!(fault(0, 0o041_777, true), None);
        assert!(fault(0, 0o040_777, true).is_some());
        assert!(fault(1_000, 0o041_777, true).is_some());
    }
}
