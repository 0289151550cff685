//! Keys and values of all sequences in this machine's memory: pages that never move, shared where
//! sequences begin alike.

use kernels::{CacheNumber, F16, F32, Isa, Span};

use super::pages::{PAGE, PageTable, Pages};
use crate::error::DecodeError;

/// Empty pages that are kept for the next sequence; more go back to the system.
const SPARE: usize = 4;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KvPrecision {
    /// Half the memory, and far more exact than the eight bits of a quantized model's activations.
    #[default]
    F16,
    /// As they were computed.
    F32,
}

/// What a page must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageShape {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
}

impl PageShape {
    /// Numbers of one head of one layer.
    fn head(self) -> usize {
        PAGE * self.head_size
    }

    fn numbers(self) -> usize {
        self.layers * self.heads * self.head()
    }
}

/// Keys: layers x heads x head size x positions. Values: layers x heads x positions x head size.
#[derive(Debug, Default)]
struct Page<T> {
    keys: Vec<T>,
    values: Vec<T>,
    /// How many sequences list it.
    users: u32,
}

/// All pages.
#[derive(Debug)]
pub(super) struct Pool<T> {
    shape: PageShape,
    pages: Vec<Page<T>>,
    /// Pages that nobody lists.
    free: Vec<u32>,
    most: usize,
    /// A key on its way to its column.
    stored: Vec<T>,
}

impl<T: CacheNumber> Pool<T> {
    /// A pool that takes at most `bytes`.
    pub(super) fn new(shape: PageShape, bytes: Option<u64>) -> Self {
        let page = (2 * shape.numbers() * size_of::<T>()).max(1) as u64;
        let most = bytes.map_or(u64::from(u32::MAX), |bytes| bytes / page);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(u32::MAX as usize);
        let stored = vec![T::default(); shape.head_size];
        Self { shape, pages: Vec::new(), free: Vec::new(), most, stored }
    }

    /// Keeps key and value of all heads of a layer at `position`, for which
    /// [`Pool::reach`] made room.
    pub(super) fn put(
        &mut self,
        isa: Isa,
        table: &PageTable,
        layer: usize,
        position: usize,
        [key, value]: [&[f32]; 2],
    ) {
        let (shape, slot) = (self.shape, position % PAGE);
        let layer = layer * shape.heads * shape.head();
        let page = &mut self.pages[table[position / PAGE] as usize];
        debug_assert_eq!(page.users, 1, "a shared page is written to");
        let (size, whole) = (shape.head_size, [has_no_infinity(key), has_no_infinity(value)]);
        let stored = &mut self.stored;
        let heads = page.keys[layer..].chunks_exact_mut(shape.head());
        for (head, row) in heads.zip(key.chunks_exact(size)) {
            keep(isa, row, stored, whole[0]);
            let column = head[slot..].iter_mut().step_by(PAGE);
            column.zip(stored.iter()).for_each(|(slot, x)| *slot = *x);
        }
        let heads = page.values[layer..].chunks_exact_mut(shape.head());
        for (head, row) in heads.zip(value.chunks_exact(size)) {
            keep(isa, row, &mut head[slot * size..][..size], whole[1]);
        }
    }

    /// `count` positions of a head of a layer from `start`, a page's first, on.
    pub(super) fn span(
        &self,
        table: &PageTable,
        [layer, head]: [usize; 2],
        start: usize,
        count: usize,
    ) -> Span<'_, T> {
        let shape = self.shape;
        let at = (layer * shape.heads + head) * shape.head();
        let page = &self.pages[table[start / PAGE] as usize];
        Span {
            keys: &page.keys[at..at + shape.head()],
            values: &page.values[at..at + count * shape.head_size],
        }
    }
}

fn has_no_infinity(row: &[f32]) -> bool {
    !row.iter().any(|x| x.is_infinite())
}

/// Stores a head. What is too large for a half is kept as the largest one; what is infinite is
/// nonsense, and must not become a number.
fn keep<T: CacheNumber>(isa: Isa, row: &[f32], out: &mut [T], whole: bool) {
    kernels::store(isa, row, out);
    if !whole {
        out.fill(T::from(f32::NAN));
    }
}

impl<T: CacheNumber> Pages for Pool<T> {
    fn free(&self) -> usize {
        self.most - (self.pages.len() - self.free.len())
    }

    fn users(&mut self, page: u32) -> &mut u32 {
        &mut self.pages[page as usize].users
    }

    fn take(&mut self) -> Result<u32, DecodeError> {
        let bytes = 2 * self.shape.numbers() * size_of::<T>();
        let short = || DecodeError::OutOfMemory { bytes };
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.pages.len() >= self.most => return Err(short()),
            None => {
                self.pages.push(Page { keys: Vec::new(), values: Vec::new(), users: 0 });
                (self.pages.len() - 1) as u32
            }
        };
        let page = &mut self.pages[index as usize];
        for numbers in [&mut page.keys, &mut page.values] {
            let len = self.shape.numbers();
            if numbers.len() < len && numbers.try_reserve_exact(len).is_err() {
                self.free.push(index);
                return Err(short());
            }
            numbers.resize(len, T::default());
        }
        page.users = 1;
        Ok(index)
    }

    fn give_back(&mut self, index: u32) {
        let spare = self.free.iter().filter(|free| !self.pages[**free as usize].keys.is_empty());
        if spare.count() >= SPARE {
            let page = &mut self.pages[index as usize];
            (page.keys, page.values) = (Vec::new(), Vec::new());
            // Those that have memory are taken first.
            self.free.insert(0, index);
        } else {
            self.free.push(index);
        }
    }

    fn copy(&mut self, from: u32, to: u32) -> Result<(), DecodeError> {
        let both = [from as usize, to as usize];
        let Ok([from, to]) = self.pages.get_disjoint_mut(both) else { return Ok(()) };
        to.keys.copy_from_slice(&from.keys);
        to.values.copy_from_slice(&from.values);
        Ok(())
    }
}

/// Bytes per position of a cache for `layers` layers whose keys are `kv_width` wide.
pub(crate) fn bytes_per_position(layers: usize, kv_width: usize, precision: KvPrecision) -> u64 {
    let number = match precision {
        KvPrecision::F16 => size_of::<F16>(),
        KvPrecision::F32 => size_of::<F32>(),
    };
    (layers as u64) * 2 * (kv_width as u64) * number as u64
}
