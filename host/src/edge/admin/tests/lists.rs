use super::*;

#[tokio::test]
async fn providers_are_listed_and_shown() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = ask(&admin, "/admin/v1/providers").await;
    assert_eq!(status, 200);
    let jiaxin = json!({
        "id": "jiaxin",
        "state": "waiting",
        "works": false,
        "reason": "the file is not there yet",
        "generation": 1,
    });
    assert_eq!(body["providers"][0], jiaxin);
    assert_eq!(body["providers"][1]["id"], "zhichi");

    let (status, body) = ask(&admin, "/admin/v1/providers/jiaxin").await;
    assert_eq!((status, body), (200, jiaxin));
    let (status, body) = ask(&admin, "/admin/v1/providers/nobody").await;
    assert_eq!(status, 404);
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("`nobody`"), "{detail}");
}

#[tokio::test]
async fn desks_say_whether_they_are_open_and_by_which_routes() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = ask(&admin, "/admin/v1/desks").await;
    assert_eq!(status, 200);
    let night = json!({
        "id": "night",
        "app": "demo",
        "title": "night",
        "open": false,
        "groups": [],
        "routes": [{"provider": "jiaxin", "takes_sessions": false}],
    });
    let support = json!({
        "id": "support",
        "app": "demo",
        "title": "在线客服",
        "open": true,
        "groups": [{"id": "presales", "name": "售前"}],
        "routes": [
            {
                "provider": "jiaxin",
                "takes_sessions": false,
                "when": {"app_version": ">=2.8.16", "platform": ["ios"]},
                "weight": 10.0,
            },
            {"provider": "zhichi", "takes_sessions": true, "group": "service"},
        ],
    });
    assert_eq!(body, json!({"desks": [night, support]}));
}

#[tokio::test]
async fn sources_are_listed_with_what_came_from_them() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = ask(&admin, "/admin/v1/sources").await;
    assert_eq!((status, &body["sources"]), (200, &json!([])));
    let source = kefu_core::source::Source {
        platform: "web".into(),
        channel: "other".into(),
    };
    admin.metrics.session_taken(&"jiaxin".into(), &source);
    let (_, body) = ask(&admin, "/admin/v1/sources").await;
    let web = json!({
        "provider": "jiaxin", "platform": "web", "channel": "other", "sessions": 1, "ratings": {},
    });
    assert_eq!(body["sources"], json!([web]));
    assert!(body["since"].as_str().unwrap().ends_with('Z'), "{body}");
}

#[tokio::test]
async fn lists_are_as_long_as_asked() {
    let (admin, _trigger) = admin(State::default());
    let (_, body) = ask(&admin, "/admin/v1/reloads").await;
    assert_eq!(body, json!({"reloads": [{"id": 3}, {"id": 2}, {"id": 1}]}));
    let (_, body) = ask(&admin, "/admin/v1/reloads?limit=1").await;
    assert_eq!(body, json!({"reloads": [{"id": 3}]}));
    let (_, body) = ask(&admin, "/admin/v1/dead-letters?limit=1").await;
    assert_eq!(body, json!({"dead_letters": [{"id": "d1"}]}));
    let (_, body) = ask(&admin, "/admin/v1/plugins").await;
    assert_eq!(body, json!({"plugins": [{"file": "libkefu_zhichi.so"}]}));
    for limit in ["0", "1001", "-1", "many", ""] {
        for list in ["reloads", "dead-letters"] {
            let path = format!("/admin/v1/{list}?limit={limit}");
            let (status, body) = ask(&admin, &path).await;
            assert_eq!(status, 400, "{path}");
            assert!(
                body["detail"].as_str().unwrap().contains("`limit`"),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_to() {
    let (admin, _trigger) = admin(State {
        store: Err("the disk is full".into()),
        ..State::default()
    });
    let (status, body) = ask(&admin, "/admin/v1/dead-letters").await;
    assert_eq!(status, 503);
    assert_eq!(body["detail"], "the disk is full");
}

#[tokio::test]
async fn the_listener_describes_itself() {
    let (admin, _trigger) = admin(State::default());
    let (status, body) = ask(&admin, "/admin/openapi.json").await;
    assert_eq!((status, &body["openapi"]), (200, &json!("3.1.0")));
}

async fn ask(admin: &Inner, path: &str) -> (u16, Value) {
    get(admin, path, Some(TOKEN), REMOTE).await
}
