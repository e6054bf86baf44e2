//! What an operator is asked, and told, when a provider is added (开通).
//!
//! Owns the shape of the keyword `x-activation`, which an adapter puts on the
//! schema of its settings:
//!
//! ```ignore
//! #[derive(Deserialize, JsonSchema)]
//! #[schemars(extend("x-activation" = activation()))]
//! struct Settings {}
//! ```
//!
//! What a setting *is* (its type, whether it is a secret, its default, its
//! format) stays with the schema itself. Everything here is optional: without
//! the keyword the required settings are asked for in the order of their names,
//! under their descriptions. Invariant: there is nothing in it but words and
//! names, the same for every operator.

use std::collections::BTreeMap;

use schemars::Schema;
use serde::{Deserialize, Serialize};

/// The keyword's name in the schema.
pub const KEYWORD: &str = "x-activation";

/// Everything that adding a provider needs beyond the schema. Unknown keys are
/// ignored, so that an adapter may know more than the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activation {
    /// The vendor's name as people say it.
    pub vendor: Words,
    /// What has to be done at the vendor before the questions can be answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Words>,
    /// The questions, in their order. Required settings that are not among them
    /// come after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<Question>,
    /// Settings that follow from the environment and are not asked for: the
    /// setting, and its value in each environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_environment: BTreeMap<String, BTreeMap<Environment, String>>,
    /// Where the vendor calls back: `{callback_url}` and `{name}` of any
    /// setting are filled in, a secret by where it is kept. Absent:
    /// `{callback_url}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub callback: String,
    /// What people at the vendor still have to do; filled in like `callback`,
    /// which is `{callback}` here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Words>,
}

impl Activation {
    /// The activation of this vendor, with nothing to ask yet.
    pub fn of(zh: &str, en: &str) -> Self {
        Self {
            vendor: Words::new(zh, en),
            ..Self::default()
        }
    }

    /// Something to do at the vendor first.
    #[must_use]
    pub fn before(mut self, zh: &str, en: &str) -> Self {
        self.before.push(Words::new(zh, en));
        self
    }

    /// The next question.
    #[must_use]
    pub fn ask(mut self, question: Question) -> Self {
        self.ask.push(question);
        self
    }

    /// A setting that follows from the environment.
    #[must_use]
    pub fn by_environment(mut self, setting: &str, production: &str, development: &str) -> Self {
        let values = BTreeMap::from([
            (Environment::Production, production.to_owned()),
            (Environment::Development, development.to_owned()),
        ]);
        self.by_environment.insert(setting.to_owned(), values);
        self
    }

    /// Where the vendor calls back.
    #[must_use]
    pub fn callback(mut self, template: &str) -> Self {
        self.callback = template.to_owned();
        self
    }

    /// Something that people at the vendor still have to do.
    #[must_use]
    pub fn after(mut self, zh: &str, en: &str) -> Self {
        self.after.push(Words::new(zh, en));
        self
    }

    /// What a settings schema says under the keyword.
    ///
    /// # Errors
    /// It says something of another shape.
    pub fn read(schema: &Schema) -> Result<Option<Self>, String> {
        let Some(said) = schema.as_value().get(KEYWORD) else {
            return Ok(None);
        };
        Self::deserialize(said)
            .map(Some)
            .map_err(|error| format!("`{KEYWORD}` of the settings schema cannot be read: {error}"))
    }
}

/// One question of the activation: about one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Question {
    /// The setting's name.
    pub setting: String,
    /// What is asked for, in few words.
    pub title: Words,
    /// Where it is found, or what it is for.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub help: Words,
    /// Whether it has to be answered although the adapter could do without.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The only environment in which it is asked; both if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What is made up if there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<Made>,
}

impl Question {
    /// A question about a setting.
    pub fn of(setting: &str, zh: &str, en: &str) -> Self {
        Self {
            setting: setting.to_owned(),
            title: Words::new(zh, en),
            ..Self::default()
        }
    }

    /// Says where the answer is found.
    #[must_use]
    pub fn help(mut self, zh: &str, en: &str) -> Self {
        self.help = Words::new(zh, en);
        self
    }

    /// It has to be answered.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It is asked in this environment alone.
    #[must_use]
    pub fn only_in(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Without an answer it is made up.
    #[must_use]
    pub fn made(mut self, made: Made) -> Self {
        self.make = Some(made);
        self
    }
}

/// Which of the accounts at a vendor a provider is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Real visitors.
    #[default]
    Production,
    /// Trials.
    Development,
}

/// A secret that the gateway's side makes up and the vendor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// 32 letters and digits.
    Token,
    /// A secret in the form of Standard Webhooks: `whsec_…`.
    WebhookSecret,
    /// A way that is newer than the reader: it has to be answered.
    #[serde(other)]
    Unknown,
}

/// The same in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// In Chinese and in English.
    pub fn new(zh: &str, en: &str) -> Self {
        Self {
            zh: zh.to_owned(),
            en: en.to_owned(),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }
}

/// Whether a text can be an e-mail address, for settings of the format `email`:
/// a mistake in writing is to be found, not every address to be judged.
pub fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let fits = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || "._%+-".contains(c))
    };
    text.len() <= 254 && fits(name) && fits(host) && host.contains('.')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: serde_json::Value) -> Schema {
        Schema::try_from(value).expect("a schema")
    }

    #[test]
    fn what_an_adapter_wrote_is_read_again() {
        let written = Activation::of("某厂", "Some vendor")
            .before("先注册", "Register first")
            .ask(
                Question::of("key", "密钥", "Key")
                    .help("后台", "In the console")
                    .required()
                    .only_in(Environment::Development)
                    .made(Made::Token),
            )
            .by_environment("mode", "live", "trial")
            .callback("{callback_url}/{key}")
            .after("登记回调", "Enter {callback}");
        let with = schema(json!({ KEYWORD: written }));
        assert_eq!(Activation::read(&with), Ok(Some(written)));
        assert_eq!(Activation::read(&schema(json!({}))), Ok(None));
    }

    #[test]
    fn an_address_without_name_host_or_dot_is_none() {
        for address in [
            "admin@example.com",
            "a.b+c@mail.example.cn",
            "张三@例子.中国",
        ] {
            assert!(is_email(address), "{address}");
        }
        for wrong in [
            "",
            "admin",
            "admin@",
            "@example.com",
            "a@b",
            "a b@c.de",
            "a@b@c.de",
            "a@.de",
            "a@b..de",
        ] {
            assert!(!is_email(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_newer_is_ignored_and_what_is_broken_is_told() {
        let newer =
            json!({ KEYWORD: {"ask": [{"setting": "k", "make": "hologram", "x": 1}], "y": 2} });
        let read = Activation::read(&schema(newer))
            .expect("read")
            .expect("it is there");
        assert_eq!(read.ask[0].make, Some(Made::Unknown));
        let broken = schema(json!({ KEYWORD: {"ask": "everything"} }));
        assert!(Activation::read(&broken).unwrap_err().contains(KEYWORD));
    }
}
