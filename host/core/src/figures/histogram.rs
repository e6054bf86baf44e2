//! How long something took, many times over, in fixed logarithmic buckets.
//!
//! Owns the buckets: whole milliseconds up to [`EXACT`], beyond that
//! sixteen to each doubling. Deliberately keeps only buckets that hold
//! something, because most stretches of time hold few. Invariant: the same
//! bounds everywhere and for ever, so that what was written before can be added
//! to what is counted now.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Times by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(BTreeMap<u16, u64>);

/// Up to here a bucket is one millisecond.
const EXACT: u64 = 1 << SUB_BITS;
/// Each doubling has two to this power buckets.
const SUB_BITS: u32 = 4;
/// Everything longer (about 12 days) counts as this.
const LONGEST: u64 = (1 << 30) - 1;

impl Histogram {
    /// By how much a percentile may be off, as a share of the true value;
    /// what is longer than 12 days reads as that.
    pub const ERROR: f64 = 1.0 / 32.0;

    /// Counts a time.
    pub fn record(&mut self, took: Duration) {
        let count = self.0.entry(bucket(took)).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &more) in &other.0 {
            let count = self.0.entry(bucket).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.0
            .values()
            .fold(0, |sum: u64, &count| sum.saturating_add(count))
    }

    /// How many took longer than this, to within a bucket: those of the
    /// limit's own bucket do not count.
    pub fn above(&self, limit: Duration) -> u64 {
        let limit = bucket(limit);
        self.0
            .range(limit.saturating_add(1)..)
            .fold(0, |sum: u64, (_, &count)| sum.saturating_add(count))
    }

    /// The shortest time that at least so many percent (0 to 100) did not
    /// exceed, off by at most [`ERROR`](Self::ERROR). `None` if nothing was
    /// counted; a percentage outside of 0 to 100 reads as the nearer end.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is between one and a count far below 2^53"
    )]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let count = self.count();
        let share = if percent.is_nan() { 100.0 } else { percent }.clamp(0.0, 100.0) / 100.0;
        // A hair less, so that 95 % of 20 is the 19th and not the 20th.
        let rank = ((share * count as f64) - 1e-9).ceil().max(1.0) as u64;
        let mut passed = 0_u64;
        let found = self.0.iter().find(|&(_, &here)| {
            passed = passed.saturating_add(here);
            passed >= rank
        });
        found.map(|(&bucket, _)| middle(bucket))
    }

    /// Where each bucket that holds something begins and ends, and its count,
    /// shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, Duration, u64)> {
        self.0.iter().map(|(&bucket, &count)| {
            let (from, width) = bounds(bucket);
            let end = from.saturating_add(width);
            (
                Duration::from_millis(from),
                Duration::from_millis(end),
                count,
            )
        })
    }
}

/// Which bucket a time falls into.
fn bucket(took: Duration) -> u16 {
    let millis = u64::try_from(took.as_millis())
        .unwrap_or(LONGEST)
        .min(LONGEST);
    let index = if millis < EXACT {
        millis
    } else {
        let doublings = u64::from(millis.ilog2() - SUB_BITS);
        // The leading bit is implied by the number of doublings.
        let within = (millis >> doublings) - EXACT;
        EXACT + doublings * EXACT + within
    };
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// Where a bucket begins and how wide it is, in milliseconds.
fn bounds(bucket: u16) -> (u64, u64) {
    let index = u64::from(bucket);
    if index < EXACT {
        return (index, 1);
    }
    // A file may hold a bucket that no time falls into.
    let doublings = ((index - EXACT) / EXACT).min(26);
    let within = (index - EXACT) % EXACT;
    ((EXACT + within) << doublings, 1 << doublings)
}

/// The time that a bucket stands for.
fn middle(bucket: u16) -> Duration {
    let (from, width) = bounds(bucket);
    Duration::from_millis(from + (width - 1) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_lie_side_by_side_without_gaps() {
        let mut next = 0;
        for number in 0..=bucket(Duration::MAX) {
            let (from, width) = bounds(number);
            assert_eq!(from, next, "bucket {number}");
            next = from + width;
            for within in [from, next - 1] {
                assert_eq!(bucket(Duration::from_millis(within)), number);
            }
        }
        assert_eq!(next, LONGEST + 1);
    }

    #[test]
    fn nothing_counted_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(95.0), None);
    }

    #[test]
    fn the_ends_are_the_shortest_and_the_longest() {
        let mut some = Histogram::default();
        for millis in [7, 3, 11] {
            some.record(Duration::from_millis(millis));
        }
        let at = |percent| some.percentile(percent).unwrap().as_millis();
        assert_eq!((at(0.0), at(50.0), at(100.0)), (3, 7, 11));
        assert_eq!((at(-5.0), at(500.0), at(f64::NAN)), (3, 11, 11));
    }

    #[test]
    fn the_nineteenth_of_twenty_is_95_percent() {
        let mut some = Histogram::default();
        for millis in 1..=19 {
            some.record(Duration::from_millis(if millis < 19 { 1 } else { 2 }));
        }
        some.record(Duration::from_secs(9));
        assert_eq!(some.percentile(95.0), Some(Duration::from_millis(2)));
    }

    #[test]
    fn a_bucket_of_a_damaged_file_is_read_without_harm() {
        let some: Histogram = serde_json::from_str(r#"{"65535": 2}"#).unwrap();
        assert!(some.percentile(50.0).unwrap() > Duration::from_secs(86_400));
    }

    proptest! {
        #[test]
        fn a_percentile_is_off_by_at_most_the_error(
            mut times in proptest::collection::vec(0_u64..=LONGEST, 1..200),
            percent in 0.0_f64..=100.0,
        ) {
            let mut some = Histogram::default();
            for &millis in &times {
                some.record(Duration::from_millis(millis));
            }
            times.sort_unstable();
            let rank = ((percent / 100.0 * times.len() as f64) - 1e-9).ceil().max(1.0) as usize;
            let exact = times[rank - 1] as f64;
            let read = some.percentile(percent).unwrap().as_millis() as f64;
            prop_assert!((read - exact).abs() <= exact * Histogram::ERROR, "{read} for {exact}");
        }

        #[test]
        fn merging_is_counting_all_at_once(
            one in proptest::collection::vec(0_u64..100_000, 0..50),
            other in proptest::collection::vec(0_u64..100_000, 0..50),
            limit in 0_u64..100_000,
        ) {
            let count = |times: &[u64]| {
                let mut some = Histogram::default();
                times.iter().for_each(|&millis| some.record(Duration::from_millis(millis)));
                some
            };
            let mut merged = count(&one);
            merged.merge(&count(&other));
            let all: Vec<u64> = one.into_iter().chain(other).collect();
            prop_assert_eq!(&merged, &count(&all));
            prop_assert_eq!(merged.count(), all.len() as u64);
            let above = merged.above(Duration::from_millis(limit));
            let longer = all.iter().filter(|&&millis| millis > limit).count() as u64;
            prop_assert!(above <= longer);
        }
    }
}
