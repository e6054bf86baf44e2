//! The way of a request through the public listener.
//!
//! Owns the order of things: route, origin, token, budget, call, common
//! headers. Deliberately holds no call itself. Invariant: every answer, refusal
//! or not, leaves through [`Edge::answer`].

use std::{future::Future, net::SocketAddr, sync::Arc, time::Instant};

use http::{Method, Request, Response, request::Parts as Head};
use hyper::body::Incoming;
use kefu_core::{
    config::{Config, Origins},
    problem::{Problem, Slug},
};
use tracing::Instrument;

use super::{
    Parts, auth,
    body::Body,
    callback,
    listener::{Answering, Handler},
    media, openapi,
    origin::{self, Caller},
    query,
    rate::Budgets,
    request_id::RequestIds,
    respond,
    routes::{self, Call, Found},
    token, visitor, widget,
};

/// Answers the requests of apps, browsers and vendors.
#[derive(Clone)]
pub struct Public(Arc<Edge>);

impl Public {
    /// From what it is made of.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Edge {
            parts,
            budgets: Budgets::default(),
            request_ids: RequestIds::default(),
        }))
    }
}

impl Handler for Public {
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Answering {
        let edge = Arc::clone(&self.0);
        Box::pin(async move { edge.answer(request, peer).await })
    }
}

/// The public listener's own state.
pub(crate) struct Edge {
    pub(crate) parts: Parts,
    pub(crate) budgets: Budgets,
    request_ids: RequestIds,
}

/// A request on its way.
pub(crate) struct Ask<'a> {
    pub(crate) edge: &'a Arc<Edge>,
    pub(crate) config: &'a Config,
    pub(crate) head: &'a Head,
    pub(crate) caller: &'a Caller,
    /// The parameter in the path.
    pub(crate) id: &'a str,
}

/// An answer, and whose origins decide who may read it.
pub(crate) struct Answered<'a> {
    pub(crate) result: Result<Response<Body>, Problem>,
    pub(crate) app: Option<&'a Origins>,
}

impl Answered<'_> {
    /// An answer that belongs to no app, or to nobody known.
    pub(crate) fn unowned(result: Result<Response<Body>, Problem>) -> Self {
        Self { result, app: None }
    }
}

impl Edge {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let request_id = self.request_ids.name(&head.headers);
        let path = head.uri.path().to_owned();
        let found = routes::find(&head.method, &path);
        let pattern = match &found {
            Found::Call { pattern, .. } | Found::OtherMethods { pattern, .. } => pattern,
            Found::Nothing => "none",
        };
        let span = tracing::debug_span!(
            "request",
            id = request_id.to_str().unwrap_or_default(),
            method = %head.method,
            route = pattern,
            traceparent = head
                .headers
                .get("traceparent")
                .and_then(|value| value.to_str().ok())
                .filter(|text| text.len() <= 128),
        );
        let method = method_name(&head.method);
        let mut answer = self.respond(found, head, body, peer).instrument(span).await;
        respond::add_common_headers(answer.headers_mut(), request_id);
        let status = answer.status().as_u16();
        self.parts
            .metrics
            .request_answered(pattern, method, status, started.elapsed());
        answer
    }

    async fn respond(
        self: &Arc<Self>,
        found: Found<'_>,
        head: Head,
        body: Incoming,
        peer: SocketAddr,
    ) -> Response<Body> {
        let config = self.parts.config.load_full();
        let caller = origin::caller(&head.headers, &self.parts.public_url);
        let (call, id) = match found {
            // Vendors decide themselves what their requests mean.
            Found::Call {
                call: Call::Callback,
                id,
                ..
            } => {
                let answer = callback::answer(self, &config, &id, &head, body, peer).await;
                return answer.unwrap_or_else(|problem| respond::problem(&problem));
            }
            Found::Nothing => {
                let nothing = Problem::new(Slug::NotFound, "nothing is at this path");
                let mut answer = respond::problem(&nothing);
                origin::mark(answer.headers_mut(), &caller, None, &config);
                return answer;
            }
            _ if head.method == Method::OPTIONS => return origin::preflight(&caller, &config),
            Found::OtherMethods { allow, .. } => {
                let mut answer = respond::method_not_allowed(head.method.as_str(), allow);
                origin::mark(answer.headers_mut(), &caller, None, &config);
                return answer;
            }
            Found::Call { call, id, .. } => (call, id),
        };
        let ask = Ask {
            edge: self,
            config: &config,
            head: &head,
            caller: &caller,
            id: &id,
        };
        let Answered { result, app } = ask.answer(call, body).await;
        let mut answer = result.unwrap_or_else(|problem| respond::problem(&problem));
        origin::mark(answer.headers_mut(), &caller, app, &config);
        answer
    }
}

impl<'a> Ask<'a> {
    async fn answer(&self, call: Call, body: Incoming) -> Answered<'a> {
        match call {
            Call::OpenApi => Answered::unowned(Ok(openapi::answer())),
            Call::Widget => Answered::unowned(Ok(widget::answer(&self.head.headers))),
            Call::MintToken => token::answer(self, body).await,
            Call::DownloadMedia => media::download(self).await,
            other => self.visitor(other, body).await,
        }
    }

    async fn visitor(&self, call: Call, body: Incoming) -> Answered<'a> {
        let identity = match self.authenticate(call) {
            Ok(identity) => identity,
            Err(problem) => return Answered::unowned(Err(problem)),
        };
        let app = self
            .config
            .main
            .apps
            .get(&identity.who.app)
            .map(|app| &app.origins);
        let origins = app.unwrap_or(&NOBODY);
        let result = match origin::check(self.caller, &self.head.method, origins)
            .and_then(|()| self.take_budget(&identity))
        {
            Ok(()) => visitor::answer(self, identity, call, body).await,
            Err(problem) => Err(problem),
        };
        Answered { result, app }
    }

    fn authenticate(&self, call: Call) -> Result<auth::Identity, Problem> {
        // Only where a browser cannot set headers.
        let in_query = matches!(call, Call::SessionEvents | Call::AllEvents)
            .then(|| query::value(self.head.uri.query(), "access_token"))
            .flatten();
        let token = auth::bearer(&self.head.headers, in_query.as_deref())?;
        auth::check(token, &self.config.main.apps)
    }

    fn take_budget(&self, identity: &auth::Identity) -> Result<(), Problem> {
        let limits = &self.config.main.limits;
        self.edge.budgets.take_request(
            &identity.who,
            limits.visitor_requests_per_second,
            limits.visitor_burst,
            Instant::now(),
        )
    }
}

/// The origins of an app that is not there.
static NOBODY: Origins = Origins::Listed(Vec::new());

/// Runs what must not be torn when the client goes away.
///
/// # Errors
/// The work's own, or `overloaded` if it broke.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let task = tokio::spawn(work.in_current_span());
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request broke");
        Err(Problem::new(
            Slug::Overloaded,
            "the request broke inside the gateway",
        ))
    })
}

/// A label of a closed list, whatever clients send.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
