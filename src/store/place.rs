//! Where a store may lie: the default folder, and which file systems are refused.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    StoreError,
    error::{from_io, shown},
};

/// The store of a user who names none: `$XDG_STATE_HOME/burnwatch/default`, or `~/.local/state/burnwatch/default`.
///
/// `env` looks up an environment variable. A relative `$XDG_STATE_HOME` does not count; without `$HOME` the password database tells.
pub fn default_folder(env: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || {
        use uzers::os::unix::UserExt;
        let known = || uzers::get_user_by_uid(uzers::get_effective_uid()).map(|user| user.home_dir().to_owned());
        absolute("HOME").or_else(known).unwrap_or_else(|| PathBuf::from("/"))
    };
    absolute("XDG_STATE_HOME").unwrap_or_else(|| home().join(".local/state")).join("burnwatch/default")
}

/// Refuse a folder on a network file system; one that does not exist yet is judged by the nearest that does.
pub(super) fn check_local(folder: &Path) -> Result<(), StoreError> {
    let there = folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let stat = rustix::fs::statfs(there).map_err(|e| from_io(folder, &e.into()))?;
    match network_kind(stat.f_type as u64 & 0xffff_ffff, || mounted_as(there)) {
        None => Ok(()),
        Some(kind) => Err(StoreError::NotLocal { place: shown(folder), kind: kind.into() }),
    }
}

/// The number by which Linux knows a file system in user space, which may be anything.
const FUSE: u64 = 0x6573_5546;

/// Numbers of network and cluster file systems (`statfs(2)`, `linux/magic.h`), on which locks and shared memory do not hold.
const NETWORK: [(u64, &str); 15] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "kafs"),
    (0x7375_7245, "coda"),
    (0x564c, "ncp"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd0, "lustre"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x1983_0326, "beegfs"),
    (0x786f_4256, "vboxsf"),
];

/// File systems in user space that are known to be local.
const LOCAL_FUSE: [&str; 8] =
    ["fuseblk", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.bindfs", "fuse.gocryptfs", "fuse.encfs", "fuse.mergerfs", "fuse.portal"];

/// The network file system that `magic` names, if it names one; `mounted_as` tells what a file system in user space was mounted as.
fn network_kind(magic: u64, mounted_as: impl FnOnce() -> Option<String>) -> Option<String> {
    if magic == FUSE {
        let kind = mounted_as().unwrap_or_else(|| "fuse".to_owned());
        return (!LOCAL_FUSE.contains(&kind.as_str())).then_some(kind);
    }
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned())
}

/// The type in `/proc/self/mountinfo` (`proc(5)`) of the file system on which `path` lies.
fn mounted_as(path: &Path) -> Option<String> {
    let dev = fs::metadata(path).ok()?.dev();
    let wanted = format!("{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&wanted))?;
    line.split_once(" - ")?.1.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        let fuse = |kind: &str| network_kind(FUSE, || Some(kind.to_owned()));
        assert_eq!(network_kind(0x6969, || None).as_deref(), Some("nfs"));
        assert_eq!(network_kind(0xfe53_4d42, || None).as_deref(), Some("smb2"));
        assert_eq!(network_kind(0xef53, || None), None, "ext4");
        assert_eq!(network_kind(0x0102_1994, || None), None, "tmpfs");
        assert_eq!(fuse("fuse.sshfs").as_deref(), Some("fuse.sshfs"));
        assert_eq!(fuse("fuseblk"), None, "a local disk");
        assert_eq!(check_local(Path::new("/tmp/not/there/yet")), Ok(()));
    }

    #[test]
    fn the_default_folder_follows_the_environment() {
        let with = |pairs: &'static [(&str, &str)]| {
            default_folder(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
        };
        assert_eq!(with(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Path::new("/s/burnwatch/default"));
        assert_eq!(with(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), Path::new("/h/.local/state/burnwatch/default"));
        assert!(with(&[]).is_absolute());
    }
}
