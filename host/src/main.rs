//! The gateway's command line.

use std::process::ExitCode;

use clap::Parser;
use kefu_gateway::cli::Arguments;

fn main() -> ExitCode {
    match kefu_gateway::cli::run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // The log may not have been started yet, or go elsewhere.
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("kefu-gateway: {error:#}\n"),
            );
            ExitCode::FAILURE
        }
    }
}
