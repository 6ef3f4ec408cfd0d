//! The configuration that watches the shop: the text a user could have written.

use std::fmt::Write as _;

use super::{LATE_SECS, Scenario};

/// Who works in the shop: name, mail address, time zone, night.
const PEOPLE: [(&str, &str, &str, &str); 3] = [
    ("maya", "maya@shop.example", "Europe/Berlin", "22-07"),
    ("jon", "jon@shop.example", "America/New_York", "23-07"),
    ("priya", "priya@shop.example", "Asia/Kolkata", "22-06"),
];

/// What is promised: that requests do not fail, that answers are quick, that jobs begin in time.
pub(super) const AVAILABILITY: &str = "availability";
pub(super) const LATENCY: &str = "latency";
pub(super) const ON_TIME: &str = "on-time";

/// The objective of services that are not named.
const COMMON_OBJECTIVE: &str = "99.9%";

/// The config of a cockpit on `scenario`, whose pages are at `targets` and which keeps its store in the folder `store`. `login` is the
/// operating-system user who practises, if it is known: they join the people, under their own name.
pub(super) fn config(scenario: &Scenario, targets: &[(String, String)], store: &str, login: Option<&str>) -> String {
    let urls = targets.iter().map(|(_, url)| format!("    {{ url = {} }},", quoted(url))).collect::<Vec<_>>().join("\n");
    let parts = [
        format!("[cockpit]\nname = {}\n", quoted(&format!("practice: {}", scenario.name))),
        format!("[store]\nurl = {}\n", quoted(&format!("sqlite:{store}"))),
        format!("[[source]]\nname = \"shop\"\nkind = \"scrape\"\ntargets = [\n{urls}\n]\nevery = \"5s\"\ntimeout = \"2s\"\n"),
        slo(scenario),
        others(),
        queues(scenario),
        people(login),
        services(scenario),
    ];
    parts.join("\n")
}

fn slo(scenario: &Scenario) -> String {
    let mut out = format!(
        "[[slo]]\nname = \"availability\"\nby = [\"service\"]\nobjective = {}\nperiod = \"30d\"\n\
         good = 'http_requests_total{{code!~\"5..\"}}'\ntotal = 'http_requests_total'\n\n[slo.objectives]\n",
        quoted(COMMON_OBJECTIVE)
    );
    for service in scenario.services.iter().filter(|s| s.objective != COMMON_OBJECTIVE) {
        let _ = writeln!(out, "{} = {}", service.name, quoted(service.objective));
    }
    out
}

/// The promises on latency and on queues. A 99.95 % promise pages once 0.72 % of an hour's events were bad.
fn others() -> String {
    let row = |name: &str, good: &str, total: &str| {
        let objective = quoted("99.95%");
        format!(
            "[[slo]]\nname = \"{name}\"\nby = [\"service\"]\nobjective = {objective}\nperiod = \"30d\"\ngood = '{good}'\ntotal = '{total}'\n"
        )
    };
    let latency = row(LATENCY, "http_request_duration_seconds_bucket{le=\"0.3\"}", "http_request_duration_seconds_count");
    let on_time = row(ON_TIME, "queue_jobs_total{late=\"false\"}", "queue_jobs_total");
    format!("{latency}\n{on_time}")
}

/// Its queues, out of the gauges on its pages: one row for each, since it says whose it is.
fn queues(scenario: &Scenario) -> String {
    let row = |service: &str, queue: &str| {
        format!(
            "[[queue]]\nname = \"{queue}\"\nsource = \"shop\"\nservice = \"{service}\"\nby = [\"queue\"]\n\
             depth = 'queue_depth{{queue=\"{queue}\"}}'\noldest_age = 'queue_oldest_age_seconds{{queue=\"{queue}\"}}'\n\
             consumers = 'queue_consumers{{queue=\"{queue}\"}}'\nentered = 'queue_enqueued_total{{queue=\"{queue}\"}}'\n\
             finished = 'queue_processed_total{{queue=\"{queue}\"}}'\nmax_age = \"{LATE_SECS}s\"\n"
        )
    };
    scenario.services.iter().filter_map(|s| Some(row(s.name, s.queue?.name))).collect::<Vec<_>>().join("\n")
}

fn people(login: Option<&str>) -> String {
    let mut out = PEOPLE.map(|(name, email, zone, night)| {
        format!("[[person]]\nname = \"{name}\"\nemail = \"{email}\"\ntime_zone = \"{zone}\"\nnight = \"{night}\"\n")
    });
    let Some(login) = login.filter(|l| !l.is_empty()) else { return out.join("\n") };
    let name = quoted(login);
    match PEOPLE.iter().position(|(name, ..)| *name == login).and_then(|i| out.get_mut(i)) {
        Some(person) => {
            let _ = writeln!(person, "login = {name}");
            out.join("\n")
        }
        None => format!("{}\n[[person]]\nname = {name}\nlogin = {name}\n", out.join("\n")),
    }
}

fn services(scenario: &Scenario) -> String {
    let row = |s: &super::Service| format!("[[service]]\nname = {}\nowner = {}\ntier = {}\n", quoted(s.name), quoted(s.owner), s.tier);
    scenario.services.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// A text as a TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Objective, Selector, Window};

    fn parsed(store: &str, login: Option<&str>) -> toml::Table {
        let targets = [("cart".to_owned(), "http://127.0.0.1:9/cart/metrics".to_owned())];
        config(&Scenario::bad_canary(), &targets, store, login).parse().unwrap()
    }

    #[test]
    fn the_config_says_what_the_scenario_promises() {
        let table = parsed("/tmp/x", None);
        let slo = &table["slo"][0];
        for service in Scenario::bad_canary().services {
            let written = slo["objectives"].get(service.name).unwrap_or(&slo["objective"]).as_str().unwrap();
            assert_eq!(written.parse::<Objective>().unwrap(), service.objective.parse().unwrap(), "{}", service.name);
        }
        for side in ["good", "total"] {
            assert!(slo[side].as_str().unwrap().parse::<Selector>().is_ok());
        }
        assert_eq!([0, 1, 2].map(|i| table["slo"][i]["name"].as_str().unwrap()), [AVAILABILITY, LATENCY, ON_TIME]);
        assert_eq!(slo["period"].as_str().unwrap().parse::<Window>().unwrap(), Window::days(30));
        assert_eq!(table["source"][0]["targets"][0]["url"].as_str(), Some("http://127.0.0.1:9/cart/metrics"));
        assert_eq!(table["service"].as_array().unwrap().len(), 6);
        assert!(PEOPLE.iter().all(|(_, _, zone, _)| zone.parse::<chrono_tz::Tz>().is_ok()));
    }

    #[test]
    fn whoever_practises_is_a_person_once() {
        let logins = |login| {
            let table = parsed("/tmp/x", login);
            let people = table["person"].as_array().unwrap().clone();
            let login = people.iter().filter_map(|p| p.get("login")?.as_str()).map(str::to_owned).collect::<Vec<_>>();
            (people.len(), login)
        };
        assert_eq!(logins(None), (3, vec![]));
        assert_eq!(logins(Some("sam")), (4, vec!["sam".to_owned()]));
        assert_eq!(logins(Some("maya")), (3, vec!["maya".to_owned()]));
    }

    #[test]
    fn strange_names_stay_in_their_quotes() {
        let store = "/tmp/\"a\\b\n[x]\u{7f}";
        assert_eq!(parsed(store, Some("o\"x"))["store"]["url"].as_str(), Some(format!("sqlite:{store}").as_str()));
    }
}
