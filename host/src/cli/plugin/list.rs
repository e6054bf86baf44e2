//! `plugin list`: what lies in the plug-in folder.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;

use crate::{
    cli::{ConfigPath, print_line},
    config,
    reload::catalogue::{self, PluginFile},
};

/// Which folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigPath,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&arguments.config.config)?;
    let dir = &loaded.config.main.plugins.dir;
    // Nothing serves in this process; a running gateway knows what does there.
    let files = catalogue::list(&loaded.config, &|_| None)
        .with_context(|| format!("cannot read the plug-in folder {}", dir.display()))?;
    if arguments.json {
        print_line(&serde_json::json!({ "dir": dir, "files": files }))?;
    } else {
        print_table(&files)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(files: &[PluginFile]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if files.is_empty() {
        return writeln!(out, "no plug-ins");
    }
    let longest = files.iter().map(|file| file.file.len()).max().unwrap_or(0);
    for file in files {
        let sha256 = file.sha256.as_deref().unwrap_or_default();
        let size = file
            .size
            .map_or_else(|| "-".to_owned(), |size| format!("{size} bytes"));
        writeln!(
            out,
            "{:longest$}  {:12}  {size:>16}  {}{}  {}",
            file.file,
            sha256.get(..12).unwrap_or("-"),
            declared(file),
            if file.signature { ", signed" } else { "" },
            file.problem.as_deref().unwrap_or("loadable"),
        )?;
    }
    Ok(())
}

fn declared(file: &PluginFile) -> String {
    if file.declared_by.is_empty() {
        return "undeclared".to_owned();
    }
    let providers: Vec<_> = file.declared_by.iter().map(|id| id.as_str()).collect();
    format!("declared by {}", providers.join(", "))
}
