//! Steps that do not want to end: each is ended within its time and five seconds, with all that it started, and nothing grows meanwhile.

use std::{fs, time::Duration};

use burnwatch::domain::{Act, How, Question, Request, RunVerb, Verb};
use burnwatch::engine::Clock;

use crate::{
    home::{Home, how, left, nothing_left},
    support::{self, cockpit::Cockpit},
};

/// Seconds that each may take.
const TIMEOUT: u64 = 1;
/// What was promised: the timeout and five seconds.
const PROMISED: Duration = Duration::from_secs(TIMEOUT + 5);

fn step(name: &str, text: &str) -> String {
    format!("## {name}\n```sh {{name={name} timeout={TIMEOUT}s continue_on_error}}\n{text}\n```\n")
}

#[test]
fn what_does_not_want_to_end_is_ended_with_all_that_it_started() {
    // A number that no other process has among its words.
    let nap = format!("{}", 900_000 + std::process::id());
    let steps = [
        ("deaf", "trap '' TERM INT HUP; while :; do sleep 0.2; done".to_owned(), How::TimedOut),
        ("family", format!("(sleep {nap} & sleep {nap}) & sh -c 'sleep {nap} & sleep {nap}'"), How::TimedOut),
        ("escaped", format!("setsid sh -c 'trap \"\" TERM; sleep {nap} & while :; do sleep 0.2; done' & sleep {nap}"), How::TimedOut),
        ("bare", format!("env -i /usr/bin/setsid /bin/sleep {nap} & env -i /bin/sleep {nap}"), How::TimedOut),
        ("stopped", format!("kill -STOP $$; sleep {nap}"), How::TimedOut),
        // These end by themselves; what they leave does not.
        ("pipe", format!("sleep {nap} & setsid sleep {nap} & echo done"), How::Ok),
        ("stdin", "cat; read line || echo nothing".to_owned(), How::Ok),
    ];
    let text: String = steps.iter().map(|(name, text, _)| step(name, text)).collect();
    let home = Home::new(&[("hostile", &text)]);
    for (name, _, expected) in steps {
        home.runbook(&["run", "hostile"]);
        let (key, end) = home.end(1, name);
        assert_eq!(how(&end), expected, "{name}: {end:?}");
        let took = Duration::from_millis(end.took_ms.unwrap());
        eprintln!("{name}: {end}");
        assert!(took <= PROMISED, "{name} took {took:?}");
        assert_eq!(end.left, [], "{name}");
        nothing_left(&key, Some(&nap));
    }
    assert_eq!(home.end(1, "pipe").1.output.unwrap().last.raw(), "done\n");
    assert_eq!(home.end(1, "stdin").1.output.unwrap().last.raw(), "nothing\n");
}

#[test]
fn a_flood_fills_neither_memory_nor_disk_nor_the_cockpit() {
    let flood = "## Flood\n```sh {name=flood timeout=20s}\nhead -c 1073741824 /dev/zero | tr '\\0' 'x'\necho\necho the end\n```\n";
    let home = Home::new(&[("flood", flood)]);
    let mut cockpit = Cockpit::start(&home.config(), Clock::system());
    let begin = RunVerb::Begin { runbook: "flood".into(), incident: None, drill: None };
    cockpit.ask(Request::Act(Act { incident: "run:".into(), seen: 0, verb: Verb::Run(begin), by: None }));
    cockpit.wait_for("the run", |s| s.runs.len() == 1);
    let start = RunVerb::Start { step: "flood".into(), inputs: std::collections::BTreeMap::new(), again: false };
    cockpit.ask(Request::Act(Act { incident: "run:1".into(), seen: 1, verb: Verb::Run(start), by: None }));
    let (key, runner) = home.runner(1, "flood");
    cockpit.ask(Request::Look(Question::Output(Some(key.clone()))));
    // The cockpit shows it while it comes.
    cockpit.wait_for("output in the middle of the flood", |s| s.output.as_ref().is_some_and(|o| o.bytes > 8 << 20 && !o.lines.is_empty()));
    let peak = || {
        let status = fs::read_to_string(format!("/proc/{}/status", runner.pid)).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let mut most = 0;
    let end = support::poll_within(Duration::from_secs(40), || {
        most = most.max(peak().unwrap_or(0));
        home.run(1).steps[0].attempts[0].end.clone()
    });
    let end = end.unwrap();
    let output = end.output.clone().unwrap();
    eprintln!("{end}: {} bytes, the runner had at most {most} KiB", output.bytes);
    assert!(matches!(how(&end), How::Ok | How::TimedOut), "{end:?}");
    assert!(end.took_ms.unwrap() <= 25_000 && most > 0 && most < 64 << 10, "{end}, {most} KiB");
    if how(&end) == How::Ok {
        assert_eq!(output.bytes, (1 << 30) + 9);
        assert!(output.last.raw().ends_with("x\nthe end\n"));
        let shown = cockpit.wait_for("the end of it", |s| s.output.as_ref().is_some_and(|o| o.bytes == output.bytes));
        let shown = shown.output.as_ref().unwrap();
        assert_eq!((shown.lines.last().unwrap().as_str(), shown.omitted > 1_000_000_000), ("the end", true));
    }
    let files = fs::read_dir(home.path().join("store/runs")).unwrap().flatten().map(|e| e.metadata().unwrap().len());
    assert!(files.sum::<u64>() <= (576 << 10) + 64);
    assert_eq!(left(&key, None), Vec::<u32>::new());
}
