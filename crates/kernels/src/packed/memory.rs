//! Memory for packed weights: many matrices side by side in large mappings, so that the system can
//! back them with huge pages.
//!
//! A decoded token reads every weight once. With pages of 4 KiB that is a walk through the page
//! table per 4 KiB, which costs most in a virtual machine, where every walk is two. Matrices of
//! small models are smaller than a huge page (2 MiB), so they must share mappings.

#![expect(unsafe_code, reason = "hands out disjoint parts of a mapping")]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memmap2::MmapMut;

/// Size and alignment of a huge page.
const HUGE: usize = 2 << 20;
/// Smallest mapping. What nobody has written to takes no memory.
const MAPPING: usize = 16 << 20;
/// Bytes of a cache line, which every part begins at.
const LINE: usize = 64;

/// There is not that much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory {
    /// How many bytes were asked for.
    pub bytes: usize,
}

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no memory for {} bytes of weights", self.bytes)
    }
}

impl std::error::Error for NoMemory {}

/// A mapping, to be handed out from its start on.
struct Mapping {
    start: *mut u8,
    /// Only unmapped, when the last part is dropped.
    _pages: MmapMut,
}

// SAFETY: `start` is only used by parts, which do not overlap.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// Where the next part comes from: the newest mapping, while any part of it lives.
struct Rest {
    mapping: Weak<Mapping>,
    from: usize,
    end: usize,
}

static REST: Mutex<Rest> = Mutex::new(Rest { mapping: Weak::new(), from: 0, end: 0 });

/// Bytes of its own, zero at first, that begin a cache line.
pub(crate) struct Memory {
    mapping: Arc<Mapping>,
    from: usize,
    len: usize,
}

impl Memory {
    /// So many bytes. Pages are touched when they are written to.
    pub(crate) fn zeroed(len: usize) -> Result<Self, NoMemory> {
        let no_memory = NoMemory { bytes: len };
        let whole = len.checked_next_multiple_of(LINE).ok_or(no_memory)?;
        let mut rest = REST.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, end) = (rest.from, rest.from.checked_add(whole).ok_or(no_memory)?);
        if let Some(mapping) = rest.mapping.upgrade()
            && end <= rest.end
        {
            rest.from = end;
            return Ok(Self { mapping, from, len });
        }
        let room = whole.max(MAPPING).checked_next_multiple_of(HUGE).ok_or(no_memory)?;
        let mapping = Arc::new(map(room).ok_or(no_memory)?);
        // A large matrix leaves the smaller ones' mapping as it is.
        if room - whole >= rest.end.saturating_sub(rest.from) || rest.mapping.strong_count() == 0 {
            *rest = Rest { mapping: Arc::downgrade(&mapping), from: whole, end: room };
        }
        Ok(Self { mapping, from: 0, len })
    }
}

/// A mapping with room for `room` bytes from a huge page's beginning on.
fn map(room: usize) -> Option<Mapping> {
    let pages = MmapMut::map_anon(room.checked_add(HUGE)?).ok()?;
    #[cfg(target_os = "linux")]
    {
        // A system without huge pages says so here, and is only slower.
        let _ = pages.advise(memmap2::Advice::HugePage);
    }
    let mut pages = pages;
    let first = pages.as_mut_ptr();
    let skipped = first.align_offset(HUGE);
    // SAFETY: `skipped` is less than HUGE, and the mapping has HUGE bytes more than `room`.
    let start = unsafe { first.add(skipped) };
    Some(Mapping { start, _pages: pages })
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `from + len` is within the mapping, which lives as long as this part, and every
        // part is handed out once.
        unsafe { slice::from_raw_parts(self.mapping.start.add(self.from), self.len) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; `self` is borrowed for as long as the slice is.
        unsafe { slice::from_raw_parts_mut(self.mapping.start.add(self.from), self.len) }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_zero_aligned_and_apart() {
        let lens = [0, 1, 63, 64, 65, 100_000, 3 << 20, MAPPING, MAPPING + 1, 7, 5 << 20];
        let mut parts: Vec<Memory> = lens.iter().map(|len| Memory::zeroed(*len).unwrap()).collect();
        for (index, part) in parts.iter_mut().enumerate() {
            assert_eq!(part.len(), lens[index]);
            assert!(part.as_ptr().addr().is_multiple_of(LINE));
            assert!(part.iter().all(|byte| *byte == 0));
            part.fill(index as u8 + 1);
        }
        for (index, part) in parts.iter().enumerate() {
            assert!(
                part.iter().all(|byte| *byte == index as u8 + 1),
                "part {index} was overwritten"
            );
        }
    }

    #[test]
    fn a_mapping_is_not_handed_out_again() {
        for _ in 0..100 {
            let mut part = Memory::zeroed(1000).unwrap();
            assert!(part.iter().all(|byte| *byte == 0));
            part.fill(1);
        }
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        let error = Memory::zeroed(usize::MAX / 2).unwrap_err();
        assert_eq!(error, NoMemory { bytes: usize::MAX / 2 });
        assert!(error.to_string().contains("no memory"), "{error}");
        assert!(Memory::zeroed(usize::MAX).is_err());
    }
}
