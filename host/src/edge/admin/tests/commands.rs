use std::time::Duration;

use kefu_plugin_api::time::Timestamp;
use tokio::sync::Semaphore;

use super::{
    server::{REQUEST_TIMEOUT, start},
    *,
};

#[tokio::test]
async fn a_command_reaches_its_provider_and_its_report_comes_back() {
    let server = start(State::default()).await;
    for (path, body, heard) in [
        ("providers/zhichi/reload", "", "reload zhichi"),
        ("providers/zhichi/reload", "{}", "reload zhichi"),
        ("reload", "", "reload all"),
        ("providers/zhichi/rollback", "", "rollback zhichi None"),
        (
            "providers/zhichi/rollback",
            r#"{"generation": null}"#,
            "rollback zhichi None",
        ),
        (
            "providers/zhichi/rollback",
            r#"{"generation": 3, "why": "x"}"#,
            "rollback zhichi Some(3)",
        ),
    ] {
        let (status, answer) = server.post(path, body).await;
        assert_eq!(
            (status, answer),
            (200, json!({"outcome": "applied"})),
            "{path}"
        );
        assert_eq!(server.heard(), [heard]);
    }
}

#[tokio::test]
async fn pausing_and_resuming_answer_with_the_provider_as_it_stands() {
    let server = start(State::default()).await;
    for (command, state) in [("pause", "paused"), ("resume", "active")] {
        let (status, answer) = server
            .post(&format!("providers/zhichi/{command}"), "")
            .await;
        assert_eq!((status, &answer["state"]), (200, &json!(state)));
        assert_eq!(answer["id"], "zhichi");
    }
}

#[tokio::test]
async fn a_route_is_explained_for_the_visitor_that_is_described() {
    let server = start(State::default()).await;
    let question = json!({
        "visitor": "user-17",
        "group": "presales",
        "client": {"platform": "ios", "app_version": "2.8.16", "channel": "10001"},
        "profile": {"level": "vip", "age": 42},
        "at": "2026-10-01T09:30:00+08:00",
    });
    let (status, answer) = server
        .post("desks/support/route", &question.to_string())
        .await;
    assert_eq!((status, &answer["visitor"]), (200, &json!("user-17")));
    assert_eq!(answer["profile"], json!([{"level": "vip"}, {"age": 42}]));
    let heard = server.heard().concat();
    for part in [
        "explain support",
        "Some(\"ios\")",
        "Some(\"2.8.16\")",
        "Some(\"10001\")",
        "Some(\"presales\")",
        &format!("{:?}", Timestamp::parse("2026-10-01T01:30:00Z").unwrap()),
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
}

#[tokio::test]
async fn a_question_about_a_route_that_cannot_be_read_says_what_is_wrong() {
    let server = start(State::default()).await;
    for (body, part) in [
        ("{}", "visitor"),
        (r#"{"visitor": ""}"#, "/visitor"),
        (r#"{"visitor": 17}"#, "/visitor"),
        (r#"{"visitor": "v", "at": "tomorrow"}"#, "2026-10-01T09:30"),
        (r#"{"visitor": "v", "client": "ios"}"#, "/client"),
        ("nonsense", "JSON"),
    ] {
        let (status, answer) = server.post("desks/support/route", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer.to_string().contains(part), "{body}: {answer}");
        assert!(server.heard().is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_refused_reload_is_a_report_and_not_a_failed_request() {
    let report = json!({"outcome": "refused", "reason": "expected a shared object"});
    let server = start(State {
        reload: Ok(report.clone()),
        ..State::default()
    })
    .await;
    for path in [
        "reload",
        "providers/zhichi/reload",
        "providers/zhichi/rollback",
    ] {
        assert_eq!(server.post(path, "").await, (200, report.clone()), "{path}");
    }
}

#[test]
fn commands_that_take_long_keep_neither_threads_nor_the_usual_time() {
    let few = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    few.block_on(async {
        let held = Arc::new(Semaphore::new(0));
        let server = start(State {
            held: Arc::clone(&held),
            ..State::default()
        })
        .await;
        let commands: Vec<_> = ["reload", "providers/zhichi/reload"]
            .map(|path| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.post(path, "").await })
            })
            .into();
        let given = async {
            while server.heard.lock().unwrap().len() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let given = tokio::time::timeout(Duration::from_secs(20), given).await;
        assert!(
            given.is_ok(),
            "a command that waits keeps the next from being given"
        );
        // This one needs a thread of those that may wait for disks.
        assert_eq!(server.post("providers/zhichi/pause", "").await.0, 200);
        tokio::time::sleep(REQUEST_TIMEOUT * 2).await;
        held.add_permits(2);
        for command in commands {
            let (status, answer) = command.await.unwrap();
            assert_eq!((status, answer), (200, json!({"outcome": "applied"})));
        }
    });
}

#[tokio::test]
async fn a_command_that_is_not_over_in_time_says_where_its_report_will_be() {
    let never: Commanded = Box::pin(std::future::pending());
    let answer = providers::report(Duration::from_millis(1), never).await;
    assert_eq!(answer.status(), 202);
    let answer: Value = serde_json::from_slice(&read(answer).await).unwrap();
    assert_eq!(answer["outcome"], "under_way");
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("/admin/v1/reloads"), "{detail}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_a_problem() {
    let detail = "provider `zhichi` does not retain generation 9; it retains 1 and 2";
    let server = start(State {
        reload: Err(Problem::new(Slug::NotFound, detail)),
        ..State::default()
    })
    .await;
    let (status, answer) = server
        .post("providers/zhichi/rollback", r#"{"generation": 9}"#)
        .await;
    assert_eq!((status, &answer["detail"]), (404, &json!(detail)));
    assert_eq!(answer["type"], "urn:kefu:problem:not-found");
}

#[tokio::test]
async fn commands_on_nobody_reach_nobody() {
    let server = start(State::default()).await;
    for command in ["reload", "rollback", "pause", "resume"] {
        let (status, answer) = server
            .post(&format!("providers/nobody/{command}"), "")
            .await;
        assert_eq!(status, 404, "{command}");
        assert!(answer["detail"].as_str().unwrap().contains("`nobody`"));
    }
    assert_eq!(server.heard(), [""; 0]);
}

#[tokio::test]
async fn bad_bodies_change_nothing() {
    let server = start(State::default()).await;
    let paths = [
        "reload",
        "providers/zhichi/reload",
        "providers/zhichi/rollback",
        "providers/zhichi/pause",
        "providers/zhichi/resume",
    ];
    for path in paths {
        for body in ["{", "generation=3", "3", "null", "\"x\"", "[", "{} {}"] {
            let (status, answer) = server.post(path, body).await;
            assert_eq!(status, 400, "{path} {body}: {answer}");
        }
        let (status, _) = server.send(path, "text/plain", "{}", Some(TOKEN)).await;
        assert_eq!(status, 415, "{path}");
        let large = format!("{{\"x\": \"{}\"}}", "x".repeat(16 * 1024));
        assert_eq!(server.post(path, &large).await.0, 413, "{path}");
    }
    for generation in [
        "0",
        "-1",
        "1.5",
        "\"3\"",
        "true",
        "[3]",
        "99999999999999999999",
    ] {
        let body = format!("{{\"generation\": {generation}}}");
        let (status, answer) = server.post("providers/zhichi/rollback", &body).await;
        assert_eq!(status, 400, "{generation}");
        assert_eq!(
            answer["errors"][0]["pointer"], "/generation",
            "{generation}"
        );
    }
    assert_eq!(server.heard(), [""; 0]);
}

#[tokio::test]
async fn a_command_without_the_token_is_not_given() {
    let server = start(State::default()).await;
    for token in [None, Some("wrong")] {
        // Not even a body that is too large is looked at.
        for body in ["", &"x".repeat(64 * 1024)] {
            let path = "providers/zhichi/pause";
            let (status, answer) = server.send(path, "application/json", body, token).await;
            assert_eq!(status, 401, "{answer}");
        }
    }
    assert_eq!(server.heard(), [""; 0]);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_counted_by_its_pattern() {
    let server = start(State::default()).await;
    let answer = server.request(
        "providers/zhichi/reload",
        "application/json",
        "",
        Some(TOKEN),
    );
    let answer = answer.await;
    assert!(answer.headers().contains_key("x-request-id"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = server.inner.metrics.render();
    let line = "kefu_http_requests_total{route=\"/admin/v1/providers/{provider}/reload\",method=\"POST\",status=\"200\"} 1";
    assert!(page.contains(line), "{page}");
}
