//! The screen in a real pseudo-terminal: the test program runs itself as a child there.

use std::{
    io::{Read, Write},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    Ended, Session, fixture, run,
    terminal::{PanicGuard, Terminal},
};

const CHILD: &str = "BURNWATCH_PTY_CHILD";

/// What the child does; nothing when it runs as a test among others.
#[test]
fn child() {
    match std::env::var(CHILD).as_deref() {
        Err(_) => return,
        Ok("panic") => return panic_on_the_screen(),
        Ok("panic elsewhere") => drop(std::thread::spawn(panic_once_there_is_a_screen)),
        Ok(_) => {}
    }
    let (to, snapshots) = tokio::sync::watch::channel(Arc::new(fixture::burning()));
    let (requests, asked) = tokio::sync::mpsc::unbounded_channel();
    let ended = run(Session { snapshots, requests, settings: fixture::settings() });
    drop((to, asked));
    let code = match ended {
        Ok(Ended::Quit) => 0,
        Ok(Ended::Signal(n)) => 128 + n,
        Ok(Ended::HangUp) => 99,
        Err(error) => {
            println!("{error}");
            64
        }
    };
    std::process::exit(code);
}

/// What a mistake in the screen's own thread does while it has the terminal.
fn panic_on_the_screen() {
    let terminal = Arc::new(Terminal::find(|| ()).unwrap());
    let _guard = PanicGuard::over(&terminal);
    let first = terminal.take().unwrap();
    terminal.writer().put(first.to_vec());
    panic!("a mistake of the screen");
}

/// What a mistake of any other thread does while the screen has the terminal.
fn panic_once_there_is_a_screen() {
    let taken = || {
        let modes = rustix::termios::tcgetattr(rustix::stdio::stdin()).unwrap().local_modes;
        !modes.contains(rustix::termios::LocalModes::ICANON)
    };
    while !taken() {
        std::thread::yield_now();
    }
    panic!("a mistake elsewhere");
}

struct Cockpit {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    bytes: mpsc::Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
    go: Option<mpsc::Sender<()>>,
    /// The terminal's modes as the child found them.
    before: String,
}

impl Cockpit {
    /// Start a child in a pseudo-terminal; a stalled one is not read from until told so.
    fn start(stalled: bool) -> Self {
        Self::play("run", stalled)
    }

    /// The same, of a child that plays `part`.
    fn play(part: &str, stalled: bool) -> Self {
        let pty = native_pty_system().openpty(PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 }).unwrap();
        let before = format!("{:?}", pty.master.get_termios());
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["tui::pty_tests::child", "--exact", "--nocapture"]);
        command.env(CHILD, part);
        command.env("RUST_BACKTRACE", "0");
        let child = pty.slave.spawn_command(command).unwrap();
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let (to, bytes) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if stalled {
                let _ = gone.recv();
            }
            let mut buffer = vec![0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if to.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(50, 200, 0);
        Self { child, master: Some(pty.master), keys: Some(keys), bytes, screen, raw: Vec::new(), go: Some(go), before }
    }

    fn read_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let Ok(bytes) = self.bytes.recv_timeout(Duration::from_mins(1)) else {
                panic!(
                    "no {what} on\n{}\n{:?}",
                    self.screen.screen().contents(),
                    String::from_utf8_lossy(&self.raw[self.raw.len().saturating_sub(200)..])
                )
            };
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    fn wait_for(&mut self, text: &str) {
        self.read_until(text, |c| c.screen.screen().contents().contains(text));
    }

    fn press(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn termios(&self) -> String {
        format!("{:?}", self.master.as_ref().unwrap().get_termios())
    }

    fn code(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }

    fn is_restored(&self) -> bool {
        let screen = self.screen.screen();
        !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
    }
}

#[test]
fn a_person_leaves_and_the_terminal_is_as_it_was() {
    let mut cockpit = Cockpit::start(false);
    cockpit.wait_for("checkout / availability");
    assert!(cockpit.screen.screen().alternate_screen() && cockpit.screen.screen().hide_cursor());
    assert_ne!(cockpit.termios(), cockpit.before);
    cockpit.press("3");
    cockpit.wait_for("own rule");
    cockpit.press("q");
    cockpit.read_until("restored screen", Cockpit::is_restored);
    assert_eq!(cockpit.code(), 0);
    assert_eq!(cockpit.termios(), cockpit.before);
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131)] {
        let mut cockpit = Cockpit::start(false);
        cockpit.wait_for("checkout / availability");
        cockpit.signal(signal);
        cockpit.read_until("restored screen", Cockpit::is_restored);
        assert_eq!(cockpit.code(), code);
        assert_eq!(cockpit.termios(), cockpit.before);
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let mut cockpit = Cockpit::play("panic", false);
    cockpit.wait_for("a mistake of the screen");
    assert_eq!(cockpit.code(), 101);
    assert!(cockpit.is_restored());
    assert_eq!(cockpit.termios(), cockpit.before);
    let raw = String::from_utf8_lossy(&cockpit.raw).into_owned();
    let (_, after) = raw.split_once("\x1b[?1049l").unwrap();
    assert!(after.contains("a mistake of the screen") && !after.contains('\x1b'), "given back once, then told: {after:?}");
}

#[test]
fn a_panic_of_another_thread_is_told_when_the_screen_is_gone() {
    let mut cockpit = Cockpit::play("panic elsewhere", false);
    cockpit.wait_for("checkout / availability");
    cockpit.press("q");
    cockpit.wait_for("a mistake elsewhere");
    assert_eq!(cockpit.code(), 0);
    let raw = String::from_utf8_lossy(&cockpit.raw).into_owned();
    let (screen, after) = raw.split_once("\x1b[?1049l").unwrap();
    assert!(!screen.contains("a mistake") && after.matches("a mistake elsewhere").count() == 1, "{after:?}");
}

#[test]
fn a_terminal_that_no_longer_reads_holds_up_nothing() {
    let mut cockpit = Cockpit::start(true);
    let deadline = Instant::now() + Duration::from_mins(1);
    while cockpit.termios() == cockpit.before {
        assert!(Instant::now() < deadline, "the terminal was never taken");
        std::thread::yield_now();
    }
    cockpit.press("jjjj");
    cockpit.signal(Signal::TERM);
    assert_eq!(cockpit.code(), 143);
    assert_eq!(cockpit.termios(), cockpit.before);
    drop(cockpit.go.take());
    cockpit.read_until("restored screen", |c| c.raw.ends_with(b"\x1b[?1049l"));
    assert!(cockpit.is_restored());
}

#[test]
fn a_closed_terminal_ends_it() {
    let mut cockpit = Cockpit::start(false);
    cockpit.wait_for("checkout / availability");
    // The kernel sends SIGHUP too; either is an end.
    drop((cockpit.keys.take(), cockpit.master.take()));
    drop(cockpit.bytes);
    cockpit.bytes = mpsc::channel().1;
    let code = cockpit.code();
    assert!([99, 129].contains(&code), "{code}");
}

#[test]
fn suspended_it_gives_the_terminal_back_and_takes_it_again() {
    let mut cockpit = Cockpit::start(false);
    cockpit.wait_for("checkout / availability");
    cockpit.press("\x1a");
    cockpit.read_until("restored screen", Cockpit::is_restored);
    let stat = format!("/proc/{}/stat", cockpit.child.process_id().unwrap());
    let deadline = Instant::now() + Duration::from_mins(1);
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::yield_now();
    }
    assert_eq!(cockpit.termios(), cockpit.before);
    cockpit.signal(Signal::CONT);
    cockpit.read_until("screen again", |c| c.screen.screen().alternate_screen());
    cockpit.wait_for("checkout / availability");
    cockpit.press("q");
    assert_eq!(cockpit.code(), 0);
}
