use super::{
    server::{Server, start},
    *,
};

#[tokio::test]
async fn weights_are_named_by_place_or_provider() {
    let server = start(State::default()).await;
    for (body, heard) in [
        (
            json!({"weights": [{"route": "jiaxin", "weight": 20}]}),
            "weights support 0=20",
        ),
        (
            json!({"weights": [{"route": 1, "weight": 12.25}, {"route": "jiaxin", "weight": 0}]}),
            "weights support 1=12.25 0=0",
        ),
        (
            json!({"weights": [{"route": 0, "weight": 100}], "digest": "d1", "more": 1}),
            "weights support 0=100",
        ),
    ] {
        let (status, answer) = put(&server, "support", &body).await;
        assert_eq!((status, answer), (200, json!({"outcome": "applied"})));
        assert_eq!(server.heard(), [heard]);
    }
}

#[tokio::test]
async fn weights_that_cannot_be_meant_are_refused_and_change_nothing() {
    let server = start(State::default()).await;
    let one =
        |route: Value, weight: Value| json!({"weights": [{"route": route, "weight": weight}]});
    for (desk, body, status, part) in [
        ("support", json!({}), 400, "weights"),
        ("support", json!({"weights": []}), 400, "/weights"),
        ("support", one(json!(2), json!(1)), 400, "2 routes"),
        ("support", one(json!("nobody"), json!(1)), 400, "nobody"),
        ("support", one(json!(-1), json!(1)), 400, "route"),
        ("support", one(json!(0), json!(101)), 400, "from 0 to 100"),
        ("support", one(json!(0), json!(-1)), 400, "from 0 to 100"),
        ("support", one(json!(0), json!(0.001)), 400, "two decimal"),
        ("support", one(json!(0), json!("10")), 400, "weight"),
        (
            "support",
            json!({"weights": [{"route": 0, "weight": 1}, {"route": "jiaxin", "weight": 2}]}),
            400,
            "already",
        ),
        ("nothing", one(json!(0), json!(1)), 404, "nothing"),
        (
            "support",
            json!({"weights": [{"route": 0, "weight": 1}], "digest": "old"}),
            409,
            "meanwhile",
        ),
    ] {
        let (found, answer) = put(&server, desk, &body).await;
        assert_eq!(found, status, "{body}: {answer}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(part), "{body}: {detail}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn weights_of_two_routes_to_one_provider_want_a_number() {
    let server = start(State {
        twice: true,
        ..State::default()
    })
    .await;
    let body = json!({"weights": [{"route": "jiaxin", "weight": 1}]});
    let (status, answer) = put(&server, "support", &body).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["detail"]
            .as_str()
            .unwrap()
            .contains("several routes")
    );
}

async fn put(server: &Server, desk: &str, body: &Value) -> (u16, Value) {
    let path = format!("/admin/v1/desks/{desk}/weights");
    server.json(Method::PUT, &path, &body.to_string()).await
}
