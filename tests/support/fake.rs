//! A server that says what a test tells it to say, sense or nonsense, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

/// What is said on one connection, after which it ends.
#[derive(Clone, Debug)]
pub enum Say {
    /// An answer: status line without the version, more header lines (each with its line end), body.
    Answer(&'static str, String, Vec<u8>),
    /// An answer that promises more bytes than come.
    Cut(Vec<u8>),
    /// An answer of a length not told: header lines, then this piece so many times, or until the other side has had enough.
    Endless(String, Arc<Vec<u8>>, usize),
    /// Nothing, for as long as the server lives.
    Nothing,
}

impl Say {
    pub fn ok(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer("200 OK", format!("content-type: {kind}\r\n"), body.into())
    }
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::ok("application/json", body)
    }
    /// A page in the text format.
    pub fn page(body: impl Into<Vec<u8>>) -> Self {
        Self::ok("text/plain; version=0.0.4", body)
    }
}

#[derive(Default)]
struct Seen {
    asked: Vec<String>,
    closing: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Seen>, Condvar)>);

impl Shared {
    fn with<T>(&self, take: impl FnOnce(&mut Seen) -> T) -> T {
        let done = take(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
        done
    }
    fn wait_for_the_end(&self) {
        let seen = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_while(seen, |seen| !seen.closing));
    }
}

/// A server on a port of its own; gone with this value, and every connection that it holds with it.
pub struct Fake {
    pub address: SocketAddr,
    shared: Shared,
    listening: Option<JoinHandle<()>>,
}

impl Fake {
    /// Says what `script` says to a request, which is given whole: head, empty line, body.
    pub fn start(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, script)
    }

    pub fn at(host: Ipv4Addr, script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("no free port on loopback");
        let address = listener.local_addr().unwrap();
        let (shared, script) = (Shared::default(), Arc::new(script));
        let listening = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.with(|seen| seen.closing) {
                        return;
                    }
                    let (shared, script) = (shared.clone(), script.clone());
                    std::thread::spawn(move || serve(stream, &shared, &*script));
                }
            }
        });
        Self { address, shared, listening: Some(listening) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.with(|seen| seen.asked.clone())
    }

    /// How often each path was asked, without its query.
    pub fn paths(&self) -> BTreeMap<String, usize> {
        let mut paths = BTreeMap::new();
        for request in self.asked() {
            *paths.entry(path(&request).to_owned()).or_insert(0) += 1;
        }
        paths
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.with(|seen| seen.closing = true);
        // The listening thread waits for a connection: this is the last.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(listening) = self.listening.take().filter(|_| woken) {
            let _ = listening.join();
        }
    }
}

/// The path of a request, without its query.
pub fn path(request: &str) -> &str {
    let target = request.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

fn serve(mut stream: TcpStream, shared: &Shared, script: &(dyn Fn(&str) -> Say + Send + Sync)) {
    let Some(request) = read(&mut stream) else { return };
    shared.with(|seen| seen.asked.push(request.clone()));
    // The other side may hang up whenever it likes.
    let _ = match script(&request) {
        Say::Answer(status, head, body) => answer(&mut stream, status, &head, &body, body.len()),
        Say::Cut(body) => answer(&mut stream, "200 OK", "", &body, body.len() + 1_000),
        Say::Endless(head, piece, times) => endless(&mut stream, &head, &piece, times),
        Say::Nothing => {
            shared.wait_for_the_end();
            Ok(())
        }
    };
}

fn answer(stream: &mut TcpStream, status: &str, head: &str, body: &[u8], length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{head}\r\n")?;
    stream.write_all(body)
}

fn endless(stream: &mut TcpStream, head: &str, piece: &[u8], times: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n{head}\r\n")?;
    for _ in 0..times {
        stream.write_all(piece)?;
    }
    Ok(())
}

/// A request to its end; `None` if the other side hung up before.
fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend(buffer.get(..count)?);
    }
}
