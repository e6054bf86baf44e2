//! `cargo xtask golden`: the plug-ins that later builds are held to.
//!
//! Owns how they are built: once for each platform and minor version of the
//! contract, as small as the compiler can make them, without a path of the
//! machine that built them. Invariant: a file that is there is never replaced;
//! it would not be the one that was promised to load.

use crate::cargo;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// The contract that the plug-in crates of this tree are built for.
const CONTRACT: &str = "contract-1.0";

/// Package and file.
const PLUGINS: [(&str, &str); 2] = [
    ("kefu-adapter-minimal", "libkefu_minimal.so"),
    ("kefu-chaos", "libkefu_chaos.so"),
];

/// A profile of its own, given with the command: nobody else needs it.
const PROFILE: [&str; 6] = [
    "inherits=\"release\"",
    "opt-level=\"z\"",
    "lto=\"fat\"",
    "codegen-units=1",
    "strip=\"symbols\"",
    "debug=false",
];

/// Builds those that are not there yet and says where each one is.
pub(crate) fn build() -> Result<()> {
    let platform = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let folder = cargo::root()
        .join("tests/fixtures/golden")
        .join(CONTRACT)
        .join(platform);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let target = cargo::target_dir()?.join("plug-ins");
    for (package, name) in PLUGINS {
        let file = folder.join(name);
        if file.exists() {
            crate::say(&format!("{} is there and stays", file.display()));
            continue;
        }
        let built = cargo::build(&arguments(package, &target.to_string_lossy()))?;
        let library = built
            .iter()
            .flat_map(|artifact| &artifact.files)
            .find(|path| path.ends_with(name))
            .with_context(|| format!("cargo built no {name} from {package}"))?;
        fs::copy(library, &file).with_context(|| format!("copying {}", library.display()))?;
        crate::say(&format!("{} is new", file.display()));
    }
    Ok(())
}

fn arguments(package: &str, target: &str) -> Vec<String> {
    // Of the cdylib alone: beside an rlib there would be no optimisation across
    // crates.
    let fixed = ["rustc", "--package", package, "--lib"];
    let fixed = fixed.into_iter().chain(["--crate-type", "cdylib"]);
    let fixed = fixed.chain(["--profile", "golden", "--target-dir", target]);
    let config = |text: String| ["--config".to_owned(), text];
    let profile = PROFILE.map(|rule| config(format!("profile.golden.{rule}")));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registry = home.unwrap_or_default().join("registry/src");
    let paths = format!(
        "build.rustflags=[\"--remap-path-prefix={}=kefu\",\"--remap-path-prefix={}=registry\"]",
        cargo::root().display(),
        registry.display()
    );
    fixed
        .map(str::to_owned)
        .chain(profile.into_iter().flatten())
        .chain(config(paths))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_profile_reaches_cargo_and_no_path_the_file() {
        let args = arguments("kefu-chaos", "target");
        let configs = args.iter().filter(|arg| *arg == "--config").count();
        assert_eq!(configs, PROFILE.len() + 1);
        let flags = args.last().cloned().unwrap_or_default();
        assert_eq!(flags.matches("--remap-path-prefix=").count(), 2, "{flags}");
    }
}
