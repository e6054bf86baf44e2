//! SIGHUP: read everything again.
//!
//! Owns the task that waits for it, beside whoever waits for the signals that
//! end the gateway. Invariant: a reload, however long it takes, delays no
//! other signal.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use super::{Cause, Reloader};

/// Reloads at every SIGHUP, until the task is aborted. To be called within a
/// runtime.
///
/// # Errors
/// The signal cannot be taken.
pub fn reload_on_hang_up(reloader: Reloader) -> io::Result<JoinHandle<()>> {
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            tracing::info!("SIGHUP: the configuration is read again");
            reloader.request(Cause::Signal);
        }
    }))
}
