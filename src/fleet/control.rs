//! What can be done to the shop while it runs: the remedies that a runbook's steps ask for, and a look at how a service stands.

use std::{fmt, str::FromStr, sync::Arc};

/// One order to the shop, as words: see [`Order::USAGE`].
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// How a service stands.
    Look {
        /// Which service.
        service: String,
    },
    /// Share a service's traffic out between its stable version and its canary.
    Traffic {
        /// Which service.
        service: String,
        /// Share that the stable version gets, in percent; the canary gets the rest.
        stable: f64,
    },
    /// Start the workers of a queue again.
    Restart {
        /// Which queue.
        queue: String,
    },
    /// Have so many workers on a queue.
    Workers {
        /// Which queue.
        queue: String,
        /// How many.
        workers: u32,
    },
    /// Have so many connections in a service's pool.
    Pool {
        /// Which service.
        service: String,
        /// How many.
        size: u32,
    },
    /// Switch a flag.
    Flag {
        /// Which.
        flag: Arc<str>,
        /// On or off.
        on: bool,
    },
}

/// Why words are no order, or why one cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadOrder(pub String);

impl Order {
    /// All orders, one a line.
    pub const USAGE: &str = "look SERVICE\n\
                             traffic SERVICE stable=PERCENT [canary=PERCENT]\n\
                             workers restart QUEUE\n\
                             workers scale QUEUE COUNT\n\
                             pool SERVICE COUNT\n\
                             flag NAME on|off";
}

/// The words again.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look { service } => write!(f, "look {service}"),
            Self::Traffic { service, stable } => write!(f, "traffic {service} stable={stable} canary={}", 100.0 - stable),
            Self::Restart { queue } => write!(f, "workers restart {queue}"),
            Self::Workers { queue, workers } => write!(f, "workers scale {queue} {workers}"),
            Self::Pool { service, size } => write!(f, "pool {service} {size}"),
            Self::Flag { flag, on } => write!(f, "flag {flag} {}", if *on { "on" } else { "off" }),
        }
    }
}

impl FromStr for Order {
    type Err = BadOrder;
    fn from_str(text: &str) -> Result<Self, BadOrder> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let unknown = || BadOrder(format!("`{text}` is no order; there are\n{}", Self::USAGE));
        let count = |word: &str| word.parse::<u32>().map_err(|_| BadOrder(format!("`{word}` is no count")));
        match words.as_slice() {
            ["look", service] => Ok(Self::Look { service: (*service).to_owned() }),
            ["traffic", service, rest @ ..] => {
                let stable = stable(rest).ok_or_else(unknown)?;
                Ok(Self::Traffic { service: (*service).to_owned(), stable })
            }
            ["workers", "restart", queue] => Ok(Self::Restart { queue: (*queue).to_owned() }),
            ["workers", "scale", queue, n] => Ok(Self::Workers { queue: (*queue).to_owned(), workers: count(n)? }),
            ["pool", service, n] => Ok(Self::Pool { service: (*service).to_owned(), size: count(n)? }),
            ["flag", flag, "on"] => Ok(Self::Flag { flag: (*flag).into(), on: true }),
            ["flag", flag, "off"] => Ok(Self::Flag { flag: (*flag).into(), on: false }),
            _ => Err(unknown()),
        }
    }
}

/// The stable version's percent in `stable=90 canary=10`; one of the two is enough, and together they are 100.
fn stable(words: &[&str]) -> Option<f64> {
    let percent = |word: &str, name: &str| {
        let share: f64 = word.strip_prefix(name)?.strip_prefix('=')?.trim_end_matches('%').parse().ok()?;
        (0.0..=100.0).contains(&share).then_some(share)
    };
    match words {
        [one] => percent(one, "stable").or_else(|| percent(one, "canary").map(|canary| 100.0 - canary)),
        [one, two] => {
            let stable = percent(one, "stable").or_else(|| percent(two, "stable"))?;
            let canary = percent(one, "canary").or_else(|| percent(two, "canary"))?;
            ((stable + canary - 100.0).abs() < 1e-9).then_some(stable)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_words_and_words_orders() {
        for (text, again) in [
            ("look checkout", "look checkout"),
            ("traffic checkout stable=100", "traffic checkout stable=100 canary=0"),
            ("traffic checkout canary=10 stable=90", "traffic checkout stable=90 canary=10"),
            ("traffic checkout canary=75%", "traffic checkout stable=25 canary=75"),
            (" workers  restart orders ", "workers restart orders"),
            ("workers scale orders 12", "workers scale orders 12"),
            ("pool payments 80", "pool payments 80"),
            ("flag recommendations off", "flag recommendations off"),
            ("flag recommendations on", "flag recommendations on"),
        ] {
            assert_eq!(text.parse::<Order>().unwrap().to_string(), again);
        }
        for text in
            ["", "look", "traffic checkout", "traffic checkout stable=90 canary=20", "traffic checkout stable=NaN", "pool payments many"]
        {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
        assert!("reboot".parse::<Order>().unwrap_err().to_string().contains("workers restart QUEUE"));
    }
}
