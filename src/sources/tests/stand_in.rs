//! A stand-in for a server: says what it was told to say, byte by byte, and remembers what it was asked. For tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

use super::super::settings::{Deadlines, HttpSettings};
use crate::domain::{Definition, DefinitionId, Objective, Ratio, Side, Sli, SourceName, Text, Window, workbook};

/// What is said on one connection.
#[derive(Clone, Debug)]
pub enum Say {
    /// These bytes, then the connection ends.
    Bytes(Vec<u8>),
    /// A head, then these bytes again and again until the other side has had enough.
    Endless(String, Vec<u8>),
    /// A head, then one byte every few milliseconds, for ever.
    Drip(String),
    /// Nothing, for ever.
    Nothing,
    /// Nothing, and the connection ends once the request was read.
    HangUp,
}

impl Say {
    /// An answer with a body; `head` holds more lines.
    pub fn answer(status: &str, head: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{head}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }
    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::answer("200 OK", "content-type: application/json\r\n", body)
    }
}

/// A server on loopback; it ends with this value.
pub struct StandIn {
    pub url: Url,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl StandIn {
    /// Says what `script` says to each request, which is given whole: head and body.
    pub async fn new(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, script) = (asked.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (seen.clone(), script.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &seen, &*script).await;
                });
            }
        });
        Self { url, asked, task }
    }
    /// Says the same to everybody.
    pub async fn saying(say: Say) -> Self {
        Self::new(move |_| say.clone()).await
    }
    /// Requests so far, each with its head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, script: &(dyn Fn(&str) -> Say + Send + Sync)) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    seen.lock().unwrap().push(request.clone());
    match script(&request) {
        Say::Bytes(bytes) => stream.write_all(&bytes).await?,
        Say::Endless(head, chunk) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Say::Drip(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Say::Nothing => std::future::pending().await,
        Say::HangUp => {}
    }
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = |head: &str| {
            let line = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(|v| v.trim().to_owned()));
            line.and_then(|v| v.parse::<usize>().ok()).unwrap_or(0)
        };
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if body.len() >= length(head) => return Ok(text),
            _ if n == 0 => return Ok(text),
            _ => {}
        }
    }
}

/// Ten minutes past nine on a Sunday.
pub fn sunday() -> DateTime<Utc> {
    "2026-11-22T09:10:00.250Z".parse().unwrap()
}

pub fn http(url: &Url) -> HttpSettings {
    HttpSettings::new(url.clone())
}

/// Deadlines that a test waits for at most once.
pub fn deadlines() -> Deadlines {
    Deadlines { short: Duration::from_millis(1_500), long: Duration::from_secs(3) }
}

/// Deadlines that a test never waits for.
pub fn patient() -> Deadlines {
    Deadlines { short: Duration::from_secs(30), long: Duration::from_mins(1) }
}

/// 99.9 % of requests in 30 days without a 5xx, of the source `prom`.
pub fn definition(name: &str, by: &[&str]) -> Definition {
    let period = Window::days(30);
    Definition {
        id: DefinitionId::new(name),
        name: Text::clean(name),
        source: SourceName::new("prom"),
        by: by.iter().map(|l| (*l).to_owned()).collect(),
        service: None,
        objective: Objective::new(0.999).unwrap(),
        overrides: std::collections::BTreeMap::default(),
        period,
        sli: Sli::Ratio(Ratio {
            part: Side::Good,
            selector: r#"http_requests_total{code!~"5.."}"#.parse().unwrap(),
            total: "http_requests_total".parse().unwrap(),
            missing_is_zero: true,
        }),
        rules: workbook(period),
        min_events: 0.0,
        qualified: false,
    }
}
