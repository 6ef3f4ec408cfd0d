//! A page of metrics on loopback that says what a test wants it to say, or nothing at all.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What the threads that answer share with the test.
#[derive(Default)]
struct Shared {
    /// What is served; without it a request is taken and never answered.
    page: Option<String>,
    requests: usize,
}

/// The server. Its threads end with the test program.
#[derive(Clone)]
pub struct Exporter {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Exporter {
    /// Opens on a free port, mute.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let exporter = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let door = exporter.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clerk = door.clone();
                std::thread::spawn(move || drop(clerk.answer(stream)));
            }
        });
        exporter
    }

    pub fn serve(&self, page: impl Into<String>) {
        self.lock().page = Some(page.into());
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// A config of a cockpit that scrapes this page every second, with its store, in `home`. Every value of the label `service` has an
    /// SLO of 99.9 % over the counters `good_total` and `all_total`.
    pub fn config(&self, home: &Path) -> PathBuf {
        let (file, store) = (home.join("burnwatch.toml"), home.join("store"));
        let text = format!(
            "[cockpit]\nname = \"test\"\n[store]\nurl = \"sqlite:{}\"\n\
             [[source]]\nname = \"page\"\nkind = \"scrape\"\nurl = \"http://{}/metrics\"\nevery = \"1s\"\ntimeout = \"30s\"\n\
             [[slo]]\nname = \"availability\"\nby = [\"service\"]\nobjective = \"99.9%\"\nmissing = \"zero\"\n\
             good = 'good_total'\ntotal = 'all_total'\n",
            store.display(),
            self.address,
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut request, mut piece) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n\r\n") {
            let count @ 1.. = stream.read(&mut piece)? else { return Ok(()) };
            request.extend(&piece[..count]);
        }
        let page = {
            let mut shared = self.lock();
            shared.requests += 1;
            shared.page.clone()
        };
        let Some(page) = page else { return stream.read_to_end(&mut request).map(drop) };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
        stream.write_all((head + &page).as_bytes())
    }
}
