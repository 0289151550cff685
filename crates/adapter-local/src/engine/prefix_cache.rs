//! Sequences that nobody continues, kept for requests that begin as they do.
//!
//! A few sequences are compared token by token: even with a full context that is nothing beside
//! computing a single token.

use std::collections::VecDeque;

use crate::decoder::SequenceId;

/// Most sequences that are kept.
pub(super) const MOST_KEPT: usize = 16;

/// A sequence of the decoder and its tokens.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sequence: SequenceId,
    pub(super) tokens: Vec<u32>,
}

/// What is kept, the least recently used first.
#[derive(Debug, Default)]
pub(super) struct PrefixCache {
    kept: VecDeque<Kept>,
}

/// How many tokens two sequences have in common from the beginning.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl PrefixCache {
    /// Keeps a sequence; gives back those that are useless beside a longer one, to be closed.
    pub(super) fn insert(&mut self, kept: Kept) -> Vec<SequenceId> {
        if let Some(longer) = self.kept.iter().find(|old| old.tokens.starts_with(&kept.tokens)) {
            let longer = longer.sequence;
            self.touch(longer);
            return vec![kept.sequence];
        }
        let begins = |old: &Kept| kept.tokens.starts_with(&old.tokens);
        let useless = self.kept.iter().filter(|old| begins(old)).map(|old| old.sequence).collect();
        self.kept.retain(|old| !begins(old));
        self.kept.push_back(kept);
        useless
    }

    /// The sequence that has most in common with `ids`, and how many tokens that is.
    pub(super) fn best(&self, ids: &[u32]) -> Option<(&Kept, usize)> {
        let known = self.kept.iter().map(|kept| (kept, common(&kept.tokens, ids)));
        known.filter(|(_, common)| *common > 0).max_by_key(|(_, common)| *common)
    }

    /// Takes note that a sequence was of use.
    pub(super) fn touch(&mut self, sequence: SequenceId) {
        if let Some(kept) = self.take(sequence) {
            self.kept.push_back(kept);
        }
    }

    /// Hands a sequence out for good.
    pub(super) fn take(&mut self, sequence: SequenceId) -> Option<Kept> {
        let at = self.kept.iter().position(|kept| kept.sequence == sequence)?;
        self.kept.remove(at)
    }

    /// Lets go of the least recently used one that is not `except`, to be closed.
    pub(super) fn evict(&mut self, except: Option<SequenceId>) -> Option<SequenceId> {
        let at = self.kept.iter().position(|kept| Some(kept.sequence) != except)?;
        self.kept.remove(at).map(|kept| kept.sequence)
    }

    /// How long each kept sequence is.
    pub(super) fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.kept.iter().map(|kept| kept.tokens.len())
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(index: usize, tokens: &[u32]) -> Kept {
        Kept { sequence: SequenceId::new(index), tokens: tokens.to_vec() }
    }

    #[test]
    fn the_longest_common_beginning_is_found() {
        let mut cache = PrefixCache::default();
        assert!(cache.best(&[1, 2]).is_none());
        assert!(cache.insert(kept(0, &[1, 2, 3])).is_empty());
        assert!(cache.insert(kept(1, &[1, 2, 4, 5])).is_empty());
        let best = |ids: &[u32]| cache.best(ids).map(|(kept, n)| (kept.sequence, n));
        assert_eq!(best(&[1, 2, 4, 9]), Some((SequenceId::new(1), 3)));
        assert_eq!(best(&[1, 2, 3, 4, 5]), Some((SequenceId::new(0), 3)));
        assert_eq!(best(&[7, 2, 3]), None);
    }

    #[test]
    fn a_longer_conversation_replaces_its_own_beginning() {
        let mut cache = PrefixCache::default();
        cache.insert(kept(0, &[1, 2]));
        cache.insert(kept(1, &[9]));
        assert_eq!(cache.insert(kept(2, &[1, 2, 3])), [SequenceId::new(0)]);
        assert_eq!(cache.insert(kept(3, &[1, 2])), [SequenceId::new(3)]);
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.lengths().sum::<usize>(), 4);
    }

    #[test]
    fn the_least_recently_used_goes_first_but_never_the_one_in_use() {
        let mut cache = PrefixCache::default();
        (0..3).for_each(|n| drop(cache.insert(kept(n, &[n as u32]))));
        cache.touch(SequenceId::new(0));
        assert_eq!(cache.evict(Some(SequenceId::new(1))), Some(SequenceId::new(2)));
        assert_eq!(cache.evict(Some(SequenceId::new(1))), Some(SequenceId::new(0)));
        assert_eq!(cache.evict(Some(SequenceId::new(1))), None);
        assert_eq!(cache.take(SequenceId::new(1)).map(|kept| kept.tokens), Some(vec![1]));
    }
}
