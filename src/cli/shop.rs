//! `burnwatch shop`: an order to the practice fleet, for the steps of its runbooks.
//!
//! A step is an ordinary command that works with nothing installed: the drill's folder holds a script `shop` beside the runbooks, which
//! names this program and, in its environment, the address at which its fleet takes orders. Nobody else needs this command, so it is
//! not in the help.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::run::{Code, print};
use crate::{config::environment, domain::clean, fleet::Order};

/// The variable in which the script says where orders are taken.
pub const ADDRESS: &str = "BURNWATCH_SHOP";

/// How long the fleet may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Give the fleet an order and print what came of it.
pub fn order(words: &[String]) -> Result<Code> {
    let order: Order = match words.join(" ").parse() {
        Ok(order) => order,
        Err(why) => {
            eprintln!("burnwatch shop: {}", clean(&format!("{why}")));
            return Ok(Code::Usage);
        }
    };
    let address = environment(ADDRESS).and_then(|a| a.into_string().ok());
    let address = address.with_context(|| format!("no practice fleet is named by {ADDRESS}; a drill's script `shop` does that"))?;
    let (status, body) = post(&address, &order)?;
    print(&body)?;
    Ok(if status == 200 { Code::Yes } else { Code::No })
}

/// Send it; the status and the text of the answer.
fn post(address: &str, order: &Order) -> Result<(u16, String)> {
    let rest = address.strip_prefix("http://").context("the practice fleet's address is no address")?;
    let (place, path) = rest.split_once('/').context("the practice fleet's address has no path")?;
    let place: SocketAddr = place.parse().context("the practice fleet's address is no address")?;
    ensure!(place.ip().is_loopback(), "the practice fleet is on loopback, and {place} is not");
    let gone = "the practice fleet does not answer; the drill is over";
    let mut stream = TcpStream::connect_timeout(&place, PATIENCE).context(gone)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let words = order.to_string().replace(' ', "/");
    write!(stream, "POST /{path}{words} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n").context(gone)?;
    let mut answer = String::new();
    stream.take(64 * 1_024).read_to_string(&mut answer).context(gone)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{gone}") };
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}
