//! Processes, told apart for good: by id, by when they were started, and by which start of which system that was.
//!
//! An id alone is given to another process sooner or later, so nothing here signals one without having looked that it is still the
//! same: a descriptor of the process is opened first, then it is looked at, then the signal goes through the descriptor.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, test_kill_process};

use crate::domain::{ActId, Left, Process, RUN_KEY, Text};

/// How long what was asked to end may take before it is made to.
pub const GRACE: Duration = Duration::from_secs(3);
/// How long what was made to end is looked for.
const SWEEP: Duration = Duration::from_millis(1_500);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What the system says of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    pub parent: u32,
    pub session: u32,
    pub ticks: u64,
    /// Whether it has ended and is still listed.
    pub ended: bool,
    pub name: Text,
}

/// One line of `/proc/<pid>/stat`; the name in it may hold anything, so what follows is counted from its end.
fn read_stat(line: &str) -> Option<Stat> {
    let (front, fields) = line.rsplit_once(") ")?;
    let (pid, name) = front.split_once(" (")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let field = |n: usize| fields.get(n).copied();
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: field(1)?.parse().ok()?,
        session: field(3)?.parse().ok()?,
        ticks: field(19)?.parse().ok()?,
        ended: matches!(field(0)?, "Z" | "X" | "x"),
        name: Text::clean(name),
    })
}

/// What the system says of the process of this id; `None` if there is none, or it hides it.
pub fn stat(pid: u32) -> Option<Stat> {
    read_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Which start of which system this is, and which of its namespaces of process ids.
pub fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let start = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        format!("{} {}", start.trim(), space.display())
    })
}

/// This process.
pub fn this() -> Process {
    named(std::process::id())
}

/// The process that has this id now.
pub fn named(pid: u32) -> Process {
    Process { pid, ticks: stat(pid).map_or(0, |s| s.ticks), boot: boot().to_owned() }
}

/// Whether a process still runs; `None` if that cannot be told from here.
pub fn is_alive(process: &Process) -> Option<bool> {
    if process.boot != boot() {
        // Of another start of the system nothing runs; of another namespace everything may.
        let same_start = process.boot.split(' ').next() == boot().split(' ').next();
        return (!same_start).then_some(false);
    }
    match stat(process.pid) {
        Some(stat) => Some(!stat.ended && stat.ticks == process.ticks),
        None => match pid_of(process.pid).map(test_kill_process) {
            // There is one, and the system does not show it to us.
            Some(Err(rustix::io::Errno::PERM)) => None,
            _ => Some(false),
        },
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Every process that the system shows and that has not ended.
fn all() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(stat).filter(|s| !s.ended).collect()
}

/// All that descend from this process; it must be a subreaper for those whose parents have ended to be among them.
pub fn descendants() -> Vec<Stat> {
    let me = std::process::id();
    let mut children = BTreeMap::<u32, Vec<Stat>>::new();
    for stat in all() {
        children.entry(stat.parent).or_default().push(stat);
    }
    let (mut found, mut next) = (Vec::new(), vec![me]);
    while let Some(pid) = next.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        next.extend(below.iter().map(|s| s.pid));
        found.extend(below);
    }
    found
}

/// What an attempt has left whose runner is gone: processes with its key in their environment, and those of the runner's session.
pub fn left_by(key: &ActId, runner: Option<&Process>) -> Vec<Stat> {
    let mark = format!("{RUN_KEY}={key}");
    let marked = |pid: u32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| all.split(|b| *b == 0).any(|v| v == mark.as_bytes()));
    let me = std::process::id();
    // While anything is left of a session its number is given to no other process, so only another session of that number can mislead.
    let ours = runner.filter(|r| r.boot == boot());
    let other = ours.and_then(|r| stat(r.pid).map(|s| s.ticks != r.ticks)).unwrap_or(false);
    let in_session = |s: &Stat| ours.is_some_and(|r| !other && s.session == r.pid && s.ticks >= r.ticks);
    all().into_iter().filter(|s| s.pid != me && (in_session(s) || marked(s.pid))).collect()
}

/// For the journal.
pub fn as_left(stats: &[Stat]) -> Vec<Left> {
    let left = |s: &Stat| Left { process: Process { pid: s.pid, ticks: s.ticks, boot: boot().to_owned() }, name: s.name.clone() };
    stats.iter().map(left).collect()
}

/// Signal a process, if it is still the one that was seen.
fn signal(seen: &Stat, signal: Signal) {
    let Some(pid) = pid_of(seen.pid) else { return };
    if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
        && stat(seen.pid).is_some_and(|now| now.ticks == seen.ticks)
    {
        let _ = pidfd_send_signal(descriptor, signal);
    }
}

/// End all that `look` finds, and whatever they start meanwhile: first they are asked to, and after `grace` they are made to. Gives how
/// many there were, and those that could not be ended. `idle` is called between looks: to reap, to read what they write.
pub fn end_all(look: impl Fn() -> Vec<Stat>, grace: Duration, mut idle: impl FnMut(Duration)) -> (usize, Vec<Stat>) {
    let (mut seen, began) = (BTreeSet::new(), Instant::now());
    loop {
        let found = look();
        if found.is_empty() {
            return (seen.len(), found);
        }
        let made = began.elapsed() >= grace;
        if began.elapsed() >= grace + SWEEP {
            return (seen.len(), found);
        }
        for stat in &found {
            let new = seen.insert((stat.pid, stat.ticks));
            if made {
                signal(stat, Signal::KILL);
            } else if new {
                signal(stat, Signal::TERM);
                // One that was stopped hears nothing before it goes on.
                signal(stat, Signal::CONT);
            }
        }
        idle(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "42 (a) R (b)) S 1 42 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2";
        let stat = read_stat(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.session, stat.ticks, stat.ended), (42, 1, 7, 12_345, false));
        assert_eq!(stat.name.as_str(), "a) R (b)");
        assert_eq!(read_stat(""), None);
    }

    #[test]
    fn a_process_is_itself_and_no_other_of_its_id() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let process = named(child.id());
        assert_eq!(is_alive(&process), Some(true));
        let other = Process { ticks: process.ticks + 1, ..process.clone() };
        assert_eq!(is_alive(&other), Some(false));
        signal(&Stat { ticks: other.ticks, ..stat(child.id()).unwrap() }, Signal::KILL);
        assert_eq!(child.try_wait().unwrap(), None, "one that only has the id of another is left alone");
        signal(&stat(child.id()).unwrap(), Signal::KILL);
        child.wait().unwrap();
        assert_eq!(is_alive(&process), Some(false));
        assert_eq!(is_alive(&Process { boot: "another start".into(), ..this() }), Some(false));
        let elsewhere = Process { boot: format!("{} pid:[1]", boot().split(' ').next().unwrap()), ..this() };
        assert_eq!(is_alive(&elsewhere), None);
    }

    #[test]
    fn what_carries_a_key_is_found_and_ended() {
        let key = ActId::new(&format!("t{}", std::process::id()));
        let mut child =
            Command::new("sh").args(["-c", "trap '' TERM; while :; do sleep 1; done"]).env(RUN_KEY, key.as_str()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while left_by(&key, None).is_empty() && Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
        let (count, rest) = end_all(
            || left_by(&key, None),
            Duration::from_millis(100),
            |pause| {
                std::thread::sleep(pause);
                let _ = child.try_wait();
            },
        );
        assert!(count >= 1 && rest.is_empty(), "{count} {rest:?}");
        child.wait().unwrap();
    }
}
