//! What has to be known of an account, by the adapter's settings schema.
//!
//! Owns the joining of the schema with its keyword `x-activation`: which
//! settings are asked for, in which order and words. Deliberately knows no
//! vendor and asks nobody. Invariant: every required setting is asked for, or
//! follows from the environment.

use std::collections::BTreeMap;

use anyhow::bail;
use kefu_plugin_api::{
    activation::{Activation, Environment, Made, Question as Asked, Words},
    descriptor::Descriptor,
};
use serde_json::Value;

use crate::conformance::schema::{self, Setting};

/// What is asked, and what is said around it.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    /// What the adapter says beyond its schema.
    pub(super) activation: Activation,
    /// The questions, in their order.
    pub(super) ask: Vec<Question<'a>>,
    /// Settings that follow from the environment.
    pub(super) fixed: BTreeMap<String, String>,
    /// Every setting that there is.
    pub(super) settings: Vec<Setting<'a>>,
}

/// One question, about one setting.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    /// What the schema says of it.
    pub(super) setting: Setting<'a>,
    /// What is asked for, in few words.
    pub(super) title: Words,
    /// Where it is found, or what it is for.
    pub(super) help: Words,
    /// Whether it must have an answer.
    pub(super) required: bool,
    /// What is made up without one.
    pub(super) make: Option<Made>,
}

impl<'a> Questions<'a> {
    /// The questions of an adapter, for one environment.
    ///
    /// # Errors
    /// The adapter says what cannot be understood.
    pub(super) fn of(descriptor: &'a Descriptor, environment: Environment) -> anyhow::Result<Self> {
        let read = Activation::read(&descriptor.settings);
        let activation = match read {
            Ok(said) => said.unwrap_or_default(),
            Err(reason) => bail!("adapter `{}`: {reason}", descriptor.id),
        };
        let settings = schema::settings(descriptor.settings.as_value());
        let fixed: BTreeMap<_, _> = activation
            .by_environment
            .iter()
            .filter_map(|(name, values)| Some((name.clone(), values.get(&environment)?.clone())))
            .collect();
        let mut ask = Vec::new();
        for asked in &activation.ask {
            let Some(setting) = settings.iter().find(|it| it.name == asked.setting) else {
                bail!(
                    "adapter `{}` asks for setting `{}`, which its schema does not have",
                    descriptor.id,
                    asked.setting
                );
            };
            if asked.environment.is_none_or(|only| only == environment) {
                ask.push(Question::of(setting, asked));
            }
        }
        for setting in settings.iter().filter(|setting| setting.required) {
            let asked = ask.iter().any(|it| it.setting.name == setting.name);
            if !asked && !fixed.contains_key(setting.name) {
                ask.push(Question::of(setting, &Asked::default()));
            }
        }
        Ok(Self {
            activation,
            ask,
            fixed,
            settings,
        })
    }

    /// The setting of this name.
    pub(super) fn setting(&self, name: &str) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The question about this setting.
    pub(super) fn about(&self, name: &str) -> Option<&Question<'a>> {
        self.ask.iter().find(|it| it.setting.name == name)
    }
}

impl<'a> Question<'a> {
    fn of(setting: &Setting<'a>, asked: &Asked) -> Self {
        let described = setting
            .says("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let plain = |text: &str| Words::new(text, text);
        let bare = asked.title.is_empty();
        Self {
            title: if bare {
                plain(setting.name)
            } else {
                asked.title.clone()
            },
            help: if bare {
                plain(described)
            } else {
                asked.help.clone()
            },
            required: setting.required || asked.required,
            make: asked.make.filter(|made| *made != Made::Unknown),
            setting: setting.clone(),
        }
    }

    /// The setting's name.
    pub(super) fn name(&self) -> &'a str {
        self.setting.name
    }

    /// What holds without an answer, by the schema.
    pub(super) fn default(&self) -> Option<&'a Value> {
        self.setting
            .says("default")
            .filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn descriptor(schema: Value) -> Descriptor {
        let mut descriptor = Descriptor::new("vendor", "1.0.0");
        descriptor.settings = schema.try_into().expect("a schema");
        descriptor
    }

    fn names(descriptor: &Descriptor, environment: Environment) -> Vec<String> {
        let questions = Questions::of(descriptor, environment).expect("understood");
        questions
            .ask
            .iter()
            .map(|it| it.name().to_owned())
            .collect()
    }

    #[test]
    fn the_adapter_orders_the_questions_and_nothing_required_is_forgotten() {
        let descriptor = descriptor(json!({
            "required": ["a", "b", "mode"],
            "properties": {"a": {}, "b": {}, "c": {}, "d": {}, "mode": {}, "dev": {}},
            "x-activation": {
                "ask": [
                    {"setting": "c", "title": {"zh": "丙", "en": "C"}},
                    {"setting": "b"},
                    {"setting": "dev", "environment": "development"},
                ],
                "by_environment": {"mode": {"production": "live", "development": "trial"}},
            },
        }));
        assert_eq!(names(&descriptor, Environment::Production), ["c", "b", "a"]);
        assert_eq!(
            names(&descriptor, Environment::Development),
            ["c", "b", "dev", "a"]
        );
        let questions = Questions::of(&descriptor, Environment::Development).expect("understood");
        assert_eq!(questions.fixed["mode"], "trial");
    }

    #[test]
    fn an_adapter_that_says_nothing_more_is_asked_for_by_its_schema() {
        let descriptor = descriptor(json!({
            "required": ["key"],
            "properties": {"key": {"description": "The key."}, "other": {}},
        }));
        let questions = Questions::of(&descriptor, Environment::Production).expect("understood");
        assert_eq!(questions.ask.len(), 1);
        assert_eq!(questions.ask[0].title.en, "key");
        assert_eq!(questions.ask[0].help.zh, "The key.");
    }

    #[test]
    fn an_adapter_that_contradicts_itself_is_told_by_name() {
        let strange = descriptor(json!({"x-activation": {"ask": [{"setting": "ghost"}]}}));
        let error = Questions::of(&strange, Environment::Production).unwrap_err();
        assert!(error.to_string().contains("`ghost`"), "{error}");
        let broken = descriptor(json!({"x-activation": 7}));
        let error = Questions::of(&broken, Environment::Production).unwrap_err();
        assert!(error.to_string().contains("x-activation"), "{error}");
    }
}
