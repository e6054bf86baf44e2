//! Checks of `[media]`.
//!
//! Owns which content types are taken unless the file says otherwise, and which
//! never are. Deliberately looks at no upload. Invariant: no type that a browser
//! would run passes, whatever the file lists.

use super::Checker;
use crate::config::{Media, MediaRule, raw};

pub(super) fn check(checker: &mut Checker, raw: raw::Media) -> Media {
    let mut rule = |name: &str, raw: raw::MediaRule, max_size: &str, types: &[&str]| {
        let types = match raw.types {
            None => types.iter().map(|one| (*one).to_owned()).collect(),
            Some(given) => content_types(checker, &format!("media.{name}.types"), given),
        };
        let key = format!("media.{name}.max_size");
        MediaRule {
            max_size: checker.size(&key, raw.max_size, max_size, "1KiB", "2GiB"),
            types,
        }
    };
    let image = rule("image", raw.image, "10MiB", &IMAGE);
    let voice = rule("voice", raw.voice, "5MiB", &VOICE);
    let video = rule("video", raw.video, "50MiB", &VIDEO);
    let file = rule("file", raw.file, "20MiB", &FILE);
    Media {
        dir: checker.path("media.dir", raw.dir, "data/media"),
        url_ttl: checker.duration("media.url_ttl", raw.url_ttl, "7d", "1m", "3650d"),
        image,
        voice,
        video,
        file,
    }
}

fn content_types(checker: &mut Checker, key: &str, given: Vec<String>) -> Vec<String> {
    let is_type = |text: &str| {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b))
        };
        let (kind, subtype) = text.split_once('/')?;
        (part(kind) && part(subtype)).then(|| text.to_ascii_lowercase())
    };
    let types = checker.parsed(
        key,
        given,
        true,
        is_type,
        "is no content type",
        "use one without parameters, such as \"image/png\"",
    );
    for (index, content_type) in types.iter().enumerate() {
        if ACTIVE.contains(&content_type.as_str()) {
            let right = "remove it: an upload could act in the name of whoever opens it";
            checker.error(
                &format!("{key}[{index}]"),
                "is run by browsers, not shown",
                right,
            );
        }
    }
    types
}

const IMAGE: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const VOICE: [&str; 9] = [
    "audio/mpeg",
    "audio/wav",
    "audio/x-wav",
    "audio/amr",
    "audio/aac",
    "audio/mp4",
    "audio/m4a",
    "audio/ogg",
    "audio/webm",
];
const VIDEO: [&str; 3] = ["video/mp4", "video/webm", "video/quicktime"];
const FILE: [&str; 8] = [
    "application/pdf",
    "application/zip",
    "text/plain",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

/// Content types that may carry script; media are served from the gateway's
/// own origin, where the widget lives.
const ACTIVE: [&str; 8] = [
    "text/html",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/xml",
    "application/xml",
    "text/javascript",
    "application/javascript",
    "application/ecmascript",
];
