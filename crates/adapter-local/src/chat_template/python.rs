//! What templates expect of Python and of transformers.

use jiff::Zoned;
use minijinja::value::from_args;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use regex::Regex;

use super::error::Refusal;
use super::json;

/// Adds functions, filters and methods.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", json::to_json);
}

fn raise_exception(message: String) -> Result<Value, Error> {
    let error = Error::new(ErrorKind::InvalidOperation, "raised by the template");
    Err(error.with_source(Refusal(message)))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// What Python's strings can do and the library's imitation cannot.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return unknown_method_callback(state, value, name, args);
    };
    let pieces = |pieces: [&str; 3]| Value::from(pieces.map(Value::from).to_vec());
    match name {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let parts = text.split_once(separator).map(|(a, b)| [a, separator, b]);
            Ok(pieces(parts.unwrap_or([text, "", ""])))
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let parts = text.rsplit_once(separator).map(|(a, b)| [a, separator, b]);
            Ok(pieces(parts.unwrap_or(["", "", text])))
        }
        "rsplit" => {
            let (separator, most): (&str, Option<usize>) = from_args(args)?;
            let mut parts: Vec<Value> = match most {
                Some(most) => {
                    text.rsplitn(most.saturating_add(1), separator).map(Value::from).collect()
                }
                None => text.rsplit(separator).map(Value::from).collect(),
            };
            parts.reverse();
            Ok(parts.into())
        }
        _ => unknown_method_callback(state, value, name, args),
    }
}

/// `{% generation %}` marks what to train on and changes nothing else: an `if` that is always true.
pub(super) fn without_generation_blocks(source: &str) -> String {
    let Ok(tag) = Regex::new(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})") else {
        return source.to_owned();
    };
    let replaced = tag.replace_all(source, |found: &regex::Captures<'_>| {
        let word = if found.get(2).is_some() { "endif" } else { "if true" };
        format!("{}{word}{}", &found[1], &found[3])
    });
    replaced.into_owned()
}
