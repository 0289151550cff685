//! What a provider declares it can do. Requests are checked against it before any work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Request;

/// One thing that a provider can or cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capability {
    /// Honours `max_tokens`.
    MaxTokens,
    /// Honours `temperature`.
    Temperature,
    /// Honours `top_p`.
    TopP,
    /// Honours `top_k`.
    TopK,
    /// Honours `min_p`.
    MinP,
    /// Honours `repeat_penalty`.
    RepeatPenalty,
    /// Honours `presence_penalty`.
    PresencePenalty,
    /// Honours `frequency_penalty`.
    FrequencyPenalty,
    /// Honours `seed`: the same seed and request give the same text.
    Seed,
    /// Honours stop sequences.
    Stop,
    /// Honours `think = on | off`.
    Think,
    /// Honours `thinking_budget`.
    ThinkingBudget,
    /// Reports log-probabilities.
    Logprobs,
    /// Takes a prompt without the chat template.
    RawPrompt,
    /// Takes a system message.
    SystemPrompt,
    /// Takes earlier turns.
    MultiTurn,
    /// Text arrives as it is generated, in more than one delta.
    Streaming,
    /// Greedy generation (temperature 0) repeats exactly.
    GreedyRepeats,
    /// Reports token counts.
    Usage,
    /// Dropping the stream ends the work behind it.
    Cancel,
}

impl Capability {
    /// Every one that there is, in order.
    pub const ALL: [Self; 20] = [
        Self::MaxTokens,
        Self::Temperature,
        Self::TopP,
        Self::TopK,
        Self::MinP,
        Self::RepeatPenalty,
        Self::PresencePenalty,
        Self::FrequencyPenalty,
        Self::Seed,
        Self::Stop,
        Self::Think,
        Self::ThinkingBudget,
        Self::Logprobs,
        Self::RawPrompt,
        Self::SystemPrompt,
        Self::MultiTurn,
        Self::Streaming,
        Self::GreedyRepeats,
        Self::Usage,
        Self::Cancel,
    ];

    /// Whether a request can need it; the others are promises about answers.
    pub fn can_be_needed(self) -> bool {
        !matches!(self, Self::Streaming | Self::GreedyRepeats | Self::Usage | Self::Cancel)
    }

    /// The word used in configuration, JSON and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::RepeatPenalty => "repeat_penalty",
            Self::PresencePenalty => "presence_penalty",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::Seed => "seed",
            Self::Stop => "stop",
            Self::Think => "think",
            Self::ThinkingBudget => "thinking_budget",
            Self::Logprobs => "logprobs",
            Self::RawPrompt => "raw_prompt",
            Self::SystemPrompt => "system_prompt",
            Self::MultiTurn => "multi_turn",
            Self::Streaming => "streaming",
            Self::GreedyRepeats => "greedy_repeats",
            Self::Usage => "usage",
            Self::Cancel => "cancel",
        }
    }
}

/// Everything a provider declares of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What it can do.
    pub supported: BTreeSet<Capability>,
    /// Most tokens of prompt and answer together; absent when unknown.
    pub context_length: Option<u32>,
    /// Requests worth having in flight at once; `generate_batch` keeps to it.
    pub concurrency: Option<u32>,
}

impl Capabilities {
    /// Declares what is supported and nothing else.
    pub fn of(supported: impl IntoIterator<Item = Capability>) -> Self {
        Self { supported: supported.into_iter().collect(), ..Self::default() }
    }

    /// Whether `capability` is declared.
    pub fn has(&self, capability: Capability) -> bool {
        self.supported.contains(&capability)
    }

    /// The first thing that `request` needs and this provider lacks.
    pub fn lacking(&self, request: &Request) -> Option<Capability> {
        request.needs().into_iter().find(|need| !self.has(*need))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error as ValueError, StrDeserializer};

    use super::*;

    #[test]
    fn all_of_them_are_listed_once_and_in_order() {
        assert!(Capability::ALL.is_sorted_by(|a, b| a < b));
        // Serde lists every word that it knows when it meets one that it does not.
        let odd = StrDeserializer::<ValueError>::new("?");
        let known = Capability::deserialize(odd).unwrap_err().to_string();
        let listed =
            |capability: &Capability| known.contains(&format!("`{}`", capability.as_str()));
        assert!(Capability::ALL.iter().all(listed), "{known}");
        assert_eq!(known.matches('`').count() / 2 - 1, Capability::ALL.len(), "{known}");
    }

    #[test]
    fn the_first_missing_need_is_named() {
        let can = Capabilities::of([Capability::MaxTokens]);
        assert_eq!(can.lacking(&Request::user("x").with_max_tokens(1)), None);
        assert_eq!(can.lacking(&Request::raw("x")), Some(Capability::RawPrompt));
    }
}
