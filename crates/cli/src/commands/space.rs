//! From a word of the command line to a Space: a provider of the configuration, or any other one.

use serde_json::{Map, Value, json};
use textport::zerogpu::{GradioClient, SpaceRef};
use textport::{BuildContext, Error, ErrorKind, ProviderId, ProviderSpec, SecretRef};

use crate::args::{Global, SpaceArgs, TargetArgs};
use crate::failure::Failure;
use crate::settings::{Overrides, Settings};

/// The kind of provider that is a Space.
pub(super) const KIND: &str = "zerogpu";

/// A Space and how to get in.
#[derive(Debug)]
pub(super) struct Place {
    /// As the configuration would say it.
    pub(super) spec: ProviderSpec,
    /// Whether the configuration does.
    pub(super) configured: bool,
    /// The tools' own token was asked for by name: then it has to be there.
    wants_token: bool,
}

impl Place {
    /// Reads the flags and the configuration.
    ///
    /// # Errors
    /// A usage error for a secret that is no reference, or a word that names no Space.
    pub(super) fn find(args: &SpaceArgs, settings: &Settings) -> Result<Self, Failure> {
        let id = ProviderId::new(args.space.as_str()).ok();
        let (configured, mut spec) = match id {
            Some(id) => (true, of_provider(&id, settings)?),
            None => {
                let settings = Map::from_iter([("space".to_owned(), json!(args.space))]);
                (false, ProviderSpec { id: ProviderId::new("space").map_err(internal)?, settings })
            }
        };
        for (key, flag, text) in
            [("token", "--token", &args.token), ("password", "--password", &args.password)]
        {
            if let Some(text) = text {
                spec.settings.insert(key.to_owned(), reference(flag, text)?);
            }
        }
        if let Some(user) = &args.user {
            spec.settings.insert("user".to_owned(), json!(user));
        }
        if let Some(endpoint) = &settings.config.hub_endpoint {
            spec.settings.entry("hub_endpoint").or_insert_with(|| json!(endpoint));
        }
        Ok(Self { spec, configured, wants_token: args.token.as_deref() == Some("hf") })
    }

    /// Connects to it.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub(super) async fn connect(&self, context: &BuildContext) -> Result<GradioClient, Error> {
        if self.wants_token {
            self.check_token(context)?;
        }
        GradioClient::of_provider(&self.spec, context).await.map_err(|error| self.named(error))
    }

    /// The tools' own token has to be there, and goes to nobody but the Hub.
    fn check_token(&self, context: &BuildContext) -> Result<(), Error> {
        let space = self.spec.settings.get("space").and_then(Value::as_str).unwrap_or_default();
        if !SpaceRef::parse(space)?.is_on_hub() {
            let message =
                format!("{space} is not on the Hub, where the token of its tools belongs");
            return Err(Error::new(ErrorKind::PermissionDenied, message).with_hint(
                "name the token for this server: --token env:NAME or --token file:PATH",
            ));
        }
        context.secret(&SecretRef::Hf(true)).map(|_| ())
    }

    /// The error with the provider's name, where it has one.
    pub(super) fn named(&self, error: Error) -> Error {
        if self.configured { error.with_provider(self.spec.id.clone()) } else { error }
    }
}

/// The configuration for a verb about one Space.
///
/// # Errors
/// When the configuration is wrong.
pub(super) fn settings(args: &SpaceArgs, global: &Global) -> Result<Settings, Failure> {
    let target = TargetArgs { timeout: args.timeout, ..TargetArgs::default() };
    let settings = Settings::load(&Overrides::new(global)?.with_target(&target))?;
    settings.registry()?;
    Ok(settings)
}

/// A provider of the configuration that is a Space.
fn of_provider(id: &ProviderId, settings: &Settings) -> Result<ProviderSpec, Failure> {
    let config = &settings.config;
    if let Some(route) = config.routes.get(id) {
        let members: Vec<&str> = route.chain.iter().map(ProviderId::as_str).collect();
        let message = format!("{id} is a route, not a Space");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint(format!("name one of its providers: {}", members.join(", ")))
            .into());
    }
    let provider = config.provider_config(id)?;
    if provider.kind != KIND {
        let message = format!("{id} is a provider of the kind {:?}, not a Space", provider.kind);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("name owner/name, an address, or a provider of the kind \"zerogpu\"")
            .into());
    }
    Ok(ProviderSpec { id: id.clone(), settings: provider.settings })
}

/// `hf`, `env:NAME` or `file:PATH`. Anything else may be the secret itself and is not repeated.
fn reference(flag: &str, text: &str) -> Result<Value, Failure> {
    match text.split_once(':') {
        Some((way @ ("env" | "file"), place)) if !place.is_empty() => Ok(json!({ way: place })),
        None if text == "hf" && flag == "--token" => Ok(json!({ "hf": true })),
        _ => Err(Failure::usage(format!("{flag} wants a reference, not the secret itself"))
            .try_this(format!("{flag} env:NAME or {flag} file:PATH"))),
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "a name of textport's own is wrong").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        assert_eq!(reference("--token", "env:X").unwrap(), json!({ "env": "X" }));
        assert_eq!(reference("--token", "file:/a:b").unwrap(), json!({ "file": "/a:b" }));
        assert_eq!(reference("--token", "hf").unwrap(), json!({ "hf": true }));
        for text in ["hf_abc", "env:", "abc:def", ""] {
            let Err(Failure::Error(error)) = reference("--token", text) else { panic!("{text}") };
            let said = format!("{error} {:?}", error.hint());
            // The hint itself spells `env:`, so only what could be a secret counts.
            assert!(matches!(text, "" | "env:") || !said.contains(text), "{said}");
        }
        assert!(reference("--password", "hf").is_err());
    }
}
