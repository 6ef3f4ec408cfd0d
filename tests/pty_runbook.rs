//! Somebody who never saw burnwatch, at 80x24, with the keys that stand on the screen alone: from the burning incident to the runbook that
//! matches, its dry run, and its steps, which really run; and what is there when they come back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use support::{pty::Pty, shop::Shop};
use tempfile::TempDir;

const RUNBOOK: &str = r#"---
title: Roll back the canary
alerts: ['service="checkout", slo="availability"']
---
Send everything to the version before.

## Look at the canary
```sh {name=look check timeout=10s expect="contains canary"}
echo "canary of $BW_LABEL_SERVICE fails"
```
## Shift the traffic
```sh {name=shift timeout=30s undo=back effect="burn checkout/availability < 1 within 10m"}
touch "$HOME/shifted"
seq 3
```
## Back again
```sh {name=back timeout=30s}
rm "$HOME/shifted"
```
## Wait for the proxies
```sh {name=wait timeout=30s}
echo waiting
while ! test -e "$HOME/go"; do sleep 0.05; done
echo "all of them"
```
## Tell support {name=tell}
Say that it is over.
"#;

/// The shop that burns, and a configuration that names the runbook.
fn shop(home: &Path) -> (Shop, PathBuf) {
    let shop = Shop::burning(home);
    let folder = home.join("runbooks");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("rollback.md"), RUNBOOK).unwrap();
    let config = home.join("with-runbooks.toml");
    fs::write(&config, format!("{}\n[runbooks]\ndir = \"runbooks\"\n", fs::read_to_string(&shop.config).unwrap())).unwrap();
    for (path, mode) in [(home.to_owned(), 0o700), (folder.clone(), 0o700), (folder.join("rollback.md"), 0o600), (config.clone(), 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    (shop, config)
}

fn cockpit(home: &Path, config: &Path) -> Pty {
    Pty::burnwatch(home, &["--config", config.to_str().unwrap(), "--as", "pat"], 80, 24)
}

#[test]
fn the_keys_on_the_screen_lead_from_the_incident_through_the_run_and_back_to_it() {
    let home = TempDir::new().unwrap();
    let (_shop, config) = shop(home.path());
    let mut pty = cockpit(home.path(), &config);
    // The answer to what comes next is the runbook, and its key stands in front.
    pty.wait_for_text("r Roll back");
    pty.send("r");
    pty.wait_for_text("enter begin a run");
    pty.wait_for_text("d dry run");
    pty.send("d");
    pty.wait_for_text("echo \"canary of $BW_LABEL_SERVICE fails\"");
    pty.wait_for_text("BW_LABEL_SERVICE=checkout");
    pty.send("d");
    pty.wait_for_text("enter begin a run");
    pty.send("\r");
    pty.wait_for_text("enter run step 1");
    assert!(!home.path().join("shifted").exists(), "to begin runs nothing");
    pty.send("\r");
    pty.wait_for_text("enter do it");
    pty.send("\r");
    // A check is done, and what it wrote is what the variable held.
    pty.wait_for_text("enter run step 2");
    pty.wait_for_text("canary of checkout fails");
    pty.send("\r");
    pty.wait_for_text("touch \"$HOME/shifted\"");
    pty.send("\r");
    pty.wait_for_text("enter run step 3");
    assert!(home.path().join("shifted").exists());
    // The effect of the step before is watched.
    pty.wait_for_text("settling, judged from");
    pty.send("\r");
    pty.wait_for_text("enter do it");
    pty.send("\r");
    pty.wait_for_text("it goes on if you leave");
    pty.wait_for_text("waiting");
    // The terminal goes away in the middle of the step.
    pty.hang_up();
    pty.wait_exit();
    let mut pty = cockpit(home.path(), &config);
    pty.wait_for_text("r Roll back");
    pty.send("r");
    pty.wait_for_text("it goes on if you leave");
    // And the next cockpit has no time to say good-bye.
    pty.signal(Signal::KILL);
    pty.wait_exit();
    drop(pty);
    let mut pty = cockpit(home.path(), &config);
    pty.wait_for_text("r Roll back");
    pty.send("r");
    pty.wait_for_text("it goes on if you leave");
    fs::write(home.path().join("go"), "").unwrap();
    pty.wait_for_text("enter tick off step 4");
    pty.send("k");
    pty.wait_for_text("all of them");
    pty.wait_for_text("✓ ok: exit 0");
    pty.send("g\r");
    pty.wait_for_text("enter do it");
    pty.send("\r");
    pty.wait_for_text("every step was taken");
    pty.send("\u{1b}");
    pty.wait_for_text("━━ SLOs ");
    pty.send("6");
    pty.wait_for_text("finished");
    pty.wait_for_text("runs of Roll back the canary");
    // Somebody has corrected the file meanwhile: what is opened is what it says now, and so is what is asked for.
    let book = home.path().join("runbooks/rollback.md");
    let corrected = |title: &str| fs::write(&book, RUNBOOK.replace("Roll back the canary", title)).unwrap();
    corrected("Roll it back by hand");
    pty.send("\r");
    pty.wait_for_text("its effect is watched");
    // A run that is over is left by the next key, and nothing has begun.
    pty.send("\r");
    pty.wait_for_text("Roll it back by hand");
    pty.wait_for_text("enter begin a run");
    pty.send("\x1b");
    pty.wait_for_text("runs of Roll it back by hand");
    corrected("Roll it back at once");
    pty.send("R");
    pty.wait_for_text("runs of Roll it back at once");
    pty.send("q");
    assert_eq!(pty.wait_exit().exit_code(), 0);
}
