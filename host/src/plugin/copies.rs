//! The folder of private copies.
//!
//! Owns what is removed from it. Deliberately writes nothing there;
//! [`image`](super::image) does. Invariant: only files that have the name of a
//! copy are touched, so that a folder that was named by mistake loses nothing.

use std::{collections::BTreeSet, fs, path::Path};

/// Removes every copy, with its signature, whose content is not needed. What
/// is mapped into memory stays there without its file.
pub(super) fn sweep(copies: &Path, needed: &BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(copies) else {
        // Nothing was copied yet.
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let unneeded = name
            .to_str()
            .and_then(content)
            .is_some_and(|sha256| !needed.contains(sha256));
        if unneeded && let Err(error) = fs::remove_file(entry.path()) {
            tracing::warn!(file = %entry.path().display(), %error, "a private copy that is not needed any more was not removed");
        }
    }
}

/// The hash in the name of a copy or of its signature.
fn content(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".minisig").unwrap_or(name);
    let sha256 = name.strip_suffix(".so")?;
    let is_hash = sha256.len() == 64
        && sha256
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_nobody_needs_go_with_their_signatures_and_nothing_else_does() {
        let dir = tempfile::tempdir().expect("a folder");
        let (needed, unneeded) = ("a".repeat(64), "b".repeat(64));
        let names = [
            format!("{needed}.so"),
            format!("{needed}.so.minisig"),
            format!("{unneeded}.so"),
            format!("{unneeded}.so.minisig"),
            "libkefu_zhichi.so".to_owned(),
            format!("{}.so", "B".repeat(64)),
            "notes.txt".to_owned(),
        ];
        for name in &names {
            fs::write(dir.path().join(name), b"").expect("written");
        }
        sweep(dir.path(), &BTreeSet::from([needed]));
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        left.sort();
        let mut expected: Vec<_> = names
            .iter()
            .filter(|name| !name.starts_with(&unneeded))
            .cloned()
            .collect();
        expected.sort();
        assert_eq!(left, expected);
        sweep(&dir.path().join("not there"), &BTreeSet::new());
    }
}
