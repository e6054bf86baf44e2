//! The chat widget as it is served: its source without comments and indentation.
//!
//! Owns that small step between the readable file and what visitors load. It is
//! deliberately no minifier: it drops whole lines and leading blanks, so that what
//! a browser's console shows is still the source.
//!
//! Invariant: a line of the source that begins with `//`, `/**`, `*/` or `* ` is
//! a comment, and no text in it spans lines whose indentation matters.

use std::sync::LazyLock;

/// The script that `GET /widget.js` answers with, as `text/javascript`.
pub(super) fn script() -> &'static str {
    &SCRIPT
}

static SCRIPT: LazyLock<String> = LazyLock::new(|| without_comments(SOURCE));

fn without_comments(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    lines
        .filter(|line| !is_comment(line))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn is_comment(line: &str) -> bool {
    line.is_empty()
        || line == "*"
        || ["//", "/**", "*/", "* "]
            .iter()
            .any(|start| line.starts_with(start))
}

const SOURCE: &str = include_str!("assets/widget.js");

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn comments_go_and_code_stays() {
        let source =
            "/**\n * Doc.\n *\n */\n  // Why.\n  const a = 1; // kept\n\n  /** One. */\n  b * c;\n";
        assert_eq!(without_comments(source), "const a = 1; // kept\nb * c;\n");
        assert!(
            script().starts_with("(() => {\n"),
            "the widget does not begin with its code"
        );
        assert!(script().ends_with("customElements.define('kefu-chat', KefuChat);\n})();\n"));
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
        let writer = std::thread::spawn(move || input.write_all(script().as_bytes()));
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
