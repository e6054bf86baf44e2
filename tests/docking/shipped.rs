//! The files that are shipped in `config/providers` open their adapters.

use std::path::Path;

use kefu_core::config::{Lookup, check_provider};
use kefu_plugin_api::{adapter::Adapter, testing::Harness};
use kefu_sdp::PlainAdapter;
use kefu_sdp_core::testing::SECRET;
use kefu_xiaoneng::XiaonengAdapter;

const SDP: &str = include_str!("../../config/providers/sdp.toml");
const XIAONENG: &str = include_str!("../../config/providers/xiaoneng.toml");

#[test]
fn the_shipped_files_open_their_adapters() {
    opens::<PlainAdapter>(SDP);
    opens::<XiaonengAdapter>(XIAONENG);
}

#[test]
fn every_setting_that_the_shipped_files_show_is_one() {
    let shown = shown(SDP, "[settings.");
    assert_eq!(shown.matches("\ngroup").count(), 1);
    opens::<PlainAdapter>(&shown);
    let shown = self::shown(XIAONENG, "[[");
    assert_eq!(shown.matches("\ndev_").count(), 5);
    opens::<XiaonengAdapter>(&shown);
}

/// The file with every setting in force that it shows in a comment.
fn shown(file: &str, table: &str) -> String {
    file.lines()
        .map(|line| {
            let setting = line
                .strip_prefix("# ")
                .filter(|rest| is_setting(rest, table));
            setting.unwrap_or(line).replace('…', "kf_1000")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_setting(line: &str, table: &str) -> bool {
    line.starts_with(table)
        || line == "[canary]"
        || line.split_once(" = ").is_some_and(|(key, _)| {
            !key.is_empty() && !["emoji", "sha256"].contains(&key) && !key.contains(' ')
        })
}

fn opens<A: Adapter>(text: &str) {
    let file = check_provider("provider.toml", text, &Known).expect("the file is well formed");
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    let settings = file.settings.settings.expose().clone();
    Harness::<A>::open(settings).expect("the settings are right");
}

struct Known;

impl Lookup for Known {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "SDP_BASE_URL" => "https://sdp.example",
            "SDP_ACCOUNT" => "acme",
            "XIAONENG_BASE_URL" => "https://xiaoneng.example",
            "XIAONENG_SESSION_ID" => "kf_9999_1500000000000",
            "SDP_SECRET" | "XIAONENG_SECRET" | "XIAONENG_DEV_SECRET" => SECRET,
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("no file is needed".to_owned())
    }
}
