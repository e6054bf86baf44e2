//! The frame of every page.
//!
//! Owns head, navigation, notice and footer, and the two files that pages
//! name. Invariant: nothing on a page comes from elsewhere, and nothing in it
//! is a script or a style of its own, so that the strictest policy holds.

use std::sync::LazyLock;

use http::{HeaderValue, Response, StatusCode, header::CACHE_CONTROL};
use kefu_core::config::Config;
use kefu_plugin_api::time::Timestamp;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{
    parts,
    routes::Asset,
    session::Live,
    words::{Lang, Words, fill},
};
use crate::{
    edge::{body::Body, operations::Operations, respond},
    telemetry::Metrics,
};

/// What a page is built from.
pub(super) struct View<'a> {
    pub(super) w: &'static Words,
    pub(super) lang: Lang,
    pub(super) live: &'a Live,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) operations: &'a dyn Operations,
    pub(super) metrics: &'a Metrics,
    pub(super) config: &'a Config,
    pub(super) now: Timestamp,
}

/// Where a page stands in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Providers,
    Desks,
    Migrations,
    Shadows,
    Sessions,
    DeadLetters,
    Reloads,
    Nowhere,
}

/// The inside of a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) main: Markup,
}

/// A page for whoever is logged in.
pub(super) fn page(view: &View<'_>, frame: Frame) -> Markup {
    let w = view.w;
    let notice = view.live.take();
    html! {
        (DOCTYPE)
        html lang=(view.lang.code()) {
            (head(w, &frame.title))
            body {
                a.skip href="#main" { (w.skip) }
                div.shell {
                    header.side {
                        a.brand href="/console/" { (parts::mark()) span { (w.product) } }
                        nav aria-label=(w.navigation) {
                            ul {
                                @for (section, href, name) in entries(w) {
                                    li {
                                        a href=(href) aria-current=[(section == frame.section).then_some("page")] {
                                            (parts::glyph(section)) span { (name) }
                                        }
                                    }
                                }
                            }
                        }
                        div.foot {
                            (switch(view.lang, view.path, view.query))
                            form method="post" action="/console/logout" {
                                (parts::csrf(view))
                                button.plain type="submit" { (w.log_out) }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        @if let Some(notice) = &notice { (parts::notice(notice)) }
                        (frame.main)
                        p.asof {
                            (fill(w.as_of, &[&parts::clock(view.now)])) " · "
                            a href=(again(view)) { (w.refresh) }
                        }
                    }
                }
            }
        }
    }
}

/// The same page once more.
fn again(view: &View<'_>) -> String {
    match view.query {
        Some(query) => format!("{}?{query}", view.path),
        None => view.path.to_owned(),
    }
}

/// A page for everybody.
pub(super) fn bare(lang: Lang, path: &str, frame: &Frame) -> Markup {
    let w = lang.words();
    html! {
        (DOCTYPE)
        html lang=(lang.code()) {
            (head(w, &frame.title))
            body.bare {
                main #main {
                    (frame.main)
                    div.foot { (switch(lang, path, None)) }
                }
            }
        }
    }
}

fn head(w: &Words, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · " (w.product) }
            link rel="stylesheet" href=(format!("/console/style.css?v={}", *STYLE_TAG));
            link rel="icon" type="image/svg+xml" href="/console/icon.svg";
        }
    }
}

fn entries(w: &Words) -> [(Section, &'static str, &'static str); 8] {
    [
        (Section::Overview, "/console/", w.overview),
        (Section::Providers, "/console/providers", w.providers),
        (Section::Desks, "/console/desks", w.desks),
        (Section::Migrations, "/console/migrations", w.migrations),
        (Section::Shadows, "/console/shadows", w.shadows),
        (Section::Sessions, "/console/sessions", w.sessions),
        (
            Section::DeadLetters,
            "/console/dead-letters",
            w.dead_letters,
        ),
        (Section::Reloads, "/console/reloads", w.reloads),
    ]
}

/// The other language, for the same page.
fn switch(lang: Lang, path: &str, query: Option<&str>) -> Markup {
    let (other, name) = lang.other();
    let more = query.map(|query| format!("&{query}")).unwrap_or_default();
    let href = format!("{path}?lang={}{more}", other.code());
    html! { a.lang href=(href) lang=(other.code()) hreflang=(other.code()) data-testid="language" { (name) } }
}

/// A path of the console, whatever was asked for.
pub(super) fn within(to: &str) -> String {
    let fits = to.starts_with("/console/")
        && !to.starts_with("/console/log")
        && !to.contains("//")
        && to
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if fits {
        to.to_owned()
    } else {
        "/console/".to_owned()
    }
}

/// A value in a path or in the part behind its question mark.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The two files that pages name.
pub(super) fn asset(asset: Asset) -> Response<Body> {
    let (kind, text, life) = match asset {
        // Its address changes with its text.
        Asset::Style => (
            "text/css; charset=utf-8",
            STYLE,
            "public, max-age=31536000, immutable",
        ),
        Asset::Icon => ("image/svg+xml", ICON, "public, max-age=86400"),
    };
    let mut answer = respond::typed(StatusCode::OK, kind, text);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(life));
    answer
}

static STYLE_TAG: LazyLock<String> = LazyLock::new(|| {
    let hash = Sha256::digest(STYLE);
    hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
});
const STYLE: &str = include_str!("../assets/console/style.css");
const ICON: &str = include_str!("../assets/console/icon.svg");
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'.');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_pages_of_ours_alone() {
        for (to, expected) in [
            ("/console/desks?x=%2F", "/console/desks?x=%2F"),
            ("https://evil.example/console/", "/console/"),
            ("//evil.example", "/console/"),
            ("/console//evil.example", "/console/"),
            ("/console/\\evil.example", "/console/"),
            ("/console/a\r\nset-cookie: x", "/console/"),
            ("/console/login", "/console/"),
            ("/admin/v1/providers", "/console/"),
            ("", "/console/"),
        ] {
            assert_eq!(within(to), expected, "{to:?}");
        }
    }

    #[test]
    fn a_page_names_nothing_from_elsewhere() {
        for text in [STYLE, ICON] {
            for bad in ["http:", "https:", "@import", "url(", "//"] {
                let found = text.replace("http://www.w3.org/2000/svg", "").contains(bad);
                assert!(!found, "{bad}");
            }
        }
    }
}
