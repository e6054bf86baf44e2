//! What an interruption leaves behind: nothing.
//!
//! Owns the folder that the work is done in, the terminal's own ways, and the
//! moment at which files are put in place. Invariant: whoever interrupts finds
//! either all of the new files or none, and a terminal that echoes.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::termios::{OptionalActions, Termios, tcsetattr};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::conformance::Folder;

/// What work and interruption share.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// How the terminal was before something was hidden.
    terminal: Mutex<Option<Termios>>,
    /// Held while files are put in place; whether that is done.
    placed: Mutex<bool>,
}

impl Guard {
    /// Remembers how the terminal was.
    pub(super) fn hide(&self, before: Termios) {
        *lock(&self.terminal) = Some(before);
    }

    /// Has the terminal as it was.
    pub(super) fn show(&self) {
        if let Some(before) = lock(&self.terminal).take() {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    /// Nobody interrupts while this is held; to be set once files are in place.
    pub(super) fn placing(&self) -> MutexGuard<'_, bool> {
        lock(&self.placed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the work in a folder that goes with it, however it ends.
///
/// # Errors
/// Those of the work.
pub(super) fn guarded(
    work: impl FnOnce(&Path, &Guard) -> anyhow::Result<ExitCode> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let folder = Folder::make()?;
    let guard = Arc::new(Guard::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (tell, told) = oneshot::channel();
        let (path, shared) = (folder.path().to_owned(), Arc::clone(&guard));
        std::thread::Builder::new()
            .name("provider-add".into())
            .spawn(move || tell.send(work(&path, &shared)))?;
        io::Result::Ok(tokio::select! {
            ended = told => Some(ended),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        })
    })?;
    guard.show();
    match ended {
        Some(Ok(result)) => result,
        Some(Err(_)) => anyhow::bail!("the work ended without a result"),
        None => {
            // Kept to the end, so that nothing is put in place from here on.
            let placed = guard.placing();
            let text = if *placed {
                "interrupted; the provider's file is in place"
            } else {
                "interrupted; nothing was written"
            };
            writeln!(io::stderr().lock(), "\nkefu-gateway: {text}")?;
            // The thread may still be making files in there.
            for _ in 0..3 {
                let _ = std::fs::remove_dir_all(folder.path());
            }
            std::mem::forget(placed);
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// As shells count the end by SIGINT.
const INTERRUPTED: u8 = 130;
