//! The description of the API, and that it describes what is there.

use anyhow::{Context, Result};
use http::Method;
use kefu_test_support::http::Client;
use kefu_test_support::stage::Stage;
use serde_json::Value;

/// What the contract promises.
const PROMISED: [(&str, &str); 21] = [
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("GET", "/v1/sessions/{session}"),
    ("POST", "/v1/sessions/{session}/messages"),
    ("POST", "/v1/sessions/{session}/human"),
    ("POST", "/v1/sessions/{session}/evaluation"),
    ("POST", "/v1/sessions/{session}/leave-message"),
    ("POST", "/v1/sessions/{session}/exit"),
    ("POST", "/v1/sessions/{session}/typing"),
    ("POST", "/v1/sessions/{session}/read"),
    ("PATCH", "/v1/sessions/{session}/visitor"),
    ("GET", "/v1/sessions/{session}/events"),
    ("GET", "/v1/events"),
    ("POST", "/v1/media"),
    ("GET", "/v1/media/{media}"),
    ("GET", "/v1/desks/{desk}"),
    ("GET", "/openapi.json"),
    ("GET", "/widget.js"),
    ("POST", "/user/getToken.json"),
    ("POST", "/v1/callbacks/{provider}"),
    ("POST", "/v1/callbacks/{provider}/{rest}"),
];

#[tokio::test]
async fn the_document_is_openapi_3_1_and_every_reference_leads_somewhere() -> Result<()> {
    let document = document().await?;
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1.")),
        "{}",
        document["openapi"]
    );
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference
            .strip_prefix('#')
            .with_context(|| format!("{reference} is in the document itself"))?;
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    Ok(())
}

#[tokio::test]
async fn every_promised_call_is_described_and_every_described_call_answers() -> Result<()> {
    let stage = Stage::shared().await?;
    let document = document().await?;
    let described = operations(&document);
    for (method, path) in PROMISED {
        let same = |(other, described): &(String, String)| {
            other == method && shape(described) == shape(path)
        };
        assert!(
            described.iter().any(same),
            "{method} {path} is described in {described:?}"
        );
    }
    for (method, path) in &described {
        let same =
            |(other, promised): &(&str, &str)| other == method && shape(promised) == shape(path);
        let callback = path.starts_with("/v1/callbacks/");
        assert!(
            callback || PROMISED.iter().any(same),
            "{method} {path} is promised nowhere"
        );
        let concrete = path.replace("{provider}", "zhichi").replace(['{', '}'], "");
        let request = Client::new().request(
            Method::from_bytes(method.as_bytes())?,
            stage.gateway.public() + &concrete,
        );
        let answer = request.send().await?;
        assert_ne!(answer.status, 405, "{method} {path}");
        assert!(
            !answer.text().contains("nothing is at this path"),
            "{method} {path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_widget_is_served_to_every_page() -> Result<()> {
    let stage = Stage::shared().await?;
    let widget = Client::new()
        .get(stage.gateway.public() + "/widget.js")
        .send()
        .await?
        .expect(200)?;
    assert!(
        widget
            .header("content-type")
            .is_some_and(|it| it.contains("javascript"))
    );
    assert!(widget.text().contains("customElements"));
    Ok(())
}

async fn document() -> Result<Value> {
    let stage = Stage::shared().await?;
    let answer = Client::new()
        .get(stage.gateway.public() + "/openapi.json")
        .send()
        .await?
        .expect(200)?;
    assert!(
        answer
            .header("content-type")
            .is_some_and(|it| it.starts_with("application/json"))
    );
    answer.json()
}

fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = ["get", "post", "put", "patch", "delete", "head", "options"];
    paths
        .flat_map(|(path, item)| {
            let here = item
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.as_str());
            here.filter(|key| methods.contains(key))
                .map(|key| (key.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A path whose parameters have no names.
fn shape(path: &str) -> Vec<&str> {
    path.split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
