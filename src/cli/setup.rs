//! A config file and the words of the command line become what the engine works with.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result};

use super::{args::Common, who};
use crate::{
    config::{self, Loaded, Vocabulary},
    domain::{AckPolicy, Definition, Plan, SourceName, StoreState, Text},
    engine::{Clock, Librarian, Opened, Setup},
    sources::{
        Source,
        registry::{self, Row},
    },
    store::{Holder, Store, default_folder},
    tui,
};

/// Find and read the config file.
pub fn load(common: &Common) -> Result<Loaded<Row>> {
    let found = config::find(common.config.as_deref(), &config::environment)?;
    let themes: Vec<_> = tui::Theme::names().collect();
    let words = Vocabulary { kinds: &registry::KINDS, themes: &themes };
    Ok(config::load(&found, &words, registry::read)?)
}

/// Everything the engine needs. The store may be missing: then burnwatch watches and says why it cannot act.
pub fn setup(loaded: &Loaded<Row>, common: &Common) -> Result<Setup> {
    let mut setup = prepare(loaded, common)?;
    (setup.store, setup.state) = open_store(&store_folder(loaded, common));
    Ok(setup)
}

/// The same without the store, which may take its time.
pub fn prepare(loaded: &Loaded<Row>, common: &Common) -> Result<Setup> {
    let config = &loaded.config;
    let definitions = definitions(loaded);
    let sources = loaded.sources.iter().map(|row| row.source(&definitions, &config.gauges));
    let sources: Vec<Arc<dyn Source>> = sources.collect::<Result<_, _>>().context("a source cannot be used")?;
    let state = StoreState { place: Text::from(store_folder(loaded, common).display().to_string()), ..StoreState::default() };
    let me = who::actor(&config.people, &config.cockpit.shared_accounts, common.who.as_deref());
    let program = PathBuf::from("/proc/self/exe");
    Ok(Setup {
        plan: Arc::new(plan(loaded, common)),
        sources,
        store: None,
        state,
        holder: holder(&me.name),
        me,
        clock: Clock::system(),
        program,
        librarian: librarian(loaded),
    })
}

/// Where the store is: `--store`, else the config's, else the user's own.
pub fn store_folder(loaded: &Loaded<Row>, common: &Common) -> PathBuf {
    let configured = common.store.clone().or_else(|| loaded.config.store.url.clone());
    configured.unwrap_or_else(|| default_folder(config::environment))
}

/// Where the store is for a command that needs nothing else: no configuration at all means the user's own.
pub fn folder(common: &Common) -> Result<PathBuf> {
    if let Some(folder) = &common.store {
        return Ok(folder.clone());
    }
    match load(common) {
        Ok(loaded) => Ok(store_folder(&loaded, common)),
        Err(error) if error.is::<config::NotFound>() => Ok(default_folder(config::environment)),
        Err(error) => Err(error),
    }
}

/// The store of `folder`, or why there is none.
pub fn open_store(folder: &std::path::Path) -> Opened {
    let place = Text::from(folder.display().to_string());
    match Store::open(folder) {
        Ok(store) => {
            let trouble = store.writable().err().map(|e| Text::from(e.to_string()));
            (Some(Arc::new(store)), StoreState { place, trouble, ..StoreState::default() })
        }
        Err(error) => (None, StoreState { place, trouble: Some(Text::from(error.to_string())), ..StoreState::default() }),
    }
}

/// The sources that can be asked a query.
pub fn askable(loaded: &Loaded<Row>) -> Vec<SourceName> {
    loaded.sources.iter().filter(|r| r.plan.kind == "prometheus").map(|r| r.plan.name.clone()).collect()
}

/// The runbooks that the configuration names, and what is wrong with their files.
pub fn shelf(loaded: &Loaded<Row>) -> config::Shelf {
    config::library(&loaded.config, &askable(loaded))
}

/// Who reads them anew.
fn librarian(loaded: &Loaded<Row>) -> Librarian {
    let (config, askable) = (loaded.config.clone(), askable(loaded));
    Librarian::of(move || config::library(&config, &askable).library)
}

fn plan(loaded: &Loaded<Row>, common: &Common) -> Plan {
    let config = &loaded.config;
    Plan {
        name: config.cockpit.name.clone(),
        time_zone: config.cockpit.time_zone,
        sources: loaded.sources.iter().map(|r| r.plan.clone()).collect(),
        definitions: definitions(loaded),
        services: config.services.clone(),
        people: config.people.clone(),
        rotations: config.rotations.clone(),
        feeds: loaded.sources.iter().filter_map(Row::feed).collect(),
        runbooks: Arc::new(shelf(loaded).library),
        queues: config.queues.clone(),
        gauges: config.gauges.clone(),
        groups: config.groups.clone(),
        ack: AckPolicy { max: config.cockpit.ack_max },
        read_only: config.cockpit.read_only || common.read_only,
    }
}

/// The SLOs of the file, and those that probes promise of themselves.
pub fn definitions(loaded: &Loaded<Row>) -> Vec<Arc<Definition>> {
    let configured = &loaded.config.definitions;
    configured.iter().cloned().chain(registry::promises(&loaded.sources, configured)).collect()
}

fn holder(me: &Text) -> Holder {
    let (pid, host) = (std::process::id(), rustix::system::uname().nodename().to_string_lossy().into_owned());
    let started = chrono::Utc::now().timestamp_micros();
    Holder { id: format!("{host}-{pid}-{started}"), name: Text::from(format!("{me}@{host} pid {pid}")), pid }
}
