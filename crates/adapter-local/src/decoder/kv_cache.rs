//! Keys and values of all sequences in this machine's memory: pages that never move, shared where
//! sequences begin alike.

use kernels::{CacheNumber, Isa, Span};

use super::pages::{PAGE, PageTable, Pages};
use crate::error::DecodeError;

/// Empty pages that are kept for the next sequence; more go back to the system.
const SPARE: usize = 4;

/// What a page must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageShape {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
}

impl PageShape {
    /// What one head of one layer consists of.
    fn head<T: CacheNumber>(self) -> usize {
        PAGE * T::per_position(self.head_size)
    }

    fn len<T: CacheNumber>(self) -> usize {
        self.layers * self.heads * self.head::<T>()
    }

    /// Keys and values.
    fn bytes<T: CacheNumber>(self) -> usize {
        2 * self.len::<T>() * size_of::<T>()
    }
}

/// Spans of all heads of all layers.
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
}

impl<T: CacheNumber> Pool<T> {
    /// A pool that takes at most `bytes`.
    pub(super) fn new(shape: PageShape, bytes: Option<u64>) -> Self {
        let page = shape.bytes::<T>().max(1) as u64;
        let most = bytes.map_or(u64::from(u32::MAX), |bytes| bytes / page);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(u32::MAX as usize);
        Self { shape, pages: Vec::new(), free: Vec::new(), most }
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
        let (size, span) = (shape.head_size, shape.head::<T>());
        let layer = layer * shape.heads * span;
        let page = &mut self.pages[table[position / PAGE] as usize];
        debug_assert_eq!(page.users, 1, "a shared page is written to");
        let heads = page.keys[layer..].chunks_exact_mut(span);
        heads.zip(key.chunks_exact(size)).for_each(|(head, row)| T::put_key(isa, row, head, slot));
        let heads = page.values[layer..].chunks_exact_mut(span);
        heads
            .zip(value.chunks_exact(size))
            .for_each(|(head, row)| T::put_value(isa, row, head, slot));
    }

    /// A head of a layer at all positions from `start`, a page's first, on.
    pub(super) fn span(
        &self,
        table: &PageTable,
        [layer, head]: [usize; 2],
        start: usize,
    ) -> Span<'_, T> {
        let len = self.shape.head::<T>();
        let at = (layer * self.shape.heads + head) * len;
        let page = &self.pages[table[start / PAGE] as usize];
        Span { keys: &page.keys[at..at + len], values: &page.values[at..at + len] }
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
        let bytes = self.shape.bytes::<T>();
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
            let len = self.shape.len::<T>();
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
