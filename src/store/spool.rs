//! What a step of a runbook writes while it runs: one file an attempt, in the store's folder `runs`, bounded whatever the step does.
//!
//! A file holds the first [`HEAD`] bytes as they came and, in a ring behind them, the last [`TAIL`] of the rest; its first line says
//! how many there were in all. It is written by the attempt's runner alone and read at any time by any cockpit: the line is written after
//! the bytes that it counts, the ring is longer by the piece that may be being written, and whoever reads takes from it what cannot have
//! been written over meanwhile. Files of attempts long
//! past are removed, oldest first.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    Store, StoreError,
    error::{from_io, shown},
    modes::{file_mode, make_file},
};
use crate::domain::ActId;

/// Bytes kept of the beginning.
pub const HEAD: usize = 256 << 10;
/// Bytes kept of the end.
pub const TAIL: usize = 256 << 10;
/// Attempts of which the output is kept: at most 576 KiB each.
const KEPT: usize = 400;
/// The length of the ring.
const RING: u64 = (TAIL + PIECE) as u64;
/// What is put down in one go at most, so that a reader knows how much of the ring may be changing.
const PIECE: usize = 64 << 10;
/// The folder.
const FOLDER: &str = "runs";
/// The length of the first line, its line break included.
const LINE: u64 = 64;

/// The output of one attempt, being written.
#[derive(Debug)]
pub struct Spool {
    file: File,
    total: u64,
}

/// The output of one attempt, as it was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spooled {
    /// Bytes in all.
    pub bytes: u64,
    /// Those from the beginning on that were kept.
    pub head: Vec<u8>,
    /// Bytes between the two that were not kept.
    pub gap: u64,
    /// The last ones; empty if the beginning is all there is.
    pub tail: Vec<u8>,
}

impl Spooled {
    /// The last bytes that follow on each other without a gap.
    pub fn end(&self) -> Vec<u8> {
        if self.gap > 0 { self.tail.clone() } else { self.kept() }
    }
    /// All that was kept, in order.
    pub fn kept(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.tail].concat()
    }
}

impl Store {
    /// Make the file for the output of an attempt, and remove those of attempts long past. An attempt has one file, and is written once.
    pub fn make_spool(&self, key: &ActId) -> Result<Spool, StoreError> {
        let folder = self.folder().join(FOLDER);
        make_folder(self.folder(), &folder)?;
        forget(&folder);
        let file = place(self.folder(), key)?;
        if file.exists() {
            return Err(StoreError::Other { place: shown(&file), what: "is there already".into() });
        }
        let mode = file_mode(fs::metadata(&folder).map_err(|e| from_io(&folder, &e))?.mode());
        make_file(&file, mode)?;
        let open = File::options().write(true).open(&file).map_err(|e| from_io(&file, &e))?;
        let spool = Spool { file: open, total: 0 };
        spool.say().map_err(|e| from_io(&file, &e))?;
        Ok(spool)
    }

    /// What an attempt has written so far; `None` if nothing is kept of it.
    pub fn spooled(&self, key: &ActId) -> Result<Option<Spooled>, StoreError> {
        let file = place(self.folder(), key)?;
        match File::open(&file) {
            Ok(open) => read(&open).map(Some).map_err(|e| from_io(&file, &e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(from_io(&file, &e)),
        }
    }

    /// How much an attempt has written so far, in bytes; `None` if nothing is kept of it.
    pub fn spooled_bytes(&self, key: &ActId) -> Option<u64> {
        total(&File::open(place(self.folder(), key).ok()?).ok()?).ok()
    }
}

impl Spool {
    /// Add bytes. If that fails what was written before stays, and these count as written and not kept.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            let from = self.total;
            self.total += piece.len() as u64;
            put(&self.file, from, piece)?;
            self.say()?;
        }
        Ok(())
    }
    /// Bytes in all, so far.
    pub const fn bytes(&self) -> u64 {
        self.total
    }
    fn say(&self) -> io::Result<()> {
        let line = format!("burnwatch output, bytes in all: {:<31}\n", self.total);
        self.file.write_all_at(line.as_bytes(), 0)
    }
}

/// Put a piece where it belongs: what begins at byte `from` of the whole.
fn put(file: &File, from: u64, piece: &[u8]) -> io::Result<()> {
    let head = HEAD as u64;
    let in_head = usize::try_from(head.saturating_sub(from)).unwrap_or(usize::MAX).min(piece.len());
    let (first, rest) = piece.split_at(in_head);
    file.write_all_at(first, LINE + from)?;
    if rest.is_empty() {
        return Ok(());
    }
    let at = (from + in_head as u64 - head) % RING;
    let (before, after) = rest.split_at(rest.len().min(usize::try_from(RING - at).unwrap_or(usize::MAX)));
    file.write_all_at(before, LINE + head + at)?;
    file.write_all_at(after, LINE + head)
}

fn total(file: &File) -> io::Result<u64> {
    let mut line = [0; LINE as usize];
    file.read_exact_at(&mut line, 0)?;
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.rsplit(':').next()?.trim().parse().ok());
    text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "is no output of a step"))
}

fn read(file: &File) -> io::Result<Spooled> {
    let (most_head, most_tail) = (HEAD as u64, TAIL as u64);
    let bytes = total(file)?;
    let mut head = vec![0; usize::try_from(bytes.min(most_head)).unwrap_or(HEAD)];
    file.read_exact_at(&mut head, LINE)?;
    if bytes <= most_head {
        return Ok(Spooled { bytes, head, gap: 0, tail: Vec::new() });
    }
    let mut ring = vec![0; usize::try_from((bytes - most_head).min(RING)).unwrap_or(TAIL)];
    file.read_exact_at(&mut ring, LINE + most_head)?;
    // What was written meanwhile, and the piece that is perhaps being written now, has taken the place of the oldest.
    let now = total(file)?;
    let oldest = most_head.max(now.saturating_sub(most_tail)).min(bytes);
    if bytes - most_head > RING {
        ring.rotate_left(usize::try_from((bytes - most_head) % RING).unwrap_or(0));
    }
    let keep = usize::try_from(bytes - oldest).unwrap_or(ring.len()).min(ring.len());
    let tail = ring.split_off(ring.len() - keep);
    Ok(Spooled { bytes, head, gap: oldest - most_head, tail })
}

/// Where the output of an attempt lies. A key is letters and digits; one that is not was not made by us.
fn place(folder: &Path, key: &ActId) -> Result<PathBuf, StoreError> {
    let plain = !key.as_str().is_empty() && key.as_str().chars().all(|c| c.is_ascii_alphanumeric());
    let runs = folder.join(FOLDER);
    if plain {
        Ok(runs.join(format!("{key}.out")))
    } else {
        Err(StoreError::Other { place: shown(&runs), what: format!("has no output called {key}").into() })
    }
}

/// Make the folder as the store's own is.
fn make_folder(store: &Path, folder: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(store).map_err(|e| from_io(store, &e))?.mode() & 0o7777;
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => fs::set_permissions(folder, fs::Permissions::from_mode(mode)).map_err(|e| from_io(folder, &e)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(from_io(folder, &e)),
    }
}

/// Remove the oldest files beyond those that are kept. What stands in the way stands in the way.
fn forget(folder: &Path) {
    let Ok(all) = fs::read_dir(folder) else { return };
    let age = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut files: Vec<_> = all.flatten().filter_map(age).collect();
    if files.len() < KEPT {
        return;
    }
    files.sort();
    let surplus = files.len() - (KEPT - 1);
    for (_, file) in files.into_iter().take(surplus) {
        let _ = fs::remove_file(file);
    }
}
