//! The file that is shipped in `config/providers` opens this adapter.

use std::path::Path;

use kefu_core::config::{Lookup, check_provider};
use kefu_plugin_api::testing::Harness;
use kefu_sdp::PlainAdapter;
use kefu_sdp_core::testing::SECRET;

const SHIPPED: &str = include_str!("../../../config/providers/sdp.toml");

#[test]
fn the_shipped_file_opens_the_adapter() {
    opens(SHIPPED);
}

#[test]
fn every_setting_that_the_shipped_file_shows_is_one() {
    let shown = SHIPPED
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)))
        .zip(SHIPPED.lines())
        .map(|(setting, line)| setting.unwrap_or(line).replace('…', "kf_1000"))
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(shown.matches("\ngroup").count(), 1);
    opens(&shown);
}

fn is_setting(line: &str) -> bool {
    line.starts_with("[settings.")
        || line.split_once(" = ").is_some_and(|(key, _)| {
            !key.is_empty() && !["emoji", "sha256"].contains(&key) && !key.contains(' ')
        })
}

fn opens(text: &str) {
    let file = check_provider("sdp.toml", text, &Known).expect("the file is well formed");
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    let settings = file.settings.settings.expose().clone();
    Harness::<PlainAdapter>::open(settings).expect("the settings are right");
}

struct Known;

impl Lookup for Known {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "SDP_BASE_URL" => "https://sdp.example",
            "SDP_SECRET" => SECRET,
            "SDP_ACCOUNT" => "acme",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("no file is needed".to_owned())
    }
}
