//! Whether what is started here outlives the login session, and how to make it.
//!
//! systemd-logind can be told to end everything that belongs to a session when its user logs out (`KillUserProcesses=`). A session of a
//! terminal does not help against that, a control group of one's own does: `systemd-run --user --scope` gives one. Not seen live.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Said before a step that would end with the session.
pub const CAUTION: &str =
    "this system ends what you started when you log out, and there is no systemd-run to keep a step from that: stay until it has ended";

/// Whether this process is in the control group of a login session; `cgroup` is `/proc/self/cgroup`.
fn in_session(cgroup: &str) -> bool {
    let of_session =
        |path: &str| path.split('/').any(|part| part.starts_with("session-") && Path::new(part).extension().is_some_and(|e| e == "scope"));
    cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).any(of_session)
}

/// Whether what is started here ends when its user logs out. Asked once.
pub fn ends_with_session() -> bool {
    static ENDS: OnceLock<bool> = OnceLock::new();
    *ENDS.get_or_init(|| in_session(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default()) && logind_kills())
}

/// What systemd-logind says; whoever cannot be asked kills nobody.
fn logind_kills() -> bool {
    let (name, path) = ("org.freedesktop.login1", "/org/freedesktop/login1");
    let mut ask = Command::new("busctl");
    ask.args(["--timeout=2", "get-property", name, path, "org.freedesktop.login1.Manager", "KillUserProcesses"]);
    let told = ask.stdin(Stdio::null()).stderr(Stdio::null()).output();
    told.is_ok_and(|output| output.stdout.trim_ascii() == b"b true")
}

/// Whether there is a way out of the session.
pub fn has_a_way_out() -> bool {
    let there = |folder: &str| Path::new(folder).join("systemd-run").is_file();
    std::env::var_os("XDG_RUNTIME_DIR").is_some() && std::env::var("PATH").is_ok_and(|path| path.split(':').any(there))
}

/// The command that starts `program` so that it outlives the session where that can be.
pub fn start(program: &Path) -> Command {
    if !(ends_with_session() && has_a_way_out()) {
        return Command::new(program);
    }
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--scope", "--quiet", "--collect", "--"]);
    // `/proc/self` would be systemd-run's own.
    command.arg(format!("/proc/{}/exe", std::process::id()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_session_is_told_from_a_service() {
        assert!(in_session("0::/user.slice/user-1000.slice/session-7.scope\n"));
        assert!(in_session("1:name=systemd:/user.slice/user-1000.slice/session-c2.scope\n0::/\n"));
        assert!(!in_session("0::/user.slice/user-1000.slice/user@1000.service/tmux-spawn-1.scope\n"));
        assert!(!in_session("0::/system.slice/sshd.service\n") && !in_session(""));
    }
}
