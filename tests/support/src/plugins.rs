//! The built gateway, the built simulators and the folder of plug-in files.
//!
//! Owns the question where they are, and builds nothing itself: it takes the
//! places from the environment, as `cargo xtask test` sets them, and otherwise
//! asks `cargo xtask build` once per test process (which in turn takes them
//! from cargo's own messages and holds a lock, so that test processes running
//! side by side do not build at the same time).
//!
//! | variable | what it names |
//! |---|---|
//! | `KEFU_GATEWAY_BIN` | the program `kefu-gateway` |
//! | `KEFU_SIMULATORS_BIN` | the program `kefu-simulators` |
//! | `KEFU_PLUGIN_DIR` | a folder with every plug-in file of [`ALL`] |
//!
//! Invariant: the folder is read-only to tests; [`stage`] copies out of it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// 智齿.
pub const ZHICHI: &str = "libkefu_zhichi.so";
/// 佳信.
pub const JIAXIN: &str = "libkefu_jiaxin.so";
/// 小能.
pub const XIAONENG: &str = "libkefu_xiaoneng.so";
/// 爱客服.
pub const AIKEFU: &str = "libkefu_aikefu.so";
/// 网易七鱼.
pub const QIYU: &str = "libkefu_qiyu.so";
/// Any vendor that speaks SDP/1.
pub const SDP: &str = "libkefu_sdp.so";
/// The smallest adapter.
pub const MINIMAL: &str = "libkefu_minimal.so";
/// Misbehaves on request.
pub const CHAOS: &str = "libkefu_chaos.so";
/// Chaos, claiming a contract major that no gateway of today knows.
pub const CHAOS_NEWER_MAJOR: &str = "libkefu_chaos_newer_major.so";
/// Chaos, claiming the next contract minor: its descriptor says more than
/// today's gateway knows and needs none of it.
pub const CHAOS_NEWER_MINOR: &str = "libkefu_chaos_newer_minor.so";
/// The same, needing it.
pub const CHAOS_NEEDS_NEWER: &str = "libkefu_chaos_needs_newer.so";
/// Chaos, exporting a root module of another layout under the right name.
pub const CHAOS_OTHER_LAYOUT: &str = "libkefu_chaos_other_layout.so";
/// Chaos, exporting nothing.
pub const CHAOS_NO_EXPORT: &str = "libkefu_chaos_no_export.so";
/// Chaos, built with panics that abort.
pub const CHAOS_ABORT: &str = "libkefu_chaos_abort.so";

/// Every file of the plug-in folder. More of them, made from these by changing
/// bytes, come from [`variants`](crate::variants).
pub const ALL: [&str; 14] = [
    ZHICHI,
    JIAXIN,
    XIAONENG,
    AIKEFU,
    QIYU,
    SDP,
    MINIMAL,
    CHAOS,
    CHAOS_NEWER_MAJOR,
    CHAOS_NEWER_MINOR,
    CHAOS_NEEDS_NEWER,
    CHAOS_OTHER_LAYOUT,
    CHAOS_NO_EXPORT,
    CHAOS_ABORT,
];

/// Where the built things are.
#[derive(Debug, Clone)]
pub struct Built {
    /// The program `kefu-gateway`.
    pub gateway: PathBuf,
    /// The program `kefu-simulators`.
    pub simulators: PathBuf,
    /// The folder with every file of [`ALL`].
    pub plugins: PathBuf,
}

/// Where everything is; builds it when the environment does not say.
pub fn built() -> Result<&'static Built> {
    static BUILT: OnceLock<Result<Built, String>> = OnceLock::new();
    let outcome = BUILT.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    outcome.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// The path of one plug-in file.
///
/// # Errors
/// When the folder has no such file; the message lists what it has.
pub fn file(name: &str) -> Result<PathBuf> {
    let folder = &built()?.plugins;
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "no {name} in {}, only {:?}",
            folder.display(),
            names_in(folder)
        );
    }
    Ok(path)
}

/// The bytes of one plug-in file.
///
/// # Errors
/// When the folder has no such file.
pub fn bytes(name: &str) -> Result<Vec<u8>> {
    let path = file(name)?;
    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

/// Copies plug-in files into `dir`, which is made when it is missing.
pub fn stage(dir: &Path, names: &[&str]) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    for name in names {
        let (from, to) = (file(name)?, dir.join(name));
        std::fs::copy(&from, &to)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

fn find() -> Result<Built> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let named = (
        variable("KEFU_GATEWAY_BIN"),
        variable("KEFU_SIMULATORS_BIN"),
        variable("KEFU_PLUGIN_DIR"),
    );
    if let (Some(gateway), Some(simulators), Some(plugins)) = named {
        for (path, name) in [
            (&gateway, "KEFU_GATEWAY_BIN"),
            (&simulators, "KEFU_SIMULATORS_BIN"),
        ] {
            if !path.is_file() {
                bail!("{name} names {}, which is no file", path.display());
            }
        }
        return Ok(Built {
            gateway,
            simulators,
            plugins,
        });
    }
    build()
}

/// A command of `cargo xtask`.
pub(crate) fn xtask(what: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--quiet", "--package", "xtask", "--", what])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    // What cargo tells the test about the test's own package would make build
    // scripts run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    command
}

fn build() -> Result<Built> {
    let output = xtask("build")
        .output()
        .context("starting cargo xtask build")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cargo xtask build ended with {}\n{text}", output.status);
    }
    let line = text.lines().last().unwrap_or_default();
    let paths: Value = serde_json::from_str(line)
        .with_context(|| format!("cargo xtask build ended with {line:?}, not JSON"))?;
    let path = |key: &str| {
        let text = paths[key]
            .as_str()
            .with_context(|| format!("no {key} in {paths}"))?;
        anyhow::Ok(PathBuf::from(text))
    };
    Ok(Built {
        gateway: path("gateway")?,
        simulators: path("simulators")?,
        plugins: path("plugins")?,
    })
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
