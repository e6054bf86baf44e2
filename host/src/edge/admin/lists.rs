//! What there is besides providers: reloads, plug-in files, desks, sources,
//! pushes, dead letters.

use http::{Response, StatusCode};
use kefu_core::{
    config::{Desk, Route, When},
    problem::{Problem, Slug},
};
use serde_json::{Map, Value, json};

use super::{Asked, Inner, providers::Nothing};
use crate::edge::{Commanded, body::Body, json, query, respond};

/// `GET /admin/v1/reloads`
pub(super) fn reloads(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let reloads = inner.operations.reloads(limit(asked)?);
    Ok(respond::json(StatusCode::OK, &json!({"reloads": reloads})))
}

/// `GET /admin/v1/plugins`
pub(super) fn plugins(inner: &Inner) -> Result<Response<Body>, Problem> {
    let plugins = inner.operations.plugins()?;
    Ok(respond::json(StatusCode::OK, &json!({"plugins": plugins})))
}

/// `GET /admin/v1/dead-letters`
pub(super) fn dead_letters(inner: &Inner, asked: &Asked) -> Result<Response<Body>, Problem> {
    let letters = inner.operations.dead_letters(limit(asked)?)?;
    let body = json!({"dead_letters": letters});
    Ok(respond::json(StatusCode::OK, &body))
}

/// `POST /admin/v1/dead-letters/{letter}/replay`
pub(super) fn replay(inner: &Inner, asked: &Asked) -> Result<Commanded, Problem> {
    let Nothing {} = json::read(&asked.headers, &asked.body)?;
    tracing::info!(letter = asked.id, "replay asked for");
    Ok(inner.operations.replay(&asked.id))
}

/// `GET /admin/v1/pushes`
pub(super) fn pushes(inner: &Inner) -> Response<Body> {
    let body = json!({"pushes": inner.operations.pushes()});
    respond::json(StatusCode::OK, &body)
}

/// `GET /admin/v1/desks`
pub(super) fn desks(inner: &Inner) -> Response<Body> {
    let config = inner.config.load();
    let desks = config.main.desks.values();
    let list: Vec<Value> = desks.map(|desk| describe(inner, desk)).collect();
    respond::json(StatusCode::OK, &json!({"desks": list}))
}

/// `GET /admin/v1/sources`
pub(super) fn sources(inner: &Inner) -> Response<Body> {
    let metrics = &inner.metrics;
    let body = json!({"since": metrics.counting_since(), "sources": metrics.sources()});
    respond::json(StatusCode::OK, &body)
}

fn describe(inner: &Inner, desk: &Desk) -> Value {
    let takes = |route: &Route| inner.operations.takes_sessions(&route.provider);
    let routes = desk.routes.iter().map(|route| {
        let mut entry = json!({
            "provider": route.provider,
            "takes_sessions": takes(route),
        });
        if !route.when.is_always() {
            entry["when"] = conditions(&route.when);
        }
        if let Some(weight) = route.weight {
            entry["weight"] = json!(f64::from(weight.buckets()) / 100.0);
        }
        if let Some(group) = &route.group {
            entry["group"] = json!(group);
        }
        if let Some(shadow) = &route.shadow {
            entry["shadow"] = json!(shadow);
        }
        entry
    });
    let groups = desk.groups.iter();
    json!({
        "id": desk.id,
        "app": desk.app,
        "title": desk.title,
        "open": desk.routes.iter().any(takes),
        "groups": groups.map(|it| json!({"id": it.id, "name": it.name})).collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
    })
}

/// As they stand in the configuration.
fn conditions(when: &When) -> Value {
    let mut all = Map::new();
    if let Some(versions) = &when.app_version {
        all.insert("app_version".into(), versions.to_string().into());
    }
    let lists = [
        ("platform", &when.platform),
        ("channel", &when.channel),
        ("group", &when.group),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            all.insert(key.into(), json!(list));
        }
    }
    if !when.visitors.is_empty() {
        all.insert("visitors".into(), json!(when.visitors));
    }
    if !when.profile.is_empty() {
        all.insert("profile".into(), json!(when.profile));
    }
    for (key, calendar) in [("during", &when.during), ("outside", &when.outside)] {
        if let Some(calendar) = calendar {
            all.insert(key.into(), json!(calendar.name));
        }
    }
    all.into()
}

/// How many entries are wanted.
pub(super) fn limit(asked: &Asked) -> Result<usize, Problem> {
    let limit = query::number(asked.query.as_deref(), "limit")?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(
            Slug::InvalidRequest,
            format!("the parameter `limit` is {limit}; right would be 1 to {MAX_LIMIT}"),
        ));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1_000;
