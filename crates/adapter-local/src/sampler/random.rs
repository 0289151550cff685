//! A small generator of random numbers: xoshiro256++, seeded through SplitMix64.
//!
//! Not for secrets. It is part of what a seed promises: changing it changes every seeded answer.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of a seed.
    pub(super) fn seeded(seed: u64) -> Self {
        let mut next = seed;
        let state = std::array::from_fn(|_| {
            next = next.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Self { state }
    }

    /// A stream that nobody has seen. The standard library's hash keys come from the system's
    /// entropy.
    pub(super) fn fresh() -> Self {
        Self::seeded(RandomState::new().build_hasher().finish())
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        let (c, d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        self.state = [a, b, c ^ shifted, d.rotate_left(45)];
        result
    }

    /// A number in `[0, 1)`, every multiple of 2^-53 equally likely.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first output of the authors' reference code for the state 1, 2, 3, 4, and the next ones.
    #[test]
    fn the_stream_is_that_of_the_reference() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let expected = [41943041, 58720359, 3588806011781223, 3591011842654386];
        assert_eq!(std::array::from_fn(|_| random.next()), expected);
    }

    #[test]
    fn seeds_give_different_streams_and_the_same_one_again() {
        let first = |seed| Random::seeded(seed).next();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }
}
