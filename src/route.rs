//! Routes: ordered chains of providers that are themselves providers.

use std::sync::Arc;
use std::time::Duration;

use domain::{ProviderId, ProviderInfo};
use ports::{BuildContext, Error, ErrorKind, TextGenerator};
use serde::{Deserialize, Serialize};

use crate::layers::{Deadline, Fallback, Lazy, Retry, RetryPolicy};
use crate::{Config, ProviderRegistry};

/// A chain of providers: the first that can answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Providers, or other routes, in the order they are asked.
    pub chain: Vec<ProviderId>,
    /// Tries at each provider before the next one is asked.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// Seconds to wait at most between two tries; a provider that asks for more is left.
    #[serde(default = "default_max_wait")]
    pub max_wait: f64,
    /// Seconds for the whole call, over all tries and providers; absent is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_deadline: Option<f64>,
}

fn default_attempts() -> u32 {
    2
}

fn default_max_wait() -> f64 {
    20.0
}

/// Builds the chain; each of its members is built when it is first asked.
pub(crate) async fn build(
    registry: &ProviderRegistry,
    id: &ProviderId,
    route: &RouteConfig,
    config: &Config,
    context: &BuildContext,
) -> Result<Arc<dyn TextGenerator>, Error> {
    check(id, config, &mut Vec::new())?;
    let policy = RetryPolicy {
        attempts: route.attempts.max(1),
        max_wait: seconds(id, "max_wait", route.max_wait)?,
        ..RetryPolicy::default()
    };
    let mut members: Vec<Arc<dyn TextGenerator>> = Vec::with_capacity(route.chain.len());
    for member in &route.chain {
        let lazy = lazy(registry, member, config, context)?;
        members.push(Arc::new(Retry::new(Arc::new(lazy), policy)));
    }
    let chain = Arc::new(Fallback::new(id.clone(), members)?);
    match route.total_deadline {
        None => Ok(chain),
        Some(limit) => Ok(Arc::new(Deadline::new(chain, seconds(id, "total_deadline", limit)?))),
    }
}

fn lazy(
    registry: &ProviderRegistry,
    id: &ProviderId,
    config: &Config,
    context: &BuildContext,
) -> Result<Lazy, Error> {
    let kind = match config.routes.contains_key(id) {
        true => "route".to_owned(),
        false => config.provider_config(id)?.kind,
    };
    let info = ProviderInfo { id: id.clone(), kind, model: None };
    let shared = Arc::new((registry.clone(), id.clone(), config.clone(), context.clone()));
    Ok(Lazy::new(info, move || {
        let shared = Arc::clone(&shared);
        async move {
            let (registry, id, config, context) = &*shared;
            registry.build(id, config, context).await
        }
    }))
}

/// Checks that a route's members exist and that it does not lead back to itself.
pub(crate) fn check(
    id: &ProviderId,
    config: &Config,
    way: &mut Vec<ProviderId>,
) -> Result<(), Error> {
    let Some(route) = config.routes.get(id) else {
        return config.provider_config(id).map(|_| ());
    };
    let invalid =
        |message: String| Error::new(ErrorKind::ConfigInvalid, message).with_provider(id.clone());
    if config.providers.contains_key(id) {
        return Err(invalid(format!("{id} is both a provider and a route"))
            .with_hint(format!("rename [routes.{id}]")));
    }
    if route.chain.is_empty() {
        return Err(invalid(format!("[routes.{id}] names no provider"))
            .with_hint("chain = [\"first\", \"second\"]"));
    }
    way.push(id.clone());
    for member in &route.chain {
        if way.contains(member) {
            let way: Vec<&str> = way.iter().map(ProviderId::as_str).collect();
            return Err(invalid(format!("the route {} leads back to {member}", way.join(" → "))));
        }
        if !config.routes.contains_key(member) {
            config.provider_config(member).map_err(|unknown| {
                let hint = unknown.hint().unwrap_or_default().to_owned();
                invalid(format!("[routes.{id}]: {unknown}")).with_hint(hint)
            })?;
        }
        check(member, config, way)?;
    }
    way.pop();
    Ok(())
}

fn seconds(id: &ProviderId, key: &str, value: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        let message = format!("[routes.{id}]: {key} is {value}, which is no length of time");
        Error::new(ErrorKind::ConfigInvalid, message).with_provider(id.clone())
    })
}
