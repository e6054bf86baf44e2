//! Tries again what was given up, on the word of an operator.
//!
//! A call becomes a new entry at the end of its session's order, an event of a
//! vendor goes to the end of the inbox. Invariant: the dead letter goes in the
//! same commit that puts something in its place, so that of two replays one
//! finds nothing.

use kefu_core::{
    outbox::{DeadLetter, Letter},
    problem::{Problem, Slug},
    turn::Input,
};
use kefu_plugin_api::ids::ConversationId;
use tokio::sync::oneshot;

use super::{Engine, not_stored};
use crate::{
    session::{
        clock,
        slot::{Ended, TurnJob},
    },
    store::{Again, InboxEvent, StoreError},
};

impl Engine {
    /// Tries a call or an event of a vendor again.
    ///
    /// # Errors
    /// `not-found` where the letter or its session is gone, and whatever stands
    /// in the way of a new call. A push is not the engine's.
    pub async fn replay(&self, letter: DeadLetter) -> Result<(), Problem> {
        match letter.letter {
            Letter::Call { entry } => {
                let job = TurnJob {
                    revived: Some(letter.id.clone()),
                    ..TurnJob::new(Input::Replay(entry))
                };
                match self.run(&letter.session, job, true).await {
                    Ended::Ran { .. } => Ok(()),
                    Ended::NotStored(error) => {
                        let id = letter.id.clone();
                        let left = self.read(move |store| store.dead_letter(&id)).await?;
                        Err(left.map_or_else(|| no_letter(&letter.id), |_| not_stored(&error)))
                    }
                    Ended::Gone => Err(Problem::new(
                        Slug::NotFound,
                        "the session of the dead letter does not exist any more",
                    )),
                    other => Err(self.problem(other)),
                }
            }
            Letter::Event { event } => {
                let event = InboxEvent {
                    provider: letter.provider,
                    session: letter.session,
                    // Repeats are recognised when a callback comes, and it came.
                    conversation: ConversationId::default(),
                    dedupe: None,
                    received_at: clock::now(),
                    event: *event,
                };
                let again = Again::Event(Box::new(event.clone()));
                let number = self.unbury(&letter.id, again).await?;
                self.dispatch(number, event);
                Ok(())
            }
            Letter::Push { .. } => Err(Problem::new(
                Slug::InvalidRequest,
                "a push is replayed by whoever pushes",
            )),
        }
    }

    /// Puts something in the place of a dead letter.
    ///
    /// # Errors
    /// `not-found` where the letter is gone, `storage-unavailable`.
    pub(crate) async fn unbury(&self, letter: &str, again: Again) -> Result<u64, Problem> {
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| drop(tell.send(result)));
        self.0.store.unbury(letter, again, done);
        let taken = told
            .await
            .unwrap_or_else(|_| Err(StoreError::new("write", "the writer has stopped")))
            .map_err(|error| not_stored(&error))?;
        taken.ok_or_else(|| no_letter(letter))
    }
}

pub(crate) fn no_letter(letter: &str) -> Problem {
    Problem::new(
        Slug::NotFound,
        format!("there is no dead letter `{letter:.100}`; it may have been replayed already"),
    )
}
