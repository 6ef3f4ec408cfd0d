//! Backends that hang, lie and lead astray: each is a named state on its own row, no other source is touched, the keys go on working,
//! memory stays bounded, and no credential reaches another host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod support;

use std::{fmt::Write as _, fs, io::Write as _, net::Ipv4Addr, sync::Arc, time::SystemTime};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use support::{
    configure,
    fake::{Fake, Say, path},
    pty::Pty,
    row, run, status,
};
use tempfile::TempDir;

const KINDS: [&str; 3] = ["prometheus", "alertmanager", "scrape"];
const MIB: usize = 1 << 20;
const HUGE: usize = 200;
const TOKEN: &str = "hunter2-bearer";
const API_KEY: &str = "hunter2-api-key";

/// A whole good answer to whatever is asked.
fn good(request: &str) -> Say {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    if request.contains("/api/v2/") {
        return Say::json("[]");
    }
    if request.contains("/api/v1/") {
        let (part, total) = if request.contains("timestamp") { (at.to_string(), at.to_string()) } else { ("980".into(), "1000".into()) };
        return prometheus(&part, &total);
    }
    let line = |code, value| format!("http_requests_total{{service=\"good\",code=\"{code}\"}} {value}\n");
    Say::page(line(200, 980) + &line(500, 20))
}

/// An answer of a Prometheus with these values on both sides of one service.
fn prometheus(part: &str, total: &str) -> Say {
    let side = |side, value| json!({"metric": {"service": "good", "burnwatch_side": side}, "value": [1.0, value]});
    let sides = [side("part", part), side("total", total)];
    Say::json(json!({"status": "success", "data": {"resultType": "vector", "result": sides}}).to_string())
}

/// `size` bytes of spaces, packed.
fn bomb(size: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![b' '; MIB];
    for _ in 0..size / MIB {
        packer.write_all(&piece).unwrap();
    }
    packer.finish().unwrap()
}

/// What the server says at a path that begins with the name of a lie.
struct Lies {
    bomb: Vec<u8>,
    piece: Arc<Vec<u8>>,
    elsewhere: String,
}

impl Lies {
    fn new(elsewhere: String) -> Self {
        Self { bomb: bomb(HUGE * MIB), piece: Arc::new(vec![b' '; MIB]), elsewhere }
    }

    fn say(&self, request: &str) -> Say {
        let place = path(request).trim_start_matches('/');
        let head = |lines: &str| lines.to_owned();
        match place.split(['-', '/']).next().unwrap() {
            "hang" => Say::Nothing,
            "huge" => Say::Endless(String::new(), Arc::clone(&self.piece), HUGE),
            "told" => Say::Endless(format!("content-length: {}\r\n", HUGE * MIB), Arc::clone(&self.piece), HUGE),
            "bomb" => Say::Answer("200 OK", head("content-encoding: gzip\r\n"), self.bomb.clone()),
            "html" => Say::Answer("200 OK", head("content-type: text/html\r\n"), b"<!DOCTYPE html><title>Log in</title>".into()),
            "nan" => nan(request),
            "cut" => cut(request),
            "broken" => Say::Cut(b"[".into()),
            "unauthorized" => Say::Answer("401 Unauthorized", String::new(), format!("who is {TOKEN}? {API_KEY}?").into_bytes()),
            "limited" => Say::Answer("429 Too Many Requests", head("retry-after: 3600\r\n"), Vec::new()),
            "redirect" => Say::Answer("302 Found", format!("location: {}/login?next=1\r\n", self.elsewhere), Vec::new()),
            "forward" => Say::Answer("308 Permanent Redirect", format!("location: {}{}\r\n", self.elsewhere, path(request)), Vec::new()),
            _ => good(request),
        }
    }
}

/// A good answer whose figures are no numbers.
fn nan(request: &str) -> Say {
    if request.contains("timestamp") || request.contains("/api/v2/") {
        return good(request);
    }
    if request.contains("/api/v1/") {
        return prometheus("NaN", "NaN");
    }
    Say::page("http_requests_total{service=\"good\",code=\"200\"} NaN\n")
}

/// The first half of a good answer, as though that were all.
fn cut(request: &str) -> Say {
    match good(request) {
        Say::Answer(_, head, body) if body.len() > 2 => Say::Answer("200 OK", head, body[..body.len() / 2].into()),
        _ => Say::json("[{\"labels\":{\"alertname\":\"Sl"),
    }
}

/// One source and, where it counts events, one SLO on it. The path tells the server what to say.
fn source(out: &mut String, server: &Fake, kind: &str, lie: &str, more: &str) {
    let page = if kind == "scrape" { "/metrics" } else { "" };
    let (name, url) = (format!("{lie}-{kind}"), server.url());
    write!(
        out,
        "[[source]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}/{lie}-{kind}{page}\"\n{more}\n\
         token = \"{TOKEN}\"\nheaders = {{ X-API-Key = {{ value = \"{API_KEY}\" }} }}\n\n"
    )
    .unwrap();
    if kind != "alertmanager" {
        write!(
            out,
            "[[slo]]\nname = \"{lie}-{kind}\"\nby = [\"service\"]\nsource = \"{name}\"\nobjective = \"99%\"\n\
             good = 'http_requests_total{{code!~\"5..\"}}'\ntotal = 'http_requests_total'\n\n"
        )
        .unwrap();
    }
}

fn class<'a>(said: &'a Value, lie: &str, kind: &str) -> &'a Value {
    &row(said, "sources", "name", &format!("{lie}-{kind}"))["error"]["class"]
}

#[test]
fn each_lie_is_a_class_on_the_row_of_its_source_and_nothing_reaches_another_host() {
    let elsewhere = Fake::at(Ipv4Addr::new(127, 0, 0, 2), good);
    let lies = Lies::new(elsewhere.url());
    let server = Fake::start(move |request| lies.say(request));
    let expected = [
        ("hang", "timeout"),
        ("huge", "too_large"),
        ("told", "too_large"),
        ("bomb", "too_large"),
        ("html", "malformed"),
        ("cut", "malformed"),
        ("broken", "malformed"),
        ("unauthorized", "unauthorized"),
        ("limited", "rate_limited"),
        ("redirect", "redirected"),
        ("forward", "redirected"),
    ];
    let mut config = String::new();
    for kind in KINDS {
        for (lie, _) in expected {
            let patience = if lie == "hang" { "1s" } else { "30s" };
            let more = format!("timeout = \"{patience}\"\ntimeout_long = \"{patience}\"\nmax_bytes = \"1MiB\"");
            source(&mut config, &server, kind, lie, &more);
        }
        source(&mut config, &server, kind, "nan", "");
        source(&mut config, &server, kind, "honest", "");
    }
    let home = TempDir::new().unwrap();
    configure(home.path(), &config);
    let (said, code) = status(home.path());
    for kind in KINDS {
        for (lie, class_expected) in expected {
            let row = row(&said, "sources", "name", &format!("{lie}-{kind}"));
            assert_eq!(row["error"]["class"], class_expected, "{row:#}");
            assert_eq!((&row["state"], &row["last_success"]), (&json!("failing"), &Value::Null), "{row:#}");
        }
        assert_eq!(class(&said, "honest", kind), &Value::Null);
        assert_eq!(row(&said, "sources", "name", &format!("honest-{kind}"))["state"], "fresh");
    }
    for kind in ["prometheus", "scrape"] {
        let row = row(&said, "sources", "name", &format!("nan-{kind}"));
        assert_eq!((&row["state"], &row["partial"]), (&json!("fresh"), &json!(true)), "{row:#}");
        assert!(row["partial_why"].as_str().unwrap().contains("number"), "{row:#}");
    }
    for lie in ["redirect", "forward"] {
        let message = row(&said, "sources", "name", &format!("{lie}-prometheus"))["error"]["message"].as_str().unwrap();
        assert!(message.contains(&elsewhere.address.to_string()), "the target is named: {message}");
    }
    // Only the honest ones have figures, and no figure of another is shown as nothing or all.
    for slo in said["slos"].as_array().unwrap() {
        let name = slo["name"].as_str().unwrap();
        if !name.starts_with("honest") {
            assert_ne!(slo["state"], "ok", "{slo:#}");
            assert_eq!((&slo["budget_left"], &slo["burn"]["5m"]), (&Value::Null, &Value::Null), "{slo:#}");
        }
    }
    assert_eq!(row(&said, "slos", "name", "nan-prometheus")["state"], "unknown");
    assert_eq!((&said["verdict"], code), (&json!("warning"), Some(1)), "the honest one has overspent");

    assert_eq!(elsewhere.asked(), Vec::<String>::new(), "another host was asked");
    let asked = server.asked();
    assert!(asked.iter().all(|r| r.contains(TOKEN) && r.contains(API_KEY)), "the right host was to get them");
    let text = run(home.path(), &["status"]);
    let all = format!("{said}{}{}", String::from_utf8_lossy(&text.stdout), String::from_utf8_lossy(&text.stderr));
    assert!(!all.contains("hunter2"), "a secret is shown:\n{all}");
    assert_eq!(elsewhere.asked(), Vec::<String>::new(), "another host was asked");
}

/// The most memory that a process has ever held, in MiB.
fn peak_mib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("no VmHWM in {text}")) / 1_024
}

#[test]
fn keys_answer_and_memory_is_bounded_while_every_source_misbehaves() {
    let elsewhere = Fake::at(Ipv4Addr::new(127, 0, 0, 2), good);
    let lies = Lies::new(elsewhere.url());
    let server = Fake::start(move |request| lies.say(request));
    let mut config = String::new();
    let lies = ["huge", "bomb", "hang", "limited", "redirect"];
    for kind in KINDS {
        for lie in lies {
            source(&mut config, &server, kind, lie, "every = \"1s\"\ntimeout = \"10s\"\ntimeout_long = \"10s\"");
        }
        source(&mut config, &server, kind, "honest", "every = \"1s\"");
    }
    let home = TempDir::new().unwrap();
    configure(home.path(), &config);
    let mut cockpit = Pty::burnwatch(home.path(), &[], 160, 50);
    let times = |lie: &str| -> usize { server.paths().iter().filter(|(path, _)| path[1..].starts_with(lie)).map(|(_, n)| n).sum() };
    cockpit.wait_for_text("honest");
    cockpit.send("0");
    let mut keys = 0;
    let served = support::poll(|| {
        cockpit.send("?");
        cockpit.wait_for_text("everywhere");
        cockpit.send("\u{1b}");
        cockpit.wait_for("the sources again", |screen| !screen.contents().contains("everywhere") && screen.contents().contains("p99"));
        keys += 1;
        let enough = |lie| KINDS.iter().all(|kind| times(&format!("{lie}-{kind}")) >= 2);
        (["huge", "bomb", "honest"].into_iter().all(enough)).then_some(())
    });
    assert!(served.is_some(), "not asked often enough: {:?}\n{}", server.paths(), cockpit.text());
    assert!(keys > 0);
    for words in ["answer too large", "no answer in time", "asked too often", "redirects elsewhere"] {
        cockpit.wait_for_text(words);
    }
    let peak = peak_mib(cockpit.pid().as_raw_nonzero().get());
    eprintln!("at most {peak} MiB");
    assert!(peak < 150, "{peak} MiB");
    // Asked to wait an hour, we wait; each lane of a Prometheus finds out for itself.
    for kind in ["alertmanager", "scrape"] {
        assert!(times(&format!("limited-{kind}")) <= 2, "{:?}", server.paths());
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new(), "another host was asked");
    cockpit.send("q");
    cockpit.wait_exit();
    assert!(!String::from_utf8_lossy(&cockpit.bytes()).contains("hunter2"));
}
