//! One push as a request, signed for this moment.
//!
//! Owns both forms as they go over the wire. Deliberately keeps nothing: every
//! try is signed anew, so that a repeat days later is fresh and no signature
//! rests anywhere. Invariant: the body of a push is the same at every try, but
//! for the signatures of links to media.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::Hmac;
use kefu_core::{
    config::{AppRouting, PushFormat},
    log::LogEvent,
    push::{self, EventPush},
    session::Record,
};
use kefu_plugin_api::{http::HttpRequest, secret::Secret, time::Timestamp};
use percent_encoding::utf8_percent_encode;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::delivery::{
    random,
    stamp::{QUERY, append_query, hex, keyed},
};

/// What is pushed.
pub(super) struct Told<'a> {
    pub(super) record: &'a Record,
    pub(super) event: &'a LogEvent,
    /// Whether people have it sent again.
    pub(super) replayed: bool,
}

/// The request that tells it now.
///
/// # Errors
/// It cannot be told at all; the text is for operators.
pub(super) fn request(
    told: &Told<'_>,
    routing: &AppRouting,
    now: Timestamp,
) -> Result<HttpRequest, String> {
    match routing.format {
        PushFormat::StandardWebhooks => webhook(told, routing, now),
        PushFormat::RongCloud => form(told, routing, now),
    }
}

fn webhook(told: &Told<'_>, routing: &AppRouting, now: Timestamp) -> Result<HttpRequest, String> {
    let push = EventPush::new(told.record, told.event, told.replayed);
    let body = serde_json::to_vec(&push)
        .map_err(|error| format!("the event cannot be written as JSON: {error}"))?;
    let id = &told.event.id;
    let seconds = now.unix_seconds().to_string();
    let mut signed = format!("{id}.{seconds}.").into_bytes();
    signed.extend_from_slice(&body);
    let signatures = routing
        .secrets
        .iter()
        .map(|secret| signature(secret, &signed))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(post(&routing.url, "application/json", body)
        .with_header("webhook-id", id)
        .with_header("webhook-timestamp", &seconds)
        .with_header("webhook-signature", signatures.join(" ")))
}

fn signature(secret: &Secret, signed: &[u8]) -> Result<String, String> {
    let text = secret.expose();
    let key = STANDARD
        .decode(text.strip_prefix("whsec_").unwrap_or(text))
        .map_err(|_| "the secret of the routing is no Standard Webhooks secret".to_owned())?;
    let digest = keyed::<Hmac<Sha256>>(&key, signed);
    Ok(format!("v1,{}", STANDARD.encode(digest)))
}

/// There is room for one signature: the secret in force signs.
fn form(told: &Told<'_>, routing: &AppRouting, now: Timestamp) -> Result<HttpRequest, String> {
    let fields = push::post(told.record, told.event, told.replayed)
        .ok_or("the event is of no kind that is pushed")?;
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        body.extend(utf8_percent_encode(&value, QUERY));
    }
    let secret = routing.secrets.first().ok_or("the routing has no secret")?;
    let (nonce, timestamp) = (hex(&random::<8>()), now.unix_ms().to_string());
    let digest = Sha1::new()
        .chain_update(secret.expose())
        .chain_update(&nonce)
        .chain_update(&timestamp)
        .finalize();
    let mut url = routing.url.clone();
    for (name, value) in [
        ("appKey", told.record.app.as_str()),
        ("nonce", &nonce),
        ("signTimestamp", &timestamp),
        ("signature", &hex(&digest)),
    ] {
        append_query(&mut url, name, value);
    }
    let kind = "application/x-www-form-urlencoded";
    Ok(post(&url, kind, body.into_bytes()))
}

fn post(url: &str, content_type: &str, body: Vec<u8>) -> HttpRequest {
    let mut request = HttpRequest {
        method: "POST".into(),
        ..HttpRequest::get(url)
    };
    request.body = body;
    request.with_header("content-type", content_type)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kefu_core::{
        log::{EventBody, LoggedMessage},
        session::{Fallback, Opening},
    };
    use kefu_plugin_api::{
        event::{Client, Visitor},
        message::{Content, Sender, SenderKind},
    };
    use serde_json::Value;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_614_265_330_042);

    fn routing(format: PushFormat, secrets: &[&str]) -> AppRouting {
        AppRouting {
            url: "https://app.example.com/kefu?from=gateway".into(),
            secrets: secrets.iter().map(|text| Secret::new(*text)).collect(),
            format,
            waits: Vec::new(),
            timeout: Duration::from_secs(1),
            concurrency: 1,
        }
    }

    fn told(routing: &AppRouting, replayed: bool) -> HttpRequest {
        let record = Record::open(Opening {
            synthetic: false,
            id: "s1".into(),
            app: "demo".into(),
            desk: "support".into(),
            visitor: Visitor {
                id: "lin".into(),
                ..Visitor::default()
            },
            client: Client::default(),
            asked_group: None,
            order: vec![Fallback::new("zhichi", None)],
            now: NOW,
        })
        .unwrap();
        let event = LogEvent {
            seq: 2,
            id: "e2".into(),
            session: "s1".into(),
            body: EventBody::Message(LoggedMessage {
                id: "m1".into(),
                from: Sender::of(SenderKind::Visitor),
                content: Content::text("a&b=c d+中"),
                suggestions: Vec::new(),
                converted_from: None,
                detail: None,
            }),
            at: NOW,
        };
        let told = Told {
            record: &record,
            event: &event,
            replayed,
        };
        request(&told, routing, NOW).unwrap()
    }

    fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
        let found = request.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    #[test]
    fn a_webhook_carries_the_event_and_a_signature_of_every_secret() {
        let secrets = [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ];
        let one = told(&routing(PushFormat::StandardWebhooks, &secrets[..1]), false);
        let both = told(&routing(PushFormat::StandardWebhooks, &secrets), false);
        assert_eq!(one.body, both.body);
        let body: Value = serde_json::from_slice(&both.body).unwrap();
        for (pointer, value) in [
            ("/type", "message"),
            ("/id", "e2"),
            ("/session", "s1"),
            ("/app", "demo"),
            ("/desk", "support"),
            ("/visitor/id", "lin"),
            ("/data/from/kind", "visitor"),
            ("/data/content/text", "a&b=c d+中"),
        ] {
            assert_eq!(body.pointer(pointer), Some(&value.into()), "{pointer}");
        }
        assert_eq!(body.get("replayed"), None);
        assert_eq!(header(&both, "webhook-id"), "e2");
        assert_eq!(header(&both, "webhook-timestamp"), "1614265330");
        let signatures: Vec<&str> = header(&both, "webhook-signature").split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[0], header(&one, "webhook-signature"));
        assert_ne!(signatures[0], signatures[1]);
        let again = told(&routing(PushFormat::StandardWebhooks, &secrets), true);
        let body: Value = serde_json::from_slice(&again.body).unwrap();
        assert_eq!(body["replayed"], true);
    }

    #[test]
    fn the_documented_example_is_a_real_one() {
        for page in [
            include_str!("../../../docs/app-server.md"),
            include_str!("../../../docs/app-server.zh-CN.md"),
        ] {
            let line = |start: &str| page.lines().find_map(|line| line.strip_prefix(start));
            let body = page.lines().find(|line| line.starts_with("{\"seq\":4"));
            let body = body.expect("an event on one line");
            let (id, time) = (line("webhook-id: "), line("webhook-timestamp: "));
            let (id, time) = (id.expect("an id"), time.expect("a time"));
            let secret = page.split('`').find(|word| word.starts_with("whsec_a2V"));
            let secret = Secret::new(secret.expect("a secret"));
            let signed = signature(&secret, format!("{id}.{time}.{body}").as_bytes()).unwrap();
            assert_eq!(line("webhook-signature: "), Some(signed.as_str()));
            let event: LogEvent = serde_json::from_str(body).unwrap();
            assert_eq!(event.id, id);
            assert!(push::is_pushed(&event.body));
        }
    }

    #[test]
    fn a_form_is_signed_in_the_query_with_the_secret_in_force() {
        let post = told(
            &routing(PushFormat::RongCloud, &["new-secret", "old-secret"]),
            false,
        );
        let (address, query) = post.url.split_once('?').unwrap();
        assert_eq!(address, "https://app.example.com/kefu");
        let parameters: Vec<(&str, &str)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["from", "appKey", "nonce", "signTimestamp", "signature"]
        );
        let (nonce, timestamp, signature) = (parameters[2].1, parameters[3].1, parameters[4].1);
        assert!(nonce.len() <= 18);
        assert_eq!(timestamp, "1614265330042");
        let expected = Sha1::digest(format!("new-secret{nonce}{timestamp}"));
        assert_eq!(signature, hex(&expected));
        let body = String::from_utf8(post.body).unwrap();
        assert!(
            body.starts_with("fromUserId=lin&toUserId=support&objectName=RC%3ATxtMsg&content=")
        );
        assert!(body.contains("a%26b%3Dc%20d%2B%E4%B8%AD"), "{body}");
    }
}
