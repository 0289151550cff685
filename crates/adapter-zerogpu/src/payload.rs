//! A request as the values of an endpoint.

use std::collections::BTreeMap;

use domain::{GenerationOptions, Message, Prompt, Request, Role as Speaker, Think};
use ports::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::arguments::{Arguments, range, within};
use crate::endpoint::{Endpoint, Input};
use crate::history::{Dialect, transcript};
use crate::mapping::Mapping;
use crate::role::Role;

/// A conversation, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) system: Option<String>,
    /// The turns before the message.
    pub(crate) turns: Vec<Message>,
    /// The message to answer.
    pub(crate) message: String,
}

/// Everything that decides the values.
pub(crate) struct Payload<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) mapping: &'a Mapping,
    /// Ranges of the configuration, narrower than the Space's.
    pub(crate) ranges: &'a BTreeMap<Role, (f64, f64)>,
    pub(crate) dialect: Dialect,
    /// The Space knows the turns already, under the session of the call.
    pub(crate) remembered: bool,
}

impl Conversation {
    /// # Errors
    /// [`ErrorKind::Unsupported`] for what no Space takes.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let Prompt::Messages(messages) = &request.prompt else {
            return Err(Error::new(ErrorKind::Unsupported, "a Space takes no raw prompts"));
        };
        let system = messages.iter().find(|m| m.role == Speaker::System).map(|m| m.content.clone());
        let turns: Vec<Message> =
            messages.iter().filter(|m| m.role != Speaker::System).cloned().collect();
        if turns.iter().any(|turn| !matches!(turn.role, Speaker::User | Speaker::Assistant)) {
            return Err(Error::new(ErrorKind::Unsupported, "a Space takes no results of tools"));
        }
        // Messages of the user that follow each other are one message: nothing of them is lost
        // where a Space takes no history.
        let last_answer = turns.iter().rposition(|turn| turn.role == Speaker::Assistant);
        let (turns, open) = turns.split_at(last_answer.map_or(0, |at| at + 1));
        let message: Vec<&str> = open.iter().map(|turn| turn.content.as_str()).collect();
        Ok(Self { system, turns: turns.to_vec(), message: message.join("\n\n") })
    }
}

impl Payload<'_> {
    /// The values in the order of the wire, and how long the history is that they hold.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for an option outside the Space's range: nothing is clamped.
    pub(crate) fn values(
        &self,
        conversation: &Conversation,
        options: &GenerationOptions,
    ) -> Result<(Arguments, usize), Error> {
        let mut values: BTreeMap<usize, Value> = self.mapping.fixed.clone();
        let mut sent = 0;
        let turns = &conversation.turns;
        let message = match self.mapping.place(Role::History) {
            Some(place) => {
                let history = self.dialect.encode(turns);
                sent = history.as_array().map_or(0, Vec::len);
                values.insert(place, history);
                conversation.message.clone()
            }
            None if turns.is_empty() || self.remembered => conversation.message.clone(),
            None => transcript(turns, &conversation.message),
        };
        if let Some(place) = self.mapping.place(Role::Message) {
            let multimodal = self.endpoint.inputs[place].component == "multimodaltextbox";
            let value =
                if multimodal { json!({"text": message, "files": []}) } else { message.into() };
            values.insert(place, value);
        }
        if let (Some(place), Some(system)) =
            (self.mapping.place(Role::System), &conversation.system)
        {
            values.insert(place, system.as_str().into());
        }
        for (role, value) in numbers(options) {
            let Some(place) = self.mapping.place(role) else { continue };
            self.check(role, &self.endpoint.inputs[place], &value)?;
            values.insert(place, value);
        }
        if let (Some(place), Some(think)) = (self.mapping.place(Role::Think), options.think)
            && think != Think::Auto
        {
            values.insert(place, Value::Bool(think == Think::On));
        }
        Ok((self.placed(values), sent))
    }

    fn check(&self, role: Role, input: &Input, value: &Value) -> Result<(), Error> {
        let Some(number) = value.as_f64() else { return Ok(()) };
        let mut input = input.clone();
        if let Some((low, high)) = self.ranges.get(&role) {
            input.minimum = Some(input.minimum.map_or(*low, |minimum| minimum.max(*low)));
            input.maximum = Some(input.maximum.map_or(*high, |maximum| maximum.min(*high)));
        }
        if within(&input, number) {
            return Ok(());
        }
        let (name, range) = (role.as_str(), range(&input));
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the Space takes {name} {range}, not {value}"),
        )
        .with_hint(format!("ask for {name} {range}, or leave it out")))
    }

    /// By place, with what the caller leaves out left out.
    fn placed(&self, mut values: BTreeMap<usize, Value>) -> Arguments {
        Arguments::Placed(
            (0..self.endpoint.inputs.len()).map(|place| values.remove(&place)).collect(),
        )
    }
}

/// The options that are set and are numbers.
fn numbers(options: &GenerationOptions) -> Vec<(Role, Value)> {
    let real = |value: Option<f32>| value.and_then(exact);
    [
        (Role::Temperature, real(options.temperature)),
        (Role::TopP, real(options.top_p)),
        (Role::MinP, real(options.min_p)),
        (Role::RepeatPenalty, real(options.repeat_penalty)),
        (Role::PresencePenalty, real(options.presence_penalty)),
        (Role::FrequencyPenalty, real(options.frequency_penalty)),
        (Role::MaxTokens, options.max_tokens.map(Value::from)),
        (Role::TopK, options.top_k.map(Value::from)),
        (Role::Seed, options.seed.map(Value::from)),
        (Role::ThinkingBudget, options.thinking_budget.map(Value::from)),
    ]
    .into_iter()
    .filter_map(|(role, value)| Some((role, value?)))
    .collect()
}

/// The number that a person wrote: 0.7 and not 0.699999988079071.
fn exact(value: f32) -> Option<Value> {
    let number: f64 = value.to_string().parse().ok()?;
    if number.fract() == 0.0 && number.abs() < 1e9 {
        return Some(Value::from(number as i64));
    }
    Some(Value::from(number))
}

#[cfg(test)]
mod tests;
