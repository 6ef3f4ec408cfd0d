//! A Redis that refuses, lies, drips or hangs up: a named state on the row of each kind of queue, in time, and never a figure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use serde_json::{Value, json};
use support::{
    configure,
    redis::{Liar, Lie},
    row, run, status,
};
use tempfile::TempDir;

const KINDS: [&str; 4] = ["sidekiq", "bullmq", "celery", "rq"];
const PASSWORD: &str = "hunter2-redis";

fn say(text: &str) -> Lie {
    Lie::Say(text.as_bytes().to_vec())
}

/// Its name, its class, a word of the message, and what is said.
type Case = (&'static str, &'static str, &'static str, fn() -> Lie);

/// The lies, the class that each is to be, and a word that its message is to hold.
fn lies() -> Vec<Case> {
    vec![
        ("loading", "not_ready", "LOADING", || say("-LOADING Redis is loading the dataset in memory\r\n")),
        ("noauth", "unauthorized", "password", || say("-NOAUTH Authentication required.\r\n")),
        ("wrongpass", "unauthorized", "password", || say("-WRONGPASS invalid username-password pair or user is disabled.\r\n")),
        ("noperm", "unauthorized", "+@read", || say("-NOPERM User ro has no permissions to run this command\r\n")),
        ("moved", "redirected", "10.0.0.7:6379", || say("-MOVED 3999 10.0.0.7:6379\r\n")),
        ("wrongtype", "malformed", "prefix", || say("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")),
        ("echo", "rejected", "***", || say("-ERR unknown hunter2-redis\r\n")),
        ("html", "malformed", "as a Redis does", || say("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")),
        ("garbage", "malformed", "as a Redis does", || Lie::Say((0..=255).rev().collect())),
        ("nulls", "malformed", "as a Redis does", || Lie::Flood(b"", b"\0")),
        ("gigabyte", "too_large", "max_bytes", || say("$1073741824\r\nabc")),
        ("nested", "malformed", "lists in lists", || Lie::Flood(b"", b"*1073741824\r\n")),
        ("flood", "too_large", "max_bytes", || Lie::Flood(b"*1073741824\r\n", b":1\r\n")),
        ("drip", "timeout", "1.0 s", || Lie::Drip(b"*3\r\n$5\r\nabcde\r\n".to_vec())),
        ("silent", "timeout", "1.0 s", || Lie::Nothing),
        ("cut", "malformed", "in the middle", || Lie::Cut(b"$100\r\nabc".to_vec())),
        ("closed", "unreachable", "hung up", || Lie::Cut(Vec::new())),
        ("number", "malformed", "", || say(":7\r\n")),
    ]
}

fn source(kind: &str, lie: &str, url: &str) -> String {
    let patience = if matches!(lie, "drip" | "silent") { "1s" } else { "20s" };
    format!(
        "[[source]]\nname = \"{lie}-{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\ntimeout = \"{patience}\"\npassword = \"{PASSWORD}\"\n\n"
    )
}

#[test]
fn each_lie_is_a_named_state_and_never_a_figure() {
    let liars: Vec<_> = lies().into_iter().map(|(name, class, word, lie)| (name, class, word, Liar::start(move |_| lie()))).collect();
    let mut config = String::new();
    for kind in KINDS {
        for (name, _, _, liar) in &liars {
            config += &source(kind, name, &liar.url());
        }
    }
    let home = TempDir::new().unwrap();
    configure(home.path(), &config);
    let (said, code) = status(home.path());
    for kind in KINDS {
        for (name, class, word, _) in &liars {
            // A number is no list of queues: whoever asks for a list says so, and whoever walks over keys too.
            let row = row(&said, "sources", "name", &format!("{name}-{kind}"));
            assert_eq!((&row["error"]["class"], &row["state"]), (&json!(class), &json!("failing")), "{row:#}");
            assert_eq!(row["last_success"], Value::Null, "{row:#}");
            let message = row["error"]["message"].as_str().unwrap();
            assert!(message.contains(word), "{message}");
        }
    }
    assert_eq!(said["queues"], json!([]), "a figure of a liar is shown");
    assert_eq!(code, Some(2));
    let text = run(home.path(), &["status"]);
    let all = format!("{said}{}{}", String::from_utf8_lossy(&text.stdout), String::from_utf8_lossy(&text.stderr));
    assert!(!all.contains("hunter2"), "a password is shown:\n{all}");
}

#[test]
fn an_answer_that_is_well_formed_and_senseless_is_no_figure_either() {
    // A set of queues, and then for each of them whatever comes to mind.
    let liar = Liar::start(|words| match words[0].as_slice() {
        b"SMEMBERS" => say("*3\r\n$8\r\nrq:queue\r\n$11\r\nrq:queue:a\u{1b}\r\n$1\r\nb\r\n"),
        b"SCAN" => say("*2\r\n$1\r\n0\r\n*1\r\n$11\r\nbull:a:meta\r\n"),
        b"LLEN" | b"ZCARD" | b"HLEN" => say(":-4\r\n"),
        b"LINDEX" => say("$9\r\n{\"x\":\u{1b}[2\r\n"),
        _ => say("*0\r\n"),
    });
    let mut config = String::new();
    for kind in KINDS {
        config += &source(kind, "odd", &liar.url());
    }
    let home = TempDir::new().unwrap();
    configure(home.path(), &config);
    let live = run(home.path(), &["check", "--live"]);
    let live = String::from_utf8_lossy(&live.stdout);
    assert!(live.contains("queues") && !live.contains("SLOs"), "{live}");
    let (said, _) = status(home.path());
    for queue in said["queues"].as_array().unwrap() {
        assert!(!queue["depth"].is_number() || queue["depth"] == 0, "{queue:#}");
        assert_eq!(queue["oldest_age_s"], Value::Null, "{queue:#}");
    }
}
