//! What can be called: one endpoint with its inputs and outputs, read from the app's own schema.

use serde::Serialize;
use serde_json::Value;

use crate::protocol::{AppConfig, AppInfo, Component, Dependency, Parameter};

/// One function of a Space.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoint {
    /// With its slash, e.g. `/respond`.
    pub name: String,
    /// Whether the Space shows it to callers of its API; others can be called by name all the same.
    pub public: bool,
    /// Whether it streams.
    pub generator: bool,
    /// In the order of the wire, state included.
    pub inputs: Vec<Input>,
    /// In the order of the wire, state included.
    pub outputs: Vec<Output>,
    #[serde(skip)]
    pub(crate) fn_index: i64,
}

/// One value that an endpoint takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Input {
    /// The Python argument's name, where the Space tells it.
    pub name: Option<String>,
    /// What the page shows; may be empty.
    pub label: String,
    /// The component's type, e.g. `slider`.
    pub component: String,
    /// Whether the value lives on the server and callers send nothing.
    pub hidden: bool,
    /// What is sent when the caller gives nothing; absent when the caller must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// The only values, where there is a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// For a chatbot of Gradio 4 or 5: `tuples` or `messages`.
    #[serde(skip)]
    pub(crate) chat_type: Option<String>,
}

/// One value that an endpoint gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Output {
    /// What the page shows; may be empty.
    pub label: String,
    /// The component's type, e.g. `chatbot`.
    pub component: String,
    /// Whether the value lives on the server; callers get `null`.
    pub hidden: bool,
}

impl Endpoint {
    /// Those of a call's outputs that callers see: state is left out.
    pub fn visible<'v>(&self, outputs: &'v [Value]) -> Vec<&'v Value> {
        let slots = outputs.iter().enumerate();
        let seen =
            slots.filter(|(place, _)| self.outputs.get(*place).is_none_or(|slot| !slot.hidden));
        seen.map(|(_, value)| value).collect()
    }
}

impl Input {
    pub(crate) fn shown(&self, index: usize) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if !self.label.is_empty() => self.label.clone(),
            None => format!("parameter {}", index + 1),
        }
    }
}

/// Every function that has a name and can be called over the queue.
pub(crate) fn endpoints(config: &AppConfig, info: &AppInfo) -> Vec<Endpoint> {
    let functions = config.dependencies.iter().enumerate();
    functions
        .filter(|(_, function)| function.callable())
        .filter_map(|(position, function)| endpoint(config, info, position, function))
        .collect()
}

fn endpoint(
    config: &AppConfig,
    info: &AppInfo,
    position: usize,
    function: &Dependency,
) -> Option<Endpoint> {
    let name = function.api_name.0.as_deref()?;
    let mut documented = info.endpoint(name).map_or(&[][..], |info| &info.parameters).iter();
    let inputs = function.inputs.iter().map(|id| {
        let component = config.component(*id);
        let hidden = component.is_none_or(Component::hidden);
        input(component, hidden, if hidden { None } else { documented.next() })
    });
    let outputs = function.outputs.iter().map(|id| {
        let component = config.component(*id);
        Output {
            label: component.map(Component::label).unwrap_or_default().to_owned(),
            component: component.map(|c| c.kind.clone()).unwrap_or_default(),
            hidden: component.is_none_or(Component::hidden),
        }
    });
    Some(Endpoint {
        name: format!("/{name}"),
        public: function.public(),
        generator: function.types.generator,
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        fn_index: function.id.unwrap_or(position as i64),
    })
}

fn input(component: Option<&Component>, hidden: bool, documented: Option<&Parameter>) -> Input {
    let prop = |key: &str| component.and_then(|component| component.props.get(key));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let documented_label = documented.and_then(|parameter| text(&parameter.label));
    let label = component.map(Component::label).unwrap_or_default().to_owned();
    Input {
        name: documented.and_then(|parameter| parameter.parameter_name.clone()),
        label: documented_label.filter(|label| !label.is_empty()).unwrap_or(label),
        component: component.map(|component| component.kind.clone()).unwrap_or_default(),
        hidden,
        default: default(prop("value"), hidden, documented),
        minimum: prop("minimum").and_then(Value::as_f64),
        maximum: prop("maximum").and_then(Value::as_f64),
        choices: prop("choices")
            .and_then(Value::as_array)
            .filter(|_| prop("allow_custom_value") != Some(&Value::Bool(true)))
            .map_or_else(Vec::new, |all| choices(all)),
        chat_type: prop("type").and_then(text),
    }
}

/// What the Space documents, or the component's start value; state is sent as `null`.
fn default(start: Option<&Value>, hidden: bool, documented: Option<&Parameter>) -> Option<Value> {
    if hidden {
        return Some(Value::Null);
    }
    match documented {
        Some(Parameter { parameter_has_default: Some(true), parameter_default, .. }) => {
            Some(parameter_default.clone())
        }
        Some(Parameter { parameter_has_default: Some(false), .. }) => None,
        _ => start.filter(|value| !value.is_null()).cloned(),
    }
}

/// Choices are values, or pairs of what is shown and what is sent.
fn choices(all: &[Value]) -> Vec<Value> {
    let value = |choice: &Value| match choice.as_array().map(Vec::as_slice) {
        Some([_, value]) => value.clone(),
        _ => choice.clone(),
    };
    all.iter().map(value).collect()
}

#[cfg(test)]
mod tests;
