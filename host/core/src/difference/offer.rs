//! What one provider offers of each ability, and how surely.
//!
//! Owns the join of declaration, conditions and observation. What sessions were
//! really told counts for more than what was declared.

use kefu_plugin_api::descriptor::{Condition, DecidedBy, Descriptor};
use serde::{Deserialize, Serialize};

use super::{
    Had, Side, Words,
    abilities::{self, Ability},
};

/// What a provider offers of one ability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What.
    pub value: Words,
    /// On what it depends, if on anything that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Words>,
    /// In how many sessions that was seen; absent where it was only declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_in: Option<u64>,
}

impl Offer {
    /// The value with its condition.
    pub fn words(&self) -> Words {
        let value = self.value.clone();
        match &self.condition {
            None => value,
            Some(condition) => Words::new(
                format!("{}（{}）", value.zh, condition.zh),
                format!("{} ({})", value.en, condition.en),
            ),
        }
    }
}

/// Every ability of one provider, always in the same order.
pub(super) struct Known {
    pub(super) abilities: Vec<Had>,
}

impl Known {
    pub(super) fn of(side: Side<'_>) -> Self {
        let declared = abilities::of(side.descriptor, None, side.emoji_converted);
        let told: Vec<(Vec<Ability>, u64)> = side
            .told
            .iter()
            .map(|(capabilities, sessions)| {
                let some = Some(*capabilities);
                let abilities = abilities::of(side.descriptor, some, side.emoji_converted);
                (abilities, *sessions)
            })
            .collect();
        let had = declared.into_iter().enumerate().map(|(index, declared)| {
            let told: Vec<(&Ability, u64)> = told
                .iter()
                .map(|(abilities, sessions)| (&abilities[index], *sessions))
                .collect();
            if told.is_empty() {
                as_declared(declared, side.descriptor)
            } else {
                as_told(declared, &told)
            }
        });
        Self {
            abilities: had.collect(),
        }
    }
}

fn as_declared(ability: Ability, descriptor: &Descriptor) -> Had {
    let conditions = descriptor.conditions.iter();
    let of_it: Vec<_> = conditions
        .filter(|it| concerns(it, &ability.part))
        .collect();
    let by_vendor = of_it
        .iter()
        .any(|condition| matches!(condition.by, DecidedBy::Vendor {}));
    let setting = of_it.iter().find_map(|condition| match &condition.by {
        DecidedBy::Setting { setting } => Some(setting),
        DecidedBy::Vendor {} | DecidedBy::Unknown => None,
    });
    let condition = if by_vendor {
        Some(Words::new(
            "以厂商返回的条件为准",
            "unless the vendor's answer says otherwise",
        ))
    } else {
        setting.map(|setting| {
            Words::new(
                format!("可由设置 `{setting}` 改变"),
                format!("the setting `{setting}` can change it"),
            )
        })
    };
    Had {
        offer: Offer {
            value: ability.value.clone(),
            condition,
            seen_in: None,
        },
        // Settings are the operator's own: they are as they are.
        is_sure: !by_vendor,
        ability,
    }
}

fn as_told(declared: Ability, told: &[(&Ability, u64)]) -> Had {
    let sessions = |value: &Ability| {
        let same = told.iter().filter(|(other, _)| other.can == value.can);
        same.fold(0_u64, |sum, (_, sessions)| sum.saturating_add(*sessions))
    };
    let all = told
        .iter()
        .fold(0_u64, |sum, (_, sessions)| sum.saturating_add(*sessions));
    let most = told
        .iter()
        .map(|(ability, _)| *ability)
        .max_by_key(|ability| sessions(ability))
        .unwrap_or(&declared);
    let seen_in = sessions(most);
    let is_sure = seen_in == all;
    let condition = (!is_sure).then(|| {
        Words::new(
            format!("近期 {all} 个会话中有 {seen_in} 个如此"),
            format!("in {seen_in} of the last {all} sessions"),
        )
    });
    Had {
        offer: Offer {
            value: most.value.clone(),
            condition,
            seen_in: Some(seen_in),
        },
        is_sure,
        ability: most.clone(),
    }
}

/// Whether a condition decides an ability, or a part of it. One that decides
/// more than this ability has a line of its own.
fn concerns(condition: &Condition, part: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Whether anybody answers at all is not decided by the kinds they take.
    let whole = matches!(part, "/robot" | "/human");
    let of_a_part = condition.part == part || (!whole && inside(part, &condition.part));
    of_a_part
        // What the vendor decides at large it decides in every part.
        || (condition.by == (DecidedBy::Vendor {}) && inside(&condition.part, part))
}
