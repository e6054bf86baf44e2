use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::edge::admin::routes::{Door, ROUTES};

#[test]
fn document_and_table_name_the_same_calls() {
    let mut described = BTreeSet::new();
    for_each_call(|method, path, _| {
        described.insert(format!("{} {path}", method.to_uppercase()));
    });
    let routed = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.pattern));
    assert_eq!(described, routed.collect());
}

#[test]
fn who_may_come_in_is_described_as_it_is() {
    for_each_call(|_, path, call| {
        let route = ROUTES.iter().find(|route| route.pattern == path);
        let door = match call["security"].as_array().map(Vec::len) {
            None => Door::Token,
            Some(0) => Door::Open,
            Some(_) => Door::ThisMachine,
        };
        assert_eq!(route.map(|route| route.door), Some(door), "{path}");
        let refuses = call["responses"]["401"].is_object();
        assert_eq!(refuses, door != Door::Open, "{path}");
    });
}

#[test]
fn every_parameter_in_a_path_is_described() {
    let document = document();
    for (path, item) in object(&document["paths"]) {
        let wanted: Vec<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let list = item["parameters"].as_array().cloned().unwrap_or_default();
        let found: Vec<&str> = list.iter().filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let document = document();
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
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
fn every_call_has_an_id_a_summary_and_an_answer() {
    let mut ids = BTreeSet::new();
    for_each_call(|method, path, call| {
        let id = call["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(ids.insert(id), "{method} {path}");
        assert!(call["summary"].is_string(), "{method} {path}");
        assert!(call["responses"]["200"].is_object(), "{method} {path}");
    });
}

fn for_each_call(mut see: impl FnMut(&str, &str, &Value)) {
    for (path, item) in object(&document()["paths"]) {
        for (method, call) in object(item) {
            if method != "parameters" {
                see(method, path, call);
            }
        }
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

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str() {
                    Some(target) if key == "$ref" => {
                        found.insert(target.to_owned());
                    }
                    _ => collect_references(member, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
