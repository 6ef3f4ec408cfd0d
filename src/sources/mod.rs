//! The backends: one file each, behind two small traits.
//!
//! A [`Source`] is asked by the engine and answers with a `Reading` in parts; a [`Responder`] carries an act out where a backend has
//! acts. All speak through one kind of HTTP client, or one reader of Redis, with deadlines, a cap on bytes and no redirects. What a
//! vendor sends is decoded into structs that no other file sees and turned into the nouns of `domain` at once. A backend never keeps time
//! (interval, jitter and backoff are the engine's), never stores and never draws.

mod address;
mod alertmanager;
mod bullmq;
mod celery;
mod client;
mod decode;
mod exposition;
mod failure;
mod http;
mod ical;
mod pagerduty;
pub mod probe;
mod prometheus;
mod promql;
mod rabbitmq;
mod redis;
pub mod registry;
mod rq;
mod scrape;
mod settings;
mod sidekiq;
mod silence;
mod source;
mod step;
#[cfg(test)]
mod tests;

pub use alertmanager::Alertmanager;
#[doc(hidden)]
pub use decode::{BadAnswer, counts as decode_counts};
#[doc(hidden)]
pub use exposition::{BadLine, Sample, parse as parse_exposition};
pub use ical::Ical;
pub use pagerduty::PagerDuty;
pub use probe::{Expectation, Probe, ProbeSettings, ProbeTarget, Promises};
pub use prometheus::Prometheus;
pub use rabbitmq::RabbitMq;
pub use redis::JobQueues;
pub use scrape::Scrape;
pub use settings::{
    AlertmanagerSettings, BadSettings, Credentials, Deadlines, HttpSettings, IcalPlace, IcalSettings, PagerDutySettings,
    PrometheusSettings, QueueSystem, RabbitMqSettings, RedisPlace, RedisSettings, ScrapeSettings, ScrapeTarget,
};
pub use source::{Chronicle, Examiner, Figures, Finding, Gives, Order, Responder, Source};
pub use step::{Answered, Unanswered, send};
