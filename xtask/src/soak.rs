//! `cargo xtask soak`: the long counts.
//!
//! Owns which tests these are: those of the `e2e` program that are ignored in
//! a normal run and whose names begin with `soak_`. They print their figures
//! themselves. Everything is built with the profile `soak`, which is as quick
//! as a release for what is measured and builds faster. Bounded: each test
//! repeats what it counts as often as it says, or `--rounds` times, one test
//! after the other, so that figures do not disturb each other.

use crate::args::SoakOptions;
use crate::cargo::{self, cargo_test};
use crate::products::{self, Profile};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Instant;

/// Builds what the tests need and runs them.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let start = Instant::now();
    let programs = products::build_for(Profile::Soak, "e2e")?;
    let plugins = products::build_all_plugins_as(Profile::Soak)?;
    let filter = options.only.as_deref().unwrap_or(PREFIX);
    let list = e2e(&[filter, "--ignored", "--list", "--format", "terse"]);
    let tests = cargo::names_of_tests(list)?;
    if tests.is_empty() {
        bail!("no ignored test of e2e has {filter:?} in its name, so there is nothing to count");
    }
    let rounds = match options.rounds {
        Some(rounds) => format!("{rounds} rounds"),
        None => "all rounds".to_owned(),
    };
    crate::complain(&format!("{rounds} of {}", tests.join(", ")));
    let mut command = e2e(&[filter, "--ignored", "--nocapture", "--test-threads=1"]);
    command
        .env("KEFU_GATEWAY_BIN", &programs.gateway)
        .env("KEFU_SIMULATORS_BIN", &programs.simulators)
        .env("KEFU_PLUGIN_DIR", plugins);
    if let Some(rounds) = options.rounds {
        command.env("KEFU_SOAK_ROUNDS", rounds.to_string());
    }
    cargo::run(command)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    crate::say(&format!(
        "soak: {} tests, {rounds}, {minutes:.1} min",
        tests.len()
    ));
    Ok(())
}

fn e2e(args: &[&str]) -> Command {
    let profile = Profile::Soak.args();
    let test = ["--workspace", "--test", "e2e"];
    cargo_test(&[&test, profile.as_slice(), &["--"], args].concat())
}

/// What the names of these tests begin with.
const PREFIX: &str = "soak_";
