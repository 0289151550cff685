//! Fakes from configuration.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::ProviderInfo;
use ports::{BuildContext, Error, ProviderFactory, ProviderSpec, Setting, TextGenerator};
use serde::Deserialize;

use super::{FakeGenerator, lock};

const SETTINGS: &[Setting] =
    &[Setting { name: "reply", about: "what every request is answered with" }];

/// Builds [`FakeGenerator`]s for one kind, and keeps a handle to each.
///
/// The setting `reply` replaces the answer; without it the provider answers as
/// [`FakeGenerator::new`] does, or as [`FakeFactory::with_template`] says.
#[derive(Debug)]
pub struct FakeFactory {
    kind: String,
    template: Option<FakeGenerator>,
    built: Mutex<Vec<FakeGenerator>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FakeSettings {
    reply: Option<String>,
}

impl FakeFactory {
    /// A factory for `kind`.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), template: None, built: Mutex::default() }
    }

    /// Builds clones of this one, which share its script and its records.
    #[must_use]
    pub fn with_template(mut self, template: FakeGenerator) -> Self {
        self.template = Some(template);
        self
    }

    /// The providers built so far.
    pub fn built(&self) -> Vec<FakeGenerator> {
        lock(&self.built).clone()
    }
}

#[async_trait]
impl ProviderFactory for FakeFactory {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn about(&self) -> &str {
        "answers from a script, for tests"
    }

    fn settings(&self) -> &[Setting] {
        SETTINGS
    }

    async fn build(
        &self,
        spec: ProviderSpec,
        _: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        let settings: FakeSettings = spec.parse()?;
        let info = ProviderInfo { id: spec.id.clone(), kind: self.kind.clone(), model: None };
        let template = self.template.clone();
        let mut fake = template.unwrap_or_else(|| FakeGenerator::new("fake")).with_info(info);
        if let Some(reply) = settings.reply {
            fake = fake.answering(reply);
        }
        lock(&self.built).push(fake.clone());
        Ok(Arc::new(fake))
    }
}
