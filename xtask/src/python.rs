//! A Python of the tests' own, with the packages of `tests/requirements.txt`.
//!
//! Some promises are kept to programs in other languages; tests check them with
//! those languages' own packages. Owns the environment in cargo's target folder
//! and when it is made anew. Deliberately touches no Python of the system, and
//! builds no package: wheels of exact versions only. Invariant: an environment
//! whose note repeats the list is whole, because the note is written last.

use crate::cargo;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes the environment unless it is there, and returns its interpreter.
pub(crate) fn ensure() -> Result<PathBuf> {
    let list = cargo::root().join("tests").join("requirements.txt");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    check(&wanted).with_context(|| format!("reading {}", list.display()))?;
    let target = cargo::target_dir()?;
    fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
    let lock = File::create(target.join("python.lock")).context("making the lock of the Python")?;
    lock.lock().context("locking the Python of the tests")?;
    let home = target.join("python");
    let (interpreter, note) = (home.join("bin").join("python"), home.join("installed.txt"));
    let is_whole = fs::read_to_string(&note).is_ok_and(|installed| installed == wanted);
    if !(is_whole && interpreter.is_file()) {
        make(&home, &interpreter, &list)?;
        fs::write(&note, wanted).with_context(|| format!("writing {}", note.display()))?;
    }
    Ok(interpreter)
}

/// Makes the environment and prints its interpreter.
pub(crate) fn print() -> Result<()> {
    let interpreter = ensure()?;
    crate::say(&interpreter.display().to_string());
    Ok(())
}

fn make(home: &Path, interpreter: &Path, list: &Path) -> Result<()> {
    crate::complain(&format!("making a Python for tests in {}", home.display()));
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(home);
    run(venv).context(
        "making an environment; it needs Python 3.9 or newer with its module venv: on Debian, as root, apt-get install python3 python3-venv",
    )?;
    let mut install = Command::new(interpreter);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .arg("--requirement")
        .arg(list);
    run(install).with_context(|| {
        format!(
            "installing {}; pip needs to reach a package index, PIP_INDEX_URL names another one",
            list.display()
        )
    })
}

/// Output goes to standard error: the last line of standard output is the
/// interpreter.
fn run(mut command: Command) -> Result<()> {
    let text = cargo::describe(&command);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command
        .status()
        .with_context(|| format!("starting {text}"))?;
    if !status.success() {
        bail!("{text} ended with {status}");
    }
    Ok(())
}

/// Exact versions only: tests of tomorrow must not meet other packages.
fn check(list: &str) -> Result<()> {
    let lines = list.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, version) = line.split_once("==").unwrap_or((line, ""));
        let is_word = |text: &str, more: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(fits)
        };
        if !(is_word(name, "-_.[],") && is_word(version, ".")) {
            bail!("`{line}` is not of the form name==1.2.3");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_versions_are_taken() {
        for good in ["", "# words\n\nname==1.2.3\n", "moto[s3,server]==5.0\n"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "name",
            "name>=1",
            "name==",
            "name==1.*",
            "--index-url https://packages.example.com/",
            "name @ https://packages.example.com/name.whl",
        ] {
            let wrong = check(bad).err().map(|error| error.to_string());
            assert!(wrong.unwrap_or_default().contains(bad), "{bad}");
        }
    }

    #[test]
    fn the_list_of_the_project_names_exact_versions() -> Result<()> {
        check(include_str!("../../tests/requirements.txt"))
    }
}
