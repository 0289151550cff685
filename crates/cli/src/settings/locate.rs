//! On which line of a configuration file a key stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::document::Syntax;

/// Line and column, counted from 1, of a byte of `text`.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The line of the deepest part of `key` that the text has; `None` when it has not even the first.
pub(super) fn line_of(syntax: Syntax, text: &str, key: &[String]) -> Option<usize> {
    match syntax {
        Syntax::Toml => in_toml(text, key),
        // JSON as people write it is YAML too, and this library knows where things stand.
        Syntax::Json | Syntax::Yaml => in_yaml(text, key),
    }
}

fn in_toml(text: &str, key: &[String]) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for part in key {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        found = Some(position(text, name.span().start).0);
        match value.get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    found
}

fn in_yaml(text: &str, key: &[String]) -> Option<usize> {
    let mut node: Node = serde_saphyr::from_str(text).ok()?;
    let mut found = None;
    for part in key {
        let Node::Table(entries) = node else { break };
        let (name, value) = entries.into_iter().find(|(name, _)| name.value == *part)?;
        found = usize::try_from(name.referenced.line()).ok().filter(|line| *line > 0);
        node = value;
    }
    found
}

/// Only the keys and where they stand.
enum Node {
    Table(Vec<(Spanned<String>, Node)>),
    Other,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Table(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        while items.next_element::<Node>()?.is_some() {}
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(syntax: Syntax, text: &str, key: &str) -> Option<usize> {
        line_of(syntax, text, &key.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn keys_are_found_where_they_stand() {
        let toml = "provider = 'a'\n\n[generation]\nseed = 7\nx.y = 1\n[providers.local]\nkind = 'local'\n";
        assert_eq!(line(Syntax::Toml, toml, "provider"), Some(1));
        assert_eq!(line(Syntax::Toml, toml, "generation.seed"), Some(4));
        assert_eq!(line(Syntax::Toml, toml, "generation.x.y"), Some(5));
        assert_eq!(line(Syntax::Toml, toml, "providers.local.kind"), Some(7));
        assert_eq!(line(Syntax::Toml, toml, "nothing"), None);
        let json = "{\n  \"provider\": \"a\",\n  \"generation\": {\n    \"seed\": 7\n  }\n}";
        assert_eq!(line(Syntax::Json, json, "generation"), Some(3));
        assert_eq!(line(Syntax::Json, json, "generation.seed"), Some(4));
        let yaml = "provider: a\ngeneration:\n  seed: 7\n";
        assert_eq!(line(Syntax::Yaml, yaml, "generation"), Some(2));
        assert_eq!(line(Syntax::Yaml, yaml, "generation.seed"), Some(3));
    }

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\näb", 4), (2, 2));
        assert_eq!(position("a", 99), (1, 2));
    }
}
