//! `textport providers quota`: what is left of it, as far as anybody can know.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::json;
use textport::{Config, ProviderId, ProviderSpec, Quota, zerogpu};

use crate::commands::limit::within;
use crate::commands::space::KIND;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::Settings;

/// What is known of one provider. Absent numbers are unknown, not zero.
#[derive(Debug, Serialize)]
struct Row {
    provider: ProviderId,
    /// `known`, `unknown`, or `none` for kinds that have no quota.
    quota: &'static str,
    used_s: Option<f64>,
    left_s: Option<f64>,
    limit_s: Option<f64>,
    resets_at: Option<String>,
    exhausted: Option<bool>,
}

/// Prints the quota of the provider in effect, or of every member of the route.
///
/// # Errors
/// When there is a quota and asking for it failed.
pub(super) fn run(settings: &Settings, output: &mut Output) -> Result<Exit, Failure> {
    settings.registry()?;
    let config = &settings.config;
    let mut members = Vec::new();
    providers(&config.provider, config, &mut members);
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let ask = async {
        let mut rows = Vec::new();
        for id in members {
            let provider = config.provider_config(&id)?;
            if provider.kind != KIND {
                rows.push(Row::without(id, "none"));
                continue;
            }
            let mut spec = ProviderSpec { id: id.clone(), settings: provider.settings };
            if let Some(endpoint) = &config.hub_endpoint {
                spec.settings.entry("hub_endpoint").or_insert_with(|| json!(endpoint));
            }
            let quota = zerogpu::quota(&spec, &context).await;
            let quota = quota.map_err(|error| error.with_provider(id.clone()))?;
            rows.push(match quota {
                Some(quota) => Row::of(id, &quota),
                None => Row::without(id, "unknown"),
            });
        }
        Ok(rows)
    };
    let rows = Runtime::new()?.run(within(settings, "asking for the quota", ask))?;
    match output.format() {
        Format::Json => output.json(&json!({ "v": 1, "quotas": rows }))?,
        Format::Jsonl => rows.iter().try_for_each(|row| output.json(row))?,
        _ => rows.iter().try_for_each(|row| output.line(&row.text()))?,
    }
    // A route goes on as long as one of its members can.
    let over = rows.iter().all(|row| row.exhausted == Some(true));
    Ok(if over { Exit::Quota } else { Exit::Ok })
}

/// The provider itself, or what a route leads to. The registry has checked that none leads back.
fn providers(id: &ProviderId, config: &Config, found: &mut Vec<ProviderId>) {
    match config.routes.get(id) {
        Some(route) => route.chain.iter().for_each(|member| providers(member, config, found)),
        None if !found.contains(id) => found.push(id.clone()),
        None => {}
    }
}

impl Row {
    fn without(provider: ProviderId, quota: &'static str) -> Self {
        let (used_s, left_s, limit_s) = (None, None, None);
        Self { provider, quota, used_s, left_s, limit_s, resets_at: None, exhausted: None }
    }

    fn of(provider: ProviderId, quota: &Quota) -> Self {
        let left = quota.limit.zip(quota.used).map(|(limit, used)| limit.saturating_sub(used));
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let resets_at = quota.resets_at.and_then(|at| jiff::Timestamp::try_from(at).ok());
        Self {
            provider,
            quota: "known",
            used_s: seconds(quota.used),
            left_s: seconds(left),
            limit_s: seconds(quota.limit),
            resets_at: resets_at.map(|at| at.to_string()),
            exhausted: left.map(|left| left.is_zero()),
        }
    }

    fn text(&self) -> String {
        let id = &self.provider;
        match self.quota {
            "none" => return format!("{id} has no quota"),
            "unknown" => {
                return format!(
                    "{id}: unknown; the Hub tells it for Spaces of its own, to a token"
                );
            }
            _ => {}
        }
        let said = |time: Option<f64>| time.map_or("unknown".to_owned(), |s| format!("{s:.0} s"));
        let (used, left, limit) = (said(self.used_s), said(self.left_s), said(self.limit_s));
        let reset = match &self.resets_at {
            Some(at) => format!("resets at {at}{}", until(at)),
            None => "when it resets is unknown".to_owned(),
        };
        format!("{id}: {left} left of {limit}, {used} used; {reset}")
    }
}

/// How long that is from now.
fn until(at: &str) -> String {
    let at = at.parse::<jiff::Timestamp>().ok().map(SystemTime::from);
    let wait = at.and_then(|at| at.duration_since(SystemTime::now()).ok());
    let clock = |s: u64| format!(" (in {}:{:02}:{:02})", s / 3600, s / 60 % 60, s % 60);
    wait.map(|wait| clock(wait.as_secs())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(quota: &Quota) -> Row {
        Row::of(ProviderId::new("space").unwrap(), quota)
    }

    #[test]
    fn what_is_unknown_is_not_zero() {
        let nothing = row(&Quota::default());
        assert_eq!(
            nothing.text(),
            "space: unknown left of unknown, unknown used; when it resets is unknown"
        );
        let json = serde_json::to_value(&nothing).unwrap();
        assert!(json["left_s"].is_null() && json["exhausted"].is_null());
        assert!(Row::without(nothing.provider, "unknown").text().contains("unknown"));
    }

    #[test]
    fn more_used_than_there_was_is_exhausted() {
        let mut quota = Quota::default();
        quota.limit = Some(Duration::from_secs(10));
        quota.used = Some(Duration::from_secs(12));
        let row = row(&quota);
        assert_eq!((row.left_s, row.exhausted), (Some(0.0), Some(true)));
    }
}
