//! `POST /v1/media` and `GET /v1/media/{id}`.
//!
//! Owns the HTTP of uploads: streaming in, ranges and headers out.
//! Deliberately keeps no file; [`Media`](crate::media::Media) does. Invariant:
//! what is handed out can run nothing in a browser.

use std::io;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH, IF_RANGE, RANGE,
    },
};
use hyper::body::Incoming;
use kefu_core::{
    config::Origins,
    problem::{Problem, Slug},
};
use serde_json::json;

use super::{
    auth,
    body::{self, Body, Source},
    public::{Answered, Ask},
    query,
    range::{self, Wanted},
    respond, visitor,
};
use crate::{
    media::{About, Contents, MediaId, UploadError},
    session::VisitorKey,
};

/// Takes an upload of this visitor.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn upload(
    ask: &Ask<'_>,
    who: &VisitorKey,
    mut body: Incoming,
) -> Result<Response<Body>, Problem> {
    let key = visitor::idempotency_key(&ask.head.headers)?;
    let rules = &ask.config.main.media;
    if body::announced(&body) > rules.max_size() {
        body::linger(&mut body).await;
        return Err(body::too_large(rules.max_size()));
    }
    let claim = ask.head.headers.get(CONTENT_TYPE);
    let claim = claim.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = &ask.edge.parts.media;
    let taken = async {
        let mut upload = media.begin(who, key, claim, rules).await.map_err(problem)?;
        while let Some(piece) = body::next_piece(&mut body).await? {
            upload.write(&piece, rules).await.map_err(problem)?;
        }
        upload.finish(rules).await.map_err(problem)
    };
    let stored = match taken.await {
        Ok(stored) => stored,
        Err(problem) => {
            body::linger(&mut body).await;
            return Err(problem);
        }
    };
    ask.edge.parts.metrics.media_stored(stored.about.size);
    let url = media.signed_url(&stored.id, auth::unix_now());
    let answer = respond::json(
        StatusCode::CREATED,
        &json!({
            "url": url,
            "content_type": stored.about.content_type,
            "size": stored.about.size,
            "sha256": stored.about.sha256,
        }),
    );
    Ok(respond::located(answer, &url))
}

/// Hands an upload out: to whom has a signed link, or to its owner.
pub(crate) async fn download<'a>(ask: &Ask<'a>) -> Answered<'a> {
    let (id, app) = match allowed(ask) {
        Ok(allowed) => allowed,
        Err(problem) => return Answered::unowned(Err(problem)),
    };
    Answered {
        result: send(ask, &id).await,
        app,
    }
}

fn allowed<'a>(ask: &Ask<'a>) -> Result<(MediaId, Option<&'a Origins>), Problem> {
    let media = &ask.edge.parts.media;
    let nothing = || Problem::new(Slug::NotFound, "there is no such upload");
    let id = MediaId::parse(ask.id).ok_or_else(nothing)?;
    let query = ask.head.uri.query();
    if let Some(signature) = query::value(query, "sig") {
        let expires = query::number(query, "exp")?.unwrap_or(0);
        if media.is_valid(&id, expires, &signature, auth::unix_now()) {
            return Ok((id, None));
        }
        return Err(Problem::new(
            Slug::Forbidden,
            "the link has expired or was changed; read the event again for a new one",
        ));
    }
    let token = auth::bearer(&ask.head.headers, None)?;
    let identity = auth::check(token, &ask.config.main.apps)?;
    if !media.owned_by(&id, &identity.who) {
        return Err(nothing());
    }
    let app = ask.config.main.apps.get(&identity.who.app);
    Ok((id, app.map(|app| &app.origins)))
}

async fn send(ask: &Ask<'_>, id: &MediaId) -> Result<Response<Body>, Problem> {
    let unreadable = |error: io::Error| {
        tracing::error!(%error, media = %id, "cannot read an upload");
        Problem::new(Slug::StorageUnavailable, "the upload cannot be read now")
    };
    let media = &ask.edge.parts.media;
    let found = media.about(id).await.map_err(unreadable)?;
    let about = found.ok_or_else(|| Problem::new(Slug::NotFound, "there is no such upload"))?;
    let headers = &ask.head.headers;
    let tag = format!("\"{}\"", about.sha256);
    if header(headers, &IF_NONE_MATCH).is_some_and(|tags| tags.contains(&tag)) {
        let mut answer = respond::empty(StatusCode::NOT_MODIFIED);
        describe(answer.headers_mut(), &about, &tag);
        return Ok(answer);
    }
    // A range of another version than the client knows is no use to it.
    let same = header(headers, &IF_RANGE).is_none_or(|known| known == tag);
    let wanted = range::wanted(header(headers, &RANGE).filter(|_| same), about.size);
    let (status, start, length) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, about.size),
        Wanted::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end - start + 1),
        Wanted::Beyond => {
            let mut answer = respond::empty(StatusCode::RANGE_NOT_SATISFIABLE);
            let text = format!("bytes */{}", about.size);
            respond::set(answer.headers_mut(), CONTENT_RANGE, &text);
            return Ok(answer);
        }
    };
    let contents = media.read(id, start, length).await.map_err(unreadable)?;
    let mut answer = Response::new(Body::pieces(contents, Some(length)));
    *answer.status_mut() = status;
    describe(answer.headers_mut(), &about, &tag);
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {start}-{}/{}", start + length - 1, about.size);
        respond::set(answer.headers_mut(), CONTENT_RANGE, &text);
    }
    Ok(answer)
}

fn describe(headers: &mut HeaderMap, about: &About, tag: &str) {
    respond::set(headers, CONTENT_TYPE, &about.content_type);
    respond::set(headers, ETAG, tag);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=3600, immutable"),
    );
    let shown = ["image/", "audio/", "video/"]
        .iter()
        .any(|kind| about.content_type.starts_with(kind));
    let disposition = if shown { "inline" } else { "attachment" };
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    headers.insert(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    // Shown by pages of the app, in elements that send no token.
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn problem(error: UploadError) -> Problem {
    let slug = match &error {
        UploadError::Empty => Slug::InvalidRequest,
        UploadError::TooLarge { .. } => Slug::TooLarge,
        UploadError::NotTaken(_) => Slug::UnsupportedMediaType,
        UploadError::InFlight => Slug::IdempotencyKeyInFlight,
        UploadError::Reused => Slug::IdempotencyKeyReused,
        UploadError::Store(inner) => {
            tracing::error!(error = %inner, "cannot keep an upload");
            return Problem::new(Slug::StorageUnavailable, "the upload cannot be kept now");
        }
    };
    Problem::new(slug, error.to_string())
}

impl Source for Contents {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        Self::next(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_browsers_can_show_is_shown_and_nothing_runs() {
        for (content_type, expected) in [
            ("image/png", "inline"),
            ("audio/webm", "inline"),
            ("application/pdf", "attachment"),
            ("text/plain", "attachment"),
        ] {
            let mut headers = HeaderMap::new();
            let about = About {
                content_type: content_type.into(),
                size: 1,
                sha256: String::new(),
            };
            describe(&mut headers, &about, "\"x\"");
            assert_eq!(headers[CONTENT_DISPOSITION], expected);
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("sandbox"));
        }
    }

    #[test]
    fn each_refusal_of_an_upload_has_its_status() {
        for (error, status) in [
            (UploadError::Empty, 400),
            (
                UploadError::TooLarge {
                    limit: 1,
                    what: "x".into(),
                },
                413,
            ),
            (UploadError::NotTaken("no".into()), 415),
            (UploadError::InFlight, 409),
            (UploadError::Reused, 422),
            (UploadError::Store(io::ErrorKind::StorageFull.into()), 503),
        ] {
            assert_eq!(problem(error).slug.status(), status);
        }
    }
}
