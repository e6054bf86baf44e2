//! Jiaxin's defaults and vocabulary.
//!
//! Names in the `jiaxin` block and the numbers of events are those of Jiaxin's
//! public web plug-in. That the vendor's side of SDP/1 uses them is an
//! assumption; a vendor that does without works too.

use kefu_plugin_api::prelude::{Client, ContentKind, Descriptor, Level, OpenError, Visitor};
use kefu_sdp_core::{
    Account, Arrival, Flavour,
    config::{self, Config},
};
use serde_json::{Value, json};

use crate::settings::{Settings, is_channel_number};

/// The flavour `jiaxin`.
#[derive(Debug)]
pub struct Jiaxin;

impl Flavour for Jiaxin {
    type Settings = Settings;

    const ID: &'static str = "jiaxin";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn account(settings: Settings) -> Result<Account, OpenError> {
        settings.try_into()
    }

    fn defaults() -> Config {
        let defaults = json!({
            "to_human": true,
            "exit": "keeps",
            "robot": {"types": ["text", "emoji"]},
            "human": {"types": ["text", "image", "voice", "emoji"]},
            "queued": {"messages": false},
            "unattended": {"messages": false},
            "leave_message": {"kind": "page", "when": ["unattended", "queued"]},
            "evaluation": {
                "robot": "none",
                "human": {"stars": true, "labels": LABELS, "resolved": false, "tags": [], "comment": false},
                "by": ["agent"],
                "after_seconds": 0,
            },
            "emoji": "text",
            "visitor_fields": VISITOR_FIELDS,
        });
        serde_json::from_value(defaults).expect("the flavour's defaults have the shape of a config")
    }

    /// Location is carried only where the vendor's config lists it, and is not
    /// put into words otherwise: the vendor decides whether it wants to know.
    fn unlisted(kind: ContentKind) -> Level {
        config::in_words_but_location(kind)
    }

    fn conditional(descriptor: Descriptor) -> Descriptor {
        descriptor.decided_by_vendor(&[
            "/human/location",
            "/human/rich",
            "/human/video",
            "/human/file",
            "/human/custom",
            "/groups",
        ])
    }

    fn event(name: String, data: Value) -> (String, Value) {
        match name.as_str() {
            "2" => ("queue.update".to_owned(), data),
            "3" => (
                "session.mode".to_owned(),
                with_default(data, "mode", json!("human")),
            ),
            "4" => (
                "session.mode".to_owned(),
                with_default(data, "mode", json!("robot")),
            ),
            "5" => ("session.transferred".to_owned(), data),
            "6" => (
                "session.ended".to_owned(),
                with_default(data, "reason", json!("agent")),
            ),
            "7" => ("message".to_owned(), data),
            "12" => (
                "evaluate.invite".to_owned(),
                with_default(data, "target", json!("human")),
            ),
            "13" => (
                "message".to_owned(),
                with_default(data, "from", json!({"kind": "system"})),
            ),
            _ => (name, data),
        }
    }

    /// RongCloud's clients put the channel number into `referrer`; an app may
    /// also name it as its channel. Neither has to be a number. Without one the
    /// app's platform decides, by the table in the settings.
    fn channel_no(account: &Account, visitor: &Visitor, client: &Client) -> Option<String> {
        let told = [visitor.fields.get("referrer"), client.channel.as_ref()];
        let number = told
            .into_iter()
            .flatten()
            .find(|text| is_channel_number(text));
        number
            .map(String::as_str)
            .or_else(|| account.channel_of(client))
            .map(str::to_owned)
    }

    fn vocabulary(account: &Account, arrival: &Arrival<'_>) -> Option<(&'static str, Value)> {
        let (org, app) = account.name.split_once('/')?;
        let field = |key: &str| {
            arrival
                .visitor
                .fields
                .get(key)
                .filter(|value| !value.is_empty())
        };
        let mut crm = json!({});
        for (key, value) in &arrival.visitor.fields {
            if CRM_FIELDS.contains(&key.as_str()) {
                crm[key] = value.as_str().into();
            }
        }
        if let Some(name) = &arrival.visitor.name {
            crm["name"] = name.as_str().into();
        }
        let mut words = json!({
            "orgName": org,
            "appName": app,
            "appChannel": arrival.channel_no,
            "thirdOpenId": arrival.visitor_id,
            "thirdJson": {"crm": crm},
        });
        if let Some(page) = field("page") {
            words["thirdJson"]["session"] = json!({"pageTitle": page});
        }
        if let Some(product) = field("product_id") {
            words["product"] = json!({"productId": product});
        }
        if let Some(define) = field("define") {
            words["thirdExtendData"] = define.as_str().into();
        }
        Some(("jiaxin", words))
    }
}

/// The five levels of Jiaxin's rating, worst first.
const LABELS: [&str; 5] = ["非常不满意", "不满意", "一般", "满意", "非常满意"];

/// Profile fields that an agent at Jiaxin sees about a customer.
const CRM_FIELDS: [&str; 17] = [
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
    "name",
];

/// Everything that is passed on about a visitor.
const VISITOR_FIELDS: [&str; 26] = [
    "name",
    "portrait_url",
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
    "custom",
];

/// Fills in what Jiaxin's numbered event leaves unsaid.
fn with_default(mut data: Value, key: &str, value: Value) -> Value {
    if data.is_null() {
        data = json!({});
    }
    if let Some(map) = data.as_object_mut() {
        map.entry(key).or_insert(value);
    }
    data
}
