//! What our credentials allow: whose token it is, what that user may do, and whether those who act are users of the account.
//!
//! Nothing is changed. What an account's key may write cannot be told without writing, and is said to be so.

use async_trait::async_trait;
use serde::Deserialize;

use super::{
    PagerDuty,
    wire::{Users, WireUser},
};
use crate::{
    domain::{Lane, Person, Text},
    sources::{
        alertmanager::or_default,
        failure::{Failure, Reached},
        source::{Examiner, Finding, Now, Turn},
    },
};

#[async_trait]
impl Examiner for PagerDuty {
    async fn examine(&self, people: &[Person], now: Now<'_>) -> Vec<Finding> {
        let turn = Turn::begin(Lane::Long, self.deadlines, now);
        let mut found = vec![self.token(&turn).await];
        if let Some(plan) = self.plan(&turn).await {
            found.push(plan);
        }
        let with_address: Vec<_> = people.iter().filter_map(|p| Some((p, p.email.as_ref()?))).collect();
        if with_address.is_empty() {
            found.push(Finding {
                well: false,
                text: Text::from("nobody can act: no [[person]] has an `email`, and acts go out in a person's name"),
            });
        }
        for (person, email) in with_address {
            found.push(match self.known(email, &turn).await {
                Ok(Some(user)) => well(format!("{} acts as {email} ({})", person.name, role(&user.role))),
                Ok(None) => bad(format!("{}: {email} is no user of this account; acts in that name are refused", person.name)),
                Err(failure) => bad(format!("{}: {email} could not be looked up: {}", person.name, failure.why())),
            });
        }
        found
    }
}

impl PagerDuty {
    /// Whose token it is.
    async fn token(&self, turn: &Turn<'_>) -> Finding {
        let me = match self.ask(&["users", "me"], &[], turn).await {
            Ok(good) => self.decode::<Me>(&good.body).map(|me| me.user),
            Err(failure) => Err(failure),
        };
        match me {
            Ok(user) if may_write(&user.role) => well(format!("the token is that of {} ({}): it may act", user.email, role(&user.role))),
            Ok(user) => bad(format!("the token is that of {} ({}): it may only read", user.email, role(&user.role))),
            Err(failure) if failure.reached == Reached::Answered(400) => {
                well("the token is a key of the account: it reads; whether it may act is not told before it does".to_owned())
            }
            Err(failure) => bad(format!("whose token it is could not be told: {}", failure.why())),
        }
    }

    /// What the account's plan has; `None` if that is not told.
    async fn plan(&self, turn: &Turn<'_>) -> Option<Finding> {
        let good = self.ask(&["abilities"], &[], turn).await.ok()?;
        let abilities = self.decode::<Abilities>(&good.body).ok()?.abilities;
        let has = |name: &str| abilities.iter().any(|a| a == name);
        let note = if has("urgencies") { "urgencies" } else { "no urgencies: severity follows priority alone" };
        Some(well(format!("the account's plan has {} abilities; {note}", abilities.len())))
    }

    /// The user with exactly this mail address.
    async fn known(&self, email: &Text, turn: &Turn<'_>) -> Result<Option<WireUser>, Failure> {
        let good = self.ask(&["users"], &[("query", email.as_str()), ("limit", "100")], turn).await?;
        Ok(self.decode::<Users>(&good.body)?.by_email(email.as_str()))
    }
}

/// Whether a user of this role may change incidents.
fn may_write(role: &str) -> bool {
    !matches!(role, "read_only_user" | "read_only_limited_user" | "observer" | "restricted_access")
}

fn role(word: &str) -> Text {
    Text::clean(&if word.is_empty() { "of a role that is not told".to_owned() } else { word.replace('_', " ") })
}

fn well(text: String) -> Finding {
    Finding { well: true, text: Text::from(text) }
}

fn bad(text: String) -> Finding {
    Finding { well: false, text: Text::from(text) }
}

#[derive(Deserialize)]
struct Me {
    user: WireUser,
}

#[derive(Deserialize)]
struct Abilities {
    #[serde(default, deserialize_with = "or_default")]
    abilities: Vec<String>,
}
