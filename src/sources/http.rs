//! The one HTTP client of all backends.
//!
//! Every call has a deadline for connecting, for silence in the middle of an answer and for the whole; unpacked bytes are counted while
//! they stream in and reading stops at the cap; of all sources together only two answers at a time may grow large, so that many that
//! lie at once cannot fill the memory; a redirect is reported, never followed, so that no header reaches another host. What goes wrong is a [`Failure`]: a class to act on, a message that names the source, what happened and the next step, and whether the
//! request may have reached the backend. No message holds a credential, a path's query or an answer's control characters.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, FROM, HeaderMap, LOCATION, RETRY_AFTER},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    address::{Address, host_of},
    client,
    failure::{Failure, Reached, excerpt, innermost, is_tls, looks_like_html, retry_after},
    settings::{BadSettings, Credentials, HttpSettings},
    source::Now,
};
use crate::domain::{FaultClass, SourceName};

/// The longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// How large an answer may grow, in bytes, before it needs a place among the large ones: several times what ten thousand SLOs need for
/// one window, so that no honest source waits for those that are not.
const LARGE: usize = 2 << 20;
/// The places for large answers: those of all sources share one memory.
static LARGE_PLACES: Semaphore = Semaphore::const_new(2);
/// How much of a refusal is read, in bytes.
const REFUSAL: u64 = 64 << 10;
/// How long the reading of a refusal may take: its status says the most.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// A client for one source.
pub struct Http {
    source: SourceName,
    client: Client,
    max_bytes: u64,
    /// Whether the settings say who we are in a header: a login in an address gives way.
    outright: bool,
    /// Whether the settings say who we are in any way.
    known: bool,
    /// What no message may repeat, should a backend send it back.
    secrets: Vec<String>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What is asked of a backend.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// Fetch.
    Get(&'a [(&'a str, &'a str)]),
    /// Send a form.
    Form(&'a [(&'a str, &'a str)]),
    /// Send JSON.
    Json(&'a str),
    /// Fetch, and say that we speak JSON although there is no body: what PagerDuty wants.
    Ask(&'a [(&'a str, &'a str)]),
    /// Send JSON in the name of the person with this mail address.
    InName {
        /// How it is sent.
        method: Write,
        /// The person's mail address.
        from: &'a str,
        /// The body.
        json: &'a str,
    },
    /// Remove.
    Delete,
}

/// How something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// To be added.
    Post,
    /// To replace.
    Put,
}

/// A good answer.
#[derive(Debug)]
pub struct Good {
    /// Its bytes, unpacked.
    pub body: Vec<u8>,
    /// What it says that they are; `None` if it does not.
    pub kind: Option<String>,
    /// How far the backend's clock is ahead of ours, in seconds; `None` if it did not tell.
    pub skew: Option<f64>,
    /// Seconds until more may be asked, if the backend said that this was the last for now.
    pub rest_secs: Option<u64>,
}

impl Http {
    /// A client for `source` that speaks with `addresses` and prefers answers of the type `accept`.
    pub fn new(source: &SourceName, settings: &HttpSettings, addresses: &[Address], accept: &'static str) -> Result<Self, BadSettings> {
        let outright =
            settings.credentials.is_some() || settings.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        Ok(Self {
            source: source.clone(),
            client: client::build(settings, addresses, accept)?,
            max_bytes: settings.max_bytes,
            outright,
            known: outright || settings.client_cert.is_some(),
            secrets: secrets(settings, addresses),
        })
    }

    /// The same client, which lets no message repeat the path of `address` or a part of it: for addresses that are secrets themselves.
    pub fn with_secret_path(mut self, address: &Address) -> Self {
        let parts = address.url().path_segments().into_iter().flatten().filter(|part| part.len() >= 4).map(str::to_owned);
        self.secrets.push(address.url().path().to_owned());
        self.secrets.extend(parts);
        self.secrets.retain(|secret| secret.len() >= 4);
        self
    }

    /// Make one call within `limit`.
    pub async fn call(&self, to: &Address, call: Call<'_>, limit: Duration, now: Now<'_>) -> Result<Good, Failure> {
        timeout(limit, self.exchange(to, call, now)).await.unwrap_or_else(|_| {
            let what =
                format!("no whole answer from {} within {:.1} s; look at its load, or raise the timeout", to.host(), limit.as_secs_f64());
            Err(Failure::new(&self.source, FaultClass::Timeout, Reached::Perhaps, &what))
        })
    }

    async fn exchange(&self, to: &Address, call: Call<'_>, now: Now<'_>) -> Result<Good, Failure> {
        let sent = now();
        let response = self.request(to, call).send().await.map_err(|e| self.broken(to, &e))?;
        let skew = skew(response.headers(), sent, now());
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(to, response, now()).await);
        }
        let html = response.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"text/html"));
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let rest_secs = rest(response.headers());
        let body = self.body(response, self.max_bytes).await?;
        if html || looks_like_html(&body) {
            let what = format!("{} answered with a web page, is `url` right?", to.host());
            return Err(Failure::new(&self.source, FaultClass::Malformed, Reached::Answered(status.as_u16()), &what));
        }
        Ok(Good { body, kind, skew, rest_secs })
    }

    fn request(&self, to: &Address, call: Call<'_>) -> RequestBuilder {
        let method = match call {
            Call::Get(_) | Call::Ask(_) => Method::GET,
            Call::Form(_) | Call::Json(_) | Call::InName { method: Write::Post, .. } => Method::POST,
            Call::InName { method: Write::Put, .. } => Method::PUT,
            Call::Delete => Method::DELETE,
        };
        let mut request = self.client.request(method, to.url().clone());
        if let Some(login) = to.login().filter(|_| !self.outright) {
            request = request.header(AUTHORIZATION, login.clone());
        }
        match call {
            Call::Get([]) | Call::Delete => request,
            Call::Get(query) => request.query(query),
            Call::Ask(query) => request.header(CONTENT_TYPE, "application/json").query(query),
            Call::InName { from, json, .. } => request.header(CONTENT_TYPE, "application/json").header(FROM, from).body(json.to_owned()),
            Call::Form(form) => request.form(form),
            Call::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.to_owned()),
        }
    }

    /// Read an answer to its end, or to the cap. One that grows large waits for a place, as long as the call may last.
    async fn body(&self, mut response: Response, cap: u64) -> Result<Vec<u8>, Failure> {
        let reached = Reached::Answered(response.status().as_u16());
        let fail = |class, what: &str| Failure::new(&self.source, class, reached, what);
        let too_large = || {
            let what = format!("the answer is larger than {}; ask for less: narrower selectors, fewer labels in `by`", size(cap));
            fail(FaultClass::TooLarge, &what)
        };
        if response.content_length().is_some_and(|n| n > cap) {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(4_096));
        let mut place: Option<SemaphorePermit<'_>> = None;
        loop {
            if body.len() > LARGE && place.is_none() {
                place = LARGE_PLACES.acquire().await.ok();
                // Room for all of it at once: growing by doubling holds the old and the new beside each other and leaves holes behind.
                // Pages that nothing is written to cost nothing.
                let rest = usize::try_from(cap).unwrap_or(usize::MAX).saturating_sub(body.len());
                if body.try_reserve_exact(rest).is_err() {
                    return Err(too_large());
                }
            }
            match timeout(SILENCE, response.chunk()).await {
                Err(_) => return Err(fail(FaultClass::Timeout, &format!("went silent for {SILENCE:?} in the middle of its answer"))),
                Ok(Err(e)) => {
                    let what = format!(
                        "the answer broke off or cannot be unpacked ({}); look at the server and at proxies before it",
                        innermost(&e)
                    );
                    return Err(fail(FaultClass::Malformed, &what));
                }
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(chunk))) if (body.len() + chunk.len()) as u64 > cap => return Err(too_large()),
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            }
        }
    }

    /// No answer at all.
    fn broken(&self, to: &Address, error: &reqwest::Error) -> Failure {
        let (host, cause) = (to.host(), innermost(error));
        let reached = if error.is_connect() || error.is_builder() { Reached::Unsent } else { Reached::Perhaps };
        let fail = |class, what: String| Failure::new(&self.source, class, reached, &what);
        if to.is_tls() && is_tls(error) {
            return fail(
                FaultClass::Tls,
                format!("no trusted connection to {host} ({cause}); check `ca_file`, `client_cert` and the server's certificate"),
            );
        }
        if error.is_connect() {
            return fail(FaultClass::Unreachable, format!("no connection to {host} ({cause}); check `url` and whether the server runs"));
        }
        fail(FaultClass::Unreachable, format!("{host} hung up without an answer ({cause}); look at the server and at proxies before it"))
    }

    /// An answer that is a refusal.
    async fn refused(&self, to: &Address, response: Response, now: DateTime<Utc>) -> Failure {
        let said = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now));
        let limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let wait = said(RETRY_AFTER.as_str()).or_else(|| said(RESET).filter(|_| limited));
        let target = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).and_then(|v| to.url().join(v).ok());
        let status = response.status();
        let body = timeout(REFUSAL_WAIT, self.body(response, REFUSAL)).await.ok().and_then(Result::ok).unwrap_or_default();
        let body = self.secrets.iter().fold(String::from_utf8_lossy(&body).into_owned(), |body, secret| body.replace(secret, "***"));
        let refusal = Refusal { status, target: target.map(|url| host_of(&url)), wait, said: excerpt(body.as_bytes()) };
        let (class, what) = refusal.words(self.known || to.login().is_some());
        let what = format!("{} {what}", to.host());
        Failure::new(&self.source, class, Reached::Answered(status.as_u16()), &what).said(refusal.said, wait)
    }
}

/// What a backend that refuses has told.
struct Refusal {
    status: StatusCode,
    /// The host that it points to.
    target: Option<String>,
    /// Seconds to wait.
    wait: Option<u64>,
    said: String,
}

impl Refusal {
    /// Its class, and in words what the backend did and the next step; `known` if we said who we are.
    fn words(&self, known: bool) -> (FaultClass, String) {
        let code = self.status.as_u16();
        match self.status {
            s if s.is_redirection() => {
                let target = self.target.as_deref().unwrap_or("nowhere");
                let what = format!("redirects to {target} (HTTP {code}), which is not followed; set `url` to the final address");
                (FaultClass::Redirected, what)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if known => {
                let what = format!("refused our credentials (HTTP {code}); check the token or password and its rights");
                (FaultClass::Unauthorized, what)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let what = format!("asks for credentials (HTTP {code}) and none are set; set token_file or password_file");
                (FaultClass::Unauthorized, what)
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let asked = self.wait.map_or_else(String::new, |secs| format!(" and asks us to wait {secs} s"));
                (FaultClass::RateLimited, format!("was asked too often (HTTP {code}){asked}; raise `every`"))
            }
            s => {
                let colon = if self.said.is_empty() { "" } else { ": " };
                (FaultClass::Rejected, format!("refused the request (HTTP {code}){colon}{}; {}", self.said, next_step(s)))
            }
        }
    }
}

fn next_step(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "check the path in `url`",
        s if s.is_server_error() => "look at the server's log",
        _ => "check the selectors and the server's version",
    }
}

/// What a backend could send back of what it was sent: tokens, passwords, header values, queries of addresses.
fn secrets(settings: &HttpSettings, addresses: &[Address]) -> Vec<String> {
    let mut all: Vec<String> = settings.headers.iter().map(|(_, value)| value.clone()).collect();
    match &settings.credentials {
        Some(Credentials::Bearer(token) | Credentials::Key(token)) => all.push(token.clone()),
        Some(Credentials::Basic { password, .. }) => all.push(password.clone()),
        None => {}
    }
    let sent = settings.credentials.iter().filter_map(|c| client::authorization(c).ok());
    let logins = sent.chain(addresses.iter().filter_map(|a| a.login().cloned()));
    all.extend(logins.filter_map(|v| Some(v.to_str().ok()?.split_once(' ')?.1.to_owned())));
    all.extend(settings.base.password().map(str::to_owned));
    all.extend(addresses.iter().flat_map(|a| a.url().query_pairs()).map(|(_, value)| value.into_owned()));
    all.retain(|secret| secret.len() >= 4);
    all
}

fn size(bytes: u64) -> String {
    match bytes {
        n if n >= 1 << 20 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

/// When an allowance of requests begins anew, in seconds.
const RESET: &str = "ratelimit-reset";

/// Seconds until an allowance of requests that is used up begins anew; at most an hour.
fn rest(headers: &HeaderMap) -> Option<u64> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    number("ratelimit-remaining").filter(|left| *left == 0).and_then(|_| number(RESET)).map(|secs| secs.min(3_600))
}

/// How far the backend's clock is ahead, from its `Date` (whole seconds, so its middle) against the middle of the exchange.
fn skew(headers: &HeaderMap, sent: DateTime<Utc>, got: DateTime<Utc>) -> Option<f64> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?.to_utc();
    let middle = sent + (got - sent) / 2;
    Some((date - middle).as_seconds_f64() + 0.5)
}
