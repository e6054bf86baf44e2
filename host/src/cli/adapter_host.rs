//! `adapter-host`: the child process that runs one adapter. Started by a
//! gateway, never by people.

use crate::plugin::child;

/// Whose child this is.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The process number of the gateway that started it.
    parent: u32,
    /// Whom it serves; for whoever looks at the list of processes.
    #[arg(long)]
    provider: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ! {
    child::serve(arguments.parent)
}
