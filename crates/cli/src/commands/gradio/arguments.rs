//! What an endpoint is called with, from the words of the command line.

use std::fs;
use std::io::{self, Read};

use serde_json::{Map, Value};
use textport::zerogpu::Arguments;

use crate::args::CallArgs;
use crate::failure::Failure;

/// Reads the values; whether they fit is for the endpoint to say.
///
/// # Errors
/// A usage error for an `--arg` without a name, and for `--data` that is no array or object.
pub(super) fn read(args: &CallArgs) -> Result<Arguments, Failure> {
    if let Some(data) = &args.data {
        return from_data(&text_of(data)?);
    }
    if args.named.is_empty() {
        return Ok(Arguments::positional(args.values.iter().map(|text| value(text))));
    }
    let mut named = Map::new();
    for pair in &args.named {
        let Some((name, text)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!("--arg wants NAME=VALUE, but it got {pair:?}")));
        };
        if named.insert(name.to_owned(), value(text)).is_some() {
            return Err(Failure::usage(format!("--arg {name} is given twice")));
        }
    }
    Ok(Arguments::named(named))
}

/// JSON where it reads as JSON, otherwise text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn text_of(data: &str) -> Result<String, Failure> {
    let unreadable = |what: &str, error: io::Error| {
        Failure::usage(format!("cannot read --data from {what}: {error}"))
    };
    match data.strip_prefix('@') {
        _ if data == "-" => {
            let mut text = String::new();
            let read = io::stdin().lock().read_to_string(&mut text);
            read.map(|_| text).map_err(|error| unreadable("stdin", error))
        }
        Some(path) => fs::read_to_string(path).map_err(|error| unreadable(path, error)),
        None => Ok(data.to_owned()),
    }
}

fn from_data(text: &str) -> Result<Arguments, Failure> {
    match serde_json::from_str(text) {
        Ok(Value::Array(values)) => Ok(Arguments::positional(values)),
        Ok(Value::Object(values)) => Ok(Arguments::named(values)),
        Ok(_) => Err(Failure::usage("--data is neither an array nor an object")),
        Err(error) => Err(Failure::usage(format!("--data is no JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_json_where_they_read_as_json() {
        assert_eq!(value("5"), json!(5));
        assert_eq!(value("\"5\""), json!("5"));
        assert_eq!(value("[1, {\"a\": null}]"), json!([1, { "a": null }]));
        assert_eq!(value("a cat"), json!("a cat"));
        assert_eq!(value(""), json!(""));
    }

    #[test]
    fn data_is_an_array_or_an_object() {
        assert_eq!(from_data("[1]").unwrap(), Arguments::positional([json!(1)]));
        let named = Map::from_iter([("a".to_owned(), json!(1))]);
        assert_eq!(from_data("{\"a\": 1}").unwrap(), Arguments::named(named));
        assert!(from_data("1").is_err() && from_data("{").is_err());
    }
}
