//! `plugin inspect`: everything that a file says about itself.
//!
//! Owns the collecting and printing. What the bytes say is read here; what the
//! code says is asked in a locked-down child, or not at all.

pub(super) mod facts;
mod table;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use facts::Facts;

use crate::cli::print_line;

/// Which file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The plug-in.
    file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Run nothing of it: only what its bytes say.
    #[arg(long)]
    without_running: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let facts = match Facts::of(&arguments.file, !arguments.without_running) {
        Ok(facts) => facts,
        Err(reason) => {
            writeln!(io::stderr().lock(), "kefu-gateway: {reason}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if arguments.json {
        print_line(&serde_json::to_value(&facts)?)?;
    } else {
        let mut text = Vec::new();
        table::print(&mut text, &facts)?;
        io::stdout().lock().write_all(&text)?;
    }
    Ok(if facts.refusal.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
