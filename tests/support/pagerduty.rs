//! A small PagerDuty on loopback that remembers what is done to it and refuses what the real one is known to refuse. Made from
//! descriptions of the interface: *not seen live*.
//!
//! It refuses a missing or wrong token (401), an `Accept` without its version (406), a `Content-Type` that is not JSON (415), a write
//! without `From` or with one that is no user's (400), pages of more than 100 or beyond 10,000 (400), any change of a resolved incident
//! (400), a snooze longer than a week (400), and, where a test says so, the n-th request for haste (429).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// The API key that it takes.
pub const KEY: &str = "u+acme-key-0123456789";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Asked {
    /// `PUT /incidents/Q1`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
    pub fn from(&self) -> Option<&str> {
        self.headers.get("from").map(String::as_str)
    }
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    fn number(&self, name: &str, default: usize) -> usize {
        self.all(name).next().and_then(|n| n.parse().ok()).unwrap_or(default)
    }
}

/// What it knows and what it was told to do.
#[derive(Default)]
pub struct Account {
    pub incidents: Vec<Value>,
    pub users: Vec<Value>,
    pub oncalls: Vec<Value>,
    pub notes: BTreeMap<String, Vec<Value>>,
    pub log: BTreeMap<String, Vec<Value>>,
    /// Everything that was asked, refused or not.
    pub asked: Vec<Asked>,
    /// The most requests that were under way at once.
    pub most_at_once: usize,
    at_once: usize,
    /// Requests, counted from 1, that are refused with 429, and the header lines of the refusal.
    pub too_often: BTreeMap<usize, &'static str>,
    /// Header lines of good answers.
    pub allowance: &'static str,
    /// Writes still to be carried out without an answer.
    pub lose_answers: usize,
    /// Writes still to be dropped before they are carried out.
    pub lose_requests: usize,
    /// Whose token it is, by mail address; a key of the account if nobody's.
    pub token_of: Option<&'static str>,
    /// Happens before each request that is not refused at the door.
    pub before: Option<Happening>,
    made: usize,
}

/// Something that happens between two requests.
pub type Happening = Box<dyn FnMut(&mut Account, &Asked) + Send>;

/// The stand-in; it ends with this value.
pub struct PagerDuty {
    pub port: u16,
    account: Arc<Mutex<Account>>,
    closing: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// A payload of `tests/fixtures/described/pagerduty`.
pub fn described(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/described/pagerduty/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

impl PagerDuty {
    /// An account with its users, who is on call, and no incident.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let list = |name: &str| described(name).as_array().unwrap().clone();
        let account = Account { users: list("users"), oncalls: list("oncalls"), ..Account::default() };
        let (account, closing) = (Arc::new(Mutex::new(account)), Arc::new(AtomicBool::new(false)));
        let (theirs, closed) = (account.clone(), closing.clone());
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let account = theirs.clone();
                {
                    let mut account = account.lock().unwrap();
                    account.at_once += 1;
                    account.most_at_once = account.most_at_once.max(account.at_once);
                }
                std::thread::spawn(move || serve(&stream, &account));
            }
        });
        Self { port, account, closing, listener: Some(listener) }
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// What it knows, to look at and to change.
    pub fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }
    /// Requests so far as `METHOD /path`, those that change something only.
    pub fn writes(&self) -> Vec<Asked> {
        self.account().asked.iter().filter(|a| a.is_write()).cloned().collect()
    }
    /// The status of an incident.
    pub fn status(&self, id: &str) -> String {
        let account = self.account();
        account.incidents.iter().find(|i| i["id"] == id).unwrap()["status"].as_str().unwrap().to_owned()
    }
}

impl Drop for PagerDuty {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Account {
    /// One more open incident, like the described one; its id.
    pub fn open(&mut self, title: &str) -> String {
        self.made += 1;
        let (number, now) = (self.made, stamp(TimeDelta::zero()));
        let id = format!("Q{number:07}");
        let mut incident = described("incident");
        for (field, value) in [
            ("id", json!(id)),
            ("incident_number", json!(number)),
            ("title", json!(title)),
            ("created_at", json!(now)),
            ("last_status_change_at", json!(now)),
            ("html_url", json!(format!("https://acme.example/incidents/{id}"))),
            ("incident_key", json!(format!("key-{number}"))),
        ] {
            incident[field] = value;
        }
        self.incidents.push(incident);
        self.happened(&id, "trigger", "checkout", title);
        id
    }
    pub fn incident(&mut self, id: &str) -> &mut Value {
        self.incidents.iter_mut().find(|i| i["id"] == id).unwrap()
    }
    /// Resolve it as another person or tool would.
    pub fn resolve(&mut self, id: &str) {
        let tom = reference(&self.users[1]);
        let incident = self.incident(id);
        incident["status"] = json!("resolved");
        incident["last_status_change_by"] = tom;
        incident["pending_actions"] = json!([]);
        self.happened(id, "resolve", "Tom Okafor", "Resolved by Tom Okafor.");
    }
    /// Acknowledge it as the user with this address would.
    pub fn acknowledge(&mut self, id: &str, email: &str) {
        let user = self.user(email).unwrap();
        let (at, until) = (stamp(TimeDelta::zero()), stamp(TimeDelta::minutes(30)));
        let incident = self.incident(id);
        incident["status"] = json!("acknowledged");
        incident["last_status_change_at"] = json!(at);
        incident["last_status_change_by"] = reference(&user);
        incident["acknowledgements"] = json!([{"at": at, "acknowledger": user}]);
        incident["pending_actions"] = json!([{"type": "unacknowledge", "at": until}]);
        self.happened(id, "acknowledge", user["name"].as_str().unwrap(), "Acknowledged.");
    }
    fn user(&self, email: &str) -> Option<Value> {
        self.users.iter().find(|u| u["email"].as_str().is_some_and(|e| e.eq_ignore_ascii_case(email))).cloned()
    }
    fn happened(&mut self, id: &str, what: &str, who: &str, text: &str) {
        self.made += usize::from(what != "trigger");
        let entries = self.log.entry(id.to_owned()).or_default();
        entries.insert(
            0,
            json!({
                "id": format!("L{id}{}", entries.len()), "type": format!("{what}_log_entry"), "created_at": stamp(TimeDelta::zero()),
                "summary": text, "agent": {"id": "A1", "type": "user_reference", "summary": who}, "channel": {"type": "api"},
            }),
        );
    }
}

fn stamp(from_now: TimeDelta) -> String {
    (Utc::now() + from_now).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn reference(user: &Value) -> Value {
    json!({"id": user["id"], "type": "user_reference", "summary": user["name"]})
}

/// A status and a body; or nothing, and the connection ends.
type Said = Option<(u16, Value)>;

fn serve(stream: &TcpStream, account: &Mutex<Account>) {
    let asked = read(stream);
    let (said, head) = {
        let mut account = account.lock().unwrap();
        // Counted from the connection to the answer, so that a burst is seen however fast it is answered.
        account.at_once -= 1;
        let Some(asked) = asked else { return };
        account.asked.push(asked.clone());
        let count = account.asked.len();
        match account.too_often.get(&count) {
            Some(head) => (Some(refused(429, "Too Many Requests", &[])), *head),
            None => (answer(&mut account, &asked), account.allowance),
        }
    };
    let Some((status, body)) = said else {
        let _ = stream.shutdown(Shutdown::Both);
        return;
    };
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\n{head}content-length: {length}\r\n\r\n");
    let _ = { stream }.write_all(format!("{head}{body}").as_bytes());
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let url = url::Url::parse(&format!("http://x{target}")).ok()?;
    let query = url.query_pairs().into_owned().collect();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Asked { method, path: url.path().to_owned(), query, headers, body })
}

fn refused(status: u16, message: &str, errors: &[&str]) -> (u16, Value) {
    (status, json!({"error": {"message": message, "code": 2001, "errors": errors}}))
}

/// What is asked for cannot be; always an answer.
#[allow(clippy::unnecessary_wraps, reason = "it stands where an answer may be missing")]
fn invalid(error: &str) -> Said {
    Some(refused(400, "Invalid Input Provided", &[error]))
}

fn at_the_door(account: &Account, asked: &Asked) -> Said {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    if header("authorization") != format!("Token token={KEY}") {
        return Some((401, json!({"error": {"message": "Invalid token", "code": 2006}})));
    }
    if !header("accept").contains("application/vnd.pagerduty+json;version=2") {
        return Some(refused(406, "Not Acceptable", &["Accept header must ask for version 2"]));
    }
    if header("content-type") != "application/json" {
        return Some(refused(415, "Unsupported Media Type", &["Content-Type must be application/json"]));
    }
    if asked.is_write() {
        match asked.from() {
            None => return invalid("From header is required"),
            Some(email) if account.user(email).is_none() => {
                return Some(refused(400, "Requester User Not Found", &["From header is no user of this account"]));
            }
            Some(_) => {}
        }
    }
    let (limit, offset) = (asked.number("limit", 25), asked.number("offset", 0));
    if limit > 100 || limit == 0 {
        return invalid("Limit must be between 1 and 100");
    }
    if limit + offset > 10_000 {
        return invalid("Offset plus limit must not exceed 10000");
    }
    None
}

fn answer(account: &mut Account, asked: &Asked) -> Said {
    if let Some(refusal) = at_the_door(account, asked) {
        return Some(refusal);
    }
    if let Some(mut before) = account.before.take() {
        before(account, asked);
        account.before.get_or_insert(before);
    }
    if asked.is_write() && account.lose_requests > 0 {
        account.lose_requests -= 1;
        return None;
    }
    let segments: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    let said = match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["incidents"]) => Some((200, incidents(account, asked))),
        ("GET", ["oncalls"]) => Some((200, paged(asked, "oncalls", &account.oncalls))),
        ("GET", ["abilities"]) => Some((200, json!({"abilities": ["teams", "urgencies"]}))),
        ("GET", ["users", "me"]) => match account.token_of.and_then(|email| account.user(email)) {
            Some(user) => Some((200, json!({"user": user}))),
            None => invalid("a key of the account has no user"),
        },
        ("GET", ["users"]) => {
            let wanted = asked.all("query").next().unwrap_or_default().to_lowercase();
            let found: Vec<_> = account.users.iter().filter(|u| u.to_string().to_lowercase().contains(&wanted)).cloned().collect();
            Some((200, paged(asked, "users", &found)))
        }
        (_, ["incidents", id, rest @ ..]) => match account.incidents.iter().position(|i| i["id"] == *id) {
            None => Some(refused(404, "Not Found", &[])),
            Some(place) => one(account, asked, place, rest),
        },
        _ => Some(refused(404, "Not Found", &[])),
    };
    if asked.is_write() && account.lose_answers > 0 {
        account.lose_answers -= 1;
        return None;
    }
    said
}

fn incidents(account: &Account, asked: &Asked) -> Value {
    let statuses: BTreeSet<&str> = asked.all("statuses[]").collect();
    let services: BTreeSet<&str> = asked.all("service_ids[]").collect();
    let wanted = |i: &&Value| {
        (statuses.is_empty() || statuses.contains(i["status"].as_str().unwrap()))
            && (services.is_empty() || services.contains(i["service"]["id"].as_str().unwrap()))
    };
    let mut found: Vec<Value> = account.incidents.iter().filter(wanted).map(|i| shown(i, asked)).collect();
    // The newest come first unless it is told otherwise.
    found.sort_by_key(|i| std::cmp::Reverse(i["incident_number"].as_u64()));
    if asked.all("sort_by").next() == Some("incident_number:asc") {
        found.reverse();
    }
    paged(asked, "incidents", &found)
}

/// An incident with only what was asked to be included.
fn shown(incident: &Value, asked: &Asked) -> Value {
    let mut incident = incident.clone();
    if !asked.all("include[]").any(|i| i == "acknowledgers") {
        for ack in incident["acknowledgements"].as_array_mut().unwrap() {
            ack["acknowledger"] = reference(&ack["acknowledger"]);
        }
    }
    if !asked.all("include[]").any(|i| i == "first_trigger_log_entries") {
        incident["first_trigger_log_entry"] = json!({"id": "L1", "type": "trigger_log_entry_reference"});
    }
    incident
}

fn paged(asked: &Asked, name: &str, all: &[Value]) -> Value {
    let (limit, offset) = (asked.number("limit", 25), asked.number("offset", 0));
    let page: Vec<_> = all.iter().skip(offset).take(limit).cloned().collect();
    let mut body = json!({"limit": limit, "offset": offset, "more": offset + page.len() < all.len(), "total": null});
    body[name] = Value::Array(page);
    body
}

fn one(account: &mut Account, asked: &Asked, place: usize, rest: &[&str]) -> Said {
    let id = account.incidents[place]["id"].as_str().unwrap().to_owned();
    let resolved = account.incidents[place]["status"] == "resolved";
    let who = asked.from().and_then(|email| account.user(email)).unwrap_or_default();
    let name = who["name"].as_str().unwrap_or_default().to_owned();
    match (asked.method.as_str(), rest) {
        ("GET", []) => Some((200, json!({"incident": shown(&account.incidents[place], asked)}))),
        ("GET", ["notes"]) => Some((200, json!({"notes": account.notes.get(&id).cloned().unwrap_or_default()}))),
        ("GET", ["log_entries"]) => Some((200, paged(asked, "log_entries", &account.log.get(&id).cloned().unwrap_or_default()))),
        ("POST", ["notes"]) => {
            let Some(content) = asked.body["note"]["content"].as_str() else { return invalid("Note content is required") };
            let notes = account.notes.entry(id.clone()).or_default();
            let note = json!({"id": format!("N{id}{}", notes.len()), "content": content, "user": reference(&who)});
            notes.push(note.clone());
            account.happened(&id, "annotate", &name, content);
            Some((200, json!({"note": note})))
        }
        ("PUT" | "POST", _) if resolved => invalid("Incident Already Resolved"),
        ("POST", ["snooze"]) => {
            let Some(secs @ 1..=604_800) = asked.body["duration"].as_i64() else { return invalid("Duration is out of range") };
            account.acknowledge(&id, asked.from().unwrap_or_default());
            let until = stamp(TimeDelta::seconds(secs));
            account.incidents[place]["pending_actions"] = json!([{"type": "unacknowledge", "at": until}]);
            Some((201, json!({"incident": shown(&account.incidents[place], asked)})))
        }
        ("PUT", []) => changed(account, asked, place, &id, &name),
        _ => Some(refused(404, "Not Found", &[])),
    }
}

fn changed(account: &mut Account, asked: &Asked, place: usize, id: &str, name: &str) -> Said {
    let change = asked.body["incident"].clone();
    if !matches!(change["type"].as_str(), Some("incident" | "incident_reference")) {
        return invalid("Incident type is required");
    }
    match change["status"].as_str() {
        Some("acknowledged") => account.acknowledge(id, asked.from().unwrap_or_default()),
        Some("resolved") => {
            account.incidents[place]["status"] = json!("resolved");
            account.happened(id, "resolve", name, change["resolution"].as_str().unwrap_or_default());
        }
        Some(_) => return invalid("Status is not one of these"),
        None => {}
    }
    if let Some(level) = change["escalation_level"].as_u64() {
        let Some(entry) = account.oncalls.iter().find(|o| o["escalation_level"] == level) else { return invalid("No such level") };
        let assignee = reference(&entry["user"]);
        account.incidents[place]["assignments"] = json!([{"at": stamp(TimeDelta::zero()), "assignee": assignee}]);
        account.happened(id, "escalate", name, "Escalated.");
    }
    if let Some(assignments) = change["assignments"].as_array() {
        let known = |a: &Value| account.users.iter().any(|u| u["id"] == a["assignee"]["id"]);
        if !assignments.iter().all(known) {
            return invalid("Assignee is no user");
        }
        account.incidents[place]["assignments"] = change["assignments"].clone();
        account.happened(id, "assign", name, "Reassigned.");
    }
    Some((200, json!({"incident": shown(&account.incidents[place], asked)})))
}
