//! Building the HTTP client of a source: headers, certificates, what it never does.

use std::{fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Certificate, Client, Identity,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use super::{
    address::Address,
    failure::innermost,
    settings::{BadSettings, Credentials, HttpSettings},
};
use crate::domain::clean;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// A client that speaks with `addresses` and prefers answers of the type `accept`. It follows no redirects, and a proxy of the
/// environment is not asked for what is on this host.
pub fn build(settings: &HttpSettings, addresses: &[Address], accept: &'static str) -> Result<Client, BadSettings> {
    let mut builder = Client::builder()
        .user_agent(concat!("burnwatch/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .referer(false)
        .default_headers(headers(settings, accept)?);
    if addresses.iter().all(Address::is_loopback) {
        builder = builder.no_proxy();
    }
    if addresses.iter().any(Address::is_tls) {
        builder = builder.tls_certs_merge(authorities(settings)?).tls_danger_accept_invalid_certs(settings.insecure);
        if let Some(identity) = identity(settings)? {
            builder = builder.identity(identity);
        }
    } else {
        // No TLS, no certificates: those of the system need not be read, or be there.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|e| BadSettings::new("url", format!("cannot be used: {}", innermost(&e))))
}

/// The headers of every request: the type of answer preferred, those of the settings, who we are.
pub fn headers(settings: &HttpSettings, accept: &'static str) -> Result<HeaderMap, BadSettings> {
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

/// The `Authorization` header of these credentials.
pub fn authorization(credentials: &Credentials) -> Result<HeaderValue, BadSettings> {
    let text = match credentials {
        Credentials::Bearer(token) => format!("Bearer {token}"),
        Credentials::Key(key) => format!("Token token={key}"),
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
