//! Waiting for something to become true, with a deadline and a message.
//!
//! The only place where tests let time pass. A condition is asked again and
//! again until it yields a value; when the deadline comes first, the error
//! says what was awaited, for how long, and the last reason why not.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long a test waits for anything unless it says otherwise: far longer
/// than needed on a busy machine, so that only a real fault runs into it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits up to [`PATIENCE`] for `condition` to yield a value; `what` completes
/// the sentence "waited for …".
pub async fn until<T, F>(what: &str, condition: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Option<T>>,
{
    until_within(PATIENCE, what, condition).await
}

/// As [`until`], with a patience of its own.
///
/// An error of `condition` counts as "not yet": a gateway that is starting
/// refuses connections. The last one is part of the message.
pub async fn until_within<T, F>(patience: Duration, what: &str, mut condition: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Option<T>>,
{
    let start = Instant::now();
    let mut last = String::from("the condition never held");
    while start.elapsed() < patience {
        let left = patience.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => last = format!("last error: {error:#}"),
            Err(_) => last = String::from("the last look itself did not come back"),
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("waited {:.1?} for {what}: {last}", start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_yields_its_value() -> Result<()> {
        let mut looks = 0;
        let seen = until("the third look", async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        })
        .await?;
        assert_eq!(seen, 3);
        Ok(())
    }

    #[tokio::test]
    async fn a_missed_deadline_names_what_was_awaited_and_the_last_error() {
        let outcome: Result<()> =
            until_within(Duration::from_millis(50), "rain", async || bail!("sunny")).await;
        let text = outcome
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            text.contains("for rain") && text.contains("sunny"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlast_the_deadline() {
        let outcome: Result<()> =
            until_within(Duration::from_millis(50), "an answer", async || {
                std::future::pending().await
            })
            .await;
        assert!(outcome.is_err());
    }
}
