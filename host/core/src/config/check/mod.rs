//! From the shape of a file to checked settings.
//!
//! Owns the reading of one file (parse, fill in references, match the shape,
//! check every value) and the collecting of everything that is wrong with it.
//! Deliberately opens nothing: whether a plug-in or a folder exists is found
//! out by those who use it. Invariant: either all of a file is valid, or the
//! caller gets its errors and no settings.

mod apps;
mod calendars;
mod desks;
mod emoji;
mod gateway;
mod health;
mod media;
mod migrations;
mod provider;
mod shape;
mod values;
mod when;

use std::path::{Path, PathBuf};

pub use emoji::check_emoji;

use super::{
    CheckedFile, ConfigError, ConfigErrors, Lookup, Main, Provider, Severity,
    interpolate::interpolate, locate::Places,
};

/// Checks the text of the main file. `path_name` is what messages call it, and
/// its folder is where relative paths begin.
pub fn check_main(
    path_name: &str,
    text: &str,
    lookup: &dyn Lookup,
) -> Result<CheckedFile<Main>, ConfigErrors> {
    let folder = Path::new(path_name).parent().unwrap_or(Path::new(""));
    let (mut checker, raw) = Checker::read(path_name, folder, text, lookup)?;
    let main = gateway::check(&mut checker, raw);
    checker.finish(main)
}

/// Checks the text of a provider's file. Relative paths begin where those of
/// the main file do: one folder above `providers/`.
pub fn check_provider(
    path_name: &str,
    text: &str,
    lookup: &dyn Lookup,
) -> Result<CheckedFile<Provider>, ConfigErrors> {
    let folder = Path::new(path_name)
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let (mut checker, raw) = Checker::read(path_name, folder, text, lookup)?;
    let provider = provider::check(&mut checker, raw, lookup);
    checker.finish(provider)
}

/// One file under check, and what was found so far.
struct Checker {
    file: String,
    folder: PathBuf,
    places: Places,
    found: Vec<ConfigError>,
    /// What is wrong beside it and does not stop it.
    aside: Vec<ConfigError>,
}

impl Checker {
    /// Reads a file into its shape; wrong syntax, shape or references end here.
    fn read<T: serde::de::DeserializeOwned>(
        file: &str,
        folder: &Path,
        text: &str,
        lookup: &dyn Lookup,
    ) -> Result<(Self, T), ConfigErrors> {
        let mut table = shape::parse(file, text)?;
        let mut checker = Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            places: Places::of(table.get_ref(), text),
            found: Vec::new(),
            aside: Vec::new(),
        };
        for unresolved in interpolate(table.get_mut(), folder, lookup) {
            checker.error(&unresolved.key, unresolved.problem, unresolved.right);
        }
        let raw = shape::read(table, &mut checker);
        match raw {
            Some(raw) if checker.found.is_empty() => Ok((checker, raw)),
            _ => Err(ConfigErrors(checker.into_sorted())),
        }
    }

    /// Hands out the settings, unless something is wrong with them.
    fn finish<T>(mut self, settings: T) -> Result<CheckedFile<T>, ConfigErrors> {
        let file = self.file.clone();
        let places = self.places.clone();
        let aside = std::mem::take(&mut self.aside);
        let mut found = self.into_sorted();
        if found.iter().any(|one| one.severity == Severity::Error) {
            // What is doubtful in a file that is not used does not matter yet.
            found.retain(|one| one.severity == Severity::Error);
            return Err(ConfigErrors(found));
        }
        Ok(CheckedFile {
            settings,
            warnings: found,
            aside,
            file,
            places,
        })
    }

    fn error(&mut self, key: &str, problem: impl Into<String>, right: impl Into<String>) {
        self.note(Severity::Error, key, problem.into(), right.into());
    }

    fn warn(&mut self, key: &str, problem: impl Into<String>, right: impl Into<String>) {
        self.note(Severity::Warning, key, problem.into(), right.into());
    }

    fn note(&mut self, severity: Severity, key: &str, problem: String, right: String) {
        self.found.push(ConfigError::at(
            &self.file,
            &self.places,
            severity,
            key,
            problem,
            right,
        ));
    }

    fn into_sorted(self) -> Vec<ConfigError> {
        let mut found = self.found;
        found.sort_by_key(|one| (one.line, one.column));
        found
    }
}

impl ConfigError {
    /// A problem of a key, with the key's place in its file.
    pub(super) fn at(
        file: &str,
        places: &Places,
        severity: Severity,
        key: &str,
        problem: String,
        right: String,
    ) -> Self {
        let (line, column, value) = places.find(key);
        Self {
            severity,
            file: file.to_owned(),
            line,
            column,
            key: key.to_owned(),
            value,
            problem,
            right,
        }
    }
}
