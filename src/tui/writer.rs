//! The writer: a thread of its own with a slot for one frame.
//!
//! A terminal that no longer reads holds up this thread and nothing else: while it is stuck no frame is drawn, keys and signals are
//! still heard, and the way out does not wait for it. No lock is held while it writes.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

#[derive(Debug, Default)]
struct Slot {
    frame: Option<Vec<u8>>,
    writing: bool,
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
    pub fn start(out: OwnedFd, free: impl Fn() + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self::default());
        let shared = writer.clone();
        std::thread::Builder::new().name("screen".into()).spawn(move || shared.run(&out, &free))?;
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

    /// Let the thread end.
    pub fn close(&self) {
        self.lock().end = Some(End::Closed);
        self.changed.notify_all();
    }

    fn run(&self, out: &OwnedFd, free: &impl Fn()) {
        loop {
            let Some(frame) = self.next() else { return };
            let written = write_all(out, &frame);
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
                slot.writing = true;
                return Some(frame);
            }
            slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Write all of `bytes`, waiting as long as it takes. Somebody else may have made the terminal non-blocking.
pub fn write_all(out: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(0) => return Err(rustix::io::Errno::IO),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(out, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream, sync::mpsc};

    use super::*;

    #[test]
    fn a_stuck_terminal_takes_one_frame_and_then_no_more() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (told, heard) = mpsc::channel();
        let writer = Writer::start(ours.into(), move || told.send(()).unwrap()).unwrap();
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
