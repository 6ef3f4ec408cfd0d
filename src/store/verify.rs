//! Checking the journal against itself and against its head.
//!
//! This shows damage, and changes made by someone who did not know better; someone who may write the folder and rewrites chain and head
//! alike is not found out by it.

use rusqlite::Connection;

use super::{
    Store, StoreError,
    head::{self, Mark, NO_HASH, fits},
    journal::hash_of,
};
use crate::domain::Entry;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries there are.
    pub entries: u64,
    /// Whether every entry is as it was written; otherwise the id of the first that is not, or is missing.
    pub chain: Result<(), u64>,
    /// Whether the journal reaches as far as its head says.
    pub head: Head,
}

/// What the head says of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The journal reaches as far as the head says.
    Reached,
    /// Entries are missing at the end: there were at least so many.
    Cut(u64),
    /// The entry it names is another now.
    Differs(u64),
    /// There is none, or none that can be read.
    Missing,
}

impl Verified {
    /// Whether all is as it was written.
    pub fn good(&self) -> bool {
        self.chain.is_ok() && self.head == Head::Reached
    }
}

impl Store {
    /// Go through the whole journal: is every entry as it was written, and is the end still there?
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mark = head::read(self.folder())?;
        let mut journal = self.journal();
        verify(&mut journal, mark.as_ref()).map_err(|e| self.journal_error(&e))
    }
}

/// The head is read before this begins, so that entries written meanwhile can only make the journal longer than it says.
fn verify(journal: &mut Connection, mark: Option<&Mark>) -> rusqlite::Result<Verified> {
    let tx = journal.transaction()?;
    let (entries, chain) = follow(&tx)?;
    let head = match mark {
        None => Head::Missing,
        Some(mark) if mark.entries > entries => Head::Cut(mark.entries),
        Some(mark) if fits(&tx, mark)? => Head::Reached,
        Some(mark) => Head::Differs(mark.entries),
    };
    Ok(Verified { entries, chain, head })
}

/// Follow the chain: how many rows there are, and the first that is not as it was written.
fn follow(journal: &Connection) -> rusqlite::Result<(u64, Result<(), u64>)> {
    let mut rows = journal.prepare("SELECT id, at, act, subject, version, body, prev, hash FROM entry ORDER BY id")?;
    let mut rows = rows.query([])?;
    let (mut entries, mut prev, mut chain) = (0_u64, NO_HASH.to_owned(), Ok(()));
    while let Some(row) = rows.next()? {
        entries += 1;
        let written = Row { id: row.get::<_, i64>(0)?.cast_unsigned(), at: row.get(1)?, act: row.get(2)?, subject: row.get(3)? };
        let (version, body, before, hash): (i64, String, String, String) = (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
        let whole = written.id == entries
            && before == prev
            && hash == hash_of(&prev, &body)
            && serde_json::from_str(&body).is_ok_and(|entry| written.says(&entry) && entry.version == version.cast_unsigned());
        if !whole && chain.is_ok() {
            chain = Err(entries);
        }
        prev = hash;
    }
    Ok((entries, chain))
}

/// The columns beside an entry's JSON.
struct Row {
    id: u64,
    at: String,
    act: String,
    subject: String,
}

impl Row {
    fn says(&self, entry: &Entry) -> bool {
        self.id == entry.id && self.at == entry.at.to_rfc3339() && self.act == entry.act.as_str() && self.subject == entry.subject.as_str()
    }
}
