//! Which part of a visitor's profile a provider may have.
//!
//! Owns the names of the profile's fields and the filter. Deliberately knows
//! neither where a list comes from nor what a field means. Invariant: what a
//! list does not name does not come through.

use kefu_plugin_api::event::Visitor;

/// The fields beside `name`, `portrait` and `custom`: those of RongCloud's
/// visitor profile, in snake case.
pub const FIELDS: [&str; 23] = [
    "nick_name",
    "login_name",
    "grade",
    "gender",
    "birthday",
    "age",
    "profession",
    "province",
    "city",
    "memo",
    "mobile_no",
    "email",
    "address",
    "qq",
    "weibo",
    "weixin",
    "page",
    "referrer",
    "enter_url",
    "skill_id",
    "list_url",
    "define",
    "product_id",
];

/// Whether a word can stand in a list of fields.
pub fn is_field(name: &str) -> bool {
    matches!(name, "id" | "name" | "portrait" | "portrait_url" | "custom")
        || FIELDS.contains(&name)
        || name
            .strip_prefix("custom.")
            .is_some_and(|key| !key.is_empty())
}

/// Whether a list names a field. The portrait has two names; `custom` names
/// everything in it.
pub fn lists(list: &[String], field: &str) -> bool {
    let has = |name: &str| list.iter().any(|listed| listed == name);
    match field {
        "portrait" | "portrait_url" => has("portrait") || has("portrait_url"),
        _ => has(field) || (field.starts_with("custom.") && has("custom")),
    }
}

/// What two lists name alike: what a vendor makes use of and what an operator
/// lets it have.
pub fn both(declared: &[String], allowed: &[String]) -> Vec<String> {
    let parts = allowed
        .iter()
        .filter(|field| field.starts_with("custom.") && !declared.contains(field));
    declared
        .iter()
        .filter(|field| lists(allowed, field))
        .chain(parts.filter(|field| lists(declared, field)))
        .cloned()
        .collect()
}

/// The part of a profile that a list names. The app's own id of its user is
/// not touched.
#[must_use]
pub fn shared(mut visitor: Visitor, list: &[String]) -> Visitor {
    visitor.name = visitor.name.filter(|_| lists(list, "name"));
    visitor.portrait = visitor.portrait.filter(|_| lists(list, "portrait"));
    visitor.fields.retain(|field, _| lists(list, field));
    if !lists(list, "custom") {
        visitor
            .custom
            .retain(|key, _| lists(list, &format!("custom.{key}")));
    }
    visitor
}

/// Whether a profile says nothing but whose it is.
pub fn is_bare(visitor: &Visitor) -> bool {
    let Visitor {
        id: _,
        name,
        portrait,
        fields,
        custom,
    } = visitor;
    name.is_none() && portrait.is_none() && fields.is_empty() && custom.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Visitor {
        serde_json::from_value(json!({
            "id": "v1", "name": "Wang", "portrait": "https://a.example/p.png",
            "fields": {"city": "北京", "mobile_no": "138"},
            "custom": {"cart": [1], "level": 3},
        }))
        .unwrap()
    }

    fn passes(list: &[&str]) -> serde_json::Value {
        let list: Vec<_> = list.iter().map(|&name| name.to_owned()).collect();
        let mut shown = json!(shared(whole(), &list));
        shown.as_object_mut().unwrap().remove("id");
        shown
    }

    #[test]
    fn only_what_is_named_comes_through() {
        assert_eq!(passes(&[]), json!({"fields": {}, "custom": {}}));
        assert_eq!(
            passes(&["name", "city"]),
            json!({"name": "Wang", "fields": {"city": "北京"}, "custom": {}})
        );
        let portrait = json!({"portrait": "https://a.example/p.png", "fields": {}, "custom": {}});
        assert_eq!(passes(&["portrait"]), portrait);
        assert_eq!(passes(&["portrait_url"]), portrait);
        assert_eq!(
            passes(&["custom.level", "mobile_no"]),
            json!({"fields": {"mobile_no": "138"}, "custom": {"level": 3}})
        );
        assert_eq!(
            passes(&["custom"]),
            json!({"fields": {}, "custom": {"cart": [1], "level": 3}})
        );
    }

    #[test]
    fn a_field_that_only_one_list_names_is_not_shared() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let declared = list(&["name", "portrait_url", "city", "custom"]);
        for (allowed, expected) in [
            (list(&["name", "qq"]), list(&["name"])),
            (list(&["portrait"]), list(&["portrait_url"])),
            (list(&["custom.cart"]), list(&["custom.cart"])),
            (
                list(&["custom", "custom.cart"]),
                list(&["custom", "custom.cart"]),
            ),
            (list(&[]), list(&[])),
        ] {
            assert_eq!(both(&declared, &allowed), expected);
        }
    }

    #[test]
    fn a_word_that_is_no_field_is_known_as_such() {
        for field in [
            "id",
            "name",
            "portrait",
            "qq",
            "define",
            "custom",
            "custom.cart",
        ] {
            assert!(is_field(field), "{field}");
        }
        for word in ["", "shoe_size", "custom.", "Name", "phone"] {
            assert!(!is_field(word), "{word}");
        }
    }

    #[test]
    fn a_profile_without_anything_is_bare() {
        assert!(is_bare(&shared(whole(), &[])));
        assert!(!is_bare(&shared(whole(), &["name".into()])));
    }
}
