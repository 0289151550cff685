//! Gradio's value diffs: lists of `[action, path, value]` that turn the last value into the next.
//!
//! They are provisional. A server bug shifts indices when a list shrinks inside another one, so an
//! edit may miss or hit the wrong place; the final message always carries the whole value, and the
//! final value wins. [`Outputs`] stops applying at the first edit that does not fit and says so.

use serde_json::Value;
use thiserror::Error;

/// An edit that does not fit the value it is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the edit {action:?} at {path} does not fit the value")]
pub struct DiffError {
    action: String,
    path: String,
}

/// Applies one output's edits in order. After an error `target` holds the edits before it.
///
/// # Errors
/// [`DiffError`] names the first edit that is malformed or does not fit.
pub fn apply(target: &mut Value, edits: &Value) -> Result<(), DiffError> {
    let Some(edits) = edits.as_array() else {
        return Err(misfit("edits", edits));
    };
    for edit in edits {
        let [Value::String(action), Value::Array(path), value] =
            edit.as_array().map_or(&[][..], Vec::as_slice)
        else {
            return Err(misfit("edit", edit));
        };
        step(target, action, path, value)
            .ok_or_else(|| misfit(action, &Value::Array(path.clone())))?;
    }
    Ok(())
}

fn misfit(action: &str, path: &Value) -> DiffError {
    let mut path = path.to_string();
    if path.len() > 80 {
        path = path.chars().take(80).chain(['…']).collect();
    }
    DiffError { action: action.to_owned(), path }
}

fn step(target: &mut Value, action: &str, path: &[Value], value: &Value) -> Option<()> {
    match action {
        "replace" => {
            *walk(target, path)? = value.clone();
            Some(())
        }
        "append" => append(walk(target, path)?, value),
        "add" => {
            let (last, parents) = path.split_last()?;
            add(walk(target, parents)?, last, value)
        }
        "delete" => {
            let (last, parents) = path.split_last()?;
            delete(walk(target, parents)?, last)
        }
        _ => None,
    }
}

fn walk<'v>(mut value: &'v mut Value, path: &[Value]) -> Option<&'v mut Value> {
    for key in path {
        value = match (value, key) {
            (Value::Array(list), Value::Number(index)) => list.get_mut(position(index)?)?,
            (Value::Object(map), Value::String(key)) => map.get_mut(key)?,
            _ => return None,
        };
    }
    Some(value)
}

fn position(index: &serde_json::Number) -> Option<usize> {
    usize::try_from(index.as_u64()?).ok()
}

fn append(target: &mut Value, value: &Value) -> Option<()> {
    match (target, value) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Array(list), Value::Array(more)) => list.extend(more.iter().cloned()),
        _ => return None,
    }
    Some(())
}

fn add(parent: &mut Value, key: &Value, value: &Value) -> Option<()> {
    match (parent, key) {
        (Value::Array(list), Value::Number(index)) => {
            let index = position(index).filter(|index| *index <= list.len())?;
            list.insert(index, value.clone());
        }
        (Value::Object(map), Value::String(key)) => {
            map.insert(key.clone(), value.clone());
        }
        _ => return None,
    }
    Some(())
}

fn delete(parent: &mut Value, key: &Value) -> Option<()> {
    match (parent, key) {
        (Value::Array(list), Value::Number(index)) => {
            let index = position(index).filter(|index| *index < list.len())?;
            list.remove(index);
        }
        (Value::Object(map), Value::String(key)) => {
            map.remove(key)?;
        }
        _ => return None,
    }
    Some(())
}

/// The outputs of one call as they grow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    values: Vec<Value>,
    started: bool,
    broken: Option<DiffError>,
}

impl Outputs {
    /// The outputs so far, in the endpoint's order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The edit that did not fit, after which intermediate values stopped.
    pub fn broken(&self) -> Option<&DiffError> {
        self.broken.as_ref()
    }

    /// Takes the data of an intermediate message: whole values at first, then edits where
    /// `as_diffs`. Says whether the values are good to look at.
    pub fn advance(&mut self, data: Vec<Value>, as_diffs: bool) -> bool {
        if !as_diffs || !std::mem::replace(&mut self.started, true) {
            self.values = data;
            self.started = true;
            return true;
        }
        if self.broken.is_some() {
            return false;
        }
        if data.len() > self.values.len() {
            self.values.resize(data.len(), Value::Null);
        }
        let result = self.edit(&data);
        self.broken = result.err();
        self.broken.is_none()
    }

    /// All edits or none: a misfit leaves the last good values as they were.
    fn edit(&mut self, data: &[Value]) -> Result<(), DiffError> {
        let is_change = |edits: &Value| edits.as_array().is_none_or(|list| !list.is_empty());
        let mut changed = data.iter().enumerate().filter(|(_, edits)| is_change(edits));
        // The usual step of a growing text is one edit, which by itself is all or none: no copy.
        if let (Some((index, edits)), None) = (changed.next(), changed.next())
            && edits.as_array().is_some_and(|list| list.len() == 1)
        {
            return apply(&mut self.values[index], edits);
        }
        let mut next = self.values.clone();
        for (value, edits) in next.iter_mut().zip(data) {
            apply(value, edits)?;
        }
        self.values = next;
        Ok(())
    }

    /// Takes the whole values of the final message: they win over everything before.
    pub fn finish(&mut self, data: Vec<Value>) {
        self.values = data;
    }
}

#[cfg(test)]
mod tests;
