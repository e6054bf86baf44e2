//! One provider's file, read alone.
//!
//! Owns the reading for commands that look at one file and not at a whole
//! configuration. Invariant: it means the same as in a configuration.

use std::{fs, path::Path};

use anyhow::Context;
use kefu_core::config::{Lookup, Provider, check_provider};

/// Reads a provider's file.
pub(super) fn read(file: &Path) -> anyhow::Result<Provider> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    Ok(check_provider(&name, &text, &Environment)?.settings)
}

/// The process's environment and the files it can read.
struct Environment;

impl Lookup for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }
}
