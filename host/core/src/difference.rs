//! What visitors lose and gain with another vendor.
//!
//! Owns the comparison of two providers: what their adapters declare, what
//! vendors or settings decide of it, and what sessions were really told lately.
//! Deliberately knows no vendor, and judges nothing: what matters is for people
//! to say. Invariant: two providers that agree have no difference, and comparing
//! the other way round names the same abilities.
//!
//! `abilities` reads capabilities as lists of what a visitor can do, `offer` what
//! is known of one provider, `versions` puts it together by version of the app.

mod abilities;
mod offer;
mod versions;

use std::collections::BTreeSet;

use kefu_plugin_api::{capability::Capabilities, descriptor::Descriptor};
use serde::{Deserialize, Serialize};

use self::{abilities::Ability, offer::Known};
pub use self::{
    offer::Offer,
    versions::{Comparison, OfVersion, Party, Practice, Told, Undeclared, compare},
};

/// The same in Chinese and in English.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// Which of the two is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Words {
    pub(crate) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// In one language.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.zh,
            Language::En => &self.en,
        }
    }

    fn with(self, other: Self, zh: &str, en: &str) -> Self {
        Self {
            zh: format!("{}{zh}{}", self.zh, other.zh),
            en: format!("{}{en}{}", self.en, other.en),
        }
    }
}

/// What a change means to visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They can do less.
    Loses,
    /// It is another way, neither less nor more.
    Changes,
    /// What a vendor answers decides, and is not known.
    Depends,
    /// They can do more.
    Gains,
}

impl Effect {
    /// In a word.
    pub fn words(self) -> Words {
        match self {
            Self::Loses => Words::new("失去", "loses"),
            Self::Changes => Words::new("改变", "changes"),
            Self::Depends => Words::new("视条件", "depends"),
            Self::Gains => Words::new("获得", "gains"),
        }
    }
}

/// One ability in which two providers differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which, as a path below the capabilities: `/human/location`.
    pub ability: String,
    /// What it is called.
    pub title: Words,
    /// What the change means.
    pub effect: Effect,
    /// What visitors have now.
    pub from: Offer,
    /// What they will have.
    pub to: Offer,
}

impl Difference {
    /// As one line: what it means, which ability, from what to what.
    pub fn line(&self) -> Words {
        let change = self.from.words().with(self.to.words(), " → ", " → ");
        let named = self.title.clone().with(change, "：", ": ");
        self.effect.words().with(named, "  ", "  ")
    }
}

/// What is known of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What its adapter declares.
    pub descriptor: &'a Descriptor,
    /// Whether a table makes Unicode of its agents' emoticon codes.
    pub emoji_converted: bool,
    /// What sessions were really told, each with how many.
    pub told: &'a [(&'a Capabilities, u64)],
}

/// Every ability in which two providers differ, what is lost first.
pub fn differences(from: Side<'_>, to: Side<'_>) -> Vec<Difference> {
    let (from, to) = (Known::of(from), Known::of(to));
    let pairs = from.abilities.into_iter().zip(to.abilities);
    let mut all: Vec<_> = pairs.filter_map(|(from, to)| between(from, to)).collect();
    all.sort_by_key(|difference| difference.effect);
    all
}

/// One ability as one provider has it.
struct Had {
    ability: Ability,
    offer: Offer,
    /// Whether all sessions have it so.
    is_sure: bool,
}

/// `None` where both are the same.
fn between(from: Had, to: Had) -> Option<Difference> {
    let (had, will_have) = (from.ability.can.as_ref()?, to.ability.can.as_ref()?);
    let effect = effect(had, will_have);
    let effect = match (from.is_sure && to.is_sure, effect) {
        (true, effect) => effect?,
        // Neither is sure, and nothing that is known tells them apart.
        (false, None) if from.is_sure == to.is_sure => return None,
        (false, _) => Effect::Depends,
    };
    Some(Difference {
        ability: from.ability.part,
        title: from.ability.title,
        effect,
        from: from.offer,
        to: to.offer,
    })
}

fn effect(from: &BTreeSet<String>, to: &BTreeSet<String>) -> Option<Effect> {
    if from == to {
        None
    } else if to.is_subset(from) {
        Some(Effect::Loses)
    } else if from.is_subset(to) {
        Some(Effect::Gains)
    } else {
        Some(Effect::Changes)
    }
}
