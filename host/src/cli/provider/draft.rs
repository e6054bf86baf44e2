//! The provider's file before it is one, and where its secrets are kept.
//!
//! Owns the text, with comments in both languages, and the references that
//! stand in it for secrets. Deliberately writes nothing to disk. Invariants:
//! no secret is in the text; the text read with [`Draft::lookup`] means what it
//! will mean once everything is in place.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use kefu_core::config::Lookup;
use kefu_plugin_api::{Secret, activation::Words};
use serde_json::Value;

use super::questions::Questions;

/// Where secrets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Secrets {
    /// Each into a file of its own in `secrets/`, mode 0600, referred to by
    /// `${file:…}`: a running gateway takes it up at once.
    #[default]
    File,
    /// Into the environment of the gateway, referred to by `${VARIABLE}`: to be
    /// exported before it starts.
    Env,
}

/// What a draft is made of.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The provider's id.
    pub(super) id: &'a str,
    /// The plug-in file.
    pub(super) plugin: &'a str,
    /// Its hash, where only listed files are trusted.
    pub(super) sha256: Option<&'a str>,
    /// The folder of the main file.
    pub(super) folder: &'a Path,
    /// Where secrets go.
    pub(super) secrets: Secrets,
}

/// A provider's file that is not in place yet.
#[derive(Debug)]
pub(super) struct Draft {
    /// Where it goes.
    pub(super) file: PathBuf,
    /// What it says.
    pub(super) text: String,
    /// Secrets that it refers to and that are not kept anywhere yet.
    pub(super) kept: Vec<Kept>,
}

/// One secret, and where it will be kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// The setting.
    pub(super) setting: String,
    /// How the text refers to it.
    pub(super) reference: String,
    /// Where it goes.
    pub(super) place: Place,
    /// The secret.
    pub(super) secret: Secret,
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file.
    File(PathBuf),
    /// In a variable.
    Variable(String),
}

impl Draft {
    /// Writes the text.
    pub(super) fn make(
        plan: &Plan<'_>,
        questions: &Questions<'_>,
        values: &BTreeMap<String, Value>,
    ) -> Self {
        let mut draft = Self {
            file: plan
                .folder
                .join("providers")
                .join(format!("{}.toml", plan.id)),
            text: String::new(),
            kept: Vec::new(),
        };
        draft.head(plan, questions);
        draft.text.push_str("\n[settings]\n");
        for question in &questions.ask {
            let name = question.name();
            draft.comment(&question.title, &question.help);
            match (values.get(name), question.default()) {
                (Some(value), _) => draft.entry(plan, questions, name, value),
                // What holds anyway, for whoever wants to change it.
                (None, Some(default)) => draft.line(&format!("# {name} = {}", toml(default))),
                (None, None) => draft.line(&format!("# {name} = …")),
            }
        }
        let fixed = questions.fixed.iter();
        let fixed = fixed.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        let asked = |name: &str| questions.about(name).is_some();
        let rest = values.iter().filter(|(name, _)| !asked(name));
        let rest: BTreeMap<String, Value> = fixed
            .chain(rest.map(|(name, value)| (name.clone(), value.clone())))
            .collect();
        for (name, value) in &rest {
            let setting = questions.setting(name);
            let described = setting.and_then(|it| it.says("description")?.as_str());
            draft.comment(
                &Words::new("", described.unwrap_or_default()),
                &Words::default(),
            );
            draft.entry(plan, questions, name, value);
        }
        draft
    }

    fn head(&mut self, plan: &Plan<'_>, questions: &Questions<'_>) {
        let vendor = &questions.activation.vendor;
        self.comment(vendor, &Words::default());
        self.comment(
            &Words::new(
                "由 kefu-gateway provider add 生成，可直接修改；未列出的键取默认值",
                "Made by kefu-gateway provider add, to be edited like any other; what is not here has its default",
            ),
            &Words::default(),
        );
        self.text.push('\n');
        self.comment(
            &Words::new(
                "路由、回调地址与日志中使用的名称",
                "Its name in routes, callback addresses and logs",
            ),
            &Words::default(),
        );
        self.line(&format!("id = {}", toml(&Value::from(plan.id))));
        self.comment(
            &Words::new("插件目录中的文件名", "File in the plug-in folder"),
            &Words::default(),
        );
        self.line(&format!("plugin = {}", toml(&Value::from(plan.plugin))));
        if let Some(sha256) = plan.sha256 {
            self.comment(
                &Words::new(
                    "只加载这一份插件",
                    "The only content of that file that is loaded",
                ),
                &Words::default(),
            );
            self.line(&format!("sha256 = {}", toml(&Value::from(sha256))));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// One line, English first as in the files that are shipped.
    fn comment(&mut self, title: &Words, help: &Words) {
        let sentence = |title: &str, help: &str, between: &str, end: &str| {
            let words = [title, help].map(str::trim);
            let words: Vec<_> = words.into_iter().filter(|text| !text.is_empty()).collect();
            let text = words
                .join(between)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            match text.chars().last() {
                None => text,
                Some('.' | '。') => text,
                Some(_) => text + end,
            }
        };
        let (zh, en) = if title.zh == title.en && help.zh == help.en {
            (String::new(), sentence(&title.en, &help.en, ": ", "."))
        } else {
            (
                sentence(&title.zh, &help.zh, "：", "。"),
                sentence(&title.en, &help.en, ": ", "."),
            )
        };
        let both: Vec<_> = [en, zh]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        if !both.is_empty() {
            self.line(&format!("# {}", both.join(" ")));
        }
    }

    fn entry(&mut self, plan: &Plan<'_>, questions: &Questions<'_>, name: &str, value: &Value) {
        let secret = questions.setting(name).is_some_and(|it| it.is_secret());
        let value = match value {
            _ if !secret => value.clone(),
            Value::String(text) => self.keep(plan, name, None, text),
            Value::Array(entries) => entries
                .iter()
                .enumerate()
                .map(|(index, entry)| match entry.as_str() {
                    Some(text) => self.keep(plan, name, Some(index + 1), text),
                    None => entry.clone(),
                })
                .collect(),
            other => other.clone(),
        };
        let line = format!("{name} = {}", toml(&value));
        self.line(&line);
    }

    /// The reference that stands for a secret.
    fn keep(&mut self, plan: &Plan<'_>, name: &str, number: Option<usize>, text: &str) -> Value {
        if text.contains("${") {
            return Value::from(text);
        }
        let number = number
            .map(|number| format!("_{number}"))
            .unwrap_or_default();
        let (reference, place) = match plan.secrets {
            Secrets::File => {
                let path = format!("secrets/{}.{name}{number}", plan.id);
                (
                    format!("${{file:{path}}}"),
                    Place::File(plan.folder.join(path)),
                )
            }
            Secrets::Env => {
                let variable = variable(plan.id, &format!("{name}{number}"));
                (format!("${{{variable}}}"), Place::Variable(variable))
            }
        };
        self.kept.push(Kept {
            setting: name.to_owned(),
            reference: reference.clone(),
            place,
            secret: Secret::new(text),
        });
        Value::from(reference)
    }

    /// What references in the text lead to, as if all was in place.
    pub(super) fn lookup(&self) -> impl Lookup + '_ {
        Soon(self)
    }
}

/// The variable for a secret of a provider: `zhichi`, `app_key` →
/// `ZHICHI_APP_KEY`.
pub(super) fn variable(id: &str, setting: &str) -> String {
    let upper = |text: &str| -> String {
        let fit = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        text.chars().map(fit).collect()
    };
    let (id, setting) = (upper(id), upper(setting));
    // `x-dev` with `dev_secret` says it once.
    let setting = match (id.ends_with("_DEV"), setting.strip_prefix("DEV_")) {
        (true, Some(rest)) => rest.to_owned(),
        _ => setting,
    };
    let name = format!("{id}_{setting}");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

struct Soon<'a>(&'a Draft);

impl Soon<'_> {
    fn kept(&self, place: &Place) -> Option<String> {
        let found = self.0.kept.iter().find(|kept| kept.place == *place)?;
        Some(found.secret.expose().to_owned())
    }
}

impl Lookup for Soon<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.kept(&Place::Variable(name.to_owned()))
            .or_else(|| std::env::var(name).ok())
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        self.kept(&Place::File(path.to_owned())).map_or_else(
            || fs::read_to_string(path).map_err(|error| error.to_string()),
            Ok,
        )
    }
}

/// A value as TOML writes it in one line.
fn toml(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => toml_edit::Value::from(text.as_str()).to_string(),
        Value::Array(entries) => {
            let entries: Vec<_> = entries.iter().map(toml).collect();
            format!("[{}]", entries.join(", "))
        }
        Value::Object(table) => {
            let mut text = String::from("{");
            for (index, (key, value)) in table.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let key = toml_edit::Key::new(key.as_str()).to_string();
                // Writing to a text cannot fail.
                let _ = write!(text, "{comma} {} = {}", key.trim(), toml(value));
            }
            text + " }"
        }
    }
}

#[cfg(test)]
mod tests {
    use kefu_core::config::check_provider;
    use kefu_plugin_api::{activation::Environment, descriptor::Descriptor};
    use serde_json::json;

    use super::*;

    fn descriptor() -> Descriptor {
        let mut descriptor = Descriptor::new("vendor", "1.0.0");
        descriptor.settings = json!({
            "required": ["id", "key"],
            "properties": {
                "id": {"type": "string"},
                "key": {"type": "string", "format": "password"},
                "keys": {"type": "array", "items": {"type": "string", "format": "password"}, "description": "More\nkeys."},
                "mode": {"type": "string", "default": "robot"},
                "environment": {"type": "string"},
                "company": {"type": "object"},
            },
            "x-activation": {
                "vendor": {"zh": "某厂", "en": "Some vendor"},
                "ask": [
                    {"setting": "id", "title": {"zh": "编号", "en": "Id"}, "help": {"zh": "后台", "en": "in the console"}},
                    {"setting": "key"}, {"setting": "mode"},
                ],
                "by_environment": {"environment": {"production": "live"}},
            },
        })
        .try_into()
        .expect("a schema");
        descriptor
    }

    fn draft(secrets: Secrets, values: Value) -> Draft {
        let descriptor = descriptor();
        let questions = Questions::of(&descriptor, Environment::Production).expect("understood");
        let plan = Plan {
            id: "vendor-dev",
            plugin: "libkefu_vendor.so",
            sha256: None,
            folder: Path::new("/etc/kefu"),
            secrets,
        };
        let values = serde_json::from_value(values).expect("a table");
        Draft::make(&plan, &questions, &values)
    }

    fn settings(draft: &Draft) -> Value {
        let name = draft.file.display().to_string();
        let checked = check_provider(&name, &draft.text, &draft.lookup());
        let provider = checked.expect("valid").settings;
        assert_eq!(provider.id.as_str(), "vendor-dev");
        provider.settings.expose().clone()
    }

    #[test]
    fn the_text_holds_no_secret_and_means_what_was_answered() {
        for secrets in [Secrets::File, Secrets::Env] {
            let draft = draft(
                secrets,
                json!({"id": "a \"b\" \\ 张", "key": "hunter2", "keys": ["hunter3", "${HOME}"], "company": {"na me": "A", "n": [1, true]}}),
            );
            assert!(!draft.text.contains("hunter"), "{}", draft.text);
            assert!(!format!("{draft:?}").contains("hunter"));
            let settings = settings(&draft);
            assert_eq!(settings["id"], "a \"b\" \\ 张");
            assert_eq!(settings["key"], "hunter2");
            assert_eq!(settings["keys"][0], "hunter3");
            assert_eq!(settings["company"], json!({"na me": "A", "n": [1, true]}));
            assert_eq!(settings["environment"], "live");
            assert!(
                draft
                    .text
                    .contains("# Id: in the console. 编号：后台。\nid = "),
                "{}",
                draft.text
            );
            assert!(draft.text.contains("# mode = \"robot\""), "{}", draft.text);
            assert!(
                draft.text.contains("# More keys.\nkeys = "),
                "{}",
                draft.text
            );
        }
    }

    #[test]
    fn secrets_are_kept_where_the_operator_wants_them() {
        let file = draft(Secrets::File, json!({"key": "k"}));
        assert_eq!(file.kept[0].reference, "${file:secrets/vendor-dev.key}");
        assert_eq!(
            file.kept[0].place,
            Place::File("/etc/kefu/secrets/vendor-dev.key".into())
        );
        let env = draft(Secrets::Env, json!({"key": "k"}));
        assert_eq!(env.kept[0].reference, "${VENDOR_DEV_KEY}");
        let own = draft(Secrets::File, json!({"key": "${OWN}"}));
        assert!(own.kept.is_empty() && own.text.contains("key = \"${OWN}\""));
    }

    #[test]
    fn a_variable_is_named_after_provider_and_setting() {
        assert_eq!(variable("zhichi", "app_key"), "ZHICHI_APP_KEY");
        assert_eq!(
            variable("xiaoneng-dev", "dev_secret"),
            "XIAONENG_DEV_SECRET"
        );
        assert_eq!(variable("jiaxin-dev", "secret"), "JIAXIN_DEV_SECRET");
        assert_eq!(variable("7x", "k"), "_7X_K");
    }
}
