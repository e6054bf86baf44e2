//! The commands around the kit: usage, forms of the report, `plugin inspect`,
//! `plugin verify`, `plugin list`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use kefu_test_support::plugins::{self, CHAOS, CHAOS_ABORT, MINIMAL, ZHICHI};
use serde_json::Value;
use tempfile::TempDir;

use super::kit::Kit;

fn gateway(arguments: &[&str]) -> Output {
    let gateway = &plugins::built().expect("the gateway is built").gateway;
    let output = Command::new(gateway).args(arguments).output();
    output.expect("the gateway starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no JSON ({error}): {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_was_asked_for_wrongly_is_told_apart_from_a_failed_test() {
    let minimal = plugins::file(MINIMAL).expect("built");
    let file = minimal.display().to_string();
    for (arguments, told) in [
        (vec!["--only", "everything"], "everything"),
        (vec!["--provider", "/no/such.toml"], "/no/such.toml"),
        (vec!["--states", "/no/such/folder"], "/no/such/folder"),
        (vec!["--inputs", "many"], "many"),
    ] {
        let mut all = vec!["plugin", "test", &file];
        all.extend(arguments);
        let output = gateway(&all);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(text(&output.stderr).contains(told), "{told}");
        assert!(output.stdout.is_empty(), "{told}");
    }
    let output = gateway(&["plugin", "test", "/no/such.so"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_report_can_be_had_for_people_and_for_build_servers() {
    let run = |form: &str| {
        let mut kit = Kit::of(MINIMAL);
        kit.option("--isolation", "in-process");
        kit.option("--only", "contract");
        kit.option("--only", "states");
        kit.option("--report", form);
        let output = kit.output();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let people = run("text");
    assert_eq!(people.matches("ok   in-process").count(), 2, "{people}");
    assert!(people.contains("2 of 2 tests passed"), "{people}");
    let junit = run("junit");
    assert!(
        junit.contains(r#"<testsuite name="in-process" tests="2""#),
        "{junit}"
    );
    assert!(junit.contains(r#"<testcase name="states""#), "{junit}");
}

#[test]
fn a_report_can_go_to_a_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("report.json");
    let mut kit = Kit::of(MINIMAL);
    kit.option("--isolation", "in-process");
    kit.option("--only", "contract");
    kit.option("--report", "json");
    kit.option("--out", &file.display().to_string());
    let output = kit.output();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let report: Value =
        serde_json::from_slice(&fs::read(&file).expect("written")).expect("a report");
    assert_eq!(report["kit"], 1);
    assert_eq!(report["adapter"]["id"], "minimal");
    assert_eq!(report["tests"][0]["name"], "contract");
}

#[test]
fn a_setting_that_nobody_can_make_up_is_asked_for() {
    let mut kit = Kit::of(CHAOS);
    kit.settings("on_open = \"refuse\"");
    kit.option("--isolation", "in-process");
    kit.option("--only", "contract");
    let report = kit.run();
    assert!(!report.passed());
    let reasons = report.reasons("contract");
    assert!(reasons.contains("on_open"), "{reasons}");
}

#[test]
fn a_file_tells_about_itself() {
    let file = plugins::file(ZHICHI).expect("built").display().to_string();
    let found = json(&gateway(&["plugin", "inspect", &file, "--json"]));
    assert_eq!(found["adapter"]["descriptor"]["id"], "zhichi");
    assert_eq!(found["adapter"]["contract"], "1.0");
    assert_eq!(found["adapter"]["panics_unwind"], true);
    assert_eq!(found["signature"], Value::Null);
    assert_eq!(found["sha256"].as_str().map(str::len), Some(64));
    let needs = found["needs"].as_array().expect("a list");
    assert!(needs.iter().any(|name| name == "libc.so.6"), "{needs:?}");

    let shown = gateway(&["plugin", "inspect", &file]);
    assert_eq!(shown.status.code(), Some(0));
    for part in ["zhichi", "secret path segment", "push_secret", "converted"] {
        assert!(text(&shown.stdout).contains(part), "{part}");
    }
}

#[test]
fn a_file_can_be_looked_at_without_running_it() {
    let file = plugins::file(CHAOS_ABORT)
        .expect("built")
        .display()
        .to_string();
    let asked = gateway(&["plugin", "inspect", &file, "--json"]);
    assert_eq!(asked.status.code(), Some(1));
    let refusal = json(&asked)["refusal"].to_string();
    assert!(refusal.contains("panics that unwind"), "{refusal}");

    let unasked = gateway(&["plugin", "inspect", &file, "--json", "--without-running"]);
    assert_eq!(unasked.status.code(), Some(0));
    let found = json(&unasked);
    assert_eq!(found["adapter"], Value::Null);
    assert!(found["needs"].is_array());
}

#[test]
fn what_is_no_plug_in_is_told_in_one_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("text.so");
    fs::write(&file, "not a library").expect("written");
    let output = gateway(&["plugin", "inspect", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expected a shared object (ELF)"));
}

/// A configuration with one provider, and its plug-in folder.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new(trust: &str, settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let main = format!(
            "[admin]\ntoken = \"a-token-for-the-test\"\n[plugins]\ndir = \"adapters\"\n{trust}\n"
        );
        fs::write(dir.path().join("kefu.toml"), main).expect("written");
        let providers = dir.path().join("providers");
        fs::create_dir(&providers).expect("made");
        let provider = format!("id = \"desk\"\nplugin = \"{MINIMAL}\"\n[settings]\n{settings}\n");
        fs::write(providers.join("desk.toml"), provider).expect("written");
        plugins::stage(&dir.path().join("adapters"), &[MINIMAL, CHAOS]).expect("staged");
        Self { dir }
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let config = self.path("kefu.toml");
        let mut all = vec!["plugin", command];
        all.extend(arguments);
        all.extend(["--config", &config, "--json"]);
        gateway(&all)
    }

    fn path(&self, inside: &str) -> String {
        let path: &Path = self.dir.path();
        path.join(inside).display().to_string()
    }
}

const GOOD: &str = "send_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";

#[test]
fn the_folder_is_listed_declared_or_not() {
    let desk = Desk::new("", GOOD);
    fs::write(desk.path("adapters/half.so"), b"\x7fELF").expect("written");
    let listed = json(&desk.run("list", &[]));
    let files = listed["files"].as_array().expect("a list");
    let file = |name: &str| {
        let found = files.iter().find(|file| file["file"] == name);
        found.unwrap_or_else(|| panic!("{name} is not listed: {listed}"))
    };
    assert_eq!(file(MINIMAL)["declared_by"][0], "desk");
    assert_eq!(file(CHAOS)["declared_by"].as_array().map(Vec::len), Some(0));
    assert!(file(CHAOS)["sha256"].is_string());
    assert!(file("half.so")["problem"].is_string());
    let config = desk.path("kefu.toml");
    let shown = text(&gateway(&["plugin", "list", "--config", &config]).stdout);
    assert!(shown.contains("undeclared"), "{shown}");
    assert!(shown.contains("declared by desk"), "{shown}");
}

#[test]
fn verify_says_what_the_gateway_would_say() {
    let good = Desk::new("", GOOD);
    let file = good.path(&format!("adapters/{MINIMAL}"));
    let output = good.run("verify", &[&file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let stages = json(&output)["providers"][0]["passed"].to_string();
    for stage in [
        "read",
        "trust",
        "copy",
        "load",
        "describe",
        "open",
        "self_test",
    ] {
        assert!(stages.contains(stage), "{stages}");
    }

    let chaos = good.path(&format!("adapters/{CHAOS}"));
    let undeclared = good.run("verify", &[&chaos]);
    assert_eq!(undeclared.status.code(), Some(2));
    assert!(text(&undeclared.stderr).contains("--provider"));

    for (desk, stage, told) in [
        (Desk::new("", "send_url = \"x\""), "open", "webhook_key"),
        (
            Desk::new("trust = \"listed\"", GOOD),
            "trust",
            "it lists none",
        ),
    ] {
        let file = desk.path(&format!("adapters/{MINIMAL}"));
        let output = desk.run("verify", &[&file]);
        assert_eq!(output.status.code(), Some(1));
        let judged = &json(&output)["providers"][0];
        assert_eq!(judged["stage"], stage, "{judged}");
        let reason = judged["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains(told) && reason.contains(MINIMAL),
            "{reason}"
        );
    }
}
