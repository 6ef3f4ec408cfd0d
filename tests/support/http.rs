//! The few words of HTTP that a test needs to speak to a server of its own on loopback: HTTP/1.0, one request a connection, so that the
//! answer is simply what comes until the connection closes.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use super::DEADLINE;

/// What a server said: status and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    request(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

pub fn delete(port: u16, path: &str) -> io::Result<Answer> {
    request(port, &format!("DELETE {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

/// Sends `body` as `kind`, for instance `application/json`.
pub fn post(port: u16, path: &str, kind: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    request(port, &format!("POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn request(port: u16, text: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, body: body.to_owned() })
}
