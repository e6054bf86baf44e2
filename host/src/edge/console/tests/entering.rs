use std::sync::Arc;

use kefu_core::config::{AddressRange, Config};
use kefu_plugin_api::Secret;

use super::*;

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_log_in_and_nothing_is_done() {
    let walker = Walker::stranger(State::default()).await;
    for pattern in routes::pages().filter(|it| *it != "/console/login") {
        let page = walker.get(&real(pattern)).await;
        assert_eq!(page.status, 303, "{pattern}");
        assert!(
            page.leads_to()
                .starts_with("/console/login?to=%2Fconsole%2F")
        );
        assert!(page.text.is_empty(), "{pattern}");
    }
    for pattern in routes::forms().filter(|it| *it != "/console/login") {
        let page = walker.send(&real(pattern), "csrf=").await;
        assert_eq!(page.status, 303, "{pattern}");
        assert!(page.leads_to().starts_with("/console/login"), "{pattern}");
    }
    for path in ["/console/nothing", "/console/desks/%ff"] {
        assert_eq!(walker.get(path).await.status, 303, "{path}");
    }
    assert_eq!(walker.server.heard(), [""; 0]);
    assert_eq!(walker.get("/console").await.leads_to(), "/console/");
}

#[tokio::test]
async fn the_admin_token_opens_a_session_and_lies_in_no_cookie() {
    let mut walker = Walker::stranger(State::default()).await;
    let form = walker.get("/console/login?to=%2Fconsole%2Fdesks").await;
    assert_eq!(form.status, 200);
    assert!(
        form.text.contains("value=\"/console/desks\""),
        "{}",
        form.text
    );

    let page = walker
        .send(
            "/console/login",
            &format!("token={TOKEN}&to=%2Fconsole%2Fdesks"),
        )
        .await;
    assert_eq!((page.status, page.leads_to()), (303, "/console/desks"));
    let set = page.header(SET_COOKIE);
    for part in [
        "Path=/console;",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=43200",
    ] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(TOKEN), "{set}");

    walker.cookie = page.cookie();
    assert_eq!(walker.get("/console/").await.status, 200);
    assert_eq!(walker.get("/console/login").await.leads_to(), "/console/");
    // The session opens the pages and nothing else.
    assert_eq!(walker.get("/admin/v1/providers").await.status, 401);
}

#[tokio::test]
async fn behind_a_trusted_proxy_with_https_the_cookie_is_for_https() {
    let walker = Walker::stranger(State::default()).await;
    let https = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-proto", "https"),
    ];
    let body = format!("token={TOKEN}");
    let page = walker
        .ask(Method::POST, "/console/login", &body, &https)
        .await;
    assert!(
        !page.header(SET_COOKIE).contains("Secure"),
        "nobody is trusted yet"
    );

    change(&walker, |config| {
        config.main.server.trusted_proxies = vec![AddressRange::parse("127.0.0.1").unwrap()];
    });
    let page = walker
        .ask(Method::POST, "/console/login", &body, &https)
        .await;
    assert!(page.header(SET_COOKIE).ends_with("; Secure"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_guessing_slows_down() {
    let walker = Walker::stranger(State::default()).await;
    for body in ["token=wrong", "token=", "", "other=1"] {
        let page = walker.send("/console/login", body).await;
        assert_eq!(page.status, 401, "{body}");
        assert!(page.header(SET_COOKIE).is_empty());
        assert!(page.text.contains("role=\"alert\""), "{}", page.text);
    }
    // Now even the right one has to wait.
    let page = walker.log_in(TOKEN).await;
    assert_eq!(page.status, 429);
    let wait: u64 = page.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_log_in_from_another_site_or_in_another_form_is_refused() {
    let walker = Walker::stranger(State::default()).await;
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let body = format!("token={TOKEN}");
    for (more, status) in [
        (vec![kind, ("sec-fetch-site", "cross-site")], 403),
        (vec![kind, ("origin", "https://evil.example")], 403),
        (vec![kind, ("origin", "null")], 403),
        (vec![("content-type", "application/json")], 415),
        (vec![], 415),
    ] {
        let page = walker
            .ask(Method::POST, "/console/login", &body, &more)
            .await;
        assert_eq!(page.status, status, "{more:?}");
        assert!(page.header(SET_COOKIE).is_empty());
    }
    let page = walker.send("/console/login", &"x".repeat(70_000)).await;
    assert_eq!(page.status, 413);
}

#[tokio::test]
async fn a_log_in_leads_nowhere_else() {
    let walker = Walker::stranger(State::default()).await;
    for to in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2Fadmin%2Fv1",
        "%2Fconsole%2F%0D%0Ax",
    ] {
        let page = walker
            .send("/console/login", &format!("token={TOKEN}&to={to}"))
            .await;
        assert_eq!(page.leads_to(), "/console/", "{to}");
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_at_the_gateway() {
    let walker = Walker::operator(State::default()).await;
    let page = walker.submit("/console/logout", "").await;
    assert_eq!((page.status, page.leads_to()), (303, "/console/login"));
    assert!(page.header(SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(walker.get("/console/").await.status, 303);
}

#[tokio::test]
async fn another_admin_token_ends_every_session() {
    let walker = Walker::operator(State::default()).await;
    assert_eq!(walker.get("/console/").await.status, 200);
    change(&walker, |config| {
        config.main.admin.token = Secret::new("another-admin-token")
    });
    let page = walker.get("/console/").await;
    assert_eq!(page.status, 303);
    assert!(page.header(SET_COOKIE).contains("Max-Age=0"));
    change(&walker, |config| {
        config.main.admin.token = Secret::new(TOKEN)
    });
    assert_eq!(walker.get("/console/").await.status, 303);
}

#[tokio::test]
async fn a_made_up_session_is_none() {
    let mut walker = Walker::operator(State::default()).await;
    for cookie in [
        "kefu_console=",
        "kefu_console=x",
        "kefu_console=0000",
        "other=1",
    ] {
        walker.cookie = cookie.to_owned();
        assert_eq!(walker.get("/console/").await.status, 303, "{cookie}");
    }
}

fn change(walker: &Walker, change: impl FnOnce(&mut Config)) {
    let mut config = Config::clone(&walker.server.config.load());
    change(&mut config);
    walker.server.config.store(Arc::new(config));
}
