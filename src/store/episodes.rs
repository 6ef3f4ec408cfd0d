//! Episodes: since when our own rules fire, the same on every cockpit.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{
    Store, StoreError,
    readings::{damaged, json},
};
use crate::domain::{Episode, Grade};

impl Store {
    /// Write episodes, new ones and ones that have changed; all or none.
    pub fn put_episodes(&self, epoch: u64, episodes: &[Episode]) -> Result<(), StoreError> {
        self.write_as_holder(epoch, |tx, _| {
            let mut row =
                tx.prepare_cached("INSERT OR REPLACE INTO episode (slo, grade, seen_at, ended, body) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for episode in episodes {
                let body = json(episode)?;
                let ended = episode.ended_at.map(|at| at.timestamp_micros());
                row.execute(params![episode.slo.as_str(), grade_word(episode.grade), episode.seen_at.to_rfc3339(), ended, body])?;
            }
            Ok(())
        })
    }

    /// Episodes that last, and those that ended at `since` or later; in the order in which they were
    /// seen, of several at once by SLO, pages first.
    pub fn episodes(&self, since: DateTime<Utc>) -> Result<Vec<Episode>, StoreError> {
        let history = self.history();
        let read = || -> rusqlite::Result<Vec<Episode>> {
            let mut rows = history.db.prepare_cached("SELECT body FROM episode WHERE ended IS NULL OR ended >= ?1")?;
            let episodes = rows
                .query_map([since.timestamp_micros()], |row| serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|e| damaged(0, e)))?;
            episodes.collect()
        };
        let mut episodes = read().map_err(|e| self.history_error(&e))?;
        episodes.sort_by(|a, b| (a.seen_at, &a.slo, b.grade).cmp(&(b.seen_at, &b.slo, a.grade)));
        Ok(episodes)
    }
}

const fn grade_word(grade: Grade) -> &'static str {
    match grade {
        Grade::Page => "page",
        Grade::Ticket => "ticket",
    }
}
