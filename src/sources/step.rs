//! A request of a runbook: sent once, to exactly the address that was shown, with no credential of any source.
//!
//! Its deadlines, its cap and its refusal to be sent elsewhere are those of every call; a status that is no success is an answer too.

use std::{str::FromStr, time::Duration};

use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use tokio::time::timeout;

use super::{address::Address, failure::innermost};
use crate::domain::{HttpCall, clean};

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its bytes, unpacked, up to the cap.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Whether it may have arrived all the same.
    pub perhaps_done: bool,
    /// What happened.
    pub why: String,
}

/// Send `call` and wait for the whole answer, at most `limit`; of its body `most` bytes are kept.
pub async fn send(call: &HttpCall, limit: Duration, most: u64) -> Result<Answered, Unanswered> {
    let unsent = |why: String| Unanswered { perhaps_done: false, why: clean(&why).into_owned() };
    let url = url::Url::parse(call.url.raw()).map_err(|e| unsent(format!("the address cannot be read: {e}")))?;
    let address = Address::new(&url).map_err(|e| unsent(e.to_string()))?;
    let client = client(&address).map_err(|e| unsent(innermost(&e)))?;
    let method = Method::from_str(&call.method).map_err(|_| unsent(format!("`{}` is no method", call.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        let name = HeaderName::from_str(name).map_err(|_| unsent(format!("`{name}` cannot be sent as a header")))?;
        headers.append(name, HeaderValue::from_str(value.raw()).map_err(|_| unsent("a header's value cannot be sent".to_owned()))?);
    }
    let request = client.request(method, address.url().clone()).headers(headers).body(call.body.raw().to_owned());
    let exchange = async {
        let mut response = request.send().await.map_err(|e| {
            let perhaps_done = !(e.is_connect() || e.is_builder());
            Unanswered { perhaps_done, why: clean(&format!("no answer from {}: {}", address.host(), innermost(&e))).into_owned() }
        })?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..chunk.len().min(room)).unwrap_or_default());
            if room <= chunk.len() {
                break;
            }
        }
        Ok(Answered { status, body })
    };
    let late = |_| {
        let why = format!("no whole answer from {} within {:.0} s", address.host(), limit.as_secs_f64());
        Err(Unanswered { perhaps_done: true, why })
    };
    timeout(limit, exchange).await.unwrap_or_else(late)
}

fn client(to: &Address) -> reqwest::Result<Client> {
    let agent = concat!("burnwatch/", env!("CARGO_PKG_VERSION"));
    let builder = Client::builder().user_agent(agent).connect_timeout(CONNECT).redirect(Policy::none()).referer(false);
    let builder = if to.is_loopback() { builder.no_proxy() } else { builder };
    // Without TLS the certificates of the system need not be read, or be there.
    if to.is_tls() { builder.build() } else { builder.tls_certs_only([]).build() }
}
