//! One answer: read in the type of its setting, and checked as far as its
//! schema tells.
//!
//! Owns what an answer may look like as text. Deliberately leaves the last word
//! to the adapter, which opens with all of them. Invariant: an error says what
//! would be right and never repeats a secret.

use kefu_plugin_api::activation::is_email;
use serde_json::Value;

use super::words::Language;
use crate::conformance::schema::Setting;

/// Reads what a person wrote.
///
/// # Errors
/// Why it cannot be the setting's value, in the person's language.
pub(super) fn read(setting: &Setting<'_>, text: &str, language: Language) -> Result<Value, String> {
    let types = setting.types();
    let may = |name: &str| types.is_empty() || types.contains(&name);
    // A reference is resolved where the file is read.
    let value = if may("string") || (text.starts_with("${") && text.ends_with('}')) {
        Value::from(text)
    } else if may("boolean") && flag(text).is_some() {
        Value::from(flag(text))
    } else if types.contains(&"array") && !text.trim_start().starts_with('[') {
        let entries = text.split([',', '，']).map(str::trim);
        entries
            .filter(|entry| !entry.is_empty())
            .map(Value::from)
            .collect()
    } else {
        toml(text).ok_or_else(|| expected(setting, language))?
    };
    check(setting, &value, language)?;
    Ok(value)
}

/// Checks a value that was given with its type.
///
/// # Errors
/// As [`read`].
pub(super) fn check(
    setting: &Setting<'_>,
    value: &Value,
    language: Language,
) -> Result<(), String> {
    if value.as_str().is_some_and(|text| text.contains("${")) {
        return Ok(());
    }
    let types = setting.types();
    let fits = types.is_empty() || types.iter().any(|&name| is_of(value, name));
    if !fits {
        return Err(expected(setting, language));
    }
    let choices = setting.choices();
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    if !choices.is_empty() && !choices.iter().any(|(choice, _)| *choice == text) {
        return Err(expected(setting, language));
    }
    if setting.says("format").and_then(Value::as_str) == Some("email") && !is_email(text) {
        return Err(match language {
            Language::Zh => format!("“{text}”不是邮箱地址，应如 admin@example.com"),
            Language::En => {
                format!(
                    "`{text}` is no e-mail address; right would be one such as admin@example.com"
                )
            }
        });
    }
    Ok(())
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "y" | "是" => Some(true),
        "false" | "no" | "n" | "否" => Some(false),
        _ => None,
    }
}

/// A number, a list or a table, as a TOML file would hold it.
fn toml(text: &str) -> Option<Value> {
    let document: toml_edit::DocumentMut = format!("value = {text}\n").parse().ok()?;
    (document.len() == 1).then_some(())?;
    json(document.get("value")?.as_value()?)
}

/// A TOML value as JSON; none for what a settings table cannot hold.
pub(super) fn json(value: &toml_edit::Value) -> Option<Value> {
    use toml_edit::Value as Toml;
    Some(match value {
        Toml::String(text) => Value::from(text.value().as_str()),
        Toml::Integer(number) => Value::from(*number.value()),
        Toml::Float(number) => Value::from(serde_json::Number::from_f64(*number.value())?),
        Toml::Boolean(flag) => Value::from(*flag.value()),
        Toml::Datetime(_) => return None,
        Toml::Array(entries) => entries.iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        Toml::InlineTable(table) => table
            .iter()
            .map(|(key, value)| Some((key.to_owned(), json(value)?)))
            .collect::<Option<serde_json::Map<_, _>>>()?
            .into(),
    })
}

/// What the setting takes, in words.
fn expected(setting: &Setting<'_>, language: Language) -> String {
    let choices = setting.choices();
    if !choices.is_empty() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let names = names.join(language.pick("、", ", "));
        return match language {
            Language::Zh => format!("只能是：{names}"),
            Language::En => format!("must be one of: {names}"),
        };
    }
    let kinds: Vec<_> = setting
        .types()
        .into_iter()
        .filter_map(|name| {
            Some(match name {
                "string" => language.pick("文本", "a text"),
                "integer" => language.pick("整数", "a whole number"),
                "number" => language.pick("数字", "a number"),
                "boolean" => language.pick("yes 或 no", "yes or no"),
                "array" => language.pick("列表", "a list"),
                "object" => language.pick(
                    "表，如 { key = \"值\" }",
                    "a table such as { key = \"value\" }",
                ),
                _ => return None,
            })
        })
        .collect();
    let kinds = kinds.join(language.pick("或", " or "));
    match language {
        Language::Zh => format!("应为{kinds}"),
        Language::En => format!("must be {kinds}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::schema::settings;

    fn schema() -> Value {
        json!({"properties": {
            "name": {"type": "string"},
            "email": {"type": ["string", "null"], "format": "email"},
            "group": {"type": ["integer", "null"]},
            "robot": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "face": {"anyOf": [{"type": "object"}, {"type": "null"}]},
            "mode": {"oneOf": [{"const": "robot", "type": "string"}, {"const": "human", "type": "string"}]},
        }})
    }

    fn answer(name: &str, text: &str) -> Result<Value, String> {
        let schema = schema();
        let all = settings(&schema);
        let setting = all.iter().find(|it| it.name == name).expect("described");
        read(setting, text, Language::En)
    }

    #[test]
    fn an_answer_has_the_type_of_its_setting() {
        assert_eq!(answer("name", "7"), Ok(json!("7")));
        assert_eq!(answer("group", "7"), Ok(json!(7)));
        assert_eq!(answer("group", "${GROUP}"), Ok(json!("${GROUP}")));
        assert_eq!(answer("robot", "Yes"), Ok(json!(true)));
        assert_eq!(answer("robot", "否"), Ok(json!(false)));
        assert_eq!(answer("tags", "快，好, "), Ok(json!(["快", "好"])));
        assert_eq!(answer("tags", "[\"a,b\"]"), Ok(json!(["a,b"])));
        assert_eq!(answer("face", "{ name = \"A\" }"), Ok(json!({"name": "A"})));
        assert_eq!(answer("mode", "human"), Ok(json!("human")));
        assert_eq!(answer("email", "a@example.com"), Ok(json!("a@example.com")));
    }

    #[test]
    fn a_wrong_answer_is_told_what_would_be_right() {
        for (name, text, right) in [
            ("group", "seven", "a whole number"),
            ("group", "7.5", "a whole number"),
            ("group", "7\nx = 1", "a whole number"),
            ("robot", "perhaps", "yes or no"),
            ("mode", "cat", "robot, human"),
            ("email", "admin", "admin@example.com"),
            ("face", "7", "a table"),
        ] {
            let error = answer(name, text).unwrap_err();
            assert!(error.contains(right), "{name}: {error}");
        }
    }
}
