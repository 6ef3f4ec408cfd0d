//! As much of HTTP/1.1 as a metrics page and an order need: heads are read, pages are written, everything else is refused politely.
//!
//! Whoever connects may be slow, broken or hostile. A head is at most 8 KiB and arrives within a deadline; a request with a body is
//! refused, so nothing that follows it can be mistaken for a request; after a refusal the connection ends.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 8 * 1_024;
/// How long a connection may be idle, or a head under way.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may take to leave, and how long the rest of a refused request is listened to.
const PARTING: Duration = Duration::from_secs(5);

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The path, without query.
    pub(super) path: String,
    /// What is to be done with it.
    pub(super) method: Method,
    /// Whether another request may follow on this connection.
    pub(super) keep_alive: bool,
}

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Show it.
    Get,
    /// Show only the head of the answer.
    Head,
    /// Do what it says.
    Post,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Status code and reason: `200 OK`.
    pub(super) status: &'static str,
    /// Media type of the body.
    pub(super) media_type: &'static str,
    /// The body.
    pub(super) body: String,
}

impl Page {
    /// A page that says only `status`.
    pub(super) fn bare(status: &'static str) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", body: format!("{status}\n") }
    }
}

/// One client's connection.
pub(super) struct Connection {
    stream: TcpStream,
    /// What was received and not yet understood.
    received: Vec<u8>,
}

impl Connection {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new() }
    }
    /// The next request; `None` once the client has gone or says nothing; the inner error is the status of a refusal.
    pub(super) async fn next(&mut self) -> io::Result<Option<Result<Request, &'static str>>> {
        timeout(PATIENCE, self.head()).await.unwrap_or(Ok(None))
    }
    async fn head(&mut self) -> io::Result<Option<Result<Request, &'static str>>> {
        loop {
            if let Some(end) = self.received.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.received.split_off(end + 4);
                let head = std::mem::replace(&mut self.received, rest);
                return Ok(Some(read_head(&head)));
            }
            if self.received.len() >= LONGEST_HEAD {
                return Ok(Some(Err("431 Request Header Fields Too Large")));
            }
            let room = LONGEST_HEAD.saturating_sub(self.received.len()) as u64;
            if (&mut self.stream).take(room).read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
    }
    /// Send `page` in answer to `request`.
    pub(super) async fn answer(&mut self, request: &Request, page: &Page) -> io::Result<()> {
        let Page { status, media_type, body } = page;
        let (length, connection) = (body.len(), if request.keep_alive { "keep-alive" } else { "close" });
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let body = if request.method == Method::Head { "" } else { body };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n{allow}Connection: {connection}\r\n\r\n{body}"
        );
        timeout(PARTING, self.stream.write_all(answer.as_bytes())).await?
    }
    /// Say `status` and end the connection. What still comes in is listened to for a moment: closing at once would reset the
    /// connection and take the answer with it.
    pub(super) async fn refuse(&mut self, status: &'static str) -> io::Result<()> {
        self.answer(&Request { path: String::new(), method: Method::Get, keep_alive: false }, &Page::bare(status)).await?;
        self.stream.shutdown().await?;
        let mut rest = (&mut self.stream).take(LONGEST_HEAD as u64 * 16);
        let _ = timeout(PARTING, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        Ok(())
    }
}

/// Read a whole head, its empty line included.
fn read_head(head: &[u8]) -> Result<Request, &'static str> {
    const BAD: &str = "400 Bad Request";
    let text = std::str::from_utf8(head).map_err(|_| BAD)?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(BAD);
    };
    if !target.starts_with('/') {
        return Err(BAD);
    }
    let mut keep_alive = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        v if v.starts_with("HTTP/") => return Err("505 HTTP Version Not Supported"),
        _ => return Err(BAD),
    };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" if value.trim() != "0" => return Err("413 Content Too Large"),
            "transfer-encoding" => return Err("413 Content Too Large"),
            "connection" if value.trim().eq_ignore_ascii_case("close") => keep_alive = false,
            _ => {}
        }
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    match method {
        "GET" => Ok(Request { path, method: Method::Get, keep_alive }),
        "HEAD" => Ok(Request { path, method: Method::Head, keep_alive }),
        "POST" => Ok(Request { path, method: Method::Post, keep_alive }),
        _ => Err("405 Method Not Allowed"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_are_read() {
        let get = |path: &str, keep_alive| Ok(Request { path: path.to_owned(), method: Method::Get, keep_alive });
        for (head, meant) in [
            ("GET / HTTP/1.1\r\n\r\n", get("/", true)),
            ("GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", get("/a", false)),
            ("GET /a HTTP/1.0\r\nContent-Length: 0\r\n\r\n", get("/a", false)),
            ("HEAD / HTTP/1.1\r\n\r\n", Ok(Request { path: "/".to_owned(), method: Method::Head, keep_alive: true })),
            ("POST / HTTP/1.1\r\n\r\n", Ok(Request { path: "/".to_owned(), method: Method::Post, keep_alive: true })),
            ("PUT / HTTP/1.1\r\n\r\n", Err("405 Method Not Allowed")),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Err("413 Content Too Large")),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Err("413 Content Too Large")),
            ("GET / HTTP/2.0\r\n\r\n", Err("505 HTTP Version Not Supported")),
            ("GET http://x/ HTTP/1.1\r\n\r\n", Err("400 Bad Request")),
            ("GET  / HTTP/1.1\r\n\r\n", Err("400 Bad Request")),
            ("GET /\r\n\r\n", Err("400 Bad Request")),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Err("400 Bad Request")),
            ("\r\n\r\n", Err("400 Bad Request")),
        ] {
            assert_eq!(read_head(head.as_bytes()), meant, "{head:?}");
        }
        assert_eq!(read_head(b"GET /\xff HTTP/1.1\r\n\r\n"), Err("400 Bad Request"));
    }

    proptest! {
        #[test]
        fn no_head_is_a_surprise(head in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_head(&head);
        }
    }
}
