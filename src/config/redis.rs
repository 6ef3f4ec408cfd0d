//! How a Redis is reached: the keys that all its readers share.

use std::path::PathBuf;

use toml::Spanned;
use url::Url;

use super::{
    backend::{self, ClientIdentity, MAX_BYTES},
    secret::Secret,
    section::Section,
};

/// How a Redis is reached.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where it is.
    pub place: RedisPlace,
    /// Which of its databases.
    pub db: u32,
    /// The user of its access list; `None` for the default user.
    pub username: Option<String>,
    /// The password; `None` to say nothing.
    pub password: Option<Secret>,
    /// Certificates (PEM) that sign the server's, beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM) and its key.
    pub client_identity: Option<ClientIdentity>,
    /// Whether the server's certificate is not verified.
    pub insecure_skip_verify: bool,
    /// Bytes of the answers of one poll that are read at most.
    pub max_bytes: u64,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// On the network.
    Net {
        /// Name or address, an IPv6 one without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether it speaks TLS.
        tls: bool,
    },
    /// At a socket of this host.
    Socket(PathBuf),
}

impl RedisSettings {
    /// Read `url`, `db`, `username`, `password*`, `ca_file`, `client_cert`, `client_key`, `insecure_skip_verify`, `max_bytes`; `None`
    /// if the address is missing or wrong.
    pub fn read(section: &mut Section) -> Option<Self> {
        let address = address(section);
        let db = db(section, address.as_ref().and_then(|(_, db)| *db));
        let (username, password) = login(section);
        let read = Self {
            place: RedisPlace::Socket(PathBuf::new()),
            db,
            username,
            password,
            ca_file: section.file("ca_file").map(Spanned::into_inner),
            client_identity: backend::identity(section),
            insecure_skip_verify: section.bool("insecure_skip_verify").is_some_and(Spanned::into_inner),
            max_bytes: section.size("max_bytes").map_or(MAX_BYTES, Spanned::into_inner),
        };
        let (place, _) = address?;
        if !matches!(place, RedisPlace::Net { tls: true, .. }) {
            for key in ["ca_file", "client_cert", "insecure_skip_verify"].into_iter().filter(|key| section.has(key)) {
                let span = section.key_span(key);
                section.error_with_help(&span, &format!("`{key}` without TLS"), "write the address as rediss://, with two s");
            }
        } else if read.insecure_skip_verify {
            backend::warn_insecure(section);
        }
        Some(Self { place, ..read })
    }
}

/// `url`: the place, and the number of the database if it names one.
fn address(section: &mut Section) -> Option<(RedisPlace, Option<u32>)> {
    const EXAMPLE: &str = "\"redis://redis.internal:6379\"";
    let text = section.required_str("url", EXAMPLE)?;
    let span = text.span();
    if let Some(path) = text.get_ref().strip_prefix("unix://") {
        return Some((RedisPlace::Socket(section.path(path)), None));
    }
    let help = |section: &Section, message: &str, help: &str| -> Option<(RedisPlace, Option<u32>)> {
        section.error_with_help(&span, message, help);
        None
    };
    let Some(url) = Url::parse(text.get_ref()).ok().filter(|url| matches!(url.scheme(), "redis" | "rediss")) else {
        section.hide_if_login(&text);
        return help(section, "`url` begins with redis://, rediss:// or unix://", &format!("such as {EXAMPLE}"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        section.hide_if_login(&text);
        return help(section, "`url` holds credentials", "use `username` and `password_file`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return help(section, "`url` has a query or a fragment", "leave out everything from `?` or `#` on");
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return help(section, "`url` names no host", &format!("such as {EXAMPLE}"));
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let db = match url.path().trim_matches('/') {
        "" => None,
        number => match number.parse() {
            Ok(db) => Some(db),
            Err(_) => return help(section, "`url` ends with something that is no database number", "such as redis://host:6379/2"),
        },
    };
    Some((RedisPlace::Net { host, port: url.port().unwrap_or(6379), tls: url.scheme() == "rediss" }, db))
}

/// The number of the database, from `db` or from the address.
fn db(section: &mut Section, in_url: Option<u32>) -> u32 {
    let own = section.integer("db", 0, i64::from(u16::MAX)).and_then(|n| u32::try_from(n.into_inner()).ok());
    if own.is_some() && in_url.is_some() {
        section.error_with_help(&section.key_span("db"), "`db` and a number in `url` both", "keep one of them");
    }
    own.or(in_url).unwrap_or(0)
}

/// A password alone is that of the default user.
fn login(section: &mut Section) -> (Option<String>, Option<Secret>) {
    let given = ["password", "password_file", "password_env", "password_command"].iter().any(|key| section.has(key));
    let password = section.secret("password");
    let username = section.str("username");
    if let Some(username) = username.as_ref().filter(|_| !given) {
        section.error_with_help(&username.span(), "a username without a password", "add `password_file = \"…\"`");
    }
    (username.map(Spanned::into_inner), password)
}

#[cfg(test)]
mod tests {
    use super::{super::section::tests::read, *};

    fn place(text: &str) -> (Option<RedisSettings>, Vec<String>) {
        let mut found = None;
        let said = read(text, |section| found = RedisSettings::read(section));
        (found, said)
    }

    #[test]
    fn an_address_says_where_and_which_database() {
        let net = |host: &str, port, tls| RedisPlace::Net { host: host.into(), port, tls };
        for (url, expected, db) in [
            ("redis://cache", net("cache", 6379, false), 0),
            ("redis://cache:7000/3", net("cache", 7000, false), 3),
            ("rediss://cache.example/", net("cache.example", 6379, true), 0),
            ("redis://[::1]:6380", net("::1", 6380, false), 0),
            ("unix:///run/redis/redis.sock", RedisPlace::Socket("/run/redis/redis.sock".into()), 0),
        ] {
            let (found, said) = place(&format!("url = '{url}'"));
            let found = found.unwrap();
            assert_eq!((found.place, found.db, said), (expected, db, Vec::new()), "{url}");
        }
        assert_eq!(place("url = 'unix:///run/redis.sock'\ndb = 4").0.unwrap().db, 4);
    }

    #[test]
    fn a_wrong_address_says_what_is_right() {
        for (text, message) in [
            ("", "`url` is missing"),
            ("url = 'cache:6379'", "begins with redis://"),
            ("url = 'http://cache'", "begins with redis://"),
            ("url = 'redis://maya:hunter2@cache'", "holds credentials"),
            ("url = 'redis://cache/one'", "no database number"),
            ("url = 'redis://cache?x=1'", "a query"),
            ("url = 'redis:///1'", "names no host"),
            ("url = 'redis://cache/1'\ndb = 2", "both"),
            ("url = 'redis://cache'\nusername = 'maya'", "without a password"),
            ("url = 'redis://cache'\ninsecure_skip_verify = true", "without TLS"),
        ] {
            let said = place(text).1;
            assert!(said.first().is_some_and(|s| s.contains(message)), "{text}: {said:?}");
        }
    }
}
