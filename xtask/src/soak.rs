//! `cargo xtask soak`: the long counts.
//!
//! Owns which tests these are: those of the `e2e` program that are ignored in
//! a normal run and whose names begin with `soak_`. They print their figures
//! themselves. Bounded: each repeats what it counts `KEFU_SOAK_ROUNDS` times
//! and no more, one test after the other, so that figures do not disturb each
//! other.

use crate::args::SoakOptions;
use crate::cargo::{self, cargo};
use crate::products;
use anyhow::Result;
use std::time::Instant;

/// Builds what the tests need and runs them.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let start = Instant::now();
    let programs = products::build_workspace()?;
    let plugins = products::build_all_plugins()?;
    let filter = options.only.as_deref().unwrap_or("soak_");
    let mut command = cargo(&[
        "test",
        "--workspace",
        "--test",
        "e2e",
        "--",
        filter,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env("KEFU_SOAK_ROUNDS", options.rounds.to_string())
        .env("KEFU_GATEWAY_BIN", &programs.gateway)
        .env("KEFU_SIMULATORS_BIN", &programs.simulators)
        .env("KEFU_PLUGIN_DIR", plugins);
    cargo::run(command)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    crate::say(&format!(
        "soak: {} rounds in {minutes:.1} min",
        options.rounds
    ));
    Ok(())
}
