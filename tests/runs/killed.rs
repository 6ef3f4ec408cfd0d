//! Whoever starts a step, and whoever runs it, killed at random moments: no step runs twice, none is shown as done that was not, and
//! nothing is passed over in silence.

use std::{
    collections::BTreeMap,
    fs,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use burnwatch::{
    domain::{Actor, Entry, How, RunEvent, RunId, Snapshot, What},
    engine::Clock,
};
use chrono::{TimeDelta, Utc};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    home::{Home, counted},
    support::{self, cockpit::Cockpit},
};

/// How often.
const TRIALS: usize = 200;
/// Steps that are left alone, to see how long they live.
const SPARED: usize = 3;
/// The seed of the moments: another one is another test.
const SEED: u64 = 0x51ee_9d0f_200a_c4e5;

const BOOK: &str =
    "## One\n```sh {name=one timeout=30s}\necho \"begun $BW_RUN_KEY\" >> log\nsleep 0.02\necho \"over $BW_RUN_KEY\" >> log\n```\n";

/// Numbers that look random (xorshift64*), the same each time.
struct Dice(u64);

impl Dice {
    /// In [0, 1).
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Cockpit,
    Runner,
    Both,
}

/// The runner that this process has started, if it has.
fn runner_of(starter: &Child) -> Option<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let parent = format!("PPid:\t{}", starter.id());
    let ours = |pid: u32| {
        let runs = fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.split(|b| *b == 0).nth(1) == Some(b"__run-step"));
        runs && fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| s.lines().any(|l| l == parent))
    };
    pids.into_iter().find(|pid| ours(*pid))
}

fn kill(pid: u32) {
    // It may have ended by itself meanwhile.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
}

#[test]
fn no_step_runs_twice_and_none_is_done_that_was_not_whoever_is_killed() {
    let books: Vec<String> = (0..TRIALS + SPARED).map(|n| format!("b{n:03}")).collect();
    let books: Vec<(&str, &str)> = books.iter().map(|n| (n.as_str(), BOOK)).collect();
    let home = Home::new(&books);
    let mut lives: Vec<Duration> = (TRIALS..TRIALS + SPARED)
        .map(|n| {
            let began = Instant::now();
            assert!(home.start(&["run", books[n].0]).wait().unwrap().success());
            began.elapsed()
        })
        .collect();
    lives.sort_unstable();
    let life = lives[1];
    let mut dice = Dice(SEED);
    for (n, (book, _)) in books.iter().take(TRIALS).enumerate() {
        let victim = [Victim::Cockpit, Victim::Runner, Victim::Both][n % 3];
        let mut starter = home.start(&["run", book]);
        // Not a wait for something to happen: the moment is what is tried.
        thread::sleep(life.mul_f64(0.4 + 0.7 * dice.roll()));
        let runner = if victim == Victim::Cockpit { None } else { runner_of(&starter) };
        if victim != Victim::Runner {
            starter.kill().unwrap();
        }
        runner.into_iter().for_each(kill);
        starter.wait().unwrap();
    }
    // Whoever looks next says of each what can be said: a minute later, when no runner can still be coming up.
    let mut cockpit = Cockpit::start(&home.config(), Clock::of(|| Utc::now() + TimeDelta::minutes(2)));
    // (Of runs that are over a cockpit keeps the newest only.)
    let all = |s: &Snapshot| s.runs.contains_key(&RunId(home.newest()));
    cockpit.wait_for("every step to have an end", |s| all(s) && s.runs.values().all(|r| r.at_work().is_none()));
    drop(cockpit);

    let log = home.read("log");
    let ran = |word: &str, key: &str| log.lines().filter(|l| *l == format!("{word} {key}")).count();
    let mut ends = BTreeMap::<String, usize>::new();
    for number in 1..=home.newest() {
        let thread = home.thread(number);
        let run = home.run(number);
        let attempts = &run.steps[0].attempts;
        let (starts, ups, _) = counted(&thread);
        assert!(starts <= 1 && ups <= starts && attempts.len() == starts, "{thread:#?}");
        let Some(attempt) = attempts.first() else {
            *ends.entry("never started".to_owned()).or_default() += 1;
            continue;
        };
        let (begun, over) = (ran("begun", attempt.key.as_str()), ran("over", attempt.key.as_str()));
        let end = attempt.end.as_ref().unwrap();
        assert!(begun <= 1 && over <= begun, "it ran {begun} times: {thread:#?}");
        match end.how {
            How::Ok => assert_eq!((begun, over), (1, 1), "it is shown as done: {thread:#?}"),
            How::NotRun => assert_eq!((begun, ups), (0, 0), "it is shown as never begun: {thread:#?}"),
            How::Unknown => assert_eq!(ups, 1, "nobody knows what never came up: {thread:#?}"),
            other => panic!("{other:?}: {thread:#?}"),
        }
        *ends.entry(format!("{} ({begun}, {over})", end.how.word())).or_default() += 1;
    }
    assert_eq!(
        log.lines().filter(|l| l.starts_with("begun")).count(),
        ends.iter().filter(|(k, _)| k.contains("(1")).map(|(_, n)| n).sum::<usize>()
    );
    eprintln!("life {life:?}; how they ended (begun, over): {ends:?}");
    assert!(support::run(home.path(), &["audit", "verify"]).status.success());
    assert!(ends.len() >= 3, "the moments were not random enough: {ends:?}");
    // An unknown end is nobody's permission to run it again.
    let unknown = (1..=home.newest()).find(|n| home.run(*n).steps[0].attempts.first().is_some_and(|a| a.how() == Some(How::Unknown)));
    if let Some(number) = unknown {
        let (_, said) = home.says(1, &["run", &number.to_string()]);
        assert!(said.contains("look at what it did"), "{said}");
    }
}

/// A runner that comes up after somebody has given it up runs nothing.
#[test]
fn a_runner_that_comes_too_late_runs_nothing() {
    let home = Home::new(&[("one", BOOK)]);
    home.says(0, &["run", "one"]);
    let late = home.run(1).steps[0].attempts[0].key.clone();
    let thread = home.thread(1);
    let up = thread.iter().find(|e| matches!(e.what, What::Run { event: RunEvent::Up { .. } })).unwrap();
    // The same words once more: the version that it names has passed.
    let again = Entry { id: 0, version: 0, ..up.clone() };
    assert!(home.store.append(again, Some(up.version - 1)).is_err(), "{late}");
    let who = Actor { name: "burnwatch".into(), verified: true };
    assert_eq!(RunId::of_subject(&up.subject), Some(RunId(1)));
    assert_ne!(up.who, who);
}
