//! `plugin test`: the conformance kit on a file.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::ValueEnum;

use super::{USAGE, provider};
use crate::{
    cli::print_line,
    conformance::{Isolation, Kit, Report, Test, to_junit},
};

/// What to test, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The plug-in.
    file: PathBuf,
    /// A provider's file, for its settings and hosts; without it settings are
    /// made up from the adapter's schema.
    #[arg(long, value_name = "TOML")]
    provider: Option<PathBuf>,
    /// Where the adapter runs.
    #[arg(long, value_enum, default_value_t = Where::Both)]
    isolation: Where,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    report: Form,
    /// Where the report is written, if not to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A folder of states that earlier versions wrote (`*.bin`).
    #[arg(long, value_name = "DIR")]
    states: Option<PathBuf>,
    /// A folder of JSON that the vendor is known to send (`*.json`): bodies of
    /// callbacks and answers, or whole callbacks with `headers` and `body`.
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
    /// How many mutated inputs are tried.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    inputs: u64,
    /// What mutations are drawn from; the report tells it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run only this test; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Where {
    InProcess,
    Process,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Junit,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let kit = match kit(arguments) {
        Ok(kit) => kit,
        Err(error) => return usage(&error.to_string()),
    };
    let as_text = arguments.report == Form::Text && arguments.out.is_none();
    let report = kit.run(|test| {
        if as_text {
            // A closed pipe ends the output, not the tests.
            let _ = print_test(&mut io::stdout().lock(), test);
        }
    });
    let report = match report {
        Ok(report) => report,
        Err(error) => return usage(&error.to_string()),
    };
    if as_text {
        print_end(&mut io::stdout().lock(), &report)?;
    } else {
        write(arguments, &report)?;
    }
    Ok(if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn usage(reason: &str) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr().lock(), "kefu-gateway: {reason}")?;
    Ok(ExitCode::from(USAGE))
}

fn kit(arguments: &Arguments) -> anyhow::Result<Kit> {
    let (settings, hosts) = match &arguments.provider {
        Some(file) => {
            let provider = provider::read(file)?;
            let hosts = provider.hosts.iter().map(ToString::to_string).collect();
            (Some(provider.settings.expose().clone()), hosts)
        }
        None => (None, Vec::new()),
    };
    anyhow::ensure!(
        arguments.file.is_file(),
        "there is no file {}",
        arguments.file.display()
    );
    Ok(Kit {
        file: arguments.file.clone(),
        settings,
        hosts,
        isolations: match arguments.isolation {
            Where::InProcess => vec![Isolation::InProcess],
            Where::Process => vec![Isolation::Process],
            Where::Both => vec![Isolation::InProcess, Isolation::Process],
        },
        states: arguments.states.clone(),
        samples: arguments.samples.clone(),
        inputs: arguments.inputs,
        seed: arguments.seed.unwrap_or_else(fresh_seed),
        only: arguments.only.clone(),
    })
}

fn fresh_seed() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Short enough to be typed again.
    u64::from(since.subsec_nanos())
}

fn write(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    let text = match arguments.report {
        Form::Json => {
            let value = serde_json::to_value(report)?;
            if arguments.out.is_none() {
                print_line(&value)?;
                return Ok(());
            }
            format!("{value:#}\n")
        }
        Form::Junit => to_junit(report)?,
        Form::Text => {
            let mut text = Vec::new();
            for test in &report.tests {
                print_test(&mut text, test)?;
            }
            print_end(&mut text, report)?;
            String::from_utf8(text)?
        }
    };
    match &arguments.out {
        Some(file) => put(file, &text),
        None => Ok(io::stdout().lock().write_all(text.as_bytes())?),
    }
}

fn put(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn print_test(out: &mut impl Write, test: &Test) -> io::Result<()> {
    writeln!(
        out,
        "{:4} {:<10} {:<12} {} ({} calls, {} ms)",
        if test.passed { "ok" } else { "FAIL" },
        test.isolation.as_str(),
        test.name,
        test.title,
        test.calls,
        test.took_ms,
    )?;
    for note in &test.notes {
        writeln!(out, "       note: {note}")?;
    }
    for failure in &test.failures {
        writeln!(out, "       {}", failure.reason)?;
        if let Some(input) = &failure.input {
            let index = input.index.map(|index| format!(", input {index}"));
            writeln!(
                out,
                "       at {}{}: {}",
                input.function,
                index.unwrap_or_default(),
                shortened(&input.value.to_string())
            )?;
        }
    }
    Ok(())
}

fn print_end(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let failed = report.tests.iter().filter(|test| !test.passed).count();
    if let Some(adapter) = &report.adapter {
        writeln!(
            out,
            "{} {}, contract {}, {}",
            adapter.id, adapter.version, adapter.contract, report.sha256
        )?;
    }
    writeln!(
        out,
        "{}: {} of {} tests passed; --seed {} has the same inputs again",
        if report.passed { "passed" } else { "FAILED" },
        report.tests.len() - failed,
        report.tests.len(),
        report.seed
    )
}

/// A line that can be read; the JSON report has the whole.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 1_500;
    if text.chars().count() <= ENOUGH {
        return text.to_owned();
    }
    let front: String = text.chars().take(ENOUGH).collect();
    format!(
        "{front} … ({} bytes; the JSON report has it whole)",
        text.len()
    )
}
