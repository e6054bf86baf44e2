//! What a visitor can ask of a session, checked as far as it can be without
//! knowing the session.
//!
//! Owns the commands and the limits on what they carry. Deliberately knows no
//! state: whether a command is allowed *now* is decided in the turn.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    capability::{Evaluation, EvaluationTarget},
    event::Visitor,
    message::{Content, ContentKind},
};

use crate::problem::Problem;

/// A visitor's request to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Say something.
    Message {
        /// What.
        content: Content,
        /// Media of the gateway that it links to.
        media: Vec<String>,
        /// Its kind, if it is in another form than the visitor sent it in,
        /// which the provider takes.
        converted_from: Option<ContentKind>,
    },
    /// Ask for a human.
    Human {
        /// The vendor's group, if the visitor chose one.
        group: Option<String>,
    },
    /// Rate.
    Evaluate {
        /// How.
        evaluation: Evaluation,
    },
    /// Do not rate.
    DeclineEvaluation,
    /// Leave a message.
    LeaveMessage {
        /// Field key → value.
        fields: BTreeMap<String, String>,
    },
    /// Leave.
    Exit,
    /// Show that something is being typed.
    Typing,
    /// Say up to where everything was read.
    Read {
        /// The number of the last event that was read.
        seq: u64,
    },
    /// Change the profile.
    Profile {
        /// What changes of it; what is not named stays as it was.
        visitor: Visitor,
    },
    /// Be here again.
    Return,
}

/// Longest text, in characters.
pub const MAX_TEXT: usize = 8_000;
/// Largest message as JSON, in bytes.
pub const MAX_MESSAGE: usize = 128 * 1024;
/// Largest payload of custom content as JSON, in bytes.
pub const MAX_PAYLOAD: usize = 32 * 1024;
/// Longest short text (names, labels, links), in characters.
pub const MAX_SHORT: usize = 2_048;

/// Checks what a message carries.
///
/// # Errors
/// `invalid-request` for empty and impossible values, `too-large` for long
/// ones; the problem points at the value.
pub fn check_content(content: &Content) -> Result<(), Problem> {
    match content {
        Content::Text { text } => required("/content/text", text, MAX_TEXT)?,
        Content::Image { url, thumbnail, .. } => {
            link("/content/url", url)?;
            optional_link("/content/thumbnail", thumbnail.as_deref())?;
        }
        Content::Voice { url, format, .. } => {
            link("/content/url", url)?;
            required("/content/format", format, 32)?;
        }
        Content::Location {
            latitude,
            longitude,
            label,
        } => {
            within("/content/latitude", *latitude, 90.0)?;
            within("/content/longitude", *longitude, 180.0)?;
            at_most("/content/label", label, MAX_SHORT)?;
        }
        Content::Rich {
            title,
            summary,
            image_url,
            url,
        } => {
            required("/content/title", title, MAX_SHORT)?;
            at_most("/content/summary", summary, MAX_TEXT)?;
            optional_link("/content/image_url", image_url.as_deref())?;
            link("/content/url", url)?;
        }
        Content::Video { url, thumbnail, .. } => {
            link("/content/url", url)?;
            optional_link("/content/thumbnail", thumbnail.as_deref())?;
        }
        Content::File { url, name, .. } => {
            link("/content/url", url)?;
            required("/content/name", name, MAX_SHORT)?;
        }
        Content::Emoji { code, text } => {
            required("/content/code", code, 256)?;
            required("/content/text", text, 256)?;
        }
        Content::Custom {
            name,
            payload,
            fallback_text,
        } => {
            required("/content/name", name, 256)?;
            required("/content/fallback_text", fallback_text, MAX_TEXT)?;
            let size = serde_json::to_vec(payload).map_or(usize::MAX, |json| json.len());
            if size > MAX_PAYLOAD {
                return Err(Problem::too_large(
                    "/content/payload",
                    format!("{size} bytes as JSON; at most {MAX_PAYLOAD}"),
                ));
            }
        }
        Content::Unknown | _ => {
            return Err(Problem::invalid(
                "/content/type",
                "is none of text, image, voice, location, rich, video, file, emoji, custom",
            ));
        }
    }
    let size = serde_json::to_vec(content).map_or(usize::MAX, |json| json.len());
    if size > MAX_MESSAGE {
        return Err(Problem::too_large(
            "/content",
            format!("{size} bytes; at most {MAX_MESSAGE}"),
        ));
    }
    Ok(())
}

/// Checks a rating, without knowing what the session allows.
///
/// # Errors
/// `invalid-request` or `too-large`, pointing at the value.
pub fn check_evaluation(evaluation: &Evaluation) -> Result<(), Problem> {
    if evaluation
        .stars
        .is_some_and(|stars| !(1..=5).contains(&stars))
    {
        return Err(Problem::invalid("/stars", "is not between 1 and 5"));
    }
    if evaluation.stars.is_none() && evaluation.resolved.is_none() {
        let pointer = match evaluation.target {
            EvaluationTarget::Robot => "/resolved",
            EvaluationTarget::Human => "/stars",
        };
        return Err(Problem::invalid(
            pointer,
            "is missing: a rating says `stars` or `resolved`",
        ));
    }
    if evaluation.tags.len() > 50 {
        return Err(Problem::too_large("/tags", "more than 50 tags"));
    }
    for (index, tag) in evaluation.tags.iter().enumerate() {
        required(&format!("/tags/{index}"), tag, 100)?;
    }
    at_most(
        "/comment",
        evaluation.comment.as_deref().unwrap_or_default(),
        MAX_TEXT,
    )
}

fn required(pointer: &str, text: &str, max: usize) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(pointer, "is empty"));
    }
    at_most(pointer, text, max)
}

fn at_most(pointer: &str, text: &str, max: usize) -> Result<(), Problem> {
    // Bytes bound characters from above, so most texts are not counted.
    if text.len() > max && text.chars().count() > max {
        let length = text.chars().count();
        return Err(Problem::too_large(
            pointer,
            format!("{length} characters; at most {max}"),
        ));
    }
    Ok(())
}

fn link(pointer: &str, url: &str) -> Result<(), Problem> {
    required(pointer, url, MAX_SHORT)?;
    let lower = url.to_ascii_lowercase();
    if !(lower.starts_with("https://") || lower.starts_with("http://")) {
        return Err(Problem::invalid(pointer, "is not an http or https URL"));
    }
    if url
        .chars()
        .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(Problem::invalid(
            pointer,
            "has blanks or control characters in it",
        ));
    }
    Ok(())
}

fn optional_link(pointer: &str, url: Option<&str>) -> Result<(), Problem> {
    url.map_or(Ok(()), |url| link(pointer, url))
}

fn within(pointer: &str, degrees: f64, limit: f64) -> Result<(), Problem> {
    if degrees.is_finite() && degrees.abs() <= limit {
        return Ok(());
    }
    Err(Problem::invalid(
        pointer,
        format!("is not between -{limit} and {limit} degrees"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Slug;
    use serde_json::json;

    fn slug(content: serde_json::Value) -> Option<(Slug, String)> {
        let content = serde_json::from_value(content).unwrap();
        check_content(&content)
            .err()
            .map(|problem| (problem.slug, problem.errors[0].pointer.clone()))
    }

    #[test]
    fn each_impossible_content_is_refused_with_its_place() {
        let long = "长".repeat(MAX_TEXT + 1);
        let bulky = "x".repeat(MAX_PAYLOAD);
        let rows = [
            (
                json!({"type": "text", "text": ""}),
                Slug::InvalidRequest,
                "/content/text",
            ),
            (
                json!({"type": "text", "text": " \n"}),
                Slug::InvalidRequest,
                "/content/text",
            ),
            (
                json!({"type": "text", "text": long}),
                Slug::TooLarge,
                "/content/text",
            ),
            (
                json!({"type": "image", "url": "file:///etc/passwd"}),
                Slug::InvalidRequest,
                "/content/url",
            ),
            (
                json!({"type": "image", "url": "javascript:alert(1)"}),
                Slug::InvalidRequest,
                "/content/url",
            ),
            (
                json!({"type": "image", "url": "https://a b"}),
                Slug::InvalidRequest,
                "/content/url",
            ),
            (
                json!({"type": "location", "latitude": 91.0, "longitude": 0.0, "label": ""}),
                Slug::InvalidRequest,
                "/content/latitude",
            ),
            (
                json!({"type": "location", "latitude": 0.0, "longitude": -180.5, "label": ""}),
                Slug::InvalidRequest,
                "/content/longitude",
            ),
            (
                json!({"type": "custom", "name": "order", "payload": bulky, "fallback_text": "order"}),
                Slug::TooLarge,
                "/content/payload",
            ),
            (
                json!({"type": "hologram"}),
                Slug::InvalidRequest,
                "/content/type",
            ),
        ];
        for (content, expected, pointer) in rows {
            assert_eq!(
                slug(content.clone()),
                Some((expected, pointer.to_owned())),
                "{content}"
            );
        }
    }

    #[test]
    fn the_longest_text_is_taken() {
        assert_eq!(
            slug(json!({"type": "text", "text": "长".repeat(MAX_TEXT)})),
            None
        );
    }
}
