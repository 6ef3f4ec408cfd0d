//! Seeing another process's commit at once, without timers.
//!
//! Every commit is followed by a touch of its database file, and that is what is watched for: a write to the log itself comes before
//! the log's index is, too early to read what was committed. A writer that is killed between commit and touch is heard with the next.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

use super::modes::{HISTORY_FILE, JOURNAL_FILE};

/// What changed since one last looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The journal may have grown.
    pub journal: bool,
    /// The history may have changed.
    pub history: bool,
    /// The folder, or one of the files, is no longer there: what is written by those who have it open is lost.
    pub gone: bool,
}

/// A watch on a store's folder. Its descriptor becomes readable when there is something to [`ChangeWatch::drain`].
#[derive(Debug)]
pub struct ChangeWatch(OwnedFd);

/// Watch the store at `folder`. What changes between this and the first read of the store is seen too, so watch first and read then.
pub fn changes(folder: &Path) -> io::Result<ChangeWatch> {
    let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let appears = WatchFlags::ATTRIB | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    let goes = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    inotify::add_watch(&fd, folder, appears | goes | WatchFlags::ONLYDIR)?;
    Ok(ChangeWatch(fd))
}

impl ChangeWatch {
    /// What changed since the last call; does not wait.
    pub fn drain(&self) -> io::Result<Changed> {
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut events = Reader::new(&self.0, &mut buffer);
        let mut changed = Changed::default();
        loop {
            match events.next() {
                Ok(event) => changed.note(event.file_name().map(std::ffi::CStr::to_bytes), event.events()),
                Err(Errno::WOULDBLOCK) => return Ok(changed),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Changed {
    fn note(&mut self, name: Option<&[u8]>, events: ReadFlags) {
        let lost = events.contains(ReadFlags::QUEUE_OVERFLOW);
        let (journal, history) = (name == Some(JOURNAL_FILE.as_bytes()), name == Some(HISTORY_FILE.as_bytes()));
        self.journal |= lost || journal;
        self.history |= lost || history;
        let folder_goes = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        let file_goes = (journal || history) && events.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        self.gone |= file_goes || events.intersects(folder_goes);
    }
}

impl AsFd for ChangeWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ChangeWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
