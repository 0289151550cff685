//! Routes from configuration: chains that are providers, and what is wrong with bad ones.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;

use async_trait::async_trait;
use testkit::FakeFactory;
use textport::{
    BuildContext, Config, Error, ErrorKind, ProviderFactory, ProviderRegistry, ProviderSpec,
    Request, Setting, TextGenerator,
};

/// A kind whose model is never there.
#[derive(Debug)]
struct Missing;

#[async_trait]
impl ProviderFactory for Missing {
    fn kind(&self) -> &str {
        "missing"
    }
    fn about(&self) -> &str {
        "has no model"
    }
    fn settings(&self) -> &[Setting] {
        &[]
    }
    async fn build(
        &self,
        _: ProviderSpec,
        _: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        Err(Error::new(ErrorKind::ModelLoad, "the model is not there"))
    }
}

fn config(text: &str) -> Config {
    let head = "provider = \"safe\"\ncache_dir = \"unused\"\n";
    toml::from_str(&format!("{head}{text}")).unwrap()
}

fn registry() -> ProviderRegistry {
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(FakeFactory::new("fake"))).register(Arc::new(Missing));
    registry
}

const PROVIDERS: &str = "
[providers.near]
kind = \"fake\"
[providers.far]
kind = \"fake\"
";

async fn refusal(routes: &str) -> String {
    let config = config(&format!("{PROVIDERS}{routes}"));
    let error = registry().check(&config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let built = registry().build(&config.provider, &config, &BuildContext::default()).await;
    assert_eq!(built.unwrap_err().to_string(), error.to_string(), "check and build must agree");
    error.to_string()
}

#[tokio::test]
async fn a_route_answers_like_a_provider() {
    let config = config(&format!("{PROVIDERS}[routes.safe]\nchain = [\"far\", \"near\"]\n"));
    registry().check(&config).unwrap();
    let route =
        registry().build(&config.provider, &config, &BuildContext::default()).await.unwrap();
    let answer = route.generate(Request::user("hello?")).await.unwrap();
    assert_eq!(route.info().id.as_str(), "safe");
    assert_eq!(answer.served_by.unwrap().as_str(), "far");
}

#[tokio::test]
async fn a_member_that_cannot_be_built_is_passed_over() {
    let text = format!(
        "{PROVIDERS}[providers.broken]\nkind = \"missing\"\n[routes.inner]\nchain = [\"broken\"]\n\
         [routes.safe]\nchain = [\"inner\", \"near\"]\ntotal_deadline = 30\n"
    );
    let config = config(&text);
    let route =
        registry().build(&config.provider, &config, &BuildContext::default()).await.unwrap();
    let answer = route.generate(Request::user("hello?")).await.unwrap();
    assert_eq!(answer.served_by.unwrap().as_str(), "near");
    assert!(answer.attempts[0].error.as_ref().unwrap().contains("not there"));
}

#[tokio::test]
async fn bad_routes_are_refused_by_name() {
    let loops = "[routes.safe]\nchain = [\"b\"]\n[routes.b]\nchain = [\"safe\"]\n";
    assert_eq!(refusal(loops).await, "the route safe → b leads back to safe");
    let unknown = "[routes.safe]\nchain = [\"nera\"]\n";
    assert_eq!(refusal(unknown).await, "[routes.safe]: there is no provider \"nera\"");
    let empty = "[routes.safe]\nchain = []\n";
    assert_eq!(refusal(empty).await, "[routes.safe] names no provider");
    let clash = "[providers.safe]\nkind = \"fake\"\n[routes.safe]\nchain = [\"near\"]\n";
    assert_eq!(refusal(clash).await, "safe is both a provider and a route");
}
