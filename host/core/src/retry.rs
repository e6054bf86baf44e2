//! What becomes of an attempt: done, tried again, or given up.
//!
//! Owns the rules by which an attempt is judged and the waiting times. Pure:
//! what happened and when comes in, a verdict goes out. Invariant: a call that
//! must not reach the vendor twice is tried again only if it surely has not
//! reached the vendor once.

use kefu_plugin_api::{event::CallResult, http::HttpResponse, time::Timestamp};

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The vendor answered.
    Answered(HttpResponse),
    /// Nothing was sent: no connection, no name, no token, a forbidden host.
    NotSent {
        /// What was in the way.
        detail: String,
        /// Whether it can be otherwise next time.
        passing: bool,
    },
    /// Something was sent and no answer came.
    NoAnswer {
        /// What was in the way.
        detail: String,
    },
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tell the adapter.
    Finish(CallResult),
    /// Tell the adapter and keep it for people.
    Dead(CallResult),
    /// Try again at this time.
    Retry(Timestamp),
}

/// The circumstances of a call.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Whether the call may reach the vendor twice.
    pub repeatable: bool,
    /// Whether the operator prefers a second arrival to a lost one.
    pub retry_unknown: bool,
    /// Whether somebody else is asked if it is given up.
    pub gives_way: bool,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// Now.
    pub now: Timestamp,
    /// When to give up.
    pub deadline: Timestamp,
    /// A number for spreading retries, different for each call.
    pub salt: u64,
}

/// Judges an attempt.
pub fn judge(attempt: Attempt, circumstances: Circumstances) -> Verdict {
    let may_repeat = circumstances.repeatable || circumstances.retry_unknown;
    match attempt {
        Attempt::Answered(response) => match meaning(response.status) {
            Meaning::Final => Verdict::Finish(CallResult::Answered { response }),
            Meaning::NotTaken => {
                let detail = format!("the vendor answered {}", response.status);
                retry_or(
                    circumstances,
                    retry_after(&response),
                    CallResult::NotSent { detail },
                )
            }
            Meaning::Unclear if may_repeat => {
                let detail = format!("the vendor answered {}", response.status);
                retry_or(
                    circumstances,
                    retry_after(&response),
                    CallResult::Unknown { detail },
                )
            }
            Meaning::Unclear => Verdict::Dead(CallResult::Unknown {
                detail: format!(
                    "the vendor answered {} and may have taken it",
                    response.status
                ),
            }),
        },
        Attempt::NotSent {
            detail,
            passing: true,
        } => retry_or(circumstances, None, CallResult::NotSent { detail }),
        Attempt::NotSent {
            detail,
            passing: false,
        } => Verdict::Dead(CallResult::NotSent { detail }),
        Attempt::NoAnswer { detail } if may_repeat => {
            retry_or(circumstances, None, CallResult::Unknown { detail })
        }
        Attempt::NoAnswer { detail } => Verdict::Dead(CallResult::Unknown { detail }),
    }
}

/// The wait before the next attempt: doubling from half a second to thirty
/// seconds, spread by up to a quarter.
pub fn back_off_ms(attempts: u32, salt: u64) -> i64 {
    let doubled = FIRST_WAIT_MS.saturating_mul(1_i64 << attempts.saturating_sub(1).min(10));
    let wait = doubled.min(LONGEST_WAIT_MS);
    let spread = salt
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(attempts)
        % 256;
    // The spread is under 256, so the cast keeps it.
    wait + wait * spread as i64 / 1024
}

enum Meaning {
    /// The adapter decides what it means.
    Final,
    /// The vendor says it did nothing: worth another try.
    NotTaken,
    /// The vendor may have done it.
    Unclear,
}

fn meaning(status: u16) -> Meaning {
    match status {
        408 | 425 | 429 | 503 => Meaning::NotTaken,
        500..=599 => Meaning::Unclear,
        _ => Meaning::Final,
    }
}

/// What becomes of a call that is not tried again because somebody else is
/// asked: what the attempt says of it.
pub fn give_way(attempt: Attempt) -> CallResult {
    let otherwise = Circumstances {
        repeatable: true,
        retry_unknown: false,
        gives_way: true,
        attempts: u32::MAX,
        now: Timestamp::default(),
        deadline: Timestamp::default(),
        salt: 0,
    };
    match judge(attempt, otherwise) {
        Verdict::Finish(result) | Verdict::Dead(result) => result,
        Verdict::Retry(_) => CallResult::NotSent {
            detail: "another provider is asked".to_owned(),
        },
    }
}

fn retry_or(circumstances: Circumstances, asked_ms: Option<i64>, otherwise: CallResult) -> Verdict {
    if circumstances.gives_way && circumstances.attempts >= ATTEMPTS_BEFORE_ANOTHER {
        // Nobody has to look after it: the session goes on elsewhere.
        return Verdict::Finish(otherwise);
    }
    let wait = back_off_ms(circumstances.attempts, circumstances.salt)
        .max(asked_ms.unwrap_or(0).min(LONGEST_ASKED_MS));
    let next = circumstances.now.plus_ms(wait);
    if next > circumstances.deadline {
        Verdict::Dead(otherwise)
    } else {
        Verdict::Retry(next)
    }
}

/// `Retry-After` in seconds; the form with a date is not used by any vendor.
fn retry_after(response: &HttpResponse) -> Option<i64> {
    let (_, value) = response
        .headers
        .iter()
        .find(|(name, _)| name == "retry-after")?;
    value
        .trim()
        .parse::<i64>()
        .ok()
        .map(|seconds| seconds.saturating_mul(1000).max(0))
}

/// How often a call of a handshake is tried while others can be asked. Once
/// more than once: a vendor that is restarted refuses for a moment.
const ATTEMPTS_BEFORE_ANOTHER: u32 = 2;
const FIRST_WAIT_MS: i64 = 500;
const LONGEST_WAIT_MS: i64 = 30_000;
const LONGEST_ASKED_MS: i64 = 300_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances() -> Circumstances {
        Circumstances {
            repeatable: false,
            retry_unknown: false,
            gives_way: false,
            attempts: 1,
            now: Timestamp::from_unix_ms(0),
            deadline: Timestamp::from_unix_ms(3_600_000),
            salt: 0,
        }
    }

    fn answer(status: u16, headers: &[(&str, &str)]) -> Attempt {
        Attempt::Answered(HttpResponse {
            status,
            headers: headers
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            body: Vec::new(),
        })
    }

    #[test]
    fn a_vendor_that_is_busy_is_asked_again_even_for_calls_that_must_not_repeat() {
        for status in [408, 425, 429, 503] {
            assert!(
                matches!(
                    judge(answer(status, &[]), circumstances()),
                    Verdict::Retry(_)
                ),
                "{status}"
            );
        }
    }

    #[test]
    fn an_unclear_answer_ends_a_call_that_must_not_repeat() {
        for status in [500, 502, 504] {
            let verdict = judge(answer(status, &[]), circumstances());
            assert!(
                matches!(verdict, Verdict::Dead(CallResult::Unknown { .. })),
                "{status}"
            );
        }
        let silence = Attempt::NoAnswer {
            detail: "timed out".into(),
        };
        assert!(matches!(
            judge(silence, circumstances()),
            Verdict::Dead(CallResult::Unknown { .. })
        ));
    }

    #[test]
    fn an_unclear_answer_is_tried_again_where_a_repeat_does_no_harm() {
        for repeat in [
            Circumstances {
                repeatable: true,
                ..circumstances()
            },
            Circumstances {
                retry_unknown: true,
                ..circumstances()
            },
        ] {
            assert!(matches!(judge(answer(500, &[]), repeat), Verdict::Retry(_)));
        }
    }

    #[test]
    fn every_other_status_is_for_the_adapter_to_read() {
        for status in [200, 204, 302, 400, 401, 404, 422] {
            let verdict = judge(answer(status, &[]), circumstances());
            assert!(
                matches!(verdict, Verdict::Finish(CallResult::Answered { .. })),
                "{status}"
            );
        }
    }

    #[test]
    fn a_vendor_may_ask_for_a_longer_wait_but_not_for_a_shorter_one() {
        let wait = |headers: &[(&str, &str)]| match judge(answer(429, headers), circumstances()) {
            Verdict::Retry(at) => at.unix_ms(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(&[("retry-after", "7")]), 7_000);
        assert_eq!(wait(&[("retry-after", "0")]), wait(&[]));
        assert_eq!(wait(&[("retry-after", "soon")]), wait(&[]));
        assert_eq!(wait(&[("retry-after", "86400")]), 300_000);
    }

    #[test]
    fn a_call_is_given_up_at_its_deadline() {
        let late = Circumstances {
            deadline: Timestamp::from_unix_ms(100),
            ..circumstances()
        };
        let refused = || Attempt::NotSent {
            detail: "connection refused".into(),
            passing: true,
        };
        assert!(matches!(
            judge(refused(), late),
            Verdict::Dead(CallResult::NotSent { .. })
        ));
        assert!(matches!(
            judge(refused(), circumstances()),
            Verdict::Retry(_)
        ));
    }

    #[test]
    fn a_handshake_is_tried_twice_where_somebody_else_can_be_asked() {
        let at = |attempts| Circumstances {
            gives_way: true,
            attempts,
            ..circumstances()
        };
        let refused = || Attempt::NotSent {
            detail: "connection refused".into(),
            passing: true,
        };
        for attempt in [refused, || answer(503, &[])] {
            assert!(matches!(judge(attempt(), at(1)), Verdict::Retry(_)));
            assert!(matches!(
                judge(attempt(), at(2)),
                Verdict::Finish(CallResult::NotSent { .. })
            ));
        }
    }

    #[test]
    fn giving_way_says_what_is_known_of_the_attempt() {
        let silence = Attempt::NoAnswer {
            detail: "timed out".into(),
        };
        assert!(matches!(give_way(silence), CallResult::Unknown { .. }));
        for (status, sent) in [(503, false), (500, true)] {
            let result = give_way(answer(status, &[]));
            assert_eq!(
                matches!(result, CallResult::Unknown { .. }),
                sent,
                "{status}"
            );
        }
    }

    #[test]
    fn waits_grow_to_half_a_minute_and_no_further() {
        let waits: Vec<_> = (1..=20).map(|attempts| back_off_ms(attempts, 42)).collect();
        assert!(waits[0] >= 500 && waits[0] <= 625);
        assert!(waits.iter().all(|&wait| wait <= 37_500));
        assert!(waits[19] >= 30_000);
    }
}
