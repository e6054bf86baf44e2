//! A listener's handler on a real socket, and a client.

use std::{sync::Mutex, time::Duration};

use http::header::CONTENT_TYPE;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

use super::*;
use crate::edge::{Limits, ShutdownTrigger, serve};

/// An operators' listener on this machine.
pub(in crate::edge) struct Server {
    pub(in crate::edge::admin) inner: Arc<Inner>,
    pub(in crate::edge) address: SocketAddr,
    pub(in crate::edge) config: Arc<ArcSwap<Config>>,
    pub(in crate::edge) heard: Arc<Mutex<Vec<String>>>,
    client: Client<HttpConnector, Full<Bytes>>,
    _trigger: ShutdownTrigger,
}

pub(in crate::edge) async fn start(state: State) -> Arc<Server> {
    let heard = Arc::clone(&state.heard);
    let (inner, trigger) = admin(state);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        max_header: 8 * 1024,
        header_timeout: Duration::from_secs(10),
        request_timeout: REQUEST_TIMEOUT,
        max_connections: 8,
        shutdown_grace: Duration::from_secs(1),
    };
    let handler = Admin(Arc::clone(&inner));
    let shutdown = inner.shutdown.clone();
    let config = Arc::clone(&inner.config);
    let (_, limits) = tokio::sync::watch::channel(limits);
    tokio::spawn(serve(listener, handler, limits, Metrics::new(), shutdown));
    Arc::new(Server {
        inner,
        address,
        config,
        heard,
        client: Client::builder(TokioExecutor::new()).build_http(),
        _trigger: trigger,
    })
}

impl Server {
    pub(in crate::edge) async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.send(path, "application/json", body, Some(TOKEN)).await
    }

    pub(in crate::edge) async fn send(
        &self,
        path: &str,
        kind: &str,
        body: &str,
        token: Option<&str>,
    ) -> (u16, Value) {
        let answer = self.request(path, kind, body, token).await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Sends JSON with the token.
    pub(in crate::edge) async fn json(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        let answer = self.ask(request.unwrap()).await;
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&read(answer).await).unwrap())
    }

    /// Sends anything.
    pub(in crate::edge) async fn ask(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.client.request(request).await.unwrap()
    }

    pub(in crate::edge) async fn request(
        &self,
        path: &str,
        kind: &str,
        body: &str,
        token: Option<&str>,
    ) -> Response<Incoming> {
        let mut request = Request::post(format!("http://{}/admin/v1/{path}", self.address))
            .header(CONTENT_TYPE, kind);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.client
            .request(request.body(body).unwrap())
            .await
            .unwrap()
    }

    /// What was heard since the last time.
    pub(in crate::edge) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

pub(in crate::edge) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
