//! What was said on the command line and in files.
//!
//! Owns the reading of `--set`, `--set-file` and `--answers`, and which of them
//! wins: the more particular one. Invariant: a name that is no setting is an
//! error, and an error never repeats a value.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::{questions::Questions, value, words::Language};

/// Where answers come from, besides a person.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Sources {
    /// A setting and its value; a part of a table as `company.name=…`. May
    /// refer to `${VARIABLE}` or `${file:/path}`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// A setting and the file that holds its value: the provider's file will
    /// refer to it.
    #[arg(long, value_name = "KEY=PATH", value_parser = pair)]
    pub(super) set_file: Vec<(String, String)>,
    /// A TOML file with settings and their values.
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        // The text may be a secret.
        _ => Err("expected a setting, `=` and its value, such as app_id=demo".to_owned()),
    }
}

impl Sources {
    /// Reads all of them.
    ///
    /// # Errors
    /// Which answer cannot be used, and why.
    pub(super) fn read(
        &self,
        questions: &Questions<'_>,
        language: Language,
    ) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut given = BTreeMap::new();
        if let Some(file) = &self.answers {
            given = from_file(file)?;
            for (name, value) in &given {
                let setting = known(questions, name)?;
                value::check(setting, value, language)
                    .map_err(|reason| anyhow!("{}: `{name}`: {reason}", file.display()))?;
            }
        }
        for (name, path) in &self.set_file {
            known(questions, name)?;
            given.insert(name.clone(), reference(name, Path::new(path))?);
        }
        for (path, text) in &self.set {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            let setting = known(questions, name)?;
            if rest.is_empty() {
                let value = value::read(setting, text, language);
                let value = value.map_err(|reason| anyhow!("--set {name}: {reason}"))?;
                given.insert(name.to_owned(), value);
            } else {
                let table = given
                    .entry(name.to_owned())
                    .or_insert_with(|| Value::Object(Default::default()));
                put(table, rest, text).with_context(|| format!("--set {path}"))?;
            }
        }
        Ok(given)
    }
}

fn known<'a, 'b>(
    questions: &'b Questions<'a>,
    name: &str,
) -> anyhow::Result<&'b crate::conformance::schema::Setting<'a>> {
    questions.setting(name).ok_or_else(|| {
        let names: Vec<_> = questions.settings.iter().map(|it| it.name).collect();
        anyhow!(
            "the adapter has no setting `{name}`; it has: {}",
            names.join(", ")
        )
    })
}

fn from_file(file: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    // What the parser says quotes the text, which may hold secrets.
    let document: toml_edit::DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].lines().count().max(1)
            });
            anyhow!(
                "{name}:{line}: {}; right would be lines such as app_id = \"demo\"",
                error.message()
            )
        })?;
    let mut values = BTreeMap::new();
    for (key, item) in document.iter() {
        let value = item.clone().into_value().ok();
        let value = value.as_ref().and_then(value::json);
        let Some(value) = value else {
            bail!("{name}: `{key}` has a value that no setting can have");
        };
        values.insert(key.to_owned(), value);
    }
    Ok(values)
}

/// A value that refers to a file, whatever folder the gateway runs in.
fn reference(name: &str, path: &Path) -> anyhow::Result<Value> {
    let path = path
        .canonicalize()
        .with_context(|| format!("--set-file {name}: cannot find {}", path.display()))?;
    let text = path.to_str().filter(|text| !text.contains('}'));
    let text = text.with_context(|| {
        format!(
            "--set-file {name}: {} cannot be referred to, rename it",
            path.display()
        )
    })?;
    Ok(Value::from(format!("${{file:{text}}}")))
}

/// Puts a text, or what it is as TOML, into a table.
fn put(table: &mut Value, path: &str, text: &str) -> anyhow::Result<()> {
    let Some(entries) = table.as_object_mut() else {
        bail!("expected a table to put it into, found another value");
    };
    match path.split_once('.') {
        Some((name, rest)) => {
            let inner = entries
                .entry(name)
                .or_insert_with(|| Value::Object(Default::default()));
            put(inner, rest, text)
        }
        None => {
            let typed: Option<Value> = serde_json::from_str(text).ok();
            let typed = typed.filter(|value| value.is_number() || value.is_boolean());
            entries.insert(path.to_owned(), typed.unwrap_or_else(|| Value::from(text)));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::{activation::Environment, descriptor::Descriptor};
    use serde_json::json;

    use super::*;

    fn descriptor() -> Descriptor {
        let mut descriptor = Descriptor::new("vendor", "1.0.0");
        descriptor.settings = json!({"properties": {
            "id": {"type": "string"},
            "key": {"type": "string", "format": "password"},
            "group": {"type": "integer"},
            "company": {"type": "object"},
        }})
        .try_into()
        .expect("a schema");
        descriptor
    }

    fn read(sources: &Sources) -> anyhow::Result<BTreeMap<String, Value>> {
        let descriptor = descriptor();
        let questions = Questions::of(&descriptor, Environment::Production).expect("understood");
        sources.read(&questions, Language::En)
    }

    fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_more_particular_answer_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answers.toml");
        fs::write(&file, "id = \"a\"\ngroup = 1\n[company]\nname = \"A\"\n").expect("written");
        let key = folder.path().join("key");
        fs::write(&key, "k").expect("written");
        let given = read(&Sources {
            set: set(&[
                ("group", "2"),
                ("company.icon", "http://i"),
                ("company.size", "7"),
            ]),
            set_file: set(&[("key", key.to_str().expect("text"))]),
            answers: Some(file),
        });
        let given = given.expect("read");
        assert_eq!(given["id"], "a");
        assert_eq!(given["group"], 2);
        assert_eq!(
            given["company"],
            json!({"name": "A", "icon": "http://i", "size": 7})
        );
        let reference = given["key"].as_str().expect("a text");
        assert!(
            reference.starts_with("${file:/") && reference.ends_with("/key}"),
            "{reference}"
        );
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let broken = folder.path().join("answers.toml");
        fs::write(&broken, "id = \"a\"\nkey = hunter2\n").expect("written");
        for (sources, told) in [
            (
                Sources {
                    set: set(&[("ket", "hunter2")]),
                    ..Sources::default()
                },
                "`ket`",
            ),
            (
                Sources {
                    set: set(&[("group", "hunter2")]),
                    ..Sources::default()
                },
                "a whole number",
            ),
            (
                Sources {
                    set: set(&[("id", "x"), ("id.key", "hunter2")]),
                    ..Sources::default()
                },
                "a table",
            ),
            (
                Sources {
                    set_file: set(&[("key", "/no/hunter")]),
                    ..Sources::default()
                },
                "/no/hunter",
            ),
            (
                Sources {
                    answers: Some("/no/such.toml".into()),
                    ..Sources::default()
                },
                "/no/such.toml",
            ),
            (
                Sources {
                    answers: Some(broken),
                    ..Sources::default()
                },
                ":2:",
            ),
        ] {
            let error = format!("{:#}", read(&sources).unwrap_err());
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(!pair("hunter2").unwrap_err().contains("hunter2"));
    }
}
