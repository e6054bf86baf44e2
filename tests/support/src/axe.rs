//! Whether a page can be used by everybody, as axe-core judges it.
//!
//! Owns where the engine is and what counts as a finding. Takes the file from
//! `KEFU_AXE`, as `cargo xtask test` sets it, and otherwise asks `cargo xtask
//! axe` once per test process; without it a test fails, it is never skipped.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::webdriver::Browser;

/// What axe-core finds serious or critical on the page that the browser shows;
/// one entry for each rule, with the elements it is about.
///
/// # Errors
/// The engine is not there, or does not run in the page.
pub async fn findings(browser: &Browser) -> Result<Vec<String>> {
    let engine = engine()?;
    browser.script(engine, Vec::new()).await?;
    let found = browser.script(JUDGE, Vec::new()).await?;
    let rules = found["passes"].as_u64().unwrap_or_default();
    // An engine that looked at nothing finds nothing.
    anyhow::ensure!(rules >= 5, "axe-core tried only {rules} rules: {found}");
    let list = found["violations"]
        .as_array()
        .context("a list of findings")?;
    Ok(list.iter().map(described).collect())
}

fn described(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = finding["nodes"].as_array().into_iter().flatten();
    let nodes: Vec<String> = nodes
        .map(|node| format!("    {}\n      {}", text(&node["html"]), text(&node["why"])))
        .collect();
    format!(
        "{} ({}): {}\n{}",
        text(&finding["id"]),
        text(&finding["impact"]),
        text(&finding["help"]),
        nodes.join("\n")
    )
}

/// The engine's text.
fn engine() -> Result<&'static str> {
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    let outcome = TEXT.get_or_init(|| {
        let text = find().and_then(|path| {
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        });
        text.map_err(|error| format!("{error:#}"))
    });
    let text = outcome.as_deref();
    text.map_err(|error| anyhow::anyhow!("{error}"))
}

fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("KEFU_AXE").map(PathBuf::from) {
        if !named.is_file() {
            bail!("KEFU_AXE names {}, which is no file", named.display());
        }
        return Ok(named);
    }
    let output = crate::plugins::xtask("axe")
        .output()
        .context("starting cargo xtask axe")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cargo xtask axe ended with {}\n{text}", output.status);
    }
    Ok(PathBuf::from(text.lines().last().unwrap_or_default()))
}

const JUDGE: &str = "return axe.run(document, { resultTypes: ['violations'] }).then((found) => ({ \
    passes: found.passes.length, violations: found.violations \
      .filter((it) => it.impact === 'serious' || it.impact === 'critical') \
      .map((it) => ({ id: it.id, impact: it.impact, help: it.help, \
        nodes: it.nodes.map((node) => ({ html: node.html, why: node.failureSummary })) })) }));";
