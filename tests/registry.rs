//! The registry: kinds by name, from whichever crate, and what it says of names it does not know.

use std::sync::Arc;

use async_trait::async_trait;
use mockall::Sequence;
use testkit::{FakeFactory, FakeGenerator};
use textport::{
    BuildContext, Config, Error, ErrorKind, ProviderFactory, ProviderId, ProviderRegistry,
    ProviderSpec, Request, Setting, TextGenerator,
};

const CONFIG: &str = r#"
provider = "mine"
cache_dir = "unused"
[providers.mine]
kind = "fake"
reply = "from mine"
[providers.other]
kind = "fake"
"#;

fn config(change: impl Fn(&str) -> String) -> anyhow::Result<Config> {
    Ok(toml::from_str(&change(CONFIG))?)
}

fn registry() -> ProviderRegistry {
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(FakeFactory::new("fake")));
    registry.register(Arc::new(FakeFactory::new("faint")));
    registry
}

async fn build(
    registry: &ProviderRegistry,
    name: &str,
    config: &Config,
) -> Result<Arc<dyn TextGenerator>, Error> {
    let context = BuildContext::default();
    match ProviderId::new(name) {
        Ok(id) => registry.build(&id, config, &context).await,
        Err(invalid) => Err(Error::new(ErrorKind::ConfigInvalid, invalid.to_string())),
    }
}

#[tokio::test]
async fn a_kind_from_another_crate_is_built_by_name() -> anyhow::Result<()> {
    let config = config(str::to_owned)?;
    let provider = build(&registry(), "mine", &config).await?;
    assert_eq!((provider.info().id.as_str(), provider.info().kind.as_str()), ("mine", "fake"));
    assert_eq!(provider.generate(Request::user("?")).await?.text, "from mine");
    Ok(())
}

#[tokio::test]
async fn an_unknown_provider_lists_the_known_ones_and_the_nearest() -> anyhow::Result<()> {
    let error = build(&registry(), "othr", &config(str::to_owned)?).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.to_string(), "there is no provider \"othr\"");
    assert_eq!(error.hint(), Some("did you mean \"other\"? known providers: mine, other"));
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_like_none_is_not_guessed_at() -> anyhow::Result<()> {
    let error = build(&registry(), "zzzzzzzz", &config(str::to_owned)?).await.unwrap_err();
    assert_eq!(error.hint(), Some("known providers: mine, other"));
    let error = build(&registry(), "ö", &config(str::to_owned)?).await.unwrap_err();
    assert!(error.to_string().contains("not a valid name"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_kind_lists_the_known_ones_and_the_nearest() -> anyhow::Result<()> {
    let config = config(|text| text.replacen("\"fake\"", "\"fakes\"", 1))?;
    let error = build(&registry(), "mine", &config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.provider().map(ProviderId::as_str), Some("mine"));
    assert_eq!(error.to_string(), "[providers.mine]: there is no provider kind \"fakes\"");
    assert_eq!(error.hint(), Some("did you mean \"fake\"? known kinds: faint, fake"));

    let empty = build(&ProviderRegistry::empty(), "mine", &config).await.unwrap_err();
    assert_eq!(empty.hint(), Some("known kinds: none"));
    Ok(())
}

#[tokio::test]
async fn an_unknown_key_lists_the_known_ones_and_the_nearest() -> anyhow::Result<()> {
    let config = config(|text| text.replace("reply", "relpy"))?;
    let error = build(&registry(), "mine", &config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.to_string(), "[providers.mine] has an unknown key \"relpy\"");
    assert_eq!(error.hint(), Some("did you mean \"reply\"? known keys: reply"));
    Ok(())
}

#[tokio::test]
async fn check_finds_what_build_would_without_building() -> anyhow::Result<()> {
    let factory = Arc::new(FakeFactory::new("fake"));
    let mut registry = ProviderRegistry::empty();
    registry.register(factory.clone());
    registry.check(&config(str::to_owned)?)?;
    for (broken, named) in [
        (config(|text| text.replace("provider = \"mine\"", "provider = \"mime\""))?, "mime"),
        (config(|text| text.replacen("\"fake\"", "\"fact\"", 1))?, "fact"),
        (config(|text| text.replace("reply", "answer"))?, "answer"),
    ] {
        let error = registry.check(&broken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(named), "{error}");
    }
    assert!(factory.built().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_later_factory_replaces_one_of_the_same_kind() -> anyhow::Result<()> {
    let mut registry = registry();
    let template = FakeGenerator::new("later").answering("from the later one");
    registry.register(Arc::new(FakeFactory::new("fake").with_template(template)));
    assert_eq!(registry.factories().count(), 2);
    let provider = build(&registry, "other", &config(str::to_owned)?).await?;
    assert_eq!(provider.generate(Request::user("?")).await?.text, "from the later one");
    Ok(())
}

mockall::mock! {
    Factory {}
    #[async_trait]
    impl ProviderFactory for Factory {
        fn kind(&self) -> &str;
        fn about(&self) -> &str;
        fn settings(&self) -> &[Setting];
        async fn build(
            &self,
            spec: ProviderSpec,
            context: &BuildContext,
        ) -> Result<Arc<dyn TextGenerator>, Error>;
    }
}

impl std::fmt::Debug for MockFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MockFactory")
    }
}

fn mocked() -> MockFactory {
    let mut factory = MockFactory::new();
    factory.expect_kind().return_const("fake".to_owned());
    factory
}

fn known_settings() -> Vec<Setting> {
    vec![Setting { name: "reply", about: "the answer" }]
}

/// A build may fetch gigabytes: the settings are checked first.
#[tokio::test]
async fn settings_are_read_before_anything_is_built() -> anyhow::Result<()> {
    let mut order = Sequence::new();
    let mut factory = mocked();
    factory.expect_settings().once().in_sequence(&mut order).return_const(known_settings());
    factory
        .expect_build()
        .once()
        .in_sequence(&mut order)
        .returning(|_, _| Ok(Arc::new(FakeGenerator::new("mine"))));
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(factory));
    build(&registry, "mine", &config(str::to_owned)?).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_built_from_settings_that_are_wrong() -> anyhow::Result<()> {
    let mut factory = mocked();
    factory.expect_settings().return_const(known_settings());
    factory.expect_build().never();
    let mut registry = ProviderRegistry::empty();
    registry.register(Arc::new(factory));
    let config = config(|text| text.replace("reply", "delay"))?;
    assert!(build(&registry, "mine", &config).await.is_err());
    Ok(())
}
