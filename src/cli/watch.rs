//! The cockpit itself: an engine and a screen, joined.

use std::io::{self, IsTerminal};

use anyhow::Result;

use super::{args::Common, run::Code, setup};
use crate::{
    config::environment,
    domain::Text,
    engine::{self, Opened, Setup},
    tui,
};

/// Open the cockpit on the configured sources.
pub fn watch(common: &Common) -> Result<Code> {
    let loaded = setup::load(common)?;
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    let theme = common.look.theme.clone().or_else(|| loaded.config.cockpit.theme.clone());
    let folder = setup::store_folder(&loaded, common);
    cockpit(setup::prepare(&loaded, common)?, move || setup::open_store(&folder), common, theme.as_deref(), None)
}

/// Run engine and screen until the person leaves or the terminal is gone. The screen is there before the store, which `open` opens.
pub fn cockpit(
    setup: Setup,
    open: impl FnOnce() -> Opened + Send + 'static,
    common: &Common,
    theme: Option<&str>,
    footer_hint: Option<Text>,
) -> Result<Code> {
    let settings = settings(&setup, common, theme, footer_hint)?;
    look_for_terminal()?;
    let running = engine::start(setup, open)?;
    let session = tui::Session { snapshots: running.snapshots.clone(), requests: running.requests.clone(), settings };
    let ended = tui::run(session);
    running.stop();
    Ok(match ended? {
        tui::Ended::Quit => Code::Yes,
        tui::Ended::Signal(number) => Code::Signal(number),
        tui::Ended::HangUp => Code::Signal(1),
    })
}

/// Say at once what to do where there is no terminal.
pub fn look_for_terminal() -> Result<()> {
    let there = io::stdin().is_terminal() && io::stdout().is_terminal();
    anyhow::ensure!(there, "there is no terminal here to draw on; `burnwatch status` prints the same snapshot");
    Ok(())
}

fn settings(setup: &Setup, common: &Common, theme: Option<&str>, footer_hint: Option<Text>) -> Result<tui::Settings> {
    let var = |name: &str| environment(name).map(|v| v.to_string_lossy().into_owned());
    let name = theme.unwrap_or("night");
    let theme = tui::Theme::named(name)
        .ok_or_else(|| anyhow::anyhow!("there is no theme `{name}`; there are {}", tui::Theme::names().collect::<Vec<_>>().join(", ")))?;
    Ok(tui::Settings {
        name: setup.plan.name.clone(),
        time_zone: setup.plan.time_zone,
        theme: theme.at_depth(tui::Depth::of_environment(var).on_slow_line(common.look.low_bandwidth)),
        glyphs: if common.look.ascii { tui::Glyphs::Ascii } else { tui::Glyphs::of_environment(var) },
        me: setup.me.name.clone(),
        read_only: setup.plan.read_only,
        low_bandwidth: common.look.low_bandwidth,
        footer_hint,
        links: !common.look.low_bandwidth && tui::knows_links(var),
        people: setup.plan.people.clone(),
        services: setup.plan.services.clone(),
        silencing: crate::domain::Silencing::of(&setup.plan),
        ask_name: (!setup.me.verified && common.who.is_none()).then(|| setup.me.name.clone()),
    })
}
