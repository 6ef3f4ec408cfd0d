//! Where a backend is, and the login that an address may hold: kept apart, so that no message can show it.

use std::fmt::{self, Write};

use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::{
    client::authorization,
    settings::{BadSettings, Credentials},
};
use crate::domain::{Text, clean};

/// An address with what is needed to be let in there, and without it where it is shown.
#[derive(Clone)]
pub struct Address {
    url: Url,
    login: Option<HeaderValue>,
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
    /// Host and port, as they may be shown.
    pub fn host(&self) -> String {
        host_of(&self.url)
    }
    /// The address as it may be shown and told from others: a query, which may hold a secret, is replaced by a short hash of it.
    pub fn shown(&self) -> Text {
        let mut url = self.url.clone();
        let query = url.query().map(|q| hex(Sha256::digest(q).iter().take(3)));
        url.set_query(None);
        Text::clean(&query.map_or_else(|| url.to_string(), |hash| format!("{url}?#{hash}")))
    }
    /// The address as it is sent.
    pub fn url(&self) -> &Url {
        &self.url
    }
    /// The login that it held.
    pub fn login(&self) -> Option<&HeaderValue> {
        self.login.as_ref()
    }
    /// Whether it is https.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
    /// Whether it is on this host.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

/// Bytes as two hexadecimal digits each.
pub fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Host and port of an address, as they may be shown.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    clean(&url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))).into_owned()
}

/// `%41` as `A`, for the login in an address.
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
