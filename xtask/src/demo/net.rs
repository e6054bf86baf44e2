//! One HTTP exchange with a server on this machine.
//!
//! As small as HTTP/1.1 gets: one request, `Connection: close`, read to the
//! end. Speaks plain HTTP to literal addresses only; a client library would
//! double what is compiled before the first command can start.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, and each read or write, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request, with JSON if there is some; returns status and body.
pub(crate) fn request(method: &str, url: &str, json: Option<&Value>) -> Result<(u16, String)> {
    exchange(method, url, json).with_context(|| format!("{method} {url}"))
}

fn exchange(method: &str, url: &str, json: Option<&Value>) -> Result<(u16, String)> {
    let rest = url
        .strip_prefix("http://")
        .context("it is no http:// address")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host.parse().context("its host is no address with a port")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = json.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read(&String::from_utf8_lossy(&answer))
}

/// Splits an answer; a chunked body keeps its chunk sizes, which nobody here minds.
fn read(answer: &str) -> Result<(u16, String)> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((
        status.with_context(|| format!("the answer begins with {head:?}"))?,
        body.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_split_and_nonsense_is_an_error() {
        let answer = read("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{\"x\":1}").ok();
        assert_eq!(answer, Some((503, "{\"x\":1}".to_owned())));
        assert!(read("SSH-2.0\r\n").is_err());
        assert!(read("garbage\r\n\r\n").is_err());
    }

    #[test]
    fn an_address_that_is_not_plain_http_to_a_literal_host_is_refused() {
        for url in ["https://127.0.0.1:1/", "http://localhost:1/", "ftp://x"] {
            let error = request("GET", url, None)
                .err()
                .map(|error| format!("{error:#}"))
                .unwrap_or_default();
            assert!(error.contains(url), "{error}");
        }
    }
}
