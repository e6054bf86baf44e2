//! The chat widget, as pages load it.
//!
//! Owns its delivery; what is delivered is [`script`]'s. Deliberately needs no
//! token: the file is the same for everybody.
//!
//! Invariant: the script fits into 15 kB, compressed.

mod script;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};
use sha2::{Digest, Sha256};

use super::{body::Body, origin, respond};

/// `GET /widget.js`
pub(crate) fn answer(asked: &HeaderMap) -> Response<Body> {
    let known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| {
            matches!(tag.trim().trim_start_matches("W/"), "*")
                || tag.trim().trim_start_matches("W/") == *TAG
        });
    let mut answer = if known {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        respond::typed(
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            Bytes::from_static(SCRIPT.as_bytes()),
        )
    };
    let headers = answer.headers_mut();
    origin::mark_public(headers);
    respond::set(headers, ETAG, &TAG);
    // Short, so that a new gateway brings its widget along soon.
    respond::set(headers, CACHE_CONTROL, "public, max-age=300");
    answer
}

static TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(SCRIPT.as_bytes());
    let digits: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
});

static SCRIPT: LazyLock<String> = LazyLock::new(script::assemble);

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_widget_is_sent_once_while_it_stays_the_same() {
        let first = answer(&HeaderMap::new());
        assert_eq!(first.status(), 200);
        let mut again = HeaderMap::new();
        again.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(answer(&again).status(), 304);
        again.insert(IF_NONE_MATCH, "\"other\"".parse().unwrap());
        assert_eq!(answer(&again).status(), 200);
        assert_eq!(
            first.headers()["cross-origin-resource-policy"],
            "cross-origin"
        );
    }

    #[test]
    fn served_script_is_the_widget_from_its_first_to_its_last_line() {
        assert!(
            SCRIPT.starts_with("(()=>{\n'use strict';"),
            "{}",
            &SCRIPT[..40]
        );
        assert!(SCRIPT.ends_with("customElements.define('kefu-chat',KefuChat);\n})();\n"));
        assert!(!SCRIPT.contains("this._ask") && !SCRIPT.contains("data-testid: "));
    }

    #[test]
    fn served_script_is_at_most_15_kilobytes_gzipped() {
        let mut gzip = Command::new("gzip")
            .args(["-9", "-c"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gzip is installed");
        let mut input = gzip.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || input.write_all(SCRIPT.as_bytes()));
        let output = gzip.wait_with_output().expect("gzip ends");
        writer
            .join()
            .expect("the writer ends")
            .expect("gzip takes the script");
        assert!(
            output.stdout.len() <= 15_000,
            "{} bytes",
            output.stdout.len()
        );
    }
}
