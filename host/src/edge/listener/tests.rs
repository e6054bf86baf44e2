use std::sync::Arc;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;

/// Answers `/slow` when told to, everything else at once.
#[derive(Clone, Default)]
struct Echo {
    arrived: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Handler for Echo {
    fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Answering {
        let this = self.clone();
        Box::pin(async move {
            if request.uri().path() == "/slow" {
                this.arrived.notify_one();
                this.go_on.notified().await;
            }
            respond::typed(
                StatusCode::OK,
                "text/plain",
                request.uri().path().to_owned(),
            )
        })
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = start(limits()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        client.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut client).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_running_request_is_answered_before_the_end() {
    let server = start(limits()).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    server.echo.arrived.notified().await;
    server.trigger.stop();
    server.echo.go_on.notify_one();
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 200"), "{all}");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_in_its_grace_is_cut_off() {
    let server = start(Limits {
        shutdown_grace: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    server.echo.arrived.notified().await;
    server.trigger.stop();
    server.task.await.unwrap();
    let mut all = Vec::new();
    // Closed or reset, but nothing was answered.
    let _ = client.read_to_end(&mut all).await;
    assert!(all.is_empty());
}

#[tokio::test]
async fn a_request_without_answer_in_time_is_refused() {
    let server = start(Limits {
        request_timeout: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = read_answer(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_or_is_too_large_ends_the_connection() {
    let server = start(Limits {
        header_timeout: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET / HT").await.unwrap();
    let mut all = Vec::new();
    let _ = idle.read_to_end(&mut all).await;
    assert!(!String::from_utf8_lossy(&all).starts_with("HTTP/1.1 200"));

    let server = start(limits()).await;
    let mut large = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let _ = large.write_all(head.as_bytes()).await;
    let answer = read_answer(&mut large).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_over_the_cap_wait_their_turn() {
    let server = start(Limits {
        max_connections: 1,
        ..limits()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(REQUEST).await.unwrap();
    drop(first);
    assert!(read_answer(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn changed_limits_hold_for_those_that_wait_and_for_open_connections() {
    let server = start(Limits {
        max_connections: 1,
        ..limits()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(REQUEST).await.unwrap();
    server.change.send_replace(Limits {
        max_connections: 2,
        request_timeout: Duration::from_millis(1),
        ..limits()
    });
    assert!(read_answer(&mut second).await.starts_with("HTTP/1.1 200"));
    // The one that was open before is held to the new time too.
    first
        .write_all(b"GET /slow HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut first).await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_trigger_that_is_gone_stops_as_well() {
    let server = start(limits()).await;
    drop(server.trigger);
    server.task.await.unwrap();
}

struct Server {
    address: SocketAddr,
    echo: Echo,
    trigger: ShutdownTrigger,
    change: watch::Sender<Limits>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown_signal();
    let echo = Echo::default();
    let (change, limits) = watch::channel(limits);
    let serving = serve(listener, echo.clone(), limits, Metrics::new(), shutdown);
    Server {
        address,
        echo,
        trigger,
        change,
        task: tokio::spawn(serving),
    }
}

fn limits() -> Limits {
    Limits {
        max_header: 8 * 1024,
        header_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        max_connections: 100,
        shutdown_grace: Duration::from_secs(60),
    }
}

/// One answer with a short body, or what came before the end.
async fn read_answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = client.read(&mut buffer).await.unwrap_or(0);
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            length.is_none_or(|length| body.len() >= length.parse().unwrap_or(0))
        });
        if read == 0 || complete {
            return text.into_owned();
        }
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
