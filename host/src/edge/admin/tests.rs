use http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use kefu_core::config::{NoLookup, assemble, check_main};
use kefu_plugin_api::ids::ProviderId;

use super::*;
use crate::edge::shutdown_signal;

#[tokio::test]
async fn health_is_open_and_says_what_works() {
    let (admin, _trigger) = admin(Ok(()), true);
    let (status, body) = get(&admin, "/readyz", None, REMOTE).await;
    assert_eq!(status, 200);
    assert_eq!(body["status"], "ready");
    assert_eq!(
        body["providers"],
        json!([{"id": "zhichi", "state": "active", "works": true}])
    );
    let answer = admin.answer(&Method::GET, "/livez", &HeaderMap::new(), remote());
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn it_is_not_ready_without_store_provider_or_future() {
    let (broken, _trigger) = admin(Err("the disk is full".into()), true);
    let (status, body) = get(&broken, "/readyz", None, REMOTE).await;
    assert_eq!((status, &body["status"]), (503, &json!("not_ready")));
    assert_eq!(body["store"]["detail"], "the disk is full");

    let (alone, _trigger) = admin(Ok(()), false);
    assert_eq!(get(&alone, "/readyz", None, REMOTE).await.0, 503);

    let (stopping, trigger) = admin(Ok(()), true);
    trigger.stop();
    let (status, body) = get(&stopping, "/readyz", None, REMOTE).await;
    assert_eq!((status, &body["status"]), (503, &json!("stopping")));
}

#[tokio::test]
async fn providers_need_the_token() {
    let (admin, _trigger) = admin(Ok(()), true);
    let path = "/admin/v1/providers";
    for token in [None, Some("wrong"), Some("")] {
        assert_eq!(get(&admin, path, token, LOCAL).await.0, 401, "{token:?}");
    }
    let (status, body) = get(&admin, path, Some(TOKEN), REMOTE).await;
    assert_eq!(status, 200);
    assert_eq!(body["providers"][0]["id"], "zhichi");
    assert_eq!(body["providers"][0]["generation"], 1);
    assert_eq!(get(&admin, "/admin/v1/nothing", None, REMOTE).await.0, 401);
    assert_eq!(
        get(&admin, "/admin/v1/nothing", Some(TOKEN), REMOTE)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_the_token() {
    let (admin, _trigger) = admin(Ok(()), true);
    let status = |token: Option<&str>, peer: &str| {
        let answer = admin.answer(
            &Method::GET,
            "/metrics",
            &bearer(token),
            peer.parse().unwrap(),
        );
        answer.status().as_u16()
    };
    assert_eq!(status(None, LOCAL), 200);
    assert_eq!(status(None, "[::ffff:127.0.0.1]:9"), 200);
    assert_eq!(status(None, REMOTE), 401);
    assert_eq!(status(Some(TOKEN), REMOTE), 200);
}

#[test]
fn other_methods_are_not_offered() {
    let (admin, _trigger) = admin(Ok(()), true);
    let answer = admin.answer(&Method::POST, "/livez", &HeaderMap::new(), remote());
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "GET, HEAD");
}

struct State {
    store: Result<(), String>,
    works: bool,
}

impl Operations for State {
    fn check_store(&self) -> Result<(), String> {
        self.store.clone()
    }

    fn providers(&self) -> Vec<ProviderReport> {
        vec![ProviderReport {
            id: "zhichi".into(),
            works: self.works,
            state: if self.works { "active" } else { "waiting" }.into(),
            report: json!({"generation": 1}),
        }]
    }

    fn takes_sessions(&self, _: &ProviderId) -> bool {
        self.works
    }
}

fn admin(store: Result<(), String>, works: bool) -> (Arc<Inner>, crate::edge::ShutdownTrigger) {
    let text = format!("[admin]\ntoken = \"{TOKEN}\"");
    let config = assemble(check_main("kefu.toml", &text, &NoLookup).unwrap(), vec![]).0;
    let (trigger, shutdown) = shutdown_signal();
    let admin = Admin::new(
        Arc::new(ArcSwap::from_pointee(config)),
        Arc::new(State { store, works }),
        Metrics::new(),
        shutdown,
    );
    (admin.0, trigger)
}

async fn get(admin: &Inner, path: &str, token: Option<&str>, peer: &str) -> (u16, Value) {
    let answer = admin.answer(&Method::GET, path, &bearer(token), peer.parse().unwrap());
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn bearer(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    headers
}

fn remote() -> SocketAddr {
    REMOTE.parse().unwrap()
}

const TOKEN: &str = "a-token-for-the-test";
const LOCAL: &str = "127.0.0.1:9";
const REMOTE: &str = "192.0.2.1:9";
