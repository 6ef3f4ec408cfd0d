//! The practice fleet: a small shop that really runs, on loopback, and misbehaves on cue.
//!
//! It exists so that someone with nothing installed sees the cockpit work (`demo`), and so that tests have a backend whose truth is known
//! to the last request. A [`Scenario`] is data: six services, what each promises, what it went through in the past, and which faults
//! befall it when. A [`Shop`] turns it into counters, a pure function of seed, time and what was ordered of it; a [`Fleet`] serves them over
//! real HTTP as Prometheus text and takes [`Order`]s, by which a runbook's steps really end a fault; [`history`] lays 30 days of plausible
//! past before the start; [`Fleet::config`] is the configuration that watches it, the text a user could have written.
//!
//! This room never asks for the time by itself (the clock is given), never speaks to anything but loopback, and knows neither store,
//! sources nor screen: burnwatch meets it through its address only.

mod backlog;
mod config;
mod control;
mod exposition;
mod file;
mod history;
mod http;
mod latency;
mod practice;
mod scenario;
mod server;
mod shop;
mod tally;

pub use backlog::Standing;
pub use control::{BadOrder, Order};
pub use file::BadScenario;
pub use history::{Bucket, history};
pub use latency::Latency;
pub use scenario::{Fault, LATE_SECS, PastIncident, Pool, Queue, SLOW_SECS, Scenario, Service, Trouble};
pub use server::{Clock, Fleet};
pub use shop::{Counter, Harm, PoolStanding, Shop, View};
