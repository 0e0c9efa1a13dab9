//! What a configuration needs from outside its text: variables, files, the user's identity. An argument, so that tests
//! need no real ones.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The surroundings of a configuration.
pub trait Environment {
    /// The value of an environment variable, if it is set and is text.
    fn variable(&self, name: &str) -> Option<String>;
    /// The contents of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The numeric id of the user the process runs as, where there is such a thing.
    fn user_id(&self) -> Option<u32>;
}

/// The process's real environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn user_id(&self) -> Option<u32> {
        // The owner of the process's own entry is its effective user; this saves a system call binding.
        #[cfg(unix)]
        return std::fs::metadata("/proc/self").ok().map(|entry| std::os::unix::fs::MetadataExt::uid(&entry));
        #[cfg(not(unix))]
        None
    }
}

/// A made-up environment: for tests, and for programs that keep their secrets elsewhere.
#[derive(Clone, Debug, Default)]
pub struct FixedEnvironment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Files by path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The user's id.
    pub user_id: Option<u32>,
}

impl FixedEnvironment {
    /// With one more variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With one more file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), contents.into());
        self
    }
}

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn user_id(&self) -> Option<u32> {
        self.user_id
    }
}
