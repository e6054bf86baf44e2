//! The paths of the operators' listener, as one table.
//!
//! Owns which path and method is which call, and who may come in. Invariant:
//! every row stands in the OpenAPI document, and nothing else does; a test
//! compares them.

use http::Method;
use kefu_core::migration::Command;
use percent_encoding::percent_decode_str;

use crate::edge::routes::parameter;

/// A call of the operators' listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Live,
    Ready,
    Metrics,
    OpenApi,
    Providers,
    Provider,
    ReloadProvider,
    RollBack,
    Pause,
    Resume,
    Reload,
    Reloads,
    Plugins,
    Desks,
    Sources,
    Explain,
    Figures,
    Weights,
    DeadLetters,
    Replay,
    Migrations,
    Migration,
    MigrationPlan,
    MigrationReport,
    Migrate(Command),
    Pushes,
    Sessions,
    Session,
    Trail,
    Shadows,
}

impl Call {
    /// Whether it is asked with a body.
    pub(super) fn has_body(self) -> bool {
        matches!(
            self,
            Self::ReloadProvider
                | Self::RollBack
                | Self::Pause
                | Self::Resume
                | Self::Reload
                | Self::Replay
                | Self::Explain
                | Self::Weights
                | Self::Migrate(_)
        )
    }

    /// Whether it is over only when a plug-in has been opened, or was not.
    pub(super) fn takes_its_time(self) -> bool {
        matches!(
            self,
            Self::ReloadProvider | Self::RollBack | Self::Reload | Self::Weights
        )
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Everybody.
    Open,
    /// Whoever has the token, and this machine without one.
    ThisMachine,
    /// Whoever has the token.
    Token,
}

/// A path and the one method that it offers.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// With its parameter in braces.
    pub(super) pattern: &'static str,
    pub(super) call: Call,
    pub(super) door: Door,
}

/// Every route.
#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    route("GET", "/livez", Call::Live, Door::Open),
    route("GET", "/readyz", Call::Ready, Door::Open),
    route("GET", "/metrics", Call::Metrics, Door::ThisMachine),
    route("GET", "/admin/openapi.json", Call::OpenApi, Door::Token),
    route("GET", "/admin/v1/providers", Call::Providers, Door::Token),
    route("GET", "/admin/v1/providers/{provider}", Call::Provider, Door::Token),
    route("POST", "/admin/v1/providers/{provider}/reload", Call::ReloadProvider, Door::Token),
    route("POST", "/admin/v1/providers/{provider}/rollback", Call::RollBack, Door::Token),
    route("POST", "/admin/v1/providers/{provider}/pause", Call::Pause, Door::Token),
    route("POST", "/admin/v1/providers/{provider}/resume", Call::Resume, Door::Token),
    route("POST", "/admin/v1/reload", Call::Reload, Door::Token),
    route("GET", "/admin/v1/reloads", Call::Reloads, Door::Token),
    route("GET", "/admin/v1/plugins", Call::Plugins, Door::Token),
    route("GET", "/admin/v1/desks", Call::Desks, Door::Token),
    route("GET", "/admin/v1/sources", Call::Sources, Door::Token),
    route("GET", "/admin/v1/figures", Call::Figures, Door::Token),
    route("POST", "/admin/v1/desks/{desk}/route", Call::Explain, Door::Token),
    route("PUT", "/admin/v1/desks/{desk}/weights", Call::Weights, Door::Token),
    route("GET", "/admin/v1/dead-letters", Call::DeadLetters, Door::Token),
    route("POST", "/admin/v1/dead-letters/{letter}/replay", Call::Replay, Door::Token),
    route("GET", "/admin/v1/migrations", Call::Migrations, Door::Token),
    route("GET", "/admin/v1/migrations/{migration}", Call::Migration, Door::Token),
    route("GET", "/admin/v1/migrations/{migration}/plan", Call::MigrationPlan, Door::Token),
    route("GET", "/admin/v1/migrations/{migration}/report", Call::MigrationReport, Door::Token),
    route("POST", "/admin/v1/migrations/{migration}/start", Call::Migrate(Command::Start), Door::Token),
    route("POST", "/admin/v1/migrations/{migration}/advance", Call::Migrate(Command::Advance), Door::Token),
    route("POST", "/admin/v1/migrations/{migration}/pause", Call::Migrate(Command::Pause), Door::Token),
    route("POST", "/admin/v1/migrations/{migration}/rollback", Call::Migrate(Command::Rollback), Door::Token),
    route("GET", "/admin/v1/pushes", Call::Pushes, Door::Token),
    route("GET", "/admin/v1/sessions", Call::Sessions, Door::Token),
    route("GET", "/admin/v1/sessions/{session}", Call::Session, Door::Token),
    route("GET", "/admin/v1/sessions/{session}/trail", Call::Trail, Door::Token),
    route("GET", "/admin/v1/shadows", Call::Shadows, Door::Token),
];

const fn route(method: &'static str, pattern: &'static str, call: Call, door: Door) -> Route {
    Route {
        method,
        pattern,
        call,
        door,
    }
}

/// Where a request leads.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// To a call, with the parameter in its path, decoded; empty if it has
    /// none.
    Call(Call, String),
    /// To a path that offers these methods instead.
    OtherMethods(&'static str),
    /// Nowhere.
    Nothing,
}

/// Looks a request up: the pattern of its route, for metrics, who may come in,
/// and where it leads. `HEAD` counts as `GET`.
pub(super) fn find(method: &Method, path: &str) -> (&'static str, Door, Found) {
    let found = ROUTES
        .iter()
        .find_map(|route| Some((route, parameter(route.pattern, path)?)));
    let Some((route, id)) = found else {
        return ("none", Door::Token, Found::Nothing);
    };
    let asked = match method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let found = if asked != route.method {
        Found::OtherMethods(if route.method == "GET" {
            "GET, HEAD"
        } else {
            route.method
        })
    } else {
        match percent_decode_str(id).decode_utf8() {
            Ok(id) => Found::Call(route.call, id.into_owned()),
            // A parameter that is not text is no thing of ours.
            Err(_) => Found::Nothing,
        }
    };
    (route.pattern, route.door, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> Found {
        find(&method, path).2
    }

    #[test]
    fn a_path_leads_to_its_call_with_its_provider() {
        assert_eq!(
            found(Method::POST, "/admin/v1/providers/zhichi/rollback"),
            Found::Call(Call::RollBack, "zhichi".into())
        );
        assert_eq!(
            found(Method::HEAD, "/admin/v1/providers/%E6%99%BA%E9%BD%BF"),
            Found::Call(Call::Provider, "智齿".into())
        );
    }

    #[test]
    fn a_known_path_names_its_methods() {
        let path = "/admin/v1/providers/zhichi/reload";
        assert_eq!(found(Method::GET, path), Found::OtherMethods("POST"));
        assert_eq!(
            found(Method::PUT, "/admin/v1/reloads"),
            Found::OtherMethods("GET, HEAD")
        );
    }

    #[test]
    fn an_unknown_path_leads_nowhere_and_wants_the_token() {
        for path in [
            "/",
            "/admin/v1",
            "/admin/v1/providers/",
            "/admin/v1/providers//reload",
            "/admin/v1/providers/zhichi/reload/",
            "/admin/v1/providers/%ff",
            "/admin/v2/providers",
            "/livez/",
        ] {
            let (_, door, found) = find(&Method::GET, path);
            assert_eq!((door, found), (Door::Token, Found::Nothing), "{path}");
        }
    }

    #[test]
    fn every_pattern_stands_in_the_table_once() {
        for (index, route) in ROUTES.iter().enumerate() {
            let again = ROUTES[..index].iter().any(|it| it.pattern == route.pattern);
            assert!(!again, "{}", route.pattern);
        }
    }
}
