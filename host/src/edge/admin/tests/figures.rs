use super::*;

#[tokio::test]
async fn figures_are_answered_by_desk_and_provider() {
    let state = State::default();
    let heard = Arc::clone(&state.heard);
    let (admin, _trigger) = admin(state);
    let (status, body) = ask(&admin, "/admin/v1/figures?desk=support&step=1m").await;
    assert_eq!(status, 200, "{body}");
    let entry = &body["figures"][0];
    assert_eq!(entry["provider"], "zhichi");
    assert_eq!(entry["opening_failure_rate"], 0.25);
    assert_eq!(entry["series"][0]["openings"], 8);
    assert!(entry.get("rating").is_none(), "nothing is known of it");
    let (status, body) = ask(&admin, "/admin/v1/figures?step=1s").await;
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("`step`"));
    assert_eq!(heard.lock().unwrap().len(), 1, "nothing is asked then");
}

async fn ask(admin: &Inner, path: &str) -> (u16, Value) {
    get(admin, path, Some(TOKEN), REMOTE).await
}
