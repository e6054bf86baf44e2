//! The token: how it is asked for, and what the vendor may answer.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::Desk;

fn answered(status: u16, body: &str) -> Result<Vec<Effect>, AdapterError> {
    let response = HttpResponse {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    Desk::new().harness.handle_provider(Event::CallFinished {
        call: "token".into(),
        result: CallResult::Answered { response },
        token_renewed: false,
    })
}

fn token(item: Value) -> Result<Vec<Effect>, AdapterError> {
    answered(
        200,
        &json!({"ret_code": "000000", "item": item}).to_string(),
    )
}

#[test]
fn a_token_is_asked_for_with_a_signature_that_the_host_computes() {
    let needed = Event::TokenNeeded { name: "api".into() };
    let effects = Desk::new()
        .harness
        .handle_provider(needed)
        .expect("it is known");
    let [Effect::Call { call }] = effects.as_slice() else {
        panic!("one call, not {effects:?}")
    };
    assert_eq!(call.request.method, "GET");
    assert_eq!(
        call.request.url,
        "https://zhichi.example/api/get_token?appid=app%2B1"
    );
    assert!(call.request.body.is_empty());
    assert_eq!(
        serde_json::to_value(&call.request.stamps).expect("it is JSON"),
        json!([
            {"type": "time", "unit": "seconds", "place": {"type": "query", "name": "create_time"}},
            {"type": "digest", "algorithm": "md5",
             "parts": [
                 {"type": "text", "text": "app+1"},
                 {"type": "time", "unit": "seconds"},
                 {"type": "secret", "setting": "app_key"}],
             "encoding": "hex", "place": {"type": "query", "name": "sign"}},
        ])
    );
}

#[test]
fn a_token_comes_with_its_life() {
    for (life, seconds) in [
        (json!(7_200), 7_200),
        (json!("7200"), 7_200),
        (json!(86_400), 86_400),
        // Longer than documented, or senseless: the documented day.
        (json!(999_999), 86_400),
        (json!(0), 86_400),
        (json!(-1), 86_400),
        (json!("soon"), 86_400),
        (json!(null), 86_400),
    ] {
        let effects = token(json!({"token": "t-1", "expires_in": life})).expect("it is read");
        let expected = Effect::Token {
            name: "api".into(),
            value: "t-1".into(),
            expires_in_seconds: seconds,
        };
        assert_eq!(effects, [expected], "{life}");
    }
}

#[test]
fn every_answer_without_a_token_is_an_error_that_says_why() {
    for (found, words) in [
        (token(json!({})), "the answer holds no `item.token`"),
        (
            token(json!({"token": ""})),
            "the answer holds no `item.token`",
        ),
        (
            token(json!({"token": {}})),
            "the answer holds no `item.token`",
        ),
        (token(json!(null)), "the answer holds no `item.token`"),
        (
            token(json!([1])),
            "HTTP 200 with an `item` of another shape",
        ),
        (
            answered(200, "{\"ret_code\":\"900003\"}"),
            "bad signature, check `app_key` (900003)",
        ),
        (
            answered(200, "{\"ret_code\":\"900004\"}"),
            "check `app_id` and `base_url` (900004)",
        ),
        (
            answered(200, "{\"ret_code\":\"400001\"}"),
            "a parameter is missing or wrong (400001)",
        ),
        (
            answered(200, "<html>"),
            "HTTP 200 with 6 bytes that are not the vendor's JSON",
        ),
        (
            answered(200, ""),
            "HTTP 200 with 0 bytes that are not the vendor's JSON",
        ),
        (answered(404, "no"), "HTTP 404 with 2 bytes"),
    ] {
        let error = found.expect_err("there is no token in it");
        assert!(error.detail.starts_with("fetching a token: "), "{error}");
        assert!(error.detail.contains(words), "{error}");
    }
    for result in [
        CallResult::NotSent {
            detail: "connection refused".into(),
        },
        CallResult::Unknown {
            detail: "timed out".into(),
        },
    ] {
        let finished = Event::CallFinished {
            call: "token".into(),
            result,
            token_renewed: false,
        };
        assert!(Desk::new().harness.handle_provider(finished).is_err());
    }
}

#[test]
fn the_provider_needs_nothing_else() {
    let desk = Desk::new();
    for event in [
        Event::TokenNeeded {
            name: "other".into(),
        },
        Event::TimerFired { timer: "t".into() },
        Event::Unknown,
    ] {
        assert_eq!(desk.harness.handle_provider(event), Ok(Vec::new()));
    }
}
