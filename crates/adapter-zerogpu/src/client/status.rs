//! Whether a connected Space could answer now, and what of ZeroGPU the account still has.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use domain::{Health, HealthState, Quota};
use ports::{Error, ErrorKind};

use super::space_ref::{Kind, SpaceRef};
use super::wake::{OnHub, hopeless, hub_error, ready};
use super::{ConnectOptions, GradioClient, load};

impl GradioClient {
    /// Whether the Space could answer now: the Hub says, or the app itself where it is not on it.
    ///
    /// # Errors
    /// When the Hub cannot be asked.
    pub async fn health(&self) -> Result<Health, Error> {
        let Some(hub) = &self.shared.hub else {
            return Ok(match load(&self.shared.transport).await {
                Ok(app) => Health {
                    state: HealthState::Ready,
                    detail: format!("Gradio {} answers", app.config.version),
                },
                Err(error) => Health { state: HealthState::Down, detail: error.to_string() },
            });
        };
        let runtime = hub.runtime().await?;
        let hardware = runtime.hardware.current.as_deref();
        let on = hardware.map(|name| format!(" on {name}")).unwrap_or_default();
        if let Some(error) = hopeless(hub.name(), &runtime) {
            return Ok(Health { state: HealthState::Down, detail: error.to_string() });
        }
        let state = match &runtime.stage {
            stage if stage.answers() => HealthState::Ready,
            stage if stage.starts() || stage.wakes() => HealthState::Starting,
            _ => HealthState::Unknown,
        };
        Ok(Health { state, detail: format!("{}{on}", runtime.stage.as_str()) })
    }

    /// The ZeroGPU time of the token's account; `None` without a token or off the Hub.
    ///
    /// # Errors
    /// Those of the Hub.
    pub async fn quota(&self) -> Result<Option<Quota>, Error> {
        match &self.shared.hub {
            Some(hub) => hub.quota().await,
            None => Ok(None),
        }
    }

    /// The same without a connection to the Space, which need not even be awake for it.
    ///
    /// # Errors
    /// Those of the Hub.
    pub(crate) async fn quota_of(
        space: &SpaceRef,
        options: &ConnectOptions,
    ) -> Result<Option<Quota>, Error> {
        let hub = match space.kind() {
            Kind::Hub(id) => Some(OnHub::new(id.clone(), options)?),
            Kind::Address(url) => OnHub::of_address(url, options)?,
        };
        match hub {
            Some(hub) => hub.quota().await,
            None => Ok(None),
        }
    }

    /// Whether this failure to enter the queue looks like a Space that has fallen asleep.
    pub(crate) fn may_wake(&self, error: &Error) -> bool {
        let asleep = matches!(
            error.kind(),
            ErrorKind::Unavailable(_) | ErrorKind::NotFound | ErrorKind::Protocol
        );
        asleep && self.shared.hub.is_some()
    }

    /// Waits until the Space answers again and reads anew what it offers.
    ///
    /// # Errors
    /// `failure` when there is nothing to wait for; otherwise those of a Space that does not wake.
    pub(crate) async fn wake(
        &self,
        failure: Error,
        report: impl Fn(&str) + Send + Sync,
    ) -> Result<(), Error> {
        let Some(hub) = &self.shared.hub else { return Err(failure) };
        let transport = &self.shared.transport;
        let app = ready(hub, &transport.deadlines, &report, || load(transport)).await?;
        *self.shared.app.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(app);
        Ok(())
    }
}

impl OnHub {
    /// The ZeroGPU time of the token's account; `None` without a token.
    async fn quota(&self) -> Result<Option<Quota>, Error> {
        if !self.has_token() {
            return Ok(None);
        }
        let answer = self.spaces().zero_gpu_quota().await.map_err(|e| hub_error(e, true))?;
        let mut quota = Quota::default();
        quota.limit = Some(answer.limit());
        quota.used = Some(answer.used());
        quota.resets_at = answer
            .resets_at
            .as_deref()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map(SystemTime::from);
        Ok(Some(quota))
    }
}
