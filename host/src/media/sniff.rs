//! What an upload is, by its content.
//!
//! Owns the comparison of a claim with the first bytes. Deliberately believes
//! no claim alone. Invariant: nothing that a browser would run (HTML, SVG) is
//! taken, whatever it is called.

use kefu_core::config;

/// The content type under which an upload is kept: the claim where the content
/// bears it out, else what the content is.
///
/// # Errors
/// What is wrong, for people: not a kind that is taken, or not what it claims.
pub(super) fn settle(claim: &str, head: &[u8], rules: &config::Media) -> Result<String, String> {
    let claim = claim
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if looks_like_markup(head) {
        return Err("the content is markup, which is never taken".to_owned());
    }
    let taken = |content_type: &str| rules.rule_for(content_type).is_some();
    if claim == "text/plain" && taken(&claim) {
        return if is_text(head) {
            Ok(claim)
        } else {
            Err("the content is not the plain text that it claims to be".to_owned())
        };
    }
    let Some(found) = looks_like(head) else {
        return Err("the content is of no kind that is known here".to_owned());
    };
    let says_nothing = claim.is_empty() || claim == "application/octet-stream";
    let agrees = says_nothing || family(&claim) == family(found);
    if !agrees {
        return Err(format!(
            "the content is {found}, not the claimed {claim:.100}"
        ));
    }
    if !says_nothing && taken(&claim) {
        return Ok(claim);
    }
    if taken(found) {
        return Ok(found.to_owned());
    }
    Err(format!("{found} is not taken here"))
}

/// What content is, by its first bytes. AMR begins like a script.
fn looks_like(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"#!AMR\n") || head.starts_with(b"#!AMR-WB\n") {
        return Some("audio/amr");
    }
    infer::get(head).map(|kind| kind.mime_type())
}

/// The short name of a form of voice, as messages use it.
pub(super) fn short_name(content_type: &str) -> Option<&'static str> {
    match (content_type, family(content_type)) {
        (_, "mp3") => Some("mp3"),
        (_, "wav") => Some("wav"),
        ("audio/amr", _) => Some("amr"),
        (_, "aac") => Some("aac"),
        (_, "mp4") => Some("m4a"),
        (_, "ogg") => Some("ogg"),
        (_, "webm") => Some("webm"),
        _ => None,
    }
}

/// Types that one and the same content can have: containers, and names that
/// differ by custom.
fn family(content_type: &str) -> &str {
    match content_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "video/mp4" | "video/x-m4v"
        | "video/quicktime" => "mp4",
        "audio/webm" | "video/webm" | "video/x-matroska" => "webm",
        "audio/ogg" | "audio/opus" | "video/ogg" | "application/ogg" => "ogg",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/aac" | "audio/x-aac" | "audio/aacp" => "aac",
        "image/jpeg" | "image/jpg" => "jpeg",
        "application/zip"
        | "application/x-zip-compressed"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        | "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "zip",
        "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint"
        | "application/x-ole-storage" => "ole",
        other => other,
    }
}

/// Whether it begins as a document that a browser would interpret.
fn looks_like_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = head.trim_ascii_start();
    let begins = |start: &str| {
        text.get(..start.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
    };
    [
        "<!doctype",
        "<html",
        "<svg",
        "<?xml",
        "<script",
        "<head",
        "<body",
        "<!--",
    ]
    .into_iter()
    .any(begins)
}

/// Whether the beginning is text; a character may be cut off at its end.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, check_main};

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";
    const WEBM: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm";
    const PDF: &[u8] = b"%PDF-1.7\n";

    #[test]
    fn content_bears_the_claim_out() {
        for (claim, head, expected) in [
            ("image/png", PNG, "image/png"),
            ("Image/PNG; q=1", PNG, "image/png"),
            ("audio/wav", WAV, "audio/wav"),
            // It begins as a script would.
            ("audio/amr", b"#!AMR\n<", "audio/amr"),
            ("", b"#!AMR-WB\n", "audio/amr"),
            ("audio/webm;codecs=opus", WEBM, "audio/webm"),
            ("video/webm", WEBM, "video/webm"),
            ("application/pdf", PDF, "application/pdf"),
            ("application/octet-stream", PDF, "application/pdf"),
            ("", PNG, "image/png"),
            ("text/plain", "BM 你好".as_bytes(), "text/plain"),
            ("text/plain", &"你".as_bytes()[..2], "text/plain"),
        ] {
            assert_eq!(
                settle(claim, head, &rules()),
                Ok(expected.to_owned()),
                "{claim}"
            );
        }
    }

    #[test]
    fn a_false_claim_is_refused_with_what_was_found() {
        for (claim, head, expected) in [
            (
                "image/png",
                PDF,
                "application/pdf, not the claimed image/png",
            ),
            ("application/pdf", PNG, "image/png, not the claimed"),
            ("text/plain", &b"a\0b"[..], "not the plain text"),
            ("image/png", b"hello", "no kind that is known"),
            ("application/x-msdownload", b"MZ\x90\0", "not the claimed"),
            ("audio/amr", b"#!/bin/sh\n", "not the claimed audio/amr"),
        ] {
            let refused = settle(claim, head, &rules()).unwrap_err();
            assert!(refused.contains(expected), "{claim}: {refused}");
        }
    }

    #[test]
    fn voice_has_a_short_name_and_nothing_else_has() {
        for (content_type, expected) in [
            ("audio/mpeg", Some("mp3")),
            ("audio/x-wav", Some("wav")),
            ("audio/amr", Some("amr")),
            ("audio/aac", Some("aac")),
            ("audio/m4a", Some("m4a")),
            ("audio/ogg", Some("ogg")),
            ("audio/webm", Some("webm")),
            ("image/png", None),
            ("", None),
        ] {
            assert_eq!(short_name(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn markup_is_never_taken() {
        for head in [
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "\u{feff}<!DOCTYPE html>",
            "\n  <HTML>",
            "<?xml version='1.0'?><svg/>",
            "<script>",
        ] {
            for claim in ["image/svg+xml", "text/html", "text/plain", "image/png", ""] {
                assert!(
                    settle(claim, head.as_bytes(), &rules()).is_err(),
                    "{claim} {head}"
                );
            }
        }
    }

    fn rules() -> config::Media {
        let text = "[admin]\ntoken = \"a-token-for-the-test\"";
        check_main("kefu.toml", text, &NoLookup)
            .unwrap()
            .settings
            .media
    }
}
