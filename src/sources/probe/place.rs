//! Where a check goes: a web address, or a port that takes connections.

use url::{Host, Url};

use super::super::{
    address::{Address, host_of},
    settings::BadSettings,
};
use crate::domain::Text;

/// Where a check goes.
#[derive(Clone, Debug)]
pub enum Place {
    /// `http://…`, `https://…`
    Web(Address),
    /// `tcp://host:port`
    Port(Url),
}

impl Place {
    /// The place that an address of the config names.
    pub fn new(url: &Url) -> Result<Self, BadSettings> {
        match url.scheme() {
            "tcp" if url.port().is_some() && url.host_str().is_some_and(|h| !h.is_empty()) => Ok(Self::Port(url.clone())),
            "tcp" => Err(BadSettings::new("url", "names no host and port: tcp://db.internal:5432")),
            _ => Address::new(url).map(Self::Web),
        }
    }
    fn url(&self) -> &Url {
        match self {
            Self::Web(address) => address.url(),
            Self::Port(url) => url,
        }
    }
    /// The address as it may be shown.
    pub fn shown(&self) -> Text {
        match self {
            Self::Web(address) => address.shown(),
            Self::Port(url) => Text::from(format!("tcp://{}", host_of(url))),
        }
    }
    /// Host and port, as they may be shown.
    pub fn host(&self) -> String {
        host_of(self.url())
    }
    /// Whom to connect with. `None` never, for a place that was made.
    pub fn end(&self) -> Option<(Host<String>, u16)> {
        let url = self.url();
        let host = match (url.host()?, url.scheme()) {
            // The host of an unknown scheme is not looked at by the parser of addresses.
            (Host::Domain(name), "tcp") => Host::parse(name).ok()?,
            (host, _) => host.to_owned(),
        };
        Some((host, url.port_or_known_default()?))
    }
    /// Whether it is spoken with over TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Web(address) if address.is_tls())
    }
}
