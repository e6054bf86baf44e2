//! The accept loop: connections, their limits and their end.
//!
//! Owns sockets and HTTP/1 connections, the cap on their number, the time-outs
//! and the drain. Deliberately knows no paths: a [`Handler`] answers requests.
//! Invariant: [`serve`] returns only when every connection has ended or its
//! grace is over.

mod patience;

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use kefu_core::{
    config::ServerLimits,
    problem::{Problem, Slug},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use self::patience::Patient;
use super::{body::Body, respond};
use crate::telemetry::Metrics;

/// An answer on its way. Boxed, so that a waiting connection holds no room for
/// the largest of them.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Who answers the requests of a listener.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request. The future is dropped when the client goes away:
    /// work that must not be torn belongs into a task of its own.
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Answering;
}

/// What connections and requests of a listener may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest request head in bytes.
    pub max_header: u64,
    /// How long a client may take to send a request head.
    pub header_timeout: Duration,
    /// How long a request may take from its head to the head of the answer.
    pub request_timeout: Duration,
    /// Connections open at the same time; more wait in the backlog.
    pub max_connections: u32,
    /// How long connections may go on once the listener stops.
    pub shutdown_grace: Duration,
}

impl From<&ServerLimits> for Limits {
    fn from(limits: &ServerLimits) -> Self {
        Self {
            max_header: limits.max_header,
            header_timeout: limits.header_timeout,
            request_timeout: limits.request_timeout,
            max_connections: limits.max_connections,
            shutdown_grace: limits.shutdown_grace,
        }
    }
}

/// Says stop to every clone of the [`Shutdown`] it came with.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// Hears that the gateway stops. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A signal that has not been given yet. Dropping the trigger gives it too.
pub fn shutdown_signal() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the signal was given.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns once the signal was given.
    pub async fn stopping(&mut self) {
        // A trigger that is gone will never call; that is a stop as well.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// Accepts connections until the signal, then lets them finish: no new
/// connection and no further request on an old one, streams are ended by their
/// handlers. Returns when all are gone or `shutdown_grace` is over; what is
/// left then is cut off.
///
/// Limits may change: those of a connection hold for new ones, the rest at
/// once. Where fewer connections are allowed than are open, none is cut off.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: H,
    mut limits: watch::Receiver<Limits>,
    metrics: Metrics,
    mut shutdown: Shutdown,
) {
    let places = Places::default();
    // Tasks see this channel close when the grace is over.
    let (cut, cut_off) = watch::channel(());
    loop {
        let place = tokio::select! {
            biased;
            () = shutdown.stopping() => break,
            place = places.take(&mut limits) => place,
        };
        let accepted = tokio::select! {
            biased;
            () = shutdown.stopping() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                after_accept_error(&error).await;
                continue;
            }
        };
        let connection = connection(
            socket,
            peer,
            handler.clone(),
            limits.clone(),
            shutdown.clone(),
        );
        let open = metrics.connection_accepted();
        let mut cut_off = cut_off.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = connection => {}
                // An error: the sender is gone, the grace is over.
                _ = cut_off.changed() => {}
            }
            drop((open, place));
        });
    }
    drop(listener);
    let grace = limits.borrow().shutdown_grace;
    if timeout(grace, places.all_free()).await.is_err() {
        tracing::warn!(
            connections = places.taken(),
            "cut off connections that did not finish in time"
        );
    }
    drop(cut);
}

/// How many connections are open.
#[derive(Default)]
struct Places(watch::Sender<usize>);

/// The place of one connection, until it ends.
struct Place(watch::Sender<usize>);

impl Places {
    /// Waits until one more may open, by the limit as it is then.
    async fn take(&self, limits: &mut watch::Receiver<Limits>) -> Place {
        let mut taken = self.0.subscribe();
        let mut change = true;
        loop {
            let most = limits.borrow_and_update().max_connections as usize;
            let changed = tokio::select! {
                // Its sender is ours, so this fails never.
                _ = taken.wait_for(|taken| *taken < most) => break,
                changed = limits.changed(), if change => changed,
            };
            // Nobody changes them any more.
            change = changed.is_ok();
        }
        self.0.send_modify(|taken| *taken += 1);
        Place(self.0.clone())
    }

    async fn all_free(&self) {
        let _ = self.0.subscribe().wait_for(|taken| *taken == 0).await;
    }

    fn taken(&self) -> usize {
        *self.0.borrow()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|taken| *taken -= 1);
    }
}

async fn connection<H: Handler>(
    socket: TcpStream,
    peer: SocketAddr,
    handler: H,
    limits: watch::Receiver<Limits>,
    mut shutdown: Shutdown,
) {
    // Events are small and must not wait for more of them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let (max_header, header_timeout) = {
        let limits = limits.borrow();
        (limits.max_header, limits.header_timeout)
    };
    let service = service_fn(move |request| {
        let limit = limits.borrow().request_timeout;
        let answering = handler.handle(request, peer);
        async move { Ok::<_, Infallible>(in_time(answering, limit).await) }
    });
    let max_header = usize::try_from(max_header).unwrap_or(usize::MAX);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_header_size(max_header)
        .max_buf_size(max_header.max(MIN_BUFFER))
        .serve_connection(TokioIo::new(Patient::new(socket, WRITE_TIMEOUT)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.stopping() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients go away as they like; that is not worth a line of info.
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn in_time(answering: Answering, limit: Duration) -> Response<Body> {
    match timeout(limit, answering).await {
        Ok(answer) => answer,
        Err(_) => respond::problem(&Problem::new(
            Slug::Overloaded,
            format!("no answer within {} ms", limit.as_millis()),
        )),
    }
}

async fn after_accept_error(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        return;
    }
    // Most likely no file descriptors are left: wait for connections to end.
    tracing::warn!(%error, "cannot accept a connection");
    sleep(ACCEPT_PAUSE).await;
}

/// The least that the HTTP library takes.
const MIN_BUFFER: usize = 8 * 1024;
/// How long a client may take nothing of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
