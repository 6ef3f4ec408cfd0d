//! The loop: something happens, the state follows, a frame is drawn. One frame for a burst of events, none if nothing changed.
//!
//! It runs on the calling thread. Two more threads belong to it: one reads keys, one writes frames; signals arrive through a third.
//! No terminal, however slow, holds up this loop.

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use chrono::{DateTime, Utc};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH},
    iterator::{Handle, Signals},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    Ended, Session,
    action::Action,
    frames::Frames,
    input::{self, Input},
    keymap::Chord,
    state::Ui,
    terminal::{PanicGuard, Terminal, TerminalError},
    update::update,
};
use crate::domain::Request;

/// Frames above so many bytes are shown at once by terminals that know synchronized output.
const SYNCHRONIZED_FROM: usize = 1_024;

/// Show the screen on this thread until a person, a signal or the terminal ends it. Must not be called from within an async runtime.
pub fn run(session: Session) -> Result<Ended, TerminalError> {
    let (to, inputs) = unbounded_channel();
    let freed = to.clone();
    let terminal = Arc::new(Terminal::find(move || drop(freed.send(Input::Free)))?);
    let guard = PanicGuard::over(&terminal);
    let signals = Listening::start(to.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut app = App::begin(session, terminal, to, inputs)?;
    let ended = runtime.block_on(app.live());
    app.terminal.give_back();
    drop((signals, app, guard));
    ended
}

/// Signals become inputs while this lives. Afterwards a second one ends the process at once.
struct Listening {
    handle: Handle,
    over: Arc<AtomicBool>,
}

impl Listening {
    fn start(to: UnboundedSender<Input>) -> Result<Self, TerminalError> {
        let over = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, over.clone())?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])?;
        let handle = signals.handle();
        let forward = move || {
            for signal in signals.forever() {
                if to.send(Input::Signal(signal)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(forward)?;
        Ok(Self { handle, over })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.handle.close();
    }
}

struct App {
    session: Session,
    terminal: Arc<Terminal>,
    inputs: UnboundedReceiver<Input>,
    ui: Ui,
    frames: Frames,
    /// What must be written before the next frame; the frame is then drawn from nothing.
    anew: Option<&'static [u8]>,
    dirty: bool,
    /// Whether the engine still sends.
    fed: bool,
    /// While it lives the thread that reads keys does.
    _keys: UnixStream,
}

/// What woke the loop.
enum Woken {
    Input(Option<Input>),
    Snapshot(bool),
    Tick,
}

impl App {
    fn begin(
        mut session: Session,
        terminal: Arc<Terminal>,
        to: UnboundedSender<Input>,
        inputs: UnboundedReceiver<Input>,
    ) -> Result<Self, TerminalError> {
        let snapshot = session.snapshots.borrow_and_update().clone();
        let area = terminal.size();
        let keys = input::start(rustix::io::dup(terminal.tty())?, to)?;
        let ui = Ui::new(session.settings.clone(), snapshot, area, Utc::now());
        let anew = Some(terminal.take()?);
        Ok(Self { session, terminal, inputs, ui, frames: Frames::default(), anew, dirty: true, fed: true, _keys: keys })
    }

    async fn live(&mut self) -> Result<Ended, TerminalError> {
        loop {
            self.draw(Utc::now());
            let tick = tokio::time::sleep(self.next_tick(Utc::now()));
            let woken = tokio::select! {
                input = self.inputs.recv() => Woken::Input(input),
                changed = self.session.snapshots.changed(), if self.fed => Woken::Snapshot(changed.is_ok()),
                () = tick => Woken::Tick,
            };
            if let Some(ended) = self.follow(woken)? {
                return Ok(ended);
            }
            while let Ok(input) = self.inputs.try_recv() {
                if let Some(ended) = self.hear(input, Utc::now())? {
                    return Ok(ended);
                }
            }
        }
    }

    /// To the next full second, or to where the cursor counts as resting.
    fn next_tick(&self, now: DateTime<Utc>) -> Duration {
        let second = until_next_second(now);
        self.ui.settles_in(now).map_or(second, |rest| rest.min(second))
    }

    fn follow(&mut self, woken: Woken) -> Result<Option<Ended>, TerminalError> {
        let now = Utc::now();
        match woken {
            Woken::Input(Some(input)) => return self.hear(input, now),
            Woken::Input(None) => return Ok(Some(Ended::HangUp)),
            Woken::Snapshot(true) => {
                let snapshot = self.session.snapshots.borrow_and_update().clone();
                self.ui.take(snapshot, now);
                self.dirty = true;
            }
            Woken::Snapshot(false) => {
                self.fed = false;
                self.ui.fail("the engine has stopped: figures stay as they are; leave and start again");
                self.dirty = true;
            }
            Woken::Tick if input::has_hung_up(self.terminal.tty()) => return Ok(Some(Ended::HangUp)),
            Woken::Tick => {
                self.ui.pass(now);
                self.dirty = true;
            }
        }
        Ok(None)
    }

    fn hear(&mut self, input: Input, now: DateTime<Utc>) -> Result<Option<Ended>, TerminalError> {
        match input {
            Input::Key(chord) => return self.key(chord, now),
            Input::Paste(text) => self.act(&Action::Paste(text), now),
            Input::HangUp => return Ok(Some(Ended::HangUp)),
            Input::Free => return Ok(self.terminal.writer().is_broken().then_some(Ended::HangUp)),
            Input::Signal(SIGWINCH) => self.resize(),
            Input::Signal(SIGCONT) => return Ok(self.retake()),
            Input::Signal(SIGTSTP) => self.suspend()?,
            Input::Signal(signal) => return Ok(Some(Ended::Signal(signal))),
        }
        Ok(None)
    }

    fn key(&mut self, chord: Chord, now: DateTime<Utc>) -> Result<Option<Ended>, TerminalError> {
        match self.ui.keymap.lookup_in(&self.ui, chord) {
            Some(Action::Quit) => return Ok(Some(Ended::Quit)),
            // To the whole group, as the terminal would: a program that started this one stops with it.
            Some(Action::Suspend) => {
                rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
            }
            Some(Action::Redraw) => self.redraw(),
            Some(action) => self.act(&action, now),
            None => {}
        }
        Ok(None)
    }

    fn act(&mut self, action: &Action, now: DateTime<Utc>) {
        let requests = update(&mut self.ui, action, now);
        self.ask(requests);
        self.dirty = true;
    }

    fn ask(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            if self.session.requests.send(request).is_err() {
                self.ui.fail("the engine has stopped: nothing was done; leave and start again");
            }
        }
    }

    fn resize(&mut self) {
        let area = self.terminal.size();
        if area != self.ui.area {
            self.ui.resize(area);
            self.redraw();
        }
    }

    fn redraw(&mut self) {
        self.anew.get_or_insert(b"");
        self.dirty = true;
    }

    /// Give the terminal back and stop, as the shell expects. The stop may reach this thread a moment later than the others, so
    /// nothing is taken again here: `fg` sends SIGCONT, and that does.
    fn suspend(&self) -> Result<(), TerminalError> {
        self.terminal.give_back();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        Ok(())
    }

    /// Somebody else has had the terminal: take it again and draw everything. A terminal that goes away sends SIGCONT too, after
    /// SIGHUP; then there is nothing to take.
    fn retake(&mut self) -> Option<Ended> {
        let Ok(first) = self.terminal.take() else { return Some(Ended::HangUp) };
        self.anew = Some(first);
        self.ui.resize(self.terminal.size());
        self.dirty = true;
        None
    }

    /// Draw a frame, if there is anything to draw and somebody to take it.
    fn draw(&mut self, now: DateTime<Utc>) {
        if !self.dirty || !self.terminal.is_taken() || self.ui.area.is_empty() || !self.terminal.writer().is_free() {
            return;
        }
        self.dirty = false;
        let mut out = Vec::new();
        if let Some(first) = self.anew.take() {
            out.extend_from_slice(first);
            self.frames.begin(&self.ui, &mut out);
        }
        let below = self.frames.draw(&self.ui, now, &mut out);
        if let Some(text) = self.ui.clipboard.take() {
            out.extend_from_slice(format!("\x1b]52;c;{}\x07", base64::engine::general_purpose::STANDARD.encode(text)).as_bytes());
        }
        if !out.is_empty() {
            self.terminal.writer().put(synchronized(out));
        }
        let looks = self.ui.after_draw(below, now);
        self.ask(looks);
    }
}

fn synchronized(frame: Vec<u8>) -> Vec<u8> {
    if frame.len() < SYNCHRONIZED_FROM {
        return frame;
    }
    [b"\x1b[?2026h".as_slice(), &frame, b"\x1b[?2026l"].concat()
}

fn until_next_second(now: DateTime<Utc>) -> Duration {
    Duration::from_millis(u64::from(1_000 - now.timestamp_subsec_millis().min(999)))
}
