//! A Python interpreter, for what a program in another language must be able
//! to do.
//!
//! Takes it from `KEFU_PYTHON`, as `cargo xtask test` sets it, and otherwise
//! asks `cargo xtask python` once per test process.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The interpreter, with the packages of `tests/requirements.txt`.
///
/// # Errors
/// `KEFU_PYTHON` names no file, or there is none and none can be made.
pub fn interpreter() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let outcome = FOUND.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    let found = outcome.as_deref();
    found.map_err(|error| anyhow::anyhow!("{error}"))
}

fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("KEFU_PYTHON").map(PathBuf::from) {
        if !named.is_file() {
            bail!("KEFU_PYTHON names {}, which is no file", named.display());
        }
        return Ok(named);
    }
    let output = crate::plugins::xtask("python")
        .output()
        .context("starting cargo xtask python")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cargo xtask python ended with {}\n{text}", output.status);
    }
    Ok(PathBuf::from(text.lines().last().unwrap_or_default()))
}
