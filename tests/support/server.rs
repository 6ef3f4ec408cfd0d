//! Servers that a test starts for itself: each on a free port of loopback, ready when it says so itself, gone with its handle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{http, poll};

/// Ports that this test program gave out: none is given twice.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of loopback on which nobody listens.
pub fn free_port() -> u16 {
    poll(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = listener.local_addr().ok()?.port();
        GIVEN.lock().unwrap().insert(port).then_some(port)
    })
    .expect("no free port on loopback")
}

/// A process that listens on a port.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    command: Command,
    ready: &'static str,
    log: PathBuf,
    child: Child,
}

impl Server {
    /// Starts `command`, whose standard error goes to `log`, and waits until `ready` answers 200 on `port`.
    pub fn start(mut command: Command, port: u16, ready: &'static str, log: &Path) -> Self {
        let child = spawn(&mut command, log);
        let mut server = Self { port, command, ready, log: log.to_owned(), child };
        server.wait_until_ready();
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash does: nothing is said to anyone, and its port refuses connections.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The same command on the same port once more.
    pub fn start_again(&mut self) {
        self.kill();
        self.child = spawn(&mut self.command, &self.log);
        self.wait_until_ready();
    }

    /// Lets it hang: connections are taken, and no answer comes.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is gone");
    }

    fn wait_until_ready(&mut self) {
        let mut gone = None;
        poll(|| {
            gone = self.child.try_wait().unwrap();
            let ready = http::get(self.port, self.ready).is_ok_and(|answer| answer.status == 200);
            (gone.is_some() || ready).then_some(())
        });
        let ready = gone.is_none() && http::get(self.port, self.ready).is_ok_and(|answer| answer.status == 200);
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(ready, "{} is not ready on port {} (ended: {gone:?})\n{}", self.command.get_program().display(), self.port, log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()))
}

/// A Prometheus over a folder of data.
#[derive(Debug)]
pub struct Prometheus {
    pub server: Server,
    _files: TempDir,
}

impl Prometheus {
    /// Starts it over `data`, made with [`backfill`] or empty, with `config` as its `prometheus.yml`.
    pub fn start(data: &Path, config: &str) -> Self {
        let (files, port) = (TempDir::new().unwrap(), free_port());
        let config_file = files.path().join("prometheus.yml");
        fs::write(&config_file, config).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let server = Server::start(command, port, "/-/ready", &files.path().join("log"));
        Self { server, _files: files }
    }

    /// The value of an expression that has one, at `at` (Unix seconds); `None` if it brings nothing.
    pub fn value(&self, expression: &str, at: f64) -> Option<f64> {
        let values = self.values(expression, at, "");
        assert!(values.len() <= 1, "{expression} has more than one value: {values:?}");
        values.into_values().next()
    }

    /// The values of an expression at `at` (Unix seconds), by the value of `label`, which tells them apart.
    pub fn values(&self, expression: &str, at: f64, label: &str) -> BTreeMap<String, f64> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .append_pair("time", &at.to_string())
            .finish();
        let answer = http::post(self.server.port, "/api/v1/query", "application/x-www-form-urlencoded", &form).unwrap().json();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let result = answer["data"]["result"].as_array().unwrap();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        let name = |sample: &Value| sample["metric"][label].as_str().unwrap_or_default().to_owned();
        let values: BTreeMap<_, _> = result.iter().map(|sample| (name(sample), value(sample))).collect();
        assert_eq!(values.len(), result.len(), "{expression} is not told apart by {label}: {answer}");
        values
    }

    /// How many questions it has been asked.
    pub fn questions(&self) -> u64 {
        let page = http::get(self.server.port, "/metrics").unwrap().body;
        let asked = page.lines().filter(|line| line.starts_with("prometheus_http_requests_total{") && line.contains("/api/v1/"));
        asked.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// Writes samples with times of their own, in the `OpenMetrics` text format, into `data`, the folder of a Prometheus that is not running.
pub fn backfill(data: &Path, openmetrics: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let end = if openmetrics.trim_end().ends_with("# EOF") { "" } else { "# EOF\n" };
    fs::write(file.path(), format!("{openmetrics}{end}")).unwrap();
    let output = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([file.path(), data])
        .output()
        .expect("cannot start promtool");
    assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
}

/// A `VictoriaMetrics` that scrapes.
#[derive(Debug)]
pub struct Victoria {
    pub server: Server,
    _files: TempDir,
}

impl Victoria {
    /// Starts it empty, with `config` as its scrape configuration.
    pub fn start(config: &str) -> Self {
        let (files, port) = (TempDir::new().unwrap(), free_port());
        let config_file = files.path().join("scrape.yml");
        fs::write(&config_file, config).unwrap();
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-promscrape.config={}", config_file.display()))
            .arg(format!("-storageDataPath={}", files.path().join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        let server = Server::start(command, port, "/health", &files.path().join("log"));
        Self { server, _files: files }
    }
}

/// The one value of an expression at `at` (Unix seconds) in whatever speaks like a Prometheus on `port`; `None` if it brings nothing.
pub fn value_at(port: u16, expression: &str, at: f64) -> Option<f64> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("query", expression)
        .append_pair("time", &format!("{at:.3}"))
        .append_pair("nocache", "1")
        .finish();
    let answer = http::post(port, "/api/v1/query", "application/x-www-form-urlencoded", &form).unwrap().json();
    answer["data"]["result"][0]["value"][1].as_str().map(|value| value.parse().unwrap())
}

/// An Alertmanager, that tells nobody unless it is started with somebody to tell.
#[derive(Debug)]
pub struct Alertmanager {
    pub server: Server,
    _files: TempDir,
}

impl Alertmanager {
    pub fn start() -> Self {
        Self::with("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    }

    /// Starts it with this config.
    pub fn with(config: &str) -> Self {
        Self::member(config, &["--cluster.listen-address=".to_owned()])
    }

    /// Two that are one cluster: they tell each other of silences.
    pub fn cluster() -> [Self; 2] {
        let [one, other] = [free_port(), free_port()];
        let at = |port| vec![format!("--cluster.listen-address=127.0.0.1:{port}"), format!("--cluster.advertise-address=127.0.0.1:{port}")];
        let quick = ["--cluster.gossip-interval=50ms", "--cluster.settle-timeout=0s"].map(str::to_owned);
        let config = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
        let first = Self::member(config, &[&at(one)[..], &quick].concat());
        let second = Self::member(config, &[&at(other)[..], &quick, &[format!("--cluster.peer=127.0.0.1:{one}")]].concat());
        [first, second]
    }

    fn member(config: &str, cluster: &[String]) -> Self {
        let (files, port) = (TempDir::new().unwrap(), free_port());
        let config_file = files.path().join("alertmanager.yml");
        fs::write(&config_file, config).unwrap();
        let mut command = Command::new(alertmanager_program());
        command
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.path={}", files.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(cluster);
        let server = Server::start(command, port, "/-/ready", &files.path().join("log"));
        Self { server, _files: files }
    }

    /// Fires alerts: an array as `POST /api/v2/alerts` takes it.
    pub fn fire(&self, alerts: &Value) {
        let answer = http::post(self.server.port, "/api/v2/alerts", "application/json", &alerts.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The alerts it has, as it tells them.
    pub fn alerts(&self) -> Vec<Value> {
        self.list("/api/v2/alerts")
    }

    /// The silences it has, expired ones too, as it tells them.
    pub fn silences(&self) -> Vec<Value> {
        self.list("/api/v2/silences")
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let Value::Array(all) = http::get(self.server.port, path).unwrap().json() else { panic!("{path} is not a list") };
        all
    }
}

/// Debian calls it `prometheus-alertmanager`, its makers `alertmanager`.
fn alertmanager_program() -> &'static str {
    let found = |name: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file());
    if found("prometheus-alertmanager") { "prometheus-alertmanager" } else { "alertmanager" }
}
