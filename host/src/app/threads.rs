//! Threads for what must be done however busy the others are.
//!
//! Owns the way from a thread that may block to a future. Deliberately not the
//! runtime's pool: its threads are counted, and whatever hangs keeps one.
//! Invariant: the work has begun when [`ended`] returns, whether its end is
//! waited for or not.

use std::{future::Future, thread};

use tokio::sync::oneshot;

/// Does something on a thread of its own. Comes to whether it ended without a
/// panic.
pub(super) fn ended(
    name: &str,
    work: Box<dyn FnOnce() + Send>,
) -> impl Future<Output = bool> + Send + use<> {
    let (tell, told) = oneshot::channel();
    let begun = thread::Builder::new().name(name.to_owned()).spawn(|| {
        work();
        // Whoever asked may not wait any more.
        let _ = tell.send(());
    });
    if let Err(error) = begun {
        tracing::error!(%error, name, "no thread to stop on");
    }
    async { told.await.is_ok() }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn work_ends_though_every_thread_of_the_pool_hangs() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (release, hang) = mpsc::channel::<()>();
        runtime.block_on(async {
            tokio::task::spawn_blocking(move || hang.recv());
            let done = timeout(Duration::from_secs(20), ended("test", Box::new(|| {}))).await;
            assert_eq!(done, Ok(true));
            let broken = ended("test", Box::new(|| panic!("as the test asked")));
            assert_eq!(timeout(Duration::from_secs(20), broken).await, Ok(false));
        });
        drop(release);
    }
}
