//! What an adapter's settings schema says about each setting.
//!
//! Owns the reading of a JSON Schema as far as settings need it: references,
//! optional values, lists. Deliberately validates nothing; the adapter does.
//! Invariant: a schema that says nothing about a setting forbids nothing.

use serde_json::{Map, Value};

/// One setting as its schema describes it.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// Everything its schema says, references followed.
    schema: Vec<&'a Value>,
    root: &'a Value,
}

/// Every setting, in the order of their names.
pub(crate) fn settings(root: &Value) -> Vec<Setting<'_>> {
    let required: Vec<_> = root["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    properties(root)
        .into_iter()
        .flatten()
        .map(|(name, schema)| Setting {
            name,
            required: required.contains(&name.as_str()),
            schema: alternatives(root, schema),
            root,
        })
        .collect()
}

fn properties(root: &Value) -> Option<&Map<String, Value>> {
    root.get("properties")?.as_object()
}

/// A schema, what it refers to, and every alternative in it.
fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        // References may go in a circle.
        if found.len() > 50 {
            break;
        }
        found.push(schema);
        if let Some(name) = schema["$ref"].as_str()
            && let Some(target) = name.strip_prefix('#').and_then(|path| root.pointer(path))
        {
            open.push(target);
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            open.extend(schema[key].as_array().into_iter().flatten());
        }
    }
    found
}

impl<'a> Setting<'a> {
    /// What its schema says under a key, wherever it says it first.
    pub(crate) fn says(&self, key: &str) -> Option<&'a Value> {
        self.schema.iter().find_map(|schema| schema.get(key))
    }

    /// Whether it holds a secret, or a list of them.
    pub(crate) fn is_secret(&self) -> bool {
        let secret = |schema: &&Value| schema["format"] == "password";
        let items = self.says("items");
        self.schema.iter().any(secret)
            || items.is_some_and(|items| alternatives(self.root, items).iter().any(secret))
    }

    /// The only texts that it may be, where it says so, each with what is said
    /// about it.
    pub(crate) fn choices(&self) -> Vec<(&'a str, &'a str)> {
        let words = |schema: &'a Value| schema["description"].as_str().unwrap_or_default();
        // Alternatives were found the last first.
        self.schema
            .iter()
            .rev()
            .flat_map(|schema| {
                let listed = schema["enum"].as_array().into_iter().flatten();
                let alone = schema.get("const");
                listed
                    .chain(alone)
                    .filter_map(Value::as_str)
                    .map(|text| (text, words(schema)))
            })
            .collect()
    }

    /// The JSON types it may have; empty for any.
    pub(crate) fn types(&self) -> Vec<&'a str> {
        self.schema
            .iter()
            .filter_map(|schema| schema.get("type"))
            .flat_map(|types| match types {
                Value::String(one) => vec![one.as_str()],
                Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// Everything that is written about it, for guessing what it may be.
    pub(crate) fn words(&self) -> String {
        ["description", "format", "pattern", "title"]
            .into_iter()
            .filter_map(|key| self.says(key))
            .filter_map(Value::as_str)
            .fold(self.name.to_owned(), |words, more| {
                format!("{words} {more}")
            })
    }

    /// Values of types that it may not have.
    pub(crate) fn wrong_values(&self) -> Vec<Value> {
        let types = self.types();
        if types.is_empty() || self.says("enum").is_some() || self.says("const").is_some() {
            return if types.is_empty() {
                Vec::new()
            } else {
                vec![serde_json::json!({"a": 1})]
            };
        }
        [
            ("string", serde_json::json!("seven")),
            ("integer", serde_json::json!(7)),
            ("boolean", serde_json::json!(true)),
            ("array", serde_json::json!([[]])),
            ("object", serde_json::json!({"a": 1})),
        ]
        .into_iter()
        .filter(|(name, _)| {
            !types.contains(name) && (*name != "integer" || !types.contains(&"number"))
        })
        .map(|(_, value)| value)
        .collect()
    }
}

/// The settings with every secret masked, fit to be shown.
pub(crate) fn masked(root: &Value, settings: &Value) -> Value {
    let mut shown = settings.clone();
    if let Some(table) = shown.as_object_mut() {
        for setting in self::settings(root) {
            if setting.is_secret()
                && let Some(value) = table.get_mut(setting.name)
            {
                *value = Value::from("***");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "required": ["url", "key"],
            "properties": {
                "url": {"type": "string", "description": "Where it lives."},
                "key": {"$ref": "#/$defs/Secret"},
                "keys": {"type": "array", "items": {"$ref": "#/$defs/Secret"}},
                "face": {"anyOf": [{"$ref": "#/$defs/Face"}, {"type": "null"}]},
                "loop": {"$ref": "#/$defs/Loop"},
            },
            "$defs": {
                "Secret": {"type": "string", "format": "password"},
                "Face": {"type": "object"},
                "Loop": {"$ref": "#/$defs/Loop"},
            },
        })
    }

    #[test]
    fn references_and_alternatives_are_followed() {
        let schema = schema();
        let all = settings(&schema);
        let find = |name: &str| all.iter().find(|it| it.name == name).expect("described");
        assert!(find("key").is_secret() && find("keys").is_secret());
        assert!(!find("url").is_secret() && find("url").required);
        assert!(!find("face").required);
        assert_eq!(find("face").types().len(), 2);
        assert!(find("loop").types().is_empty());
        assert!(find("loop").wrong_values().is_empty());
        assert!(!find("face").wrong_values().contains(&json!({"a": 1})));
        assert!(find("url").wrong_values().contains(&json!(7)));
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let shown = masked(&schema(), &json!({"url": "u", "key": "k", "keys": ["k"]}));
        assert_eq!(shown, json!({"url": "u", "key": "***", "keys": "***"}));
    }
}
