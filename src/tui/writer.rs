//! The writer: a thread of its own with a slot for one frame.
//!
//! A terminal that no longer reads holds up this thread and nothing else: while it is stuck no frame is drawn, keys and signals are
//! still heard, and the way out does not wait for it. It waits beside the terminal, never inside a write: the kernel lets nobody else
//! write while a write waits, and the way out has something to write too.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open},
    io::{Errno, dup, write},
    stdio::stdout,
};

/// How long to wait beside a terminal that has no room before looking whether the frame is still wanted.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The side of the terminal that is written to; a write there takes what there is room for and never waits.
#[derive(Debug)]
pub struct Output {
    fd: OwnedFd,
    /// Where the terminal could not be opened anew (another user's, under `sudo -u`), standard output itself is made non-blocking, and
    /// these are the flags it had: the shell has the same ones.
    borrowed: Option<OFlags>,
}

impl Output {
    /// Standard output's terminal, opened anew, so that nobody else's writes become non-blocking with ours.
    pub fn find() -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(fd) = open("/proc/self/fd/1", flags, Mode::empty()) {
            return Ok(Self { fd, borrowed: None });
        }
        let fd = dup(stdout())?;
        let flags = fcntl_getfl(&fd)?;
        Ok(Self { fd, borrowed: Some(flags) })
    }
    /// The descriptor.
    pub const fn fd(&self) -> &OwnedFd {
        &self.fd
    }
    /// From now on no write waits.
    pub fn hold(&self) -> rustix::io::Result<()> {
        self.borrowed.map_or(Ok(()), |flags| fcntl_setfl(&self.fd, flags | OFlags::NONBLOCK))
    }
    /// As it was for the others who write there.
    pub fn release(&self) {
        if let Some(flags) = self.borrowed {
            let _ = fcntl_setfl(&self.fd, flags);
        }
    }
    /// Write all of `bytes` unless that takes longer than `patience`.
    pub fn write(&self, mut bytes: &[u8], patience: Duration) {
        let until = Instant::now() + patience;
        while !bytes.is_empty() && Instant::now() < until {
            match write(&self.fd, bytes) {
                Ok(n @ 1..) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(Errno::AGAIN) => wait_for_room(&self.fd),
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

/// Wait a moment for room to write.
fn wait_for_room(fd: &OwnedFd) {
    let _ = poll(&mut [PollFd::new(fd, PollFlags::OUT)], Some(&LOOK_AGAIN));
}

#[derive(Debug, Default)]
struct Slot {
    frame: Option<Vec<u8>>,
    writing: bool,
    /// What is being written is not wanted any more.
    given_up: bool,
    /// Somebody found the slot taken and wants to be told when it is free.
    awaited: bool,
    end: Option<End>,
}

/// Why nothing more is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The terminal refuses for good.
    Broken,
    /// Nobody will hand over another frame.
    Closed,
}

/// The slot, shared by the thread that draws and the thread that writes.
#[derive(Debug, Default)]
pub struct Writer {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Writer {
    /// Start a writer on `out`. `free` is called when the slot has become free after somebody found it taken, and when the terminal
    /// refuses for good.
    pub fn start(out: Arc<Output>, free: impl Fn() + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self::default());
        let shared = writer.clone();
        std::thread::Builder::new().name("screen".into()).spawn(move || shared.run(&out.fd, &free))?;
        Ok(writer)
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a frame may be handed over; if not, `free` will be called once one may.
    pub fn is_free(&self) -> bool {
        let mut slot = self.lock();
        let free = slot.frame.is_none() && !slot.writing;
        slot.awaited |= !free;
        free
    }

    /// Hand a frame over.
    pub fn put(&self, frame: Vec<u8>) {
        self.lock().frame = Some(frame);
        self.changed.notify_all();
    }

    /// Whether the terminal has refused for good.
    pub fn is_broken(&self) -> bool {
        self.lock().end == Some(End::Broken)
    }

    /// Drop what has not begun to be written, and wait for what has; whether it ended within `patience`.
    pub fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut slot = self.lock();
        slot.frame = None;
        while slot.writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            slot = self.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Write nothing more of the frame that is being written.
    pub fn give_up(&self) {
        self.lock().given_up = true;
    }

    /// Let the thread end.
    pub fn close(&self) {
        self.lock().end = Some(End::Closed);
        self.changed.notify_all();
    }

    fn run(&self, out: &OwnedFd, free: &impl Fn()) {
        loop {
            let Some(frame) = self.next() else { return };
            let written = self.write(out, &frame);
            let mut slot = self.lock();
            slot.writing = false;
            if written.is_err() {
                slot.end = Some(End::Broken);
            }
            let awaited = std::mem::take(&mut slot.awaited);
            drop(slot);
            self.changed.notify_all();
            if awaited || written.is_err() {
                free();
            }
            if written.is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut slot = self.lock();
        loop {
            if slot.end.is_some() {
                return None;
            }
            if let Some(frame) = slot.frame.take() {
                (slot.writing, slot.given_up) = (true, false);
                return Some(frame);
            }
            slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Write all of `frame`, however long it takes, unless it is given up or the program ends.
    fn write(&self, out: &OwnedFd, mut frame: &[u8]) -> rustix::io::Result<()> {
        while !frame.is_empty() {
            match self.some(out, frame) {
                Ok(Some(n @ 1..)) => frame = frame.get(n..).unwrap_or_default(),
                Ok(Some(0)) => return Err(Errno::IO),
                Ok(None) => return Ok(()),
                Err(Errno::AGAIN) => wait_for_room(out),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Write what there is room for; `None` once the frame is not wanted. The lock is held: after [`Writer::give_up`] nothing comes.
    fn some(&self, out: &OwnedFd, frame: &[u8]) -> rustix::io::Result<Option<usize>> {
        let slot = self.lock();
        if slot.given_up || slot.end.is_some() { Ok(None) } else { write(out, frame).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream, sync::mpsc};

    use super::*;

    #[test]
    fn a_stuck_terminal_takes_one_frame_and_then_no_more() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (told, heard) = mpsc::channel();
        ours.set_nonblocking(true).unwrap();
        let out = Arc::new(Output { fd: ours.into(), borrowed: None });
        let writer = Writer::start(out, move || told.send(()).unwrap()).unwrap();
        assert!(writer.is_free());
        writer.put(vec![b'x'; 16 << 20]);
        theirs.read_exact(&mut [0]).unwrap();
        assert!(!writer.is_free());
        assert!(!writer.settle(Duration::from_millis(1)));
        let mut all = vec![0; (16 << 20) - 1];
        theirs.read_exact(&mut all).unwrap();
        heard.recv().unwrap();
        assert!(writer.settle(Duration::from_mins(1)) && writer.is_free());
        drop(theirs);
        assert!(writer.is_free());
        writer.put(vec![b'x'; 1 << 20]);
        heard.recv().unwrap();
        assert!(writer.is_broken());
    }
}
