//! How far an evaluation is, for whoever looks at a terminal.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// A line on standard error that is written over and over, and gone at the end.
/// Where standard error is no terminal, nothing is shown.
pub struct Progress {
    all: usize,
    shown: bool,
}

impl Progress {
    /// Of `all` pieces of work.
    pub fn of(all: usize) -> Self {
        Self {
            all,
            shown: io::stderr().is_terminal(),
        }
    }

    /// Begin the piece of work number `index`, which is about `path`.
    pub fn at(&self, index: usize, path: &Path) {
        if self.shown {
            let name = path.file_name().unwrap_or_default().display();
            // Nobody can be told that this cannot be written.
            let _ = write!(io::stderr(), "\r\x1b[K{}/{} {name}", index + 1, self.all);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
