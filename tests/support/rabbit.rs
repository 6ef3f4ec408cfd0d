//! A RabbitMQ that a test starts for itself, with workers that really take from its queues.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DEADLINE, poll_within, server::free_port};

/// A broker takes its time to start, more so beside other tests.
const START: Duration = Duration::from_mins(2);
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// A broker on loopback; ended with this value.
pub struct Rabbit {
    pub port: u16,
    stomp: u16,
    names: u16,
    nodes: u16,
    files: TempDir,
    child: Option<Child>,
}

impl Rabbit {
    /// Starts it, and waits until its management answers.
    pub fn start() -> Self {
        let files = TempDir::new().unwrap();
        let [port, stomp, names, nodes, amqp] = [(); 5].map(|()| free_port());
        let config = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp}\nstomp.listeners.tcp.1 = 127.0.0.1:{stomp}\nmanagement.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {port}\nmanagement.http_log_dir = {}\ncollect_statistics_interval = 500\n",
            files.path().join("asked").display()
        );
        fs::write(files.path().join("rabbitmq.conf"), config).unwrap();
        fs::write(files.path().join("enabled_plugins"), "[rabbitmq_management,rabbitmq_stomp].\n").unwrap();
        let mut rabbit = Self { port, stomp, names, nodes, files, child: None };
        rabbit.start_again();
        rabbit
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
        }
    }

    /// The same broker on the same files once more.
    pub fn start_again(&mut self) {
        self.kill();
        let mut command = self.program("rabbitmq-server");
        let log = fs::File::options().create(true).append(true).open(self.files.path().join("out")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        self.child = Some(command.spawn().unwrap());
        let ready = poll_within(START, || self.call("GET", "/api/overview", None).ok().filter(|(status, _)| *status == 200));
        assert!(ready.is_some(), "no RabbitMQ: {}", fs::read_to_string(self.files.path().join("out")).unwrap_or_default());
    }

    /// One of RabbitMQ's own programs, which finds this broker and no other.
    fn program(&self, name: &str) -> Command {
        let file = |name: &str| self.files.path().join(name).into_os_string();
        let mut command = Command::new(PathBuf::from(PROGRAMS).join(name));
        command.env("HOME", self.files.path()).current_dir(self.files.path());
        for (name, at) in [
            ("RABBITMQ_MNESIA_BASE", "mnesia"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_CONF_ENV_FILE", "none.conf"),
            ("RABBITMQ_PID_FILE", "pid"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
            ("RABBITMQ_SCHEMA_DIR", "schema"),
            ("ERL_CRASH_DUMP", "erl_crash.dump"),
        ] {
            command.env(name, file(at));
        }
        command.env("RABBITMQ_NODENAME", format!("burnwatch{}@localhost", self.port));
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        command.env("RABBITMQ_DIST_PORT", self.nodes.to_string());
        command.env("ERL_EPMD_PORT", self.names.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }

    /// What the broker's own tool says of a queue of the usual virtual host: ready, unacknowledged, consumers.
    pub fn reported(&self, queue: &str) -> (u64, u64, u64) {
        let columns = ["name", "messages_ready", "messages_unacknowledged", "consumers"];
        let output = self.program("rabbitmqctl").args(["-q", "list_queues", "--formatter", "json"]).args(columns).output().unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e} in {output:?}"));
        let row = rows.into_iter().find(|row| row["name"] == queue).unwrap();
        let number = |key: &str| row[key].as_u64().unwrap();
        (number("messages_ready"), number("messages_unacknowledged"), number("consumers"))
    }

    /// Makes durable queues.
    pub fn declare(&self, names: impl IntoIterator<Item = String>) {
        let queue = |name| json!({"name": name, "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}});
        let queues: Vec<Value> = names.into_iter().map(queue).collect();
        let (status, body) = self.call("POST", "/api/definitions", Some(&json!({"queues": queues}))).unwrap();
        assert!((200..300).contains(&status), "{status} {body}");
    }

    /// Puts `count` messages into a queue, published so many seconds ago as they say themselves.
    pub fn publish(&self, queue: &str, count: usize, ago: i64) {
        let at = chrono::Utc::now().timestamp() - ago;
        let properties = json!({"delivery_mode": 2, "timestamp": at});
        let message = json!({"properties": properties, "routing_key": queue, "payload": "x", "payload_encoding": "string"});
        for _ in 0..count {
            let (status, body) = self.call("POST", "/api/exchanges/%2F/amq.default/publish", Some(&message)).unwrap();
            assert!(status == 200 && body.contains("true"), "{status} {body}");
        }
    }

    /// How often queues have been asked for since it was first started.
    pub fn asked_for_queues(&self) -> usize {
        let logs = fs::read_dir(self.files.path().join("asked")).unwrap().filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        logs.map(|text| text.matches("GET /api/queues").count()).sum()
    }

    /// Somebody who takes from a queue until told to stop.
    pub fn worker(&self, queue: &str) -> Worker {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.stomp)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut to = stream.try_clone().unwrap();
        let mut from = BufReader::new(stream.try_clone().unwrap());
        to.write_all(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n\0").unwrap();
        let connected = frame(&mut from).unwrap_or_default();
        assert!(connected.starts_with("CONNECTED"), "{connected}");
        let subscribe = format!("SUBSCRIBE\nid:1\ndestination:/amq/queue/{queue}\nack:client-individual\nprefetch-count:5\n\n\0");
        to.write_all(subscribe.as_bytes()).unwrap();
        let thread = std::thread::spawn(move || {
            while let Some(message) = frame(&mut from) {
                let Some(id) = message.lines().find_map(|line| line.strip_prefix("ack:")) else { continue };
                if to.write_all(format!("ACK\nid:{id}\n\n\0").as_bytes()).is_err() {
                    return;
                }
            }
        });
        Worker { stream, thread: Some(thread) }
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<(u16, String)> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let head = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nContent-Type: application/json";
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        // The name server of Erlang outlives what started it; this one is of this broker alone.
        let end = || Command::new("epmd").arg("-kill").env("ERL_EPMD_PORT", self.names.to_string()).output().ok();
        poll_within(DEADLINE, || end().filter(|output| String::from_utf8_lossy(&output.stdout).contains("Killed")));
    }
}

/// Somebody who takes from a queue; stopped with this value.
pub struct Worker {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The next frame; `None` at the end.
fn frame(from: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    from.read_until(0, &mut bytes).ok().filter(|n| *n > 0)?;
    Some(String::from_utf8_lossy(&bytes).trim_start_matches('\n').trim_end_matches('\0').to_owned())
}
