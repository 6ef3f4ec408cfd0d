//! The pseudo-terminal of the tests itself, proved on a shell: a test that stands on it may trust it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use portable_pty::CommandBuilder;
use rustix::process::Signal;
use support::pty::Pty;
use tempfile::TempDir;

fn shell(script: &str) -> (TempDir, Pty) {
    let home = TempDir::new().unwrap();
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", script]);
    let pty = Pty::start(home.path(), command, 80, 24);
    (home, pty)
}

#[test]
fn shows_what_is_written_and_passes_on_what_is_typed() {
    let (_home, mut pty) = shell("printf 'hello\\033[3;5Hthere'; exec cat");
    pty.wait_for("both words at their places", |screen| screen.contents().starts_with("hello\n\n    there"));
    pty.send("again\n");
    pty.wait_for_text("again");
    pty.send("\u{4}");
    assert!(pty.wait_exit().success());
}

#[test]
fn all_output_is_there_after_the_end_and_nothing_else() {
    let (_home, mut pty) = shell("seq 1 20000; exit 7");
    assert_eq!(pty.wait_exit().exit_code(), 7);
    let lines: Vec<String> = (1..=20_000).map(|n| n.to_string()).collect();
    assert_eq!(pty.bytes(), format!("{}\r\n", lines.join("\r\n")).into_bytes());
    assert!(pty.text().ends_with("19999\n20000"));
}

#[test]
fn tells_the_program_its_new_size() {
    let (_home, mut pty) = shell("while read -r _; do stty size; done");
    pty.send("\n");
    pty.wait_for_text("24 80");
    pty.resize(100, 40);
    pty.send("\n");
    pty.wait_for_text("40 100");
    assert_eq!(pty.screen(vt100::Screen::size), (40, 100));
}

#[test]
fn the_environment_is_clean_and_at_home() {
    let (home, mut pty) = shell("cd; pwd; echo \"<$TERM $TZ $CARGO_MANIFEST_DIR$NO_COLOR>\"");
    pty.wait_exit();
    let output = String::from_utf8(pty.bytes()).unwrap();
    assert_eq!(output, format!("{}\r\n<xterm-256color UTC >\r\n", home.path().display()));
}

#[test]
fn a_signal_ends_it_and_its_name_is_known() {
    let (_home, mut pty) = shell("echo up; exec cat");
    pty.wait_for_text("up");
    pty.signal(Signal::TERM);
    assert_eq!(pty.wait_exit().signal(), Some("Terminated"));
}

#[test]
fn knows_a_raw_terminal_from_a_cooked_one_also_after_the_end() {
    let (_home, mut pty) = shell("stty raw -echo; echo raw; read -r _; exit");
    pty.wait_for_text("raw");
    assert!(!pty.is_cooked());
    pty.send("\n");
    pty.wait_exit();
    assert!(!pty.is_cooked(), "a program that leaves the terminal raw must be seen to");
    let (_home, mut pty) = shell("stty raw -echo; stty sane; echo done");
    pty.wait_exit();
    assert!(pty.is_cooked());
}

#[test]
fn a_stalled_terminal_blocks_the_program_until_it_flows() {
    let (_home, mut pty) = shell("echo up; read -r _; exec yes");
    pty.wait_for_text("up");
    pty.stall();
    pty.send("\n");
    let mut looks = vec![];
    let blocked = support::poll(|| {
        looks.push(pty.process_state());
        looks.windows(5).last().filter(|last| last.iter().all(|look| look.0 == 'S' && *look == last[0])).map(|_| ())
    });
    assert!(blocked.is_some(), "it goes on writing: {looks:?}");
    let before = pty.bytes().len();
    pty.flow();
    assert!(support::poll(|| (pty.bytes().len() > before + 1_000_000).then_some(())).is_some());
}

#[test]
fn a_hang_up_reaches_the_program() {
    // Who reads its terminal may see the end of that first, and leave by itself.
    let (_home, mut pty) = shell("echo up; exec sleep 600");
    pty.wait_for_text("up");
    pty.hang_up();
    assert_eq!(pty.wait_exit().signal(), Some("Hangup"));
}

#[test]
fn a_program_that_ignores_the_signal_still_sees_the_end_of_its_terminal() {
    let (_home, mut pty) = shell("trap '' HUP; echo up; exec cat");
    pty.wait_for_text("up");
    pty.hang_up();
    assert_eq!(pty.wait_exit().signal(), None, "cat ends by itself when it can read no more");
}

#[test]
fn a_stopped_program_is_seen_to_stop_and_uses_no_time() {
    let (_home, mut pty) = shell("echo up; while :; do :; done");
    pty.wait_for_text("up");
    pty.signal(Signal::STOP);
    pty.wait_until_stopped();
    let (state, used) = pty.process_state();
    assert_eq!((state, used), pty.process_state());
    assert_eq!(state, 'T');
}
