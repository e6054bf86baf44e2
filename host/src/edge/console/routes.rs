//! The paths of the operators' pages, as one table.
//!
//! Owns which path is which page, and whether it takes a form. Deliberately
//! stands beside the admin API's table: pages are for people, and no part of
//! what is promised to programs.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::edge::routes::parameter;

/// A page, or what its form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    LogIn,
    LogOut,
    Overview,
    Providers,
    Provider,
    Pause,
    Resume,
    ReloadProvider,
    RollBack,
    Desks,
    Desk,
    Weights,
    Explain,
    Migrations,
    Migration,
    Start,
    Advance,
    Hold,
    TakeBack,
    Shadows,
    Sessions,
    Session,
    Reloads,
    Reload,
    DeadLetters,
    Replay,
}

/// What is served to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asset {
    Style,
    Icon,
}

/// What a page offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Page,
    Form,
    Both,
}

#[rustfmt::skip]
const ROUTES: &[(&str, Offer, Place)] = &[
    ("/console/login", Offer::Both, Place::LogIn),
    ("/console/logout", Offer::Form, Place::LogOut),
    ("/console/", Offer::Page, Place::Overview),
    ("/console/providers", Offer::Page, Place::Providers),
    ("/console/providers/{provider}", Offer::Page, Place::Provider),
    ("/console/providers/{provider}/pause", Offer::Both, Place::Pause),
    ("/console/providers/{provider}/resume", Offer::Both, Place::Resume),
    ("/console/providers/{provider}/reload", Offer::Both, Place::ReloadProvider),
    ("/console/providers/{provider}/rollback", Offer::Both, Place::RollBack),
    ("/console/desks", Offer::Page, Place::Desks),
    ("/console/desks/{desk}", Offer::Page, Place::Desk),
    ("/console/desks/{desk}/weights", Offer::Both, Place::Weights),
    ("/console/desks/{desk}/explain", Offer::Page, Place::Explain),
    ("/console/migrations", Offer::Page, Place::Migrations),
    ("/console/migrations/{migration}", Offer::Page, Place::Migration),
    ("/console/migrations/{migration}/start", Offer::Both, Place::Start),
    ("/console/migrations/{migration}/advance", Offer::Both, Place::Advance),
    ("/console/migrations/{migration}/pause", Offer::Both, Place::Hold),
    ("/console/migrations/{migration}/rollback", Offer::Both, Place::TakeBack),
    ("/console/shadows", Offer::Page, Place::Shadows),
    ("/console/sessions", Offer::Page, Place::Sessions),
    ("/console/sessions/{session}", Offer::Page, Place::Session),
    ("/console/reloads", Offer::Page, Place::Reloads),
    ("/console/reload", Offer::Both, Place::Reload),
    ("/console/dead-letters", Offer::Page, Place::DeadLetters),
    ("/console/dead-letters/{letter}/replay", Offer::Both, Place::Replay),
];

/// Where a request leads.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// To the console without the slash at its end.
    Here,
    Asset(Asset),
    /// To a page, with the parameter in its path, decoded.
    Page(Place, String),
    /// To a path that offers these methods instead.
    OtherMethods(&'static str),
    Nothing,
}

/// Looks a request up, with the pattern of its path for metrics.
pub(super) fn find(method: &Method, path: &str) -> (&'static str, Found) {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let only_read = |found| {
        if reads {
            found
        } else {
            Found::OtherMethods("GET, HEAD")
        }
    };
    match path {
        "/console" => return ("/console", only_read(Found::Here)),
        "/console/style.css" => {
            return ("/console/style.css", only_read(Found::Asset(Asset::Style)));
        }
        "/console/icon.svg" => return ("/console/icon.svg", only_read(Found::Asset(Asset::Icon))),
        _ => {}
    }
    let found = ROUTES
        .iter()
        .find_map(|route| Some((route, parameter(route.0, path)?)));
    let Some(((pattern, offer, place), id)) = found else {
        return ("none", Found::Nothing);
    };
    let found = match offer {
        Offer::Page if !reads => Found::OtherMethods("GET, HEAD"),
        Offer::Form if method != Method::POST => Found::OtherMethods("POST"),
        Offer::Both if !reads && method != Method::POST => Found::OtherMethods("GET, HEAD, POST"),
        _ => match percent_decode_str(id).decode_utf8() {
            Ok(id) => Found::Page(*place, id.into_owned()),
            Err(_) => Found::Nothing,
        },
    };
    (pattern, found)
}

/// Every path that shows a page, for tests that go through all of them.
#[cfg(test)]
pub(super) fn pages() -> impl Iterator<Item = &'static str> {
    let shown = ROUTES.iter().filter(|route| route.1 != Offer::Form);
    shown.map(|route| route.0)
}

/// Every path that takes a form.
#[cfg(test)]
pub(super) fn forms() -> impl Iterator<Item = &'static str> {
    let taken = ROUTES.iter().filter(|route| route.1 != Offer::Page);
    taken.map(|route| route.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_page() {
        for (method, path, expected) in [
            (Method::GET, "/console", Found::Here),
            (
                Method::GET,
                "/console/",
                Found::Page(Place::Overview, String::new()),
            ),
            (
                Method::HEAD,
                "/console/desks/a%2Fb",
                Found::Page(Place::Desk, "a/b".into()),
            ),
            (
                Method::POST,
                "/console/providers/x/pause",
                Found::Page(Place::Pause, "x".into()),
            ),
            (
                Method::POST,
                "/console/desks",
                Found::OtherMethods("GET, HEAD"),
            ),
            (Method::GET, "/console/logout", Found::OtherMethods("POST")),
            (
                Method::PUT,
                "/console/reload",
                Found::OtherMethods("GET, HEAD, POST"),
            ),
            (
                Method::POST,
                "/console/style.css",
                Found::OtherMethods("GET, HEAD"),
            ),
            (Method::GET, "/console/desks/%ff", Found::Nothing),
            (Method::GET, "/console/desks/", Found::Nothing),
            (Method::GET, "/console//", Found::Nothing),
        ] {
            assert_eq!(find(&method, path).1, expected, "{method} {path}");
        }
    }
}
