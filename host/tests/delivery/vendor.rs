//! A vendor that answers as a test says, byte for byte.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};

/// What the vendor does with a request.
pub(crate) enum Act {
    /// Answers, and keeps the connection.
    Answer(u16, &'static str),
    /// Answers with a body that was made for this request.
    Text(u16, String),
    /// Writes these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Never answers.
    Silence,
    /// Answers 200 once the vendor is released.
    Wait,
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// A port that refuses connections until a vendor opens it.
pub(crate) struct ClosedPort(TcpSocket);

/// Takes a free port; nobody else gets it meanwhile.
pub(crate) fn closed_port() -> ClosedPort {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    ClosedPort(socket)
}

impl ClosedPort {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().unwrap())
    }

    pub(crate) fn open(self, script: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Vendor {
        Vendor::serve_on(self.0.listen(1024).unwrap(), Box::new(script))
    }
}

type Script = dyn Fn(&Received) -> Act + Send + Sync;

/// A running vendor.
#[derive(Clone)]
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
    busy: Mutex<HashMap<String, usize>>,
    overlaps: Mutex<Vec<String>>,
    most_busy: Mutex<usize>,
    arrived: Notify,
    released: tokio::sync::watch::Sender<bool>,
}

impl Vendor {
    pub(crate) async fn start(script: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Self {
        closed_port().open(script)
    }

    fn serve_on(listener: TcpListener, script: Box<Script>) -> Self {
        let vendor = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Inner {
                script,
                received: Mutex::default(),
                busy: Mutex::default(),
                overlaps: Mutex::default(),
                most_busy: Mutex::default(),
                arrived: Notify::new(),
                released: tokio::sync::watch::channel(false).0,
            }),
        };
        let serving = vendor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        vendor
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that arrived, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// How often something arrived at a path.
    pub(crate) fn arrivals(&self, path: &str) -> usize {
        let received = self.received();
        received
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// Paths that had two requests at once. A test's path names a session.
    pub(crate) fn overlaps(&self) -> Vec<String> {
        self.inner.overlaps.lock().unwrap().clone()
    }

    /// The most requests at once, of all paths.
    pub(crate) fn most_busy(&self) -> usize {
        *self.inner.most_busy.lock().unwrap()
    }

    /// Resolves when so many requests have arrived.
    pub(crate) async fn has_received(&self, count: usize) {
        loop {
            let arrived = self.inner.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.inner.received.lock().unwrap().len() >= count {
                return;
            }
            arrived.await;
        }
    }

    /// Answers what waits.
    pub(crate) fn release(&self) {
        self.inner.released.send_replace(true);
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer).await {
            self.enter(&request);
            let act = (self.inner.script)(&request);
            // Long enough for others to come in if they may.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let reply = match act {
                Act::Answer(status, body) => Some(answer(status, body)),
                Act::Text(status, body) => Some(answer(status, &body)),
                Act::Raw(bytes) => {
                    self.leave(&request);
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Act::Close => {
                    self.leave(&request);
                    return;
                }
                Act::Silence => std::future::pending().await,
                Act::Wait => {
                    let mut released = self.inner.released.subscribe();
                    released.wait_for(|released| *released).await.unwrap();
                    Some(answer(200, ""))
                }
            };
            self.leave(&request);
            if stream.write_all(&reply.unwrap_or_default()).await.is_err() {
                return;
            }
        }
    }

    fn enter(&self, request: &Received) {
        let mut busy = self.inner.busy.lock().unwrap();
        let count = busy.entry(request.path.clone()).or_default();
        *count += 1;
        if *count > 1 {
            self.inner
                .overlaps
                .lock()
                .unwrap()
                .push(request.path.clone());
        }
        let all = busy.values().sum();
        let mut most = self.inner.most_busy.lock().unwrap();
        *most = (*most).max(all);
        self.inner.received.lock().unwrap().push(request.clone());
        self.inner.arrived.notify_waiters();
    }

    fn leave(&self, request: &Received) {
        *self
            .inner
            .busy
            .lock()
            .unwrap()
            .get_mut(&request.path)
            .unwrap() -= 1;
    }
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some((request, length)) = parse(buffer) {
            buffer.drain(..length);
            return Some(request);
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(Received, usize)> {
    let text = String::from_utf8_lossy(buffer);
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let body = rest.get(..length)?.to_owned();
    let received = Received {
        path,
        headers,
        body,
    };
    Some((received, head.len() + 4 + length))
}
