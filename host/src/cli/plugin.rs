//! `plugin`: what an operator or an author wants to know of a `.so`.
//!
//! Owns the arguments. Invariant: code of a plug-in runs in a child process or
//! not at all, never in the process that prints.

mod capabilities;
mod inspect;
mod list;
mod provider;
mod test;
mod verify;

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use crate::conformance;

/// A question about plug-in files.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the files of the plug-in folder, declared or not.
    List(list::Arguments),
    /// Tell everything that a file says about itself.
    Inspect(inspect::Arguments),
    /// Compare what adapters can do, as a Markdown table.
    Capabilities(capabilities::Arguments),
    /// Say what the gateway would say to a file, with the provider's settings.
    Verify(verify::Arguments),
    /// Run the conformance kit on a file.
    Test(test::Arguments),
}

/// One test of the kit, in the process that was started for it.
#[derive(Debug, clap::Args)]
pub(super) struct ConformanceCase {
    /// What to do.
    job: std::path::PathBuf,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(arguments) => list::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Capabilities(arguments) => capabilities::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    }
}

pub(super) fn run_case(arguments: &ConformanceCase) -> anyhow::Result<ExitCode> {
    conformance::serve(Path::new(&arguments.job))
}

/// How a command ends that was asked for something that makes no sense; the
/// same as for wrong arguments.
const USAGE: u8 = 2;
