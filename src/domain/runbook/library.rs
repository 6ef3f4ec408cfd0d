//! The library: all runbooks there are, and which of them an incident asks for.

use std::{path::PathBuf, sync::Arc};

use super::Runbook;
use crate::domain::{RunbookId, Text};

/// All runbooks, in the order in which the config names them.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// Those that can be used; their ids are unique.
    pub books: Vec<Arc<Runbook>>,
    /// Those that cannot.
    pub unusable: Vec<Unusable>,
    /// Addresses under which the folder of runbooks can be read by people, each with its last `/`.
    pub base_urls: Vec<String>,
    /// Why nothing of any of them may run, if so: the configuration is not trusted. They can be read all the same.
    pub held: Option<Text>,
}

/// A file that is no runbook as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Which.
    pub file: PathBuf,
    /// How many mistakes it has.
    pub mistakes: usize,
    /// The first of them, with its line.
    pub first: Text,
}

impl Library {
    /// The runbook of this id.
    pub fn book(&self, id: &RunbookId) -> Option<&Arc<Runbook>> {
        self.books.iter().find(|b| b.id == *id)
    }
}
