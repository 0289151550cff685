//! Penalties for tokens that were seen before.

use super::SamplerSettings;
use super::logits::Changed;

/// A token of prompt or answer.
#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u32,
    /// How often it was generated.
    times: u32,
}

/// What was seen, kept only where a penalty asks for it.
#[derive(Debug)]
pub(super) struct Penalties {
    repeat: f32,
    presence: f32,
    frequency: f32,
    active: bool,
    vocabulary: usize,
    /// By id, each once.
    seen: Vec<Seen>,
    changed: Vec<Changed>,
}

impl Penalties {
    pub(super) fn new(settings: &SamplerSettings, vocabulary: usize, prompt: &[u32]) -> Self {
        let SamplerSettings { repeat_penalty, presence_penalty, frequency_penalty, .. } = *settings;
        let active = repeat_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
        // Room for all there can be is memory only where it is used.
        let size = if active { vocabulary } else { 0 };
        let mut seen = Vec::with_capacity(size);
        if active {
            let mut ids: Vec<u32> = prompt.to_vec();
            ids.sort_unstable();
            ids.dedup();
            let known = ids.into_iter().filter(|id| (*id as usize) < vocabulary);
            seen.extend(known.map(|id| Seen { id, times: 0 }));
        }
        Self {
            repeat: repeat_penalty,
            presence: presence_penalty,
            frequency: frequency_penalty,
            active,
            vocabulary,
            seen,
            changed: Vec::with_capacity(size),
        }
    }

    pub(super) fn active(&self) -> bool {
        self.active
    }

    /// Takes note of a generated token.
    pub(super) fn accept(&mut self, id: u32) {
        if !self.active || id as usize >= self.vocabulary {
            return;
        }
        match self.seen.binary_search_by_key(&id, |seen| seen.id) {
            Ok(at) => self.seen[at].times += 1,
            Err(at) => self.seen.insert(at, Seen { id, times: 1 }),
        }
    }

    /// The logits of what was seen, lowered.
    pub(super) fn apply(&mut self, logits: &[f32]) -> &[Changed] {
        let Self { repeat, presence, frequency, .. } = *self;
        self.changed.clear();
        for Seen { id, times } in self.seen.iter().copied() {
            let Some(logit) = logits.get(id as usize).copied() else { break };
            let mut lowered = if logit > 0.0 { logit / repeat } else { logit * repeat };
            if times > 0 {
                lowered -= presence + frequency * times as f32;
            }
            self.changed.push(Changed { id, logit: lowered });
        }
        &self.changed
    }
}
