//! `GET /config`: what the app is made of.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The app: components, functions and how to call them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AppConfig {
    /// Gradio's version, e.g. `6.31.0`.
    #[serde(deserialize_with = "lenient")]
    pub(crate) version: String,
    /// `sse_v1` … `sse_v3`; absent before Gradio 4.
    #[serde(deserialize_with = "lenient")]
    pub(crate) protocol: Option<String>,
    /// `/gradio_api` from Gradio 5 on.
    #[serde(deserialize_with = "lenient")]
    pub(crate) api_prefix: String,
    /// Another one after each start of the app.
    pub(crate) app_id: Value,
    pub(crate) components: Vec<Component>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One part of the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Component {
    pub(crate) id: i64,
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub(crate) kind: String,
    pub(crate) skip_api: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) props: Map<String, Value>,
}

/// One function of the app.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Dependency {
    pub(crate) id: Option<i64>,
    pub(crate) api_name: ApiName,
    #[serde(deserialize_with = "lenient")]
    pub(crate) api_visibility: Option<String>,
    pub(crate) show_api: Option<bool>,
    pub(crate) backend_fn: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) inputs: Vec<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) outputs: Vec<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) types: Types,
    #[serde(deserialize_with = "lenient")]
    pub(crate) connection: Option<String>,
}

/// What kind of function it is.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Types {
    /// Whether it yields more than one value.
    pub(crate) generator: bool,
}

/// A function's public name: a text, `false`, or in Gradio 6 the text `"false"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApiName(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for ApiName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let name = value.as_str().map(|name| name.trim_start_matches('/'));
        Ok(Self(name.filter(|name| !name.is_empty() && *name != "false").map(str::to_owned)))
    }
}

impl Component {
    /// Whether callers of the API never see it: state and layout.
    pub(crate) fn hidden(&self) -> bool {
        self.skip_api.unwrap_or_else(|| self.is_state())
    }

    /// Whether its value lives on the server.
    pub(crate) fn is_state(&self) -> bool {
        self.kind == "state"
    }

    /// Its label, where it is a text.
    pub(crate) fn label(&self) -> &str {
        self.props.get("label").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Dependency {
    /// Whether the app shows it to callers of its API.
    pub(crate) fn public(&self) -> bool {
        let listed = self.api_visibility.as_deref().is_none_or(|word| word == "public");
        self.api_name.0.is_some() && listed && self.show_api != Some(false)
    }

    /// Whether it can be called at all: it runs on the server and is no video-like stream.
    pub(crate) fn callable(&self) -> bool {
        self.backend_fn != Some(false) && self.connection.as_deref() != Some("stream")
    }
}

impl AppConfig {
    /// The first number of the version; 0 when it has none.
    pub(crate) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }

    /// Whether it gives whole values instead of diffs when it is asked to: from 4.20 on. Earlier
    /// versions take no notice of the wish.
    pub(crate) fn gives_whole_values(&self) -> bool {
        self.release() >= (4, 20)
    }

    /// Whether jobs are ended by `/cancel`: from 4.31 on. Before that there is `/reset`, which knows
    /// generators that run, and nothing else.
    pub(crate) fn cancels(&self) -> bool {
        self.release() >= (4, 31)
    }

    fn release(&self) -> (u32, u32) {
        let minor = self.version.split('.').nth(1).and_then(|minor| minor.parse().ok());
        (self.major(), minor.unwrap_or(0))
    }

    /// The component of this id.
    pub(crate) fn component(&self, id: i64) -> Option<&Component> {
        self.components.iter().find(|component| component.id == id)
    }

    /// Whether intermediate values come as diffs: from `sse_v2` on.
    pub(crate) fn sends_diffs(&self) -> bool {
        !matches!(self.protocol.as_deref(), None | Some("ws" | "sse" | "sse_v1"))
    }

    /// Whether the queue speaks what this client does: `sse_v1` and later.
    pub(crate) fn supported(&self) -> bool {
        self.protocol.as_deref().is_some_and(|word| word.starts_with("sse_v"))
    }
}

/// The value where it has the expected type, the default where it has not.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}
