//! Randomness that can be had again.
//!
//! Owns one small generator. Invariant: the same seed gives the same draws on
//! every machine and in every version, so that a failure can be repeated.

/// A stream of numbers that a seed determines.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of one input: it does not depend on the ones before, so that
    /// one index can be repeated alone.
    pub(super) fn of(seed: u64, index: u64) -> Self {
        let mut first = Self(seed);
        let salt = first.next();
        Self(salt ^ index.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below the limit; 0 where the limit is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// Whether one of so many chances came true.
    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of them, if there are any.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_can_be_had_again_without_those_before_it() {
        let draw = |seed, index| Random::of(seed, index).next();
        assert_eq!(draw(7, 41), draw(7, 41));
        assert_ne!(draw(7, 41), draw(7, 42));
        assert_ne!(draw(7, 41), draw(8, 41));
    }

    #[test]
    fn a_choice_is_always_one_of_those_offered() {
        let mut random = Random::new(1);
        assert!((0..1_000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
