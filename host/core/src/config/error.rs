//! What is wrong with a file, where, and what would be right.
//!
//! Owns the shape and the wording of messages, and the search for the name
//! that was probably meant. Deliberately carries no filled-in value: a message
//! quotes the file as written, so that a variable's content is never shown.
//! Invariant: the value of a secret is masked before it gets here.

use std::fmt;

use serde::Serialize;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file, or the provider it describes, is not used.
    Error,
    /// It is used; something will not work as it probably should.
    Warning,
}

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigError {
    /// How much it matters.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The key, such as `desks.support.routes[0].weight`; list entries count
    /// from 0. Empty when the file is no TOML.
    pub key: String,
    /// The value as the file writes it; absent for tables, for what is missing,
    /// and where it would show a secret.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be right; empty when the problem says it.
    pub right: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        match (&self.value, self.key.is_empty()) {
            (_, true) => {}
            (Some(value), false) => write!(f, "{} = {value}: ", self.key)?,
            (None, false) => write!(f, "{}: ", self.key)?,
        }
        f.write_str(&self.problem)?;
        if !self.right.is_empty() {
            write!(f, "; {}", self.right)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with one file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// `did you mean …?`, or the names there are when none is close.
pub(super) fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|name| (distance(wrong, name), *name))
        .min();
    match nearest {
        None => String::new(),
        Some((steps, name)) if steps <= (wrong.chars().count() / 3).max(1) => {
            format!("did you mean `{name}`?")
        }
        Some(_) => format!("known: {}", list(&known)),
    }
}

/// Names in a row, each in backticks.
pub(super) fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Single-letter edits between two names; swapping neighbours is one.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut steps = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                steps = steps.min(rows[i - 2][j - 2] + 1);
            }
            row.push(steps);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_close_to_a_known_one_is_suggested() {
        assert_eq!(
            suggest("lisen", ["listen", "limits"]),
            "did you mean `listen`?"
        );
        assert_eq!(
            suggest("zhihci", ["zhichi", "jiaxin"]),
            "did you mean `zhichi`?"
        );
        assert_eq!(suggest("Listen", ["listen"]), "did you mean `listen`?");
    }

    #[test]
    fn a_name_close_to_none_lists_what_there_is() {
        assert_eq!(
            suggest("volume", ["listen", "limits"]),
            "known: `listen`, `limits`"
        );
        assert_eq!(suggest("volume", []), "");
    }
}
