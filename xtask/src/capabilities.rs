//! `cargo xtask capabilities`: the table of what adapters can do, written anew.
//!
//! Owns where it stands: between two marks in `plugins/README.md`. The gateway
//! prints it from the built plug-ins; a test of the whole holds the file to it.

use crate::cargo;
use crate::products;
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

/// Before the table.
const BEGIN: &str = "<!-- capabilities: written by `cargo xtask capabilities` -->";
/// Behind it.
const END: &str = "<!-- end of capabilities -->";

/// Builds the adapters and writes what they say of themselves.
pub(crate) fn write() -> Result<()> {
    let gateway = products::build_programs()?.gateway;
    let plugins = products::build_all_plugins()?;
    let files = products::vendor_files().chain(["libkefu_minimal.so"]);
    let output = Command::new(gateway)
        .args(["plugin", "capabilities"])
        .args(files.map(|file| plugins.join(file)))
        .output()
        .context("asking the gateway for the table")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("the gateway printed no table: {}", complaint.trim());
    }
    let table = String::from_utf8(output.stdout).context("reading the table")?;
    let readme = cargo::root().join("plugins/README.md");
    let before =
        fs::read_to_string(&readme).with_context(|| format!("reading {}", readme.display()))?;
    let after = replaced(&before, &table)
        .with_context(|| format!("{} has not both marks, {BEGIN} and {END}", readme.display()))?;
    fs::write(&readme, after).with_context(|| format!("writing {}", readme.display()))
}

/// The page with another table between its marks.
fn replaced(page: &str, table: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n\n{}\n\n{END}{tail}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("one\n{BEGIN}\nold\n{END}\ntwo");
        let expected = format!("one\n{BEGIN}\n\n| new |\n\n{END}\ntwo");
        let once = replaced(&page, "| new |\n");
        assert_eq!(once.as_deref(), Some(expected.as_str()));
        let again = once.and_then(|once| replaced(&once, "| new |\n"));
        assert_eq!(again.as_deref(), Some(expected.as_str()));
        assert_eq!(replaced("a page without marks", "| new |"), None);
    }
}
