//! Secrets: references in configuration, values only in memory and never in any output.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a secret is to be found. Configuration holds this, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SecretRef {
    /// The name of an environment variable: `{ env = "HF_TOKEN" }`.
    Env(String),
    /// A file that holds nothing else: `{ file = "~/.token" }`.
    File(PathBuf),
    /// A program that prints it: `{ cmd = ["op", "read", "…"] }`.
    Cmd(Vec<String>),
    /// The token that the Hugging Face tools keep: `{ hf = true }`.
    Hf(bool),
}

/// A secret in memory; `Debug` and `Display` never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hf_value");
        assert!(!format!("{secret} {secret:?} {:#?}", Some(&secret)).contains("hf_value"));
    }

    #[test]
    fn references_read_as_the_documentation_shows_them() {
        let env: SecretRef = serde_json::from_str(r#"{"env": "HF_TOKEN"}"#).unwrap();
        assert_eq!(env, SecretRef::Env("HF_TOKEN".into()));
        assert!(serde_json::from_str::<SecretRef>(r#""literal""#).is_err());
    }
}
