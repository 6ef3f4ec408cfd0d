//! The environment of a step: little of ours, and what the step is told.

use crate::domain::Variables;

/// What a step gets of our own environment; nothing else of it.
pub const PASSED_ON: [&str; 11] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The whole environment of a step: what is passed on of ours, a terminal that can do nothing, and what it is told.
pub fn environment(told: &Variables, ours: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<(String, std::ffi::OsString)> {
    let passed = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), ours(name)?)));
    let told = told.iter().map(|(name, value)| (name.clone(), value.into()));
    passed.chain([("TERM".to_owned(), "dumb".into())]).chain(told).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn little_of_our_own_environment_is_passed_on() {
        let ours = |name: &str| Some(format!("our {name}").into());
        let all: BTreeMap<_, _> = environment(&[("BW_RUN".to_owned(), "0007".to_owned())].into(), ours).into_iter().collect();
        assert_eq!(all.get("TERM").unwrap(), "dumb");
        assert_eq!(all.get("PATH").unwrap(), "our PATH");
        assert!(all.keys().all(|name| name.starts_with("BW_") || name == "TERM" || PASSED_ON.contains(&name.as_str())), "{all:?}");
    }
}
