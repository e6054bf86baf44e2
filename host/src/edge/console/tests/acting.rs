use super::*;

#[tokio::test]
async fn a_form_without_its_proof_is_refused_and_does_nothing() {
    let walker = Walker::operator(State::default()).await;
    let csrf = walker.csrf().await;
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for pattern in routes::forms().filter(|it| *it != "/console/login") {
        let path = real(pattern);
        for form in ["", "csrf=", "csrf=wrong", &format!("csrf={}", &csrf[1..])] {
            let page = walker.send(&path, form).await;
            assert_eq!(page.status, 403, "{path} {form}");
            assert!(page.text.contains("data-testid=\"problem\""), "{path}");
        }
        for from in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://evil.example"),
        ] {
            let body = format!("csrf={csrf}");
            let page = walker.ask(Method::POST, &path, &body, &[kind, from]).await;
            assert_eq!(page.status, 403, "{path} {from:?}");
        }
    }
    assert_eq!(walker.server.heard(), [""; 0]);
    assert_eq!(walker.get("/console/").await.status, 200);
}

#[tokio::test]
async fn the_proof_of_another_session_is_none() {
    let one = Walker::operator(State::default()).await;
    let mut other = Walker {
        server: Arc::clone(&one.server),
        cookie: String::new(),
        lang: "en",
    };
    other.cookie = other.log_in(TOKEN).await.cookie();
    let csrf = other.csrf().await;
    let page = one.send("/console/reload", &format!("csrf={csrf}")).await;
    assert_eq!(page.status, 403);
    assert_eq!(one.server.heard(), [""; 0]);
}

#[tokio::test]
async fn a_form_of_another_kind_or_size_is_refused() {
    let walker = Walker::operator(State::default()).await;
    let csrf = walker.csrf().await;
    let body = format!("csrf={csrf}");
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
    ] {
        let headers = [("content-type", kind)];
        let page = walker
            .ask(Method::POST, "/console/reload", &body, &headers)
            .await;
        assert_eq!(page.status, 415, "{kind}");
    }
    let large = format!("{body}&x={}", "x".repeat(70_000));
    assert_eq!(walker.send("/console/reload", &large).await.status, 413);
    assert_eq!(walker.server.heard(), [""; 0]);
}

#[tokio::test]
async fn a_command_is_asked_about_then_given_then_told_once() {
    let walker = Walker::operator(State::default()).await;
    for (path, form, heard, leads_to, said) in [
        (
            "/console/providers/zhichi/pause",
            "",
            "pause zhichi",
            "/console/providers/zhichi",
            "zhichi is paused.",
        ),
        (
            "/console/providers/zhichi/resume",
            "",
            "resume zhichi",
            "/console/providers/zhichi",
            "zhichi goes on.",
        ),
        (
            "/console/providers/zhichi/reload",
            "",
            "reload zhichi",
            "/console/providers/zhichi",
            "The reload: Applied",
        ),
        (
            "/console/providers/zhichi/rollback",
            "generation=3",
            "rollback zhichi Some(3)",
            "/console/providers/zhichi",
            "The reload: Applied",
        ),
        (
            "/console/providers/zhichi/rollback",
            "",
            "rollback zhichi None",
            "/console/providers/zhichi",
            "Applied",
        ),
        (
            "/console/reload",
            "",
            "reload all",
            "/console/reloads",
            "The reload: Applied",
        ),
        (
            "/console/dead-letters/d1/replay",
            "",
            "replay d1",
            "/console/dead-letters",
            "It is tried again.",
        ),
        (
            "/console/desks/support/weights",
            "digest=d1&w0=20&w1=",
            "weights support 0=20",
            "/console/desks/support",
            "The weights are written and in force.",
        ),
    ] {
        let question = walker.get(&format!("{path}?{form}")).await;
        assert_eq!(question.status, 200, "{path}: {}", question.text);
        assert!(
            question.text.contains(&format!("action=\"{path}\"")),
            "{path}"
        );
        assert_eq!(walker.server.heard(), [""; 0], "asking did something");

        let page = walker.submit(path, form).await;
        assert_eq!(
            (page.status, page.leads_to()),
            (303, leads_to),
            "{path}: {}",
            page.text
        );
        assert_eq!(walker.server.heard(), [heard]);
        let told = walker.get(leads_to).await;
        assert!(told.text.contains(said), "{path}: {}", told.text);
        assert!(
            !walker
                .get(leads_to)
                .await
                .text
                .contains("data-testid=\"notice\"")
        );
    }
}

#[tokio::test]
async fn a_migration_is_moved_on_with_the_reason_that_was_given() {
    let walker = Walker::operator(State::default()).await;
    let path = "/console/migrations/to-jiaxin";
    for (command, form, heard) in [
        ("advance", "why=", "advance to-jiaxin None"),
        (
            "pause",
            "why=+night+shift+",
            "pause to-jiaxin Some(\"night shift\")",
        ),
        ("rollback", "", "rollback to-jiaxin None"),
    ] {
        let question = walker.get(&format!("{path}/{command}")).await;
        assert_eq!(question.status, 200, "{}", question.text);
        let page = walker.submit(&format!("{path}/{command}"), form).await;
        assert_eq!((page.status, page.leads_to()), (303, path), "{}", page.text);
        assert_eq!(walker.server.heard(), [heard]);
        let told = walker.get(path).await;
        assert!(
            told.text.contains("data-testid=\"notice\""),
            "{}",
            told.text
        );
        walker.server.heard();
    }
    // It runs already; the gateway says what would be right.
    let page = walker.submit(&format!("{path}/start"), "").await;
    assert_eq!(page.status, 409);
    assert!(
        page.text.contains("right would be advance"),
        "{}",
        page.text
    );
    walker.server.heard();
    let long = format!("why={}", "x".repeat(501));
    assert_eq!(
        walker.submit(&format!("{path}/pause"), &long).await.status,
        413
    );
    let page = walker.submit("/console/migrations/nobody/pause", "").await;
    assert_eq!(page.status, 404);
    assert_eq!(walker.server.heard(), [""; 0]);
}

#[tokio::test]
async fn a_refused_command_is_told_with_its_reasons() {
    let report = serde_json::json!({
        "outcome": "refused",
        "problems": [{
            "file": "kefu.toml", "line": 8, "column": 3, "key": "desks.support.routes[0].weight",
            "problem": "is <no> share", "right": "use a percentage",
        }],
        "providers": [{"id": "zhichi", "outcome": "failed", "error": "no ELF"}],
    });
    let walker = Walker::operator(State {
        reload: Ok(report),
        ..State::default()
    })
    .await;
    walker.submit("/console/reload", "").await;
    let page = walker.get("/console/reloads").await.text;
    for part in [
        "role=\"alert\"",
        "kefu.toml:8:3",
        "is &lt;no&gt; share",
        "zhichi: no ELF",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn what_could_not_be_tried_is_told_too() {
    use kefu_core::problem::{Problem, Slug};
    let walker = Walker::operator(State {
        reload: Err(Problem::new(Slug::Overloaded, "many reloads wait already")),
        ..State::default()
    })
    .await;
    let page = walker.submit("/console/providers/zhichi/reload", "").await;
    assert_eq!(page.status, 303);
    let page = walker.get("/console/providers/zhichi").await.text;
    assert!(page.contains("many reloads wait already"), "{page}");
}

#[tokio::test]
async fn weights_are_written_only_for_the_file_that_was_shown() {
    let walker = Walker::operator(State::default()).await;
    for (form, status) in [
        ("w0=20", 409),
        ("digest=old&w0=20", 409),
        ("digest=d1&w0=101", 400),
        ("digest=d1&w0=1.001", 400),
        ("digest=d1&w0=", 400),
    ] {
        let page = walker.submit("/console/desks/support/weights", form).await;
        assert_eq!(page.status, status, "{form}");
    }
    assert_eq!(
        walker
            .submit("/console/desks/nobody/weights", "digest=d1")
            .await
            .status,
        404
    );
    assert_eq!(walker.server.heard(), [""; 0]);

    let page = walker
        .get("/console/desks/support/weights?digest=d1&w0=20&w1=")
        .await;
    assert!(
        page.text.contains("10 % of visitors get another provider"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("name=\"w0\" value=\"20\""),
        "{}",
        page.text
    );
    let page = walker
        .get("/console/desks/support/weights?digest=d1&w0=10&w1=")
        .await;
    assert!(page.text.contains("Nothing would change."), "{}", page.text);
}

#[tokio::test]
async fn what_goes_on_longer_than_a_browser_waits_ends_all_the_same() {
    let held = Arc::new(tokio::sync::Semaphore::new(0));
    let walker = Walker::operator(State {
        held: Arc::clone(&held),
        ..State::default()
    })
    .await;
    let csrf = walker.csrf().await;
    let form = format!("csrf={csrf}");
    let asked = walker.send("/console/reload", &form);
    let gone = tokio::time::timeout(Duration::from_millis(300), asked).await;
    assert!(gone.is_err(), "it was answered before it was over");
    assert_eq!(walker.server.heard(), ["reload all"]);
    assert_eq!(held.available_permits(), 0);
}
