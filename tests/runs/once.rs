//! Two who start the same step in the same moment: it starts once, and the other is told who was first.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use burnwatch::{
    domain::{Act, Actor, Request, RunVerb, Verb},
    engine::Clock,
};

use crate::{
    home::{Home, counted},
    support::{self, cockpit::Cockpit},
};

/// Races between two cockpits; each has a run of its own.
const COCKPITS: usize = 200;
/// Races between two commands.
const COMMANDS: usize = 20;

const BOOK: &str = "## One\n```sh {name=one timeout=30s}\necho \"$BW_RUN\" >> done\n```\n## Two\n```sh {name=two timeout=30s}\necho \"$BW_RUN\" >> done\n```\n";

fn actor(name: &str) -> Actor {
    Actor { name: name.into(), verified: true }
}

fn act(run: u64, seen: u64, verb: RunVerb, by: &str) -> Request {
    let incident = if run == 0 { "run:".into() } else { burnwatch::domain::RunId(run).subject() };
    Request::Act(Act { incident, seen, verb: Verb::Run(verb), by: Some(actor(by)) })
}

#[test]
fn of_two_cockpits_one_starts_a_step_and_the_other_is_told_who() {
    let books: Vec<(String, &str)> = (0..COCKPITS).map(|n| (format!("b{n:03}"), BOOK)).collect();
    let books: Vec<(&str, &str)> = books.iter().map(|(n, t)| (n.as_str(), *t)).collect();
    let home = Home::new(&books);
    let mut cockpits = ["maya", "jon"].map(|_| Cockpit::start(&home.config(), Clock::system()));
    let mut won = BTreeMap::<String, usize>::new();
    for (n, (book, _)) in books.iter().enumerate() {
        // Both begin the run, and both start its first step, having seen the same.
        let run = n as u64 + 1;
        let begin = RunVerb::Begin { runbook: (*book).into(), incident: None, drill: None };
        for (cockpit, who) in cockpits.iter().zip(["maya", "jon"]) {
            cockpit.ask(act(0, 0, begin.clone(), who));
        }
        let seen = cockpits.each_mut().map(|c| c.wait_for("the run", |s| s.runs.values().any(|r| r.id.0 == run)));
        let version = seen[0].runs.values().find(|r| r.id.0 == run).unwrap().version;
        let start = RunVerb::Start { step: "one".into(), inputs: BTreeMap::new(), again: false };
        for (cockpit, who) in cockpits.iter().zip(["maya", "jon"]) {
            cockpit.ask(act(run, version, start.clone(), who));
        }
        let (_, _) = home.end(run, "one");
        let thread = home.thread(run);
        assert_eq!(counted(&thread), (1, 1, 1), "{thread:#?}");
        let first = home.run(run).steps[0].attempts[0].by.name.to_string();
        let other = usize::from(first == "maya");
        let told = |s: &burnwatch::domain::Snapshot| {
            let about = |t: &&burnwatch::domain::Toast| t.about.as_ref().is_some_and(|a| a.as_str() == format!("run:{run}"));
            s.toasts.iter().filter(about).any(|t| t.failure && t.text.as_str().contains(&first))
        };
        cockpits[other].wait_for(&format!("to be told that {first} was first"), |s| told(s));
        *won.entry(first).or_default() += 1;
    }
    let expected = (1..=COCKPITS).fold(String::new(), |mut all, n| {
        let _ = writeln!(all, "{n:04}");
        all
    });
    let mut done: Vec<_> = home.read("done").lines().map(str::to_owned).collect();
    done.sort();
    assert_eq!(done.join("\n") + "\n", expected, "each step ran once");
    assert_eq!(home.newest(), COCKPITS as u64, "each run began once");
    eprintln!("{won:?}");
    drop(cockpits);
}

#[test]
fn of_two_commands_one_starts_a_step_and_the_other_is_told_who() {
    let home = Home::new(&[("one", BOOK)]);
    let home = Arc::new(home);
    for n in 1..=COMMANDS as u64 {
        let both = ["maya", "jon"].map(|who| {
            let home = Arc::clone(&home);
            std::thread::spawn(move || (who, support::run(home.path(), &["--as", who, "runbook", "run", "one", "--step", "one"])))
        });
        let ended = both.map(|b| b.join().unwrap());
        let thread = home.thread(n);
        assert_eq!(counted(&thread), (1, 1, 1), "{thread:#?}");
        let first = home.run(n).steps[0].attempts[0].by.name.to_string();
        for (who, output) in ended {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if *who == *first {
                assert_eq!(output.status.code(), Some(0), "{said}");
            } else {
                // Who came a little later found it done; who came at once was told who was first.
                assert!(output.status.code() == Some(1) && (said.contains(&first) || said.contains("done already")), "{who}: {said}");
            }
        }
        home.says(0, &["abort", &n.to_string(), "--reason", "next"]);
    }
    assert_eq!(home.read("done").lines().count(), COMMANDS);
    assert_eq!(home.newest(), COMMANDS as u64);
}
