//! What the command line can do.
//!
//! Owns arguments and what is printed. Standard output carries only what was
//! asked for, one value or one JSON line; everything else goes to the log on
//! standard error.

mod adapter_host;
mod check;
mod operate;
mod plugin;
mod provider;
mod token;

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{app::App, conformance, reload::signal::HangUp, telemetry};

/// Connects any app to any customer-service platform.
#[derive(Debug, Parser)]
#[command(name = "kefu-gateway", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Run {
        #[command(flatten)]
        config: ConfigPath,
        /// Stop when standard input ends: for whoever starts a gateway and
        /// must not leave it behind.
        #[arg(long, hide = true)]
        exit_with_stdin: bool,
    },
    /// Check the configuration: every file read, every plug-in loaded and
    /// opened; nothing listens.
    Check {
        #[command(flatten)]
        config: ConfigPath,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Mint a visitor's token.
    Token(token::Arguments),
    /// Look at plug-in files, check them, test them.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Add accounts at vendors.
    #[command(subcommand)]
    Provider(provider::Command),
    /// Run one test of the conformance kit.
    #[command(name = conformance::COMMAND, hide = true)]
    ConformanceCase(plugin::ConformanceCase),
    /// Run one adapter for a gateway, in a process of its own.
    #[command(hide = true)]
    AdapterHost(adapter_host::Arguments),
    #[command(flatten)]
    Operate(operate::Command),
    /// Print a script that completes this command line in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigPath {
    /// The main file; providers are in `providers/` beside it.
    #[arg(
        long,
        value_name = "FILE",
        env = "KEFU_CONFIG",
        default_value = "config/kefu.toml"
    )]
    config: PathBuf,
}

/// Does what the arguments say.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Run {
            config,
            exit_with_stdin,
        } => serve(&config.config, exit_with_stdin),
        Command::Check { config, json } => check::run(&config.config, json),
        Command::Token(arguments) => token::run(&arguments),
        Command::Plugin(command) => plugin::run(command),
        Command::Provider(command) => provider::run(command),
        Command::ConformanceCase(arguments) => plugin::run_case(&arguments),
        Command::AdapterHost(arguments) => adapter_host::run(&arguments),
        Command::Operate(command) => operate::run(command),
        Command::Completions { shell } => print_completions(shell),
    }
}

fn serve(config: &std::path::Path, exit_with_stdin: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // Before anything else: until then it ends the process.
    let hang_up = {
        let _within = runtime.enter();
        HangUp::take()?
    };
    let loaded = crate::config::load(config)?;
    telemetry::start_logging(loaded.config.main.log)?;
    for problem in &loaded.problems {
        tracing::warn!(%problem, "configuration");
    }
    let clean = runtime.block_on(async {
        let app = App::start(loaded, hang_up).await?;
        print_line(&serde_json::json!({
            "event": "ready",
            "public": format!("http://{}", app.public_address()),
            "admin": format!("http://{}", app.admin_address()),
        }))?;
        asked_to_stop(exit_with_stdin).await?;
        anyhow::Ok(app.stop().await)
    })?;
    // What hangs after the deadline is not waited for: everything that counts
    // is on disk.
    runtime.shutdown_timeout(Duration::from_millis(200));
    tracing::info!(clean, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT, or for the end of standard input if that is
/// wanted. SIGHUP is another task's matter.
async fn asked_to_stop(with_stdin: bool) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell, stdin_ended) = oneshot::channel();
    if with_stdin {
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            // Whatever comes is ignored; an error is an end too.
            let _ = io::stdin().read_to_end(&mut rest);
            let _ = tell.send(());
        });
    } else {
        // Kept for as long as the gateway runs, so that its end means nothing.
        std::mem::forget(tell);
    }
    tokio::pin!(stdin_ended);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = &mut stdin_ended => {}
    }
    Ok(())
}

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let command = &mut Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, command, name, &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one line for whoever started this, at once.
fn print_line(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
