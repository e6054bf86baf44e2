//! Which fields of a visitor's profile a vendor is told.

use anyhow::{Result, ensure};
use kefu_test_support::chat::Chat;
use kefu_test_support::simulators::Vendor;
use kefu_test_support::stage::Stage;
use serde_json::{Value, json};

use super::opening::or_dash;

/// The names of the fields whose values the vendor has.
pub(super) async fn told(stage: &Stage, vendor: Vendor) -> Result<String> {
    let visitor = stage.visitor();
    let mut profile = json!({ "name": visitor.id() });
    for field in FIELDS {
        profile[field] = value(field).into();
    }
    // What has no name of its own is kept as it is.
    profile["custom"] = json!({ "vip": { "since": value("custom") } });
    profile["shoe_size"] = value("unknown").into();
    let body = json!({ "desk": vendor.name(), "visitor": profile });
    let opened = visitor.open_and_wait(&body).await?;
    let chat = Chat::of(&stage.simulators, visitor, vendor, &opened)?;
    chat.reach_agent().await?;
    let said = chat.say("在吗").await?;
    ensure!(chat.fate(&said.id).await?["status"] == "delivered");
    let seen = chat.at_vendor().await?["profile"].clone();
    let name = chat.visitor.id().to_owned();
    let has = |what: &str| holds(&seen, what);
    let fields = FIELDS.into_iter().chain(["custom", "unknown"]);
    let told = fields.filter(|field| has(&value(field)));
    let name = has(&name).then_some("name");
    Ok(or_dash(
        name.into_iter().chain(told).collect::<Vec<_>>().join(" "),
    ))
}

/// Whether a text stands anywhere in what the vendor knows.
fn holds(seen: &Value, text: &str) -> bool {
    match seen {
        Value::String(it) => it.contains(text),
        Value::Array(items) => items.iter().any(|it| holds(it, text)),
        Value::Object(fields) => fields.values().any(|it| holds(it, text)),
        _ => false,
    }
}

/// A value that nothing else has.
fn value(field: &str) -> String {
    match field {
        "portrait" => "https://app.example/value-of-portrait.png".to_owned(),
        field => format!("value-of-{field}"),
    }
}

/// Every field that has a name, but for the visitor's name and id.
const FIELDS: [&str; 24] = [
    "portrait",
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
