//! What a probe must be told.

use std::{collections::BTreeMap, time::Duration};

use hyper::Method;
use url::Url;

use super::{
    super::settings::{Deadlines, HttpSettings},
    expect::Expectation,
};
use crate::domain::{Objective, SourceName};

/// What a probe must be told.
#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// The row's name.
    pub name: SourceName,
    /// How to speak with the targets; its `base` is not used.
    pub http: HttpSettings,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// What to check.
    pub targets: Vec<ProbeTarget>,
    /// What must answer for a failure to be believed; `None` to believe all but what surely is our own.
    pub self_check: Option<Url>,
    /// How long before its end a certificate is worth a warning.
    pub certificate_warning: Duration,
    /// What is promised where no SLO of the config says it.
    pub promises: Promises,
}

/// What is promised of each service that is probed.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// Of its checks.
    pub objective: Objective,
    /// Of its answers, to come in `under`.
    pub latency_objective: Objective,
    /// What is quick enough.
    pub under: Duration,
}

/// One thing to check.
#[derive(Clone, Debug)]
pub struct ProbeTarget {
    /// Its address: `http`, `https` or `tcp`.
    pub url: Url,
    /// Its labels, `service` among them.
    pub labels: BTreeMap<String, String>,
    /// How it is asked.
    pub method: Method,
    /// What its answer must be like.
    pub expect: Expectation,
}
