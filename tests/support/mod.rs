//! What the integration tests share: real servers on loopback, and the program itself in a pseudo-terminal.
//!
//! Nothing here sleeps to let something happen: a wait is for a thing that can be seen, is bounded by [`DEADLINE`], and says what was
//! there instead when it ends. Whatever was started is killed by its own id when its handle goes away, also when a test fails.

#![allow(dead_code, reason = "each test program uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends here"
)]

pub mod alertmanager;
pub mod cockpit;
pub mod exporter;
pub mod fake;
pub mod hostile;
pub mod http;
pub mod pagerduty;
pub mod pty;
pub mod rabbit;
pub mod redis;
pub mod server;
pub mod shop;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// How long a wait may last: generous, because it is reached only by a test that fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot wake us.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until `look` finds something; `None` once the deadline has passed.
pub fn poll<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    poll_within(DEADLINE, look)
}

/// The same with a limit of its own, for what was promised within a time.
pub fn poll_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The program under test, as an ordinary command with a home of its own: no configuration, state or token of the person who runs the
/// tests is found.
pub fn burnwatch(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burnwatch"));
    command.args(args).env_clear().envs(environment(home));
    command
}

/// Writes the configuration that the program at home in `home` finds; it may hold secrets, so nobody else can read it.
pub fn configure(home: &Path, toml: &str) {
    let folder = home.join("config/burnwatch");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("burnwatch.toml");
    fs::write(&file, toml).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs the program to its end.
pub fn run(home: &Path, args: &[&str]) -> Output {
    burnwatch(home, args).output().expect("cannot start burnwatch")
}

/// What `burnwatch status --json` says, and its exit code.
pub fn status(home: &Path) -> (serde_json::Value, Option<i32>) {
    let output = run(home, &["status", "--json"]);
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"));
    (said, output.status.code())
}

/// The one row of `status[list]` whose `key` is `value`.
pub fn row<'a>(status: &'a serde_json::Value, list: &str, key: &str, value: &str) -> &'a serde_json::Value {
    let rows = status[list].as_array().unwrap_or_else(|| panic!("no {list} in {status:#}"));
    let found: Vec<_> = rows.iter().filter(|row| row[key] == value).collect();
    assert_eq!(found.len(), 1, "{list} with {key} = {value} in {status:#}");
    found[0]
}

/// The login by which the program knows the one who runs the tests.
pub fn login() -> String {
    let vouched = fs::read_to_string("/proc/self/loginuid").ok().and_then(|s| s.trim().parse().ok()).filter(|uid| *uid != u32::MAX);
    let uid = vouched.unwrap_or_else(|| rustix::process::getuid().as_raw());
    uzers::get_user_by_uid(uid).map_or_else(|| format!("uid {uid}"), |u| u.name().to_string_lossy().into_owned())
}

/// The environment of the program under test.
fn environment(home: &Path) -> Vec<(&'static str, std::ffi::OsString)> {
    let below = |name: &str| home.join(name).into_os_string();
    vec![
        ("HOME", home.into()),
        ("XDG_CONFIG_HOME", below("config")),
        ("XDG_STATE_HOME", below("state")),
        ("XDG_RUNTIME_DIR", below("run")),
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("TERM", "xterm-256color".into()),
        ("LANG", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
    ]
}
