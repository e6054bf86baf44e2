//! A visitor in Xiaoneng's words.
//!
//! The names are those of the parameters of Xiaoneng's public web script and
//! mobile SDK. That the vendor's side of SDP/1 reads them is an assumption; a
//! vendor that does without finds everything in `visitor` and `context` too.

use kefu_sdp_core::{Account, Arrival};
use serde_json::{Value, json};

/// The block `xiaoneng` of `session.open` and `visitor.update`.
pub(crate) fn arrival(account: &Account, arrival: &Arrival<'_>) -> Value {
    let visitor = arrival.visitor;
    let field = |key: &str| visitor.fields.get(key).map(String::as_str);
    let custom = |key: &str| match visitor.custom.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut words = json!({"siteid": account.name});
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            words[key] = value.into();
        }
    };
    put("uid", Some(&visitor.id));
    put("uname", visitor.name.as_deref().or(field("nick_name")));
    put("headurl", visitor.portrait.as_deref());
    put("itemid", field("product_id"));
    put("erpparam", field("define"));
    put("startPageTitle", field("page"));
    put("startPageUrl", field("enter_url"));
    put("itemparam", custom("itemparam").as_deref());
    put("orderid", custom("orderid").as_deref());
    put("orderprice", custom("orderprice").as_deref());
    if let Some(level) = field("grade").and_then(level) {
        words["userlevel"] = level.into();
        words["isvip"] = u8::from(level > 0).into();
    }
    words
}

/// Xiaoneng knows the levels 0 to 5; any other grade stays in `visitor`.
fn level(grade: &str) -> Option<u8> {
    grade.parse().ok().filter(|level| *level <= 5)
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn only_the_levels_that_xiaoneng_knows_are_levels() {
        assert_eq!(level("0"), Some(0));
        assert_eq!(level("5"), Some(5));
        for strange in ["6", "-1", "gold", "", "256", "3.5"] {
            assert_eq!(level(strange), None, "{strange}");
        }
    }
}
