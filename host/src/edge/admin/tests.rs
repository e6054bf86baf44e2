//! Over the wire where bodies are concerned, else without a socket, so that
//! requests can come from other machines too.

mod commands;
pub(in crate::edge) mod fake;
mod figures;
mod lists;
mod migrations;
pub(in crate::edge) mod server;
mod sessions;
mod weights;

use http::{Method, header::AUTHORIZATION};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use self::fake::{State, admin};
use super::*;
use crate::edge::shutdown_signal;

#[tokio::test]
async fn health_is_open_and_says_what_works() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = get(&admin, "/readyz", None, REMOTE).await;
    assert_eq!(status, 200);
    assert_eq!(body["status"], "ready");
    assert_eq!(
        body["providers"],
        json!([
            {"id": "jiaxin", "state": "waiting", "works": false, "stuck_calls": 0},
            {"id": "zhichi", "state": "active", "works": true, "stuck_calls": 2},
        ])
    );
    let (pattern, admitted) = admin.admit(&head(Method::GET, "/livez", None), remote());
    assert_eq!(pattern, "/livez");
    assert_eq!(now(admin.perform(&admitted.unwrap())).status(), 200);
}

#[tokio::test]
async fn reasons_are_for_the_token_and_for_this_machine() {
    let (admin, _trigger) = admin(State::default());
    for (token, peer, told) in [
        (None, REMOTE, false),
        (Some("wrong"), REMOTE, false),
        (Some(TOKEN), REMOTE, true),
        (None, LOCAL, true),
    ] {
        let (status, body) = get(&admin, "/readyz", token, peer).await;
        assert_eq!(status, 200);
        let reason = told.then_some("the file is not there yet");
        assert_eq!(body["providers"][0]["reason"].as_str(), reason, "{peer}");
    }
}

#[tokio::test]
async fn it_is_not_ready_without_store_provider_or_future() {
    let (broken, _trigger) = admin(State {
        store: Err("the disk is full".into()),
        ..State::default()
    });
    let (status, body) = get(&broken, "/readyz", None, REMOTE).await;
    assert_eq!((status, &body["status"]), (503, &json!("not_ready")));
    assert_eq!(body["store"]["detail"], "the disk is full");

    let (alone, _trigger) = admin(State {
        works: false,
        ..State::default()
    });
    assert_eq!(get(&alone, "/readyz", None, REMOTE).await.0, 503);

    let (stopping, trigger) = admin(State::default());
    trigger.stop();
    let (status, body) = get(&stopping, "/readyz", None, REMOTE).await;
    assert_eq!((status, &body["status"]), (503, &json!("stopping")));
}

#[tokio::test]
async fn everything_else_needs_the_token() {
    let (admin, _trigger) = admin(State::default());
    let closed = routes::ROUTES.iter().filter(|it| it.door == Door::Token);
    let known = closed.map(|route| (route.method, route.pattern));
    for (method, path) in known.chain([("GET", "/admin/v1/nothing"), ("PUT", "/admin/v1/desks")]) {
        let method: Method = method.parse().unwrap();
        for token in [None, Some("wrong"), Some("")] {
            let request = head(method.clone(), path, token);
            let refusal = admin.admit(&request, local()).1.err().unwrap();
            assert_eq!(refusal.status(), 401, "{method} {path} {token:?}");
            assert_eq!(refusal.headers()["www-authenticate"], "Bearer");
        }
    }
    let (status, body) = get(&admin, "/admin/v1/nothing", Some(TOKEN), REMOTE).await;
    assert_eq!(status, 404, "{body}");
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_the_token() {
    let (admin, _trigger) = admin(State::default());
    let status = |token: Option<&str>, peer: &str| {
        let request = head(Method::GET, "/metrics", token);
        match admin.admit(&request, peer.parse().unwrap()).1 {
            Ok(asked) => now(admin.perform(&asked)).status().as_u16(),
            Err(refusal) => refusal.status().as_u16(),
        }
    };
    assert_eq!(status(None, LOCAL), 200);
    assert_eq!(status(None, "[::ffff:127.0.0.1]:9"), 200);
    assert_eq!(status(None, REMOTE), 401);
    assert_eq!(status(Some(TOKEN), REMOTE), 200);
}

#[tokio::test]
async fn metrics_show_how_providers_stand_at_that_moment() {
    let (admin, _trigger) = admin(State::default());
    let request = head(Method::GET, "/metrics", None);
    let asked = admin.admit(&request, local()).1.unwrap();
    let page = read(now(admin.perform(&asked))).await;
    let page = String::from_utf8(page.to_vec()).unwrap();
    for line in [
        "kefu_provider_state{provider=\"zhichi\",state=\"active\"} 1\n",
        "kefu_provider_stuck_calls{provider=\"zhichi\"} 2\n",
        "kefu_plugin_mapped_copies 4\n",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[test]
fn other_methods_are_not_offered() {
    let (admin, _trigger) = admin(State::default());
    for (method, path, allow) in [
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::DELETE, "/admin/v1/providers/zhichi", "GET, HEAD"),
        (Method::GET, "/admin/v1/providers/zhichi/pause", "POST"),
        (Method::GET, "/admin/v1/reload", "POST"),
    ] {
        let request = head(method, path, Some(TOKEN));
        let refusal = admin.admit(&request, remote()).1.err().unwrap();
        assert_eq!(refusal.status(), 405, "{path}");
        assert_eq!(refusal.headers()["allow"], allow, "{path}");
    }
}

/// Asks without a body, past the socket.
async fn get(admin: &Inner, path: &str, token: Option<&str>, peer: &str) -> (u16, Value) {
    let request = head(Method::GET, path, token);
    let answer = match admin.admit(&request, peer.parse().unwrap()).1 {
        Ok(asked) => now(admin.perform(&asked)),
        Err(refusal) => *refusal,
    };
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read(answer).await).unwrap())
}

/// The answer to what is no command.
fn now(answered: Answered) -> Response<Body> {
    match answered {
        Answered::Now(answer) => answer,
        Answered::Later(_) => panic!("it would be waited for"),
    }
}

async fn read<B>(answer: Response<B>) -> Bytes
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    answer.into_body().collect().await.unwrap().to_bytes()
}

fn head(method: Method, path: &str, token: Option<&str>) -> Head {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(()).unwrap().into_parts().0
}

fn local() -> SocketAddr {
    LOCAL.parse().unwrap()
}

fn remote() -> SocketAddr {
    REMOTE.parse().unwrap()
}

pub(in crate::edge) const TOKEN: &str = "a-token-for-the-test";
const LOCAL: &str = "127.0.0.1:9";
const REMOTE: &str = "192.0.2.1:9";
