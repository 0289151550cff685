//! What a Space offers and how it would be used, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::client::GradioClient;
use crate::endpoint::{Endpoint, Input};
use crate::mapping::{Mapping, Overrides, discover};

/// A look at a Space.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Its address.
    pub address: String,
    /// Its Gradio version.
    pub gradio: String,
    /// Its public endpoints.
    pub endpoints: Vec<Inspected>,
    /// The endpoint that a provider without `endpoint` would use.
    pub chosen: Option<String>,
    /// Why none is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclear: Option<String>,
}

/// One endpoint, and how a request would be put to it.
#[derive(Debug, Clone, Serialize)]
pub struct Inspected {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Absent where it answers no messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
}

impl GradioClient {
    /// The Space's endpoints, their parameters, and the mapping that would be chosen.
    pub fn inspect(&self) -> Inspection {
        self.inspect_with(None, &Overrides::default())
    }

    /// The same for a provider that names its endpoint or maps some parameters itself.
    pub(crate) fn inspect_with(&self, named: Option<&str>, overrides: &Overrides) -> Inspection {
        let all = self.endpoints();
        let found = match named {
            Some(name) => self.endpoint(name).and_then(|endpoint| {
                let mapping = Mapping::of(&endpoint, overrides)?;
                Ok((endpoint, mapping))
            }),
            None => discover(&all, overrides),
        };
        let (chosen, unclear) = match found {
            Ok(found) => (Some(found), None),
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                (None, Some(format!("{error}{hint}")))
            }
        };
        let (chosen, mapping) = chosen.unzip();
        let chosen = chosen.map(|endpoint| endpoint.name);
        let shown =
            |endpoint: &Endpoint| endpoint.public || Some(&endpoint.name) == chosen.as_ref();
        let endpoints = all.into_iter().filter(shown).map(|endpoint| {
            // What a provider maps by name fits its own endpoint only.
            let own = mapping.clone().filter(|_| Some(&endpoint.name) == chosen.as_ref());
            let mapping = own.or_else(|| Mapping::of(&endpoint, &Overrides::default()).ok());
            Inspected { mapping, endpoint }
        });
        Inspection {
            address: self.base_url().to_owned(),
            gradio: self.version(),
            endpoints: endpoints.collect(),
            chosen: chosen.clone(),
            unclear,
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (Gradio {})", self.address, self.gradio)?;
        match (&self.chosen, &self.unclear) {
            (Some(name), _) => writeln!(f, "messages are answered by {name}")?,
            (None, why) => writeln!(f, "{}", why.as_deref().unwrap_or("no endpoint is chosen"))?,
        }
        self.endpoints.iter().try_for_each(|inspected| inspected.fmt(f))
    }
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = if self.endpoint.generator { " (streams)" } else { "" };
        writeln!(f, "\n{}{streams}", self.endpoint.name)?;
        for (place, input) in self.endpoint.inputs.iter().enumerate() {
            let role = self.mapping.as_ref().and_then(|mapping| {
                mapping.inputs.iter().find(|(_, at)| **at == place).map(|(role, _)| role.as_str())
            });
            let role = role.map(|role| format!("  <- {role}")).unwrap_or_default();
            writeln!(f, "  {}{role}", described(input, place))?;
        }
        let kinds: Vec<&str> = self.endpoint.outputs.iter().map(|o| o.component.as_str()).collect();
        writeln!(
            f,
            "  -> {}",
            if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
        )
    }
}

fn described(input: &Input, place: usize) -> String {
    if input.hidden {
        return format!("({} kept by the Space)", input.component);
    }
    let mut words = format!("{} ({}", input.shown(place), input.component);
    if input.minimum.is_some() || input.maximum.is_some() {
        words.push_str(&format!(" {}", crate::arguments::range(input)));
    }
    if !input.choices.is_empty() {
        words.push_str(&format!(", {} choices", input.choices.len()));
    }
    match &input.default {
        Some(value) => {
            let text: String = value.to_string().chars().take(40).collect();
            words.push_str(&format!(", default {text})"));
        }
        None => words.push_str(", required)"),
    }
    words
}
