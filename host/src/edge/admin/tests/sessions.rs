use kefu_plugin_api::capability::SessionState;

use super::*;
use crate::store::Wanted;

#[tokio::test]
async fn what_is_wanted_of_sessions_is_passed_on() {
    let state = State::default();
    let heard = Arc::clone(&state.heard);
    let (admin, _trigger) = admin(state);
    let path = "/admin/v1/sessions?desk=support&provider=zhichi&state=human&visitor=%E7%8E%8B\
        &open=true&synthetic=true&before=s3&limit=7";
    let (status, body) = ask(&admin, path).await;
    assert_eq!((status, body), (200, json!({"sessions": [], "next": "s9"})));
    assert_eq!(ask(&admin, "/admin/v1/sessions").await.0, 200);
    let everything = Wanted {
        desk: Some("support".into()),
        provider: Some("zhichi".into()),
        state: Some(SessionState::Human),
        visitor: Some("王".into()),
        open: Some(true),
        synthetic: true,
        before: Some("s3".into()),
        limit: 7,
    };
    let nothing = Wanted {
        limit: 100,
        ..Wanted::default()
    };
    let expected = [everything, nothing].map(|wanted| format!("sessions {wanted:?}"));
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_its_name() {
    let (admin, _trigger) = admin(State::default());
    for (query, named) in [
        ("state=gone", "`state`"),
        ("state=Human", "`state`"),
        ("open=1", "`open`"),
        ("open=", "`open`"),
        ("synthetic=yes", "`synthetic`"),
        ("desk=", "`desk`"),
        ("provider=", "`provider`"),
        ("visitor=", "`visitor`"),
        ("before=", "`before`"),
        ("limit=0", "`limit`"),
        ("limit=1001", "`limit`"),
    ] {
        let (status, body) = ask(&admin, &format!("/admin/v1/sessions?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(body["detail"].as_str().unwrap().contains(named), "{body}");
    }
    for query in ["after=-1", "after=x", "limit=0"] {
        let path = format!("/admin/v1/sessions/s1/trail?{query}");
        assert_eq!(ask(&admin, &path).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn a_session_and_its_trail_are_asked_for_by_id() {
    let state = State::default();
    let heard = Arc::clone(&state.heard);
    let (admin, _trigger) = admin(state);
    assert_eq!(ask(&admin, "/admin/v1/sessions/s%2F1").await.0, 404);
    assert_eq!(ask(&admin, "/admin/v1/sessions/s1/trail").await.0, 404);
    let path = "/admin/v1/sessions/s1/trail?after=12&limit=5";
    assert_eq!(ask(&admin, path).await.0, 404);
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, ["session s/1", "trail s1 0 100", "trail s1 12 5"]);
}

#[tokio::test]
async fn shadows_are_listed() {
    let (admin, _trigger) = admin(State::default());
    let (status, answer) = ask(&admin, "/admin/v1/shadows").await;
    assert_eq!(status, 200);
    let shadow = &answer["shadows"][0];
    assert_eq!(
        (&shadow["desk"], &shadow["shadow"]),
        (&json!("support"), &json!("jiaxin"))
    );
    assert_eq!(shadow["messages"]["refused"], 2);
}

async fn ask(admin: &Inner, path: &str) -> (u16, Value) {
    get(admin, path, Some(TOKEN), REMOTE).await
}
