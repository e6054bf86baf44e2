//! The conformance kit, on every adapter and on adapters that lie.
//!
//! Owns what is special here: settings that each adapter accepts, and what its
//! vendor is known to send. The rules themselves are the kit's
//! (`kefu-gateway plugin test`), so that whoever writes an adapter elsewhere
//! has the same ones. To take part an adapter needs one entry in [`adapters`].

mod commands;
mod kit;
mod liars;

use kefu_test_support::plugins::{AIKEFU, CHAOS, JIAXIN, MINIMAL, QIYU, SDP, XIAONENG, ZHICHI};

use kit::Kit;

/// One adapter and what the kit should know about it.
struct Conforming {
    /// Its plug-in.
    file: &'static str,
    /// Settings that it accepts; empty: made up by the kit.
    settings: &'static str,
    /// Where recorded payloads of its vendor are.
    samples: Option<&'static str>,
    /// Where states of its earlier versions are.
    states: Option<&'static str>,
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn adapters() -> [Conforming; 8] {
    [
        Conforming {
            file: MINIMAL,
            settings: "",
            samples: None,
            states: None,
        },
        Conforming {
            file: CHAOS,
            settings: "",
            samples: None,
            states: None,
        },
        Conforming {
            file: JIAXIN,
            settings: r#"
                base_url = "https://vendor.example"
                secret = "whsec_a2VmdS1jb25mb3JtYW5jZS1zZWNyZXQtMDAwMDAwMDE="
                org = "acme"
                app = "shop"
                channel = "10001"
            "#,
            samples: Some("plugins/jiaxin/tests/fixtures"),
            states: Some("plugins/jiaxin/tests/golden"),
        },
        Conforming {
            file: ZHICHI,
            settings: r#"
                app_id = "app-1"
                app_key = "app-key-for-tests"
                base_url = "https://vendor.example"
                push_secret = "0123456789abcdef0123456789abcdef"
            "#,
            samples: Some("plugins/zhichi/tests/fixtures"),
            states: Some("plugins/zhichi/tests/golden"),
        },
        Conforming {
            file: XIAONENG,
            settings: r#"
                base_url = "https://vendor.example"
                secret = "whsec_a2VmdS1jb25mb3JtYW5jZS1zZWNyZXQtMDAwMDAwMDE="
                site_id = "kf_9999"
                session_id = "kf_9999_1500000000000"
            "#,
            samples: Some("plugins/xiaoneng/tests/fixtures"),
            states: Some("plugins/xiaoneng/tests/golden"),
        },
        Conforming {
            file: AIKEFU,
            settings: r#"
                account_id = "kefu"
                app_key = "app-1"
                app_secret = "app-secret-for-tests"
                receive_url = "https://vendor.example/receive"
            "#,
            samples: Some("plugins/aikefu/tests/fixtures"),
            states: Some("plugins/aikefu/tests/golden"),
        },
        Conforming {
            file: QIYU,
            settings: r#"
                app_key = "app-1"
                app_secret = "app-secret-for-tests"
                base_url = "https://vendor.example/openapi"
            "#,
            samples: Some("plugins/qiyu/tests/fixtures"),
            states: Some("plugins/qiyu/tests/golden"),
        },
        Conforming {
            file: SDP,
            settings: r#"
                base_url = "https://vendor.example"
                secret = "whsec_a2VmdS1jb25mb3JtYW5jZS1zZWNyZXQtMDAwMDAwMDE="
                account = "acme"
            "#,
            samples: Some("plugins/sdp/tests/fixtures"),
            states: Some("plugins/sdp/tests/golden"),
        },
    ]
}

/// Mutated inputs of each adapter; enough to find what is careless, quick
/// enough for every change.
const INPUTS: u32 = 2_000;

fn conforms_in(isolation: &str) {
    for adapter in adapters() {
        let mut kit = Kit::of(adapter.file);
        kit.option("--isolation", isolation);
        kit.option("--inputs", &INPUTS.to_string());
        if !adapter.settings.is_empty() {
            kit.settings(adapter.settings);
        }
        if let Some(folder) = adapter.samples {
            kit.folder("--samples", folder);
        }
        if let Some(folder) = adapter.states {
            kit.folder("--states", folder);
        }
        let report = kit.run();
        assert!(
            report.passed(),
            "{} in isolation {isolation}:\n{}",
            adapter.file,
            report.failures()
        );
        assert_eq!(report.tests().len(), TESTS.len(), "{}", adapter.file);
    }
}

/// Every test of the kit: none may be lost by accident.
const TESTS: [&str; 12] = [
    "contract",
    "self-test",
    "descriptor",
    "needs",
    "settings",
    "callbacks",
    "determinism",
    "unknown",
    "states",
    "effects",
    "limits",
    "mutations",
];

#[test]
fn every_adapter_conforms_in_process() {
    conforms_in("in-process");
}

#[test]
fn every_adapter_conforms_in_a_child_process() {
    conforms_in("process");
}

#[test]
fn settings_are_made_up_from_the_schema_of_every_adapter() {
    for adapter in adapters() {
        let mut kit = Kit::of(adapter.file);
        kit.option("--isolation", "in-process");
        kit.option("--only", "self-test");
        let report = kit.run();
        assert!(report.passed(), "{}:\n{}", adapter.file, report.failures());
        assert_eq!(report.value()["settings"], "made_up");
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let report = |seed: &str| {
        let mut kit = Kit::of(CHAOS);
        kit.settings(&format!("key = \"{KEY}\"\nlie = \"brittle\""));
        kit.option("--isolation", "in-process");
        kit.option("--only", "mutations");
        kit.option("--inputs", "6000");
        kit.option("--seed", seed);
        kit.run().tests()[0]["failures"].clone()
    };
    let first = report("5");
    assert!(first[0]["input"]["index"].is_u64(), "{first}");
    assert_eq!(first, report("5"));
    assert_ne!(first, report("6"));
}
