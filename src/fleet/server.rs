//! The shop's front door: one small HTTP server on loopback that serves every service's `/metrics`, and takes orders.
//!
//! An order is a `POST` to [`Fleet::control`] with the order's words as the rest of the path. That address holds a number that nobody can
//! guess, so that only who has it acts on the fleet.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    Bucket, Harm, Order, Scenario, Shop, config, exposition,
    http::{Connection, Method, Page, Request},
};

/// What tells the shop the time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The most clients at a time; more wait to be let in.
const MOST_CLIENTS: usize = 64;
/// How long to wait when the system lets nobody in (no descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// The running fleet. Dropping it closes the door and every connection.
pub struct Fleet {
    scenario: Scenario,
    address: SocketAddr,
    started_at: DateTime<Utc>,
    shared: Arc<Shared>,
    door: JoinHandle<()>,
}

/// What every connection needs.
struct Shared {
    index: String,
    /// The path under which orders are taken, with a `/` at its end.
    control: String,
    clock: Clock,
    shop: Mutex<Shop>,
    requests: AtomicU64,
}

impl Fleet {
    /// Open the shop on a free port of 127.0.0.1, now by `clock`. Fails if no port can be had.
    pub async fn start(scenario: Scenario, clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, started_at) = (listener.local_addr()?, clock());
        let shop = Mutex::new(Shop::new(&scenario, started_at));
        let control = format!("/control/{:016x}{:016x}/", RandomState::new().hash_one(0), RandomState::new().hash_one(1));
        let shared = Arc::new(Shared { index: index(&scenario), control, clock, shop, requests: AtomicU64::new(0) });
        let door = tokio::spawn(keep_door(listener, Arc::clone(&shared)));
        Ok(Self { scenario, address, started_at, shared, door })
    }
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// When it opened, by its clock: where its history ends and its counters begin.
    pub const fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }
    /// Each service and the address of its metrics page.
    pub fn targets(&self) -> Vec<(String, String)> {
        let url = |name: &str| format!("http://{}/{name}/metrics", self.address);
        self.scenario.services.iter().map(|s| (s.name.to_owned(), url(s.name))).collect()
    }
    /// Where it takes orders; who has this address acts on it.
    pub fn control(&self) -> String {
        format!("http://{}{}", self.address, self.shared.control)
    }
    /// Do what is ordered now, and say what came of it.
    pub fn order(&self, order: &Order) -> Result<String, super::BadOrder> {
        self.shared.shop().order(order, (self.shared.clock)())
    }
    /// Whether anything is wrong in the shop now.
    pub fn harm(&self) -> Harm {
        self.shared.shop().harm_at((self.shared.clock)())
    }
    /// What befalls it.
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }
    /// How many requests it has answered, refusals included: who asks it nothing does not raise this.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
    /// What it went through in the `days` days before it opened, without a gap up to [`Fleet::started_at`].
    pub fn history(&self, days: u32) -> Vec<Bucket> {
        super::history(&self.scenario, self.started_at, days)
    }
    /// The TOML of a cockpit that watches it and keeps its store in the folder `store`. `login` is the operating-system user who
    /// practises, `None` if that is not known; they join the people under that name.
    pub fn config(&self, store: &str, login: Option<&str>) -> String {
        config::config(&self.scenario, &self.targets(), store, login)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.door.abort();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, address, started_at, .. } = self;
        write!(f, "Fleet({}, http://{address}/, since {started_at})", scenario.name)
    }
}

/// Let clients in for as long as the fleet lives; their tasks end with this one.
async fn keep_door(listener: TcpListener, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            came = listener.accept(), if clients.len() < MOST_CLIENTS => match came {
                Ok((stream, _)) => drop(clients.spawn(serve(stream, Arc::clone(&shared)))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Answer one client until it leaves, asks for the end, or must be refused.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut client = Connection::new(stream);
    while let Some(request) = client.next().await? {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        match request {
            Err(status) => return client.refuse(status).await,
            Ok(request) => {
                client.answer(&request, &shared.answer(&request)).await?;
                if !request.keep_alive {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl Shared {
    fn shop(&self) -> std::sync::MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn answer(&self, request: &Request) -> Page {
        match (request.method, request.path.strip_prefix(&self.control)) {
            (Method::Post, Some(words)) => self.order(words),
            (Method::Post, None) => Page::bare("405 Method Not Allowed"),
            (Method::Get | Method::Head, _) => self.page(&request.path),
        }
    }
    /// Do what the words in a path say, `/` between them.
    fn order(&self, words: &str) -> Page {
        let done = words.replace('/', " ").parse::<Order>().and_then(|order| self.shop().order(&order, (self.clock)()));
        match done {
            Ok(said) => Page { body: said + "\n", ..Page::bare("200 OK") },
            Err(why) => Page { body: format!("{why}\n"), ..Page::bare("422 Unprocessable Content") },
        }
    }
    /// The page at `path`: `/`, or `/<service>/metrics`.
    fn page(&self, path: &str) -> Page {
        if path == "/" {
            return Page { body: self.index.clone(), ..Page::bare("200 OK") };
        }
        let service = path.strip_prefix('/').and_then(|p| p.strip_suffix("/metrics"));
        service.and_then(|s| self.metrics(s)).unwrap_or_else(|| Page::bare("404 Not Found"))
    }
    /// A service's metrics page as of now; `None` if nobody is called `service`.
    fn metrics(&self, service: &str) -> Option<Page> {
        let mut shop = self.shop();
        let (now, started_at) = ((self.clock)(), shop.started_at());
        let body = exposition::exposition(service, started_at, &shop.view_at(service, now)?);
        Some(Page { status: "200 OK", media_type: exposition::MEDIA_TYPE, body })
    }
}

fn index(scenario: &Scenario) -> String {
    let title = format!("burnwatch practice fleet: {}", scenario.name);
    let paths = scenario.services.iter().map(|s| format!("/{}/metrics", s.name));
    [title].into_iter().chain(paths).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use chrono::TimeDelta;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const START: &str = "2026-03-01T11:00:00Z";

    /// A fleet whose clock stands wherever the test has put it, in seconds after the start.
    async fn fleet() -> (Fleet, Arc<AtomicI64>) {
        let secs = Arc::new(AtomicI64::new(0));
        let hand = Arc::clone(&secs);
        let start: DateTime<Utc> = START.parse().unwrap();
        let clock: Clock = Arc::new(move || start + TimeDelta::seconds(hand.load(Ordering::Relaxed)));
        (Fleet::start(Scenario::bad_canary(), clock).await.unwrap(), secs)
    }
    /// Send bytes, then read all there is until the fleet ends the connection.
    async fn say(fleet: &Fleet, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(fleet.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
    async fn post(fleet: &Fleet, url: &str) -> String {
        let path = url.strip_prefix(&format!("http://{}", fleet.address())).unwrap();
        say(fleet, format!("POST {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
    async fn get(fleet: &Fleet, path: &str) -> String {
        say(fleet, format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    #[tokio::test]
    async fn every_service_serves_its_counters() {
        let (fleet, secs) = fleet().await;
        secs.store(60, Ordering::Relaxed);
        assert_eq!(fleet.targets().len(), 6);
        for (service, url) in fleet.targets() {
            let path = url.strip_prefix(&format!("http://{}", fleet.address())).unwrap().to_owned();
            let answer = get(&fleet, &path).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            let versions = if service == "checkout" { 2 } else { 1 };
            let counters = body.lines().filter(|l| l.starts_with(&format!("http_requests_total{{service=\"{service}\",")));
            let values = counters.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).collect::<Vec<_>>();
            assert_eq!(values.len(), versions * 3);
            assert!(values.iter().sum::<u64>() > 60 * 60);
        }
        assert_eq!(fleet.requests(), 6);
    }

    #[tokio::test]
    async fn an_order_is_carried_out_for_who_has_its_address_only() {
        let (fleet, secs) = fleet().await;
        secs.store(60, Ordering::Relaxed);
        let words = "traffic/checkout/stable=100";
        let strange = format!("http://{}/control/0123456789abcdef0123456789abcdef/{words}", fleet.address());
        assert!(post(&fleet, &strange).await.starts_with("HTTP/1.1 405"));
        assert!(get(&fleet, &format!("/control/{words}")).await.starts_with("HTTP/1.1 404"));
        assert_eq!(fleet.harm(), Harm { began: Some(fleet.started_at() + TimeDelta::seconds(20)), ended: None });

        let answer = post(&fleet, &format!("{}{words}", fleet.control())).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("checkout: v41 25 % -> 100 %, v42 75 % -> 0 %\n"), "{answer}");
        assert_eq!(fleet.harm().ended, Some(fleet.started_at() + TimeDelta::seconds(60)));
        let answer = post(&fleet, &format!("{}reboot", fleet.control())).await;
        assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("workers restart QUEUE"), "{answer}");
    }

    #[tokio::test]
    async fn the_page_shows_exactly_the_shop() {
        let (fleet, secs) = fleet().await;
        secs.store(33, Ordering::Relaxed);
        let answer = get(&fleet, "/checkout/metrics").await;
        let mut shop = Shop::new(&Scenario::bad_canary(), fleet.started_at());
        for c in shop.counters_at("checkout", fleet.started_at() + TimeDelta::seconds(33)).unwrap() {
            let line = format!("{{service=\"checkout\",code=\"{}\",version=\"{}\"}} {}\n", c.code, c.version, c.count);
            assert!(answer.contains(&line), "{line}");
        }
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let (fleet, _) = fleet().await;
        let request = "GET / HTTP/1.1\r\n\r\nHEAD /cart/metrics HTTP/1.1\r\n\r\nGET /cart/metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
        let answer = say(&fleet, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3);
        assert_eq!(answer.matches("# TYPE http_requests_total counter").count(), 1);
        assert!(answer.contains("/checkout/metrics\n"));
        assert_eq!(fleet.requests(), 3);
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_the_shop_stays_open() {
        let (fleet, _) = fleet().await;
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        for (bytes, status) in [
            (&b"\x16\x03\x01\r\n\r\n"[..], "400"),
            (b"POST / HTTP/1.1\r\n\r\n", "405 Method Not Allowed\r\n"),
            (b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET / HTTP", "413"),
            (long.as_bytes(), "431"),
        ] {
            let answer = half_closed(&fleet, bytes).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
        for path in ["/billing/metrics", "/faults", "//metrics", "/cart/metrics/", "/../etc/passwd"] {
            assert!(get(&fleet, path).await.starts_with("HTTP/1.1 404"), "{path}");
        }
        assert!(get(&fleet, "/").await.starts_with("HTTP/1.1 200"));
    }
    /// Send bytes and the end of them, then read all there is.
    async fn half_closed(fleet: &Fleet, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(fleet.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// More silent clients than may be in at a time: they are shown out in time, and the next one is served.
    #[tokio::test(start_paused = true)]
    async fn clients_that_never_finish_are_shown_out() {
        let (fleet, _) = fleet().await;
        let mut idlers = Vec::new();
        for _ in 0..MOST_CLIENTS + 8 {
            let mut stream = TcpStream::connect(fleet.address()).await.unwrap();
            stream.write_all(b"GET / HT").await.unwrap();
            idlers.push(stream);
        }
        let mut rest = Vec::new();
        assert_eq!(idlers[0].read_to_end(&mut rest).await.unwrap(), 0);
        assert_eq!(fleet.requests(), 0);
        drop(idlers);
        assert!(get(&fleet, "/").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_dropped_fleet_closes_its_door() {
        let (fleet, _) = fleet().await;
        let address = fleet.address();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut one = [0];
        client.read_exact(&mut one).await.unwrap();
        drop(fleet);
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn the_past_ends_where_the_counters_begin() {
        let (fleet, _) = fleet().await;
        let past = fleet.history(30);
        assert_eq!(past.iter().map(|b| b.to).max(), Some(fleet.started_at()));
        assert!(fleet.config("/tmp/store", None).contains(&format!("http://{}/search/metrics", fleet.address())));
    }
}
