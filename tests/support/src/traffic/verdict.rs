//! What must hold of everything that the traffic said, and how fast it went.
//!
//! Owns the promises: each accepted line is in the session's log once, at its
//! place and in order, with one answer in the same order; nobody was refused;
//! no stream broke; an answer never comes from an older build than the one
//! before. Reads only what a visitor can read. A test decides over which spans
//! of time it compares; a line belongs to the span in which it was due.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, bail};

use super::visitor::{Heard, Said};
use crate::events::{Event, check_gap_free};

/// A numbered line, and which build answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1 for each visitor.
    pub number: u64,
    /// The id that the adapter's file is stamped with, in an answer.
    pub build: Option<u64>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.number)?;
        match self.build {
            Some(build) => write!(f, " #{build}"),
            None => Ok(()),
        }
    }
}

impl Line {
    /// Reads `line 17` and `line 17 #4`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("line ")?;
        let (number, build) = match rest.split_once(" #") {
            Some((number, build)) => (number, Some(build.parse().ok()?)),
            None => (rest, None),
        };
        Some(Self {
            number: number.parse().ok()?,
            build,
        })
    }
}

/// One visitor's side of it, and the log.
pub(super) struct Diary {
    pub(super) visitor: u32,
    pub(super) desk: String,
    pub(super) said: Vec<Said>,
    pub(super) heard: Vec<Heard>,
    pub(super) log: Vec<Event>,
}

/// What all visitors said and heard.
pub struct Report {
    pub(super) diaries: Vec<Diary>,
    /// From the first line to the last.
    pub talked: Duration,
}

/// The figures of a run in which every promise held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Visitors.
    pub visitors: usize,
    /// Lines that were accepted, each of them answered.
    pub lines: usize,
    /// How many different builds answered.
    pub builds: usize,
    /// How long everybody talked.
    pub talked: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.talked.as_secs_f64();
        write!(
            f,
            "{} visitors said {} lines in {seconds:.1} s ({:.0}/s), answered by {} builds; \
             0 lost, doubled, out of order or refused",
            self.visitors,
            self.lines,
            self.lines as f64 / seconds,
            self.builds
        )
    }
}

impl Report {
    /// The figures.
    ///
    /// # Errors
    /// A promise that did not hold: how often, and the first cases.
    pub fn figures(&self) -> Result<Figures> {
        let mut violations = Vec::new();
        for diary in &self.diaries {
            let (visitor, desk) = (diary.visitor, &diary.desk);
            let found = diary.violations();
            violations.extend(
                found
                    .into_iter()
                    .map(|what| format!("\nvisitor {visitor} at {desk}: {what}")),
            );
        }
        if !violations.is_empty() {
            let count = violations.len();
            violations.truncate(SHOWN);
            bail!("{count} violations:{}", violations.concat());
        }
        let mut builds: Vec<u64> = self.answers().filter_map(|line| line.build).collect();
        builds.sort_unstable();
        builds.dedup();
        Ok(Figures {
            visitors: self.diaries.len(),
            lines: self.diaries.iter().map(|diary| diary.said.len()).sum(),
            builds: builds.len(),
            talked: self.talked,
        })
    }

    /// How long the gateway took to accept what was due in this span.
    pub fn accepting(&self, span: &Range<Duration>) -> Latency {
        let said = self.diaries.iter().flat_map(|diary| &diary.said);
        let within = said.filter(|said| span.contains(&said.at));
        Latency::of(within.map(|said| said.took).collect())
    }

    /// How long it took until the stream brought the answer to what was due in
    /// this span.
    pub fn answering(&self, span: &Range<Duration>) -> Latency {
        let mut all = Vec::new();
        for diary in &self.diaries {
            for heard in &diary.heard {
                let Heard::Answer(line, at) = heard else {
                    continue;
                };
                // Lines are numbered from 1 in the order they were said.
                let index = usize::try_from(line.number).unwrap_or(0).checked_sub(1);
                let said = index.and_then(|index| diary.said.get(index));
                all.extend(
                    said.filter(|said| span.contains(&said.at))
                        .map(|said| at.saturating_sub(said.at)),
                );
            }
        }
        Latency::of(all)
    }

    fn answers(&self) -> impl Iterator<Item = Line> {
        let heard = self.diaries.iter().flat_map(|diary| &diary.heard);
        heard.filter_map(|heard| match heard {
            Heard::Answer(line, _) => Some(*line),
            Heard::Broken(_) => None,
        })
    }
}

impl Diary {
    fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for said in &self.said {
            if let Some(why) = &said.refused {
                violations.push(format!("{} at {:?}: {why}", said.line, said.at));
            }
        }
        for heard in &self.heard {
            if let Heard::Broken(why) = heard {
                violations.push(format!("its stream broke: {why}"));
            }
        }
        // Its message ends with the whole log, which may be long here.
        let gap = check_gap_free(&self.log).err().map(|gap| gap.to_string());
        violations.extend(gap.map(|gap| gap.chars().take(GAP_SHOWN).collect()));
        violations.extend(self.said_and_logged());
        violations.extend(self.answers_in_log());
        violations.extend(self.fates_in_log());
        violations
    }

    /// The log has what was accepted and nothing else, at the places that the
    /// answers named, in order.
    fn said_and_logged(&self) -> Option<String> {
        let accepted = self.said.iter().filter_map(|said| {
            let accepted = said.accepted.as_ref()?;
            Some((said.line.number, accepted.seq, accepted.id.as_str()))
        });
        let logged = self.messages("visitor").map(|(line, event)| {
            let id = event.data["id"].as_str().unwrap_or_default();
            (line.number, event.seq, id)
        });
        difference("accepted", accepted, "in the log", logged)
    }

    /// Every accepted line has one answer, in order, and builds only grow.
    fn answers_in_log(&self) -> Vec<String> {
        let answers: Vec<Line> = self.messages("robot").map(|(line, _)| line).collect();
        let mut violations: Vec<String> = difference(
            "accepted",
            self.accepted().map(|line| line.number),
            "answered",
            answers.iter().map(|line| line.number),
        )
        .into_iter()
        .collect();
        for pair in answers.windows(2) {
            if let [before, after] = pair
                && after.build < before.build
            {
                violations.push(format!("the answer {after} followed {before}"));
            }
        }
        let streamed = self.heard.iter().filter_map(|heard| match heard {
            Heard::Answer(line, _) => Some(*line),
            Heard::Broken(_) => None,
        });
        violations.extend(difference(
            "in the log",
            answers.iter().copied(),
            "on the stream",
            streamed,
        ));
        violations
    }

    /// Every accepted line was delivered, once.
    fn fates_in_log(&self) -> Option<String> {
        let accepted = self.said.iter().filter_map(|said| said.accepted.as_ref());
        let fates = self
            .log
            .iter()
            .filter(|event| event.kind == "message.status");
        difference(
            "accepted",
            accepted.map(|accepted| (accepted.id.as_str(), "delivered")),
            "told about",
            fates.map(|event| {
                let text = |key: &str| event.data[key].as_str().unwrap_or_default();
                (text("message"), text("status"))
            }),
        )
    }

    fn accepted(&self) -> impl Iterator<Item = Line> {
        let accepted = self.said.iter().filter(|said| said.accepted.is_some());
        accepted.map(|said| said.line)
    }

    fn messages(&self, from: &str) -> impl Iterator<Item = (Line, &Event)> {
        let of = self
            .log
            .iter()
            .filter(move |event| event.from_kind() == Some(from));
        of.filter_map(|event| Some((Line::parse(event.text()?)?, event)))
    }
}

/// Where two sequences that must be the same part, told with their names.
fn difference<T: PartialEq + fmt::Debug>(
    expected_name: &str,
    expected: impl Iterator<Item = T>,
    found_name: &str,
    found: impl Iterator<Item = T>,
) -> Option<String> {
    let (expected, found): (Vec<T>, Vec<T>) = (expected.collect(), found.collect());
    let parts = || expected.iter().zip(&found).position(|(a, b)| a != b);
    let place =
        (expected != found).then(|| parts().unwrap_or_else(|| expected.len().min(found.len())))?;
    let around = |list: &[T]| {
        let end = list.len().min(place + 3);
        format!("{:?}", &list[place.saturating_sub(1).min(end)..end])
    };
    Some(format!(
        "{} {expected_name}, {} {found_name}; they part at place {place}: {} against {}",
        expected.len(),
        found.len(),
        around(&expected),
        around(&found)
    ))
}

/// Times, from the quickest to the slowest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency(Vec<Duration>);

impl Latency {
    /// Of these measurements.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// How many were measured.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time within which this share of them was done; zero for none.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let place = (share * self.0.len() as f64).ceil() as usize;
        let place = place.saturating_sub(1).min(last);
        self.0.get(place).copied().unwrap_or_default()
    }

    /// The slowest.
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        write!(
            f,
            "p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms of {}",
            ms(self.quantile(0.5)),
            ms(self.quantile(0.99)),
            ms(self.max()),
            self.count()
        )
    }
}

/// How much is shown of a gap and of what stands around it.
const GAP_SHOWN: usize = 300;

/// How many violations are shown.
const SHOWN: usize = 12;

#[cfg(test)]
mod tests;
