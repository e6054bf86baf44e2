//! Why a request is refused, in the words of the public API.
//!
//! Owns the closed list of problems and what each needs to be explained.
//! Deliberately knows no HTTP types: the edge turns a problem into an answer in
//! one place. Invariant: a problem that reaches a visitor left nothing behind.

use serde::Serialize;
use serde_json::Value;

/// A refusal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {detail}", slug.as_str())]
pub struct Problem {
    /// Which of the known problems.
    pub slug: Slug,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// Where in the request, if it can be pointed at.
    pub errors: Vec<FieldError>,
    /// When to come back, for the passing ones.
    pub retry_after_seconds: Option<u64>,
    /// A member that helps the app go on, such as the leave-message form.
    pub extra: Option<(&'static str, Value)>,
}

/// A value that is wrong, by its place in the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer into the body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// The known problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slug {
    /// No token, or one that proves nothing.
    Unauthenticated,
    /// A token that proves somebody else.
    Forbidden,
    /// No such thing, or not for this visitor.
    NotFound,
    /// The thing exists and does not do this.
    MethodNotAllowed,
    /// Not JSON, a wrong type, a missing field, a value out of range.
    InvalidRequest,
    /// This provider cannot carry that now.
    UnsupportedByProvider,
    /// The session is over.
    SessionEnded,
    /// An agent is there already.
    AlreadyHuman,
    /// Nobody asked for a rating.
    NotInvited,
    /// A migration is not where this command would do something.
    WrongPhase,
    /// The same key came with another body.
    IdempotencyKeyReused,
    /// The first request with this key is still under way.
    IdempotencyKeyInFlight,
    /// It is not, or not any more, as the request takes it to be.
    Conflict,
    /// Longer than allowed.
    TooLarge,
    /// A kind of media that is not taken.
    UnsupportedMediaType,
    /// Too many requests of this visitor.
    RateLimited,
    /// Too many requests of everybody.
    Overloaded,
    /// The disk does not take it.
    StorageUnavailable,
    /// No provider of the desk can open a session.
    NoProviderAvailable,
    /// The session's adapter or provider failed or is held back.
    ProviderUnavailable,
}

impl Slug {
    /// The last part of the problem's type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::InvalidRequest => "invalid-request",
            Self::UnsupportedByProvider => "unsupported-by-provider",
            Self::SessionEnded => "session-ended",
            Self::AlreadyHuman => "already-human",
            Self::NotInvited => "not-invited",
            Self::WrongPhase => "wrong-phase",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::IdempotencyKeyInFlight => "idempotency-key-in-flight",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::RateLimited => "rate-limited",
            Self::Overloaded => "overloaded",
            Self::StorageUnavailable => "storage-unavailable",
            Self::NoProviderAvailable => "no-provider-available",
            Self::ProviderUnavailable => "provider-unavailable",
        }
    }

    /// The HTTP status it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::SessionEnded
            | Self::AlreadyHuman
            | Self::NotInvited
            | Self::Conflict
            | Self::WrongPhase
            | Self::IdempotencyKeyInFlight => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::UnsupportedByProvider | Self::IdempotencyKeyReused => 422,
            Self::RateLimited => 429,
            Self::Overloaded
            | Self::StorageUnavailable
            | Self::NoProviderAvailable
            | Self::ProviderUnavailable => 503,
        }
    }

    /// The short sentence that never changes.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "The token is missing or not valid",
            Self::Forbidden => "The token does not allow this",
            Self::NotFound => "There is no such thing here",
            Self::MethodNotAllowed => "This method is not offered here",
            Self::InvalidRequest => "The request cannot be understood",
            Self::UnsupportedByProvider => "The provider of this session cannot do this now",
            Self::SessionEnded => "The session is over",
            Self::AlreadyHuman => "An agent is already there",
            Self::NotInvited => "Nobody has asked for this now",
            Self::WrongPhase => "The migration is not where this would do something",
            Self::IdempotencyKeyReused => "The idempotency key was used with another body",
            Self::IdempotencyKeyInFlight => {
                "The first request with this idempotency key is under way"
            }
            Self::Conflict => "It does not stand as the request takes it to",
            Self::TooLarge => "The request is too large",
            Self::UnsupportedMediaType => "This kind of media is not taken",
            Self::RateLimited => "Too many requests",
            Self::Overloaded => "The gateway is overloaded",
            Self::StorageUnavailable => "The message store does not answer",
            Self::NoProviderAvailable => "No provider of this desk is available",
            Self::ProviderUnavailable => "The provider of this session is not available",
        }
    }
}

impl Problem {
    /// A problem with its explanation.
    pub fn new(slug: Slug, detail: impl Into<String>) -> Self {
        let retry_after_seconds = matches!(
            slug,
            Slug::RateLimited
                | Slug::Overloaded
                | Slug::StorageUnavailable
                | Slug::ProviderUnavailable
        )
        .then_some(1);
        Self {
            slug,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds,
            extra: None,
        }
    }

    /// A value in the body that is wrong.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let mut problem = Self::new(Slug::InvalidRequest, format!("{pointer}: {detail}"));
        problem.errors.push(FieldError { pointer, detail });
        problem
    }

    /// A value in the body that is too long.
    pub fn too_large(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            slug: Slug::TooLarge,
            ..Self::invalid(pointer, detail)
        }
    }

    /// The same problem with a member that helps the app go on.
    #[must_use]
    pub fn with_extra(mut self, name: &'static str, value: Value) -> Self {
        self.extra = Some((name, value));
        self
    }
}
