//! Words in, exit code out. Joins the wings below: the only room that knows both the engine and the screen.
//!
//! One file a command. stdout is data, stderr is talk; whatever the screen shows or does, a command shows or does with `--json`.

mod acts;
mod args;
mod audit;
mod check;
mod demo;
mod drill;
mod drills;
mod headless;
mod incidents;
mod log;
mod oncall;
mod practice;
mod queues;
mod rotation;
mod run;
mod runbook;
mod setup;
mod shop;
mod silence;
mod status;
mod store;
mod trust;
mod watch;
mod who;

pub use args::Cli;
pub use run::run;
