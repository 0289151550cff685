//! Where a value comes from, and what it overrides.

use serde::Serialize;
use serde_json::Value;
use textport::{Error, ErrorKind};

use super::layer::Layer;
use super::layers::Layers;
use super::literal::{join_key, split_key};
use super::schema::ROOT;
use super::secrets;
use crate::suggest;

/// One key: who has the last word, and who was overruled, nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Explanation {
    pub(crate) key: String,
    pub(crate) said: Vec<Saying>,
}

/// What one layer says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Saying {
    pub(crate) value: Value,
    /// The file with the line, the variable, the flag, or `built in`.
    pub(crate) place: String,
    /// The profile whose table says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
}

/// Explains a key, or every key below it; no key at all is every key that anyone set.
///
/// # Errors
/// `ConfigInvalid` for a key that cannot be; known keys that nobody set give an empty list.
pub(crate) fn explain(layers: &Layers, key: &str) -> Result<Vec<Explanation>, Error> {
    let path = if key.is_empty() { Vec::new() } else { split_key(key) };
    ROOT.at(&path).map_err(|unknown| {
        let last = unknown.path.last().map(String::as_str).unwrap_or_default();
        let message = format!("there is no key {:?}", join_key(&unknown.path));
        Error::new(ErrorKind::ConfigInvalid, message).with_hint(suggest::hint(
            "key",
            last,
            &unknown.known,
        ))
    })?;
    let mut leaves = Vec::new();
    for layer in &layers.layers {
        if path.is_empty() {
            collect(&Value::Object(layer.table.clone()), &mut Vec::new(), &mut leaves);
        } else if let Some(value) = layer.get(&path) {
            collect(value, &mut path.clone(), &mut leaves);
        }
    }
    leaves.sort();
    leaves.dedup();
    Ok(leaves.iter().map(|leaf| explanation(layers, leaf)).collect())
}

fn collect(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(table) if !secrets::reference(value) => {
            for (key, value) in table {
                path.push(key.clone());
                collect(value, path, leaves);
                path.pop();
            }
        }
        _ => leaves.push(path.clone()),
    }
}

fn explanation(layers: &Layers, key: &[String]) -> Explanation {
    let saying = |layer: &Layer| Saying {
        value: layer.get(key).cloned().unwrap_or_default(),
        place: layer.place(key),
        profile: layer.profile.clone(),
    };
    Explanation { key: join_key(key), said: layers.all_for(key).map(saying).collect() }
}
