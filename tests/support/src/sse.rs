//! Reading server-sent events one by one.
//!
//! Follows the field rules of the HTML standard as far as the gateway uses
//! them: `id`, `data` and comment lines. Keeps comments, because the heartbeat
//! is one and tests look for it.

use anyhow::{Context, Result, bail};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::time::Duration;

/// One block of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// An event: its `id:` and its data as JSON.
    Event {
        /// The text after `id:`; a seq, or an opaque cursor.
        id: Option<String>,
        /// The data lines, joined and parsed.
        data: Value,
    },
    /// A comment line, such as the heartbeat.
    Comment(String),
}

/// An open stream.
pub struct Stream {
    /// The status the stream was answered with.
    pub status: StatusCode,
    /// The headers it was answered with.
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
}

impl Stream {
    /// Wraps an answer whose body is still arriving.
    pub fn new(answer: http::Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            unread: Vec::new(),
        }
    }

    /// The next block, or `None` when the server closed the stream.
    /// Running into `patience` is an error.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Block>> {
        match tokio::time::timeout(patience, self.read_block()).await {
            Ok(block) => block,
            Err(_) => bail!("the event stream was silent for {patience:?}"),
        }
    }

    /// The next event's data, comments skipped; an error when the stream ends.
    pub async fn next_event(&mut self, patience: Duration) -> Result<Value> {
        loop {
            match self.next(patience).await? {
                Some(Block::Event { data, .. }) => return Ok(data),
                Some(Block::Comment(_)) => {}
                None => bail!("the event stream ended where an event was due"),
            }
        }
    }

    async fn read_block(&mut self) -> Result<Option<Block>> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let rest = self.unread.split_off(end + 2);
                let block = std::mem::replace(&mut self.unread, rest);
                if let Some(block) = parse(&String::from_utf8_lossy(&block))? {
                    return Ok(Some(block));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.context("reading the event stream")?;
                    if let Some(bytes) = frame.data_ref() {
                        self.unread
                            .extend(bytes.iter().filter(|byte| **byte != b'\r'));
                    }
                }
            }
        }
    }
}

/// Reads one block; a block that only sets the retry time yields nothing.
fn parse(text: &str) -> Result<Option<Block>> {
    let (mut id, mut data, mut comment) = (None, Vec::new(), None);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => comment = Some(value.to_owned()),
            "id" => id = Some(value.to_owned()),
            "data" => data.push(value),
            "event" => bail!("the event is named {value:?}, but events of this API are unnamed"),
            _ => {}
        }
    }
    if data.is_empty() {
        return Ok(comment.map(Block::Comment));
    }
    let data = data.join("\n");
    let data = serde_json::from_str(&data)
        .with_context(|| format!("event data that is no JSON: {data}"))?;
    Ok(Some(Block::Event { id, data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_carries_its_id_and_its_json() -> Result<()> {
        let block = parse("id: 7\ndata: {\"seq\":7}\n\n")?;
        assert_eq!(
            block,
            Some(Block::Event {
                id: Some("7".into()),
                data: json!({"seq": 7})
            })
        );
        Ok(())
    }

    #[test]
    fn a_heartbeat_is_a_comment_and_no_event() -> Result<()> {
        assert_eq!(parse(": beat\n\n")?, Some(Block::Comment("beat".into())));
        assert_eq!(parse("retry: 1000\n\n")?, None);
        Ok(())
    }

    #[test]
    fn a_named_event_or_broken_data_is_refused() {
        assert!(parse("event: message\ndata: {}\n\n").is_err());
        assert!(parse("data: {\n\n").is_err());
    }
}
