use std::collections::BTreeSet;

use kefu_core::problem::Slug;
use kefu_plugin_api::{capability::SessionState, message::ContentKind};
use serde_json::Value;

use super::*;
use crate::edge::routes::ROUTES;

#[test]
fn document_and_router_name_the_same_calls() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, item) in object(&document["paths"]) {
        for method in object(item)
            .keys()
            .filter(|key| METHODS.contains(&key.as_str()))
        {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut routed = BTreeSet::new();
    for route in ROUTES {
        for (method, _) in route.calls {
            match *method {
                // Any method; the document shows the one that vendors use.
                "*" => routed.insert(format!("POST {}", route.pattern)),
                method => routed.insert(format!("{method} {}", route.pattern)),
            };
        }
    }
    assert_eq!(described, routed);
}

#[test]
fn every_parameter_in_a_path_is_described() {
    let document = document();
    for (path, item) in object(&document["paths"]) {
        let wanted: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let mut found = BTreeSet::new();
        for parameter in item["parameters"].as_array().into_iter().flatten() {
            let parameter = resolve(&document, parameter);
            if parameter["in"] == "path" {
                found.insert(parameter["name"].as_str().unwrap());
            }
        }
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let document = document();
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in &references {
        assert!(lookup(&document, reference).is_some(), "{reference}");
    }
    for (group, parts) in object(&document["components"]) {
        for name in object(parts).keys() {
            let reference = format!("#/components/{group}/{name}");
            let used = references.contains(&reference) || group == "securitySchemes";
            assert!(used, "{reference} is never used");
        }
    }
}

#[test]
fn every_call_has_an_id_a_summary_and_answers() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in object(&document["paths"]) {
        for (method, call) in object(item) {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let id = call["operationId"].as_str().unwrap_or_default();
            assert!(ids.insert(id.to_owned()), "{id} of {method} {path}");
            assert!(call["summary"].is_string(), "{method} {path}");
            let answers = object(&call["responses"]);
            assert!(
                answers.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn problems_kinds_and_states_are_the_gateways_own() {
    let document = document();
    let listed = |pointer: &str| -> BTreeSet<String> {
        let list = document.pointer(pointer).unwrap().as_array().unwrap();
        list.iter()
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let slugs: BTreeSet<String> = SLUGS
        .iter()
        .map(|slug| format!("urn:kefu:problem:{}", slug.as_str()))
        .collect();
    assert_eq!(
        listed("/components/schemas/Problem/properties/type/enum"),
        slugs
    );

    let states = ["opening", "robot", "queued", "human", "unattended", "ended"];
    let states: BTreeSet<String> = states
        .iter()
        .map(|state| {
            let state: SessionState = serde_json::from_value((*state).into()).unwrap();
            state.as_str().to_owned()
        })
        .collect();
    assert_eq!(listed("/components/schemas/SessionState/enum"), states);

    let kinds = object(
        document
            .pointer("/components/schemas/Content/discriminator/mapping")
            .unwrap(),
    );
    for kind in kinds.keys() {
        let known: ContentKind = serde_json::from_value(kind.as_str().into()).unwrap();
        assert_ne!(known, ContentKind::Unknown, "{kind}");
    }
    assert_eq!(kinds.len(), 9);
}

#[test]
fn an_example_of_every_content_can_be_read() {
    let document = document();
    for (name, schema) in object(&document["components"]["schemas"]) {
        let Some(kind) = schema
            .pointer("/properties/type/const")
            .and_then(Value::as_str)
        else {
            continue;
        };
        if !name.ends_with("Content") {
            continue;
        }
        let example = &schema["examples"][0];
        let content: kefu_plugin_api::message::Content = serde_json::from_value(example.clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(content.kind()).unwrap(), kind);
        assert_eq!(serde_json::to_value(&content).unwrap(), *example, "{name}");
        kefu_core::command::check_content(&content).unwrap();
    }
}

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

fn object(value: &Value) -> &serde_json::Map<String, Value> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("{value} is no object"))
}

fn lookup<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    document.pointer(reference.strip_prefix('#')?)
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => lookup(document, reference).unwrap(),
        None => value,
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "$ref" {
                    found.insert(member.as_str().unwrap().to_owned());
                } else if key == "mapping" {
                    let targets = object(member).values();
                    found.extend(targets.map(|target| target.as_str().unwrap().to_owned()));
                } else {
                    collect_references(member, found);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_references(item, found);
            }
        }
        _ => {}
    }
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

const SLUGS: [Slug; 18] = [
    Slug::Unauthenticated,
    Slug::Forbidden,
    Slug::NotFound,
    Slug::MethodNotAllowed,
    Slug::InvalidRequest,
    Slug::UnsupportedByProvider,
    Slug::SessionEnded,
    Slug::AlreadyHuman,
    Slug::NotInvited,
    Slug::IdempotencyKeyReused,
    Slug::IdempotencyKeyInFlight,
    Slug::TooLarge,
    Slug::UnsupportedMediaType,
    Slug::RateLimited,
    Slug::Overloaded,
    Slug::StorageUnavailable,
    Slug::NoProviderAvailable,
    Slug::ProviderUnavailable,
];
