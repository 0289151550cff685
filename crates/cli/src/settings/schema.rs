//! Every key that a configuration may have, so that a slip is an error and not silence.

use serde_json::{Map, Value};

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Left to whoever reads it.
    Any,
    /// Text, also where it looks like a number.
    Text,
    /// A file or folder.
    Path,
    /// Seconds, or text such as `30s`.
    Duration,
    /// Exactly these keys.
    Table(&'static [(&'static str, Shape)]),
    /// Names that the user gives, each with the same behind it.
    Named(&'static Shape),
}

const GENERATION: &[(&str, Shape)] = &[
    ("max_tokens", Shape::Any),
    ("temperature", Shape::Any),
    ("top_p", Shape::Any),
    ("top_k", Shape::Any),
    ("min_p", Shape::Any),
    ("repeat_penalty", Shape::Any),
    ("presence_penalty", Shape::Any),
    ("frequency_penalty", Shape::Any),
    ("seed", Shape::Any),
    ("stop", Shape::Any),
    ("think", Shape::Text),
    ("thinking_budget", Shape::Any),
    ("logprobs", Shape::Any),
];

const ROUTE: Shape = Shape::Table(&[
    ("chain", Shape::Any),
    ("attempts", Shape::Any),
    ("max_wait", Shape::Duration),
    ("total_deadline", Shape::Duration),
]);

/// A provider's own keys depend on its kind; the registry knows them.
const PROVIDER: Shape = Shape::Named(&Shape::Any);

macro_rules! shared {
    ($($more:expr),*) => {
        &[
            ("provider", Shape::Text),
            ("provider_config", Shape::Any),
            ("system", Shape::Text),
            ("timeout", Shape::Duration),
            ("offline", Shape::Any),
            ("hub_endpoint", Shape::Text),
            ("hub_cache", Shape::Path),
            ("cache_dir", Shape::Path),
            ("generation", Shape::Table(GENERATION)),
            ("providers", Shape::Named(&PROVIDER)),
            ("routes", Shape::Named(&ROUTE)),
            ("models", Shape::Named(&Shape::Any)),
            ("log", Shape::Table(&[("enabled", Shape::Any), ("prompts", Shape::Any)])),
            $($more),*
        ]
    };
}

/// What a profile may set.
const PROFILE: Shape = Shape::Table(shared!());

/// A whole configuration.
pub(crate) const ROOT: Shape = Shape::Table(shared!(
    ("profile", Shape::Text),
    ("default_profile", Shape::Text),
    ("profiles", Shape::Named(&PROFILE))
));

/// A key that nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The whole of it.
    pub(crate) path: Vec<String>,
    /// What could stand in its place.
    pub(crate) known: Vec<&'static str>,
}

impl Shape {
    /// What stands behind `key`; `None` when the schema does not go that deep.
    pub(crate) fn at(self, key: &[String]) -> Result<Shape, Unknown> {
        let mut shape = self;
        for (depth, part) in key.iter().enumerate() {
            shape = shape.below(part).map_err(|known| {
                let path = key[..=depth].to_vec();
                Unknown { path, known }
            })?;
        }
        Ok(shape)
    }

    fn below(self, part: &str) -> Result<Shape, Vec<&'static str>> {
        match self {
            Shape::Table(keys) => match keys.iter().find(|(name, _)| *name == part) {
                Some((_, shape)) => Ok(*shape),
                None => Err(keys.iter().map(|(name, _)| *name).collect()),
            },
            Shape::Named(inner) => Ok(*inner),
            _ => Ok(Shape::Any),
        }
    }

    /// The first key of `table` that is unknown.
    pub(crate) fn check(self, table: &Map<String, Value>) -> Result<(), Unknown> {
        for (key, value) in table {
            let unknown = |known| Unknown { path: vec![key.clone()], known };
            let shape = self.below(key).map_err(unknown)?;
            if let Value::Object(inner) = value {
                shape.check(inner).map_err(|mut unknown| {
                    unknown.path.insert(0, key.clone());
                    unknown
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use textport::{GenerationOptions, Think};

    fn check(value: Value) -> Result<(), Unknown> {
        let Value::Object(table) = value else { panic!("a table") };
        ROOT.check(&table)
    }

    #[test]
    fn the_schema_knows_every_generation_option() {
        let all = GenerationOptions {
            max_tokens: Some(1),
            temperature: Some(1.0),
            top_p: Some(1.0),
            top_k: Some(1),
            min_p: Some(1.0),
            repeat_penalty: Some(1.0),
            presence_penalty: Some(1.0),
            frequency_penalty: Some(1.0),
            seed: Some(1),
            stop: vec!["x".into()],
            think: Some(Think::On),
            thinking_budget: Some(1),
            logprobs: Some(1),
        };
        let value = serde_json::to_value(all).unwrap();
        let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known: Vec<&str> = GENERATION.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn unknown_keys_are_found_at_any_depth() {
        let unknown = check(json!({ "profiles": { "dev": { "generation": { "sede": 1 } } } }));
        assert_eq!(unknown.unwrap_err().path, ["profiles", "dev", "generation", "sede"]);
        assert!(check(json!({ "profiles": { "dev": { "profile": "x" } } })).is_err());
        assert!(check(json!({ "providers": { "a": { "kind": "x", "anything": 1 } } })).is_ok());
    }
}
