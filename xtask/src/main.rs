//! The project's own commands: `cargo xtask test`, `soak`, `bench`, `demo`,
//! `build`, `python`, `axe`, `golden`, `capabilities`.
//!
//! Owns the order of the checks, the rules about dependencies, and the demo.
//! It deliberately holds no test: it runs cargo, and what cargo runs is in the
//! packages. Kept small in dependencies, because it is compiled before anything
//! else on a fresh clone.

mod args;
mod axe;
mod bench;
mod capabilities;
mod cargo;
mod demo;
mod golden;
mod products;
mod python;
mod rules;
mod soak;
mod steps;
mod system;
mod test;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            say(args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Test(options)) => test::run(&options),
        Ok(Command::Soak(options)) => soak::run(&options),
        Ok(Command::Bench(options)) => bench::run(&options),
        Ok(Command::Demo { headless }) => demo::run(headless),
        Ok(Command::Build) => products::print_built(),
        Ok(Command::Python) => python::print(),
        Ok(Command::Axe) => axe::print(),
        Ok(Command::Golden) => golden::build(),
        Ok(Command::Capabilities) => capabilities::write(),
        Err(wrong) => Err(anyhow::anyhow!("{wrong}\n\n{}", args::HELP)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line to standard output: what the caller asked for.
#[expect(
    clippy::print_stdout,
    reason = "a command speaks on its standard output"
)]
fn say(line: &str) {
    println!("{line}");
}

/// Prints a line to standard error: progress and what went wrong.
#[expect(
    clippy::print_stderr,
    reason = "progress and errors go to standard error"
)]
fn complain(line: &str) {
    eprintln!("{line}");
}
