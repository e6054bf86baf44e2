//! `cargo xtask test`: everything that must pass, in order.
//!
//! Owns the list of steps. Cheap checks come first, so that a slip costs
//! seconds. The order of the builds is chosen so that nothing is compiled
//! twice with other features: one build of the whole workspace, then cargo
//! only runs what that build made; every test step therefore names the whole
//! workspace and picks targets, never packages.
//!
//! Tests find what they run through the environment (see
//! `tests/support/src/plugins.rs` and `python.rs`): `KEFU_GATEWAY_BIN`,
//! `KEFU_SIMULATORS_BIN`, `KEFU_PLUGIN_DIR`, `KEFU_PYTHON` and `KEFU_AXE`.

use crate::args::TestOptions;
use crate::cargo::{self, cargo, cargo_test};
use crate::products::{self, Programs};
use crate::steps::{self, Step};
use crate::{axe, python, rules, system};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;

/// The test programs that need a running gateway, in the order they run.
const WHOLE: [&str; 3] = ["contract", "e2e", "browser"];

/// What the building steps leave for the testing ones.
#[derive(Default)]
struct Built {
    programs: Option<Programs>,
    plugins: Option<PathBuf>,
    python: Option<PathBuf>,
    axe: Option<PathBuf>,
}

/// Runs the steps that were asked for.
pub(crate) fn run(options: &TestOptions) -> Result<()> {
    let built = RefCell::new(Built::default());
    let mut steps = all_steps(&built);
    if !options.only.is_empty() {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        for only in &options.only {
            if !names.iter().any(|name| name.contains(only.as_str())) {
                bail!("no step {only:?}; there are {}", names.join(", "));
            }
        }
        steps.retain(|step| {
            options
                .only
                .iter()
                .any(|only| step.name.contains(only.as_str()))
        });
    }
    steps::run(steps, options.keep_going)
}

fn all_steps(built: &RefCell<Built>) -> Vec<Step<'_>> {
    vec![
        step("fmt", "the code is formatted", || {
            cargo::run(cargo(&["fmt", "--all", "--check"]))
        }),
        step("clippy", "no warnings", || {
            cargo::run(cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        }),
        step("doc", "the documentation builds without warnings", || {
            // The harness for adapters' tests is part of what vendors read.
            let harness = "kefu-plugin-api/testing";
            let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--features", harness]);
            doc.env("RUSTDOCFLAGS", "-D warnings");
            cargo::run(doc)
        }),
        step(
            "rules",
            "dependencies keep to .cargo/deny.toml",
            rules::check,
        ),
        step(
            "system",
            "the browser, a font and Python are there",
            system::ensure,
        ),
        step("python", "the packages of tests/requirements.txt", || {
            built.borrow_mut().python = Some(python::ensure()?);
            Ok(())
        }),
        step(
            "axe",
            "the accessibility engine of tests/accessibility.txt",
            || {
                built.borrow_mut().axe = Some(axe::ensure()?);
                Ok(())
            },
        ),
        step("build", "everything, tests included", || {
            built.borrow_mut().programs = Some(products::build_workspace()?);
            Ok(())
        }),
        step("plug-ins", "each .so file by itself", || {
            built.borrow_mut().plugins = Some(products::build_all_plugins()?);
            Ok(())
        }),
        step(
            "unit",
            "unit and integration tests of every package",
            || {
                let mut units = unit_tests()?;
                tell(&mut units, &built.borrow());
                cargo::run(units)
            },
        ),
        step("doctests", "examples in the documentation", || {
            cargo::run(cargo_test(&["--workspace", "--doc"]))
        }),
        step(WHOLE[0], "every adapter keeps the contract", || {
            whole(WHOLE[0], built)
        }),
        step(WHOLE[1], "the gateway end to end", || {
            whole(WHOLE[1], built)
        }),
        step(WHOLE[2], "a visitor in a real browser", || {
            whole(WHOLE[2], built)
        }),
    ]
}

fn step<'a>(
    name: &'static str,
    what: &'static str,
    work: impl FnMut() -> Result<()> + 'a,
) -> Step<'a> {
    Step {
        name,
        what,
        work: Box::new(work),
    }
}

/// Unit tests everywhere, and the integration tests of all packages but the
/// ones of the whole.
fn unit_tests() -> Result<Command> {
    let mut args = vec!["--workspace", "--lib", "--bins"];
    for name in integration_tests()? {
        args.extend(["--test", name]);
    }
    Ok(cargo_test(&args))
}

fn integration_tests() -> Result<Vec<&'static str>> {
    let packages = cargo::metadata()?["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let members = packages
        .iter()
        .filter(|package| package["source"].is_null());
    let targets = members.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let is_test = |target: &&Value| {
        target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.contains(&"test".into()))
    };
    let mut names: Vec<&str> = targets
        .filter(is_test)
        .filter_map(|target| target["name"].as_str())
        .filter(|name| !WHOLE.contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// One test program of the whole, told where the built things are.
fn whole(name: &str, built: &RefCell<Built>) -> Result<()> {
    if cargo::list_tests(name, &[])?.is_empty() {
        bail!("{name} holds no test, so its passing would say nothing");
    }
    let mut command = cargo_test(&["--workspace", "--test", name]);
    tell(&mut command, &built.borrow());
    cargo::run(command)
}

/// Passes on what was built. What was not (with `--only`) is left to the tests,
/// which then build it themselves.
fn tell(command: &mut Command, built: &Built) {
    if let (Some(programs), Some(plugins)) = (&built.programs, &built.plugins) {
        command
            .env("KEFU_GATEWAY_BIN", &programs.gateway)
            .env("KEFU_SIMULATORS_BIN", &programs.simulators)
            .env("KEFU_PLUGIN_DIR", plugins);
    }
    if let Some(python) = &built.python {
        command.env("KEFU_PYTHON", python);
    }
    if let Some(axe) = &built.axe {
        command.env("KEFU_AXE", axe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_exist_is_refused_with_those_that_do() {
        let options = TestOptions {
            keep_going: false,
            only: vec!["lint".to_owned()],
        };
        let error = run(&options)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("\"lint\"") && error.contains("clippy"),
            "{error}"
        );
    }

    #[test]
    fn tests_of_the_whole_are_not_run_among_the_units() -> Result<()> {
        let names = integration_tests()?;
        assert!(WHOLE.iter().all(|name| !names.contains(name)), "{names:?}");
        Ok(())
    }
}
