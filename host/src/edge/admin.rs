//! The operators' listener: health, metrics, and what can be done about
//! providers.
//!
//! Owns who may ask what there. Deliberately decides nothing about providers:
//! every command becomes one question to [`Operations`]. Invariant: `/livez`
//! and `/readyz` are open, so that whatever supervises the gateway needs no
//! secret, and tell nothing that is one; `/metrics` takes the bearer token or a
//! connection from this machine; everything else takes the token, which is
//! looked at before the body is read. What is under `/console/` is a matter of
//! [`Console`], which knows people by their log-in instead.

mod explain;
mod figures;
mod health;
mod lists;
mod migrations;
mod openapi;
mod providers;
mod routes;
mod sessions;
pub(super) mod weights;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts as Head};
use hyper::body::Incoming;
use kefu_core::{
    config::Config,
    problem::{Problem, Slug},
};

use self::routes::{Call, Door, Found};
use super::{
    auth,
    body::{self, Body},
    console::Console,
    listener::{Answering, Handler, Shutdown},
    operations::{Commanded, Operations},
    public::method_name,
    request_id::RequestIds,
    respond,
};
use crate::telemetry::Metrics;

/// Answers operators.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    config: Arc<ArcSwap<Config>>,
    operations: Arc<dyn Operations>,
    metrics: Metrics,
    shutdown: Shutdown,
    request_ids: RequestIds,
    console: Arc<Console>,
}

/// A request that may be answered.
struct Asked {
    call: Call,
    /// The parameter in the path.
    id: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    /// Whether it has the token, or comes from this machine.
    trusted: bool,
}

/// What comes of a request.
enum Answered {
    Now(Response<Body>),
    /// When a command is over.
    Later(Commanded),
}

impl Admin {
    /// From what it reports about. `shutdown` makes it say that it is not
    /// ready any more.
    pub fn new(
        config: Arc<ArcSwap<Config>>,
        operations: Arc<dyn Operations>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        let console = Console::new(
            Arc::clone(&config),
            Arc::clone(&operations),
            metrics.clone(),
        );
        Self(Arc::new(Inner {
            config,
            operations,
            metrics,
            shutdown,
            request_ids: RequestIds::default(),
            console: Arc::new(console),
        }))
    }
}

impl Handler for Admin {
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Answering {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.answer(request, peer).await })
    }

    fn limit(&self, request: &Request<Incoming>) -> Option<Duration> {
        if Console::owns(request.uri().path()) {
            return Console::limit(request.method());
        }
        match routes::find(request.method(), request.uri().path()).2 {
            Found::Call(call, _) if call.takes_its_time() => Some(COMMAND_LIMIT + COMMAND_MARGIN),
            _ => None,
        }
    }
}

impl Inner {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let id = self.request_ids.name(&head.headers);
        let method = method_name(&head.method);
        let (pattern, mut answer) = if Console::owns(head.uri.path()) {
            let console = Arc::clone(&self.console);
            console.answer(head, body, peer).await
        } else {
            let (pattern, admitted) = self.admit(&head, peer);
            let answer = match admitted {
                Ok(asked) => self.clone().respond(asked, body).await,
                Err(refusal) => *refusal,
            };
            (pattern, answer)
        };
        respond::add_common_headers(answer.headers_mut(), id);
        let status = answer.status().as_u16();
        self.metrics
            .request_answered(pattern, method, status, started.elapsed());
        answer
    }

    /// Finds what is asked and whether whoever asks may; with the route's
    /// pattern, for metrics.
    fn admit(
        &self,
        head: &Head,
        peer: SocketAddr,
    ) -> (&'static str, Result<Asked, Box<Response<Body>>>) {
        let refuse = |problem| Err(Box::new(respond::problem(&problem)));
        let token = self.check_token(&head.headers);
        let trusted = token.is_ok() || peer.ip().to_canonical().is_loopback();
        let (pattern, door, found) = routes::find(&head.method, head.uri.path());
        let may = match door {
            Door::Open => Ok(()),
            Door::ThisMachine if trusted => Ok(()),
            Door::ThisMachine | Door::Token => token,
        };
        if let Err(problem) = may {
            return (pattern, refuse(problem));
        }
        let (call, id) = match found {
            Found::Call(call, id) => (call, id),
            Found::OtherMethods(allow) => {
                let answer = respond::method_not_allowed(head.method.as_str(), allow);
                return (pattern, Err(Box::new(answer)));
            }
            Found::Nothing => {
                let problem = Problem::new(Slug::NotFound, "nothing is at this path");
                return (pattern, refuse(problem));
            }
        };
        let asked = Asked {
            call,
            id,
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.clone(),
            body: Bytes::new(),
            trusted,
        };
        (pattern, Ok(asked))
    }

    /// Reads the body and does the work where it may wait for disks and
    /// adapters. Work that was begun is ended, even if whoever asked goes away.
    async fn respond(self: Arc<Self>, mut asked: Asked, body: Incoming) -> Response<Body> {
        if asked.call.has_body() {
            asked.body = match body::read_whole(body, MAX_BODY).await {
                Ok(body) => body,
                Err(problem) => return respond::problem(&problem),
            };
        }
        if asked.call == Call::Live {
            // Whatever keeps the other threads: the process lives.
            return health::live();
        }
        let work = tokio::task::spawn_blocking(move || self.perform(&asked));
        match work.await {
            Ok(Answered::Now(answer)) => answer,
            Ok(Answered::Later(commanded)) => providers::report(COMMAND_LIMIT, commanded).await,
            Err(error) => {
                tracing::error!(%error, "an operator's request broke");
                respond::problem(&Problem::new(Slug::Overloaded, "the request broke"))
            }
        }
    }

    fn perform(&self, asked: &Asked) -> Answered {
        let result = match asked.call {
            Call::Live => Ok(health::live()),
            Call::Ready => Ok(health::ready(self, asked.trusted)),
            Call::Metrics => Ok(self.metrics_page()),
            Call::OpenApi => Ok(openapi::answer()),
            Call::Providers => Ok(providers::list(self)),
            Call::Provider => providers::show(self, &asked.id),
            Call::ReloadProvider => return later(providers::reload(self, asked)),
            Call::RollBack => return later(providers::roll_back(self, asked)),
            Call::Reload => return later(providers::reload_all(self, asked)),
            Call::Pause => providers::set_paused(self, asked, true),
            Call::Resume => providers::set_paused(self, asked, false),
            Call::Reloads => lists::reloads(self, asked),
            Call::Plugins => lists::plugins(self),
            Call::Desks => Ok(lists::desks(self)),
            Call::Sources => Ok(lists::sources(self)),
            Call::Figures => figures::answer(self, asked),
            Call::Explain => explain::route(self, asked),
            Call::Weights => return later(weights::set(self, asked)),
            Call::DeadLetters => lists::dead_letters(self, asked),
            Call::Replay => return later(lists::replay(self, asked)),
            Call::Migrations => Ok(migrations::list(self)),
            Call::Migration => migrations::show(self, &asked.id),
            Call::MigrationPlan => migrations::plan(self, &asked.id),
            Call::MigrationReport => migrations::report(self, &asked.id),
            Call::Migrate(command) => migrations::command(self, asked, command),
            Call::Pushes => Ok(lists::pushes(self)),
            Call::Sessions => sessions::list(self, asked),
            Call::Session => sessions::show(self, asked),
            Call::Trail => sessions::trail(self, asked),
            Call::Shadows => Ok(sessions::shadows(self)),
        };
        Answered::Now(result.unwrap_or_else(|problem| respond::problem(&problem)))
    }

    fn metrics_page(&self) -> Response<Body> {
        let providers = self.operations.providers();
        let standings = providers.iter().map(|it| (&it.id, &it.standing));
        let config = self.config.load();
        self.metrics.desks_stand(|desk| config.desk(desk).is_some());
        let mapped = self.operations.mapped_copies();
        self.metrics.providers_stand(standings, mapped);
        let page = self.metrics.render();
        respond::typed(StatusCode::OK, Metrics::CONTENT_TYPE, page)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let token = auth::bearer(headers, None)?;
        if self.config.load().main.admin.token.matches(Some(token)) {
            return Ok(());
        }
        Err(Problem::new(
            Slug::Unauthenticated,
            "the token is not the admin token of this gateway",
        ))
    }
}

fn later(commanded: Result<Commanded, Problem>) -> Answered {
    match commanded {
        Ok(commanded) => Answered::Later(commanded),
        Err(problem) => Answered::Now(respond::problem(&problem)),
    }
}

/// How long a command that opens plug-ins is waited for: long enough for every
/// stage of a few of them, and less than whoever asks waits for an answer.
const COMMAND_LIMIT: Duration = Duration::from_secs(90);
/// What is left beside that for the rest of such a request.
const COMMAND_MARGIN: Duration = Duration::from_secs(10);
/// Commands are a few words.
const MAX_BODY: u64 = 16 * 1024;

#[cfg(test)]
pub(super) mod tests;
