//! Names to addresses, without those that no name may lead to.
//!
//! Owns the list of addresses that are refused: link-local ones, those of the
//! metadata services of clouds, and those that mean no host at all. Deliberately
//! allows loopback and private networks: names on a provider's list are the
//! operator's own word. Invariant: what is connected to was checked, because
//! the check sits between resolving and connecting; a host that is listed as
//! an address is never resolved and passes by its listing.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// The system's resolver, guarded.
#[derive(Clone, Debug)]
pub(in super::super) struct Resolver {
    system: GaiResolver,
}

impl Resolver {
    pub(in super::super) fn new() -> Self {
        Self {
            system: GaiResolver::new(),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolved = self.system.call(name);
        Box::pin(async move {
            let (refused, allowed): (Vec<_>, Vec<_>) = resolved
                .await?
                .partition(|address| is_refused(address.ip()));
            match refused.first() {
                Some(address) if allowed.is_empty() => Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!(
                        "the name leads to {}, which no name may lead to",
                        address.ip()
                    ),
                )),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

fn is_refused(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || METADATA_V4.contains(&address)
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || METADATA_V6.contains(&address)
        }
    }
}

/// Metadata services outside the link-local range: Alibaba Cloud, Oracle Cloud,
/// Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The metadata service of AWS over IPv6.
const METADATA_V6: [Ipv6Addr; 1] = [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_to_a_metadata_service() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_refused(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn names_lead_to_public_private_and_loopback_addresses() {
        for address in [
            "8.8.8.8",
            "10.0.0.1",
            "127.0.0.1",
            "::1",
            "fd12::1",
            "2001:4860::1",
        ] {
            assert!(!is_refused(address.parse().unwrap()), "{address}");
        }
    }
}
