//! A wire between the gateway and a vendor, which a test can cut.
//!
//! Owns one address that stays the same, and every connection through it.
//! Deliberately knows no protocol. Invariant: while it is cut nobody listens at
//! the address, as after the end of a vendor's process.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A wire to a vendor.
pub struct Wire {
    address: SocketAddr,
    to: SocketAddr,
    carrying: Option<JoinHandle<()>>,
}

impl Wire {
    /// Lays one to whoever serves `url`.
    pub async fn to(url: &str) -> Result<Self> {
        let to = url.trim_start_matches("http://").parse();
        let to = to.with_context(|| format!("no address in {url}"))?;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr().context("asking for the port")?;
        let carrying = Some(tokio::spawn(carry(listener, to)));
        Ok(Self {
            address,
            to,
            carrying,
        })
    }

    /// Where it begins, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it begins: host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and listens no more.
    pub async fn cut(&mut self) {
        if let Some(carrying) = self.carrying.take() {
            carrying.abort();
            // Over when everything that it held is closed.
            drop(carrying.await);
        }
    }

    /// Listens again.
    pub fn mend(&mut self) -> Result<()> {
        if self.carrying.is_none() {
            let listener = listen(self.address)?;
            self.carrying = Some(tokio::spawn(carry(listener, self.to)));
        }
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4().context("making a socket")?;
    // Connections that were cut a moment ago must not be in the way.
    socket.set_reuseaddr(true).context("reusing the address")?;
    socket
        .bind(address)
        .with_context(|| format!("binding {address}"))?;
    socket.listen(128).context("listening")
}

async fn carry(listener: TcpListener, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((mut near, _)) = accepted {
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
