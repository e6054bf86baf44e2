//! One thread writes; what comes meanwhile shares the next flush to disk.
//!
//! Owns the only connection that writes. A second thread tells the results, so
//! that the next batch is under way while the callbacks of this one run.
//! Invariant: a callback is run exactly once, after its batch is on disk or
//! has failed as a whole.

use std::{
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
    time::Instant,
};

use kefu_core::{migration::Progress, outbox::DeadLetter};
use kefu_plugin_api::{
    ids::{AppId, SessionId},
    time::Timestamp,
};
use rusqlite::Connection;

use super::{
    Again, Commit, Committed, Done, InboxEvent, PushLane, StoreError,
    figures::{self, CountedRow, ReturnedRow},
    migrations, push, rows,
};
use crate::telemetry::Metrics;

/// Something to write.
pub(super) enum Job {
    Commit(Box<Commit>, Done<Committed>),
    Receive(Vec<InboxEvent>, Done<Vec<Option<u64>>>),
    MarkAttempted(SessionId, u64, bool, Done<()>),
    Bury(u64, Box<DeadLetter>, Done<()>),
    Unbury(String, Again, Done<Option<u64>>),
    Pushed(Box<PushLane>, Option<Box<DeadLetter>>, Done<bool>),
    DropPushes(AppId, Done<usize>),
    KeepFigures(Vec<CountedRow>, Vec<ReturnedRow>, Done<()>),
    KeepMigration(String, Box<Progress>, Done<()>),
    Sweep(Timestamp, Done<()>),
}

/// Writes that share one flush. Larger batches gain nothing and delay the
/// first of them.
const BATCH: usize = 512;

type Telling = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Starts the threads. They end when the sender is dropped; the writing one,
/// which is given back, has then written everything.
pub(super) fn start(
    connection: Connection,
    metrics: Metrics,
) -> Result<(Sender<Job>, JoinHandle<()>), StoreError> {
    let failed = |error: std::io::Error| StoreError::new("start the writer", error);
    let (jobs, todo) = mpsc::channel();
    let (results, told) = mpsc::channel::<(Vec<Telling>, Result<(), StoreError>)>();
    let writer = thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || write_all(&connection, &todo, &results, &metrics))
        .map_err(failed)?;
    thread::Builder::new()
        .name("store-teller".into())
        .spawn(move || {
            for (tellings, result) in told {
                for tell in tellings {
                    tell(result.clone());
                }
            }
        })
        .map_err(failed)?;
    Ok((jobs, writer))
}

fn write_all(
    connection: &Connection,
    todo: &Receiver<Job>,
    results: &Sender<(Vec<Telling>, Result<(), StoreError>)>,
    metrics: &Metrics,
) {
    while let Ok(first) = todo.recv() {
        let mut batch = vec![first];
        batch.extend(todo.try_iter().take(BATCH - 1));
        let (size, started) = (batch.len(), Instant::now());
        let (tellings, result) = write_batch(connection, batch);
        metrics.committed(size, started.elapsed());
        if let Err(error) = &result {
            tracing::error!(%error, "a batch of writes failed; nothing of it was kept");
        }
        if results.send((tellings, result)).is_err() {
            return;
        }
    }
}

fn write_batch(connection: &Connection, batch: Vec<Job>) -> (Vec<Telling>, Result<(), StoreError>) {
    let failed = |error: rusqlite::Error| StoreError::new("write a batch", error);
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(failed);
    let mut tellings = Vec::with_capacity(batch.len());
    let mut result = begun;
    for job in batch {
        let (telling, written) = write(connection, job, result.is_ok());
        tellings.push(telling);
        result = result.and(written);
    }
    let result = result.and_then(|()| connection.execute_batch("COMMIT").map_err(failed));
    if result.is_err() && !connection.is_autocommit() {
        // Nothing more can be done if this fails too; the next batch will
        // say so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    (tellings, result)
}

/// Writes one job, unless the batch has failed already, and says how to tell.
fn write(connection: &Connection, job: Job, go: bool) -> (Telling, Result<(), StoreError>) {
    fn both<T: Send + 'static>(
        done: Done<T>,
        written: Option<Result<T, StoreError>>,
    ) -> (Telling, Result<(), StoreError>) {
        match written {
            Some(Ok(value)) => (Box::new(move |batch| done(batch.map(|()| value))), Ok(())),
            Some(Err(error)) => {
                let own = error.clone();
                (Box::new(move |_| done(Err(own))), Err(error))
            }
            None => (
                Box::new(move |batch| {
                    done(Err(batch.err().unwrap_or_else(|| {
                        StoreError::new("write", "the batch failed")
                    })));
                }),
                Ok(()),
            ),
        }
    }
    match job {
        Job::Commit(commit, done) => both(done, go.then(|| rows::commit(connection, &commit))),
        Job::Receive(events, done) => both(done, go.then(|| rows::receive(connection, &events))),
        Job::MarkAttempted(session, number, attempted, done) => both(
            done,
            go.then(|| rows::mark_attempted(connection, &session, number, attempted)),
        ),
        Job::Bury(inbox, letter, done) => {
            both(done, go.then(|| rows::bury(connection, inbox, &letter)))
        }
        Job::Unbury(letter, again, done) => {
            both(done, go.then(|| push::unbury(connection, &letter, &again)))
        }
        Job::Pushed(lane, dead, done) => both(
            done,
            go.then(|| push::advance(connection, &lane, dead.as_deref())),
        ),
        Job::DropPushes(app, done) => both(done, go.then(|| push::forget(connection, &app))),
        Job::KeepFigures(rows, returned, done) => both(
            done,
            go.then(|| figures::keep(connection, &rows, &returned)),
        ),
        Job::KeepMigration(name, progress, done) => both(
            done,
            go.then(|| migrations::keep(connection, &name, &progress)),
        ),
        Job::Sweep(now, done) => both(done, go.then(|| rows::sweep(connection, now))),
    }
}
