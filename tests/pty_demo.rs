//! `burnwatch demo` as someone with nothing installed meets it: one command, a page, an acknowledgement, a second pair of eyes, and
//! nothing left behind. It runs in real time, and the fault begins at second 20, so everything is asked of one run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;
use rustix::process::Pid;
use support::pty::Pty;
use tempfile::TempDir;

/// The canary begins to fail at second 20, and a page is due within a minute of that.
const PAGE_DUE: Duration = Duration::from_secs(20 + 60);
/// Less than the five seconds from poll to poll: what is seen within it came through the journal.
const LESS_THAN_A_POLL: Duration = Duration::from_secs(3);

/// `words` as a shell runs them, with `temp` for temporary files.
fn shell(home: &Path, temp: &Path, words: &str) -> Pty {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", &format!("exec {words}")]);
    command.env("TMPDIR", temp);
    Pty::start(home, command, 200, 50)
}

/// The row below the heads of the SLOs: what is on top.
fn top_slo(screen: &vt100::Screen) -> Option<String> {
    screen.contents().lines().skip_while(|line| !line.contains("━━ SLOs ")).nth(2).map(str::to_owned)
}

/// What stands on the status line after `join: `.
fn join_command(screen: &vt100::Screen) -> Option<String> {
    screen.contents().lines().find_map(|line| line.split_once("join: ")).map(|(_, command)| command.trim().to_owned())
}

/// Every connection of this machine to or from `port` in whatever state, also one that has just been closed: the owner's socket number,
/// 0 where it has none any more. The port's own end of a connection counts as well.
fn connections(port: u16) -> Vec<(String, u64)> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{port:04X}");
    let mut found = Vec::new();
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let ([_, local, remote, ..], Some(socket)) = (&fields[..], fields.get(9)) else { continue };
        if (local.ends_with(&port) || remote.ends_with(&port)) && *remote != "00000000:0000" {
            found.push((row.to_owned(), socket.parse().unwrap()));
        }
    }
    found
}

/// The numbers of the sockets that a process has open.
fn sockets(pid: Pid) -> BTreeSet<u64> {
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).unwrap().flatten();
    let names = open.filter_map(|entry| fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned));
    names.filter_map(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

/// The port on which the fleet serves, read where a cockpit reads it.
fn fleet_port(config: &Path) -> u16 {
    let text = fs::read_to_string(config).unwrap();
    let (_, rest) = text.split_once("http://127.0.0.1:").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Processes that have `word` among their words.
fn processes_named(word: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let words = all.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    words.filter(|words| words.contains(word)).collect()
}

/// From the incident through the runbook that matches, with the keys that the screen names, to traffic that has really moved; the other
/// cockpit sees the same run. What becomes of the burn is told by `practice.rs` on a clock of its own.
fn the_runbook_acts(demo: &mut Pty, second: &mut Pty) {
    demo.wait_for_text("r Roll back a bad canary");
    demo.send("r");
    demo.wait_for_text("enter begin a run");
    demo.send("d");
    demo.wait_for_text("is given exactly these bytes");
    demo.wait_for_text("BW_LABEL_SERVICE=checkout");
    demo.send("\x1b");
    demo.wait_for_text("enter begin a run");
    demo.send("\r");
    demo.wait_for_text("enter run step 1");
    demo.send("\r");
    demo.wait_for_text("enter do it");
    demo.send("\r");
    demo.wait_for_text("enter run step 2");
    assert!(demo.text().contains("✓ 1 Confirm that it is the canary"), "{}", demo.text());
    demo.send("\r");
    demo.wait_for_text("run Shift all traffic to the stable version: `./shop traffic checkout stable=100 canary=0`, costs nothing");
    demo.send("\r");
    demo.wait_for_text("checkout: v41 25 % -> 100 %, v42 75 % -> 0 %");
    demo.wait_for_text("settling, judged from ");
    second.send("r");
    second.wait_for_text("✓ 2 Shift all traffic to the stable version");
    second.wait_for_text("enter tick off step 3");
    for pty in [demo, second] {
        pty.send("\x1b");
        pty.wait_for("the overview", |screen| screen.contents().contains("━━ SLOs "));
    }
}

#[test]
fn a_page_is_taken_and_seen_by_a_second_cockpit_and_nothing_is_left_behind() {
    let (home, temp) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let program = env!("CARGO_BIN_EXE_burnwatch");
    let began = Instant::now();
    let mut demo = shell(home.path(), temp.path(), &format!("{program} demo"));
    demo.wait_for_text("join: ");

    // A second cockpit, by exactly the words on the status line.
    let command = demo.screen(join_command).unwrap();
    let mut second = shell(home.path(), temp.path(), &command);
    second.wait_for_text("polled by");

    let burning = |screen: &vt100::Screen| {
        let text = screen.contents();
        let top = top_slo(screen).is_some_and(|row| row.contains('●') && row.contains("checkout"));
        top && text.contains("● critical") && text.contains("1 page") && text.contains("nobody")
    };
    demo.wait_for_within(PAGE_DUE, "a page on a burning SLO at the top", burning);
    eprintln!("a page was open {:.1} s after the start", began.elapsed().as_secs_f64());
    second.wait_for("the same page", burning);

    demo.send("a");
    demo.wait_for_text("acknowledge checkout/availability: in the journal");
    demo.send("\r");
    demo.wait_for("who acts, or that it is done", |s| s.contents().contains("who acts") || s.contents().contains("acknowledged"));
    if demo.text().contains("who acts") {
        demo.send("\u{15}pat\r");
    }
    let asked = Instant::now();
    let taken = |screen: &vt100::Screen| {
        let text = screen.contents();
        !text.contains("nobody") && text.lines().any(|line| line.contains("P1 checkout") && line.contains("  ack "))
    };
    second.wait_for_within(LESS_THAN_A_POLL, "the acknowledgement", taken);
    eprintln!("the second cockpit showed it after {} ms", asked.elapsed().as_millis());
    demo.wait_for("its own acknowledgement", taken);

    // It follows, and has never spoken to the fleet: of all connections that there are or were in the last minute none is a stranger's.
    assert!(second.text().contains("polled by"));
    let port = fleet_port(Path::new(command.rsplit(' ').next().unwrap()));
    let fleet = sockets(demo.pid());
    let all = connections(port);
    assert!(all.iter().any(|(_, socket)| fleet.contains(socket)), "{all:?}");
    assert_eq!(all.iter().filter(|(_, socket)| !fleet.contains(socket)).collect::<Vec<_>>(), Vec::<&(String, u64)>::new());

    the_runbook_acts(&mut demo, &mut second);

    demo.send("q");
    assert_eq!(demo.wait_exit().exit_code(), 0);
    assert!(demo.is_cooked() && !demo.screen(vt100::Screen::alternate_screen));
    let left = |folder: &Path| fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    assert_eq!(left(temp.path()), Vec::<std::path::PathBuf>::new());

    // The second one is not dragged along, says that the store is gone, and brings nothing back.
    second.wait_for_text("acting is off");
    second.send("q");
    assert_eq!(second.wait_exit().exit_code(), 0);
    assert_eq!(left(temp.path()), Vec::<std::path::PathBuf>::new());
    assert_eq!(processes_named(temp.path().to_str().unwrap()), Vec::<String>::new());
}
