//! A provider of one's own: a kind with a setting, a factory for it, and an application that
//! reaches it by configuration alone. Nothing of textport changes for it.
//!
//! `cargo run --example custom_provider`

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use serde::Deserialize;
use textport::{
    BuildContext, Capabilities, Capability, Config, Error, ErrorKind, Event, EventStream, Finish,
    FinishReason, Prompt, ProviderFactory, ProviderInfo, ProviderRegistry, ProviderSpec, Request,
    Response, Setting, TextGenerator, accept,
};

const CONFIG: &str = r#"
provider = "megaphone"
cache_dir = "unused"

[providers.megaphone]
kind = "shout"
marks = 3
"#;

/// Answers with the last message, louder.
#[derive(Debug)]
struct Shout {
    info: ProviderInfo,
    capabilities: Capabilities,
    marks: usize,
}

impl Shout {
    fn new(spec: &ProviderSpec, marks: usize) -> Self {
        let info = ProviderInfo { id: spec.id.clone(), kind: "shout".into(), model: None };
        // What is not declared here is refused by `accept`, never ignored.
        let capabilities = Capabilities::of([
            Capability::SystemPrompt,
            Capability::MultiTurn,
            Capability::Streaming,
            Capability::GreedyRepeats,
            Capability::Cancel,
        ]);
        Self { info, capabilities, marks }
    }
}

#[async_trait]
impl TextGenerator for Shout {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        accept(self, &request)?;
        let Prompt::Messages(messages) = request.prompt else {
            return Err(Error::unsupported(self.info.id.clone(), Capability::RawPrompt));
        };
        let question = messages.last().map(|message| message.content.clone()).unwrap_or_default();
        let answer = format!("{}{}", question.to_uppercase(), "!".repeat(self.marks));

        let mut events = vec![Event::Started { provider: self.info.id.clone(), model: None }];
        events.extend(answer.split_inclusive(' ').map(|word| Event::Text(word.to_owned())));
        events.push(Event::Finish(Finish::new(FinishReason::Stop)));
        Ok(Box::pin(stream::iter(events.into_iter().map(Ok))))
    }
}

/// Builds providers of the kind `shout`.
#[derive(Debug)]
struct ShoutFactory;

/// What stands under `[providers.NAME]`.
#[derive(Deserialize)]
struct ShoutSettings {
    #[serde(default = "one")]
    marks: usize,
}

fn one() -> usize {
    1
}

#[async_trait]
impl ProviderFactory for ShoutFactory {
    fn kind(&self) -> &str {
        "shout"
    }

    fn about(&self) -> &str {
        "repeats the question, louder"
    }

    fn settings(&self) -> &[Setting] {
        &[Setting { name: "marks", about: "exclamation marks, 1 to 9; 1 by default" }]
    }

    async fn build(
        &self,
        spec: ProviderSpec,
        _: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        let ShoutSettings { marks } = spec.parse()?;
        if !(1..=9).contains(&marks) {
            let message = format!("[providers.{}]: marks is {marks}", spec.id);
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint("use 1 to 9"));
        }
        Ok(Arc::new(Shout::new(&spec, marks)))
    }
}

/// The application: it knows the configuration and the question, not who answers.
async fn ask(config: &str, question: &str) -> anyhow::Result<Response> {
    let config: Config = toml::from_str(config)?;
    let mut registry = ProviderRegistry::builtin(&config)?;
    registry.register(Arc::new(ShoutFactory));
    let generator = registry.build(&config.provider, &config, &BuildContext::default()).await?;
    Ok(generator.generate(Request::user(question)).await?)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows its answer")]
async fn main() -> anyhow::Result<()> {
    let answer = ask(CONFIG, "ship ahoy").await?;
    let provider = answer.served_by.map(String::from).unwrap_or_default();
    println!("{provider}: {}", answer.text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use testkit::conformance::{self, Fixture};

    use super::*;

    #[tokio::test]
    async fn configuration_alone_reaches_it() -> anyhow::Result<()> {
        let answer = ask(CONFIG, "ship ahoy").await?;
        assert_eq!(answer.text, "SHIP AHOY!!!");
        assert_eq!(answer.served_by.map(String::from).as_deref(), Some("megaphone"));
        Ok(())
    }

    #[tokio::test]
    async fn wrong_settings_say_what_would_do() {
        for (wrong, expected) in [
            ("marks = 30", "use 1 to 9"),
            ("mark = 3", "did you mean \"marks\"? known keys: marks"),
        ] {
            let refused = ask(&CONFIG.replace("marks = 3", wrong), "ship ahoy").await;
            let error = refused.unwrap_err().downcast::<Error>().unwrap();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert_eq!(error.hint(), Some(expected));
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let spec =
            ProviderSpec { id: "megaphone".parse().unwrap(), settings: serde_json::Map::new() };
        let built = ShoutFactory.build(spec, &BuildContext::default()).await.unwrap();
        conformance::run(&Fixture::new(built)).await.assert_passed();
    }
}
