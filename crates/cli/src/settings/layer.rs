//! One layer of the configuration: a table and where it comes from.

use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};
use textport::{Error, ErrorKind};

use super::document::Document;
use super::environment::Environment;
use super::literal::{join_key, lookup};
use super::schema::{ROOT, Shape, Unknown};
use crate::{args, suggest};

/// Where a layer comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Compiled in.
    Builtin,
    /// A file; a project's file is trusted less than the user's own.
    File { document: Rc<Document>, project: bool },
    /// An environment variable.
    Variable(String),
    /// A flag, `--set` among them.
    Flag(String),
}

/// A table and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) origin: Origin,
    /// The profile whose table this is, when it is not the root's.
    pub(crate) profile: Option<String>,
    /// The provider into whose table `provider_config` went.
    pub(crate) hoisted: Option<String>,
    pub(crate) table: Map<String, Value>,
}

impl Layer {
    /// Takes a table as it was written: refuses unknown keys, reads durations and paths.
    ///
    /// # Errors
    /// `ConfigInvalid` with the place and, for a slip, the nearest known key.
    pub(crate) fn new(
        origin: Origin,
        table: Map<String, Value>,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let mut layer = Self { origin, profile: None, hoisted: None, table };
        ROOT.check(&layer.table).map_err(|unknown| layer.unknown(&unknown))?;
        let mut table = std::mem::take(&mut layer.table);
        let result = layer.read_shapes(ROOT, &mut table, &mut Vec::new(), environment);
        layer.table = table;
        result.map(|()| layer)
    }

    /// The `[profiles.NAME]` table of this layer as a layer of its own.
    pub(crate) fn profile_layer(&self, name: &str) -> Option<Self> {
        let table = self.table.get("profiles")?.get(name)?.as_object()?.clone();
        let (origin, profile) = (self.origin.clone(), Some(name.to_owned()));
        Some(Self { origin, profile, hoisted: None, table })
    }

    /// Moves `provider_config`, the origin's way to write it, into the table of the provider that
    /// this layer names, or else of the one in effect.
    ///
    /// # Errors
    /// When it is no table.
    pub(crate) fn hoist(&mut self, in_effect: &str) -> Result<(), Error> {
        let Some(settings) = self.table.remove("provider_config") else { return Ok(()) };
        let Value::Object(settings) = settings else {
            return Err(self.wrong(&["provider_config".to_owned()], "it must be a table"));
        };
        let named = self.table.get("provider").and_then(Value::as_str);
        let name = named.unwrap_or(in_effect).to_owned();
        let inner = super::literal::nested(
            &["providers".to_owned(), name.clone()],
            Value::Object(settings),
        );
        merge(&mut self.table, inner);
        self.hoisted = Some(name);
        Ok(())
    }

    /// The value that this layer gives a key.
    pub(crate) fn get(&self, key: &[String]) -> Option<&Value> {
        lookup(&self.table, key)
    }

    /// Where this layer says something about `key`, as one writes a place: `FILE:LINE`.
    pub(crate) fn place(&self, key: &[String]) -> String {
        match &self.origin {
            Origin::Builtin => "built in".to_owned(),
            Origin::Variable(name) => name.clone(),
            Origin::Flag(flag) => flag.clone(),
            Origin::File { document, .. } => {
                let line = document.line_of(&self.written(key));
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                format!("{}{line}", document.path.display())
            }
        }
    }

    /// The place with the profile, for people.
    pub(crate) fn place_and_profile(&self, key: &[String]) -> String {
        match &self.profile {
            Some(profile) => format!("{}, profile {profile}", self.place(key)),
            None => self.place(key),
        }
    }

    /// Whether a project's file says this.
    pub(crate) fn is_project(&self) -> bool {
        matches!(self.origin, Origin::File { project: true, .. })
    }

    /// The file of this layer.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File { document, .. } => Some(&document.path),
            _ => None,
        }
    }

    /// Something about a key of this layer is wrong.
    pub(crate) fn wrong(&self, key: &[String], words: &str) -> Error {
        let message = format!("{}: {}: {words}", self.place(key), join_key(key));
        Error::new(ErrorKind::ConfigInvalid, message)
    }

    /// A key of this layer is unknown.
    pub(crate) fn unknown(&self, unknown: &Unknown) -> Error {
        let last = unknown.path.last().map(String::as_str).unwrap_or_default();
        let message =
            format!("{}: unknown key {:?}", self.place(&unknown.path), join_key(&unknown.path));
        Error::new(ErrorKind::ConfigInvalid, message).with_hint(suggest::hint(
            "key",
            last,
            &unknown.known,
        ))
    }

    /// The key as it is written in the file: inside the profile, or under `provider_config`.
    fn written(&self, key: &[String]) -> Vec<String> {
        let mut path = Vec::new();
        if let Some(profile) = &self.profile {
            path.extend(["profiles".to_owned(), profile.clone()]);
        }
        match (&self.hoisted, key) {
            (Some(name), [providers, provider, rest @ ..])
                if providers == "providers" && provider == name && !self.has_own(key) =>
            {
                path.push("provider_config".to_owned());
                path.extend_from_slice(rest);
            }
            _ => path.extend_from_slice(key),
        }
        path
    }

    /// Whether the file has this key without `provider_config`.
    fn has_own(&self, key: &[String]) -> bool {
        match &self.origin {
            Origin::File { document, .. } => lookup(&document.table, key).is_some(),
            _ => false,
        }
    }

    fn read_shapes(
        &self,
        shape: Shape,
        table: &mut Map<String, Value>,
        path: &mut Vec<String>,
        environment: &Environment,
    ) -> Result<(), Error> {
        for (key, value) in table.iter_mut() {
            path.push(key.clone());
            let inner = shape.at(std::slice::from_ref(key)).unwrap_or(Shape::Any);
            match (inner, &mut *value) {
                (Shape::Duration, Value::String(text)) => {
                    let seconds = args::parse_seconds(text);
                    *value = seconds.map_err(|words| self.wrong(path, &words))?.into();
                }
                (Shape::Path, Value::String(text)) => {
                    let file = self.file().and_then(Path::parent);
                    let base = environment.current.join(file.unwrap_or(Path::new("")));
                    *value = environment.resolve(text, &base).to_string_lossy().into();
                }
                (Shape::Table(_) | Shape::Named(_), Value::Object(table)) => {
                    self.read_shapes(inner, table, path, environment)?;
                }
                (Shape::Table(_) | Shape::Named(_), other) if !other.is_null() => {
                    return Err(self.wrong(path, "it must be a table"));
                }
                _ => {}
            }
            path.pop();
        }
        Ok(())
    }
}

/// Puts `upper` over `lower`: tables are joined, everything else is replaced.
pub(crate) fn merge(lower: &mut Map<String, Value>, upper: Map<String, Value>) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}
