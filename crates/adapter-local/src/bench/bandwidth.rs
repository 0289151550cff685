//! How fast this machine's memory can be read: what decoding comes up against.

use std::time::Instant;

use serde::Serialize;

use super::Spread;
use super::measure::spread;
use crate::memory::available_bytes;

/// Far more than caches hold.
const BYTES: u64 = 1 << 30;
const PASSES: usize = 7;

/// How fast memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bandwidth {
    /// Threads that read.
    pub threads: usize,
    /// Bytes that they read, each its own part.
    pub buffer_bytes: u64,
    /// Their speed together.
    pub bytes_per_s: Spread,
}

/// Reads a large buffer several times and adds it up. A machine with little memory gets a smaller
/// one; where caches hold it, they are what is measured.
pub(super) fn read_bandwidth(threads: usize) -> Bandwidth {
    let bytes = available_bytes().map_or(BYTES, |available| BYTES.min(available / 4));
    let words = vec![1_u64; (bytes / 8) as usize];
    let share = words.len().div_ceil(threads).max(1);
    let pass = |_| {
        let start = Instant::now();
        let sum: u64 = std::thread::scope(|scope| {
            let readers: Vec<_> =
                words.chunks(share).map(|part| scope.spawn(move || sum(part))).collect();
            readers.into_iter().filter_map(|reader| reader.join().ok()).sum()
        });
        std::hint::black_box(sum);
        bytes as f64 / start.elapsed().as_secs_f64()
    };
    Bandwidth { threads, buffer_bytes: bytes, bytes_per_s: spread((0..PASSES).map(pass).collect()) }
}

/// In lanes, so that compilers use vectors.
fn sum(words: &[u64]) -> u64 {
    let (whole, rest) = words.as_chunks::<16>();
    let mut lanes = [0_u64; 16];
    for words in whole {
        lanes.iter_mut().zip(words).for_each(|(lane, word)| *lane = lane.wrapping_add(*word));
    }
    lanes.iter().chain(rest).fold(0, |sum: u64, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        let words: Vec<u64> = (0..1000).collect();
        assert_eq!(sum(&words), 499_500);
        assert_eq!(sum(&words[..7]), 21);
    }
}
