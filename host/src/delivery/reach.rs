//! Whether a vendor takes connections.
//!
//! Owns which addresses are tried, and one try of each: a plain TCP connection
//! that is closed at once. Deliberately sends not a byte, so that it costs the
//! vendor nothing worth counting and proves no more than that somebody listens.
//! Invariant: nothing is connected to that the provider's requests may not
//! reach; the same list and the same guarded names hold as for them.

use std::{net::IpAddr, str::FromStr, time::Duration};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use kefu_core::config::CONNECT_WITHIN;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};
use tower_service::Service;

use super::{Account, http::Resolver, trial::addresses};

/// What became of one address: its front, such as `https://example.com/`, and
/// for operators why there was no connection.
pub(crate) type Reached = (String, Result<(), String>);

/// Tries every address that the adapter names and the account may reach.
pub(crate) async fn reach(account: &Account) -> Vec<Reached> {
    let mut tries = JoinSet::new();
    for url in addresses(account) {
        let Ok(uri) = url.parse::<Uri>() else {
            continue;
        };
        if account.check_target(&uri).is_err() {
            continue;
        }
        tries.spawn(async move {
            let connected = connect(&uri, CONNECT_WITHIN).await;
            (url, connected)
        });
    }
    tries.join_all().await
}

async fn connect(uri: &Uri, within: Duration) -> Result<(), String> {
    let host = uri.host().unwrap_or_default();
    let default_port = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = uri.port_u16().unwrap_or(default_port);
    let connecting = async {
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        match plain.parse::<IpAddr>() {
            Ok(address) => TcpStream::connect((address, port)).await.map(drop),
            Err(_) => {
                let name = Name::from_str(host).map_err(std::io::Error::other)?;
                let mut found: Vec<_> = Resolver::new().call(name).await?.collect();
                found.iter_mut().for_each(|address| address.set_port(port));
                TcpStream::connect(&found[..]).await.map(drop)
            }
        }
    };
    match timeout(within, connecting).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
        Err(_) => Err(format!("{host}:{port}: no connection within {within:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::{super::account::tests::account, *};
    use kefu_plugin_api::descriptor::Descriptor;

    fn at(base_url: &str, hosts: &[&str]) -> Account {
        let mut account = account(json!({ "base_url": base_url }), hosts);
        let descriptor = Descriptor::new("x", "1.0.0").reaches_setting("base_url");
        account.descriptor = std::sync::Arc::new(descriptor);
        account
    }

    #[tokio::test]
    async fn whoever_listens_is_reached_and_whoever_stopped_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let account = at(&url, &[]);
        let found = reach(&account).await;
        assert!(matches!(&found[..], [(_, Ok(()))]), "{found:?}");
        drop(listener);
        let found = reach(&account).await;
        let [(url, Err(reason))] = &found[..] else {
            panic!("{found:?}");
        };
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        assert!(reason.contains("refused"), "{reason}");
    }

    #[tokio::test]
    async fn nothing_is_connected_to_that_is_not_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert_eq!(reach(&at(&url, &["127.0.0.1:1"])).await, []);
    }
}
