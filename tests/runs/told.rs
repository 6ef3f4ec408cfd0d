//! What a step is told and what it gets, how it ends, and what a person sees of that.

use std::{collections::BTreeMap, fs, process::Stdio};

use burnwatch::{
    domain::{
        Act, Actor, Begun, Entry, Facts, How, Labels, Question, Request, RunEvent, RunId, RunState, RunVerb, Severity, Snapshot, StepState,
        Verb, What,
    },
    engine::Clock,
};
use chrono::Utc;
use serde_json::Value;

use crate::{
    home::{Home, how},
    support::{
        self,
        cockpit::Cockpit,
        fake::{Fake, Say},
    },
};

/// A run for an incident with these labels, begun by the journal alone.
fn begin(home: &Home, book: &str, labels: &[(&str, &str)]) -> u64 {
    let text = fs::read_to_string(home.file(&format!("{book}.md"))).unwrap();
    let (read, problems) = burnwatch::config::read_runbook(&home.file(&format!("{book}.md")), &text, burnwatch::config::Known::default());
    let book = read.unwrap_or_else(|| panic!("{problems:?}"));
    let labels: Labels = labels.iter().copied().collect();
    let facts =
        Facts { severity: Severity::P1, since: Some(Utc::now()), labels, annotations: Labels::default(), sources: vec!["am".into()] };
    let begun =
        Begun { incident: Some("am:1".into()), incident_title: Some("it burns".into()), facts: Some(facts), ..Begun::of(&book, None) };
    let number = home.newest() + 1;
    let entry = Entry {
        id: 0,
        at: Utc::now(),
        act: "b".into(),
        subject: RunId(number).subject(),
        title: book.title.clone(),
        service: Some("checkout".into()),
        version: 0,
        who: Actor { name: "maya".into(), verified: true },
        what: What::Run { event: RunEvent::Begun(Box::new(begun)) },
    };
    home.store.append(entry, Some(0)).unwrap();
    number
}

#[test]
fn labels_arrive_byte_for_byte_and_none_of_them_is_run() {
    let text =
        "## Look\n```sh {name=look timeout=20s}\nprintf '%s' \"$BW_LABEL_VALUE\" > value\nprintf '%s' \"$BW_INCIDENT_JSON\" > json\n```\n";
    let home = Home::new(&[("look", text)]);
    let long = "x".repeat(90_000);
    let hostile =
        ["$(touch x)", "`touch x`; touch x", "it's \"quoted\" \\", "one\ntwo\n\n", "-rf", "--", "*", "$HOME", "\u{1b}[2Jé\u{202e}", &long];
    for value in hostile {
        let run = begin(&home, "look", &[("value", value)]);
        home.says(0, &["run", &run.to_string()]);
        assert_eq!(home.read("value"), value, "{:?}", home.thread(run));
        let json: Value = serde_json::from_str(&home.read("json")).unwrap();
        assert_eq!(json["labels"]["value"], value);
    }
    assert!(!home.file("x").exists() && !home.path().join("x").exists());
    // What cannot arrive whole is refused, and nothing runs.
    let too_long = "x".repeat(101 << 10);
    let refused: [(&[(&str, &str)], &str); 3] =
        [(&[("a.b", "1"), ("a-b", "2")], "BW_LABEL_A_B"), (&[("value", "a\0b")], "NUL"), (&[("value", &too_long)], "103424 bytes")];
    for (labels, why) in refused {
        fs::remove_file(home.file("value")).unwrap_or_default();
        let run = begin(&home, "look", labels);
        let (_, said) = home.says(1, &["run", &run.to_string()]);
        assert!(said.contains(why) && said.contains("nothing was done"), "{said}");
        assert_eq!((home.run(run).steps[0].attempts.len(), home.file("value").exists()), (0, false));
    }
}

/// What `--dry-run` says of a step's variables is what it is then given, to the byte; only what is made as it starts is not said.
#[test]
fn a_dry_run_tells_exactly_what_the_step_is_told() {
    let text =
        "## Look\n```sh {name=look timeout=20s inputs=\"region=eu|us default eu, ticket\"}\ncat \"/proc/$$/environ\" > environ\n```\n";
    let home = Home::new(&[("look", text)]);
    let run = begin(&home, "look", &[("value", "it's \"$(touch x)\"\n\u{1b}[2J -rf é\u{202e}"), ("k8s.io/name", &"y".repeat(50_000))]);
    let words = [&run.to_string(), "--input", "ticket=-rf $HOME"];
    let (shown, _) = home.says(0, &[&["run", "--dry-run", "--json"], &words[..]].concat());
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let shown = shown["steps"][0]["variables"].as_object().unwrap();
    assert_eq!(home.run(run).steps[0].attempts.len(), 0);
    home.says(0, &[&["run"], &words[..]].concat());
    let environ = fs::read(home.file("environ")).unwrap();
    let given = environ.split(|b| *b == 0).filter_map(|v| std::str::from_utf8(v).unwrap().split_once('='));
    let given: BTreeMap<_, _> = given.filter(|(name, _)| name.starts_with("BW_") && !["BW_RUN", "BW_RUN_KEY"].contains(name)).collect();
    let shown: BTreeMap<_, _> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    assert_eq!(shown, given);
    assert!(shown.len() >= 12 && shown.contains_key("BW_INCIDENT_JSON") && shown["BW_INPUT_TICKET"] == "-rf $HOME", "{:?}", shown.keys());
}

#[test]
fn a_step_gets_nothing_of_where_it_was_started() {
    let text = "## Look\n```sh {name=look timeout=20s}\nenv | sort > env\nls -l /proc/self/fd > fds\numask > umask\npwd > pwd\ncat > stdin\n(tty || true) > tty\n\
                cut -d' ' -f6 /proc/$$/stat > session\n```\n";
    let home = Home::new(&[("look", text)]);
    let mut command = support::burnwatch(home.path(), &["runbook", "run", "look"]);
    let program = command.get_program().to_owned();
    let mut shell = std::process::Command::new("sh");
    // Handed down on purpose: a secret, a descriptor and an umask.
    shell.args(["-c", "umask 0777; umask 0077; exec 9</etc/hostname; exec \"$0\" \"$@\""]).arg(program).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(k, v)| Some((k, v?)))).env("SECRET", "s3cr3t").env("BW_LABEL_FAKE", "x");
    let _ = command.stdin(Stdio::null());
    assert!(shell.stdin(Stdio::null()).status().unwrap().success(), "{:#?}", home.thread(1));
    let env = home.read("env");
    assert!(
        !env.contains("s3cr3t") && !env.contains("BW_LABEL_FAKE") && env.contains("TERM=dumb") && env.contains("BW_STEP=look"),
        "{env}"
    );
    let fds = home.read("fds");
    // 3 is the folder that `ls` itself reads.
    let open: Vec<_> = fds.lines().filter_map(|l| l.split(" -> ").nth(1)).collect();
    assert!(!open.iter().any(|f| f.contains("hostname") || f.contains("memfd") || f.contains(".db")) && open[0] == "/dev/null", "{fds}");
    assert_eq!((home.read("umask").trim(), home.read("stdin").as_str(), home.read("tty").trim()), ("0022", "", "not a tty"));
    assert_eq!(home.read("pwd").trim(), home.file("").to_str().unwrap().trim_end_matches('/'));
    let (_, runner) = home.runner(1, "look");
    assert_eq!(home.read("session").trim(), runner.pid.to_string(), "it is in a session of its runner's own");
}

#[test]
fn a_run_is_gone_through_from_the_command_line() {
    let text = r#"
## Look
```sh {name=look check expect="contains ready" timeout=20s}
echo "ready, region $BW_INPUT_REGION"
```
## Shift
```sh {name=shift timeout=20s undo=back}
echo first; echo to stderr >&2; cat missing; echo never
```
## Back
```sh {name=back timeout=20s}
echo back
```
## Tell
Tell them.
## Last
```sh {name=last timeout=20s danger="drops all"}
echo last
```
"#;
    let text = text.replace("timeout=20s}\necho \"ready", "timeout=20s inputs=\"region=eu|us default eu\"}\necho \"ready");
    let home = Home::new(&[("all", &text)]);
    // Shown, and nothing done.
    let (shown, _) = home.says(0, &["run", "all", "--dry-run"]);
    assert!(shown.contains("BW_INPUT_REGION=eu") && shown.contains("cat missing") && shown.contains("sh -e -c"), "{shown}");
    assert!(!shown.contains("Back"), "{shown}");
    assert_eq!(home.newest(), 0);
    home.says(64, &["run", "all", "--input", "nothing"]);
    let (_, said) = home.says(1, &["run", "all", "--input", "region=moon"]);
    assert!(said.contains("`moon` is no choice"), "{said}");
    // One after the other, until one fails: the shell stops at the first command that does.
    let (out, said) = home.says(1, &["run", "all", "--all", "--input", "region=us"]);
    assert_eq!(out, "ready, region us\nfirst\nto stderr\ncat: missing: No such file or directory\n");
    assert!(said.contains("failed") && said.contains("runbook undo 0001 shift"), "{said}");
    let (out, _) = home.says(0, &["undo", "1", "shift"]);
    assert_eq!(out, "back\n");
    let (shape, _) = home.says(1, &["status", "1", "--json"]);
    let shape: Value = serde_json::from_str(&shape).unwrap();
    let shift = &shape["run"]["steps"][1];
    assert_eq!(
        (&shift["state"], &shift["undone"], &shift["attempts"][0]["code"]),
        (&"failed".into(), &true.into(), &1.into()),
        "{shape:#}"
    );
    home.says(0, &["skip", "1", "--reason", "done by hand"]);
    let (_, said) = home.says(1, &["run", "1"]);
    assert!(said.contains("done by a person"), "{said}");
    home.says(0, &["tick", "1", "--note", "told them"]);
    let (_, said) = home.says(1, &["run", "1"]);
    assert!(said.contains("dangerous: drops all") && said.contains("--yes"), "{said}");
    let (out, _) = home.says(0, &["run", "1", "--yes", "--json"]);
    let shape: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shape["run"]["state"], &shape["run"]["next"]), (&"finished".into(), &Value::Null), "{shape:#}");
    let (out, _) = home.says(0, &["attach", "1"]);
    assert_eq!(out, "last\n");
    let audit = String::from_utf8(support::run(home.path(), &["audit", "list"]).stdout).unwrap();
    assert!(audit.contains("failed: exit 1") && audit.contains("skip  run:1") && audit.contains("“told them”"), "{audit}");
    assert!(support::run(home.path(), &["audit", "verify"]).status.success());
    let (_, said) = home.says(1, &["status", "99"]);
    assert!(said.contains("there is no run 0099"), "{said}");
    home.says(1, &["cancel", "1"]);
    // It is over: the next is another run.
    home.says(0, &["run", "all"]);
    assert_eq!(home.newest(), 2);
    home.says(0, &["abort", "2", "--reason", "a mistake"]);
    let (_, said) = home.says(1, &["run", "2"]);
    assert!(said.contains("was ended by"), "{said}");
    assert_eq!(home.run(2).state(), RunState::Aborted);
}

#[test]
fn a_read_only_cockpit_runs_nothing() {
    let home = Home::new(&[("one", "## One\n```sh {name=one timeout=20s}\ntouch done\n```\n")]);
    let output = support::run(home.path(), &["--read-only", "runbook", "run", "one"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("read-only"));
    assert_eq!((home.newest(), home.file("done").exists()), (0, false));
}

#[test]
fn a_runbook_that_has_changed_is_another_runbook() {
    let two = "## One\n```sh {name=one timeout=20s}\ntrue\n```\n## Two\n```sh {name=two timeout=20s}\ntrue\n```\n";
    let home = Home::new(&[("two", two)]);
    home.says(0, &["run", "two"]);
    fs::write(home.file("two.md"), format!("---\ntitle: two\n---\n{}", two.replace("true", "touch x"))).unwrap();
    let (_, said) = home.says(1, &["run", "1"]);
    assert!(said.contains("not what it was when this run began"), "{said}");
    assert!(!home.file("x").exists());
}

/// A cockpit that is open reads the files again when somebody looks at runbooks: what it shows and runs is what they say now.
#[test]
fn a_cockpit_runs_what_the_file_says_when_it_is_opened() {
    let book = |word: &str| format!("## One\n```sh {{name=one timeout=20s}}\necho {word} >> done\n```\n");
    let home = Home::new(&[("one", &book("old"))]);
    let mut cockpit = Cockpit::start(&home.config(), Clock::system());
    let ask = |cockpit: &Cockpit, run: u64, seen: u64, verb: RunVerb| {
        let incident = if run == 0 { "run:".into() } else { RunId(run).subject() };
        cockpit.ask(Request::Act(Act { incident, seen, verb: Verb::Run(verb), by: None }));
    };
    let begin = || RunVerb::Begin { runbook: "one".into(), incident: None, drill: None };
    let start = || RunVerb::Start { step: "one".into(), inputs: BTreeMap::new(), again: false };
    ask(&cockpit, 0, 0, begin());
    let old = cockpit.wait_for("the run", |s| s.runs.len() == 1).runs[&RunId(1)].hash.clone();
    fs::write(home.file("one.md"), format!("---\ntitle: one\n---\n{}", book("new"))).unwrap();
    fs::write(home.file("two.md"), "## Two {manual}\nBy hand.\n").unwrap();
    fs::write(home.file("broken.md"), "## Two\n```sh {name=a timeout=never}\ntrue\n```\n").unwrap();
    cockpit.ask(Request::Look(Question::Runbooks));
    let read = |s: &Snapshot| s.runbooks.book(&"one".into()).is_some_and(|b| b.hash != old) && s.runbooks.book(&"two".into()).is_some();
    let snapshot = cockpit.wait_for("the files as they are now", read);
    assert_eq!(snapshot.runbooks.unusable.len(), 1);
    // The run that is open is bound to what it began with; the next one to what the file says now.
    ask(&cockpit, 1, 1, start());
    let changed = |s: &Snapshot| s.toasts.iter().any(|t| t.text.as_str().contains("not what it was when this run began"));
    cockpit.wait_for("a no", changed);
    ask(&cockpit, 1, 1, RunVerb::Abort { reason: "changed".into() });
    cockpit.wait_for("its end", |s| s.runs[&RunId(1)].state() == RunState::Aborted);
    ask(&cockpit, 0, 0, begin());
    cockpit.wait_for("the next run", |s| s.runs.len() == 2);
    ask(&cockpit, 2, 1, start());
    assert_eq!(how(&home.end(2, "one").1), How::Ok);
    assert_eq!(home.read("done"), "new\n");
}

#[test]
fn a_step_that_others_must_agree_to_waits() {
    let home = Home::new(&[("gate", "## One\n```sh {name=one timeout=20s approve=1}\ntouch x\n```\n")]);
    let (_, said) = home.says(1, &["run", "gate"]);
    assert!(said.contains("approval"), "{said}");
    let run = home.run(1);
    assert_eq!(run.state_of(&run.steps[0]), StepState::NeedsApproval);
    assert!(!home.file("x").exists());
}

/// A check may be a query: it asks the source once, and what the figure is decides.
#[test]
fn a_query_is_asked_once_and_its_figure_decides() {
    let answer = |query: &str| match query {
        "few" => r#"[{"metric":{},"value":[1,"12"]}]"#,
        "nan" => r#"[{"metric":{},"value":[1,"NaN"]}]"#,
        "two" => r#"[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}]"#,
        _ => "[]",
    };
    let prometheus = Fake::start(move |request| {
        let query = request.split(['&', '\n']).find_map(|pair| pair.strip_prefix("query=")).unwrap_or_default();
        Say::json(format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{}}}}}"#, answer(query)))
    });
    let block = |name: &str, query: &str, expect: &str| {
        format!("## {name}\n```promql {{name={name} timeout=20s continue_on_error{expect}}}\n{query}\n```\n")
    };
    let below = " expect=\"< 100\"";
    let all = [
        ("few", "few", below),
        ("many", "few", " expect=\"< 10\""),
        ("any", "few", ""),
        ("none", "none", below),
        ("nan", "nan", ""),
        ("two", "two", ""),
    ];
    let home = Home::new(&[("ask", &all.map(|(name, query, expect)| block(name, query, expect)).concat())]);
    let config = fs::read_to_string(home.config()).unwrap();
    support::configure(
        home.path(),
        &format!("{config}\n[[source]]\nname = \"prom\"\nkind = \"prometheus\"\nurl = \"{}\"\n", prometheus.url()),
    );
    home.says(1, &["run", "ask", "--all"]);
    let ends = all.map(|(name, ..)| {
        let end = home.end(1, name).1;
        (name, how(&end), end.why.map(|why| why.to_string()).unwrap_or_default())
    });
    let well = ends.iter().filter(|(_, how, _)| *how == How::Ok).map(|(name, ..)| *name).collect::<Vec<_>>();
    assert_eq!(well, ["few", "any"], "{ends:?}");
    assert!(ends[3].2.contains("no figure") && ends[4].2.contains("no figure") && ends[5].2.contains("2 figures"), "{ends:?}");
    assert_eq!(prometheus.asked().len(), all.len());
}

#[test]
fn a_request_is_sent_once_and_followed_nowhere() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let block = |name: &str, path: &str| {
        format!(
            "## {name}\n```http {{name={name} timeout=20s continue_on_error}}\nPOST http://127.0.0.1:{port}/{path}\nX-Key: k1\n\n{{\"a\":1}}\n```\n"
        )
    };
    let home = Home::new(&[("http", &(block("good", "good") + &block("moved", "moved") + &block("silent", "silent")))]);
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut asked = Vec::new();
        for answer in [
            "HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "",
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let mut piece = [0; 4096];
            while !text.ends_with(b"{\"a\":1}") {
                let n = stream.read(&mut piece).unwrap();
                text.extend_from_slice(&piece[..n]);
            }
            asked.push(String::from_utf8(text).unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    home.says(2, &["run", "http", "--all"]);
    let asked = server.join().unwrap();
    assert!(asked[0].starts_with("POST /good HTTP/1.1\r\n") && asked[0].contains("x-key: k1\r\n"), "{}", asked[0]);
    let (good, moved, silent) = (home.end(1, "good").1, home.end(1, "moved").1, home.end(1, "silent").1);
    assert_eq!((how(&good), good.output.unwrap().last.raw()), (How::Ok, "ok\n"));
    assert_eq!((how(&moved), moved.why.unwrap().as_str()), (How::Failed, "status 302"));
    // It may have been done there: nobody knows.
    assert_eq!(how(&silent), How::Unknown);
}

/// The end of one step's runner was taken for that of the next, which had just been started.
#[test]
fn one_step_after_the_other_each_ends_as_itself() {
    let step = |n: usize| format!("## S{n}\n```sh {{name=s{n:02} timeout=20s}}\necho {n}\n```\n");
    let home = Home::new(&[("many", &(0..30).map(step).collect::<String>())]);
    let (out, _) = home.says(0, &["run", "many", "--all"]);
    assert_eq!(out, (0..30).map(|n| format!("{n}\n")).collect::<Vec<_>>().concat());
}
