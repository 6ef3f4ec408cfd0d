//! A small Alertmanager on loopback that keeps the silences which are made there and remembers what was sent. Made after 0.25: a silence
//! posted with the id of one that holds and began in the same second moves its end, any other post makes a new one (and ends the one it
//! names); a silence without matchers is refused.
//!
//! A test may hold a post before or after it takes effect, to look at, or to end, the program meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    DEADLINE,
    fake::{Fake, Say, path},
};

/// When a post is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It has come, and nothing was done.
    Before,
    /// It was done, and no answer was given.
    After,
}

/// What is kept.
#[derive(Default)]
pub struct Book {
    alerts: Vec<BTreeMap<String, String>>,
    /// Every silence there ever was, in the order of their making.
    pub silences: Vec<Silence>,
    /// Posts to silences and deletes of them, as they came: `POST` and the body, `DELETE` and the id.
    pub writes: Vec<(&'static str, String)>,
    /// Where the next posts are held.
    hold: Option<Held>,
    /// How many posts were held so far, and how many of them may go on.
    held: (usize, usize),
    /// The status line of every write from now on.
    refuse: Option<&'static str>,
}

/// A silence.
#[derive(Clone, Debug)]
pub struct Silence {
    pub id: String,
    pub comment: String,
    pub by: String,
    pub starts: DateTime<Utc>,
    pub ends: DateTime<Utc>,
    matchers: Vec<(String, String)>,
    /// Somebody ended it before its time.
    pub ended: bool,
}

impl Silence {
    fn over(&self) -> bool {
        self.ended || self.ends <= Utc::now()
    }
    pub fn holds(&self, label: &str, value: &str) -> bool {
        !self.over() && self.matchers.iter().any(|(l, v)| l == label && v == value)
    }
    fn state(&self) -> &'static str {
        if self.over() {
            "expired"
        } else if self.starts > Utc::now() {
            "pending"
        } else {
            "active"
        }
    }
    /// What stands in its comment between `[bw:` and `]`.
    pub fn mark(&self) -> &str {
        self.comment.rsplit_once("[bw:").and_then(|(_, mark)| mark.strip_suffix(']')).unwrap_or_default()
    }
    fn json(&self) -> Value {
        let matcher = |(name, value): &(String, String)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
        json!({
            "id": self.id, "status": {"state": self.state()}, "comment": self.comment, "createdBy": self.by,
            "startsAt": stamp(self.starts), "endsAt": stamp(self.ends), "updatedAt": stamp(self.starts),
            "matchers": self.matchers.iter().map(matcher).collect::<Vec<_>>(),
        })
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Book>, Condvar)>);

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.0.lock().unwrap()
    }
    /// Waits, for as long as tests wait, until `ready` holds; false if it never did.
    fn wait(&self, ready: impl Fn(&Book) -> bool) -> bool {
        let (book, timeout) = self.0.1.wait_timeout_while(self.book(), DEADLINE, |book| !ready(book)).unwrap();
        drop(book);
        !timeout.timed_out()
    }
    /// Stays here, if it is to be held, until it may go on.
    fn pass(&self, hold: bool) {
        if !hold {
            return;
        }
        let mut book = self.book();
        book.held.0 += 1;
        let number = book.held.0;
        drop(book);
        self.0.1.notify_all();
        assert!(self.wait(|book| book.held.1 >= number), "a held post was never let go");
    }
    fn say(&self, request: &str) -> Say {
        let method = request.split(' ').next().unwrap_or_default();
        match (method, path(request).trim_start_matches("/api/v2/")) {
            ("GET", "alerts") => Say::json(self.book().alerts().to_string()),
            ("GET", "silences") => Say::json(json!(self.book().silences.iter().map(Silence::json).collect::<Vec<_>>()).to_string()),
            ("POST", "silences") => {
                // Where it is held is settled as it comes.
                let hold = self.book().hold;
                self.pass(hold == Some(Held::Before));
                let said = self.book().post(request.split_once("\r\n\r\n").unwrap().1);
                self.0.1.notify_all();
                self.pass(hold == Some(Held::After));
                said
            }
            ("GET", one) => self.book().silence(one).map_or_else(unknown, |s| Say::json(s.json().to_string())),
            ("DELETE", one) => {
                let said = self.book().delete(one);
                self.0.1.notify_all();
                said
            }
            _ => unknown(),
        }
    }
}

fn unknown() -> Say {
    Say::Answer("404 Not Found", String::new(), Vec::new())
}

impl Book {
    fn alerts(&self) -> Value {
        let silenced = |labels: &BTreeMap<String, String>| {
            let holds = |s: &&Silence| s.state() == "active" && s.matchers.iter().all(|(l, v)| labels.get(l) == Some(v));
            self.silences.iter().filter(holds).map(|s| s.id.clone()).collect::<Vec<_>>()
        };
        let alert = |(n, labels): (usize, &BTreeMap<String, String>)| {
            json!({
                "labels": labels, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
                "fingerprint": format!("f{n:03}"), "status": {"state": "active", "silencedBy": silenced(labels), "inhibitedBy": []},
            })
        };
        json!(self.alerts.iter().enumerate().map(alert).collect::<Vec<_>>())
    }
    fn silence(&self, path: &str) -> Option<&Silence> {
        self.silences.iter().find(|s| Some(s.id.as_str()) == path.strip_prefix("silence/"))
    }
    fn post(&mut self, body: &str) -> Say {
        self.writes.push(("POST", body.to_owned()));
        if let Some(status) = self.refuse {
            return Say::Answer(status, String::new(), Vec::new());
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |key: &str| body[key].as_str().and_then(|t| t.parse::<DateTime<Utc>>().ok()).unwrap();
        let matchers: Vec<_> = body["matchers"].as_array().unwrap().iter().map(|m| (text(&m["name"]), text(&m["value"]))).collect();
        if matchers.is_empty() || time("endsAt") <= Utc::now() {
            return Say::Answer("400 Bad Request", String::new(), b"\"invalid silence\"".to_vec());
        }
        let made = Silence {
            id: format!("silence-{}", self.silences.len() + 1),
            comment: text(&body["comment"]),
            by: text(&body["createdBy"]),
            starts: time("startsAt"),
            ends: time("endsAt"),
            matchers,
            ended: false,
        };
        let named = self.silences.iter_mut().find(|s| body["id"].as_str() == Some(&s.id) && !s.over());
        let id = match named {
            Some(old) if old.starts.timestamp() == made.starts.timestamp() && old.matchers == made.matchers => {
                (old.ends, old.comment) = (made.ends, made.comment);
                old.id.clone()
            }
            other => {
                if let Some(old) = other {
                    old.ended = true;
                }
                self.silences.push(made.clone());
                made.id
            }
        };
        Say::json(json!({"silenceID": id}).to_string())
    }
    fn delete(&mut self, path: &str) -> Say {
        let id = path.trim_start_matches("silence/").to_owned();
        self.writes.push(("DELETE", id.clone()));
        if let Some(status) = self.refuse {
            return Say::Answer(status, String::new(), Vec::new());
        }
        let Some(silence) = self.silences.iter_mut().find(|s| s.id == id) else { return unknown() };
        if silence.over() {
            return Say::Answer("500 Internal Server Error", String::new(), format!("\"silence {id} already expired\"").into_bytes());
        }
        silence.ended = true;
        Say::ok("application/json", "")
    }
    /// The silences on the alert with this value of its label `service`, whether they still hold or not.
    pub fn on(&self, service: &str) -> Vec<&Silence> {
        self.silences.iter().filter(|s| s.matchers.iter().any(|(l, v)| l == "service" && v == service)).collect()
    }
    /// The silences that are not over.
    pub fn standing(&self) -> Vec<&Silence> {
        self.silences.iter().filter(|s| !s.over()).collect()
    }
}

/// The server; gone with this value.
pub struct Alertmanager {
    fake: Fake,
    shared: Shared,
}

impl Alertmanager {
    /// One in which an alert fires for each of the services `s000`, `s001` and so on. Their fingerprints are `f000`, `f001` and so on.
    pub fn start(alerts: usize) -> Self {
        let shared = Shared::default();
        shared.book().alerts = (0..alerts).map(labels).collect();
        let fake = Fake::start({
            let shared = shared.clone();
            move |request| shared.say(request)
        });
        Self { fake, shared }
    }
    pub fn url(&self) -> String {
        self.fake.url()
    }
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }
    /// Every post from now on is held there; `None` lets later ones pass.
    pub fn hold(&self, place: Option<Held>) {
        self.book().hold = place;
    }
    /// Waits until so many posts in all were held.
    pub fn wait_until_held(&self, posts: usize) {
        assert!(self.shared.wait(|book| book.held.0 >= posts), "no post came");
    }
    /// All that are held go on.
    pub fn let_go(&self) {
        let mut book = self.book();
        book.held.1 = book.held.0;
        drop(book);
        self.shared.0.1.notify_all();
    }
    /// Every write from now on is answered so, and not done; `None` takes them again.
    pub fn refuse(&self, status: Option<&'static str>) {
        self.book().refuse = status;
    }
    /// Nothing fires there any more.
    pub fn clear(&self) {
        self.book().alerts.clear();
    }
    /// Somebody else ends a silence.
    pub fn end(&self, id: &str) {
        self.book().silences.iter_mut().find(|s| s.id == id).unwrap().ended = true;
    }
    /// Waits until the posts that came have made what is wished.
    pub fn wait_for(&self, ready: impl Fn(&Book) -> bool) {
        assert!(self.shared.wait(ready), "what was waited for was never made");
    }
}

fn labels(number: usize) -> BTreeMap<String, String> {
    let pairs = [("alertname", "HighErrors".to_owned()), ("service", format!("s{number:03}")), ("severity", "critical".to_owned())];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
