//! A host of media that serves whatever a vendor's host should not.
//!
//! Owns the listener and the answers, each under a path of its own. Knows
//! nothing of HTTP but what these answers need.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is under a path.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This content, whole, said to be of this type.
    Whole(&'static str, Vec<u8>),
    /// So many bytes are announced, these come, and the connection ends.
    Half(usize, Vec<u8>),
    /// A status and nothing else.
    Status(u16),
    /// It is elsewhere.
    Redirect(String),
    /// Nothing, for as long as the other side waits.
    Silence,
}

/// A running host.
pub struct MediaHost {
    base: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl MediaHost {
    /// Listens on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("listening as a host of media")?;
        let base = format!("http://{}", listener.local_addr()?);
        let answers: Arc<Mutex<HashMap<String, Answer>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, noted) = (Arc::clone(&answers), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (known, noted) = (Arc::clone(&known), Arc::clone(&noted));
                // Whoever goes away early is no concern of the host's.
                tokio::spawn(async move { drop(answer(stream, &known, &noted).await) });
            }
        });
        Ok(Self {
            base,
            answers,
            asked,
            serving,
        })
    }

    /// Puts an answer under a path, and returns its address.
    pub fn put(&self, path: &str, answer: Answer) -> String {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(path.to_owned(), answer);
        format!("{}{path}", self.base)
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|one| *one == path).count()
    }
}

impl Drop for MediaHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    answers: &Mutex<HashMap<String, Answer>>,
    asked: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = {
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&path).cloned()
    };
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(path);
    let (head, body) = match found.unwrap_or(Answer::Status(404)) {
        Answer::Whole(content_type, body) => (
            format!(
                "200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}",
                body.len()
            ),
            body,
        ),
        Answer::Half(announced, body) => (format!("200 OK\r\ncontent-length: {announced}"), body),
        Answer::Status(status) => (format!("{status} -\r\ncontent-length: 0"), Vec::new()),
        Answer::Redirect(to) => (
            format!("302 Found\r\nlocation: {to}\r\ncontent-length: 0"),
            Vec::new(),
        ),
        Answer::Silence => {
            // Ends when the other side gives up.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            return Ok(());
        }
    };
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    Ok(())
}
