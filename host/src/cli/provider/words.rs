//! The words of the command line, in Chinese and English.
//!
//! Owns the choice of the language. Words about a vendor are not here; they
//! come from its adapter.

use clap::ValueEnum;
use kefu_plugin_api::activation::Words;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language of the surroundings; the first variable that says
    /// anything counts, as for every program.
    pub(in crate::cli) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty());
        match said {
            Some(value) if value.to_lowercase().starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }

    /// One of two texts.
    pub(in crate::cli) fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The adapter's words; those of the other language where it has none.
    pub(in crate::cli) fn of_words(self, words: &Words) -> &str {
        let (first, second) = match self {
            Self::Zh => (&words.zh, &words.en),
            Self::En => (&words.en, &words.zh),
        };
        if first.is_empty() { second } else { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surroundings_choose_the_language() {
        let language = |set: &[(&str, &str)]| {
            Language::of(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(language(&[("LANG", "zh_CN.UTF-8")]), Language::Zh);
        assert_eq!(
            language(&[("LANG", "zh_CN"), ("LC_ALL", "C")]),
            Language::En
        );
        assert_eq!(language(&[("LANG", "zh_CN"), ("LC_ALL", "")]), Language::Zh);
        assert_eq!(language(&[]), Language::En);
    }

    #[test]
    fn an_adapter_with_one_language_is_understood_in_the_other() {
        let words = Words::new("", "Key");
        assert_eq!(Language::Zh.of_words(&words), "Key");
        assert_eq!(Language::En.of_words(&Words::new("密钥", "Key")), "Key");
    }
}
