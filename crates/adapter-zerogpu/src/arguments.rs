//! What the caller gives, put in the order of the wire and checked against the Space's schema, so
//! that a mistake is named here instead of failing there without a word.

use ports::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::endpoint::{Endpoint, Input};

/// Values for an endpoint, by place or by name.
#[derive(Debug, Clone, PartialEq)]
pub enum Arguments {
    /// In the order of the visible inputs; what is missing at the end takes its default.
    Positional(Vec<Value>),
    /// By the Python argument's name, or by label where that is unique.
    Named(Map<String, Value>),
    /// By the place of the wire, state included; what is absent takes its default.
    #[doc(hidden)]
    Placed(Vec<Option<Value>>),
}

impl Arguments {
    /// Values in order.
    pub fn positional(values: impl IntoIterator<Item = Value>) -> Self {
        Self::Positional(values.into_iter().collect())
    }

    /// Values by name.
    pub fn named(values: Map<String, Value>) -> Self {
        Self::Named(values)
    }

    /// The `data` of the wire: one value per input, `null` for state.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] names the first argument that is missing, unknown, or out of
    /// the range or the choices that the Space declares.
    pub(crate) fn arrange(self, endpoint: &Endpoint) -> Result<Vec<Value>, Error> {
        let mut given = match self {
            Self::Positional(values) => by_place(endpoint, values)?,
            Self::Named(values) => by_name(endpoint, values)?,
            Self::Placed(mut values) => {
                values.resize(endpoint.inputs.len(), None);
                values
            }
        };
        let inputs = endpoint.inputs.iter().enumerate();
        inputs
            .map(|(index, input)| match given[index].take() {
                Some(value) => check(endpoint, index, &value).map(|()| value),
                None => input
                    .default
                    .clone()
                    .ok_or_else(|| invalid(endpoint, format!("{} is missing", input.shown(index)))),
            })
            .collect()
    }
}

fn by_place(endpoint: &Endpoint, values: Vec<Value>) -> Result<Vec<Option<Value>>, Error> {
    let visible = endpoint.inputs.iter().filter(|input| !input.hidden).count();
    if values.len() > visible {
        let message = format!("{} values given, but it takes {visible}", values.len());
        return Err(invalid(endpoint, message));
    }
    let mut values = values.into_iter();
    Ok(endpoint
        .inputs
        .iter()
        .map(|input| if input.hidden { None } else { values.next() })
        .collect())
}

fn by_name(endpoint: &Endpoint, values: Map<String, Value>) -> Result<Vec<Option<Value>>, Error> {
    let mut given = vec![None; endpoint.inputs.len()];
    for (name, value) in values {
        let index = find(endpoint, &name)?;
        if given[index].replace(value).is_some() {
            return Err(invalid(endpoint, format!("{name} is given twice")));
        }
    }
    Ok(given)
}

/// The input that `name` means.
pub(crate) fn find(endpoint: &Endpoint, name: &str) -> Result<usize, Error> {
    let visible = || endpoint.inputs.iter().enumerate().filter(|(_, input)| !input.hidden);
    if let Some((index, _)) = visible().find(|(_, input)| input.name.as_deref() == Some(name)) {
        return Ok(index);
    }
    let mut labelled = visible().filter(|(_, input)| input.label == name);
    match (labelled.next(), labelled.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => {
            Err(invalid(endpoint, format!("several inputs have the label {name:?}")))
        }
        _ => {
            let known: Vec<String> = visible().map(|(index, input)| input.shown(index)).collect();
            Err(invalid(endpoint, format!("there is no {name:?}")).with_hint(format!(
                "it takes: {}",
                if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
            )))
        }
    }
}

/// Range and choices, as far as the Space declares them.
fn check(endpoint: &Endpoint, index: usize, value: &Value) -> Result<(), Error> {
    let input = &endpoint.inputs[index];
    let refuse = |must: String| {
        Err(invalid(
            endpoint,
            format!("{} is {}, but it must be {must}", input.shown(index), short(value)),
        ))
    };
    if input.component == "slider" {
        let Some(number) = value.as_f64() else { return refuse("a number".to_owned()) };
        if !within(input, number) {
            return refuse(range(input));
        }
    }
    if !input.choices.is_empty() && !value.is_null() {
        let wanted = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if wanted.iter().any(|one| !input.choices.contains(one)) && !is_free(input) {
            let known: Vec<String> = input.choices.iter().take(20).map(short).collect();
            return refuse(format!("one of {}", known.join(", ")));
        }
    }
    Ok(())
}

/// Only these components refuse what is not on their list.
fn is_free(input: &Input) -> bool {
    !matches!(input.component.as_str(), "radio" | "checkboxgroup" | "dropdown")
}

/// Whether the Space's range has this number.
pub(crate) fn within(input: &Input, number: f64) -> bool {
    input.minimum.is_none_or(|low| number >= low) && input.maximum.is_none_or(|high| number <= high)
}

/// The Space's range in words.
pub(crate) fn range(input: &Input) -> String {
    match (input.minimum, input.maximum) {
        (Some(low), Some(high)) => format!("between {low} and {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => "any number".to_owned(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
}

fn invalid(endpoint: &Endpoint, message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{}: {message}", endpoint.name))
}

#[cfg(test)]
mod tests;
