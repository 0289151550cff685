//! The factory of the kind `zerogpu`.

use std::sync::Arc;

use async_trait::async_trait;
use ports::{
    BuildContext, Error, Evaluator, ProviderFactory, ProviderSpec, Setting, TextGenerator,
};

use crate::evaluator::SpaceEvaluator;
use crate::generator::{KIND, SpaceGenerator};
use crate::settings::SETTINGS;

/// Builds providers and evaluators on Spaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZeroGpuFactory;

impl ZeroGpuFactory {
    /// The factory.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl ProviderFactory for ZeroGpuFactory {
    fn kind(&self) -> &str {
        KIND
    }

    fn about(&self) -> &str {
        "a Hugging Face Space, on ZeroGPU or any other hardware, or any Gradio app"
    }

    fn settings(&self) -> &[Setting] {
        SETTINGS
    }

    async fn build(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        let id = spec.id.clone();
        let generator = SpaceGenerator::connect(spec, context).await;
        generator.map(|g| Arc::new(g) as Arc<dyn TextGenerator>).map_err(|e| e.with_provider(id))
    }

    async fn build_evaluator(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<Arc<dyn Evaluator>, Error> {
        let id = spec.id.clone();
        let evaluator = SpaceEvaluator::connect(spec, context).await;
        evaluator.map(|e| Arc::new(e) as Arc<dyn Evaluator>).map_err(|e| e.with_provider(id))
    }
}
