//! A decoder that computes next to nothing, keeps its pages as the real one does, and can be held,
//! counted and broken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender as Signal};
use std::sync::{Arc, Mutex};

use crate::decoder::{Decoder, Drafts, PAGE, Part, SequenceId, Wanted};
use crate::error::DecodeError;

pub(super) const CONTEXT: usize = 4096;
pub(super) const VOCABULARY: usize = 260;
/// A byte that no answer has.
pub(super) const BEGIN: u32 = 2;
/// Ends an answer.
const END: u32 = 257;

/// What is seen of a decoder from the outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// Tokens computed, over all sequences.
    pub(super) computed: Arc<AtomicUsize>,
    /// Pages taken now.
    pub(super) pages: Arc<AtomicUsize>,
    /// Sequences open now.
    pub(super) open: Arc<AtomicUsize>,
    /// Tokens of every part of every step.
    pub(super) steps: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl Watch {
    pub(super) fn computed(&self) -> usize {
        self.computed.load(Ordering::SeqCst)
    }

    pub(super) fn pages(&self) -> usize {
        self.pages.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn steps(&self) -> Vec<Vec<usize>> {
        self.steps.lock().unwrap().clone()
    }
}

/// A page; it is free when the last one who lists it is gone.
#[derive(Debug)]
struct Page(Arc<AtomicUsize>);

impl Drop for Page {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakeSequence {
    tokens: Vec<u32>,
    pages: Vec<Arc<Page>>,
}

/// What comes next depends on the tokens before; every answer is printable and never ends by itself.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) watch: Watch,
    pub(super) most_sequences: usize,
    pub(super) most_pages: usize,
    /// Each call waits for a signal until the sender is gone.
    pub(super) gate: Option<Receiver<()>>,
    /// Follows the token [`BEGIN`].
    pub(super) opening: Vec<u32>,
    /// How many of the tokens before decide what comes next: of few, answers go round in circles.
    pub(super) memory: usize,
    /// Length of a sequence after which the end of the answer comes.
    pub(super) ends_at: Option<usize>,
    /// Longer sequences compute nonsense.
    pub(super) sane_up_to: usize,
    /// Length of a sequence at which it panics.
    pub(super) panics_at: Option<usize>,
    /// Sequences with this token compute nonsense.
    pub(super) poison: Option<u32>,
    /// Dropped with the decoder.
    pub(super) _alive: Option<Signal<()>>,
    pub(super) sequences: Vec<Option<FakeSequence>>,
    pub(super) logits: Vec<Option<Vec<f32>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            watch: Watch::default(),
            most_sequences: 256,
            most_pages: 1 << 20,
            gate: None,
            opening: Vec::new(),
            memory: usize::MAX,
            ends_at: None,
            sane_up_to: usize::MAX,
            panics_at: None,
            poison: None,
            _alive: None,
            sequences: Vec::new(),
            logits: Vec::new(),
        }
    }
}

impl Fake {
    fn add(&mut self, sequence: FakeSequence) -> Result<SequenceId, DecodeError> {
        if self.watch.open() >= self.most_sequences {
            return Err(DecodeError::TooManySequences { most: self.most_sequences });
        }
        self.watch.open.fetch_add(1, Ordering::SeqCst);
        let free = self.sequences.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.sequences.push(None);
            self.sequences.len() - 1
        });
        self.sequences[index] = Some(sequence);
        Ok(SequenceId::new(index))
    }

    fn of(&self, id: SequenceId) -> &FakeSequence {
        let mut all = (0..).zip(&self.sequences);
        all.find(|(index, _)| SequenceId::new(*index) == id).unwrap().1.as_ref().unwrap()
    }

    fn of_mut(&mut self, id: SequenceId) -> &mut Option<FakeSequence> {
        let mut all = (0..).zip(&mut self.sequences);
        all.find(|(index, _)| SequenceId::new(*index) == id).unwrap().1
    }

    fn take_page(&self) -> Result<Arc<Page>, DecodeError> {
        if self.watch.pages() >= self.most_pages {
            return Err(DecodeError::OutOfMemory { bytes: 0 });
        }
        self.watch.pages.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Page(Arc::clone(&self.watch.pages))))
    }

    /// As the real pool: a shared last page is copied, then pages are added.
    fn reach(&mut self, id: SequenceId, more: usize) -> Result<(), DecodeError> {
        let FakeSequence { tokens, mut pages } = self.of(id).clone();
        let own = |pages: &[Arc<Page>]| Arc::strong_count(&pages[pages.len() - 1]) <= 2;
        pages.truncate(tokens.len().div_ceil(PAGE));
        if !tokens.len().is_multiple_of(PAGE) && !own(&pages) {
            pages.pop();
        }
        while pages.len() * PAGE < tokens.len() + more {
            pages.push(self.take_page()?);
        }
        *self.of_mut(id) = Some(FakeSequence { tokens, pages });
        Ok(())
    }

    fn row(&self, tokens: &[u32]) -> Option<Vec<f32>> {
        if self.poison.is_some_and(|poison| tokens.contains(&poison))
            || tokens.len() > self.sane_up_to
        {
            return None;
        }
        let remembered = &tokens[tokens.len().saturating_sub(self.memory)..];
        let hash = remembered.iter().fold(7u32, |h, t| h.wrapping_mul(31).wrapping_add(*t));
        let after = tokens.iter().rev().position(|t| *t == BEGIN);
        let opening = after.and_then(|at| self.opening.get(at)).copied();
        let end = (self.ends_at == Some(tokens.len())).then_some(END);
        let mut logits = vec![0.0; VOCABULARY];
        logits[end.or(opening).unwrap_or(u32::from(b'a') + hash % 26) as usize] = 10.0;
        Some(logits)
    }

    /// The rows of a part whose sequence ends with its tokens now.
    fn rows(&self, tokens: &[u32], part: &Part<'_>) -> Option<Vec<f32>> {
        let first = match part.wanted {
            Wanted::None => return None,
            Wanted::Last => tokens.len(),
            Wanted::All => tokens.len() - part.tokens.len() + 1,
        };
        let rows = (first..=tokens.len()).map(|len| self.row(&tokens[..len]));
        rows.collect::<Option<Vec<_>>>().map(|rows| rows.concat())
    }
}

impl Decoder for Fake {
    fn vocab_size(&self) -> usize {
        VOCABULARY
    }
    fn context_length(&self) -> usize {
        CONTEXT
    }
    fn most_sequences(&self) -> usize {
        self.most_sequences
    }
    fn drafts(&self) -> Drafts {
        Drafts::Exact
    }
    fn free_positions(&self) -> usize {
        (self.most_pages - self.watch.pages()) * PAGE
    }
    fn open(&mut self) -> Result<SequenceId, DecodeError> {
        self.add(FakeSequence::default())
    }
    fn fork(&mut self, from: SequenceId, len: usize) -> Result<SequenceId, DecodeError> {
        let mut sequence = self.of(from).clone();
        assert!(len <= sequence.tokens.len(), "a fork is no longer than what it is of");
        sequence.tokens.truncate(len);
        sequence.pages.truncate(len.div_ceil(PAGE));
        self.add(sequence)
    }
    fn len(&self, sequence: SequenceId) -> usize {
        self.of(sequence).tokens.len()
    }
    fn truncate(&mut self, sequence: SequenceId, len: usize) {
        let sequence = self.of_mut(sequence).as_mut().unwrap();
        sequence.tokens.truncate(len);
        sequence.pages.truncate(sequence.tokens.len().div_ceil(PAGE));
    }
    fn close(&mut self, sequence: SequenceId) {
        self.watch.open.fetch_sub(1, Ordering::SeqCst);
        assert!(self.of_mut(sequence).take().is_some(), "a sequence was closed twice");
    }
    fn logits(&self, part: usize) -> Result<&[f32], DecodeError> {
        self.logits[part].as_deref().ok_or(DecodeError::NotFinite)
    }
    fn forward(&mut self, parts: &[Part<'_>]) -> Result<(), DecodeError> {
        if let Some(gate) = &self.gate {
            let _ = gate.recv();
        }
        assert!(!parts.is_empty() && parts.iter().all(|part| !part.tokens.is_empty()));
        let strange = |token: &&u32| **token as usize >= VOCABULARY;
        if let Some(token) = parts.iter().flat_map(|part| part.tokens).find(strange) {
            return Err(DecodeError::UnknownToken { token: *token, vocabulary: VOCABULARY });
        }
        let before: Vec<usize> = parts.iter().map(|part| self.len(part.sequence)).collect();
        let grown = parts.iter().try_for_each(|part| self.reach(part.sequence, part.tokens.len()));
        if let Err(error) = grown {
            parts.iter().zip(before).for_each(|(part, len)| self.truncate(part.sequence, len));
            return Err(error);
        }
        self.logits.clear();
        for part in parts {
            let mut tokens = self.of(part.sequence).tokens.clone();
            tokens.extend(part.tokens);
            assert!(tokens.len() <= CONTEXT, "a sequence is longer than the context");
            assert!(self.panics_at != Some(tokens.len()), "the fake decoder was told to panic");
            self.logits.push(self.rows(&tokens, part));
            self.of_mut(part.sequence).as_mut().unwrap().tokens = tokens;
        }
        let counts: Vec<usize> = parts.iter().map(|part| part.tokens.len()).collect();
        self.watch.computed.fetch_add(counts.iter().sum(), Ordering::SeqCst);
        self.watch.steps.lock().unwrap().push(counts);
        Ok(())
    }
}
