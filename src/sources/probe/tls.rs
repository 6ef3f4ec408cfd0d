//! What certificates a probe trusts, and until when the one that it was shown is good.

use std::{fs, sync::Arc};

use chrono::{DateTime, Utc};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use super::super::settings::{BadSettings, HttpSettings};

/// How to speak TLS with targets.
pub fn config(settings: &HttpSettings) -> Result<Arc<ClientConfig>, BadSettings> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let odd = |e: Error| BadSettings::new("targets", format!("cannot be asked over TLS: {e}"));
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(Unverified(Arc::clone(&provider)))
    } else {
        Arc::new(Verifier::new_with_extra_roots(authorities(settings)?, Arc::clone(&provider)).map_err(odd)?)
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(odd)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match (&settings.client_cert, &settings.client_key) {
        (Some(cert), Some(key)) => {
            let bad =
                |_| BadSettings::new("client_cert", format!("{} and {} are no PEM certificate and key", cert.display(), key.display()));
            let chain = CertificateDer::pem_file_iter(cert).map_err(bad)?.collect::<Result<Vec<_>, _>>().map_err(bad)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(bad)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| BadSettings::new("client_cert", format!("cannot be used: {e}")))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each check is a whole handshake: one that was shortened shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn authorities(settings: &HttpSettings) -> Result<Vec<CertificateDer<'static>>, BadSettings> {
    let Some(path) = &settings.ca_file else { return Ok(Vec::new()) };
    let pem = fs::read(path).map_err(|e| BadSettings::new("ca_file", format!("{} cannot be read: {e}", path.display())))?;
    let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| BadSettings::new("ca_file", format!("{} holds no PEM certificate", path.display())))
}

/// When a certificate ends; `None` for what is none.
pub fn ends(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(read.validity().not_after.timestamp(), 0)
}

/// What is wrong with a certificate, in words, and what to do.
pub fn trouble(error: &Error) -> (String, &'static str) {
    const CHAIN: &str = "check `ca_file` and the chain that the server sends";
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => ("its certificate has ended".into(), "renew it"),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its certificate is not good yet".into(), "look at its dates and at the clocks")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ("its certificate is for another name".into(), "check the address, or have the name added")
            }
            CertificateError::UnknownIssuer => ("its certificate is signed by nobody whom we trust".into(), CHAIN),
            CertificateError::Revoked => ("its certificate was revoked".into(), "renew it"),
            other => (format!("its certificate is not trusted: {other}"), CHAIN),
        },
        other => (format!("no TLS connection: {other}"), "check the port, the server's TLS settings and `client_cert`"),
    }
}

/// Takes any certificate: for `insecure_skip_verify`.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
