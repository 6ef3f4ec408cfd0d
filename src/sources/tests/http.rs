//! The client against servers that hang, drip, flood, lie and point elsewhere.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use url::Url;

use super::{
    super::{
        address::Address,
        failure::{Failure, Reached},
        http::{Call, Good, Http},
        settings::{Credentials, HttpSettings},
    },
    stand_in::{Say, StandIn, http, sunday},
};
use crate::domain::{Fault, FaultClass, SourceName};

const PATIENT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);
const TOKEN: &str = "s3cret-token";

async fn ask(settings: &HttpSettings, call: Call<'_>, limit: Duration) -> Result<Good, Failure> {
    let base = Address::new(&settings.base).unwrap();
    let client = Http::new(&SourceName::new("prom"), settings, std::slice::from_ref(&base), "application/json").unwrap();
    client.call(&base.join(&["api", "v1", "query"]), call, limit, &sunday).await
}

async fn fault(say: Say, limit: Duration) -> Fault {
    let server = StandIn::saying(say).await;
    let settings = HttpSettings { max_bytes: 1 << 20, ..http(&server.url) };
    ask(&settings, Call::Get(&[]), limit).await.unwrap_err().fault()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_is_a_timeout() {
    let drip = Say::Drip("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".into());
    for say in [Say::Nothing, drip] {
        let fault = fault(say, SHORT).await;
        assert_eq!(fault.class, FaultClass::Timeout);
        assert!(fault.message.as_str().starts_with("prom: no whole answer from 127.0.0.1:"), "{fault:?}");
    }
}

#[tokio::test]
async fn reading_stops_at_the_cap_of_unpacked_bytes() {
    let flood = Say::Endless("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".into(), vec![b' '; 65_536]);
    let announced = Say::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n".to_vec());
    let bomb = Say::answer("200 OK", "content-encoding: gzip\r\n", gzip(&vec![b' '; 64 << 20]));
    for say in [flood, announced, bomb] {
        let fault = fault(say, PATIENT).await;
        assert_eq!((fault.class, fault.message.as_str().contains("larger than 1 MiB")), (FaultClass::TooLarge, true), "{fault:?}");
    }
    let small = StandIn::saying(Say::answer("200 OK", "content-encoding: gzip\r\n", gzip(b"{}"))).await;
    assert_eq!(ask(&http(&small.url), Call::Get(&[]), PATIENT).await.unwrap().body, b"{}");
}

#[tokio::test]
async fn what_is_no_answer_is_named() {
    let page = Say::answer("200 OK", "content-type: text/html; charset=utf-8\r\n", "<p>Log in");
    let disguised = Say::json("\n <!DOCTYPE html><html>");
    for say in [page, disguised] {
        let fault = fault(say, PATIENT).await;
        assert_eq!(fault.class, FaultClass::Malformed);
        assert!(fault.message.as_str().ends_with("answered with a web page, is `url` right?"), "{fault:?}");
    }
    let cut = Say::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\"".to_vec());
    let mangled = Say::answer("200 OK", "content-encoding: gzip\r\n", "this is no gzip");
    for say in [cut, mangled] {
        let fault = fault(say, PATIENT).await;
        assert_eq!((fault.class, fault.message.as_str().contains("broke off")), (FaultClass::Malformed, true), "{fault:?}");
    }
}

#[tokio::test]
async fn refusals_have_their_classes() {
    let refusal = |status: &str, head: &str| fault(Say::answer(status, head, "{\"error\":\"go away\\u001b[2J\"}"), PATIENT);
    let unauthorized = refusal("401 Unauthorized", "").await;
    assert_eq!(unauthorized.class, FaultClass::Unauthorized);
    assert!(unauthorized.message.as_str().contains("none are set; set token_file"), "{unauthorized:?}");
    let limited = refusal("429 Too Many Requests", "retry-after: 17\r\n").await;
    assert_eq!((limited.class, limited.retry_after_secs), (FaultClass::RateLimited, Some(17)));
    let limited = refusal("429 Too Many Requests", "retry-after: -17\r\n").await;
    assert_eq!((limited.class, limited.retry_after_secs), (FaultClass::RateLimited, None));
    let busy = refusal("503 Service Unavailable", "retry-after: Sun, 22 Nov 2026 09:11:00 GMT\r\n").await;
    assert_eq!((busy.class, busy.retry_after_secs), (FaultClass::Rejected, Some(59)));
    assert!(busy.message.as_str().ends_with("(HTTP 503): go away\u{241b}[2J; look at the server's log"), "{busy:?}");
}

#[tokio::test]
async fn a_refusal_whose_body_never_ends_keeps_its_class() {
    let drip = Say::Drip("HTTP/1.1 429 Too Many Requests\r\nretry-after: 5\r\n\r\n".into());
    let fault = fault(drip, PATIENT).await;
    assert_eq!((fault.class, fault.retry_after_secs), (FaultClass::RateLimited, Some(5)));
}

#[tokio::test]
async fn a_redirect_is_reported_and_no_credential_reaches_the_other_host() {
    let other = StandIn::saying(Say::json("{}")).await;
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect"] {
        let location = format!("location: {}login?token={TOKEN}\r\n", other.url);
        let server = StandIn::saying(Say::answer(status, &location, "")).await;
        let mut settings = http(&server.url);
        settings.credentials = Some(Credentials::Bearer(TOKEN.into()));
        settings.headers = vec![("X-API-Key".into(), TOKEN.into())];
        for call in [Call::Get(&[]), Call::Form(&[("query", "up")])] {
            let fault = ask(&settings, call, PATIENT).await.unwrap_err().fault();
            assert_eq!(fault.class, FaultClass::Redirected);
            let target = format!("redirects to 127.0.0.1:{} (HTTP 30", other.url.port().unwrap());
            assert!(fault.message.as_str().contains(&target) && !fault.message.as_str().contains(TOKEN), "{fault:?}");
        }
        assert!(server.asked()[0].contains(&format!("authorization: Bearer {TOKEN}")));
    }
    assert_eq!(other.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_backend_that_sends_our_secrets_back_does_not_get_them_onto_the_screen() {
    let server = StandIn::new(|request| Say::answer("403 Forbidden", "", request.replace(['\r', '\n'], " "))).await;
    let echo = StandIn::new(|request| Say::answer("400 Bad Request", "", request.replace(['\r', '\n'], " "))).await;
    let cut = StandIn::new(|request| Say::answer("400 Bad Request", "", "x".repeat(160) + &request.replace(['\r', '\n'], " "))).await;
    for server in [&server, &echo, &cut] {
        let mut base = server.url.clone();
        base.set_query(Some("key=s3cret-query"));
        base.set_username("maya").unwrap();
        base.set_password(Some("s3cret-login")).unwrap();
        for credentials in
            [None, Some(Credentials::Bearer(TOKEN.into())), Some(Credentials::Basic { username: "maya".into(), password: TOKEN.into() })]
        {
            let settings = HttpSettings { credentials, headers: vec![("X-API-Key".into(), "s3cret-key".into())], ..http(&base) };
            let failure = ask(&settings, Call::Get(&[]), PATIENT).await.unwrap_err();
            let shown = format!("{failure:?}");
            assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0") && !shown.contains("bWF5YTpzM2"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_fails_tells_whether_the_request_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let refused = ask(&http(&url), Call::Json("{}"), PATIENT).await.unwrap_err();
    assert_eq!(refused.reached, Reached::Unsent);
    let fault = refused.fault();
    assert_eq!(fault.class, FaultClass::Unreachable);
    assert!(fault.message.as_str().contains("Connection refused"), "{fault:?}");
    let server = StandIn::saying(Say::HangUp).await;
    let lost = ask(&http(&server.url), Call::Json("{}"), PATIENT).await.unwrap_err();
    assert_eq!((lost.reached, lost.fault().class), (Reached::Perhaps, FaultClass::Unreachable));
    let server = StandIn::saying(Say::Nothing).await;
    assert_eq!(ask(&http(&server.url), Call::Json("{}"), SHORT).await.unwrap_err().reached, Reached::Perhaps);
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_matter_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let settings = HttpSettings { insecure: true, ..http(&url) };
    let failure = ask(&settings, Call::Get(&[]), PATIENT).await.unwrap_err();
    assert_eq!(failure.reached, Reached::Unsent);
    assert_eq!(failure.fault().class, FaultClass::Tls);
    server.await.unwrap();
}

#[tokio::test]
async fn an_address_keeps_its_prefix_and_its_query_and_gives_its_login_away_only_as_a_header() {
    let server = StandIn::saying(Say::json("{}")).await;
    let port = server.url.port().unwrap();
    let base: Url = format!("http://maya:p%40ss@127.0.0.1:{port}/prometheus/?tenant=a").parse().unwrap();
    let settings = HttpSettings { headers: vec![("X-Scope-OrgID".into(), "acme".into())], ..http(&base) };
    ask(&settings, Call::Get(&[("query", "up{a=\"b\"}")]), PATIENT).await.unwrap();
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("GET /prometheus/api/v1/query?tenant=a&query=up%7Ba%3D%22b%22%7D HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Basic bWF5YTpwQHNz\r\n") && asked.contains("x-scope-orgid: acme\r\n"), "{asked}");
    let shown = Address::new(&base).unwrap().shown();
    assert!(!shown.as_str().contains("maya") && !shown.as_str().contains("tenant"), "{shown}");
    let other = Address::new(&format!("http://127.0.0.1:{port}/prometheus/?tenant=b").parse().unwrap()).unwrap().shown();
    assert_ne!(shown, other);
}

#[tokio::test]
async fn the_date_of_an_answer_tells_the_skew() {
    let say = |date: &str| Say::answer("200 OK", &format!("date: {date}\r\n"), "{}");
    for (date, skew) in [("Sun, 22 Nov 2026 09:10:00 GMT", Some(0.25)), ("Sun, 22 Nov 2026 09:11:00 GMT", Some(60.25)), ("soon", None)] {
        let server = StandIn::saying(say(date)).await;
        assert_eq!(ask(&http(&server.url), Call::Get(&[]), PATIENT).await.unwrap().skew, skew);
    }
}

#[test]
fn settings_that_cannot_be_used_name_their_key_and_no_secret() {
    let base: Url = "https://prom.example".parse().unwrap();
    let key = |settings: &HttpSettings| {
        let address = Address::new(&settings.base)?;
        Http::new(&SourceName::new("prom"), settings, &[address], "*/*").map(|_| ())
    };
    let bad = [
        ("url", HttpSettings::new("mailto:maya@acme.io".parse().unwrap())),
        ("headers", HttpSettings { headers: vec![("X-Key".into(), "s3cret\n".into())], ..http(&base) }),
        ("headers", HttpSettings { headers: vec![("X Key".into(), "s3cret".into())], ..http(&base) }),
        ("token", HttpSettings { credentials: Some(Credentials::Bearer("s3cret\n".into())), ..http(&base) }),
        ("ca_file", HttpSettings { ca_file: Some("/nowhere/ca.pem".into()), ..http(&base) }),
        ("ca_file", HttpSettings { ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()), ..http(&base) }),
        ("client_cert", HttpSettings { client_cert: Some("cert.pem".into()), ..http(&base) }),
        ("client_key", HttpSettings { client_key: Some("key.pem".into()), ..http(&base) }),
    ];
    for (expected, settings) in bad {
        let error = key(&settings).unwrap_err();
        assert_eq!(error.key, expected, "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
