//! The accessibility engine axe-core, for tests in a browser.
//!
//! Owns the one file `axe.min.js` in cargo's target folder and when it is
//! fetched anew. A package of the Python index carries it; the list with its
//! version and hash is `tests/accessibility.txt`, and pip, which the tests need
//! anyhow, refuses anything else. Deliberately installs and runs nothing of that
//! package. Invariant: a file whose note repeats the list is whole, because the
//! note is written last.

use crate::{cargo, python};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Fetches the file unless it is there, and returns its path.
pub(crate) fn ensure() -> Result<PathBuf> {
    let list = cargo::root().join("tests").join("accessibility.txt");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let home = cargo::target_dir()?.join("axe");
    fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
    let lock = File::create(home.join("lock")).context("making the lock of axe-core")?;
    lock.lock().context("locking axe-core")?;
    let (script, note) = (home.join("axe.min.js"), home.join("fetched.txt"));
    let is_whole = fs::read_to_string(&note).is_ok_and(|fetched| fetched == wanted);
    if !(is_whole && script.is_file()) {
        fetch(&home, &list, &script)?;
        fs::write(&note, wanted).with_context(|| format!("writing {}", note.display()))?;
    }
    Ok(script)
}

/// Fetches the file and prints its path.
pub(crate) fn print() -> Result<()> {
    let script = ensure()?;
    crate::say(&script.display().to_string());
    Ok(())
}

fn fetch(home: &Path, list: &Path, script: &Path) -> Result<()> {
    crate::complain(&format!("fetching axe-core into {}", home.display()));
    let interpreter = python::ensure()?;
    let packages = home.join("packages");
    let unpacked = home.join("unpacked");
    for folder in [&packages, &unpacked] {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
    }
    let mut download = Command::new(&interpreter);
    download
        .args(["-m", "pip", "download", "--quiet", "--no-input"])
        .args([
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ])
        .args(["--only-binary", ":all:", "--requirement"])
        .arg(list)
        .arg("--dest")
        .arg(&packages);
    run(download).with_context(|| {
        format!(
            "fetching what {} names; pip needs to reach a package index, PIP_INDEX_URL names another one",
            list.display()
        )
    })?;
    let wheel = only_file(&packages)?;
    let mut unpack = Command::new(&interpreter);
    unpack
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&unpacked);
    run(unpack).with_context(|| format!("unpacking {}", wheel.display()))?;
    let found = unpacked.join("axe_playwright_python").join("axe.min.js");
    fs::copy(&found, script).with_context(|| format!("there is no {}", found.display()))?;
    Ok(())
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        files.push(entry?.path());
    }
    match files.as_slice() {
        [one] => Ok(one.clone()),
        other => bail!("pip was to fetch one package and fetched {}", other.len()),
    }
}

/// Output goes to standard error: the last line of standard output is the file.
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_names_one_exact_version_by_its_hash() {
        let list = include_str!("../../tests/accessibility.txt");
        let lines: Vec<&str> = list
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let (version, hash) = lines[0].split_once(" --hash=sha256:").unwrap_or_default();
        assert!(version.contains("=="), "{version}");
        assert_eq!(hash.len(), 64, "{hash}");
    }
}
