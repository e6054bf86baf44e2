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
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Instant;

/// Builds what the tests need and runs them.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let start = Instant::now();
    let programs = products::build_workspace()?;
    let plugins = products::build_all_plugins()?;
    let filter = options.only.as_deref().unwrap_or(PREFIX);
    let tests = cargo::list_tests("e2e", &[filter, "--ignored"])?;
    if tests.is_empty() {
        bail!("no ignored test of e2e has {filter:?} in its name, so there is nothing to count");
    }
    crate::complain(&format!(
        "{} rounds of {}",
        options.rounds,
        tests.join(", ")
    ));
    let mut command = e2e(&[filter, "--ignored", "--nocapture", "--test-threads=1"]);
    command
        .env("KEFU_SOAK_ROUNDS", options.rounds.to_string())
        .env("KEFU_GATEWAY_BIN", &programs.gateway)
        .env("KEFU_SIMULATORS_BIN", &programs.simulators)
        .env("KEFU_PLUGIN_DIR", plugins);
    cargo::run(command)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    crate::say(&format!(
        "soak: {} tests, {} rounds, {minutes:.1} min",
        tests.len(),
        options.rounds
    ));
    Ok(())
}

fn e2e(args: &[&str]) -> Command {
    cargo(&[&["test", "--workspace", "--test", "e2e", "--"], args].concat())
}

/// What the names of these tests begin with.
const PREFIX: &str = "soak_";
