//! How fast memory can be read: what products of one token come up against.

use crate::packed::{AHEAD, Memory, NoMemory};
use crate::simd::prefetch;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Memory of the kind that packed weights lie in, to be read as fast as the machine can.
#[derive(Debug)]
pub struct Readable(Memory);

impl Readable {
    /// So many bytes, filled with ones.
    ///
    /// # Errors
    /// When there is not that much memory.
    pub fn new(bytes: usize) -> Result<Self, NoMemory> {
        let mut memory = Memory::zeroed(bytes)?;
        memory.fill(1);
        Ok(Self(memory))
    }

    /// The same cut into parts of equal length, one per thread; the last may be shorter.
    pub fn parts(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        self.0.chunks(self.0.len().div_ceil(count.max(1)).max(1))
    }
}

/// Reads everything once, asking for it ahead as products do; gives the sum of its words, so that no
/// compiler leaves a part out. Bytes behind the last whole cache line are left out.
pub fn read(bytes: &[u8]) -> u64 {
    let mut lanes = [0_u64; LINE / 8];
    for line in bytes.as_chunks::<LINE>().0 {
        prefetch::<false>(line.as_ptr().wrapping_add(AHEAD));
        for (lane, word) in lanes.iter_mut().zip(line.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_ne_bytes(*word));
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let bytes: Vec<u8> = (0..100_u64).flat_map(u64::to_ne_bytes).collect();
        assert_eq!(read(&bytes), (0..96).sum::<u64>());
        assert_eq!(read(&bytes[..63]), 0);
    }

    #[test]
    fn parts_are_the_whole() {
        let readable = Readable::new(100_000).unwrap();
        for count in [1, 2, 3, 7] {
            assert_eq!(readable.parts(count).map(<[u8]>::len).sum::<usize>(), 100_000);
            assert!(readable.parts(count).count() <= count);
        }
        assert!(readable.parts(1).flatten().all(|byte| *byte == 1));
    }
}
