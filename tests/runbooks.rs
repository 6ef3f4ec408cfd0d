//! Runbooks as a shell sees them: the library, one in full, every mistake of a file, and whose word counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail this way, its helpers too")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

struct Said {
    out: String,
    talk: String,
    code: i32,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

fn run_in(home: &TempDir, folder: &Path, args: &[&str]) -> Said {
    let output = support::burnwatch(home.path(), args).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), talk: text(output.stderr), code: output.status.code().unwrap() }
}
fn run(home: &TempDir, args: &[&str]) -> Said {
    run_in(home, home.path(), args)
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    path.to_owned()
}

/// A configuration of one source that is asked nothing here.
const CONFIG: &str = r#"
[[source]]
name = "prom"
kind = "prometheus"
url = "http://127.0.0.1:9"

[[slo]]
name = "availability"
by = ["service"]
objective = "99.9%"
good = 'http_requests_total{code!~"5.."}'
total = 'http_requests_total'

[[service]]
name = "checkout"
runbooks = ["runbooks/check*.md"]

[[service]]
name = "cart"

[runbooks]
dir = "runbooks"
"#;

const GOOD: &str = r#"---
title: Roll back
---
## Shift
Sends all traffic back.
```sh {name=shift timeout=2m approve=1 effect="burn checkout/availability < 1 within 10m"}
./traffic "$BW_LABEL_SERVICE"   stable=100
```
## Tell support
In the channel.
"#;

/// A home with the configuration, a good runbook for checkout and a broken one.
fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("config/burnwatch");
    write(&folder.join("burnwatch.toml"), CONFIG);
    write(&folder.join("runbooks/checkout-rollback.md"), GOOD);
    write(&folder.join("runbooks/sub/broken.md"), "---\ntitle: Broken\n---\n## A\n```sh {name=a undo=b timeout=1m}\nrm $BW_LABEL_X\n```\n");
    write(&folder.join("runbooks/README.md"), "not a runbook");
    home
}

#[test]
fn the_library_says_what_there_is_and_what_cannot_be_used() {
    let home = home();
    let list = run(&home, &["runbook", "list"]);
    assert_eq!(list.code, 0, "{}", list.talk);
    assert_eq!(list.out, "checkout-rollback  Roll back  2 steps, 1 gate     never run · never rehearsed\n");
    assert!(list.talk.contains("broken.md cannot be used: 1 mistake, line 5: there is no step `b`"), "{}", list.talk);
    assert!(list.talk.contains("no runbook for alerts of cart"), "{}", list.talk);
    let json = run(&home, &["runbook", "list", "--json"]).json();
    assert_eq!(json["runbooks"][0]["services"], serde_json::json!(["checkout"]));
    assert_eq!((&json["never_run"][0], &json["without_runbook"]), (&"checkout-rollback".into(), &serde_json::json!(["cart"])));
    assert_eq!(json["unusable"].as_array().unwrap().len(), 1);
}

#[test]
fn a_runbook_is_shown_with_exactly_what_it_would_run() {
    let home = home();
    let text = run(&home, &["runbook", "show", "check"]);
    assert!(text.out.contains("   $ ./traffic \"$BW_LABEL_SERVICE\"   stable=100\n"), "{}", text.out);
    let json = run(&home, &["runbook", "show", "checkout-rollback", "--json"]).json();
    let step = &json["steps"][0];
    assert_eq!((&step["name"], &step["approve"], &step["timeout_s"]), (&"shift".into(), &1.into(), &120.into()));
    // What sha256sum says of the line with its line break.
    let hash = burnwatch::domain::Hash::of(b"./traffic \"$BW_LABEL_SERVICE\"   stable=100\n");
    assert_eq!(step["hash"], hash.as_str());
    assert_eq!(step["effect"], "burn checkout/availability < 1.0× within 10m");
    let missing = run(&home, &["runbook", "show", "chekout-rollback"]);
    assert_eq!((missing.code, missing.talk.contains("did you mean `checkout-rollback`?")), (1, true), "{}", missing.talk);
}

#[test]
fn lint_tells_every_mistake_at_its_line() {
    let home = home();
    let all = run(&home, &["runbook", "lint"]);
    assert_eq!(all.code, 1);
    for told in ["broken.md:5:15", "there is no step `b` to undo this one", "broken.md:6:4", "stands out of quotes", "2 mistakes"] {
        assert!(all.out.contains(told), "{told} is not in {}", all.out);
    }
    let one = |name: &str, text: &str| {
        let file = write(&home.path().join("files").join(name), text);
        run(&home, &["runbook", "lint", &file.display().to_string()])
    };
    assert_eq!((one("good.md", GOOD).code, one("good.md", GOOD).out.as_str()), (0, "1 runbook: ok\n"));
    let unknown = one("slo.md", &GOOD.replace("checkout/availability", "checkout/latency"));
    assert!(unknown.code == 1 && unknown.out.contains("there is no SLO `checkout/latency`"), "{}", unknown.out);
    assert!(one("big.md", &"x".repeat(10 << 20)).out.contains("it is larger than 1 MiB"));
    assert!(one("none.md", "just text").out.contains("there is no front matter"));
    fs::write(home.path().join("files/binary.md"), b"---\n---\n\xff").unwrap();
    let binary = run(&home, &["runbook", "lint", &home.path().join("files/binary.md").display().to_string()]);
    assert!(binary.out.contains("line 3 cannot be read"), "{}", binary.out);
    assert!(run(&home, &["runbook", "lint", "nowhere.md"]).out.contains("there is no such file"));
    let check = run(&home, &["check"]);
    assert!(
        check.code == 1 && check.out.contains("broken.md:5:15") && check.out.contains("runbooks     checkout-rollback"),
        "{}",
        check.out
    );
}

#[test]
fn a_runbook_that_others_could_have_written_is_not_used() {
    let home = home();
    let file = home.path().join("config/burnwatch/runbooks/checkout-rollback.md");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let json = run(&home, &["runbook", "list", "--json"]).json();
    assert_eq!(json["runbooks"], serde_json::json!([]));
    let first = json["unusable"][0]["first"].as_str().unwrap();
    assert!(first.contains("can be written by others (mode 0666)"), "{first}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let deep = write(&home.path().join("config/burnwatch/runbooks/sub/deep/rollback.md"), GOOD);
    let books = || run(&home, &["runbook", "list", "--json"]).json()["runbooks"].as_array().unwrap().len();
    assert_eq!(books(), 2);
    // Whoever may write a folder may put another one in the place of those in it.
    fs::set_permissions(deep.parent().unwrap().parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(books(), 1);
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(books(), 0);
}

#[test]
fn a_config_that_was_merely_found_is_trusted_as_it_stands_or_not_at_all() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("work");
    let config = write(&folder.join("burnwatch.toml"), CONFIG);
    write(&folder.join("runbooks/checkout-rollback.md"), GOOD);
    let held = || run_in(&home, &folder, &["runbook", "list", "--json"]).json()["held"].clone();
    assert!(held().as_str().unwrap().contains("`burnwatch trust` says that it may"));
    let trust = || run_in(&home, &folder, &["trust"]);
    assert_eq!(trust().code, 0);
    assert_eq!(held(), Value::Null);
    write(&config, &format!("{CONFIG}# changed\n"));
    assert!(held().is_string(), "another content is another file");
    trust();
    assert_eq!(held(), Value::Null);
    let list = home.path().join("state/burnwatch/trusted");
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 1);
    fs::set_permissions(&list, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(held().is_string(), "a list that others could have written trusts nothing");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = trust();
    assert!(refused.code == 1 && refused.talk.contains("nobody can trust what others may change"), "{}", refused.talk);
}
