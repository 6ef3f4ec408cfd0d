//! The way to a target, step by step, each with the time that it took: name, connection, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use super::tls;
use crate::domain::{FaultClass, Phases};

/// What is known of a check while it goes on: what is left of it if it comes to no end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace {
    /// How long each phase took that came to its end.
    pub phases: Phases,
    /// When the certificate ends that was shown.
    pub certificate_ends: Option<DateTime<Utc>>,
}

impl Trace {
    /// The phase in which a check stopped that came to no end.
    pub const fn stopped_in(&self, tls: bool) -> &'static str {
        match (self.phases.resolve, self.phases.connect, self.phases.tls, self.phases.first_byte) {
            (None, ..) => "while its name was looked up",
            (_, None, ..) => "while connecting",
            (_, _, None, _) if tls => "in the TLS handshake",
            (_, _, _, None) => "waiting for the first of an answer",
            _ => "in the middle of its answer",
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What can be done about it.
    pub class: FaultClass,
    /// What happened and the next step.
    pub what: String,
    /// Whether the trouble is surely on this side: no network, no name service.
    pub ours: bool,
}

impl Broken {
    /// A failure that may be the target's.
    pub fn theirs(class: FaultClass, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), ours: false }
    }
}

/// Microseconds since `start`.
pub fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A connection to a host. All of its addresses are tried, one after the other.
pub async fn connect(host: &Host<String>, port: u16, trace: &mut Trace) -> Result<TcpStream, Broken> {
    let start = Instant::now();
    let addresses: Vec<SocketAddr> = match host {
        Host::Ipv4(ip) => vec![(*ip, port).into()],
        Host::Ipv6(ip) => vec![(*ip, port).into()],
        Host::Domain(name) => lookup_host((name.as_str(), port)).await.map_err(|e| unresolved(&e))?.collect(),
    };
    trace.phases.resolve = Some(since(start));
    let start = Instant::now();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                trace.phases.connect = Some(since(start));
                // Small requests that nothing follows: waiting for more would only add to the time.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Broken::theirs(FaultClass::Unreachable, "its name has no address; check the name"), |e| unconnected(&e)))
}

/// TLS on top of a connection.
pub async fn secure(
    stream: TcpStream,
    host: &Host<String>,
    config: &Arc<ClientConfig>,
    trace: &mut Trace,
) -> Result<TlsStream<TcpStream>, Broken> {
    let start = Instant::now();
    let name = match host {
        Host::Ipv4(ip) => ServerName::IpAddress((*ip).into()),
        Host::Ipv6(ip) => ServerName::IpAddress((*ip).into()),
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_| Broken::theirs(FaultClass::Tls, "its name fits no certificate"))?
        }
    };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|e| untrusted(&e))?;
    trace.phases.tls = Some(since(start));
    trace.certificate_ends = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(tls::ends);
    Ok(stream)
}

fn unresolved(error: &io::Error) -> Broken {
    let said = error.to_string();
    // What the name service says when it could not be asked, in the words of the C library (EAI_AGAIN).
    let ours = said.contains("Temporary failure in name resolution");
    Broken { class: FaultClass::Unreachable, what: format!("its name was not found ({said}); check the name and the name service"), ours }
}

fn unconnected(error: &io::Error) -> Broken {
    let ours = matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown);
    Broken { class: FaultClass::Unreachable, what: format!("no connection ({error}); check whether it runs"), ours }
}

fn untrusted(error: &io::Error) -> Broken {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (what, next) =
        of_tls.map_or_else(|| (format!("hung up in the TLS handshake ({error})"), "check the port and the server's log"), tls::trouble);
    Broken::theirs(FaultClass::Tls, format!("{what}; {next}"))
}
