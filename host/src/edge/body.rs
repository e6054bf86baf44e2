//! Bodies: reading a request's within its limit, and sending an answer's whole
//! or piece by piece.
//!
//! Owns the body type of every answer. Deliberately knows no content. Invariant:
//! no more of a request is kept in memory than its limit allows.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use kefu_core::problem::{Problem, Slug};

/// The body of an answer.
pub struct Body(Form);

enum Form {
    Whole(Option<Bytes>),
    Pieces(Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = io::Error> + Send>>),
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self(Form::Whole(None))
    }

    /// Known as a whole.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Form::Whole(Some(bytes.into())))
    }

    /// Read from its source while it is sent; `length` where it is known.
    pub(crate) fn pieces<S: Source>(source: S, length: Option<u64>) -> Self {
        Self(Form::Pieces(Box::pin(Pieces {
            length,
            next: Some(step(source)),
        })))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Form::Whole(bytes) => write!(f, "Body({} B)", bytes.as_ref().map_or(0, Bytes::len)),
            Form::Pieces(_) => f.write_str("Body(in pieces)"),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Form::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Form::Pieces(pieces) => pieces.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Form::Pieces(pieces) => pieces.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Form::Pieces(pieces) => pieces.size_hint(),
        }
    }
}

/// Where the pieces of a body come from.
pub(crate) trait Source: Send + 'static {
    /// The next piece; `None` at the end. An error breaks the connection, so
    /// that the client knows that something is missing.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;
}

type Step<S> = Pin<Box<dyn Future<Output = (S, io::Result<Option<Bytes>>)> + Send>>;

struct Pieces<S> {
    length: Option<u64>,
    /// Holds the source while it waits; absent once the body has ended.
    next: Option<Step<S>>,
}

fn step<S: Source>(mut source: S) -> Step<S> {
    Box::pin(async move {
        let piece = source.next().await;
        (source, piece)
    })
}

impl<S: Source> hyper::body::Body for Pieces<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (source, piece) = ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match piece {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                self.length = self
                    .length
                    .map(|left| left.saturating_sub(bytes.len() as u64));
                self.next = Some(step(source));
                Some(Ok(Frame::data(bytes)))
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// `too-large`, or `invalid-request` for a body that breaks off.
pub(crate) async fn read_whole(mut body: Incoming, limit: u64) -> Result<Bytes, Problem> {
    if announced(&body) > limit {
        linger(&mut body).await;
        return Err(too_large(limit));
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(piece) = next_piece(&mut body).await? {
        if (first.len() + rest.len() + piece.len()) as u64 > limit {
            linger(&mut body).await;
            return Err(too_large(limit));
        }
        // Most bodies come in one piece, which is not copied.
        if first.is_empty() && rest.is_empty() {
            first = piece;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first.clear();
            }
            rest.extend_from_slice(&piece);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// The next piece of a body; `None` at its end.
///
/// # Errors
/// `invalid-request` for a body that breaks off.
pub(crate) async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(Slug::InvalidRequest, format!("the body broke off: {error}"))
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The length that the head announces; 0 if it does not.
pub(crate) fn announced(body: &Incoming) -> u64 {
    hyper::body::Body::size_hint(body).lower()
}

/// Reads on for a moment and forgets: a client that is still sending would
/// otherwise see a broken connection instead of the answer.
pub(crate) async fn linger(body: &mut Incoming) {
    let reading = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(piece)) = next_piece(body).await {
            let Some(rest) = left.checked_sub(piece.len()) else {
                return;
            };
            left = rest;
        }
    };
    // Whether it ended or not, the answer is the same.
    let _ = tokio::time::timeout(LINGER_TIME, reading).await;
}

/// What is answered to a body over its limit.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(
        Slug::TooLarge,
        format!("the body is larger than {limit} bytes"),
    )
}

const LINGER_BYTES: usize = 8 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    struct Countdown(u8);

    impl Source for Countdown {
        async fn next(&mut self) -> io::Result<Option<Bytes>> {
            if self.0 == 0 {
                return Ok(None);
            }
            self.0 -= 1;
            Ok(Some(Bytes::from(vec![b'0' + self.0])))
        }
    }

    #[tokio::test]
    async fn pieces_arrive_in_order_and_end() {
        let body = Body::pieces(Countdown(3), Some(3));
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(3));
        let all = body.collect().await.unwrap().to_bytes();
        assert_eq!(all, "210");
    }

    #[tokio::test]
    async fn a_whole_body_knows_its_length() {
        let body = Body::whole("four");
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
        assert!(hyper::body::Body::is_end_stream(&Body::empty()));
    }
}
