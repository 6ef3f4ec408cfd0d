//! Getting a connection to a Redis: plain, over TLS, or through a socket of this host.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::super::settings::{BadSettings, RedisPlace, RedisSettings};
use crate::domain::{FaultClass, clean};

/// The longest wait for a connection, and for the handshake on it.
const CONNECT: Duration = Duration::from_secs(3);

/// Something to read from and write to.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where to, and how.
#[derive(Clone)]
pub struct Dialer {
    place: Place,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

#[derive(Clone)]
enum Place {
    Net(String, u16),
    Socket(PathBuf),
}

/// Why there is no connection: by what can be done about it, and in words.
#[derive(Debug)]
pub struct Undialled {
    /// What can be done.
    pub class: FaultClass,
    /// What happened, and the next step.
    pub what: String,
}

impl Dialer {
    /// How to reach what the settings name. Fails if a certificate cannot be used.
    pub fn new(settings: &RedisSettings) -> Result<Self, BadSettings> {
        let (host, port, tls) = match &settings.place {
            RedisPlace::Socket(path) => return Ok(Self { place: Place::Socket(path.clone()), tls: None }),
            RedisPlace::Net { host, port, tls } => (host.clone(), *port, *tls),
        };
        let tls = if tls {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| BadSettings::new("url", "names a host that no certificate can name"))?;
            Some((TlsConnector::from(Arc::new(config(settings)?)), name))
        } else {
            None
        };
        Ok(Self { place: Place::Net(host, port), tls })
    }
    /// Where it is, as it may be shown.
    pub fn shown(&self) -> String {
        let text = match &self.place {
            Place::Net(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Net(host, port) => format!("{host}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        };
        clean(&text).into_owned()
    }
    /// A connection.
    pub async fn dial(&self) -> Result<Box<dyn Stream>, Undialled> {
        let unreachable = |cause: &str| Undialled {
            class: FaultClass::Unreachable,
            what: format!("no connection to {} ({cause}); check `url` and whether the server runs", self.shown()),
        };
        let late = || unreachable(&format!("no answer within {} s", CONNECT.as_secs()));
        let refused = |e: io::Error| unreachable(&cause(&e));
        let (host, port) = match &self.place {
            Place::Net(host, port) => (host.as_str(), *port),
            Place::Socket(path) => {
                let stream = timeout(CONNECT, UnixStream::connect(path)).await.map_err(|_| late())?;
                return Ok(Box::new(stream.map_err(refused)?));
            }
        };
        let stream = timeout(CONNECT, TcpStream::connect((host, port))).await.map_err(|_| late())?.map_err(refused)?;
        // Without it a question waits for the answer to the one before it; where it cannot be set, nothing but time is lost.
        let _ = stream.set_nodelay(true);
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(stream)) };
        let distrusted = |cause: &str| Undialled {
            class: FaultClass::Tls,
            what: format!(
                "no trusted connection to {} ({cause}); check `ca_file`, `client_cert`, the server's certificate, and whether that port speaks TLS",
                self.shown()
            ),
        };
        match timeout(CONNECT, connector.connect(name.clone(), stream)).await {
            Err(_) => Err(distrusted(&format!("no end of the handshake within {} s", CONNECT.as_secs()))),
            Ok(Err(e)) => Err(distrusted(&cause(&e))),
            Ok(Ok(stream)) => Ok(Box::new(stream)),
        }
    }
}

/// What the system or the TLS library said, in one clean line.
fn cause(error: &io::Error) -> String {
    super::super::failure::shorten(&error.to_string())
}

fn config(settings: &RedisSettings) -> Result<ClientConfig, BadSettings> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let bad = |e: rustls::Error| BadSettings::new("ca_file", format!("cannot be used: {e}"));
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(Unverified(Arc::clone(&provider)))
    } else {
        Arc::new(Verifier::new_with_extra_roots(authorities(settings)?, Arc::clone(&provider)).map_err(bad)?)
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(bad)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let Some((cert, key)) = &settings.identity else { return Ok(builder.with_no_client_auth()) };
    let what = || format!("{} and {} are no PEM certificate and key", cert.display(), key.display());
    let bad = || BadSettings::new("client_cert", what());
    let chain = certificates("client_cert", cert)?;
    let key = PrivateKeyDer::from_pem_slice(&read("client_key", key)?).map_err(|_| bad())?;
    builder.with_client_auth_cert(chain, key).map_err(|_| bad())
}

fn authorities(settings: &RedisSettings) -> Result<Vec<CertificateDer<'static>>, BadSettings> {
    settings.ca_file.as_ref().map_or(Ok(Vec::new()), |path| certificates("ca_file", path))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadSettings> {
    let pem = read(key, path)?;
    let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| BadSettings::new(key, format!("{} holds no PEM certificate", path.display())))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, BadSettings> {
    fs::read(path).map_err(|e| BadSettings::new(key, format!("{} cannot be read: {e}", path.display())))
}

/// Takes any certificate, as `insecure_skip_verify` asks; the handshake itself is still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
