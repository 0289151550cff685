//! Names of providers and models, checked once when they are made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not a valid name: {why}")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    why: &'static str,
}

/// The name under which a provider is configured, e.g. `local` or `qwen3_zerogpu`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderId(String);

/// What is asked for, e.g. `smollm2-135m`, `Qwen/Qwen3-8B` or a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

impl ProviderId {
    /// Takes ASCII letters, digits, `_`, `-` and `.`: names that stay whole as a configuration key,
    /// an environment variable and a command-line word.
    ///
    /// # Errors
    /// [`InvalidId`] when the name is empty or has another character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidId> {
        let value = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let why = if value.is_empty() {
            "it is empty"
        } else if !value.chars().all(allowed) {
            "use letters, digits, '_', '-' and '.'"
        } else {
            return Ok(Self(value));
        };
        Err(InvalidId { what: "provider", value, why })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ModelId {
    /// Takes any non-empty text without control characters; what it means is the adapter's matter.
    ///
    /// # Errors
    /// [`InvalidId`] when the name is empty or has a control character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidId> {
        let value = name.into();
        let why = if value.is_empty() {
            "it is empty"
        } else if value.chars().any(char::is_control) {
            "it has a control character"
        } else {
            return Ok(Self(value));
        };
        Err(InvalidId { what: "model", value, why })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_like {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
text_like!(ProviderId);
text_like!(ModelId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_key_are_refused() {
        assert!(ProviderId::new("qwen3_zerogpu").is_ok());
        for bad in ["", "a b", "a/b", "é"] {
            assert!(ProviderId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn model_names_may_be_paths_but_not_blank() {
        assert!(ModelId::new("./models/a b.gguf").is_ok());
        assert!(ModelId::new("").is_err());
        assert!(ModelId::new("a\nb").is_err());
    }
}
