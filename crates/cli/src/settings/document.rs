//! One configuration file: read whole, TOML, JSON or YAML, as one kind of table.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use textport::{Error, ErrorKind};

use super::locate;

/// No configuration is longer; a device or a model named by mistake is not read to its end.
const MAX_BYTES: u64 = 4 << 20;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Toml,
    Json,
    Yaml,
}

/// A configuration file as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) syntax: Syntax,
    pub(crate) text: String,
    pub(crate) table: Map<String, Value>,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// `ConfigInvalid` with the file's name, and line and column where it makes no sense.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: std::io::Error| {
            let message = format!("cannot read the configuration {}", path.display());
            Error::new(ErrorKind::ConfigInvalid, message)
                .with_source(error)
                .with_hint("textport config path lists the files that are read")
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(invalid(path, None, "it is longer than 4 MiB; is it a configuration?"));
        }
        Self::parse(path, &bytes)
    }

    /// Reads bytes that came from `path`.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = locate::position(
                &String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
                usize::MAX,
            );
            invalid(path, Some(at), "it is not UTF-8")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let syntax = syntax_of(path, &text);
        let value = match syntax {
            _ if text.trim().is_empty() => Value::Object(Map::new()),
            Syntax::Toml => from_toml(path, &text)?,
            Syntax::Json => serde_json::from_str(&text).map_err(|error| {
                let at = (error.line(), error.column());
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or_default();
                invalid(path, Some(at), words)
            })?,
            Syntax::Yaml => from_yaml(path, &text)?,
        };
        match value {
            Value::Object(table) => Ok(Self { path: path.to_owned(), syntax, text, table }),
            _ => Err(invalid(path, Some((1, 1)), "a configuration is a table of keys and values")),
        }
    }

    /// Where the key stands, counted from 1.
    pub(crate) fn line_of(&self, key: &[String]) -> Option<usize> {
        locate::line_of(self.syntax, &self.text, key)
    }
}

/// By the file's ending; one without (a pipe, say) is JSON if it begins like it, else TOML.
fn syntax_of(path: &Path, text: &str) -> Syntax {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("json") => Syntax::Json,
        Some("yaml" | "yml") => Syntax::Yaml,
        Some("toml") => Syntax::Toml,
        _ if text.trim_start().starts_with('{') => Syntax::Json,
        _ => Syntax::Toml,
    }
}

fn invalid(path: &Path, at: Option<(usize, usize)>, words: &str) -> Error {
    let place = at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    let words = words.lines().next().unwrap_or_default();
    Error::new(ErrorKind::ConfigInvalid, format!("{}{place}: {words}", path.display()))
        .with_hint("mend it there; textport config check reads all of it again")
}

fn from_toml(path: &Path, text: &str) -> Result<Value, Error> {
    let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map(|span| locate::position(text, span.start));
        invalid(path, at, error.message())
    })?;
    json_of(toml::Value::Table(table)).map_err(|words| invalid(path, None, &words))
}

fn json_of(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => return Err(format!("no value can be {number}")),
        },
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(json_of).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(key, value)| json_of(value).map(|value| (key, value)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn from_yaml(path: &Path, text: &str) -> Result<Value, Error> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().map(|at| (at.line() as usize, at.column() as usize));
        invalid(path, at, &yaml_words(&error, at.is_some()))
    })?;
    // A document of comments only is empty, not wrong.
    Ok(if value.is_null() { Value::Object(Map::new()) } else { value })
}

/// The library's words without its picture of the source, and without the place when that is said
/// already.
fn yaml_words(error: &serde_saphyr::Error, placed: bool) -> String {
    let words = error.to_string();
    let words = words.lines().next().unwrap_or_default();
    let words = words.strip_prefix("error: ").unwrap_or(words);
    let after_place = words.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    after_place.filter(|_| placed).map_or(words, |(_, rest)| rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str, text: &str) -> Result<Document, Error> {
        Document::parse(Path::new(name), text.as_bytes())
    }

    #[test]
    fn three_ways_to_write_the_same() {
        let expected = serde_json::json!({ "generation": { "seed": 7, "stop": ["a"] } });
        for (name, text) in [
            ("a.toml", "[generation]\nseed = 7\nstop = ['a']"),
            ("a.json", r#"{"generation": {"seed": 7, "stop": ["a"]}}"#),
            ("a.yaml", "generation:\n  seed: 7\n  stop:\n    - a\n"),
            ("fd/63", r#"{"generation": {"seed": 7, "stop": ["a"]}}"#),
        ] {
            assert_eq!(Value::Object(parse(name, text).unwrap().table), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_line_and_column() {
        for (name, text, start) in [
            ("a.toml", "x = 1\ny = = 2\n", "a.toml:2:"),
            ("a.json", "{\n  \"x\": }", "a.json:2:"),
            ("a.yaml", "x: 1\ny: [1\n", "a.yaml:2:4: unclosed"),
            ("a.json", "[1]", "a.json:1:1: a configuration is a table"),
            ("a.toml", "x = nan", "a.toml: no value can be NaN"),
        ] {
            let error = parse(name, text).unwrap_err();
            assert!(error.to_string().starts_with(start), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
        let error = Document::parse(Path::new("a.toml"), b"x = 1\ny = \"\xff\"").unwrap_err();
        assert_eq!(error.to_string(), "a.toml:2:6: it is not UTF-8");
    }

    #[test]
    fn comments_alone_are_an_empty_configuration() {
        for name in ["a.toml", "a.yaml"] {
            assert!(parse(name, "# nothing\n").unwrap().table.is_empty());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for name in ["a.toml", "a.json", "a.yaml"] {
                let _ = Document::parse(Path::new(name), &bytes);
            }
        }

        #[test]
        fn no_text_made_of_syntax_makes_it_panic(text in "[\\[\\]{}=:,\"'&*!|>#\\-\\. \\n\\tax1]{0,80}") {
            for name in ["a.toml", "a.json", "a.yaml"] {
                if let Ok(document) = parse(name, &text) {
                    let _ = document.line_of(&["a".to_owned(), "x".to_owned()]);
                }
            }
        }
    }
}
