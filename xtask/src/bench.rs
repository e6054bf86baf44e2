//! `cargo xtask bench`: what was promised, measured.
//!
//! Owns what is built for it, in the release profile, and where the figures
//! end up. What is measured and beside which goal is in `bench/`.

use crate::args::BenchOptions;
use crate::cargo;
use crate::products;
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// Builds, measures, prints, and writes the figures to `bench/plugins.json` in
/// cargo's target folder.
pub(crate) fn run(options: &BenchOptions) -> Result<()> {
    let built = products::build_for_bench()?;
    let folder = cargo::target_dir()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let json = folder.join("plugins.json");
    let mut command = Command::new(&built.bench);
    command
        .arg("--json")
        .arg(&json)
        .env("KEFU_GATEWAY_BIN", &built.programs.gateway)
        .env("KEFU_SIMULATORS_BIN", &built.programs.simulators)
        .env("KEFU_PLUGIN_DIR", &built.plugins);
    if let Some(only) = &options.only {
        command.arg("--only").arg(only);
    }
    if let Some(reloads) = options.reloads {
        command.arg("--reloads").arg(reloads.to_string());
    }
    cargo::run(command)?;
    crate::complain(&format!("the same as JSON: {}", json.display()));
    Ok(())
}
