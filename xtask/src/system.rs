//! Programs and fonts that come from the system, for tests in a browser and in
//! another language.
//!
//! Owns the list, how each is recognised, and the Debian package it comes
//! from. Installs what is missing where that is allowed (as root, with apt);
//! anywhere else a missing thing is an error that names it. Nothing is skipped.

use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// Something the tests need.
struct Need {
    what: &'static str,
    package: &'static str,
    is_there: fn() -> bool,
}

const NEEDS: [Need; 5] = [
    Need {
        what: "the program chromium",
        package: "chromium",
        is_there: || {
            ["chromium", "chromium-browser", "google-chrome"]
                .into_iter()
                .any(in_path)
        },
    },
    Need {
        what: "the program chromedriver",
        package: "chromium-driver",
        is_there: || in_path("chromedriver"),
    },
    Need {
        what: "the program fc-list",
        package: "fontconfig",
        is_there: || in_path("fc-list"),
    },
    Need {
        what: "a font with Chinese characters",
        package: "fonts-wqy-microhei",
        is_there: has_chinese_font,
    },
    Need {
        what: "Python 3 with its module venv",
        package: "python3-venv",
        is_there: || output("python3", &["-c", "import ensurepip, venv"]).is_some(),
    },
];

/// Makes sure that everything is there.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let packages = packages.join(" ");
    if !(in_path("apt-get") && is_root()) {
        let what: Vec<&str> = missing.iter().map(|need| need.what).collect();
        bail!(
            "the tests need {}; on Debian, as root: apt-get update && apt-get install {packages}",
            what.join(", ")
        );
    }
    crate::complain(&format!("installing {packages}"));
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages.split(' '));
    apt(&install)?;
    let still: Vec<&str> = self::missing().iter().map(|need| need.what).collect();
    if !still.is_empty() {
        bail!(
            "apt-get installed {packages}, but there still is no sign of {}",
            still.join(", ")
        );
    }
    Ok(())
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    crate::cargo::run(command)
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn has_chinese_font() -> bool {
    output("fc-list", &[":lang=zh", "family"]).is_some_and(|families| !families.trim().is_empty())
}

fn is_root() -> bool {
    output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path_or_not_at_all() {
        assert!(in_path("sh"));
        assert!(!in_path("no-such-program-anywhere"));
    }
}
