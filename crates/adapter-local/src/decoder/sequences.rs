//! The sequences of a decoder: how long each is and which pages hold it.

use super::SequenceId;
use super::pages::{PageTable, Pages};
use crate::error::DecodeError;

#[derive(Debug, Default)]
struct Sequence {
    len: usize,
    table: PageTable,
}

/// Open sequences and the store that their pages come from.
#[derive(Debug)]
pub(super) struct Sequences<P> {
    pool: P,
    /// By id; the ids of closed ones are used again.
    all: Tables,
    most: usize,
}

/// The pages of every sequence.
#[derive(Debug)]
pub(super) struct Tables(Vec<Option<Sequence>>);

impl Tables {
    /// The pages of an open sequence.
    pub(super) fn of(&self, id: SequenceId) -> &PageTable {
        static NONE: PageTable = PageTable::new();
        self.0.get(id.0).and_then(Option::as_ref).map_or(&NONE, |sequence| &sequence.table)
    }
}

impl<P: Pages> Sequences<P> {
    pub(super) fn new(pool: P, most: usize) -> Self {
        Self { pool, all: Tables(Vec::new()), most }
    }

    pub(super) fn free_pages(&self) -> usize {
        self.pool.free()
    }

    pub(super) fn is_open(&self, id: SequenceId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn len(&self, id: SequenceId) -> usize {
        self.get(id).map_or(0, |sequence| sequence.len)
    }

    pub(super) fn open(&mut self) -> Result<SequenceId, DecodeError> {
        self.add(Sequence::default())
    }

    pub(super) fn fork(&mut self, from: SequenceId, len: usize) -> Result<SequenceId, DecodeError> {
        let Some(Some(original)) = self.all.0.get(from.0) else {
            return Err(DecodeError::WrongSequence);
        };
        let len = len.min(original.len);
        let table = self.pool.share(&original.table, len);
        self.add(Sequence { len, table })
    }

    /// Forgets everything from position `len` on.
    pub(super) fn truncate(&mut self, id: SequenceId, len: usize) {
        if let Some(Some(sequence)) = self.all.0.get_mut(id.0) {
            sequence.len = sequence.len.min(len);
            self.pool.cut(&mut sequence.table, sequence.len);
        }
    }

    pub(super) fn close(&mut self, id: SequenceId) {
        self.truncate(id, 0);
        if let Some(slot) = self.all.0.get_mut(id.0) {
            *slot = None;
        }
    }

    /// Makes room for as many more tokens; says how many positions there are then.
    pub(super) fn reach(&mut self, id: SequenceId, more: usize) -> Result<usize, DecodeError> {
        let Some(Some(sequence)) = self.all.0.get_mut(id.0) else {
            return Err(DecodeError::WrongSequence);
        };
        let positions = sequence.len + more;
        self.pool.reach(&mut sequence.table, sequence.len, positions)?;
        Ok(positions)
    }

    pub(super) fn set_len(&mut self, id: SequenceId, len: usize) {
        if let Some(Some(sequence)) = self.all.0.get_mut(id.0) {
            sequence.len = len;
        }
    }

    /// The store, to be written to, and who has which pages.
    pub(super) fn pages(&mut self) -> (&mut P, &Tables) {
        (&mut self.pool, &self.all)
    }

    fn get(&self, id: SequenceId) -> Option<&Sequence> {
        self.all.0.get(id.0).and_then(Option::as_ref)
    }

    fn add(&mut self, sequence: Sequence) -> Result<SequenceId, DecodeError> {
        let all = &mut self.all.0;
        if let Some(free) = all.iter().position(Option::is_none) {
            all[free] = Some(sequence);
            return Ok(SequenceId(free));
        }
        if all.len() >= self.most {
            let Sequence { mut table, .. } = sequence;
            self.pool.cut(&mut table, 0);
            return Err(DecodeError::TooManySequences { most: self.most });
        }
        all.push(Some(sequence));
        Ok(SequenceId(all.len() - 1))
    }
}
