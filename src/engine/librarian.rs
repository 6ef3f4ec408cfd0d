//! Who reads the runbooks anew: how is told from outside, as the engine knows no files.

use std::{fmt, sync::Arc};

use crate::domain::Library;

/// Reads all runbooks as their files are now. It may take its time.
#[derive(Clone)]
pub struct Librarian(Arc<dyn Fn() -> Library + Send + Sync>);

impl Librarian {
    /// Read by `read`.
    pub fn of(read: impl Fn() -> Library + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
    /// The runbooks as their files are now.
    pub fn read(&self) -> Library {
        (self.0)()
    }
}

impl fmt::Debug for Librarian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Librarian")
    }
}
