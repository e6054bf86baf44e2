//! `plugin verify`: what the gateway itself would say to a file.
//!
//! Owns no judgement: the registry's own pipeline runs, from reading to the
//! self-test in a child process, and its words are printed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use kefu_core::config::{Config, Isolation, Plugins, Provider};
use serde::Serialize;

use super::USAGE;
use crate::{
    cli::{ConfigPath, print_line},
    config,
    conformance::Folder,
    plugin::{Registry, StageTime, child::Nursery, signature_file},
};

/// Which file, and for whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The plug-in.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigPath,
    /// The provider whose settings it is opened with; without it every
    /// provider that declares a file of this name.
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    ok: bool,
    providers: Vec<Judged>,
}

/// What one provider made of the file.
#[derive(Serialize)]
struct Judged {
    provider: String,
    ok: bool,
    /// The stage that refused, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    /// Why it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Every stage that was passed, with its time.
    passed: Vec<StageTime>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&arguments.config.config)?;
    let providers = match providers(&loaded.config, arguments) {
        Ok(providers) => providers,
        Err(reason) => {
            writeln!(io::stderr().lock(), "kefu-gateway: {reason}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let judge = Judge::new(&loaded.config, &arguments.file)?;
    let judged: Vec<_> = providers
        .into_iter()
        .map(|provider| judge.judge(provider))
        .collect();
    let report = Report {
        file: arguments.file.clone(),
        ok: judged.iter().all(|one| one.ok),
        providers: judged,
    };
    if arguments.json {
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

/// Whose settings it is opened with.
fn providers(config: &Config, arguments: &Arguments) -> Result<Vec<Provider>, String> {
    if let Some(id) = &arguments.provider {
        let provider = config
            .provider(id)
            .ok_or_else(|| format!("there is no provider `{id}` in the configuration"))?;
        return Ok(vec![provider.clone()]);
    }
    let name = arguments.file.file_name().unwrap_or_default();
    let declares = |provider: &&Provider| Path::new(&provider.plugin) == Path::new(name);
    let found: Vec<_> = config
        .providers
        .values()
        .filter(declares)
        .cloned()
        .collect();
    if found.is_empty() {
        return Err(format!(
            "no provider declares `{}`; say whose settings to open it with: --provider ID",
            Path::new(name).display()
        ));
    }
    Ok(found)
}

/// A registry of its own, with the gateway's rules.
struct Judge {
    registry: Registry,
    file: String,
    work: Folder,
}

impl Judge {
    fn new(config: &Config, file: &Path) -> anyhow::Result<Self> {
        let work = Folder::make()?;
        // The name in the folder must be plain; the operator's may be any.
        let dir = work.path().join("dir");
        std::fs::create_dir(&dir)?;
        let file = file
            .canonicalize()
            .with_context(|| format!("cannot read {}", file.display()))?;
        let signature = signature_file(&file);
        std::os::unix::fs::symlink(&file, dir.join(NAME))?;
        if signature.exists() {
            std::os::unix::fs::symlink(signature, signature_file(&dir.join(NAME)))?;
        }
        let plugins = Plugins {
            dir,
            copies: work.path().join("copies"),
            ..config.main.plugins.clone()
        };
        let call_timeout: Duration = config.main.limits.call_timeout;
        let registry =
            Registry::new(&plugins, call_timeout).with_children(Nursery::new()?, THREADS);
        Ok(Self {
            registry,
            file: file.display().to_string(),
            work,
        })
    }

    fn judge(&self, mut provider: Provider) -> Judged {
        let id = provider.id.to_string();
        provider.plugin = NAME.to_owned();
        // In a child whatever the operator chose: nothing of it shall run here.
        provider.isolation = Isolation::Process;
        match self.registry.bring_up(provider) {
            Ok(up) => Judged {
                provider: id,
                ok: true,
                stage: None,
                reason: None,
                passed: up.stages,
            },
            Err(error) => Judged {
                provider: id,
                ok: false,
                stage: error.stage().map(|stage| stage.as_str()),
                // The operator knows the file by its own name.
                reason: Some(self.named(&error.to_string())),
                passed: Vec::new(),
            },
        }
    }

    fn named(&self, text: &str) -> String {
        let ours = self.work.path().join("dir").join(NAME);
        text.replace(&ours.display().to_string(), &self.file)
    }
}

/// The file's name while it is judged.
const NAME: &str = "plugin.so";
/// Threads of the child.
const THREADS: usize = 2;

fn print_for_people(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for one in &report.providers {
        match &one.reason {
            None => {
                let stages: Vec<_> = one
                    .passed
                    .iter()
                    .map(|passed| format!("{} {} ms", passed.stage, passed.took.as_millis()))
                    .collect();
                writeln!(
                    out,
                    "provider `{}`: ok ({})",
                    one.provider,
                    stages.join(", ")
                )?;
            }
            Some(reason) => writeln!(out, "provider `{}`: {reason}", one.provider)?,
        }
    }
    writeln!(out, "{}", if report.ok { "ok" } else { "not ok" })
}
