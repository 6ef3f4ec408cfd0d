//! Lines that drop, runners that die: what goes on, what is not known, and what can still be reached.

use std::fs;

use burnwatch::domain::{How, RunState, StepState};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    home::{Home, counted, how, left, nothing_left},
    support::{self, pty::Pty},
};

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

const WAITS: &str = "echo working; while ! test -e go; do sleep 0.05; done; echo over; exit 3";

#[test]
fn a_step_outlives_the_terminal_and_ends_once() {
    let home = Home::new(&[("long", &format!("## Long\n```sh {{name=long timeout=60s}}\necho x >> ran\n{WAITS}\n```\n"))]);
    let mut pty = Pty::burnwatch(home.path(), &["runbook", "run", "long"], 80, 24);
    pty.wait_for_text("working");
    pty.hang_up();
    pty.wait_exit();
    let run = home.run(1);
    assert_eq!((run.state(), run.state_of(&run.steps[0])), (RunState::Running, StepState::Running));
    let (_, said) = home.says(1, &["run", "1", "--step", "long"]);
    assert!(said.contains("is running, started by"), "{said}");
    fs::write(home.file("go"), "").unwrap();
    let (_, end) = home.end(1, "long");
    assert_eq!((how(&end), end.code), (How::Failed, Some(3)));
    let (out, said) = home.says(1, &["attach", "1"]);
    assert_eq!(out, "working\nover\n");
    assert!(said.contains("exit 3"), "{said}");
    assert_eq!(home.read("ran"), "x\n");
    assert_eq!(counted(&home.thread(1)), (1, 1, 1), "it ended once");
}

#[test]
fn who_comes_back_sees_what_is_written_until_it_ends() {
    let home = Home::new(&[("long", &format!("## Long\n```sh {{name=long timeout=60s}}\n{WAITS}\n```\n"))]);
    let mut starter = home.start(&["run", "long"]);
    home.runner(1, "long");
    starter.kill().unwrap();
    starter.wait().unwrap();
    let mut back = Pty::burnwatch(home.path(), &["runbook", "attach", "1"], 80, 24);
    back.wait_for_text("working");
    fs::write(home.file("go"), "").unwrap();
    back.wait_for_text("exit 3");
    assert_eq!(back.wait_exit().exit_code(), 1);
    assert!(back.text().contains("over"));
}

#[test]
fn checks_and_what_says_so_stop_with_who_started_them() {
    let text = format!(
        "## A\n```sh {{name=a check timeout=60s}}\n{WAITS}\n```\n## B\n```sh {{name=b timeout=60s on_hangup=stop}}\n{WAITS}\n```\n"
    );
    let home = Home::new(&[("stop", &text)]);
    for step in ["a", "b"] {
        let mut starter = home.start(&["run", "stop"]);
        let (key, _) = home.runner(1, step);
        starter.kill().unwrap();
        starter.wait().unwrap();
        let (_, end) = home.end(1, step);
        assert_eq!(how(&end), How::Cancelled, "{end}");
        nothing_left(&key, None);
        home.says(0, &["skip", "1", "--reason", "next"]);
    }
}

#[test]
fn a_step_is_cancelled_from_anywhere() {
    let home = Home::new(&[(
        "long",
        "## Long\n```sh {name=long timeout=60s}\ntrap '' TERM; echo begun; setsid sleep 600 & sleep 600\nsleep 600\n```\n",
    )]);
    let mut starter = home.start(&["run", "long"]);
    let (key, _) = home.runner(1, "long");
    assert!(support::poll(|| home.store.spooled_bytes(&key).filter(|b| *b > 0)).is_some());
    home.says(0, &["cancel", "1"]);
    let (_, end) = home.end(1, "long");
    assert!(how(&end) == How::Cancelled && end.why.as_ref().unwrap().as_str().starts_with("by "), "{end}");
    assert_eq!(starter.wait().unwrap().code(), Some(1));
    nothing_left(&key, None);
    // To end a run is to end what runs of it.
    let mut starter = home.start(&["run", "long"]);
    let attempts = |n: usize| home.wait(1, "the next attempt", |r| r.steps[0].attempts.get(n)?.runner.clone());
    attempts(1);
    home.says(0, &["abort", "1", "--reason", "wrong one"]);
    let run = home.run(1);
    assert_eq!((run.state(), run.steps[0].attempts[1].how()), (RunState::Aborted, Some(How::Cancelled)));
    starter.wait().unwrap();
    nothing_left(&run.steps[0].attempts[1].key, None);
}

#[test]
fn what_a_dead_runner_has_left_is_told_and_can_still_be_ended() {
    let home =
        Home::new(&[("long", "## Long\n```sh {name=long timeout=60s}\necho x >> ran; setsid sleep 600 & sleep 600\nsleep 600\n```\n")]);
    let mut starter = home.start(&["run", "long"]);
    let (key, runner) = home.runner(1, "long");
    assert!(support::poll(|| (left(&key, None).len() >= 3).then_some(())).is_some());
    kill(runner.pid);
    // Whoever started it sees that, and tells it to everybody.
    assert_eq!(starter.wait().unwrap().code(), Some(2));
    let (_, end) = home.end(1, "long");
    assert!(how(&end) == How::Unknown && end.why.as_ref().unwrap().as_str().contains("sleep"), "{end}");
    assert_eq!(end.left.len(), 3);
    // Nobody runs it again without having looked, and not while what it left still runs.
    let (_, said) = home.says(1, &["run", "1"]);
    assert!(said.contains("look at what it did"), "{said}");
    let (_, said) = home.says(1, &["run", "1", "--again"]);
    assert!(said.contains("still runs (") && said.contains("sleep"), "{said}");
    let (_, said) = home.says(2, &["status", "1"]);
    assert!(said.contains("unknown"), "{said}");
    home.says(0, &["cancel", "1"]);
    nothing_left(&key, None);
    let end = home.wait(1, "the end of what was left", |r| r.steps[0].attempts[0].end.clone().filter(|e| e.how == How::Cancelled));
    assert!(end.why.unwrap().as_str().contains("was ended (3)"));
    assert_eq!(home.read("ran"), "x\n");
}

#[test]
fn a_runner_that_dies_with_nobody_watching_is_noticed_by_who_looks_next() {
    let home = Home::new(&[("long", "## Long\n```sh {name=long timeout=60s}\nsleep 600\n```\n")]);
    let mut starter = home.start(&["run", "long"]);
    let (key, runner) = home.runner(1, "long");
    starter.kill().unwrap();
    starter.wait().unwrap();
    kill(runner.pid);
    for pid in left(&key, None) {
        kill(pid);
    }
    let (_, said) = home.says(2, &["status", "1"]);
    assert!(said.contains("gone without a word"), "{said}");
    assert_eq!(how(&home.end(1, "long").1), How::Unknown);
}
