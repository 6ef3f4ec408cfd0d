//! Stories about the store: each shows one promise kept through its public face.

#[cfg(test)]
mod journal;
#[cfg(test)]
mod latencies;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod readings;
#[cfg(test)]
mod spool;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod watch;
