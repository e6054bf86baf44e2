//! TOML text into the shape of a file, with every mismatch named by its key.
//!
//! Owns the words for wrong syntax, unknown keys and wrong types. Deliberately
//! repeats no text of serde's that quotes a value: it may have come from a
//! variable. Invariant: all mismatches of a file are reported, not the first.

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{Checker, ConfigError, ConfigErrors, Severity};
use crate::config::{
    error::suggest,
    locate::{child, line_column},
    raw,
};

/// Parses a text that may be no TOML at all.
pub(super) fn parse<'a>(file: &str, text: &'a str) -> Result<Spanned<DeTable<'a>>, ConfigErrors> {
    DeTable::parse(text).map_err(|error| {
        let (line, column) = line_column(text, error.span().map_or(0, |span| span.start));
        let problem = format!(
            "this is not valid TOML: {}",
            error.message().replace('\n', ", ")
        );
        ConfigErrors(vec![ConfigError {
            severity: Severity::Error,
            file: file.to_owned(),
            line,
            column,
            key: String::new(),
            value: None,
            problem,
            right: String::new(),
        }])
    })
}

/// Matches a table with a shape. serde stops at the first mismatch, so what
/// does not fit is noted, taken out, and the rest is tried again.
pub(super) fn read<T: DeserializeOwned>(
    mut table: Spanned<DeTable<'_>>,
    checker: &mut Checker,
) -> Option<T> {
    loop {
        let error = match T::deserialize(Deserializer::from(table.clone())) {
            Ok(shape) => return Some(shape),
            Err(error) => error,
        };
        let key = error
            .span()
            .and_then(|span| checker.places.innermost(&span))
            .unwrap_or_default()
            .to_owned();
        note_mismatch(checker, &key, error.message());
        // A list is taken out whole, so that no later index is shifted.
        let whole = key.trim_end_matches(|c: char| matches!(c, '[' | ']') || c.is_ascii_digit());
        let whole = if key.ends_with(']') { whole } else { &key };
        if !remove(table.get_mut(), "", whole) {
            return None;
        }
    }
}

fn note_mismatch(checker: &mut Checker, key: &str, message: &str) {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        // The pieces between backticks: the wrong name, then the known ones.
        let mut names = rest.split('`').step_by(2);
        let wrong = names.next().unwrap_or_default();
        checker.error(
            key,
            "unknown key",
            suggest(wrong, names.filter(|name| !name.is_empty())),
        );
        // What a misspelt key holds may be a secret.
        if let Some(error) = checker.found.last_mut() {
            error.value = None;
        }
        return;
    }
    let expected = match message
        .rsplit_once(", expected ")
        .map(|(_, expected)| expected)
    {
        Some("a string") => "a text in quotes",
        Some(raw::A_TIME) => raw::A_TIME,
        Some(raw::A_SIZE) => raw::A_SIZE,
        Some(raw::A_LIMIT) => raw::A_LIMIT,
        Some("i64") => "a whole number",
        Some("f64") => "a number",
        Some("a boolean") => "true or false",
        Some("a sequence") => "a list",
        Some("a table" | "a map") => "a table",
        Some("a text or a list of texts") => "a text in quotes or a list of them",
        _ => "a value of another kind",
    };
    checker.error(key, "has the wrong type", format!("it must be {expected}"));
}

fn remove(table: &mut DeTable<'_>, path: &str, key: &str) -> bool {
    let names: Vec<String> = table
        .keys()
        .map(|name| name.get_ref().to_string())
        .collect();
    for name in names {
        let path = child(path, &name);
        if path == key {
            return table.remove(name.as_str()).is_some();
        }
        let inside = key
            .strip_prefix(&path)
            .is_some_and(|rest| rest.starts_with(['.', '[']));
        if inside && let Some(value) = table.get_mut(name.as_str()) {
            return remove_within(value.get_mut(), &path, key);
        }
    }
    false
}

fn remove_within(value: &mut DeValue<'_>, path: &str, key: &str) -> bool {
    match value {
        DeValue::Table(table) => remove(table, path, key),
        DeValue::Array(entries) => entries.iter_mut().enumerate().any(|(index, entry)| {
            let path = format!("{path}[{index}]");
            key.strip_prefix(&path)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
                && remove_within(entry.get_mut(), &path, key)
        }),
        _ => false,
    }
}
