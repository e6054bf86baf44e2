//! What the operator of the gateway decided about one vendor's account.
//!
//! Owns defaults, questions and privacy as settings give them. What the vendor
//! tells about a session wins over the defaults; nothing wins over privacy.

use kefu_plugin_api::prelude::Visitor;

use crate::config::Config;

/// The operator's decisions. The default decides nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// What a session allows, over the flavour's defaults and under what the
    /// vendor tells.
    pub defaults: Config,
    /// What is asked without a visitor's wish.
    pub inquiries: Inquiries,
    /// The only profile keys that may leave the gateway; absent: all.
    pub visitor_fields: Option<Vec<String>>,
}

/// What the gateway asks the vendor of its own accord. The default asks
/// nothing: a vendor that tells by itself need not be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inquiries {
    /// Ask `capabilities` where `session.open` brought no config.
    pub capabilities: bool,
    /// Ask `groups.list` where `session.open` brought no groups.
    pub groups: bool,
    /// Ask `queue.query` so often, in milliseconds, while a visitor waits.
    pub queue_every_ms: Option<u64>,
    /// After a call without an answer ask `health`, then `session.state`, so
    /// many milliseconds later.
    pub doubt_after_ms: Option<u64>,
    /// Say `queue.cancel` for a visitor who leaves while waiting.
    pub cancel_queue: bool,
}

impl Rules {
    /// The part of a profile that the vendor may see. The key of its user is
    /// the app's to give: it leaves only where the list has `id`.
    pub(crate) fn shared(&self, visitor: &Visitor) -> Visitor {
        let Some(allowed) = &self.visitor_fields else {
            return visitor.clone();
        };
        let may = |key: &str| allowed.iter().any(|name| name == key);
        let mut shared = visitor.clone();
        if !may("id") {
            shared.id.clear();
        }
        shared.name = shared.name.filter(|_| may("name"));
        shared.portrait = shared.portrait.filter(|_| may("portrait_url"));
        shared.fields.retain(|key, _| may(key));
        if !may("custom") {
            shared.custom.clear();
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_listed_leaves_the_gateway() {
        let visitor = Visitor {
            id: "u-1".into(),
            name: Some("Li Lei".into()),
            portrait: Some("https://app.example/p.png".into()),
            fields: [("city", "北京"), ("mobile_no", "138")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            custom: [("vip".to_owned(), json!(true))].into(),
        };
        let rules = Rules {
            visitor_fields: Some(vec!["name".into(), "city".into()]),
            ..Rules::default()
        };
        let shared = rules.shared(&visitor);
        assert_eq!(shared.id, "");
        assert_eq!(shared.name.as_deref(), Some("Li Lei"));
        assert_eq!(shared.portrait, None);
        assert_eq!(shared.fields.keys().collect::<Vec<_>>(), ["city"]);
        assert!(shared.custom.is_empty());
        assert_eq!(Rules::default().shared(&visitor), visitor);
    }
}
