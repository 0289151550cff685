//! The settings of the kind `zerogpu`, as the configuration spells them.

use std::collections::BTreeMap;
use std::time::Duration;

use ports::{BuildContext, Error, ErrorKind, ProviderSpec, Secret, SecretRef, Setting};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{ConnectOptions, Login, SpaceRef};
use crate::mapping::Overrides;
use crate::role::Role;
use crate::{Deadlines, Limits};

/// Every key, with what it is for.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting { name: "space", about: "the Space: owner/name, or the address of any Gradio app" },
    Setting {
        name: "endpoint",
        about: "the endpoint, e.g. \"/respond\"; found by itself when it is clear",
    },
    Setting {
        name: "map",
        about: "which parameter takes what, e.g. { message = \"prompt\" }; \"\" takes a role away",
    },
    Setting {
        name: "fixed",
        about: "parameters that always get the same value, e.g. { model = \"large\" }",
    },
    Setting {
        name: "ranges",
        about: "narrower ranges than the Space declares, e.g. { max_tokens = [128, 1024] }",
    },
    Setting {
        name: "output",
        about: "the place of the output that holds the answer, counted from 0",
    },
    Setting {
        name: "token",
        about: "a Hugging Face token by reference, e.g. { env = \"HF_TOKEN\" }; { hf = true } uses the tools' own if there is one, on the Hub only",
    },
    Setting { name: "user", about: "the user, for apps that ask for a login" },
    Setting { name: "password", about: "the password by reference" },
    Setting { name: "headers", about: "more headers for the Space, values by reference" },
    Setting { name: "hub_endpoint", about: "another Hub than https://huggingface.co" },
    Setting {
        name: "timeouts",
        about: "connect_s 10, request_s 30, silence_s 45, queue_s 600, first_event_s 300, idle_s 120, wake_s 300",
    },
    Setting {
        name: "stream",
        about: "false takes the answer whole, for Spaces that rewrite it (default true)",
    },
    Setting {
        name: "reasoning",
        about: "\"tags\" (default) parts <think> from the answer, \"open\" begins inside it, \"off\" leaves it",
    },
    Setting { name: "model", about: "the model's name, where the Space has one; for information" },
    Setting {
        name: "concurrency",
        about: "requests at once in a batch (default 1, as Gradio's own)",
    },
    Setting {
        name: "batch_size",
        about: "for evaluations: samples at once that the Space takes, e.g. [1, 10]",
    },
];

/// `[providers.NAME]` of the kind `zerogpu`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) space: String,
    #[serde(default)]
    pub(crate) endpoint: Option<String>,
    #[serde(default)]
    map: BTreeMap<Role, String>,
    #[serde(default)]
    fixed: Map<String, Value>,
    #[serde(default)]
    pub(crate) ranges: BTreeMap<Role, (f64, f64)>,
    #[serde(default)]
    output: Option<usize>,
    #[serde(default)]
    token: Option<SecretRef>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<SecretRef>,
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    #[serde(default)]
    hub_endpoint: Option<String>,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default = "yes")]
    pub(crate) stream: bool,
    #[serde(default)]
    pub(crate) reasoning: Reasoning,
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) concurrency: Option<u32>,
    #[serde(default)]
    pub(crate) batch_size: Option<(u32, u32)>,
}

/// How reasoning shows in the Space's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reasoning {
    /// Between `<think>` and `</think>`.
    #[default]
    Tags,
    /// From the beginning to `</think>`: the Space's prompt opened it.
    Open,
    /// Not at all, or it is wanted in the text.
    Off,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Timeouts {
    connect_s: Option<f64>,
    request_s: Option<f64>,
    silence_s: Option<f64>,
    queue_s: Option<f64>,
    first_event_s: Option<f64>,
    idle_s: Option<f64>,
    wake_s: Option<f64>,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads and checks a provider's settings.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] names what makes no sense.
    pub(crate) fn read(spec: &ProviderSpec) -> Result<Self, Error> {
        let settings: Self = spec.parse()?;
        let invalid = |message: String| {
            Error::new(ErrorKind::ConfigInvalid, format!("[providers.{}]: {message}", spec.id))
        };
        SpaceRef::parse(&settings.space)?;
        settings.deadlines().map_err(invalid)?;
        if settings.user.is_some() != settings.password.is_some() {
            return Err(invalid("`user` and `password` go together".to_owned()));
        }
        if settings.concurrency == Some(0) {
            return Err(invalid("`concurrency` must be at least 1".to_owned()));
        }
        let empty = |low: f64, high: f64| low.is_nan() || high.is_nan() || low > high;
        if let Some((role, _)) = settings.ranges.iter().find(|(_, (low, high))| empty(*low, *high))
        {
            return Err(invalid(format!("the range of {} is empty", role.as_str())));
        }
        Ok(settings)
    }

    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { map: self.map.clone(), fixed: self.fixed.clone(), output: self.output }
    }

    /// How to connect, secrets resolved.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] for a secret that is not there.
    pub(crate) fn connect_options(&self, context: &BuildContext) -> Result<ConnectOptions, Error> {
        let mut options = ConnectOptions {
            token: self.token(context)?,
            login: None,
            headers: Vec::new(),
            deadlines: self.deadlines().map_err(|why| Error::new(ErrorKind::ConfigInvalid, why))?,
            limits: Limits::default(),
            ..ConnectOptions::default()
        };
        if let Some(endpoint) = &self.hub_endpoint {
            options.hub_endpoint.clone_from(endpoint);
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            let password = context.secret(password)?;
            options.login = Some(Login { user: user.clone(), password });
        }
        for (name, value) in &self.headers {
            options.headers.push((name.clone(), context.secret(value)?));
        }
        Ok(options)
    }

    /// The token of the Hub's own tools is welcome and not required, and never leaves the Hub: who
    /// points a provider at another server has not thereby given that server the token of this
    /// machine. Another one was promised, and belongs to the provider it stands at.
    fn token(&self, context: &BuildContext) -> Result<Option<Secret>, Error> {
        match &self.token {
            None | Some(SecretRef::Hf(false)) => Ok(None),
            Some(SecretRef::Hf(true)) if !SpaceRef::parse(&self.space)?.is_on_hub() => Ok(None),
            Some(reference @ SecretRef::Hf(true)) => Ok(context.secret(reference).ok()),
            Some(reference) => context.secret(reference).map(Some),
        }
    }

    fn deadlines(&self) -> Result<Deadlines, String> {
        let mut deadlines = Deadlines::default();
        let given = &self.timeouts;
        for (name, seconds, deadline) in [
            ("connect_s", given.connect_s, &mut deadlines.connect),
            ("request_s", given.request_s, &mut deadlines.request),
            ("silence_s", given.silence_s, &mut deadlines.silence),
            ("queue_s", given.queue_s, &mut deadlines.queue),
            ("first_event_s", given.first_event_s, &mut deadlines.first_event),
            ("idle_s", given.idle_s, &mut deadlines.idle),
            ("wake_s", given.wake_s, &mut deadlines.wake),
        ] {
            let Some(seconds) = seconds else { continue };
            *deadline = Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|wait| !wait.is_zero() && *wait <= Duration::from_secs(86_400))
                .ok_or_else(|| format!("timeouts.{name} is {seconds}, but it must be seconds above 0, at most a day"))?;
        }
        Ok(deadlines)
    }
}

#[cfg(test)]
mod tests;
