//! `check`: would this configuration run?

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use kefu_core::config::{ConfigError, Severity};
use serde::Serialize;

use super::print_line;
use crate::{
    app::providers,
    config,
    plugin::{Availability, ProviderStatus},
};

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    problems: Vec<ConfigError>,
    providers: Vec<ProviderStatus>,
}

pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let (problems, providers, broken) = match config::load(path) {
        Ok(loaded) => {
            let left_out = loaded.left_something_out();
            // A gateway may be running on the same configuration: its copies
            // are left alone.
            let copies = tempfile::tempdir()?;
            let mut config = loaded.config;
            config.main.plugins.copies = copies.path().to_owned();
            let registry = providers::runtime(&config)?;
            providers::bring_up_all(&registry, &config);
            let providers = registry.describe_all();
            let closed = providers
                .iter()
                .any(|provider| !provider.availability.takes_turns());
            (loaded.problems, providers, left_out || closed)
        }
        Err(config::LoadError::Wrong(errors)) => (errors.0, Vec::new(), true),
        Err(error @ config::LoadError::Unreadable { .. }) => return Err(error.into()),
    };
    let report = Report {
        ok: !broken,
        problems,
        providers,
    };
    if json {
        print_line(&serde_json::to_value(&report)?)?;
    } else {
        print_for_people(&report)?;
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_for_people(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for problem in &report.problems {
        let word = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(out, "{word}: {problem}")?;
    }
    for provider in &report.providers {
        writeln!(out, "provider `{}`: {}", provider.id, summary(provider))?;
    }
    writeln!(out, "{}", if report.ok { "ok" } else { "not ok" })
}

fn summary(provider: &ProviderStatus) -> String {
    match (&provider.availability, &provider.current) {
        (
            Availability::Waiting { reason }
            | Availability::Failed { reason }
            | Availability::Quarantined { reason },
            _,
        ) => reason.clone(),
        (_, Some(current)) => format!(
            "{} {}, contract {}, {}",
            current.adapter, current.version, current.contract, current.sha256
        ),
        (_, None) => "nothing serves".into(),
    }
}
