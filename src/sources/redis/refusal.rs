//! What a Redis says when it refuses, by what can be done about it.

use crate::{domain::FaultClass, sources::failure::shorten};

/// The class of a refusal, and in words what happened and the next step. `known` if we said who we are; `secret` is never repeated.
pub fn words(said: &str, known: bool, secret: Option<&str>) -> (FaultClass, String) {
    let said = secret.filter(|s| s.len() >= 4).map_or_else(|| said.to_owned(), |secret| said.replace(secret, "***"));
    let code = said.split_whitespace().next().unwrap_or_default();
    let short = shorten(&said);
    match code {
        "NOAUTH" if !known => (FaultClass::Unauthorized, "asks for a password (NOAUTH) and none is set; set password_file".into()),
        "NOAUTH" | "WRONGPASS" => {
            (FaultClass::Unauthorized, format!("refused our credentials ({code}); check `username` and the password"))
        }
        "NOPERM" => (
            FaultClass::Unauthorized,
            format!("does not let this user do what is needed ({short}); give it `+@read +@connection` and the keys"),
        ),
        "LOADING" => (FaultClass::NotReady, "is loading its data into memory (LOADING); it answers once that is done".into()),
        "MASTERDOWN" => (FaultClass::NotReady, "is a replica that has lost its master (MASTERDOWN); look at the replication".into()),
        "CLUSTERDOWN" => (FaultClass::NotReady, "is of a cluster that is down (CLUSTERDOWN); look at `CLUSTER INFO`".into()),
        "BUSY" => (FaultClass::NotReady, "is held up by a script (BUSY); look at what runs there".into()),
        "TRYAGAIN" => (FaultClass::NotReady, "is moving these keys to another node (TRYAGAIN); it answers once that is done".into()),
        "MOVED" | "ASK" => {
            let node = said.split_whitespace().nth(2).unwrap_or("another node");
            let what = format!("is a node of a cluster and has these keys at {} ({code}), which is not followed", shorten(node));
            (FaultClass::Redirected, format!("{what}; set `url` to that node, and name the queues in `queues`"))
        }
        "WRONGTYPE" => (
            FaultClass::Malformed,
            "holds something else under a key of the queues (WRONGTYPE); check `kind`, the prefix and the database number".into(),
        ),
        "DENIED" => (FaultClass::Unauthorized, "lets only its own host in (protected mode); set a password there, or `bind`".into()),
        _ if said.contains("max number of clients") => {
            (FaultClass::RateLimited, "has as many clients as it may have; raise `maxclients` there".into())
        }
        _ if said.contains("AUTH") && said.contains("without any password") => {
            (FaultClass::Unauthorized, "has no password set, and we sent one; leave out the password, or set one there".into())
        }
        _ if said.contains("DB index") => (FaultClass::Rejected, format!("has no such database ({short}); check the number in `url`")),
        _ => (FaultClass::Rejected, format!("refused the request: {short}; check the server's version and the user's rights")),
    }
}

/// Whether a refusal is about one key or one command only, so that the other answers stand.
pub fn is_of_one(said: &str) -> bool {
    ["WRONGTYPE", "NOPERM", "ERR"].contains(&said.split_whitespace().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_class_and_a_next_step() {
        use FaultClass::{Malformed, NotReady, RateLimited, Redirected, Rejected, Unauthorized};
        for (said, class, step) in [
            ("NOAUTH Authentication required.", Unauthorized, "set password_file"),
            ("WRONGPASS invalid username-password pair or user is disabled.", Unauthorized, "check `username`"),
            ("NOPERM User ro has no permissions to run the 'llen' command", Unauthorized, "+@read"),
            ("LOADING Redis is loading the dataset in memory", NotReady, "once that is done"),
            ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", NotReady, "replication"),
            ("BUSY Redis is busy running a script.", NotReady, "what runs there"),
            ("MOVED 3999 127.0.0.1:6381", Redirected, "127.0.0.1:6381"),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Malformed, "prefix"),
            ("DENIED Redis is running in protected mode because", Unauthorized, "set a password"),
            ("ERR max number of clients reached", RateLimited, "maxclients"),
            ("ERR AUTH <password> called without any password configured for the default user.", Unauthorized, "leave out"),
            ("ERR DB index is out of range", Rejected, "check the number"),
            ("ERR \u{1b}[2J", Rejected, "\u{241b}[2J"),
            ("", Rejected, "check"),
        ] {
            let (found, what) = words(said, false, None);
            assert_eq!(found, class, "{said}");
            assert!(what.contains(step), "{said}: {what}");
        }
        assert!(words("ERR unknown hunter2", true, Some("hunter2")).1.contains("unknown ***"));
        assert!(words("NOAUTH", true, Some("hunter2")).1.contains("check `username`"));
    }
}
