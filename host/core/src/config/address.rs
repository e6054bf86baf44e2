//! Addresses as operators write them: peers that are trusted, hosts that may
//! be reached.
//!
//! Owns their grammar and comparison. Deliberately resolves no names.
//! Invariant: a parsed host is lower case and carries no scheme and no path.

use std::{fmt, net::IpAddr};

/// One address or a range in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Reads `10.0.0.0/8`, `::1` and the like; `None` when it is neither an
    /// address nor a range.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (
                address.parse::<IpAddr>().ok()?,
                Some(prefix.parse::<u8>().ok()?),
            ),
            None => (text.parse().ok()?, None),
        };
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        (prefix <= widest).then_some(Self { address, prefix })
    }

    /// Whether an address lies within; an IPv4 address inside IPv6 counts as
    /// the IPv4 address it is.
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address.to_canonical(), peer.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(peer)) => {
                let prefix = if self.address.is_ipv6() {
                    self.prefix.saturating_sub(96)
                } else {
                    self.prefix
                };
                same_prefix(
                    u128::from(u32::from(range)) << 96,
                    u128::from(u32::from(peer)) << 96,
                    prefix,
                )
            }
            (IpAddr::V6(range), IpAddr::V6(peer)) => {
                same_prefix(range.into(), peer.into(), self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(one: u128, other: u128, prefix: u8) -> bool {
    prefix == 0 || (one ^ other) >> (128 - u32::from(prefix)) == 0
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A host that an adapter's requests may reach, with or without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `www.example.com`, `127.0.0.1:8080` or `[::1]:8080`; `None` for
    /// anything with a scheme, a path, a wildcard or white space.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self {
                host: address.to_string(),
                port: None,
            });
        }
        if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']')?;
            let host = address.parse::<std::net::Ipv6Addr>().ok()?.to_string();
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if rest.is_empty() => None,
                None => return None,
            };
            return Some(Self { host, port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (text, None),
        };
        is_host_name(host).then(|| Self {
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// Whether a request to this host (as in a URL, IPv6 brackets or not) and
    /// port may leave. Without a port of its own an entry allows every port.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let host = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host);
        let same_host = match host.parse::<IpAddr>() {
            Ok(address) => address.to_string() == self.host,
            Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case(&self.host),
        };
        same_host && self.port.is_none_or(|allowed| allowed == port)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (None, _) => f.write_str(&self.host),
        }
    }
}

/// Reads an origin as browsers send it: `scheme://host[:port]`, nothing after.
/// `None` for anything else.
pub(super) fn parse_origin(text: &str) -> Option<String> {
    let (scheme, authority) = split_url(text)?;
    AllowedHost::parse(authority)?;
    Some(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

/// Reads `http(s)://host[:port]`, a path and a query if there are any; `None`
/// for anything else, a fragment included.
pub(super) fn parse_url(text: &str) -> Option<String> {
    let (scheme, rest) = split_url(text)?;
    let (authority, path) = rest
        .find(['/', '?'])
        .map_or((rest, ""), |at| rest.split_at(at));
    AllowedHost::parse(authority)?;
    let plain = path
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"#\"<>\\".contains(&b));
    plain.then(|| format!("{scheme}://{}{path}", authority.to_ascii_lowercase()))
}

/// Reads an address that paths are appended to: no query, and a trailing slash
/// is dropped.
pub(super) fn parse_base_url(text: &str) -> Option<String> {
    let url = parse_url(text)?;
    (!url.contains('?')).then(|| url.trim_end_matches('/').to_owned())
}

fn split_url(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = ["http", "https"]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known))?;
    Some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_addresses_and_no_others() {
        let range = AddressRange::parse("10.1.0.0/16").unwrap();
        assert!(range.contains("10.1.255.1".parse().unwrap()));
        assert!(range.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!range.contains("10.2.0.1".parse().unwrap()));
        assert!(!range.contains("::1".parse().unwrap()));
        assert!(
            AddressRange::parse("0.0.0.0/0")
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        assert!(
            !AddressRange::parse("127.0.0.1")
                .unwrap()
                .contains("127.0.0.2".parse().unwrap())
        );
        assert!(
            AddressRange::parse("fd00::/8")
                .unwrap()
                .contains("fd12::1".parse().unwrap())
        );
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0.1:80",
        ] {
            assert_eq!(AddressRange::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_host_with_a_port_allows_that_port_only() {
        let host = AllowedHost::parse("Api.Example.com:8443").unwrap();
        assert!(host.allows("api.example.COM", 8443));
        assert!(!host.allows("api.example.com", 443));
        assert!(!host.allows("example.com", 8443));
        assert!(
            AllowedHost::parse("127.0.0.1")
                .unwrap()
                .allows("127.0.0.1", 9)
        );
        assert!(AllowedHost::parse("[::1]:80").unwrap().allows("[::1]", 80));
    }

    #[test]
    fn a_host_with_more_than_a_host_is_refused() {
        for text in [
            "",
            "https://a.com",
            "a.com/x",
            "*.a.com",
            "a b",
            "a.com:",
            "a.com:0",
            "a..com",
            "-a.com",
            "[::1",
            "u@a.com",
        ] {
            assert_eq!(AllowedHost::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_origin_has_no_path_and_a_base_address_no_query() {
        assert_eq!(
            parse_origin("https://App.example.com"),
            Some("https://app.example.com".into())
        );
        assert_eq!(parse_origin("https://app.example.com/"), None);
        assert_eq!(parse_origin("app.example.com"), None);
        assert_eq!(
            parse_base_url("HTTPS://A.example.com/Kefu/"),
            Some("https://a.example.com/Kefu".into())
        );
        assert_eq!(
            parse_base_url("http://127.0.0.1:80"),
            Some("http://127.0.0.1:80".into())
        );
        assert_eq!(parse_base_url("https://a.example.com/?x=1"), None);
        assert_eq!(
            parse_url("https://a.example.com/hook?x=1"),
            Some("https://a.example.com/hook?x=1".into())
        );
        assert_eq!(parse_url("https://a.example.com/#top"), None);
        assert_eq!(parse_url("ftp://a.example.com"), None);
    }
}
