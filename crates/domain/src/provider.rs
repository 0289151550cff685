//! What a provider says of itself.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{ModelId, ProviderId};

/// Who a provider is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// Its name in the configuration.
    pub id: ProviderId,
    /// The kind that its factory builds, e.g. `local`.
    pub kind: String,
    /// What it answers with, where it is one model.
    pub model: Option<ModelId>,
}

/// Whether a provider could answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// It could.
    Ready,
    /// It could after a wait: asleep, building, loading.
    Starting,
    /// It could not.
    Down,
    /// Nobody knows before asking.
    Unknown,
}

/// Whether a provider could answer now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// In one line.
    pub detail: String,
}

/// How much a provider still gives. Absent fields are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// What is used up.
    pub used: Option<Duration>,
    /// What there is in a period.
    pub limit: Option<Duration>,
    /// When the period ends.
    pub resets_at: Option<SystemTime>,
}
