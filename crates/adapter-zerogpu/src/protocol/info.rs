//! `GET {prefix}/info`: the names and defaults of the public endpoints' parameters.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What the app documents of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AppInfo {
    pub(crate) named_endpoints: BTreeMap<String, EndpointInfo>,
}

/// One documented endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointInfo {
    /// In the order of the inputs, without state.
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter. Labels may repeat, and may be objects that hold translations.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameter {
    pub(crate) label: Value,
    pub(crate) parameter_name: Option<String>,
    pub(crate) parameter_has_default: Option<bool>,
    pub(crate) parameter_default: Value,
}

impl AppInfo {
    /// What is documented of `name`, which is written without its slash.
    pub(crate) fn endpoint(&self, name: &str) -> Option<&EndpointInfo> {
        self.named_endpoints.get(&format!("/{name}")).or_else(|| self.named_endpoints.get(name))
    }
}
