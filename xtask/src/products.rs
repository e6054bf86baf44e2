//! What tests and the demo run: the gateway, the simulators, the plug-in files.
//!
//! Owns which packages these are and where their files end up. Takes every
//! path from cargo's own messages.
//!
//! Plug-ins are built one package at a time, as a vendor builds one: with no
//! other package in the same build, no feature of an adapter is switched on or
//! off by a neighbour. They have a target folder of their own, because a
//! `.so` has no hash in its name: `cargo test` and `cargo build` write the same
//! file from different features, and cargo takes either for up to date. For
//! the same reason a file is copied away right after the build that made it.

use crate::cargo::{self, Artifact};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// One way to build one plug-in.
struct Plugin {
    package: &'static str,
    /// The name the file is staged under.
    file: &'static str,
    feature: Option<&'static str>,
    /// For the compiler of this crate alone: what it depends on need not be
    /// compiled again.
    flags: &'static [&'static str],
}

/// Without debug information: these files are copied, hashed and mapped far
/// more often than anybody debugs them.
const STRIPPED: &[&str] = &["-C", "strip=symbols"];

/// The one that reload tests copy thousands of times.
const SMALL: &[&str] = &["-C", "strip=symbols", "-C", "opt-level=s"];

/// Panics end the process.
const ABORTING: &[&str] = &["-C", "strip=symbols", "-C", "panic=abort"];

impl Plugin {
    const fn new(package: &'static str, file: &'static str) -> Self {
        Self {
            package,
            file,
            feature: None,
            flags: STRIPPED,
        }
    }

    /// Chaos in another shape.
    const fn variant(feature: &'static str, file: &'static str) -> Self {
        Self {
            feature: Some(feature),
            ..Self::new("kefu-chaos", file)
        }
    }

    /// The library's name at cargo: the file's, or chaos for its variants.
    fn library(&self) -> &'static str {
        match self.package {
            "kefu-chaos" => "kefu_chaos",
            _ => self.file.trim_start_matches("lib").trim_end_matches(".so"),
        }
    }

    /// What is measured is built as a vendor builds it.
    fn flags(&self, profile: Profile) -> &'static [&'static str] {
        match profile {
            Profile::Release if self.flags == SMALL => STRIPPED,
            _ => self.flags,
        }
    }

    fn cargo_args(&self, profile: Profile, target: &str) -> Vec<String> {
        let mut args = vec![
            "rustc",
            "--package",
            self.package,
            "--lib",
            "--target-dir",
            target,
        ];
        args.extend(profile.args());
        if let Some(feature) = self.feature {
            args.extend(["--features", feature]);
        }
        args.push("--");
        args.extend(self.flags(profile));
        args.into_iter().map(str::to_owned).collect()
    }
}

/// The adapters of all vendors, as the demo loads them.
const VENDORS: [Plugin; 6] = [
    Plugin::new("kefu-adapter-zhichi", "libkefu_zhichi.so"),
    Plugin::new("kefu-adapter-jiaxin", "libkefu_jiaxin.so"),
    Plugin::new("kefu-adapter-xiaoneng", "libkefu_xiaoneng.so"),
    Plugin::new("kefu-adapter-aikefu", "libkefu_aikefu.so"),
    Plugin::new("kefu-adapter-qiyu", "libkefu_qiyu.so"),
    Plugin::new("kefu-adapter-sdp", "libkefu_sdp.so"),
];

/// What only tests load.
const FOR_TESTS: [Plugin; 8] = [
    Plugin::new("kefu-adapter-minimal", "libkefu_minimal.so"),
    Plugin {
        flags: SMALL,
        ..Plugin::new("kefu-chaos", "libkefu_chaos.so")
    },
    Plugin::variant("newer-major", "libkefu_chaos_newer_major.so"),
    Plugin::variant("newer-minor", "libkefu_chaos_newer_minor.so"),
    Plugin::variant("needs-newer", "libkefu_chaos_needs_newer.so"),
    Plugin::variant("other-layout", "libkefu_chaos_other_layout.so"),
    Plugin::variant("no-export", "libkefu_chaos_no_export.so"),
    Plugin {
        flags: ABORTING,
        ..Plugin::new("kefu-chaos", "libkefu_chaos_abort.so")
    },
];

/// How much time the compiler may take, in cargo's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For tests and the demo.
    Dev,
    /// For the long counts: optimised, and built in less time than a release.
    Soak,
    /// For measurements.
    Release,
}

impl Profile {
    /// What cargo is told.
    pub(crate) fn args(self) -> [&'static str; 2] {
        ["--profile", self.name()]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Soak => "soak",
            Self::Release => "release",
        }
    }
}

/// The two programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// `kefu-gateway`.
    pub(crate) gateway: PathBuf,
    /// `kefu-simulators`.
    pub(crate) simulators: PathBuf,
}

/// Builds the two programs and nothing else.
pub(crate) fn build_programs() -> Result<Programs> {
    programs(&cargo::build(&[
        "build",
        "--package",
        "kefu-gateway",
        "--package",
        "kefu-simulators",
        "--bins",
    ])?)
}

/// Builds everything in the workspace with its tests, in one go and therefore
/// with one set of features: what runs later compiles nothing again.
pub(crate) fn build_workspace() -> Result<Programs> {
    programs(&cargo::build(&["build", "--workspace", "--all-targets"])?)
}

/// Builds both programs and one test program of the whole, and nothing else.
pub(crate) fn build_for(profile: Profile, test: &str) -> Result<Programs> {
    let build = ["build", "--workspace", "--bins", "--test", test];
    programs(&cargo::build(
        &[build.as_slice(), &profile.args()].concat(),
    )?)
}

/// What measurements run.
pub(crate) struct ForBench {
    /// The program that measures.
    pub(crate) bench: PathBuf,
    /// What it measures.
    pub(crate) programs: Programs,
    /// The folder of the one plug-in that it loads.
    pub(crate) plugins: PathBuf,
}

/// Builds what measurements run, in the release profile.
pub(crate) fn build_for_bench() -> Result<ForBench> {
    let build = ["build", "--workspace", "--bins"];
    let built = cargo::build(&[build.as_slice(), &Profile::Release.args()].concat())?;
    let measured = FOR_TESTS.iter().filter(|plugin| plugin.flags == SMALL);
    Ok(ForBench {
        bench: program(&built, "kefu-bench")?,
        programs: programs(&built)?,
        plugins: build_plugins(measured, Profile::Release)?,
    })
}

/// Builds all vendors' plug-ins and returns the folder they are in.
pub(crate) fn build_vendor_plugins() -> Result<PathBuf> {
    build_plugins(&VENDORS, Profile::Dev)
}

/// Builds every plug-in that tests load and returns the folder they are in.
pub(crate) fn build_all_plugins() -> Result<PathBuf> {
    build_all_plugins_as(Profile::Dev)
}

/// The same with another profile, in a folder of its own.
pub(crate) fn build_all_plugins_as(profile: Profile) -> Result<PathBuf> {
    build_plugins(&VENDORS, profile)?;
    build_plugins(&FOR_TESTS, profile)
}

/// Builds what tests need and prints the paths.
pub(crate) fn print_built() -> Result<()> {
    let programs = build_programs()?;
    let plugins = build_all_plugins()?;
    let paths = json!({ "gateway": programs.gateway, "simulators": programs.simulators, "plugins": plugins });
    crate::say(&paths.to_string());
    Ok(())
}

/// The file names of all vendors' plug-ins.
pub(crate) fn vendor_files() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().map(|plugin| plugin.file)
}

fn programs(artifacts: &[Artifact]) -> Result<Programs> {
    Ok(Programs {
        gateway: program(artifacts, "kefu-gateway")?,
        simulators: program(artifacts, "kefu-simulators")?,
    })
}

fn program(artifacts: &[Artifact], name: &str) -> Result<PathBuf> {
    let is_it = |artifact: &&Artifact| {
        artifact.name == name && !artifact.test && artifact.kinds.iter().any(|kind| kind == "bin")
    };
    let artifact = artifacts.iter().find(is_it);
    let file = artifact.and_then(|artifact| artifact.files.first());
    file.cloned()
        .with_context(|| format!("cargo built no program {name}"))
}

fn build_plugins<'a>(
    plugins: impl IntoIterator<Item = &'a Plugin>,
    profile: Profile,
) -> Result<PathBuf> {
    let target = cargo::target_dir()?.join("plug-ins");
    let staged = match profile {
        Profile::Dev => target.join("staged"),
        _ => target.join(format!("staged-{}", profile.name())),
    };
    fs::create_dir_all(&staged).with_context(|| format!("making {}", staged.display()))?;
    // Several test programs may ask at the same time.
    let lock = File::create(target.join("staged.lock"))
        .context("making the lock of the plug-in folder")?;
    lock.lock().context("locking the plug-in folder")?;
    for plugin in plugins {
        build_plugin(plugin, profile, &target, &staged)
            .with_context(|| format!("building {} from {}", plugin.file, plugin.package))?;
    }
    Ok(staged)
}

/// Builds one plug-in and copies it to its name.
///
/// Builds of one package with different features write one file. When cargo
/// says that it compiled nothing, that file may be another variant's; then the
/// copy of the time when it was compiled stands. A note on disk covers the
/// moment between build and copy: while it lies there, no copy is trusted.
fn build_plugin(plugin: &Plugin, profile: Profile, target: &Path, staged: &Path) -> Result<()> {
    let copy = staged.join(plugin.file);
    let note = staged.join(format!("{}.building", plugin.file));
    if note.exists() || !copy.exists() {
        compile_again(plugin, profile, target)?;
    }
    File::create(&note).with_context(|| format!("making {}", note.display()))?;
    let built = cargo::build(&plugin.cargo_args(profile, &target.to_string_lossy()))?;
    let is_it = |artifact: &&Artifact| artifact.name == plugin.library() && !artifact.test;
    let artifact = built
        .iter()
        .find(is_it)
        .context("cargo built no such library")?;
    if plugin.package.starts_with("kefu-adapter-")
        && !artifact.features.iter().any(|name| name == "export")
    {
        bail!("it was built without its feature \"export\", so nothing could load it");
    }
    let is_library = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "so");
    let file = artifact
        .files
        .iter()
        .find(is_library)
        .context("cargo names no .so file")?;
    if !artifact.fresh || !copy.exists() {
        let fresh = copy.with_extension("new");
        fs::copy(file, &fresh).with_context(|| format!("copying {}", file.display()))?;
        fs::rename(&fresh, &copy).with_context(|| format!("naming {}", copy.display()))?;
    }
    fs::remove_file(&note).with_context(|| format!("removing {}", note.display()))
}

/// Makes cargo forget that it ever compiled this package.
fn compile_again(plugin: &Plugin, profile: Profile, target: &Path) -> Result<()> {
    let target = target.to_string_lossy();
    let mut clean = cargo::cargo(&[
        "clean",
        "--quiet",
        "--package",
        plugin.package,
        "--target-dir",
        &target,
        "--profile",
        profile.name(),
    ]);
    clean.stdout(std::process::Stdio::null());
    cargo::run(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_plugins_share_a_file_and_every_library_has_its_packages_name() {
        let all: Vec<&Plugin> = VENDORS.iter().chain(&FOR_TESTS).collect();
        let files: BTreeSet<&str> = all.iter().map(|plugin| plugin.file).collect();
        assert_eq!(files.len(), all.len());
        for plugin in all {
            let expected = plugin.package.replace("-adapter", "").replace('-', "_");
            assert_eq!(plugin.library(), expected, "{}", plugin.package);
        }
    }

    #[test]
    fn flags_for_the_compiler_stand_after_everything_for_cargo() {
        for plugin in VENDORS.iter().chain(&FOR_TESTS) {
            let args = plugin.cargo_args(Profile::Dev, "target");
            let divider = args.iter().position(|arg| arg == "--");
            let flags: Vec<&str> = args[divider.map_or(0, |at| at + 1)..]
                .iter()
                .map(String::as_str)
                .collect();
            assert_eq!(flags, plugin.flags, "{}", plugin.file);
            assert_eq!(
                args.iter().any(|arg| arg == "--features"),
                plugin.feature.is_some()
            );
        }
    }

    #[test]
    fn a_test_program_of_the_same_name_is_not_taken_for_the_program() {
        let artifact = |test: bool, file: &str| Artifact {
            name: "kefu-gateway".to_owned(),
            kinds: vec!["bin".to_owned()],
            test,
            features: Vec::new(),
            files: vec![PathBuf::from(file)],
            fresh: false,
        };
        let simulators = Artifact {
            name: "kefu-simulators".to_owned(),
            ..artifact(false, "sim")
        };
        let built = [
            artifact(true, "tests-of-it"),
            artifact(false, "itself"),
            simulators,
        ];
        assert_eq!(
            programs(&built).ok().map(|programs| programs.gateway),
            Some(PathBuf::from("itself"))
        );
        assert!(programs(&built[..1]).is_err());
    }
}
