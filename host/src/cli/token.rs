//! `token`: a visitor's token, for trying things out.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use kefu_core::config::parse_duration;

use super::ConfigPath;
use crate::{config, edge::auth};

/// Whose token, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigPath,
    /// The app's key.
    #[arg(long)]
    app: String,
    /// The visitor, as the app names its user.
    #[arg(long)]
    visitor: String,
    /// A name to show to agents.
    #[arg(long)]
    name: Option<String>,
    /// How long it is valid, such as `12h`; the app's `token_ttl` otherwise.
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&arguments.config.config)?;
    let app = loaded
        .config
        .app(&arguments.app)
        .with_context(|| format!("there is no app `{}` in the configuration", arguments.app))?;
    let ttl = arguments.ttl.unwrap_or(app.token_ttl);
    let token = auth::mint_for(app, &arguments.visitor, arguments.name.clone(), None, ttl)?;
    writeln!(io::stdout().lock(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}
