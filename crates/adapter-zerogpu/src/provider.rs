//! What else the Space of a configured provider is good for: any of its endpoints, a look at it, and
//! the quota behind it.

use domain::Quota;
use ports::{BuildContext, Error, ProviderSpec};

use crate::client::{GradioClient, SpaceRef};
use crate::generator::connect;
use crate::inspect::Inspection;
use crate::settings::Settings;

impl GradioClient {
    /// Connects to a provider's Space as its settings say.
    ///
    /// # Errors
    /// [`ConfigInvalid`](ports::ErrorKind::ConfigInvalid) for settings that make no sense; otherwise
    /// those of [`GradioClient::connect`].
    pub async fn of_provider(spec: &ProviderSpec, context: &BuildContext) -> Result<Self, Error> {
        connect(&Settings::read(spec)?, context).await
    }

    /// The Space's endpoints, and how the provider with these settings would use them.
    ///
    /// # Errors
    /// [`ConfigInvalid`](ports::ErrorKind::ConfigInvalid) for settings that make no sense.
    pub fn inspect_provider(&self, spec: &ProviderSpec) -> Result<Inspection, Error> {
        let settings = Settings::read(spec)?;
        Ok(self.inspect_with(settings.endpoint.as_deref(), &settings.overrides()))
    }
}

/// The ZeroGPU time of the account that a provider's token belongs to, asked of the Hub: the Space
/// is neither called nor woken. `None` without a token, and for apps that are not on the Hub.
///
/// # Errors
/// [`ConfigInvalid`](ports::ErrorKind::ConfigInvalid) for settings that make no sense; otherwise
/// those of the Hub.
pub async fn quota(spec: &ProviderSpec, context: &BuildContext) -> Result<Option<Quota>, Error> {
    let settings = Settings::read(spec)?;
    let space = SpaceRef::parse(&settings.space)?;
    if context.offline() {
        return Err(crate::generator::offline(&space));
    }
    GradioClient::quota_of(&space, &settings.connect_options(context)?).await
}
