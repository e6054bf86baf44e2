//! The operators' pages, under `/console/`.
//!
//! Owns the way of a request to a page: language, log-in, form, answer.
//! Deliberately decides nothing about the gateway: what a page shows comes from
//! [`Operations`], and what a button does is one command of it. Invariants:
//! nothing but the log-in is shown to whoever has not logged in; nothing
//! changes but by a form that this session was given; every page works without
//! scripts, and none asks anybody else for anything.
//!
//! | module | what it owns |
//! |---|---|
//! | `routes` | the paths, as one table |
//! | `session` | who is logged in |
//! | `gate` | how often a token may be guessed |
//! | `cookies` | what the browser remembers |
//! | `form` | what a form carries, and whether it is ours |
//! | `words` | every word, in Chinese and English |
//! | `layout` | the frame of every page |
//! | `parts` | the pieces that pages are made of |

//! | `chart` | lines over time, as SVG |
//! | `pages` | one module a page |

mod chart;
mod cookies;
mod form;
mod gate;
mod layout;
mod pages;
mod parts;
mod routes;
mod session;
mod words;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, RETRY_AFTER, SET_COOKIE},
    request::Parts as Head,
};
use hyper::body::Incoming;
use kefu_core::{
    config::Config,
    problem::{Problem, Slug},
};

use self::{
    form::Form,
    gate::Gate,
    layout::{Frame, View},
    routes::{Found, Place},
    session::{Live, Notice, Sessions},
    words::Lang,
};
use super::{
    body::Body,
    operations::{Commanded, Operations},
    peer, query, respond,
};
use crate::telemetry::Metrics;

/// The operators' pages.
pub(super) struct Console {
    config: Arc<ArcSwap<Config>>,
    operations: Arc<dyn Operations>,
    metrics: Metrics,
    sessions: Sessions,
    gate: Gate,
}

/// A request, as far as every page needs it.
struct Asked {
    path: String,
    query: Option<String>,
    lang: Lang,
    /// The browser reaches the gateway by https.
    secure: bool,
    headers: HeaderMap,
    client: SocketAddr,
}

/// What a form did.
enum Done {
    /// It is over: the next page, and what it says.
    Now(String, Notice),
    /// It goes on; whatever comes of it is told on the next page.
    Later(String, Commanded, fn(&serde_json::Value) -> Notice),
}

impl Console {
    /// Over what it shows.
    pub(super) fn new(
        config: Arc<ArcSwap<Config>>,
        operations: Arc<dyn Operations>,
        metrics: Metrics,
    ) -> Self {
        Self {
            config,
            operations,
            metrics,
            sessions: Sessions::default(),
            gate: Gate::default(),
        }
    }

    /// Whether a path is one of these pages.
    pub(super) fn owns(path: &str) -> bool {
        path == "/console" || path.starts_with("/console/")
    }

    /// How long a request may take: a form may wait for plug-ins.
    pub(super) fn limit(method: &Method) -> Option<Duration> {
        (method == Method::POST).then_some(COMMAND_LIMIT + COMMAND_MARGIN)
    }

    /// Answers; with the pattern of the path, for metrics.
    pub(super) async fn answer(
        self: Arc<Self>,
        head: Head,
        body: Incoming,
        peer: SocketAddr,
    ) -> (&'static str, Response<Body>) {
        let asked = self.asked(&head, peer);
        let (pattern, found) = routes::find(&head.method, &asked.path);
        let mut answer = match found {
            Found::Asset(asset) => layout::asset(asset),
            found => self.page(&head, asked, found, body).await,
        };
        protect(answer.headers_mut());
        (pattern, answer)
    }

    async fn page(
        self: Arc<Self>,
        head: &Head,
        asked: Asked,
        found: Found,
        body: Incoming,
    ) -> Response<Body> {
        if head.method != Method::POST
            && let Some(lang) = query::value(asked.query.as_deref(), "lang")
        {
            return asked.switch(Lang::named(&lang));
        }
        let now = Instant::now();
        let token = session::fingerprint(&self.config.load().main.admin.token);
        let live = cookies::value(&asked.headers, cookies::SESSION)
            .and_then(|id| self.sessions.find(&id, &token, now));
        let (place, id) = match (found, &live) {
            (Found::Page(Place::LogIn, _), _) if head.method == Method::POST => {
                return self.log_in(asked, body, now).await;
            }
            (Found::Page(Place::LogIn, _), None) => {
                return asked.bare(
                    StatusCode::OK,
                    &pages::login::page(&asked.back(), None, asked.lang),
                );
            }
            (Found::Page(Place::LogIn, _), Some(_)) => return see_other(&asked.back()),
            (Found::Here, _) => return see_other("/console/"),
            (_, None) => return asked.to_log_in(&head.method),
            (Found::Page(place, id), Some(_)) => (place, id),
            (found, Some(live)) => return self.nowhere(asked, live.clone(), &head.method, found),
        };
        let Some(live) = live else {
            return asked.to_log_in(&head.method);
        };
        if head.method == Method::POST {
            return self.act(asked, live, place, id, body).await;
        }
        self.show(asked, live, place, id).await
    }

    /// A page, built where it may wait for disks.
    async fn show(
        self: Arc<Self>,
        asked: Asked,
        live: Arc<Live>,
        place: Place,
        id: String,
    ) -> Response<Body> {
        let built = tokio::task::spawn_blocking(move || {
            let config = self.config.load();
            let view = self.view(&asked, &live, &config);
            match pages::show(&view, place, &id) {
                Ok(frame) => asked.framed(StatusCode::OK, &view, frame),
                Err(problem) => asked.refused(&view, &problem),
            }
        });
        built.await.unwrap_or_else(|error| broke(&error))
    }

    /// What a form asks for.
    async fn act(
        self: Arc<Self>,
        asked: Asked,
        live: Arc<Live>,
        place: Place,
        id: String,
        body: Incoming,
    ) -> Response<Body> {
        let form = match form::read(&asked.headers, body).await {
            Ok(form) => form,
            Err(problem) => return self.refuse(&asked, &live, &problem),
        };
        if let Err(problem) = form::is_ours(&asked.headers, &form, &live) {
            tracing::warn!(client = %asked.client, path = asked.path, "a form that is not ours");
            return self.refuse(&asked, &live, &problem);
        }
        if place == Place::LogOut {
            self.sessions.end(&live);
            return asked.forget(see_other("/console/login"));
        }
        let (this, whose) = (Arc::clone(&self), Arc::clone(&live));
        let lang = asked.lang;
        let began = tokio::task::spawn_blocking(move || {
            let config = this.config.load();
            pages::act(&*this.operations, &config, lang, place, &id, &form, &whose)
        });
        match began.await {
            Ok(Ok(done)) => {
                let (to, notice) = told(done, lang).await;
                live.leave(notice);
                see_other(&to)
            }
            Ok(Err(problem)) => self.refuse(&asked, &live, &problem),
            Err(error) => broke(&error),
        }
    }

    async fn log_in(self: Arc<Self>, asked: Asked, body: Incoming, now: Instant) -> Response<Body> {
        let bare = |status, reason: &'static str, to: &str| {
            asked.bare(status, &pages::login::page(to, Some(reason), asked.lang))
        };
        let w = asked.lang.words();
        let form = match form::read(&asked.headers, body).await {
            Ok(form) => form,
            Err(problem) => return bare(status_of(&problem), w.login_unreadable, "/console/"),
        };
        let to = layout::within(form.value("to").unwrap_or_default());
        if form::is_from_here(&asked.headers).is_err() {
            return bare(StatusCode::FORBIDDEN, w.login_elsewhere, &to);
        }
        if let Err(wait) = self.gate.may_try(asked.client.ip(), now) {
            let mut answer = bare(StatusCode::TOO_MANY_REQUESTS, w.login_wait, &to);
            let seconds = wait.as_secs() + 1;
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
            return answer;
        }
        let config = self.config.load();
        let token = &config.main.admin.token;
        if !token.matches(form.value("token").map(str::trim)) {
            self.gate.failed(asked.client.ip(), now);
            tracing::warn!(client = %asked.client, "a wrong token at the operators' pages");
            return bare(StatusCode::UNAUTHORIZED, w.login_wrong, &to);
        }
        self.gate.succeeded(asked.client.ip());
        let Some(id) = self.sessions.begin(session::fingerprint(token), now) else {
            return bare(StatusCode::SERVICE_UNAVAILABLE, w.login_unreadable, &to);
        };
        tracing::info!(client = %asked.client, "an operator logged in");
        let mut answer = see_other(&to);
        let cookie = cookies::session(&id, session::LIFE, asked.secure);
        set_cookie(&mut answer, &cookie);
        answer
    }

    fn nowhere(
        &self,
        asked: Asked,
        live: Arc<Live>,
        method: &Method,
        found: Found,
    ) -> Response<Body> {
        let Found::OtherMethods(allow) = found else {
            let problem = Problem::new(Slug::NotFound, "nothing is at this path");
            return self.refuse(&asked, &live, &problem);
        };
        let detail = format!("{method} is not offered here; {allow} is");
        let problem = Problem::new(Slug::MethodNotAllowed, detail);
        let mut answer = self.refuse(&asked, &live, &problem);
        respond::set(answer.headers_mut(), ALLOW, allow);
        answer
    }

    fn refuse(&self, asked: &Asked, live: &Arc<Live>, problem: &Problem) -> Response<Body> {
        let config = self.config.load();
        asked.refused(&self.view(asked, live, &config), problem)
    }

    fn view<'a>(&'a self, asked: &'a Asked, live: &'a Live, config: &'a Config) -> View<'a> {
        View {
            w: asked.lang.words(),
            lang: asked.lang,
            live,
            path: &asked.path,
            query: asked.query.as_deref(),
            operations: &*self.operations,
            metrics: &self.metrics,
            config,
            now: crate::clock::now(),
        }
    }

    fn asked(&self, head: &Head, peer: SocketAddr) -> Asked {
        let config = self.config.load();
        let server = &config.main.server;
        let proxied = server.trusts(peer.ip());
        let scheme = head.headers.get("x-forwarded-proto");
        let secure =
            proxied && scheme.is_some_and(|scheme| scheme.as_bytes().starts_with(b"https"));
        let chosen = cookies::value(&head.headers, cookies::LANG);
        Asked {
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            lang: chosen
                .map(|name| Lang::named(&name))
                .unwrap_or_else(|| Lang::accepted(&head.headers)),
            secure,
            headers: head.headers.clone(),
            client: peer::client(server, peer, &head.headers),
        }
    }
}

impl Asked {
    /// Remembers a language and comes back.
    fn switch(&self, lang: Lang) -> Response<Body> {
        let pairs = query::pairs(self.query.as_deref().unwrap_or_default());
        let rest: Vec<String> = pairs
            .filter(|(key, _)| key != "lang")
            .map(|(key, value)| format!("{}={}", layout::encoded(&key), layout::encoded(&value)))
            .collect();
        let mut to = self.path.clone();
        if !rest.is_empty() {
            to = format!("{to}?{}", rest.join("&"));
        }
        let mut answer = see_other(&to);
        set_cookie(&mut answer, &cookies::language(lang.code(), self.secure));
        answer
    }

    /// Where the log-in leads to.
    fn back(&self) -> String {
        let to = query::value(self.query.as_deref(), "to");
        layout::within(to.as_deref().unwrap_or_default())
    }

    fn to_log_in(&self, method: &Method) -> Response<Body> {
        // What a form wanted is lost: it is not done without its session.
        let to = match (method, &self.query) {
            (&Method::GET, Some(query)) => format!("{}?{query}", self.path),
            (&Method::GET, None) => self.path.clone(),
            _ => "/console/".to_owned(),
        };
        let answer = see_other(&format!("/console/login?to={}", layout::encoded(&to)));
        match cookies::value(&self.headers, cookies::SESSION) {
            Some(_) => self.forget(answer),
            None => answer,
        }
    }

    fn forget(&self, mut answer: Response<Body>) -> Response<Body> {
        set_cookie(
            &mut answer,
            &cookies::session("", Duration::ZERO, self.secure),
        );
        answer
    }

    fn framed(&self, status: StatusCode, view: &View<'_>, frame: Frame) -> Response<Body> {
        html(status, layout::page(view, frame))
    }

    fn bare(&self, status: StatusCode, main: &Frame) -> Response<Body> {
        html(status, layout::bare(self.lang, &self.path, main))
    }

    /// A refusal as a page.
    fn refused(&self, view: &View<'_>, problem: &Problem) -> Response<Body> {
        let mut answer = self.framed(
            status_of(problem),
            view,
            pages::problem::page(view, problem),
        );
        if let Some(seconds) = problem.retry_after_seconds {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

/// Waits for what a form began, within reason.
async fn told(done: Done, lang: Lang) -> (String, Notice) {
    let (to, commanded, word) = match done {
        Done::Now(to, notice) => return (to, notice),
        Done::Later(to, commanded, word) => (to, commanded, word),
    };
    let notice = match tokio::time::timeout(COMMAND_LIMIT, commanded).await {
        Ok(Ok(report)) => word(&report),
        Ok(Err(problem)) => pages::problem::notice(&problem),
        Err(_) => Notice::doubtful(lang.words().still_under_way),
    };
    (to, notice)
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.slug.status()).unwrap_or(StatusCode::BAD_REQUEST)
}

fn broke(error: &tokio::task::JoinError) -> Response<Body> {
    tracing::error!(%error, "an operators' page broke");
    respond::problem(&Problem::new(Slug::Overloaded, "the page broke"))
}

fn html(status: StatusCode, page: maud::Markup) -> Response<Body> {
    respond::typed(status, "text/html; charset=utf-8", page.into_string())
}

fn see_other(path: &str) -> Response<Body> {
    let mut answer = respond::empty(StatusCode::SEE_OTHER);
    respond::set(answer.headers_mut(), LOCATION, path);
    answer
}

fn set_cookie(answer: &mut Response<Body>, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// What keeps a page from being used by others.
fn protect(headers: &mut HeaderMap) {
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    // A form's `Origin` would be `null` under the policy of the other answers.
    headers.insert(
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("x-frame-options"),
        HeaderValue::from_static("DENY"),
    );
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// How long a form waits for what it began.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
const COMMAND_MARGIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
