//! The same program answers from different providers per environment, without a change in it.

use std::sync::Arc;

use testkit::{FakeFactory, FakeGenerator, Turn};
use textport::{
    BuildContext, Config, Error, ErrorKind, ProviderRegistry, Request, Response, TextGenerator,
};

const PROVIDERS: &str = r#"
cache_dir = "unused"
[providers.desk]
kind = "near"
[providers.cluster]
kind = "far"
reply = "from the cluster"
[providers.spent]
kind = "exhausted"
[routes.whoever_can]
chain = ["spent", "cluster", "desk"]
"#;

/// What one environment adds to what all have in common.
const DEV: &str = "provider = \"desk\"\ngeneration = { max_tokens = 2 }\n";
const STAGING: &str = "provider = \"cluster\"\n";
const PROD: &str = "provider = \"whoever_can\"\n";

fn exhausted() -> Turn {
    Turn::refusing(|| Error::new(ErrorKind::QuotaExhausted, "nothing is left today"))
}

/// The program. It names no provider, no kind and no option.
async fn program(config: &Config, registry: &ProviderRegistry) -> anyhow::Result<Response> {
    let generator = registry.build(&config.provider, config, &BuildContext::default()).await?;
    let mut request = Request::user("Who are you?");
    request.options = request.options.or(&config.generation);
    Ok(generator.generate(request).await?)
}

fn registry() -> ProviderRegistry {
    let near = FakeGenerator::new("near").answering("from the desk near the window");
    let spent = FakeGenerator::new("spent").answering_with(|_| exhausted());
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(FakeFactory::new("near").with_template(near)));
    registry.register(Arc::new(FakeFactory::new("far")));
    registry.register(Arc::new(FakeFactory::new("exhausted").with_template(spent)));
    registry
}

async fn answer_in(environment: &str) -> anyhow::Result<Response> {
    let config: Config = toml::from_str(&format!("{environment}{PROVIDERS}"))?;
    registry().check(&config)?;
    program(&config, &registry()).await
}

#[tokio::test]
async fn each_environment_has_its_own_provider_and_options() -> anyhow::Result<()> {
    for (environment, provider, text) in [
        (DEV, "desk", "from the"),
        (STAGING, "cluster", "from the cluster"),
        (PROD, "cluster", "from the cluster"),
    ] {
        let answer = answer_in(environment).await?;
        assert_eq!(answer.text, text, "{environment}");
        assert_eq!(answer.served_by.map(String::from).as_deref(), Some(provider));
    }
    Ok(())
}

#[tokio::test]
async fn a_route_says_who_was_asked_before_the_one_that_answered() -> anyhow::Result<()> {
    let attempts = answer_in(PROD).await?.attempts;
    let asked: Vec<&str> = attempts.iter().map(|attempt| attempt.provider.as_str()).collect();
    assert_eq!(asked, ["spent", "cluster"]);
    assert!(attempts[0].error.as_ref().is_some_and(|e| e.contains("nothing is left today")));
    Ok(())
}

/// The built-in provider is one more name: an environment picks it like any other.
#[cfg(feature = "local")]
#[test]
fn the_built_in_provider_stands_beside_others() -> anyhow::Result<()> {
    let text = format!("provider = \"local\"\n{PROVIDERS}[providers.local]\nkind = \"local\"\n");
    let config: Config = toml::from_str(&text)?;
    let mut registry = ProviderRegistry::builtin(&config)?;
    for factory in ["near", "far", "exhausted"] {
        registry.register(Arc::new(FakeFactory::new(factory)));
    }
    registry.check(&config)?;
    let kinds: Vec<&str> = registry.factories().map(|factory| factory.kind()).collect();
    assert!(kinds.contains(&"local") && kinds.contains(&"far"), "{kinds:?}");
    Ok(())
}
