//! Keys and values written as text: `--set key=value`, variables, `config explain KEY`.

use serde_json::{Map, Value};

use super::schema::{ROOT, Shape};

/// Splits `a.b."c.d"` at its dots; quotes keep a part whole.
pub(crate) fn split_key(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in key.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts
}

/// Joins the parts of a key as one writes it.
pub(crate) fn join_key(parts: &[String]) -> String {
    let quoted =
        |part: &String| if part.contains('.') { format!("{part:?}") } else { part.clone() };
    parts.iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// What `text` means at `key`: text stays text where the key wants text; elsewhere it is what JSON
/// makes of it, and otherwise text.
pub(crate) fn value(key: &[String], text: &str) -> Value {
    if matches!(ROOT.at(key), Ok(Shape::Text | Shape::Path)) {
        return Value::String(text.to_owned());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A table that holds `value` at `key` and nothing else.
pub(crate) fn nested(key: &[String], value: Value) -> Map<String, Value> {
    let mut table = Map::new();
    let Some((first, rest)) = key.split_first() else { return table };
    let inner = if rest.is_empty() { value } else { Value::Object(nested(rest, value)) };
    table.insert(first.clone(), inner);
    table
}

/// The value at `key`.
pub(crate) fn lookup<'a>(table: &'a Map<String, Value>, key: &[String]) -> Option<&'a Value> {
    let (first, rest) = key.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { lookup(value.as_object()?, rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_split_at_dots_outside_quotes() {
        assert_eq!(split_key(r#"models."qwen2.5".file"#), ["models", "qwen2.5", "file"]);
        assert_eq!(join_key(&split_key(r#"models."qwen2.5".file"#)), r#"models."qwen2.5".file"#);
    }

    #[test]
    fn values_are_what_their_key_wants() {
        let at = |key, text| value(&split_key(key), text);
        assert_eq!(at("system", "42"), json!("42"));
        assert_eq!(at("generation.seed", "42"), json!(42));
        assert_eq!(at("generation.stop", r#"["a"]"#), json!(["a"]));
        assert_eq!(at("providers.local.model", "a.gguf"), json!("a.gguf"));
    }

    #[test]
    fn nesting_and_lookup_are_inverse() {
        let key = split_key("a.b.c");
        assert_eq!(lookup(&nested(&key, json!(1)), &key), Some(&json!(1)));
        assert_eq!(lookup(&nested(&key, json!(1)), &split_key("a.c")), None);
    }
}
