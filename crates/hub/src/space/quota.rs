//! The account's ZeroGPU time.

use std::time::Duration;

use serde::Deserialize;

/// What an account has of ZeroGPU time in a period, in seconds of GPU.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ZeroGpuQuota {
    /// What there is in a period.
    pub base: f64,
    /// What is left; may be below zero.
    pub current: f64,
    /// When the period ends, in RFC 3339.
    #[serde(default, rename = "resetsAt")]
    pub resets_at: Option<String>,
    /// What was used beyond the period's share, and paid for.
    #[serde(default, rename = "overquotaUsed")]
    pub over_used: Option<f64>,
}

impl ZeroGpuQuota {
    /// What there is in a period.
    pub fn limit(&self) -> Duration {
        seconds(self.base)
    }

    /// What is used up of it.
    pub fn used(&self) -> Duration {
        seconds(self.base - self.current)
    }
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default()
}
