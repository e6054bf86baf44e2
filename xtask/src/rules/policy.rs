//! `.cargo/deny.toml`: the lists behind the rules.
//!
//! Owns the file's shape. Every list entry but an allowed licence carries a
//! reason, and unknown keys are errors, so that a slip of the pen cannot
//! switch a rule off.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// The lists.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// Licences that any package may have.
    pub(crate) licences: BTreeSet<String>,
    /// Licences that only the named crate may have.
    pub(crate) licence_exceptions: BTreeMap<String, BTreeSet<String>>,
    /// Crates that may not be used.
    pub(crate) bans: BTreeMap<String, Ban>,
    /// Versions (`name@1` or more exact) that may exist beside another one.
    pub(crate) skips: BTreeSet<String>,
    /// Crates that may not run while something is compiled, and what they do.
    pub(crate) not_while_compiling: BTreeMap<String, String>,
}

/// A ban.
#[derive(Debug, Default)]
pub(crate) struct Ban {
    /// Why.
    pub(crate) reason: String,
    /// Who may depend on it all the same, directly.
    pub(crate) wrappers: BTreeSet<String>,
}

impl Policy {
    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse().context("it is no TOML")?;
        known(&table, "the file", &["licenses", "bans", "build"])?;
        let licenses = section(&table, "licenses", &["allow", "exceptions"])?;
        let bans = section(&table, "bans", &["deny", "skip"])?;
        let build = section(&table, "build", &["deny"])?;
        let mut policy = Self {
            licences: texts(&licenses, "allow")?,
            ..Self::default()
        };
        for (name, _, entry) in entries(&licenses, "exceptions", &["allow"])? {
            policy
                .licence_exceptions
                .insert(name, texts(&entry, "allow")?);
        }
        for (name, reason, entry) in entries(&bans, "deny", &["wrappers"])? {
            policy.bans.insert(
                name,
                Ban {
                    reason,
                    wrappers: texts(&entry, "wrappers")?,
                },
            );
        }
        for (name, _, _) in entries(&bans, "skip", &[])? {
            ensure!(
                name.contains('@'),
                "bans.skip: {name:?} names no version, as in \"{name}@1\""
            );
            policy.skips.insert(name);
        }
        for (name, reason, _) in entries(&build, "deny", &[])? {
            policy.not_while_compiling.insert(name, reason);
        }
        Ok(policy)
    }
}

fn section(table: &Table, name: &str, keys: &[&str]) -> Result<Table> {
    match table.get(name) {
        None => Ok(Table::new()),
        Some(Value::Table(section)) => {
            known(section, name, keys)?;
            Ok(section.clone())
        }
        Some(_) => bail!("{name} is no table"),
    }
}

/// The entries of a list: the crate, the reason, and the whole entry.
fn entries(section: &Table, list: &str, keys: &[&str]) -> Result<Vec<(String, String, Table)>> {
    let Some(items) = section.get(list) else {
        return Ok(Vec::new());
    };
    let items = items
        .as_array()
        .with_context(|| format!("{list} is no list"))?;
    let read = |item: &Value| {
        let entry = item
            .as_table()
            .with_context(|| format!("an entry of {list} is no table"))?;
        known(entry, list, &[&["crate", "reason"], keys].concat())?;
        let text = |key: &str| {
            let text = entry
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.trim().is_empty());
            text.map(str::to_owned)
                .with_context(|| format!("an entry of {list} has no {key:?}: {entry}"))
        };
        Ok((text("crate")?, text("reason")?, entry.clone()))
    };
    items.iter().map(read).collect()
}

fn texts(table: &Table, key: &str) -> Result<BTreeSet<String>> {
    let items = table.get(key).map_or(Some([].as_slice()), |value| {
        value.as_array().map(Vec::as_slice)
    });
    let items = items.with_context(|| format!("{key} is no list"))?;
    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
    texts
        .collect::<Option<_>>()
        .with_context(|| format!("{key} holds something else than texts"))
}

fn known(table: &Table, name: &str, keys: &[&str]) -> Result<()> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => bail!(
            "{name} has the unknown key {key:?}; it may have {}",
            keys.join(", ")
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        for text in [
            "[[bans.deny]]\ncrate = \"openssl\"",
            "[[bans.skip]]\ncrate = \"syn@1\"\nreason = \" \"",
            "[[licenses.exceptions]]\ncrate = \"x\"\nallow = [\"MPL-2.0\"]",
        ] {
            let error = Policy::parse(text)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains("\"reason\""), "{text}: {error}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = Policy::parse("[bans]\ndney = []")
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("\"dney\""), "{error}");
    }
}
