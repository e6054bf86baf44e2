//! Runs `kefu-gateway plugin test` and reads its report.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use kefu_test_support::plugins;
use serde_json::Value;
use tempfile::TempDir;

/// A run to be.
pub(crate) struct Kit {
    command: Command,
    work: TempDir,
}

impl Kit {
    /// The kit on a plug-in of the folder of all.
    pub(crate) fn of(file: &str) -> Self {
        Self::on(&plugins::file(file).expect("the plug-in is built"))
    }

    /// The kit on any file.
    pub(crate) fn on(file: &Path) -> Self {
        let gateway = &plugins::built().expect("the gateway is built").gateway;
        let mut command = Command::new(gateway);
        command.args(["plugin", "test"]).arg(file);
        Self {
            command,
            work: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn option(&mut self, name: &str, value: &str) {
        self.command.arg(name).arg(value);
    }

    /// A folder of the repository.
    pub(crate) fn folder(&mut self, name: &str, folder: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        self.command.arg(name).arg(root.join(folder));
    }

    /// The `[settings]` of a provider's file.
    pub(crate) fn settings(&mut self, settings: &str) {
        let file = self.work.path().join("provider.toml");
        let text = format!("id = \"tested\"\nplugin = \"plugin.so\"\n[settings]\n{settings}\n");
        fs::write(&file, text).expect("written");
        self.command.arg("--provider").arg(file);
    }

    /// Runs it for its JSON report.
    pub(crate) fn run(mut self) -> Report {
        self.option("--report", "json");
        let output = self.output();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "no report ({error}): {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        Report {
            value,
            code: output.status.code(),
        }
    }

    /// Runs it as it is.
    pub(crate) fn output(mut self) -> Output {
        self.command.output().expect("the gateway starts")
    }
}

/// What the kit found.
pub(crate) struct Report {
    value: Value,
    code: Option<i32>,
}

impl Report {
    /// Whether report and exit code say that all is well.
    pub(crate) fn passed(&self) -> bool {
        let passed = self.value["passed"] == true;
        assert_eq!(self.code, Some(i32::from(!passed)), "{}", self.value);
        passed
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn tests(&self) -> &[Value] {
        self.value["tests"].as_array().expect("a list of tests")
    }

    /// Everything that failed, in lines.
    pub(crate) fn failures(&self) -> String {
        let failed = self.tests().iter().filter(|test| test["passed"] != true);
        failed
            .map(|test| {
                let text = test.to_string();
                let shown: String = text.chars().take(3_000).collect();
                format!("{}: {shown}\n", test["name"])
            })
            .collect()
    }

    /// The reasons of one test, in one text; empty if it passed.
    pub(crate) fn reasons(&self, name: &str) -> String {
        let test = self.tests().iter().find(|test| test["name"] == name);
        let failures = test.and_then(|test| test["failures"].as_array());
        failures
            .into_iter()
            .flatten()
            .filter_map(|failure| failure["reason"].as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
