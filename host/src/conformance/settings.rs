//! Settings made up from an adapter's schema.
//!
//! Owns the guesses, and the asking again where the adapter refuses one: its
//! refusal names the setting. Deliberately knows no vendor. Invariant: what was
//! made up opens the adapter, or the operator is told which setting to give.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{schema::Setting, subject::Bench};
use crate::plugin::OpenFault;

/// A secret in the form of Standard Webhooks.
const WEBHOOK_SECRET: &str = "whsec_a2VmdS1jb25mb3JtYW5jZS1zZWNyZXQtMDAwMDAwMDE=";
/// A secret in no form at all.
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// An address that nobody listens at.
const ADDRESS: &str = "http://127.0.0.1:9";
/// How often the adapter is asked, whatever it answers.
const PATIENCE: usize = 200;

/// Settings that the adapter opens with.
///
/// # Errors
/// Which setting has to be given, and what the adapter says about it.
pub(super) fn make_up(bench: &Bench<'_>) -> Result<Value, String> {
    let descriptor = bench.about().descriptor();
    let root = descriptor.settings.as_value();
    let all = super::schema::settings(root);
    let mut guesses: BTreeMap<&str, Guess> = BTreeMap::new();
    for setting in all.iter().filter(|setting| setting.required) {
        guesses.insert(setting.name, Guess::new(setting));
    }
    for _ in 0..PATIENCE {
        let settings = collect(&guesses);
        let refusal = match bench.open_with(&settings) {
            Ok(_) => return Ok(with_secrets(bench, &all, settings)),
            Err(OpenFault::Refused(refusal)) => refusal,
            Err(fault) => return Err(fault.to_string()),
        };
        let named = named(&all, refusal.setting.as_deref(), &refusal.detail);
        let Some(setting) = named else {
            return Err(format!(
                "no settings could be made up, give them with --provider FILE: {refusal}"
            ));
        };
        let next = match guesses.get_mut(setting.name) {
            Some(guess) => guess.next(),
            None => guesses
                .entry(setting.name)
                .or_insert_with(|| Guess::new(setting))
                .value()
                .is_some(),
        };
        if !next {
            return Err(format!(
                "no value for setting `{}` could be made up, give it with --provider FILE: {refusal}",
                setting.name
            ));
        }
    }
    Err("no settings could be made up, give them with --provider FILE: the adapter refuses one after the other".to_owned())
}

/// Fills secrets that may be left out as well: only what is known can prove a
/// callback.
fn with_secrets(bench: &Bench<'_>, all: &[Setting<'_>], settings: Value) -> Value {
    let mut filled = settings;
    for setting in all.iter().filter(|setting| setting.is_secret()) {
        if filled.get(setting.name).is_some() {
            continue;
        }
        for guess in values(setting) {
            let mut with = filled.clone();
            with[setting.name] = guess;
            if bench.open_with(&with).is_ok() {
                filled = with;
                break;
            }
        }
    }
    filled
}

/// The setting that a refusal is about.
fn named<'a, 'b>(
    all: &'b [Setting<'a>],
    setting: Option<&str>,
    detail: &str,
) -> Option<&'b Setting<'a>> {
    let top = setting.map(|path| path.split(['.', '[']).next().unwrap_or(path));
    all.iter()
        .find(|known| Some(known.name) == top)
        .or_else(|| {
            all.iter()
                .find(|known| detail.contains(&format!("`{}`", known.name)))
        })
}

fn collect(guesses: &BTreeMap<&str, Guess>) -> Value {
    guesses
        .iter()
        .filter_map(|(name, guess)| Some(((*name).to_owned(), guess.value()?.clone())))
        .collect::<Map<_, _>>()
        .into()
}

/// What a setting might be, the likeliest first.
struct Guess {
    values: Vec<Value>,
    at: usize,
}

impl Guess {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            values: values(setting),
            at: 0,
        }
    }

    fn value(&self) -> Option<&Value> {
        self.values.get(self.at)
    }

    fn next(&mut self) -> bool {
        self.at += 1;
        self.value().is_some()
    }
}

fn values(setting: &Setting<'_>) -> Vec<Value> {
    let mut values = Vec::new();
    values.extend(setting.says("default").cloned());
    values.extend(setting.says("const").cloned());
    for key in ["examples", "enum"] {
        let listed = setting.says(key).and_then(Value::as_array);
        values.extend(listed.into_iter().flatten().cloned());
    }
    let types = setting.types();
    let may = |name: &str| types.is_empty() || types.contains(&name);
    if may("array") && !types.is_empty() {
        values.push(json!([]));
        values.extend(texts(setting).into_iter().map(|text| json!([text])));
    }
    if may("string") {
        values.extend(texts(setting).into_iter().map(Value::from));
    }
    if may("integer") || may("number") {
        values.extend(setting.says("minimum").cloned());
        values.extend([json!(1), json!(0), json!(60)]);
    }
    if may("boolean") {
        values.extend([json!(true), json!(false)]);
    }
    if may("object") && !types.is_empty() {
        values.push(json!({}));
    }
    values.retain(|value| !value.is_null());
    values
}

/// Texts, the likeliest first by what is written about the setting.
fn texts(setting: &Setting<'_>) -> Vec<&'static str> {
    let words = setting.words().to_lowercase();
    let mut texts = Vec::new();
    if words.contains("whsec_") || words.contains("webhook") && setting.is_secret() {
        texts.push(WEBHOOK_SECRET);
    }
    if words.contains("uri") || words.contains("url") || words.contains("http") {
        texts.push(ADDRESS);
    }
    if setting.is_secret() {
        texts.push(KEY);
    }
    if words.contains("path") {
        texts.push("/conformance");
    }
    for text in [
        "conformance",
        "10001",
        KEY,
        WEBHOOK_SECRET,
        ADDRESS,
        "/conformance",
    ] {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(schema: &Value, name: &str) -> Value {
        let all = super::super::schema::settings(schema);
        let setting = all.iter().find(|it| it.name == name).expect("described");
        values(setting).first().expect("a guess").clone()
    }

    #[test]
    fn the_schema_decides_what_is_tried_first() {
        let schema = json!({"properties": {
            "base_url": {"type": "string"},
            "secret": {"type": "string", "format": "password", "description": "Shared secret (`whsec_…`)."},
            "key": {"type": "string", "format": "password"},
            "mode": {"type": "string", "enum": ["robot", "human"]},
            "size": {"type": "integer", "minimum": 5},
            "tags": {"type": "array", "items": {"type": "string"}},
            "with": {"type": "boolean", "default": false},
            "port": {"type": ["integer", "null"], "examples": [8080]},
        }});
        assert_eq!(first(&schema, "base_url"), ADDRESS);
        assert_eq!(first(&schema, "secret"), WEBHOOK_SECRET);
        assert_eq!(first(&schema, "key"), KEY);
        assert_eq!(first(&schema, "mode"), "robot");
        assert_eq!(first(&schema, "size"), 5);
        assert_eq!(first(&schema, "tags"), json!([]));
        assert_eq!(first(&schema, "with"), false);
        assert_eq!(first(&schema, "port"), 8080);
    }

    #[test]
    fn the_refused_setting_is_found_by_its_path_or_in_the_words() {
        let schema = json!({"properties": {"face": {}, "name": {}}});
        let all = super::super::schema::settings(&schema);
        let found = |setting: Option<&str>, detail: &str| {
            named(&all, setting, detail).map(|setting| setting.name.to_owned())
        };
        assert_eq!(found(Some("face.icon"), ""), Some("face".into()));
        assert_eq!(found(None, "missing field `name`"), Some("name".into()));
        assert_eq!(found(None, "something else"), None);
    }
}
