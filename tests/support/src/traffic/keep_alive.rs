//! One connection that is kept, and requests on it one after the other.
//!
//! Owns the connection and opens it again when the server closed it between
//! two requests, which is the server's right. Invariant: a request is sent
//! once; whatever goes wrong after its first byte is an error of the caller's.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long one exchange may take; far above anything a healthy server needs.
const EXCHANGE: Duration = Duration::from_secs(30);

/// A connection to one server.
pub(super) struct KeepAlive {
    authority: String,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl KeepAlive {
    /// Connects at the first request. `base` is `http://host:port`.
    pub(super) fn new(base: &str) -> Self {
        Self {
            authority: base.trim_start_matches("http://").to_owned(),
            open: None,
        }
    }

    /// Sends a request, which needs no `Host`, and reads the whole answer.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes)> {
        let host = self.authority.parse().context("the server's address")?;
        request.headers_mut().insert(HOST, host);
        let exchange = async {
            let mut open = self.ready().await?;
            let answer = open.send_request(request).await;
            let (head, body) = answer.context("sending a request")?.into_parts();
            let body = body.collect().await.context("reading an answer")?;
            self.open = Some(open);
            anyhow::Ok((head.status, body.to_bytes()))
        };
        tokio::time::timeout(EXCHANGE, exchange)
            .await
            .with_context(|| format!("no whole answer within {EXCHANGE:?}"))?
    }

    /// The connection, there and waiting. It is taken out, so that one that
    /// broke is not met again.
    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        let socket = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("connecting to {}", self.authority))?;
        socket.set_nodelay(true).context("setting TCP_NODELAY")?;
        let (mut open, connection) = handshake(TokioIo::new(socket))
            .await
            .context("beginning HTTP")?;
        // What goes wrong with it shows at the next request.
        tokio::spawn(connection);
        open.ready().await.context("beginning HTTP")?;
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every request with 200, and closes the connection after so many.
    async fn server(requests_each: u32) -> (String, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let connections = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    for _ in 0..requests_each {
                        if !matches!(socket.read(&mut buffer).await, Ok(1..)) {
                            return;
                        }
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        socket.write_all(answer).await.expect("the client reads");
                    }
                });
            }
        });
        (base, connections)
    }

    fn request() -> Request<Full<Bytes>> {
        Request::get("/")
            .body(Full::default())
            .expect("a whole request")
    }

    #[tokio::test]
    async fn requests_share_one_connection() -> Result<()> {
        let (base, connections) = server(u32::MAX).await;
        let mut client = KeepAlive::new(&base);
        for _ in 0..3 {
            assert_eq!(client.send(request()).await?.1, "ok");
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        Ok(())
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_opened_again() -> Result<()> {
        let (base, connections) = server(1).await;
        let mut client = KeepAlive::new(&base);
        for _ in 0..3 {
            assert_eq!(client.send(request()).await?.1, "ok");
            // The close must have arrived: a race would be an honest error.
            crate::wait::until("the close to arrive", async || {
                let closed = client.open.as_ref().is_none_or(SendRequest::is_closed);
                Ok(closed.then_some(()))
            })
            .await?;
        }
        assert_eq!(connections.load(Ordering::Relaxed), 3);
        Ok(())
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_that_names_the_address() {
        let mut client = KeepAlive::new("http://127.0.0.1:9");
        let error = client.send(request()).await.expect_err("nobody listens");
        assert!(format!("{error:#}").contains("127.0.0.1:9"), "{error:#}");
    }
}
