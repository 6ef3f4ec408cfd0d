//! The one HTTP client of all backends.
//!
//! Every call has a deadline for connecting, for silence in the middle of an answer and for the whole; unpacked bytes are counted while
//! they stream in and reading stops at the cap; a redirect is reported, never followed, so that no header reaches another host. What
//! goes wrong is a [`Failure`]: a class to act on, a message that names the source, what happened and the next step, and whether the
//! request may have reached the backend. No message holds a credential, a path's query or an answer's control characters.

use std::{error::Error, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use reqwest::{
    Certificate, Client, Identity, Method, RequestBuilder, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use url::{Host, Url};

use super::{
    settings::{BadSettings, Credentials, HttpSettings},
    source::Now,
};
use crate::domain::{Fault, FaultClass, SourceName, Text, clean};

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// The longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest wait that a `Retry-After` can ask for, in seconds.
const LONGEST_WAIT: u64 = 3_600;
/// How much of a refusal is read, in bytes.
const REFUSAL: u64 = 64 << 10;
/// How much of a refusal is shown, in characters.
const EXCERPT: usize = 200;

/// A client for one source.
#[derive(Debug)]
pub struct Http {
    source: SourceName,
    client: Client,
    max_bytes: u64,
    known: bool,
}

/// An address with what is needed to be let in there, and without it where it is shown.
#[derive(Clone)]
pub struct Address {
    url: Url,
    login: Option<HeaderValue>,
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
    /// Remove.
    Delete,
}

/// A good answer.
#[derive(Debug)]
pub struct Good {
    /// Its bytes, unpacked.
    pub body: Vec<u8>,
    /// How far the backend's clock is ahead of ours, in seconds; `None` if it did not tell.
    pub skew: Option<f64>,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The request never left.
    Unsent,
    /// It may have arrived; no answer came.
    Perhaps,
    /// This status came back.
    Answered(u16),
}

/// Why a call brought no good answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How far it came.
    pub reached: Reached,
    /// What the backend said, if it refused: one line, cleaned.
    pub excerpt: String,
    fault: Fault,
}

impl Failure {
    /// A failure before anything was sent.
    pub fn unsent(source: &SourceName, class: FaultClass, what: &str) -> Self {
        Self::new(source, class, Reached::Unsent, what)
    }
    /// A good answer that is not of the expected form.
    pub fn malformed(source: &SourceName, what: &str) -> Self {
        Self::new(source, FaultClass::Malformed, Reached::Answered(200), what)
    }
    fn new(source: &SourceName, class: FaultClass, reached: Reached, what: &str) -> Self {
        let message = Text::clean(&format!("{source}: {what}"));
        Self { reached, excerpt: String::new(), fault: Fault { class, message, retry_after_secs: None } }
    }
    /// Why, for a reading.
    pub fn fault(self) -> Fault {
        self.fault
    }
    /// Why, in words.
    pub fn why(&self) -> &Text {
        &self.fault.message
    }
}

impl Address {
    /// An address from the config; `user:password@` becomes a login and leaves the address.
    pub fn new(url: &Url) -> Result<Self, BadSettings> {
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(BadSettings::new("url", "is not an http:// or https:// address with a host"));
        }
        let mut bare = url.clone();
        // Neither can fail for an address with a host.
        let _ = (bare.set_username(""), bare.set_password(None));
        bare.set_fragment(None);
        let plain = |text: &str| String::from_utf8_lossy(&unescape(text)).into_owned();
        let (username, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
        let login = if username.is_empty() && password.is_empty() {
            None
        } else {
            Some(authorization(&Credentials::Basic { username, password })?)
        };
        Ok(Self { url: bare, login })
    }
    /// This address with more path segments.
    pub fn join(&self, segments: &[&str]) -> Self {
        let mut joined = self.clone();
        if let Ok(mut path) = joined.url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        joined
    }
    /// Host and port, as written.
    pub fn host(&self) -> String {
        host_of(&self.url)
    }
    /// The address as it may be shown and told from others: a query, which may hold a secret, is replaced by a short hash of it.
    pub fn shown(&self) -> Text {
        let mut url = self.url.clone();
        let query = url.query().map(|q| Sha256::digest(q).iter().take(3).map(|b| format!("{b:02x}")).collect::<String>());
        url.set_query(None);
        Text::clean(&query.map_or_else(|| url.to_string(), |hash| format!("{url}?#{hash}")))
    }
    fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.shown(), f)
    }
}

impl Http {
    /// A client for `source` that speaks with `addresses` and prefers answers of the type `accept`.
    pub fn new(source: &SourceName, settings: &HttpSettings, addresses: &[Address], accept: &'static str) -> Result<Self, BadSettings> {
        let mut builder = Client::builder()
            .user_agent(concat!("burnwatch/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .referer(false)
            .default_headers(headers(settings, accept)?);
        if addresses.iter().all(Address::is_loopback) {
            builder = builder.no_proxy();
        }
        if addresses.iter().any(|a| a.url.scheme() == "https") {
            builder = builder.tls_certs_merge(authorities(settings)?).tls_danger_accept_invalid_certs(settings.insecure);
            if let Some(identity) = identity(settings)? {
                builder = builder.identity(identity);
            }
        } else {
            // No TLS, no certificates: those of the system need not be read, or be there.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|e| BadSettings::new("url", format!("cannot be used: {}", innermost(&e))))?;
        let known = settings.credentials.is_some() || settings.client_cert.is_some();
        Ok(Self { source: source.clone(), client, max_bytes: settings.max_bytes, known })
    }

    /// Make one call within `limit`.
    pub async fn call(&self, to: &Address, call: Call<'_>, limit: Duration, now: Now<'_>) -> Result<Good, Failure> {
        timeout(limit, self.exchange(to, call, now)).await.unwrap_or_else(|_| {
            let what = format!("no whole answer from {} within {limit:?}; look at its load, or raise the timeout", to.host());
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
        let body = self.body(response, self.max_bytes).await?;
        if html || looks_like_html(&body) {
            let what = format!("{} answered with a web page, is `url` right?", to.host());
            return Err(Failure::new(&self.source, FaultClass::Malformed, Reached::Answered(status.as_u16()), &what));
        }
        Ok(Good { body, skew })
    }

    fn request(&self, to: &Address, call: Call<'_>) -> RequestBuilder {
        let method = match call {
            Call::Get(_) => Method::GET,
            Call::Form(_) | Call::Json(_) => Method::POST,
            Call::Delete => Method::DELETE,
        };
        let mut request = self.client.request(method, to.url.clone());
        if let Some(login) = to.login.as_ref().filter(|_| !self.known) {
            request = request.header(AUTHORIZATION, login.clone());
        }
        match call {
            Call::Get([]) | Call::Delete => request,
            Call::Get(query) => request.query(query),
            Call::Form(form) => request.form(form),
            Call::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.to_owned()),
        }
    }

    /// Read an answer to its end, or to the cap.
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
        loop {
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
        if to.url.scheme() == "https" && is_tls(error) {
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
        let (status, host) = (response.status(), to.host());
        let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now));
        let target = response.headers().get(LOCATION).and_then(|v| v.to_str().ok()).and_then(|v| to.url.join(v).ok());
        let body = self.body(response, REFUSAL).await.unwrap_or_default();
        let said = excerpt(&body);
        let (class, what) = match status {
            s if s.is_redirection() => {
                let target = target.map_or_else(|| "nowhere".to_owned(), |url| host_of(&url));
                (
                    FaultClass::Redirected,
                    format!("{host} redirects to {target} ({status}), which is not followed; set `url` to the final address"),
                )
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.known || to.login.is_some() => (
                FaultClass::Unauthorized,
                format!("{host} refused our credentials (HTTP {}); check the token or password and its rights", status.as_u16()),
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                FaultClass::Unauthorized,
                format!("{host} asks for credentials (HTTP {}) and none are set; set token_file or password_file", status.as_u16()),
            ),
            StatusCode::TOO_MANY_REQUESTS => {
                let asked = wait.map_or_else(String::new, |secs| format!(" and asks us to wait {secs} s"));
                (FaultClass::RateLimited, format!("{host} was asked too often (HTTP 429){asked}; raise `every`"))
            }
            s => {
                let colon = if said.is_empty() { "" } else { ": " };
                (FaultClass::Rejected, format!("{host} refused the request (HTTP {}){colon}{said}; {}", s.as_u16(), next_step(s)))
            }
        };
        let mut failure = Failure::new(&self.source, class, Reached::Answered(status.as_u16()), &what);
        failure.fault.retry_after_secs = wait;
        failure.excerpt = said;
        failure
    }
}

fn next_step(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "check the path in `url`",
        s if s.is_server_error() => "look at the server's log",
        _ => "check the selectors and the server's version",
    }
}

fn headers(settings: &HttpSettings, accept: &'static str) -> Result<HeaderMap, BadSettings> {
    let mut all = HeaderMap::new();
    all.insert(ACCEPT, HeaderValue::from_static(accept));
    for (name, value) in &settings.headers {
        let bad = |what| BadSettings::new("headers", format!("{what} of `{}` cannot be sent in HTTP", clean(name)));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("the name"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad("the value"))?;
        value.set_sensitive(true);
        all.append(key, value);
    }
    if let Some(credentials) = &settings.credentials {
        all.insert(AUTHORIZATION, authorization(credentials)?);
    }
    Ok(all)
}

fn authorization(credentials: &Credentials) -> Result<HeaderValue, BadSettings> {
    let text = match credentials {
        Credentials::Bearer(token) => format!("Bearer {token}"),
        Credentials::Basic { username, password } => format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))),
    };
    let bad = |_| BadSettings::new("token", "holds a character that cannot be sent in HTTP, such as a line end");
    let mut value = HeaderValue::from_str(&text).map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

fn authorities(settings: &HttpSettings) -> Result<Vec<Certificate>, BadSettings> {
    let Some(path) = &settings.ca_file else { return Ok(Vec::new()) };
    let pem = read("ca_file", path)?;
    let all = Certificate::from_pem_bundle(&pem).ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| BadSettings::new("ca_file", format!("{} holds no PEM certificate", path.display())))
}

fn identity(settings: &HttpSettings) -> Result<Option<Identity>, BadSettings> {
    let (cert, key) = match (&settings.client_cert, &settings.client_key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return Err(BadSettings::new("client_cert", "needs `client_key` beside it")),
        (None, Some(_)) => return Err(BadSettings::new("client_key", "needs `client_cert` beside it")),
    };
    let mut pem = read("client_cert", cert)?;
    pem.push(b'\n');
    pem.extend(read("client_key", key)?);
    let bad = |_| BadSettings::new("client_cert", format!("{} and {} are no PEM certificate and key", cert.display(), key.display()));
    Identity::from_pem(&pem).map(Some).map_err(bad)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, BadSettings> {
    fs::read(path).map_err(|e| BadSettings::new(key, format!("{} cannot be read: {e}", path.display())))
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    clean(&url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))).into_owned()
}

/// `%41` as `A`; for the login in an address.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        let (byte, skip) = match code {
            Some(byte) if first == b'%' => (byte, 2),
            _ => (first, 0),
        };
        out.push(byte);
        rest = tail.get(skip..).unwrap_or_default();
    }
    out
}

/// The last cause in a chain: what the system or the TLS library said. The outer ones repeat addresses.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    if at.is::<reqwest::Error>() { "no further cause".to_owned() } else { shorten(&at.to_string()) }
}

/// Whether the handshake failed: a cause that is neither of the system nor of the name service, or one that speaks of certificates.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    let (mut by_system, mut words) = (error.is_timeout(), String::new());
    while let Some(cause) = at {
        by_system |= cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.raw_os_error().is_some());
        words = cause.to_string();
        by_system |= words.contains("dns error") || words.contains("lookup address") || words.contains("tunnel");
        at = cause.source();
    }
    words.contains("certificate") || words.contains("alert") || (error.is_connect() && !by_system)
}

fn looks_like_html(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype"[..], b"<html"].iter().any(|mark| start.get(..mark.len()).is_some_and(|s| s.eq_ignore_ascii_case(mark)))
}

/// What a refusal says: the `error` or `message` of a JSON object, a JSON text, or the body as it is, in one line.
fn excerpt(body: &[u8]) -> String {
    if looks_like_html(body) {
        return "a web page".to_owned();
    }
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = json.as_ref().and_then(|v| v.get("error").or_else(|| v.get("message")).unwrap_or(v).as_str());
    said.map_or_else(|| shorten(&String::from_utf8_lossy(body)), shorten)
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(EXCERPT).collect();
    clean(&if cut.len() < line.len() { cut + "…" } else { cut }).into_owned()
}

fn size(bytes: u64) -> String {
    match bytes {
        n if n >= 1 << 20 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

/// Seconds to wait: a number or an HTTP date; at most an hour; `None` for what is past, negative or no time at all.
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<u64> {
    let value = value.trim();
    let secs = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().unwrap_or(LONGEST_WAIT)
    } else {
        u64::try_from((DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).num_seconds()).ok()?
    };
    (secs > 0).then_some(secs.min(LONGEST_WAIT))
}

/// How far the backend's clock is ahead, from its `Date` (whole seconds, so its middle) against the middle of the exchange.
fn skew(headers: &HeaderMap, sent: DateTime<Utc>, got: DateTime<Utc>) -> Option<f64> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?.to_utc();
    let middle = sent + (got - sent) / 2;
    Some((date - middle).as_seconds_f64() + 0.5)
}
