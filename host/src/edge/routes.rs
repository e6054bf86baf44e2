//! The paths of the public listener, as one table.
//!
//! Owns which path and method is which call. Deliberately answers nothing.
//! Invariant: every row stands in the OpenAPI document, and nothing else does;
//! a test compares them.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// A call of the public listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST /v1/sessions`
    OpenSession,
    /// `GET /v1/sessions`
    ListSessions,
    /// `GET /v1/sessions/{session}`
    ShowSession,
    /// `POST /v1/sessions/{session}/messages`
    SendMessage,
    /// `POST /v1/sessions/{session}/human`
    AskForHuman,
    /// `POST /v1/sessions/{session}/evaluation`
    Evaluate,
    /// `POST /v1/sessions/{session}/leave-message`
    LeaveMessage,
    /// `POST /v1/sessions/{session}/exit`
    Exit,
    /// `POST /v1/sessions/{session}/typing`
    Typing,
    /// `POST /v1/sessions/{session}/read`
    Read,
    /// `PATCH /v1/sessions/{session}/visitor`
    ChangeProfile,
    /// `GET /v1/sessions/{session}/events`
    SessionEvents,
    /// `GET /v1/events`
    AllEvents,
    /// `POST /v1/media`
    UploadMedia,
    /// `GET /v1/media/{media}`
    DownloadMedia,
    /// `GET /v1/desks/{desk}`
    ShowDesk,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /widget.js`
    Widget,
    /// `POST /user/getToken.json`
    MintToken,
    /// Any method on `/v1/callbacks/{provider}` and below.
    Callback,
}

/// A path and what it offers.
pub(crate) struct Route {
    /// With its parameters in braces.
    pub(crate) pattern: &'static str,
    /// Method and call; `*` is any method.
    pub(crate) calls: &'static [(&'static str, Call)],
    /// For the `Allow` header.
    allow: &'static str,
}

/// Every route.
pub(crate) const ROUTES: &[Route] = &[
    Route {
        pattern: "/v1/sessions/{session}/messages",
        calls: &[("POST", Call::SendMessage)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/events",
        calls: &[("GET", Call::SessionEvents)],
        allow: "GET, OPTIONS",
    },
    Route {
        pattern: "/v1/callbacks/{provider}",
        calls: &[("*", Call::Callback)],
        allow: "",
    },
    Route {
        pattern: "/v1/callbacks/{provider}/{rest}",
        calls: &[("*", Call::Callback)],
        allow: "",
    },
    Route {
        pattern: "/v1/sessions",
        calls: &[("GET", Call::ListSessions), ("POST", Call::OpenSession)],
        allow: "GET, POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}",
        calls: &[("GET", Call::ShowSession)],
        allow: "GET, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/human",
        calls: &[("POST", Call::AskForHuman)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/evaluation",
        calls: &[("POST", Call::Evaluate)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/leave-message",
        calls: &[("POST", Call::LeaveMessage)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/exit",
        calls: &[("POST", Call::Exit)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/typing",
        calls: &[("POST", Call::Typing)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/read",
        calls: &[("POST", Call::Read)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/sessions/{session}/visitor",
        calls: &[("PATCH", Call::ChangeProfile)],
        allow: "PATCH, OPTIONS",
    },
    Route {
        pattern: "/v1/events",
        calls: &[("GET", Call::AllEvents)],
        allow: "GET, OPTIONS",
    },
    Route {
        pattern: "/v1/media",
        calls: &[("POST", Call::UploadMedia)],
        allow: "POST, OPTIONS",
    },
    Route {
        pattern: "/v1/media/{media}",
        calls: &[("GET", Call::DownloadMedia)],
        allow: "GET, HEAD, OPTIONS",
    },
    Route {
        pattern: "/v1/desks/{desk}",
        calls: &[("GET", Call::ShowDesk)],
        allow: "GET, OPTIONS",
    },
    Route {
        pattern: "/openapi.json",
        calls: &[("GET", Call::OpenApi)],
        allow: "GET, HEAD, OPTIONS",
    },
    Route {
        pattern: "/widget.js",
        calls: &[("GET", Call::Widget)],
        allow: "GET, HEAD, OPTIONS",
    },
    Route {
        pattern: "/user/getToken.json",
        calls: &[("POST", Call::MintToken)],
        allow: "POST, OPTIONS",
    },
];

/// Where a request leads.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'a> {
    /// To a call.
    Call {
        /// Which.
        call: Call,
        /// The pattern, for metrics.
        pattern: &'static str,
        /// The parameter in the path, decoded; empty if it has none.
        id: Cow<'a, str>,
    },
    /// To a path that does not offer this method.
    OtherMethods {
        /// The pattern, for metrics.
        pattern: &'static str,
        /// What it offers.
        allow: &'static str,
    },
    /// Nowhere.
    Nothing,
}

/// Looks a request up. `HEAD` counts as `GET`.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    for route in ROUTES {
        let Some(id) = parameter(route.pattern, path) else {
            continue;
        };
        let method = match method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        let call = route
            .calls
            .iter()
            .find(|(offered, _)| *offered == method || *offered == "*");
        // A parameter that is not text is no thing of ours.
        let Ok(id) = percent_decode_str(id).decode_utf8() else {
            return Found::Nothing;
        };
        return match call {
            Some((_, call)) => Found::Call {
                call: *call,
                pattern: route.pattern,
                id,
            },
            None => Found::OtherMethods {
                pattern: route.pattern,
                allow: route.allow,
            },
        };
    }
    Found::Nothing
}

/// The first parameter of a pattern in a path that matches it; empty where the
/// pattern has none. `{rest}` takes everything that is left.
pub(super) fn parameter<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let mut found = "";
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted == "{rest}" {
            return Some(found);
        }
        if wanted.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            found = segment;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: Method, path: &str) -> Option<(Call, String)> {
        match find(&method, path) {
            Found::Call { call, id, .. } => Some((call, id.into_owned())),
            _ => None,
        }
    }

    #[test]
    fn a_path_leads_to_its_call_with_its_parameter() {
        assert_eq!(
            call(Method::POST, "/v1/sessions/s1/messages"),
            Some((Call::SendMessage, "s1".into()))
        );
        assert_eq!(
            call(Method::GET, "/v1/sessions"),
            Some((Call::ListSessions, String::new()))
        );
        assert_eq!(
            call(Method::GET, "/v1/desks/%E5%94%AE%E5%90%8E"),
            Some((Call::ShowDesk, "售后".into()))
        );
        assert_eq!(
            call(Method::HEAD, "/widget.js"),
            Some((Call::Widget, String::new()))
        );
    }

    #[test]
    fn callbacks_take_every_method_and_every_path_below() {
        for path in [
            "/v1/callbacks/zhichi",
            "/v1/callbacks/zhichi/",
            "/v1/callbacks/zhichi/a/b//c",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                assert_eq!(
                    call(method, path),
                    Some((Call::Callback, "zhichi".into())),
                    "{path}"
                );
            }
        }
        assert_eq!(find(&Method::GET, "/v1/callbacks/"), Found::Nothing);
    }

    #[test]
    fn a_known_path_names_its_methods() {
        let Found::OtherMethods { allow, .. } = find(&Method::DELETE, "/v1/sessions") else {
            panic!("DELETE is not offered");
        };
        assert_eq!(allow, "GET, POST, OPTIONS");
    }

    #[test]
    fn an_unknown_path_leads_nowhere() {
        for path in [
            "/",
            "",
            "/v1",
            "/v1/sessions/",
            "/v1/sessions//messages",
            "/v1/sessions/s1/messages/",
            "/v2/sessions",
            "/v1/desks/%ff",
        ] {
            assert_eq!(find(&Method::GET, path), Found::Nothing, "{path:?}");
        }
    }

    #[test]
    fn every_route_says_what_it_allows() {
        for route in ROUTES {
            for (method, _) in route.calls {
                let said = route.allow.split(", ").any(|allowed| allowed == *method);
                assert!(said || *method == "*", "{} {method}", route.pattern);
            }
        }
    }
}
