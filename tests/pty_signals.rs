//! However the program ends or is interrupted, the terminal is as it was, the process is gone when it should be, and no processor time
//! is burnt. The backend behind it never answers, which must not hold up anything either.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal};
use support::{exporter::Exporter, poll, poll_within, pty::Pty};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burnwatch");
/// Whatever happens to the terminal, the process is gone after this.
const GONE: Duration = Duration::from_secs(3);
/// Half a second of processor time, in the kernel's ticks: what a program that spins uses up within any of the waits here.
const LITTLE: u64 = 50;

struct Scene {
    home: TempDir,
    backend: Exporter,
}

impl Scene {
    fn new() -> Self {
        Self { home: TempDir::new().unwrap(), backend: Exporter::start() }
    }

    /// The cockpit's command line; `before` stands in front of it in a shell.
    fn start(&self, before: &str) -> Pty {
        let config = self.backend.config(self.home.path());
        let pty = self.shell(&format!("{before} {PROGRAM} --config {}", config.display()));
        pty.wait_for_text("burnwatch  test");
        pty
    }

    fn shell(&self, script: &str) -> Pty {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", script]);
        command.env("TMPDIR", self.home.path());
        Pty::start(self.home.path(), command, 120, 36)
    }
}

fn is_restored(pty: &Pty) -> bool {
    pty.is_cooked() && pty.screen(|s| !s.alternate_screen() && !s.hide_cursor() && !s.bracketed_paste())
}

fn is_taken(pty: &Pty) -> bool {
    !pty.is_cooked() && pty.screen(|s| s.alternate_screen() && s.hide_cursor())
}

/// State and processor time of any process, also of one that has ended and was not yet waited for; `None` if it is gone.
fn state_of(pid: Pid) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some((fields[0].chars().next()?, fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?))
}

#[test]
fn a_signal_ends_it_at_once_and_the_terminal_is_as_it_was() {
    let scene = Scene::new();
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131)] {
        let mut pty = scene.start("exec");
        assert!(is_taken(&pty));
        pty.signal(signal);
        assert_eq!(pty.wait_exit_within(GONE).exit_code(), code);
        assert!(is_restored(&pty), "after {signal:?}");
    }
}

#[test]
fn the_demo_tidies_up_when_it_is_ended_from_outside() {
    let scene = Scene::new();
    for hang_up in [false, true] {
        let mut pty = scene.shell(&format!("exec {PROGRAM} demo"));
        pty.wait_for_text("join: ");
        assert!(fs::read_dir(scene.home.path()).unwrap().count() > 0);
        if hang_up {
            pty.hang_up();
        } else {
            pty.signal(Signal::TERM);
        }
        pty.wait_exit_within(GONE);
        assert_eq!(fs::read_dir(scene.home.path()).unwrap().count(), 0);
    }
}

/// With the signal, with the signal ignored by whoever started it, and in a session of its own, to which no signal comes.
#[test]
fn a_terminal_that_is_closed_ends_it_and_burns_nothing() {
    let scene = Scene::new();
    for before in ["exec", "trap '' HUP; exec", "trap '' HUP; exec setsid --wait"] {
        let mut pty = scene.start(before);
        let pid = cockpit(pty.pid());
        let (_, used) = state_of(pid).unwrap();
        pty.hang_up();
        // One that has ended can still be asked what it used, until its parent has waited for it.
        let mut last = used;
        let gone = poll_within(GONE, || match state_of(pid) {
            None | Some(('Z', _)) => Some(()),
            Some((_, now)) => {
                last = now;
                None
            }
        });
        assert!(gone.is_some(), "`{before}`: still there in state {:?}", state_of(pid));
        assert!(last - used < LITTLE, "`{before}`: {} ticks", last - used);
        pty.wait_exit_within(GONE);
    }
}

/// The cockpit: the process itself, or the child that `setsid` made.
fn cockpit(pid: Pid) -> Pid {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", pid.as_raw_nonzero())).unwrap();
    children.split_whitespace().next().map_or(pid, |child| Pid::from_raw(child.parse().unwrap()).unwrap())
}

#[test]
fn a_terminal_that_stops_reading_costs_nothing_and_does_not_keep_it() {
    let scene = Scene::new();
    scene.backend.serve("");
    let mut pty = scene.start("exec");
    pty.wait_for_text("no SLOs");
    pty.stall();
    // Far more is drawn than any terminal's buffer holds, one frame a look.
    let before = pty.bytes().len();
    let mut frames = 0;
    poll(|| {
        pty.send("\u{c}");
        frames += 1;
        (frames == 100).then_some(())
    });
    let (asked, (_, used)) = (scene.backend.requests(), pty.process_state());
    poll(|| (scene.backend.requests() >= asked + 3).then_some(())).expect("polling goes on");
    assert!(pty.process_state().1 - used < LITTLE, "{} ticks in three polls", pty.process_state().1 - used);
    pty.signal(Signal::TERM);
    assert_eq!(pty.wait_exit_within(GONE).exit_code(), 143);
    assert!(pty.is_cooked());
    pty.flow();
    pty.wait_for("the screen that was there before", |s| !s.alternate_screen() && !s.hide_cursor());
    let drawn = pty.bytes().len() - before;
    assert!(drawn < 100 * before / 2, "{drawn} bytes: the terminal never stalled");
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let scene = Scene::new();
    let config = scene.backend.config(scene.home.path());
    let mut command = CommandBuilder::new("sh");
    command.arg("-i");
    command.env("PS1", "ready> ");
    let mut pty = Pty::start(scene.home.path(), command, 120, 36);
    // A shell that edits lines itself sets the terminal as it likes.
    pty.send("set +o emacs; set +o vi; clear\n");
    pty.wait_for_text("ready> ");
    pty.send(&format!("{PROGRAM} --config {}\n", config.display()));
    for _ in 0..2 {
        pty.wait_for("the cockpit", |s| s.alternate_screen() && s.contents().contains("waiting for the first answer"));
        poll(|| is_taken(&pty).then_some(())).expect("the terminal is taken");
        let pid = cockpit(pty.pid());
        pty.send("\u{1a}");
        poll(|| state_of(pid).filter(|(state, _)| *state == 'T')).expect("it stops");
        pty.wait_for("the shell", |s| !s.alternate_screen() && s.contents().trim_end().ends_with("ready>"));
        assert!(is_restored(&pty));
        pty.send("echo a $((20 + 3)) b\n");
        pty.wait_for_text("a 23 b");
        pty.send("clear; fg\n");
    }
    pty.wait_for("the cockpit", |s| s.alternate_screen() && s.contents().contains("waiting for the first answer"));
    poll(|| is_taken(&pty).then_some(())).expect("the terminal is taken");
    let pid = cockpit(pty.pid());
    pty.send("q");
    poll(|| state_of(pid).is_none().then_some(())).expect("it ends");
    assert!(is_restored(&pty));
    pty.send("exit\n");
    pty.wait_exit();
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let scene = Scene::new();
    let config = scene.backend.config(scene.home.path());
    for args in [vec!["--config", config.to_str().unwrap()], vec!["demo"]] {
        let began = Instant::now();
        let ended = support::burnwatch(scene.home.path(), &args).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("no terminal") && said.contains("`burnwatch status`") && said.lines().count() == 1, "{said}");
        assert!(ended.stdout.is_empty() && began.elapsed() < support::DEADLINE);
    }
}
