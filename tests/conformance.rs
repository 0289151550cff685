//! The contract, kept by what comes out of the registry: a provider, and a route over providers.
//! Adapters run the same suite in their own tests, layers in `layers.rs`.

use std::sync::Arc;

use testkit::conformance::{self, Fixture};
use testkit::{FakeFactory, FakeGenerator};
use textport::{BuildContext, Config, ProviderRegistry, TextGenerator};

const CONFIG: &str = r#"
provider = "plain"
cache_dir = "unused"
[providers.plain]
kind = "fake"
[providers.second]
kind = "fake"
[routes.chain]
chain = ["plain", "second"]
total_deadline = 3600
"#;

async fn built(name: &str, fake: &FakeGenerator) -> anyhow::Result<Arc<dyn TextGenerator>> {
    let config: Config = toml::from_str(CONFIG)?;
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(FakeFactory::new("fake").with_template(fake.clone())));
    Ok(registry.build(&name.parse()?, &config, &BuildContext::default()).await?)
}

fn fixture(generator: Arc<dyn TextGenerator>, fake: &FakeGenerator) -> Fixture {
    let watched = fake.clone();
    Fixture::new(generator)
        .with_reasoning_prompt("How many legs have three cats?")
        .with_stop("harbour")
        .with_running(move || watched.counts().running)
}

#[tokio::test(start_paused = true)]
async fn a_provider_from_the_registry() -> anyhow::Result<()> {
    let fake = FakeGenerator::new("fake");
    let report = conformance::run(&fixture(built("plain", &fake).await?, &fake)).await;
    report.assert_passed();
    assert_eq!(fake.counts().running, 0);
    Ok(())
}

/// Deadline over fallback over retry over a provider that is built when it is first asked.
#[tokio::test(start_paused = true)]
async fn a_route_from_the_registry() -> anyhow::Result<()> {
    let fake = FakeGenerator::new("fake");
    let report = conformance::run(&fixture(built("chain", &fake).await?, &fake)).await;
    report.assert_passed();
    assert_eq!(fake.counts().running, 0);
    Ok(())
}
