//! Running cargo: a clean environment, its messages, its metadata.
//!
//! Owns how cargo is called. Invariant: a cargo started here behaves as if a
//! person had typed it, whatever the cargo that started this program left in
//! the environment; otherwise build scripts would run again, and everything
//! after them would be compiled again.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// A cargo command in the workspace, without input.
pub(crate) fn cargo<S: AsRef<str>>(args: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(args.iter().map(AsRef::as_ref))
        .current_dir(root())
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// A cargo command that runs tests, without backtraces whatever the caller's
/// environment says: a failure's own words would be lost among them.
/// `KEFU_BACKTRACE` asks for them, with the values of `RUST_BACKTRACE`.
pub(crate) fn cargo_test<S: AsRef<str>>(args: &[S]) -> Command {
    let mut all = vec!["test"];
    all.extend(args.iter().map(AsRef::as_ref));
    let mut command = cargo(&all);
    let wanted = std::env::var_os("KEFU_BACKTRACE").unwrap_or_else(|| "0".into());
    command
        .env("RUST_BACKTRACE", wanted)
        .env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Runs a command to its end and turns a failure into an error.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let text = describe(&command);
    let status = command
        .status()
        .with_context(|| format!("starting {text}"))?;
    if !status.success() {
        bail!("{text} ended with {status}");
    }
    Ok(())
}

/// The command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let program = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy());
    [program.into()]
        .into_iter()
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Something that cargo built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// The target's name: of a binary, of a library with underscores.
    pub(crate) name: String,
    /// `bin`, `cdylib` and so on.
    pub(crate) kinds: Vec<String>,
    /// Built with the test harness.
    pub(crate) test: bool,
    /// The features of its package.
    pub(crate) features: Vec<String>,
    /// The files.
    pub(crate) files: Vec<PathBuf>,
    /// Nothing was compiled; the files may be older than other builds' files.
    pub(crate) fresh: bool,
}

/// Runs a building cargo command (which needs no `--message-format`) and
/// returns what it built; its progress goes to standard error.
pub(crate) fn build<S: AsRef<str>>(args: &[S]) -> Result<Vec<Artifact>> {
    let (first, rest) = args
        .split_first()
        .context("a build names its cargo command")?;
    let mut all = vec![
        first.as_ref(),
        "--message-format",
        "json-render-diagnostics",
    ];
    all.extend(rest.iter().map(AsRef::as_ref));
    let mut command = cargo(&all);
    let text = describe(&command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {text}"))?;
    if !output.status.success() {
        bail!("{text} ended with {}", output.status);
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            serde_json::from_str(line)
                .with_context(|| format!("{text} said {line:?}, which is no JSON"))
        })
        .filter_map(|message: Result<Value>| message.map(|value| artifact(&value)).transpose())
        .collect()
}

/// The names of the tests that a test program would run with these arguments.
/// Cargo takes a program without tests for a success; callers look before.
pub(crate) fn list_tests(target: &str, args: &[&str]) -> Result<Vec<String>> {
    let list = [
        "--quiet",
        "--workspace",
        "--test",
        target,
        "--",
        "--list",
        "--format",
        "terse",
    ];
    names_of_tests(cargo_test(&[list.as_slice(), args].concat()))
}

/// The same for a command that lists them in the terse format.
pub(crate) fn names_of_tests(mut command: Command) -> Result<Vec<String>> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {}", describe(&command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", describe(&command), output.status);
    }
    Ok(test_names(&String::from_utf8_lossy(&output.stdout)))
}

/// What cargo knows about the workspace and its dependencies on this platform.
pub(crate) fn metadata() -> Result<&'static Value> {
    static METADATA: OnceLock<Result<Value, String>> = OnceLock::new();
    let outcome = METADATA.get_or_init(|| read_metadata().map_err(|error| format!("{error:#}")));
    outcome.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let path = metadata()?["target_directory"].as_str();
    path.map(PathBuf::from)
        .context("cargo metadata names no target directory")
}

fn read_metadata() -> Result<Value> {
    let host = Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output()
        .context("asking rustc for its host")?;
    let host = String::from_utf8_lossy(&host.stdout).trim().to_owned();
    let mut command = cargo(&[
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        &host,
    ]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo metadata")?;
    if !output.status.success() {
        bail!("{} ended with {}", describe(&command), output.status);
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

fn test_names(listed: &str) -> Vec<String> {
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

fn describes_this_package(name: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || ["CARGO_PRIMARY_PACKAGE", "LD_LIBRARY_PATH", "OUT_DIR"].contains(&name)
}

fn artifact(message: &Value) -> Option<Artifact> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    Some(Artifact {
        name: message["target"]["name"].as_str()?.to_owned(),
        kinds: texts(&message["target"]["kind"]),
        test: message["profile"]["test"].as_bool().unwrap_or(false),
        features: texts(&message["features"]),
        files: texts(&message["filenames"])
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        fresh: message["fresh"].as_bool().unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_artifact_is_read_from_cargos_message_and_other_messages_are_not() {
        let message = json!({
            "reason": "compiler-artifact", "target": {"name": "kefu_zhichi", "kind": ["cdylib", "rlib"]},
            "profile": {"test": false}, "features": ["export"], "filenames": ["a/libkefu_zhichi.so"], "fresh": true
        });
        let read =
            artifact(&message).map(|artifact| (artifact.name, artifact.files, artifact.fresh));
        let expected = (
            "kefu_zhichi".to_owned(),
            vec![PathBuf::from("a/libkefu_zhichi.so")],
            true,
        );
        assert_eq!(read, Some(expected));
        assert_eq!(artifact(&json!({"reason": "build-finished"})), None);
    }

    #[test]
    fn only_lines_that_name_a_test_are_counted() {
        let listed = "crash::soak_kills: test\n\n1 test, 0 benchmarks\n";
        assert_eq!(test_names(listed), ["crash::soak_kills"]);
        assert!(test_names("").is_empty());
    }

    #[test]
    fn tests_run_without_backtraces_unless_they_are_asked_for() {
        let command = cargo_test(&["--lib"]);
        let wanted = std::env::var_os("KEFU_BACKTRACE").unwrap_or_else(|| "0".into());
        let set: Vec<_> = command.get_envs().collect();
        assert!(describe(&command).ends_with(" test --lib"));
        for expected in [
            ("RUST_BACKTRACE", Some(&*wanted)),
            ("RUST_LIB_BACKTRACE", None),
        ] {
            let (name, value) = expected;
            assert!(set.contains(&(name.as_ref(), value)), "{set:?}");
        }
    }

    #[test]
    fn the_environment_of_this_package_does_not_reach_the_next_cargo() {
        let removed: Vec<_> = cargo(&["build"])
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        assert!(
            removed.contains(&"CARGO_PKG_NAME".to_owned()),
            "{removed:?}"
        );
        assert!(!removed.contains(&"CARGO_TARGET_DIR".to_owned()));
    }
}
