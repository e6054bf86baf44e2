//! `${VAR}`, `${VAR:-default}` and `${file:/path}` inside text values.
//!
//! Owns the grammar. Deliberately reads neither environment nor files: a
//! [`Lookup`] does. Values are filled in after the file was parsed, and the
//! result is never parsed again, so a secret full of quotes cannot add a key.
//! Invariant: keys are never filled in, values always are.

use std::path::{Path, PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::locate::child;

/// Where references in the files lead.
pub trait Lookup {
    /// The value of an environment variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file; the error says why there is none, in words that
    /// follow "the file cannot be read: ".
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// A lookup that knows no variable and no file.
#[derive(Clone, Copy, Debug)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("files are not looked up here".to_owned())
    }
}

/// A reference that leads nowhere, by the key of its value.
#[derive(Debug, PartialEq)]
pub(super) struct Unresolved {
    pub(super) key: String,
    pub(super) problem: String,
    pub(super) right: String,
}

/// Fills in every text value of a parsed file. Relative paths start at `base`.
pub(super) fn interpolate(
    table: &mut DeTable<'_>,
    base: &Path,
    lookup: &dyn Lookup,
) -> Vec<Unresolved> {
    let mut unresolved = Vec::new();
    walk_table(
        table,
        "",
        &mut |text| fill_in(text, base, lookup),
        &mut unresolved,
    );
    unresolved
}

type FillIn<'a> = dyn FnMut(&str) -> Result<String, (String, String)> + 'a;

fn walk_table(
    table: &mut DeTable<'_>,
    path: &str,
    fill: &mut FillIn<'_>,
    unresolved: &mut Vec<Unresolved>,
) {
    for (name, value) in table.iter_mut() {
        walk(value, &child(path, name.get_ref()), fill, unresolved);
    }
}

fn walk(
    value: &mut Spanned<DeValue<'_>>,
    path: &str,
    fill: &mut FillIn<'_>,
    unresolved: &mut Vec<Unresolved>,
) {
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => match fill(text) {
            Ok(filled) => *text = filled.into(),
            Err((problem, right)) => unresolved.push(Unresolved {
                key: path.to_owned(),
                problem,
                right,
            }),
        },
        DeValue::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                walk(entry, &format!("{path}[{index}]"), fill, unresolved);
            }
        }
        DeValue::Table(table) => walk_table(table, path, fill, unresolved),
        _ => {}
    }
}

/// Replaces the references of one text; `$${` stands for `${` itself.
fn fill_in(text: &str, base: &Path, lookup: &dyn Lookup) -> Result<String, (String, String)> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at - 1]);
            filled.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let Some((reference, after)) = rest[at + 2..].split_once('}') else {
            let right = "close it as in `${NAME}`, or write `$${` for a plain `${`";
            return Err(("`${` is never closed".to_owned(), right.to_owned()));
        };
        filled.push_str(&resolve(reference, base, lookup)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn resolve(reference: &str, base: &Path, lookup: &dyn Lookup) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        let path: PathBuf = base.join(path);
        // Editors and secret stores end files with a newline that nobody means.
        return lookup
            .file(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|reason| {
                (
                    format!("the file {} cannot be read: {reason}", path.display()),
                    "create it, or name another".to_owned(),
                )
            });
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable_name(name) {
        let right = "a reference is `${NAME}`, `${NAME:-default}` or `${file:/path}`";
        return Err((format!("`${{{name}}}` names no variable"), right.to_owned()));
    }
    match (lookup.variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("the environment variable {name} is not set"),
            format!("set {name}, or give a default as in `${{{name}:-default}}`"),
        )),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Lookup for Known {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "NAME" => Some("kefu".to_owned()),
                "EMPTY" => Some(String::new()),
                "QUOTES" => Some("\"\nadmin = \"x".to_owned()),
                "NESTED" => Some("${NAME}".to_owned()),
                _ => None,
            }
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            match path.to_str() {
                Some("conf/key") => Ok("from-the-file\n".to_owned()),
                Some("/run/key") => Ok("absolute\r\n".to_owned()),
                _ => Err("no such file".to_owned()),
            }
        }
    }

    fn filled(text: &str) -> Result<String, (String, String)> {
        fill_in(text, Path::new("conf"), &Known)
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        for (text, expected) in [
            ("${NAME}", "kefu"),
            ("a-${NAME}-${NAME}", "a-kefu-kefu"),
            ("${NONE:-other}", "other"),
            ("${NONE:-}", ""),
            ("${EMPTY:-other}", "other"),
            ("${EMPTY}", ""),
            ("${NAME:-other}", "kefu"),
            ("${NONE:-http://a:1/}", "http://a:1/"),
            ("${file:key}", "from-the-file"),
            ("${file:/run/key}", "absolute"),
            ("$${NAME}", "${NAME}"),
            ("$5 ${NAME} $", "$5 kefu $"),
            ("${NESTED}", "${NAME}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_says_why() {
        let problem = |text| filled(text).unwrap_err().0;
        assert_eq!(
            problem("${NONE}"),
            "the environment variable NONE is not set"
        );
        assert_eq!(
            problem("${file:gone}"),
            "the file conf/gone cannot be read: no such file"
        );
        assert_eq!(problem("${NAME"), "`${` is never closed");
        assert_eq!(problem("${}"), "`${}` names no variable");
        assert_eq!(problem("${a b}"), "`${a b}` names no variable");
        assert_eq!(problem("${1A}"), "`${1A}` names no variable");
    }

    #[test]
    fn a_filled_in_text_is_never_parsed_again() {
        let text = "a = \"${QUOTES}\"\nb = [{ c = \"${NAME}\" }]\n";
        let mut table = DeTable::parse(text).unwrap().into_inner();
        assert_eq!(interpolate(&mut table, Path::new(""), &Known), vec![]);
        let keys: Vec<_> = table.keys().map(|key| key.get_ref().to_string()).collect();
        assert_eq!(keys, ["a", "b"]);
        let value = table.get("a").and_then(|value| value.get_ref().as_str());
        assert_eq!(value, Some("\"\nadmin = \"x"));
    }

    #[test]
    fn every_reference_that_leads_nowhere_is_named_by_its_key() {
        let mut table = DeTable::parse("a = \"${X}\"\nb = [\"ok\", { c = \"${Y}\" }]\n")
            .unwrap()
            .into_inner();
        let keys: Vec<_> = interpolate(&mut table, Path::new(""), &NoLookup)
            .into_iter()
            .map(|one| one.key)
            .collect();
        assert_eq!(keys, ["a", "b[1].c"]);
    }
}
