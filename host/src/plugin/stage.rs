//! The stages from an operator's file to a generation in service.
//!
//! Owns their names and the clock that times them. Deliberately runs none of
//! them; [`pipeline`](super::pipeline) does. Invariant: what took long, and
//! what refused, is told by these names everywhere: in answers, metrics and
//! the log.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, Serializer};

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The operator's file is read, once, and judged by its bytes.
    Read,
    /// Whether these bytes are trusted.
    Trust,
    /// The private copy is made.
    Copy,
    /// A child process starts and loads the copy.
    Load,
    /// Its layout and contract are checked; it says who it is.
    Describe,
    /// It is opened there with the provider's settings.
    Open,
    /// It is tried on harmless input there.
    SelfTest,
    /// It reads stored states of the provider's sessions there.
    States,
    /// It is loaded and opened where it will serve.
    Start,
}

impl Stage {
    /// The name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trust => "trust",
            Self::Copy => "copy",
            Self::Load => "load",
            Self::Describe => "describe",
            Self::Open => "open",
            Self::SelfTest => "self_test",
            Self::States => "states",
            Self::Start => "start",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// How long, in milliseconds.
    #[serde(rename = "ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

fn milliseconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Thousandths of a millisecond: most stages take less than one.
    serializer.serialize_f64((took.as_secs_f64() * 1e6).round() / 1e3)
}

/// Times one stage after the other.
#[derive(Debug)]
pub(super) struct Stopwatch {
    since: Instant,
    times: Vec<StageTime>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self {
            since: Instant::now(),
            times: Vec::new(),
        }
    }

    /// The stage that ran since the last call is over.
    pub(super) fn passed(&mut self, stage: Stage) {
        let now = Instant::now();
        let took = now.duration_since(self.since);
        self.since = now;
        self.times.push(StageTime { stage, took });
    }

    /// Stages that were timed elsewhere, since the last call.
    pub(super) fn passed_elsewhere(&mut self, times: impl IntoIterator<Item = StageTime>) {
        self.times.extend(times);
        self.since = Instant::now();
    }

    pub(super) fn stop(self) -> Vec<StageTime> {
        self.times
    }
}
