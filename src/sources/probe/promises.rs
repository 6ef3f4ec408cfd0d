//! What a probe promises of itself: an address in a row and nothing else is two SLOs.

use std::{collections::BTreeMap, sync::Arc};

use super::settings::ProbeSettings;
use crate::domain::{Definition, DefinitionId, ProbeEvents, Sli, SourceName, Text, Window, workbook};

/// Availability and latency of what each of these probes checks, where no SLO of the config already says it. Those of the config keep
/// their ids; of ours one whose name is also another's has the source's in front.
pub fn promises<'a>(probes: impl Iterator<Item = &'a ProbeSettings>, configured: &[Arc<Definition>]) -> Vec<Arc<Definition>> {
    let mut ours: Vec<Definition> = probes.flat_map(|probe| of(probe, configured)).collect();
    let names: Vec<(Text, SourceName)> =
        ours.iter().chain(configured.iter().map(Arc::as_ref)).map(|d| (d.name.clone(), d.source.clone())).collect();
    for definition in &mut ours {
        if names.iter().any(|(name, source)| *name == definition.name && *source != definition.source) {
            definition.qualified = true;
            definition.id = DefinitionId::new(&format!("{}/{}", definition.source, definition.name));
        }
    }
    ours.into_iter().map(Arc::new).collect()
}

fn of(probe: &ProbeSettings, configured: &[Arc<Definition>]) -> Vec<Definition> {
    let promises = probe.promises;
    let said = |latency: bool| {
        let same = |d: &Arc<Definition>| d.source == probe.name && matches!(d.sli, Sli::Probe(e) if e.under.is_some() == latency);
        configured.iter().any(same)
    };
    let period = Window::days(30);
    let definition = |name: &str, objective, under| Definition {
        id: DefinitionId::new(name),
        name: Text::from(name),
        source: probe.name.clone(),
        by: vec!["service".to_owned()],
        service: None,
        objective,
        overrides: BTreeMap::new(),
        period,
        sli: Sli::Probe(ProbeEvents { under }),
        rules: workbook(period),
        min_events: 0.0,
        qualified: false,
    };
    let availability = (!said(false)).then(|| definition("availability", promises.objective, None));
    let latency = (!said(true)).then(|| definition("latency", promises.latency_objective, Some(promises.under)));
    availability.into_iter().chain(latency).collect()
}
