use super::*;

#[tokio::test]
async fn every_page_is_shown_in_both_languages_under_the_strictest_policy() {
    let mut walker = Walker::operator(State::default()).await;
    for lang in ["en", "zh-CN"] {
        walker.lang = lang;
        for pattern in shown() {
            let page = walker.get(&real(pattern)).await;
            assert_eq!(page.status, 200, "{pattern}: {}", page.text);
            expect_strict(&page, pattern);
            assert!(
                page.text.contains(&format!("<html lang=\"{lang}\">")),
                "{pattern}"
            );
            assert_eq!(page.text.matches("<h1").count(), 1, "{pattern}");
        }
    }
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_is_the_first_thing_that_is_seen() {
    let health = serde_json::json!({
        "state": "mute", "since": "2026-01-01T00:00:00Z", "why": "two canaries <b>",
        "canary": {"at": "2026-01-01T00:00:00Z", "outcome": "unanswered"},
    });
    let mut walker = Walker::operator(State {
        health,
        ..State::default()
    })
    .await;
    for (lang, parts) in [
        (
            "en",
            ["zhichi is Mute: two canaries &lt;b&gt;", "Unanswered"],
        ),
        ("zh-CN", ["zhichi 的厂商异常（无应答）", "无人答复"]),
    ] {
        walker.lang = lang;
        let overview = walker.get("/console/").await.text;
        assert!(overview.contains(parts[0]), "{overview}");
        let provider = walker.get("/console/providers/zhichi").await.text;
        assert!(provider.contains(parts[1]), "{provider}");
    }
}

#[tokio::test]
async fn no_page_shows_a_secret() {
    let walker = Walker::operator(State::default()).await;
    for pattern in shown() {
        let page = walker.get(&real(pattern)).await;
        for secret in [TOKEN, "a-secret-for-the-test"] {
            assert!(!page.text.contains(secret), "{pattern}");
        }
    }
}

#[tokio::test]
async fn what_comes_from_elsewhere_is_text_and_never_markup() {
    let hostile = "<script>alert(1)</script>\"'&";
    let walker = Walker::operator(State {
        reason: hostile.to_owned(),
        ..State::default()
    })
    .await;
    let said = "&lt;script&gt;alert(1)&lt;/script&gt;";
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26";
    for path in [
        "/console/".to_owned(),
        "/console/providers".to_owned(),
        "/console/providers/jiaxin".to_owned(),
        "/console/shadows".to_owned(),
        format!("/console/providers/{encoded}"),
        format!("/console/desks/{encoded}"),
        format!("/console/desks/support/explain?visitor={encoded}"),
        format!("/console/sessions?visitor={encoded}"),
        format!("/console/sessions?state={encoded}"),
        format!("/console/dead-letters/{encoded}/replay"),
        format!("/console/providers/zhichi/rollback?generation={encoded}"),
    ] {
        let page = walker.get(&path).await;
        assert!(!page.text.contains("<script"), "{path}: {}", page.text);
        assert!(page.text.contains(said), "{path}: {}", page.text);
        expect_strict(&page, &path);
    }
    let page = Walker::stranger(State::default()).await;
    let page = page
        .get(&format!("/console/login?to=/console/{encoded}"))
        .await;
    assert!(!page.text.contains("<script"), "{}", page.text);
}

#[tokio::test]
async fn what_is_not_there_or_not_right_gets_a_page_that_says_so() {
    let walker = Walker::operator(State::default()).await;
    for (path, status, part) in [
        ("/console/nothing", 404, "nothing is at this path"),
        ("/console/providers/nobody", 404, "nobody"),
        ("/console/providers/nobody/pause", 404, "nobody"),
        (
            "/console/providers/zhichi/rollback?generation=0",
            400,
            "from 1",
        ),
        (
            "/console/providers/zhichi/rollback?generation=x",
            400,
            "from 1",
        ),
        ("/console/desks/nobody", 404, "nobody"),
        ("/console/desks/nobody/explain", 404, "nobody"),
        (
            "/console/desks/support/explain?visitor=v&at=tomorrow",
            400,
            "2026-10-01",
        ),
        (
            "/console/desks/support/weights?digest=d1&w0=ten",
            400,
            "jiaxin (#0)",
        ),
        (
            "/console/desks/support/weights?digest=d1&w0=",
            400,
            "jiaxin (#0)",
        ),
        (
            "/console/desks/support/weights?digest=old&w0=20",
            409,
            "changed since",
        ),
        ("/console/desks/support/weights", 409, "changed since"),
        ("/console/desks/night/weights?digest=d1&w0=20", 404, "night"),
        ("/console/dead-letters/nobody/replay", 404, "nobody"),
        ("/console/migrations/nobody", 404, "no such migration"),
        ("/console/migrations/nobody/start", 404, "no such migration"),
        ("/console/sessions?state=nowhere", 400, "nowhere"),
        ("/console/sessions/nobody?after=x", 400, "whole number"),
        ("/console/sessions/nobody", 404, "no such session"),
    ] {
        let page = walker.get(path).await;
        assert_eq!(page.status, status, "{path}: {}", page.text);
        assert!(page.text.contains("data-testid=\"problem\""), "{path}");
        assert!(page.text.contains(part), "{path}: {}", page.text);
        expect_strict(&page, path);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_and_breaks_no_page() {
    let walker = Walker::operator(State {
        store: Err("the disk is full".into()),
        ..State::default()
    })
    .await;
    let page = walker.get("/console/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("the disk is full"), "{}", page.text);
    assert_eq!(walker.get("/console/dead-letters").await.status, 503);
}

#[tokio::test]
async fn other_methods_are_not_offered() {
    let walker = Walker::operator(State::default()).await;
    for (method, path, allow) in [
        (Method::POST, "/console/", "GET, HEAD"),
        (Method::DELETE, "/console/desks", "GET, HEAD"),
        (Method::GET, "/console/logout", "POST"),
        (
            Method::PUT,
            "/console/providers/zhichi/pause",
            "GET, HEAD, POST",
        ),
        (Method::POST, "/console/style.css", "GET, HEAD"),
    ] {
        let page = walker.ask(method.clone(), path, "", &[]).await;
        // A file that needs no log-in has no page to say it on.
        assert_eq!(page.status, 405, "{method} {path}");
        assert_eq!(page.header("allow"), allow, "{method} {path}");
    }
    let page = walker.ask(Method::HEAD, "/console/desks", "", &[]).await;
    assert_eq!((page.status, page.text.as_str()), (200, ""));
}

#[tokio::test]
async fn the_language_is_switched_on_the_same_page_and_remembered() {
    let mut walker = Walker::operator(State::default()).await;
    let page = walker
        .get("/console/sessions?state=open&lang=zh-CN&visitor=a%26b")
        .await;
    assert_eq!(page.status, 303);
    assert_eq!(
        page.leads_to(),
        "/console/sessions?state=open&visitor=a%26b"
    );
    assert!(
        page.header(SET_COOKIE)
            .starts_with("kefu_lang=zh-CN; Path=/console;")
    );
    walker.cookie = format!("{}; {}", walker.cookie, page.cookie());
    assert!(walker.get("/console/").await.text.contains("总览"));
    let page = walker.get("/console/?lang=%0d%0aset-cookie:x").await;
    assert_eq!(page.cookie(), "kefu_lang=zh-CN");
}

#[tokio::test]
async fn the_two_files_of_the_pages_are_for_everybody() {
    let walker = Walker::stranger(State::default()).await;
    for (path, kind) in [
        ("/console/style.css?v=1", "text/css"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let page = walker.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header(CONTENT_TYPE).starts_with(kind), "{path}");
        assert!(page.header("cache-control").starts_with("public"), "{path}");
    }
}

#[tokio::test]
async fn a_visitors_way_is_explained_step_by_step() {
    let walker = Walker::operator(State::default()).await;
    let page = walker
        .get("/console/desks/support/explain?visitor=user-17&platform=ios&app_version=2.8.16&at=2026-10-01T09%3A30%3A00%2B08%3A00")
        .await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("data-testid=\"decision\""),
        "{}",
        page.text
    );
    let heard = walker.server.heard().concat();
    for part in [
        "explain support",
        "\"user-17\"",
        "Some(\"ios\")",
        "Some(\"2.8.16\")",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
}

#[tokio::test]
async fn a_migration_is_drawn_over_time_with_a_table_beside_each_chart() {
    let walker = Walker::operator(State::default()).await;
    let page = walker.get("/console/migrations/to-jiaxin").await.text;
    let charts = page.matches("<svg class=\"chart\"").count();
    assert_eq!(charts, 7, "{page}");
    assert_eq!(page.matches("<summary>As a table").count(), charts);
    for part in [
        "data-phase=\"running\"",
        "Stage 2 of 4: 12.5 % and 3 listed visitors",
        "zhichi: 25 % at last",
        "href=\"/console/migrations/to-jiaxin/advance\"",
        "href=\"/console/migrations/to-jiaxin/rollback\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("/to-jiaxin/start\""), "it runs already");
    assert!(!page.contains("NaN"), "{page}");
}

#[tokio::test]
async fn a_shadow_says_what_visitors_would_notice() {
    let walker = Walker::operator(State::default()).await;
    let page = walker.get("/console/shadows").await.text;
    for part in [
        "Visitors would notice",
        "Beside zhichi",
        "the file is not there yet",
        "href=\"/console/sessions/s1\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// The patterns of all pages that the fake gateway can fill.
fn shown() -> impl Iterator<Item = &'static str> {
    let not_so_easy = [
        "/console/login",
        "/console/desks/{desk}/weights",
        "/console/sessions/{session}",
    ];
    routes::pages().filter(move |it| !not_so_easy.contains(it))
}

fn expect_strict(page: &Page, what: &str) {
    assert!(page.header(CONTENT_TYPE).starts_with("text/html"), "{what}");
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert_eq!(page.header("cache-control"), "no-store", "{what}");
    assert_eq!(page.header("referrer-policy"), "same-origin", "{what}");
    // What the policy forbids is not there in the first place.
    for bad in [
        "<script", " style=", "<style", " onclick", "http://", "https://",
    ] {
        assert!(!page.text.contains(bad), "{what} has {bad}: {}", page.text);
    }
}
