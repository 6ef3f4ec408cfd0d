//! One request on a connection of its own, and as much of the answer as is wanted.

use std::time::Instant;

use http_body_util::{BodyExt, Empty};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT_ENCODING, CONNECTION, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use super::{
    super::failure::innermost,
    line::{Broken, Trace, since},
};
use crate::domain::FaultClass;

/// An answer, read to its end or to the cap.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub whole: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a Method,
    pub url: &'a Url,
    pub headers: &'a HeaderMap,
    /// The most bytes of a body that are read.
    pub cap: usize,
}

/// Ask on `stream`, which is used for nothing else.
pub async fn fetch<S>(stream: S, asked: Asked<'_>, trace: &mut Trace) -> Result<Page, Broken>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = request(asked)?;
    let start = Instant::now();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| hung_up(&e))?;
    tokio::pin!(connection);
    let talk = async {
        let response = sender.send_request(request).await.map_err(|e| hung_up(&e))?;
        trace.phases.first_byte = Some(since(start));
        let (head, body) = response.into_parts();
        let (body, whole) = read(body, asked.cap).await?;
        Ok(Page { status: head.status, headers: head.headers, body, whole })
    };
    tokio::pin!(talk);
    tokio::select! {
        page = &mut talk => page,
        // The connection is at its end; what it brought is still to be taken.
        _ = &mut connection => talk.await,
    }
}

fn request(asked: Asked<'_>) -> Result<Request<Empty<Bytes>>, Broken> {
    let odd = || Broken::theirs(FaultClass::Rejected, "its address cannot be sent in HTTP; check `url`");
    // Positions of an address are always places in it.
    let path = asked.url[Position::BeforePath..Position::AfterQuery].to_owned();
    let mut request = Request::builder().method(asked.method).uri(path).body(Empty::new()).map_err(|_| odd())?;
    let host = &asked.url[Position::BeforeHost..Position::AfterPort];
    let headers = request.headers_mut();
    headers.extend(asked.headers.clone());
    headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| odd())?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("burnwatch/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// The body up to `cap`, and whether that is all of it.
async fn read(mut body: Incoming, cap: usize) -> Result<(Vec<u8>, bool), Broken> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Broken::theirs(FaultClass::Malformed, format!("its answer broke off ({})", innermost(&e))))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = cap.saturating_sub(all.len());
        all.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}

fn hung_up(error: &hyper::Error) -> Broken {
    if error.is_parse() {
        return Broken::theirs(FaultClass::Malformed, format!("what it answers is no HTTP ({error}); check the port"));
    }
    Broken::theirs(FaultClass::Unreachable, format!("hung up without an answer ({}); look at the server", innermost(error)))
}
