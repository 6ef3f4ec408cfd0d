//! A drill from its command to what is remembered of it, by people who join from elsewhere. In real time: the fault is so bad that it
//! pages within seconds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Everything fails from the first second on.
const SCENARIO: &str = "title = \"All of checkout fails\"\nrehearses = [\"checkout-rollback\"]\n\n[[fault]]\nkind = \"canary\"\n\
                        service = \"checkout\"\nversion = \"v42\"\ntraffic = 0.9\nerrors = 1.0\n";

/// Ended by its id if a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn burnwatch(home: &Path, temp: &Path, words: &[&str]) -> Command {
    let mut command = support::burnwatch(home, words);
    command.env("TMPDIR", temp);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_drill_is_played_by_who_joins_and_remembered_by_who_began_it() {
    let (home, temp) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = home.path().join("all-fails.toml");
    fs::write(&file, SCENARIO).unwrap();
    let store = home.path().join("mine");
    let mine = ["--store", store.to_str().unwrap(), "--as", "maya"];

    let words = [&["drill", file.to_str().unwrap(), "--headless", "--json"][..], &mine].concat();
    let mut command = burnwatch(home.path(), temp.path(), &words);
    let mut drill = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut talk = BufReader::new(drill.0.stderr.take().unwrap()).lines();
    let join = talk.find_map(|line| line.unwrap().strip_prefix("join: ").map(str::to_owned)).unwrap();
    let config = join.rsplit(' ').next().unwrap().to_owned();
    let there = |words: &[&str]| {
        let words = [words, &["--config", &config, "--as", "jon"]].concat();
        burnwatch(home.path(), temp.path(), &words).output().unwrap()
    };

    let page = "checkout/availability:page";
    support::poll(|| told(&there(&["incidents"])).contains(page).then_some(())).expect("a page");
    let list = there(&["runbook", "list", "--for", page]);
    assert!(told(&list).lines().next().unwrap().contains("roll-back-canary"), "{}", told(&list));
    let ack = there(&["ack", page, "--note", "on it"]);
    assert!(ack.status.success(), "{}", told(&ack));
    let run = there(&["runbook", "run", "roll-back-canary", "--incident", page]);
    assert!(run.status.success() && told(&run).contains("canary"), "{}", told(&run));
    let run = there(&["runbook", "run", "roll-back-canary", "--incident", page]);
    assert!(run.status.success() && told(&run).contains("v41 10 % -> 100 %"), "{}", told(&run));

    // It would end by itself once the effect is judged, minutes later.
    kill_process(Pid::from_child(&drill.0), Signal::TERM).unwrap();
    let mut result = String::new();
    drill.0.stdout.take().unwrap().read_to_string(&mut result).unwrap();
    assert_eq!(drill.0.wait().unwrap().code(), Some(0), "{result}");
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!((result["scenario"].as_str(), result["ended"].as_str()), (Some("all-fails"), Some("mitigated")));
    assert_eq!(result["people"], serde_json::json!(["jon"]));
    assert_eq!(result["runbooks"], serde_json::json!(["checkout-rollback", "roll-back-canary"]));
    let steps: Vec<_> =
        result["steps"].as_array().unwrap().iter().map(|s| (s["step"].as_str().unwrap(), s["how"].as_str().unwrap())).collect();
    assert_eq!(steps, [("confirm", "ok"), ("shift", "ok")]);
    assert!(result["mitigated_after_s"].as_u64() >= result["paged_after_s"].as_u64());
    assert!(result["acknowledged_after_s"].is_u64(), "{result:#}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "nothing of the fleet is left");

    // It is in the journal of who began it, and their runbook counts as rehearsed.
    let audit = told(&burnwatch(home.path(), temp.path(), &[&["audit", "list"][..], &mine].concat()).output().unwrap());
    assert!(audit.contains("drill  drill:all-fails  All of checkout fails  mitigated in"), "{audit}");
    let books = home.path().join("books");
    fs::create_dir(&books).unwrap();
    fs::write(books.join("checkout-rollback.md"), "---\ntitle: Ours\n---\n## Do it {manual}\nBy hand.\n").unwrap();
    fs::write(books.join("other.md"), "---\ntitle: Other\n---\n## Do it {manual}\nBy hand.\n").unwrap();
    let config = home.path().join("ours.toml");
    let source = "[[source]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9\"\n";
    fs::write(
        &config,
        format!("[store]\nurl = \"sqlite:{}\"\n[runbooks]\ndir = \"books\"\n{source}[[service]]\nname = \"cart\"\n", store.display()),
    )
    .unwrap();
    let list = burnwatch(home.path(), temp.path(), &["drill", "--list", "--config", config.to_str().unwrap()]).output().unwrap();
    let list = told(&list);
    assert!(list.contains("bad-canary") && list.contains("runbooks never rehearsed: other\n"), "{list}");
    assert!(list.contains("alerts without a runbook:\n  cart\n"), "{list}");
    let list = burnwatch(home.path(), temp.path(), &["runbook", "list", "--config", config.to_str().unwrap()]).output().unwrap();
    let list = told(&list);
    let line = |id: &str| list.lines().find(|l| l.starts_with(id)).unwrap_or_else(|| panic!("{list}")).to_owned();
    assert!(line("checkout-rollback").contains(" by maya (unverified), mitigated in "), "{list}");
    assert!(line("other").ends_with("never rehearsed"), "{list}");
}

#[test]
fn what_cannot_be_played_or_journalled_is_not_begun() {
    let home = TempDir::new().unwrap();
    let drill = |words: &[&str]| {
        let output = support::burnwatch(home.path(), &[&["drill", "--headless"], words].concat()).output().unwrap();
        (output.status.code(), told(&output))
    };
    let (code, why) = drill(&["bad-cannery"]);
    assert_eq!(code, Some(2));
    assert!(why.contains("there is no scenario `bad-cannery`") && why.contains("bad-canary, stalled-queue"), "{why}");
    let file = home.path().join("mine.toml");
    fs::write(&file, "title = \"t\"\n\n[[fault]]\nkind = \"flood\"\nservice = \"cart\"\n").unwrap();
    let (_, why) = drill(&[file.to_str().unwrap()]);
    assert!(why.contains("mine.toml: line 3: no kind is `flood`"), "{why}");
    let (_, why) = drill(&["bad-canary", "--store", file.to_str().unwrap()]);
    assert!(why.contains("the journal cannot be written"), "{why}");
}
