//! Who connected, behind proxies that the operator trusts.
//!
//! Owns reading `X-Forwarded-For`. Deliberately believes nobody else's.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use kefu_core::config::Server;

/// The address of the client: the last one in `X-Forwarded-For` that is not a
/// trusted proxy, if the connection comes from one.
pub(crate) fn client(server: &Server, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    let mut client = peer;
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in forwarded.iter().rev() {
        if !server.trusts(client.ip()) {
            break;
        }
        // What follows an unreadable hop cannot be believed either.
        let Some(address) = address(hop.trim()) else {
            break;
        };
        client = address;
    }
    client
}

/// An address as proxies write it: with or without port and brackets.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0))
}

#[cfg(test)]
mod tests {
    use kefu_core::config::{NoLookup, check_main};

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1:5", &["198.51.100.7"][..], "192.0.2.1:5"),
            ("10.0.0.1:5", &[], "10.0.0.1:5"),
            ("10.0.0.1:5", &["198.51.100.7"], "198.51.100.7:0"),
            (
                "10.0.0.1:5",
                &["1.1.1.1, 198.51.100.7, 10.0.0.2"],
                "198.51.100.7:0",
            ),
            (
                "10.0.0.1:5",
                &["1.1.1.1", "198.51.100.7:80"],
                "198.51.100.7:80",
            ),
            ("10.0.0.1:5", &["198.51.100.7, unknown"], "10.0.0.1:5"),
            ("10.0.0.1:5", &["[2001:db8::1]"], "[2001:db8::1]:0"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = client(&server(), peer.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), expected, "{forwarded:?}");
        }
    }

    fn server() -> Server {
        let text = r#"
            [server]
            trusted_proxies = ["10.0.0.0/8"]
            [admin]
            token = "a-token-for-the-test"
        "#;
        check_main("kefu.toml", text, &NoLookup)
            .unwrap()
            .settings
            .server
    }
}
