//! What a step is told: environment variables, and nothing else.
//!
//! Whatever an alert says arrives byte for byte in a variable, and never in the text of a command. A name becomes a plain one; where two
//! become the same, or a value cannot be carried whole, the step is refused: half of the truth is worse than none.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Facts, Run, RunStep};
use crate::domain::{ActId, IncidentId, Step, Untrusted, variable_name};

/// The variable that holds the key of the attempt: by it everything that a step has started is found.
pub const RUN_KEY: &str = "BW_RUN_KEY";

/// What is known only once a step has been started.
pub const GIVEN_LATER: [&str; 2] = ["BW_RUN", RUN_KEY];

/// The longest value that a variable may carry, in bytes: what Linux allows for one string of an environment, with room for its name.
pub const LONGEST: usize = 100 << 10;

/// Names and values, by name.
pub type Variables = BTreeMap<String, String>;

/// Why a step cannot be told what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVariable {
    /// Two become one.
    #[error("`{one}` and `{other}` would both be ${variable}")]
    Collision {
        /// What the variable would be called.
        variable: String,
        /// The first of them.
        one: String,
        /// The second.
        other: String,
    },
    /// No variable can carry a NUL.
    #[error("`{0}` holds a NUL, which no variable can carry")]
    Nul(String),
    /// It is too long.
    #[error("`{name}` has {bytes} bytes; a variable carries at most {LONGEST}")]
    TooLong {
        /// What.
        name: String,
        /// How long it is.
        bytes: usize,
    },
    /// Something must be chosen.
    #[error("choose `{0}`: the step asks for it")]
    NotChosen(String),
    /// It was chosen from nowhere.
    #[error("`{value}` is no choice for `{name}`; there are {choices}")]
    NoChoice {
        /// Of which input.
        name: String,
        /// What was chosen.
        value: String,
        /// What there is.
        choices: String,
    },
    /// There is no such input.
    #[error("the step has no input `{0}`")]
    NoInput(String),
}

/// Variables being gathered, each with what it came from.
#[derive(Debug, Default)]
struct Gathered(BTreeMap<String, (String, String)>);

impl Gathered {
    fn put(&mut self, variable: String, from: String, value: &str) -> Result<(), BadVariable> {
        if value.contains('\0') {
            return Err(BadVariable::Nul(from));
        }
        if value.len() > LONGEST {
            return Err(BadVariable::TooLong { name: from, bytes: value.len() });
        }
        if let Some((one, _)) = self.0.get(&variable) {
            return Err(BadVariable::Collision { variable, one: one.clone(), other: from });
        }
        self.0.insert(variable, (from, value.to_owned()));
        Ok(())
    }
    fn own(&mut self, variable: &str, value: &str) -> Result<(), BadVariable> {
        self.put(variable.to_owned(), variable.to_owned(), value)
    }
}

/// All that a step of `run` is told: `BW_LABEL_…`, `BW_ANNOTATION_…` and `BW_INCIDENT_…` of the incident, `BW_INPUT_…` of what was chosen,
/// and which step of which run it is.
pub fn variables(run: &Run, step: &Step, key: &ActId, inputs: &BTreeMap<String, Untrusted>) -> Result<Variables, BadVariable> {
    let mut all = Gathered::default();
    all.own(RUN_KEY, key.as_str())?;
    all.own("BW_RUN", &run.id.to_string())?;
    all.own("BW_RUNBOOK", run.runbook.as_str())?;
    all.own("BW_STEP", step.name.as_str())?;
    all.own("BW_ATTEMPT", &(run.step(&step.name).map_or(0, |s: &RunStep| s.attempts.len()) + 1).to_string())?;
    if let Some(drill) = &run.drill {
        all.own("BW_DRILL", drill.as_str())?;
    }
    if let (Some(id), Some(facts)) = (&run.incident, &run.facts) {
        of_incident(&mut all, run, id, facts)?;
    }
    chosen(&mut all, step, inputs)?;
    Ok(all.0.into_iter().map(|(variable, (_, value))| (variable, value)).collect())
}

fn of_incident(all: &mut Gathered, run: &Run, id: &IncidentId, facts: &Facts) -> Result<(), BadVariable> {
    let title = run.incident_title.as_ref().map_or("", |t| t.as_str());
    all.own("BW_INCIDENT_ID", id.as_str())?;
    all.own("BW_INCIDENT_TITLE", title)?;
    all.own("BW_INCIDENT_SEVERITY", facts.severity.word())?;
    all.own("BW_INCIDENT_SERVICE", run.service.as_ref().map_or("", |s| s.as_str()))?;
    all.own("BW_INCIDENT_SINCE", &facts.since.map_or_else(String::new, |at| at.to_rfc3339()))?;
    for (name, value) in &facts.labels.0 {
        all.put(variable_name("BW_LABEL_", name.raw()), format!("label {}", name.text()), value.raw())?;
    }
    for (name, value) in &facts.annotations.0 {
        all.put(variable_name("BW_ANNOTATION_", name.raw()), format!("annotation {}", name.text()), value.raw())?;
    }
    let shape = json!({
        "id": id, "title": title, "severity": facts.severity, "service": run.service, "since": facts.since,
        "labels": facts.labels, "annotations": facts.annotations, "sources": facts.sources,
    });
    all.own("BW_INCIDENT_JSON", &shape.to_string())
}

fn chosen(all: &mut Gathered, step: &Step, inputs: &BTreeMap<String, Untrusted>) -> Result<(), BadVariable> {
    if let Some(name) = inputs.keys().find(|name| !step.inputs.iter().any(|i| i.name == **name)) {
        return Err(BadVariable::NoInput(name.clone()));
    }
    for input in &step.inputs {
        let value = inputs.get(&input.name).map(Untrusted::raw).or(input.default.as_deref());
        let value = value.ok_or_else(|| BadVariable::NotChosen(input.name.clone()))?;
        if !input.takes(value) {
            let (name, value, choices) = (input.name.clone(), value.to_owned(), input.choices.join(", "));
            return Err(BadVariable::NoChoice { name, value, choices });
        }
        all.put(input.variable(), format!("input {}", input.name), value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::domain::{Actor, Hangup, Hash, Input, Labels, RunId, Severity, StepKind};

    fn step(inputs: Vec<Input>) -> Step {
        Step {
            name: "restart".into(),
            title: "Restart".into(),
            prose: Vec::new(),
            kind: StepKind::Manual,
            timeout: Duration::from_secs(10),
            cost: None,
            danger: None,
            undo: None,
            effect: None,
            continue_on_error: false,
            on_hangup: Hangup::Finish,
            inputs,
            approve: 0,
            line: 1,
        }
    }

    fn run(labels: &[(&str, &str)]) -> Run {
        let labels: Labels = labels.iter().copied().collect();
        let facts = Facts { severity: Severity::P1, since: None, labels, annotations: Labels::default(), sources: vec!["am".into()] };
        Run {
            id: RunId(7),
            version: 1,
            runbook: "rollback".into(),
            title: "Roll back".into(),
            hash: Hash::of(b""),
            incident: Some("am:1".into()),
            incident_title: Some("it burns".into()),
            facts: Some(facts),
            service: Some("checkout".into()),
            by: Actor { name: "maya".into(), verified: true },
            at: DateTime::UNIX_EPOCH,
            drill: None,
            steps: Vec::new(),
            aborted: None,
            latest: DateTime::UNIX_EPOCH,
        }
    }

    fn told(labels: &[(&str, &str)]) -> Result<Variables, BadVariable> {
        variables(&run(labels), &step(Vec::new()), &"k1".into(), &BTreeMap::new())
    }

    #[test]
    fn what_an_alert_says_arrives_byte_for_byte() {
        let long = "x".repeat(90_000);
        let values = ["$(touch x)", "a'b\"c`d", "one\ntwo\r\n", "-rf", "", "\u{1b}[2J\u{202e}", &long];
        for value in values {
            let told = told(&[("app", value)]).unwrap();
            assert_eq!(told.get("BW_LABEL_APP").map(String::as_str), Some(value));
            let shape: serde_json::Value = serde_json::from_str(told.get("BW_INCIDENT_JSON").unwrap()).unwrap();
            assert_eq!(shape["labels"]["app"], value);
        }
        let told = told(&[("k8s-app.io/name", "x")]).unwrap();
        assert_eq!(told.get("BW_LABEL_K8S_APP_IO_NAME").map(String::as_str), Some("x"));
        assert_eq!((told.get("BW_RUN").map(String::as_str), told.get("BW_STEP").map(String::as_str)), (Some("0007"), Some("restart")));
    }

    #[test]
    fn what_cannot_arrive_whole_refuses_the_step() {
        let collision = told(&[("a.b", "1"), ("a-b", "2")]).unwrap_err();
        assert_eq!(collision.to_string(), "`label a-b` and `label a.b` would both be $BW_LABEL_A_B");
        assert!(matches!(told(&[("app", "a\0b")]), Err(BadVariable::Nul(name)) if name == "label app"));
        let long = "x".repeat(LONGEST + 1);
        assert!(matches!(told(&[("app", &long)]), Err(BadVariable::TooLong { bytes, .. }) if bytes == LONGEST + 1));
        // Quotes double in JSON: what fits into one variable may not fit into the other.
        assert!(matches!(told(&[("app", &"\"".repeat(60_000))]), Err(BadVariable::TooLong { name, .. }) if name == "BW_INCIDENT_JSON"));
    }

    #[test]
    fn what_is_chosen_is_one_of_the_choices() {
        let choices = vec!["eu".to_owned(), "us".to_owned()];
        let region = Input { name: "region".to_owned(), choices, default: None };
        let tries = |value: Option<&str>| {
            let inputs = value.map(|v| ("region".to_owned(), Untrusted::new(v))).into_iter().collect();
            variables(&run(&[]), &step(vec![region.clone()]), &"k1".into(), &inputs)
        };
        assert_eq!(tries(Some("eu")).unwrap().get("BW_INPUT_REGION").map(String::as_str), Some("eu"));
        assert_eq!(tries(None), Err(BadVariable::NotChosen("region".to_owned())));
        assert_eq!(tries(Some("$(id)")).unwrap_err().to_string(), "`$(id)` is no choice for `region`; there are eu, us");
        let stray = [("zone".to_owned(), Untrusted::new("a"))].into_iter().collect();
        assert_eq!(variables(&run(&[]), &step(Vec::new()), &"k1".into(), &stray), Err(BadVariable::NoInput("zone".to_owned())));
    }
}
