//! A page of metrics on loopback that says what a test wants it to say, or nothing at all, and a config that watches it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::fake::{Fake, Say};

/// The server of one page.
pub struct Exporter {
    fake: Fake,
    /// What is served; without it a request is taken and never answered.
    page: Arc<Mutex<Option<String>>>,
}

impl Exporter {
    /// Opens on a free port, mute.
    pub fn start() -> Self {
        let page = Arc::<Mutex<Option<String>>>::default();
        let served = page.clone();
        let fake = Fake::start(move |_| served.lock().unwrap().clone().map_or(Say::Nothing, Say::page));
        Self { fake, page }
    }

    pub fn serve(&self, page: impl Into<String>) {
        *self.page.lock().unwrap() = Some(page.into());
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.fake.url()
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.fake.asked().len()
    }

    /// A config of a cockpit that scrapes this page every second, with its store, in `home`. Every value of the label `service` has an
    /// SLO of 99.9 % over the counters `good_total` and `all_total`.
    pub fn config(&self, home: &Path) -> PathBuf {
        let (file, store) = (home.join("burnwatch.toml"), home.join("store"));
        let text = format!(
            "[cockpit]\nname = \"test\"\n[store]\nurl = \"sqlite:{}\"\n\
             [[source]]\nname = \"page\"\nkind = \"scrape\"\nurl = \"{}/metrics\"\nevery = \"1s\"\ntimeout = \"30s\"\n\
             [[slo]]\nname = \"availability\"\nby = [\"service\"]\nobjective = \"99.9%\"\nmissing = \"zero\"\n\
             good = 'good_total'\ntotal = 'all_total'\n",
            store.display(),
            self.fake.url(),
        );
        std::fs::write(&file, text).unwrap();
        file
    }
}
