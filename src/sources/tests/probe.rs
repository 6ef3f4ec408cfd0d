//! Checks of servers that answer, of some that do not, and from a place that is cut off.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use hyper::Method;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};
use url::Url;

use super::{
    super::{Expectation, HttpSettings, Probe, ProbeSettings, ProbeTarget, Promises, Source},
    stand_in::{Say, StandIn, deadlines, patient, sunday},
};
use crate::domain::{Answer, Ask, FaultClass, Lane, Objective, Part, Probed, Want};

fn target(url: &Url) -> ProbeTarget {
    let labels = BTreeMap::from([("service".to_owned(), "shop".to_owned())]);
    ProbeTarget { url: url.clone(), labels, method: Method::GET, expect: Expectation::default() }
}

fn settings(targets: Vec<ProbeTarget>) -> ProbeSettings {
    let objective = |ratio| Objective::new(ratio).unwrap();
    ProbeSettings {
        name: "outside".into(),
        http: HttpSettings { max_bytes: 1 << 10, ..HttpSettings::new(targets[0].url.clone()) },
        deadlines: patient(),
        targets,
        self_check: None,
        certificate_warning: Duration::from_hours(14 * 24),
        promises: Promises { objective: objective(0.999), latency_objective: objective(0.99), under: Duration::from_secs(1) },
    }
}

async fn poll(settings: ProbeSettings) -> Part {
    let source = Probe::new(settings).unwrap();
    source.poll(&Ask { wants: vec![Want::Probe] }, Lane::Short, &sunday).await.parts.remove(0)
}

fn checks(part: Part) -> Vec<Probed> {
    match part.outcome {
        Ok(Answer::Probed(checks)) => checks,
        other => panic!("{other:?}"),
    }
}

fn failure(check: &Probed) -> (FaultClass, &str) {
    let fault = check.outcome.as_ref().unwrap_err();
    (fault.class, fault.message.as_str())
}

/// An address where nobody listens.
async fn closed() -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn a_page_is_fetched_with_its_phases_and_its_labels() {
    let server = StandIn::saying(Say::answer("200 OK", "", "all well")).await;
    let mut one = target(&server.url.join("/health?deep=1").unwrap());
    one.expect = Expectation { body: Some("well".into()), ..Expectation::default() };
    let check = checks(poll(settings(vec![one])).await).remove(0);
    assert!(check.outcome.as_ref().is_ok_and(|took| *took >= check.phases.first_byte.unwrap()), "{check:?}");
    assert!(check.phases.connect.is_some() && check.phases.tls.is_none() && check.certificate.is_none());
    assert_eq!(check.labels.get("service").unwrap().raw(), "shop");
    assert!(!check.target.as_str().contains("deep"), "a query may be a secret: {}", check.target);
    let asked = server.asked().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("get /health?deep=1 http/1.1\r\n") && asked.contains("\r\nhost: 127.0.0.1:"), "{asked}");
}

#[tokio::test]
async fn each_kind_of_failure_has_its_class_and_says_where_it_stopped() {
    let refused = StandIn::saying(Say::answer("503 Service Unavailable", "", "no")).await;
    let hangs_up = StandIn::saying(Say::HangUp).await;
    let silent = StandIn::saying(Say::Nothing).await;
    let odd = StandIn::saying(Say::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await;
    let nobody = closed().await;
    let urls = [&refused.url, &hangs_up.url, &silent.url, &odd.url, &nobody];
    let found = checks(poll(ProbeSettings { deadlines: deadlines(), ..settings(urls.map(target).to_vec()) }).await);
    let said: Vec<_> = found.iter().map(failure).collect();
    let classes = [
        (FaultClass::Unexpected, "answered with status 503, not 200-399"),
        (FaultClass::Unreachable, "hung up without an answer"),
        (FaultClass::Timeout, "gave no whole answer within 1.5 s, stopped waiting for the first of an answer"),
        (FaultClass::Malformed, "what it answers is no HTTP"),
        (FaultClass::Unreachable, "no connection (Connection refused"),
    ];
    for ((class, text), (expected, words)) in said.iter().zip(classes) {
        assert!(*class == expected && text.starts_with("outside: 127.0.0.1:") && text.contains(words), "{class:?} {text}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_to_the_cap() {
    let endless = StandIn::saying(Say::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), b"0123456789".to_vec())).await;
    let plain = target(&endless.url);
    let wants = ProbeTarget { expect: Expectation { body: Some("never".into()), ..Expectation::default() }, ..plain.clone() };
    let found = checks(poll(settings(vec![plain, wants])).await);
    assert!(found[0].outcome.is_ok(), "{:?}", found[0]);
    assert!(failure(&found[1]).1.contains("of which the first 1024 bytes were read, does not hold `never`"), "{:?}", found[1]);
}

/// With the network cut nothing is known of anything, and that is said once, of the source.
#[tokio::test]
async fn while_the_self_check_fails_no_verdict_is_given() {
    let (well, gone) = (StandIn::saying(Say::answer("200 OK", "", "")).await, closed().await);
    let both = || settings(vec![target(&well.url), target(&gone)]);
    let found = checks(poll(ProbeSettings { self_check: Some(well.url.clone()), ..both() }).await);
    assert!(found[0].outcome.is_ok() && found[1].outcome.is_err(), "{found:?}");
    let fault = poll(ProbeSettings { self_check: Some(closed().await), ..both() }).await.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Offline);
    assert!(fault.message.as_str().starts_with("outside: offline: 1 of 2 targets fail, and the self check tcp://127.0.0.1:"), "{fault:?}");
    // While all is well nobody else is bothered, and a self check that is broken itself does no harm.
    let found = checks(poll(ProbeSettings { self_check: Some(gone), ..settings(vec![target(&well.url)]) }).await);
    assert!(found[0].outcome.is_ok());
    assert!(well.asked().iter().any(|request| request.starts_with("HEAD /")), "{:?}", well.asked());
}

/// An authority of our own and a server whose certificate it signed, good until `ends`; takes one connection after the other.
async fn tls_server(folder: &Path, ends: DateTime<Utc>) -> Url {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "practice authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(ends.timestamp()).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn a_certificate_tells_when_it_ends_and_one_that_has_ended_or_is_strange_fails() {
    let folder = tempfile::tempdir().unwrap();
    let now = Utc::now();
    let with_ca = |url: &Url| {
        let mut settings = settings(vec![target(url)]);
        settings.http.ca_file = Some(folder.path().join("ca.pem"));
        settings
    };
    let url = tls_server(folder.path(), now + TimeDelta::days(10) + TimeDelta::minutes(5)).await;
    let check = checks(poll(with_ca(&url)).await).remove(0);
    assert!(check.outcome.is_ok() && check.phases.tls.is_some(), "{check:?}");
    let words = check.warning(now).unwrap();
    assert!(words.as_str().starts_with("the certificate of https://127.0.0.1:") && words.as_str().ends_with(" ends in 10 days"), "{words}");
    let strange = checks(poll(settings(vec![target(&url)])).await).remove(0);
    assert_eq!(failure(&strange).0, FaultClass::Tls);
    assert!(failure(&strange).1.contains("signed by nobody whom we trust; check `ca_file`"), "{strange:?}");
    let mut careless = settings(vec![target(&url)]);
    careless.http.insecure = true;
    let unverified = checks(poll(careless).await).remove(0);
    assert!(unverified.outcome.is_ok() && unverified.certificate.is_some());
    let url = tls_server(folder.path(), now - TimeDelta::days(1)).await;
    let ended = checks(poll(with_ca(&url)).await).remove(0);
    assert!(failure(&ended).1.contains("its certificate has ended; renew it"), "{ended:?}");
    let url = tls_server(folder.path(), now + TimeDelta::days(60)).await;
    assert_eq!(checks(poll(with_ca(&url)).await)[0].warning(now), None);
}
