//! A real Redis for tests, the libraries that fill it, a proxy that counts round trips, and a stand-in that lies.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{poll, server::free_port};

/// A `redis-server` with data of its own.
pub struct Redis {
    pub port: u16,
    pub files: TempDir,
    arguments: Vec<String>,
    child: Child,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(|_| Vec::new())
    }

    /// With more arguments, which may name files in its folder.
    pub fn with(arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let (files, port) = (TempDir::new().unwrap(), free_port());
        let mut all = ["--bind", "127.0.0.1", "--save", "", "--port"].map(str::to_owned).to_vec();
        all.extend([port.to_string(), "--dir".into(), files.path().display().to_string()]);
        all.extend(arguments(files.path()));
        let child = spawn(&all);
        let redis = Self { port, files, arguments: all, child };
        redis.wait_until_ready();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it says to one command, as `redis-cli` prints it.
    pub fn say(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output().expect("cannot start redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Carries out commands, each a list of words that may hold anything.
    pub fn feed(&self, commands: &[Vec<Vec<u8>>]) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let mut reader = stream.try_clone().unwrap();
        // It answers as it goes, so somebody must listen.
        let listener = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        for words in commands {
            stream.write_all(&encode(words)).unwrap();
        }
        stream.write_all(&encode(&[b"QUIT".to_vec()])).unwrap();
        let said = listener.join().unwrap().unwrap();
        let refused = said.split(|b| *b == b'\n').find(|line| line.starts_with(b"-"));
        assert!(refused.is_none(), "{}", String::from_utf8_lossy(refused.unwrap_or_default()));
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets it fall silent, as behind a network that is cut, or speak again.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("the Redis is gone");
    }

    /// The same once more, on the same port and data.
    pub fn start_again(&mut self) {
        self.kill();
        self.child = spawn(&self.arguments);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let answers = |said: String| ["PONG", "NOAUTH"].iter().any(|word| said.starts_with(word));
        assert!(poll(|| answers(self.say(&["ping"])).then_some(())).is_some(), "redis-server is not ready on port {}", self.port);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("cannot start redis-server")
}

/// Words as they are sent.
pub fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}

/// A command whose words are texts.
pub fn words(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The folder of the queue libraries that `tests/queue-libraries` installs.
pub fn libraries() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("BURNWATCH_QUEUE_LIBRARIES").map_or_else(|| root.join("target/queue-libraries"), |folder| root.join(folder))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/queues").join(name)
}

/// Python, with the libraries at hand and no bytecode left behind.
pub fn python(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(libraries().join("venv/bin/python"));
    command.args(arguments).current_dir(fixture("")).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", fixture(""));
    command.envs(environment.iter().copied());
    command
}

/// `bullmq.cjs` with these arguments.
pub fn bullmq(redis: &Redis, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(fixture("bullmq.cjs")).arg(libraries()).arg(redis.port.to_string()).args(arguments);
    command
}

/// The last line that a command prints, as JSON.
pub fn told(mut command: Command) -> Value {
    let output = command.output().unwrap_or_else(|e| panic!("cannot start {}: {e}", command.get_program().display()));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// A worker of one of the libraries, which ends with this value.
pub struct Worker(Child);

impl Worker {
    pub fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cannot start a worker"))
    }
    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
    /// Lets it end in its own way.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the worker is gone");
        let _ = self.0.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Between a client and a Redis: counts the round trips, each a batch of commands whose answers are awaited, and the commands.
pub struct Counting {
    pub port: u16,
    trips: Arc<AtomicUsize>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Counting {
    pub fn before(redis: &Redis) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, behind) = (listener.local_addr().unwrap().port(), redis.port);
        let (trips, commands) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let proxy = Self { port, trips: Arc::clone(&trips), commands: Arc::clone(&commands) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).unwrap();
                let (trips, commands) = (Arc::clone(&trips), Arc::clone(&commands));
                thread::spawn(move || relay(client, server, &trips, &commands));
            }
        });
        proxy
    }
    /// Round trips since the last look.
    pub fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }
    /// The words that the commands since the last look began with.
    pub fn commands(&self) -> Vec<String> {
        std::mem::take(&mut *self.commands.lock().unwrap())
    }
}

fn relay(mut client: TcpStream, mut server: TcpStream, trips: &AtomicUsize, commands: &Mutex<Vec<String>>) {
    let open = Arc::new(AtomicUsize::new(0));
    let (mut back, mut from_server, answered) = (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&open));
    let answers = thread::spawn(move || {
        let (mut pending, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while let Some(count) = from_server.read(&mut buffer).ok().filter(|n| *n > 0) {
            pending.extend(&buffer[..count]);
            while let Some(length) = reply(&pending) {
                pending.drain(..length);
                answered.fetch_sub(1, Ordering::SeqCst);
            }
            if back.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Both);
    });
    let (mut pending, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while let Some(count) = client.read(&mut buffer).ok().filter(|n| *n > 0) {
        pending.extend(&buffer[..count]);
        while let Some((length, words)) = command(&pending) {
            pending.drain(..length);
            if open.fetch_add(1, Ordering::SeqCst) == 0 {
                trips.fetch_add(1, Ordering::SeqCst);
            }
            commands.lock().unwrap().push(words.first().map(|w| String::from_utf8_lossy(w).into_owned()).unwrap_or_default());
        }
        if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = answers.join();
}

/// The length of the first reply, if it is whole.
fn reply(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..end - 2]).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' if number()? >= 0 => Some(end + number()? as usize + 2).filter(|length| bytes.len() >= *length),
        b'*' => {
            let mut length = end;
            for _ in 0..number()?.max(0) {
                length += reply(&bytes[length..])?;
            }
            Some(length)
        }
        _ => Some(end),
    }
}

/// The first command and its length, if it is whole.
fn command(bytes: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let line = |from: usize| Some(from + bytes[from..].windows(2).position(|two| two == b"\r\n")? + 2);
    let number = |from: usize, end: usize| std::str::from_utf8(&bytes[from + 1..end - 2]).ok()?.parse::<usize>().ok();
    let mut at = line(0)?;
    let mut words = Vec::new();
    for _ in 0..number(0, at)? {
        let begin = line(at)?;
        let end = begin + number(at, begin)?;
        words.push(bytes.get(begin..end)?.to_vec());
        at = end + 2;
    }
    (bytes.len() >= at).then_some((at, words))
}

/// What a stand-in says to one command.
pub enum Lie {
    /// These bytes.
    Say(Vec<u8>),
    /// These bytes, and then it hangs up.
    Cut(Vec<u8>),
    /// These bytes, one each 50 ms, again and again.
    Drip(Vec<u8>),
    /// The first bytes, and then the others without an end, or until the other side has had enough.
    Flood(&'static [u8], &'static [u8]),
    /// Nothing.
    Nothing,
}

/// A server that speaks like a Redis and says what a test tells it to say.
pub struct Liar {
    pub port: u16,
    closing: Arc<AtomicBool>,
}

impl Liar {
    pub fn start(lie: impl Fn(&[Vec<u8>]) -> Lie + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (closing, lie) = (Arc::new(AtomicBool::new(false)), Arc::new(lie));
        let liar = Self { port, closing: Arc::clone(&closing) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let lie = Arc::clone(&lie);
                thread::spawn(move || serve(stream, &*lie));
            }
        });
        liar
    }
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(mut stream: TcpStream, lie: &dyn Fn(&[Vec<u8>]) -> Lie) {
    let (mut pending, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while let Some(count) = stream.read(&mut buffer).ok().filter(|n| *n > 0) {
        pending.extend(&buffer[..count]);
        while let Some((length, words)) = command(&pending) {
            pending.drain(..length);
            let said = match lie(&words) {
                Lie::Say(bytes) => stream.write_all(&bytes),
                Lie::Cut(bytes) => {
                    let _ = stream.write_all(&bytes);
                    let _ = stream.shutdown(Shutdown::Both);
                    return;
                }
                Lie::Drip(bytes) => bytes.iter().cycle().try_for_each(|byte| {
                    thread::sleep(Duration::from_millis(50));
                    stream.write_all(&[*byte])
                }),
                Lie::Flood(head, bytes) => {
                    let piece = bytes.repeat(4_096);
                    stream.write_all(head).and_then(|()| std::iter::repeat(()).try_for_each(|()| stream.write_all(&piece)))
                }
                Lie::Nothing => Ok(()),
            };
            if said.is_err() {
                return;
            }
        }
    }
}
