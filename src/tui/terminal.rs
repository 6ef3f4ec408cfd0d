//! The terminal: taken once, always given back, exactly once.
//!
//! Looks first whether there is one. Takes it (raw mode, alternate screen, no cursor) and gives it back on every way out: return,
//! panic, signal, suspension. Giving back never waits long for a terminal that no longer reads.

use std::{
    io,
    os::fd::OwnedFd,
    panic::PanicHookInfo,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

use ratatui::layout::Rect;
use rustix::termios::{OptionalActions, QueueSelector, Termios, isatty, tcflush, tcgetattr, tcgetwinsize, tcsetattr};

use super::writer::{Output, Writer};

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Standard input or output is a file, a pipe or nothing.
    #[error("{0} is not a terminal; without one use `burnwatch status`")]
    NoTerminal(&'static str),
    /// The terminal refused.
    #[error("the terminal refused: {0}; without one use `burnwatch status`")]
    Refused(#[from] io::Error),
}

impl From<rustix::io::Errno> for TerminalError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Refused(errno.into())
    }
}

/// Alternate screen, no cursor, pastes marked as such.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
/// The way back; synchronized output is ended too, for the last frame may have been cut short.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?25h\x1b[?1049l";
/// Ends whatever sequence was cut short when pending output was thrown away.
const CANCEL: &[u8] = b"\x18";
/// Larger than any terminal; what lies beyond is not drawn.
const LARGEST: (u16, u16) = (1_000, 500);

/// A terminal that was looked at and may be taken.
#[derive(Debug)]
pub struct Terminal {
    tty: OwnedFd,
    out: Arc<Output>,
    original: Termios,
    taken: AtomicBool,
    writer: Arc<Writer>,
}

impl Terminal {
    /// Look for the terminal; nothing is changed yet. `free` is called as [`Writer::start`] says.
    pub fn find(free: impl Fn() + Send + 'static) -> Result<Self, TerminalError> {
        let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        if !isatty(stdin) {
            return Err(TerminalError::NoTerminal("standard input"));
        }
        if !isatty(stdout) {
            return Err(TerminalError::NoTerminal("standard output"));
        }
        let (tty, out) = (rustix::io::dup(stdin)?, Arc::new(Output::find()?));
        let original = tcgetattr(&tty)?;
        let writer = Writer::start(out.clone(), free)?;
        Ok(Self { tty, out, original, taken: AtomicBool::new(false), writer })
    }

    /// Take it. Returns what has to be written before the first frame. Taking it again after somebody else has had it is allowed.
    pub fn take(&self) -> Result<&'static [u8], TerminalError> {
        let mut raw = self.original.clone();
        raw.make_raw();
        // First the mark: whoever panics from here on must not write into it.
        self.taken.store(true, Ordering::SeqCst);
        let taken = tcsetattr(&self.tty, OptionalActions::Now, &raw).and_then(|()| self.out.hold());
        taken.inspect_err(|_| self.taken.store(false, Ordering::SeqCst))?;
        Ok(ENTER)
    }

    /// Whether it is taken now.
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    /// Give it back, if it is taken; the second time nothing happens. Takes 300 ms at the most: what a terminal has not taken by then
    /// is thrown away, so that the way back is the next that it reads.
    pub fn give_back(&self) {
        if !self.taken.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut bytes = Vec::new();
        if !self.writer.settle(Duration::from_millis(100)) {
            self.writer.give_up();
            let _ = tcflush(self.out.fd(), QueueSelector::OFlush);
            bytes.extend_from_slice(CANCEL);
        }
        bytes.extend_from_slice(LEAVE);
        self.out.write(&bytes, Duration::from_millis(150));
        self.out.release();
        let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.original);
    }

    /// Its size, clamped to what is worth drawing; nothing for a terminal that says 0x0 or nothing.
    pub fn size(&self) -> Rect {
        let Ok(size) = tcgetwinsize(self.out.fd()) else { return Rect::ZERO };
        Rect::new(0, 0, size.ws_col.min(LARGEST.0), size.ws_row.min(LARGEST.1))
    }

    /// The thread that writes to it.
    pub fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// The descriptor that keys come from.
    pub fn tty(&self) -> &OwnedFd {
        &self.tty
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
        self.writer.close();
    }
}

type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// While it lives, a panic of the screen gives the terminal back before it is told; a panic of any other thread is kept, and told
/// once the screen is gone, for a line in the middle of it would destroy it.
pub struct PanicGuard {
    previous: Hook,
    kept: Arc<Mutex<Vec<String>>>,
}

impl PanicGuard {
    /// Watch over `terminal`; the calling thread is the screen's.
    pub fn over(terminal: &Arc<Terminal>) -> Self {
        let previous: Hook = Arc::from(std::panic::take_hook());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (terminal, screen) = (Arc::downgrade(terminal), std::thread::current().id());
        let (told, others) = (previous.clone(), kept.clone());
        std::panic::set_hook(Box::new(move |info| {
            let held = terminal.upgrade().filter(|t| t.is_taken());
            match held {
                Some(terminal) if is(screen) => {
                    terminal.give_back();
                    told(info);
                }
                Some(_) => {
                    tracing::error!(panic = %info, "a thread panicked");
                    others.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
                }
                None => told(info),
            }
        }));
        Self { previous, kept }
    }
}

fn is(thread: ThreadId) -> bool {
    std::thread::current().id() == thread
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        // A hook cannot be changed while its thread panics; the program is about to end then.
        if !std::thread::panicking() {
            let previous = self.previous.clone();
            std::panic::set_hook(Box::new(move |info| previous(info)));
        }
        for panic in self.kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            eprintln!("burnwatch: {}", crate::domain::clean(&panic));
        }
    }
}
