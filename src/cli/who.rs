//! Who acts: the login uid if there is one (it survives sudo), else the real uid.

use std::fs;

use crate::domain::{Actor, Person, Text};

/// The kernel's mark for "no login uid".
const UNSET: u32 = u32::MAX;

/// Who sits at this terminal. Root and shared accounts without a login uid give a name, which is taken unverified.
pub fn actor(people: &[Person], shared: &[String], named: Option<&str>) -> Actor {
    let login_uid = fs::read_to_string("/proc/self/loginuid").ok().and_then(|s| s.trim().parse().ok()).filter(|u| *u != UNSET);
    let uid = login_uid.unwrap_or_else(|| rustix::process::getuid().as_raw());
    let login = uzers::get_user_by_uid(uid).map(|u| u.name().to_string_lossy().into_owned());
    let login = login.unwrap_or_else(|| format!("uid {uid}"));
    let vague = login_uid.is_none() && (uid == 0 || shared.contains(&login));
    identify(people, &login, vague, named)
}

/// The person behind a login. An unknown login is shown as `jdoe (unknown)`; where the login says nothing (`vague`), the name given
/// counts, unverified.
pub fn identify(people: &[Person], login: &str, vague: bool, named: Option<&str>) -> Actor {
    if vague {
        return Actor { name: Text::from(named.unwrap_or(login)), verified: false };
    }
    let known = people.iter().find(|p| p.login.as_deref() == Some(login));
    let name = known
        .map_or_else(|| if people.is_empty() { Text::from(login) } else { Text::from(format!("{login} (unknown)")) }, |p| p.name.clone());
    Actor { name, verified: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_names_a_person_and_a_shared_account_names_nobody() {
        let maya = Person { name: "maya".into(), login: Some("mk".into()), email: None, time_zone: None, night: None };
        let show = |login, vague, named| identify(std::slice::from_ref(&maya), login, vague, named).to_string();
        assert_eq!(show("mk", false, None), "maya");
        assert_eq!(show("jdoe", false, Some("maya")), "jdoe (unknown)");
        assert_eq!(show("root", true, Some("jon")), "jon (unverified)");
        assert_eq!(show("root", true, None), "root (unverified)");
    }
}
