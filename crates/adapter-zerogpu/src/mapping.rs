//! Which input of an endpoint takes what, and which output holds the answer. Chosen by name, label
//! and component kind; the configuration has the last word.

use std::collections::BTreeMap;

use ports::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments::find;
use crate::endpoint::Endpoint;
use crate::role::Role;

/// What the configuration says of an endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Overrides {
    /// Role to parameter; an empty name keeps a role unmapped.
    pub(crate) map: BTreeMap<Role, String>,
    /// Parameter to the value that it always gets.
    pub(crate) fixed: Map<String, Value>,
    /// The place of the output that holds the answer.
    pub(crate) output: Option<usize>,
}

/// How requests are put to one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mapping {
    /// The place of the input for each role.
    #[serde(serialize_with = "by_name")]
    pub(crate) inputs: BTreeMap<Role, usize>,
    /// The place of the output that holds the answer.
    pub(crate) output: usize,
    /// The Space keeps the conversation itself, under the session.
    pub(crate) keeps_history: bool,
    /// Parameters that always get the same value.
    pub(crate) fixed: BTreeMap<usize, Value>,
}

fn by_name<S: serde::Serializer>(inputs: &BTreeMap<Role, usize>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(inputs.iter().map(|(role, place)| (role.as_str(), place)))
}

impl Mapping {
    /// The mapping of this endpoint.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] when the configuration names what the endpoint has not, or when
    /// something that must be given is left over.
    pub(crate) fn of(endpoint: &Endpoint, overrides: &Overrides) -> Result<Self, Error> {
        let mut taken = vec![false; endpoint.inputs.len()];
        let mut fixed = BTreeMap::new();
        for (name, value) in &overrides.fixed {
            let place = find(endpoint, name).map_err(config)?;
            taken[place] = true;
            fixed.insert(place, value.clone());
        }
        let mut inputs = BTreeMap::new();
        for (role, name) in overrides.map.iter().filter(|(_, name)| !name.is_empty()) {
            let place = find(endpoint, name).map_err(config)?;
            if std::mem::replace(&mut taken[place], true) {
                return Err(invalid(endpoint, format!("{name:?} is mapped twice")));
            }
            inputs.insert(*role, place);
        }
        for role in Role::ALL.into_iter().filter(|role| !overrides.map.contains_key(role)) {
            if let Some(place) = best(endpoint, role, &taken) {
                taken[place] = true;
                inputs.insert(role, place);
            }
        }
        let mapping = Self {
            output: output(endpoint, overrides.output)?,
            keeps_history: !inputs.contains_key(&Role::History) && keeps_history(endpoint),
            inputs,
            fixed,
        };
        mapping.complete(endpoint, &taken)
    }

    fn complete(self, endpoint: &Endpoint, taken: &[bool]) -> Result<Self, Error> {
        if !self.inputs.contains_key(&Role::Message) {
            return Err(invalid(endpoint, "no input takes the message".to_owned())
                .with_hint("name it: map = { message = \"…\" }"));
        }
        let inputs = endpoint.inputs.iter().enumerate();
        let mut left = inputs.filter(|(place, input)| !taken[*place] && input.default.is_none());
        match left.next() {
            None => Ok(self),
            Some((place, input)) => {
                let name = input.shown(place);
                Err(invalid(
                    endpoint,
                    format!("{name:?} must be given, and nothing says what it is for"),
                )
                .with_hint(format!("map it, or give it a value: fixed = {{ {name:?} = … }}")))
            }
        }
    }

    /// The place of a role's input.
    pub(crate) fn place(&self, role: Role) -> Option<usize> {
        self.inputs.get(&role).copied()
    }

    /// How much this looks like an endpoint that answers messages.
    fn score(&self, endpoint: &Endpoint) -> usize {
        let has = |role: Role| usize::from(self.inputs.contains_key(&role));
        let named = ["respond", "chat", "generate", "predict", "complet", "answer"]
            .iter()
            .any(|word| endpoint.name.to_lowercase().contains(word));
        4 * has(Role::History)
            + 4 * usize::from(self.keeps_history)
            + 2 * has(Role::System)
            + has(Role::Temperature)
            + 2 * has(Role::MaxTokens)
            + 3 * usize::from(named)
            + usize::from(endpoint.generator)
    }
}

/// The endpoint that answers messages, and how.
///
/// # Errors
/// [`ErrorKind::ConfigInvalid`] when none does or several might.
pub(crate) fn discover(
    endpoints: &[Endpoint],
    overrides: &Overrides,
) -> Result<(Endpoint, Mapping), Error> {
    let public = endpoints.iter().filter(|endpoint| endpoint.public);
    let mut found: Vec<(usize, &Endpoint, Mapping)> = public
        .filter_map(|endpoint| {
            Mapping::of(endpoint, overrides).ok().map(|mapping| (endpoint, mapping))
        })
        .map(|(endpoint, mapping)| (mapping.score(endpoint), endpoint, mapping))
        .collect();
    found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let names = |all: &[(usize, &Endpoint, Mapping)]| {
        all.iter().map(|(_, endpoint, _)| endpoint.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let unclear = |message: String, hint: String| {
        Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint(hint))
    };
    match &found[..] {
        [] => unclear(
            "no endpoint of the Space looks as if it answered messages".to_owned(),
            "name one with `endpoint`, and its parameters with `map`".to_owned(),
        ),
        [(first, ..), (second, ..), ..] if first == second => {
            let best: Vec<_> = found.iter().filter(|(score, ..)| score == first).cloned().collect();
            unclear(
                "several endpoints of the Space might answer messages".to_owned(),
                format!("choose one with `endpoint`: {}", names(&best)),
            )
        }
        [(_, endpoint, mapping), ..] => Ok(((*endpoint).clone(), mapping.clone())),
    }
}

/// The free input that fits a role best: names say more than labels, earlier ones win.
fn best(endpoint: &Endpoint, role: Role, taken: &[bool]) -> Option<usize> {
    let free =
        endpoint.inputs.iter().enumerate().filter(|(place, input)| !taken[*place] && !input.hidden);
    let fits = free.clone().map(|(place, input)| {
        let by_name = input.name.as_deref().map_or(0, |name| role.fit(input, name));
        let fit = (2 * by_name).max(role.fit(input, &input.label));
        (fit, std::cmp::Reverse(place))
    });
    if let Some((_, place)) = fits.filter(|(fit, _)| *fit > 0).max() {
        return Some(place.0);
    }
    // A chatbot is a history and a lone text box the message, whatever they are called.
    let lone = |kind: &str| {
        let mut of_kind = free.clone().filter(|(_, input)| input.component == kind);
        of_kind.next().filter(|_| of_kind.next().is_none()).map(|(place, _)| place)
    };
    match role {
        Role::History => lone("chatbot"),
        Role::Message => lone("textbox").or_else(|| lone("multimodaltextbox")),
        _ => None,
    }
}

/// The first chat, or else the first text.
fn output(endpoint: &Endpoint, wanted: Option<usize>) -> Result<usize, Error> {
    if let Some(place) = wanted {
        return if place < endpoint.outputs.len() {
            Ok(place)
        } else {
            let message = format!("there is no output {place}: it has {}", endpoint.outputs.len());
            Err(invalid(endpoint, message))
        };
    }
    let first = |kinds: &[&str]| {
        endpoint.outputs.iter().position(|o| !o.hidden && kinds.contains(&o.component.as_str()))
    };
    first(&["chatbot"])
        .or_else(|| first(&["textbox", "textarea", "markdown", "code", "json", "api"]))
        .or_else(|| first(&["html", "highlightedtext", "label"]))
        .ok_or_else(|| {
            invalid(endpoint, "no output holds text".to_owned())
                .with_hint("name its place with `output`")
        })
}

/// A state that goes in and comes out beside the reply: how a chat interface keeps its history.
fn keeps_history(endpoint: &Endpoint) -> bool {
    let state_in = endpoint.inputs.iter().any(|input| input.hidden && input.component == "state");
    let state_out =
        endpoint.outputs.iter().any(|output| output.hidden && output.component == "state");
    state_in && state_out
}

fn invalid(endpoint: &Endpoint, message: String) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("{}: {message}", endpoint.name))
}

/// The same mistake, made in the configuration.
fn config(error: Error) -> Error {
    let hint = error.hint().map(str::to_owned);
    let error = Error::new(ErrorKind::ConfigInvalid, error.to_string());
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests;
