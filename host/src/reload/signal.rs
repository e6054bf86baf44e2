//! SIGHUP: read everything again.
//!
//! Owns the task that waits for it, beside whoever waits for the signals that
//! end the gateway. Invariants: a reload, however long it takes, delays no
//! other signal; what comes while the gateway starts is kept for its end.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use super::{Cause, Reloader};

/// SIGHUP, which ends the gateway no more.
#[derive(Debug)]
pub struct HangUp(Signal);

impl HangUp {
    /// Takes the signal, to be done before anything that takes long. To be
    /// called within a runtime.
    ///
    /// # Errors
    /// It cannot be taken.
    pub fn take() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Reloads at every SIGHUP, until the task is aborted; at once, if one came
    /// since it was taken.
    pub fn reload(mut self, reloader: Reloader) -> JoinHandle<()> {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                tracing::info!("SIGHUP: the configuration is read again");
                reloader.request(Cause::Signal);
            }
        })
    }
}
