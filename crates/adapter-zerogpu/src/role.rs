//! What the inputs of strange endpoints mean, told by their names, labels and component kinds.

use domain::Capability;
use serde::{Deserialize, Serialize};

use crate::endpoint::Input;

/// What an input of an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The message to answer.
    Message,
    /// The turns before it.
    History,
    /// The system prompt.
    System,
    /// `temperature`.
    Temperature,
    /// `max_tokens`.
    MaxTokens,
    /// `top_p`.
    TopP,
    /// `top_k`.
    TopK,
    /// `min_p`.
    MinP,
    /// `repeat_penalty`.
    RepeatPenalty,
    /// `presence_penalty`.
    PresencePenalty,
    /// `frequency_penalty`.
    FrequencyPenalty,
    /// `seed`.
    Seed,
    /// `think`.
    Think,
    /// `thinking_budget`.
    ThinkingBudget,
}

impl Role {
    /// Every role, in the order in which inputs are asked for.
    pub const ALL: [Role; 14] = [
        Role::History,
        Role::System,
        Role::Temperature,
        Role::MaxTokens,
        Role::TopP,
        Role::TopK,
        Role::MinP,
        Role::RepeatPenalty,
        Role::PresencePenalty,
        Role::FrequencyPenalty,
        Role::Seed,
        Role::ThinkingBudget,
        Role::Think,
        Role::Message,
    ];

    /// The word used in configuration and in `providers inspect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::History => "history",
            Self::System => "system",
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::RepeatPenalty => "repeat_penalty",
            Self::PresencePenalty => "presence_penalty",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::Seed => "seed",
            Self::Think => "think",
            Self::ThinkingBudget => "thinking_budget",
        }
    }

    /// What a Space with such an input can be asked for; nothing for the message itself.
    pub(crate) fn capability(self) -> Option<Capability> {
        Some(match self {
            Self::Message => return None,
            Self::History => Capability::MultiTurn,
            Self::System => Capability::SystemPrompt,
            Self::Temperature => Capability::Temperature,
            Self::MaxTokens => Capability::MaxTokens,
            Self::TopP => Capability::TopP,
            Self::TopK => Capability::TopK,
            Self::MinP => Capability::MinP,
            Self::RepeatPenalty => Capability::RepeatPenalty,
            Self::PresencePenalty => Capability::PresencePenalty,
            Self::FrequencyPenalty => Capability::FrequencyPenalty,
            Self::Seed => Capability::Seed,
            Self::Think => Capability::Think,
            Self::ThinkingBudget => Capability::ThinkingBudget,
        })
    }

    /// How well an input of this name or label would fit; 0 is not at all.
    pub(crate) fn fit(self, input: &Input, name: &str) -> u8 {
        if !self.takes(&input.component) {
            return 0;
        }
        let word: String =
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let (exact, parts) = self.words();
        if exact.contains(&word.as_str()) {
            2
        } else if parts.iter().any(|part| word.contains(part)) {
            1
        } else {
            0
        }
    }

    fn takes(self, component: &str) -> bool {
        match self {
            Self::Message => {
                matches!(component, "textbox" | "multimodaltextbox" | "textarea" | "code" | "api")
            }
            Self::System => matches!(component, "textbox" | "textarea" | "code" | "api"),
            Self::History => matches!(component, "chatbot" | "json" | "api"),
            Self::Think => matches!(component, "checkbox" | "api"),
            _ => matches!(component, "slider" | "number" | "api"),
        }
    }

    /// Words that name it, and words inside names of it.
    fn words(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Message => (
                &[
                    "message",
                    "msg",
                    "prompt",
                    "query",
                    "question",
                    "userinput",
                    "usermessage",
                    "chatinput",
                    "text",
                    "input",
                    "q",
                ],
                &["message", "prompt", "question", "query", "input", "text", "instruction", "user"],
            ),
            Self::History => (
                &["history", "chathistory", "chatbot", "messages", "conversation"],
                &["history", "chatbot"],
            ),
            Self::System => (
                &["system", "sysprompt", "systemprompt", "systemmessage", "sys"],
                &["system", "sysprompt"],
            ),
            Self::Temperature => (&["temp", "temperature"], &["temperature"]),
            Self::MaxTokens => (
                &["maxtok", "maxtokens", "maxnewtokens", "maxlength", "numpredict"],
                &[
                    "maxtok",
                    "maxnewtok",
                    "maxoutputtok",
                    "maxgen",
                    "maxlen",
                    "maximumtok",
                    "maxcompletion",
                ],
            ),
            Self::TopP => (&["topp"], &["topp", "nucleus"]),
            Self::TopK => (&["topk"], &["topk"]),
            Self::MinP => (&["minp"], &["minp"]),
            Self::RepeatPenalty => {
                (&["repetitionpenalty", "repeatpenalty"], &["repetitionpenalty", "repeatpenalty"])
            }
            Self::PresencePenalty => (&["presencepenalty"], &["presencepenalty"]),
            Self::FrequencyPenalty => (&["frequencypenalty"], &["frequencypenalty"]),
            Self::Seed => (&["seed", "randomseed"], &[]),
            Self::Think => {
                (&["think", "thinking", "enablethinking", "reasoning"], &["think", "reasoning"])
            }
            Self::ThinkingBudget => {
                (&["thinkingbudget", "thinkbudget"], &["thinkingbudget", "thinkingtokens"])
            }
        }
    }
}
