//! Penalties for tokens that were seen before.

use super::SamplerSettings;

/// What was seen, kept only where a penalty asks for it.
#[derive(Debug)]
pub(super) struct Penalties {
    repeat: f32,
    presence: f32,
    frequency: f32,
    /// Distinct tokens of prompt and answer.
    seen: Vec<u32>,
    is_seen: Vec<bool>,
    /// Per token, how often it was generated.
    generated: Vec<u32>,
}

impl Penalties {
    pub(super) fn new(settings: &SamplerSettings, vocabulary: usize, prompt: &[u32]) -> Self {
        let SamplerSettings { repeat_penalty, presence_penalty, frequency_penalty, .. } = *settings;
        let active = repeat_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
        let size = if active { vocabulary } else { 0 };
        let mut penalties = Self {
            repeat: repeat_penalty,
            presence: presence_penalty,
            frequency: frequency_penalty,
            seen: Vec::with_capacity(size),
            is_seen: vec![false; size],
            generated: vec![0; size],
        };
        prompt.iter().for_each(|id| penalties.see(*id));
        penalties
    }

    pub(super) fn active(&self) -> bool {
        !self.is_seen.is_empty()
    }

    fn see(&mut self, id: u32) {
        if let Some(seen @ false) = self.is_seen.get_mut(id as usize) {
            *seen = true;
            self.seen.push(id);
        }
    }

    /// Takes note of a generated token.
    pub(super) fn accept(&mut self, id: u32) {
        self.see(id);
        if let Some(times) = self.generated.get_mut(id as usize) {
            *times += 1;
        }
    }

    /// Lowers the logits of what was seen.
    pub(super) fn apply(&self, logits: &mut [super::Candidate]) {
        for id in &self.seen {
            let at = *id as usize;
            let Some(candidate) = logits.get_mut(at) else { continue };
            let logit = candidate.logit;
            let mut lowered = if logit > 0.0 { logit / self.repeat } else { logit * self.repeat };
            let times = self.generated[at];
            if times > 0 {
                lowered -= self.presence + self.frequency * times as f32;
            }
            candidate.logit = lowered;
        }
    }
}
