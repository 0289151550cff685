//! Which files of a repository make a model.

use std::collections::{BTreeMap, BTreeSet};

use ::hub::Address;
use ports::{Error, ErrorKind};
use serde::Deserialize;

/// The weights in one file.
const WHOLE: &str = "model.safetensors";
/// What names the files of weights that are in several.
const INDEX: &str = "model.safetensors.index.json";
/// What makes an adapter.
const ADAPTER: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// What is read beside the weights, where it is there.
const COMPANIONS: [&str; 9] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// What stands for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// The folder, with these files; those that the index names come to them.
    Folder { files: Vec<String>, index: Option<&'static str> },
    /// One file.
    Gguf(String),
}

/// Why nothing does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// More than one file could be meant.
    Several(Vec<String>),
    /// There is no model, or in no form that is read; these weights are there.
    None(Vec<String>),
    /// There is no adapter there; these files belong to some.
    NoAdapter(Vec<String>),
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Chooses among the names of a repository's files: safetensors first, else the only GGUF file.
pub(super) fn choose(names: &[&str]) -> Result<Choice, Unclear> {
    let has = |wanted: &str| names.contains(&wanted);
    let companions = || {
        let known = |name: &&str| is_companion(name);
        names.iter().copied().filter(known).map(str::to_owned)
    };
    if has("config.json") && (has(WHOLE) || has(INDEX)) {
        let weights = if has(WHOLE) { WHOLE } else { INDEX };
        let files = companions().chain([weights.to_owned()]).collect();
        return Ok(Choice::Folder { files, index: (weights == INDEX).then_some(INDEX) });
    }
    if let Ok(files) = choose_adapter(names, None) {
        return Ok(Choice::Folder { files, index: None });
    }
    let mut files = ending(names, ".gguf");
    match (files.pop(), files.is_empty()) {
        (Some(only), true) => Ok(Choice::Gguf(only)),
        (Some(last), false) => {
            files.push(last);
            Err(Unclear::Several(files))
        }
        (None, _) => {
            let weights = [".bin", ".safetensors", ".pt", ".onnx"].map(|end| ending(names, end));
            Err(Unclear::None(weights.concat()))
        }
    }
}

/// The two files of an adapter: at the top of the repository, or in a folder of it.
pub(super) fn choose_adapter(names: &[&str], folder: Option<&str>) -> Result<Vec<String>, Unclear> {
    let within = |name: &str| match folder {
        Some(folder) => format!("{}/{name}", folder.trim_end_matches('/')),
        None => name.to_owned(),
    };
    let files = ADAPTER.map(within);
    if files.iter().all(|file| names.contains(&file.as_str())) {
        return Ok(files.into());
    }
    let is_adapter = |name: &&&str| name.rsplit('/').next().unwrap_or(name).starts_with("adapter_");
    Err(Unclear::NoAdapter(
        names.iter().filter(is_adapter).map(|name| (*name).to_owned()).collect(),
    ))
}

/// Whether a file is read beside the weights of a model.
pub(crate) fn is_companion(name: &str) -> bool {
    COMPANIONS.contains(&name) || is_template(name)
}

/// The names that end so, in any case.
fn ending(names: &[&str], end: &str) -> Vec<String> {
    let ends = |name: &&&str| name.to_ascii_lowercase().ends_with(end);
    names.iter().filter(ends).map(|name| (*name).to_owned()).collect()
}

/// Templates are at the top, under a few names.
fn is_template(name: &str) -> bool {
    name.starts_with("chat_template") && !name.contains('/')
}

/// The files that an index names, in order.
pub(super) fn shards(index: &[u8]) -> Result<Vec<String>, String> {
    let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let plain = |name: &str| name.ends_with(".safetensors") && !name.contains(['/', '\\']);
    match names.iter().find(|name| !plain(name)) {
        Some(bad) => Err(format!("{bad:?} is no name of a safetensors file")),
        None if names.is_empty() => Err("it names no files".into()),
        None => Ok(names.into_iter().collect()),
    }
}

impl Unclear {
    /// What to tell the user.
    pub(super) fn error(self, address: &Address) -> Error {
        match self {
            Self::Several(files) => {
                let message = format!("{address} has {} GGUF files: {}", files.len(), few(&files));
                let first = files.into_iter().next();
                let example = Address::new(address.repo.clone(), first);
                let example = match &address.revision {
                    Some(revision) => example.at(revision),
                    None => example,
                };
                Error::new(ErrorKind::ModelLoad, message)
                    .with_hint(format!("name one of them: {example}"))
            }
            Self::None(weights) => {
                let there = match weights.as_slice() {
                    [] => "no weights at all".to_owned(),
                    weights => format!("only {}", few(weights)),
                };
                let message = format!(
                    "{address} has no model that can be read: neither config.json with \
                     {WHOLE} or its index, nor a .gguf file, but {there}"
                );
                Error::new(ErrorKind::ModelLoad, message)
                    .with_hint("look for a repository with safetensors or GGUF files")
            }
            Self::NoAdapter(files) => {
                let there = match files.as_slice() {
                    [] => "no file of an adapter".to_owned(),
                    files => format!("only {}", few(files)),
                };
                let [config, weights] = ADAPTER;
                let message = format!("{address} has no {config} with {weights}, but {there}");
                Error::new(ErrorKind::ModelLoad, message).with_hint(
                    "name the folder inside, hf:OWNER/REPO/FOLDER, or save the adapter again with \
                     safe_serialization=True",
                )
            }
        }
    }
}

/// The first of many names.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        ..=SHOWN => shown,
        all => format!("{shown} and {} more", all - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safetensors_come_before_gguf_and_bring_what_is_read_with_them() {
        let names = [
            ".gitattributes",
            "LICENSE",
            "README.md",
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "model.gguf",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "sub/chat_template.jinja",
            "tokenizer.json",
        ];
        let Ok(Choice::Folder { files, index: None }) = choose(&names) else { panic!() };
        let expected = [
            "chat_template.jinja",
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "model.safetensors",
        ];
        assert_eq!(files, expected);
        let sharded = ["config.json", INDEX, "model-00001-of-00002.safetensors"];
        let Ok(Choice::Folder { files, index: Some(INDEX) }) = choose(&sharded) else { panic!() };
        assert_eq!(files, ["config.json", INDEX]);
    }

    #[test]
    fn an_adapter_is_two_files_whatever_lies_beside_them() {
        let names = [
            "README.md",
            "adapter_config.json",
            "adapter_model.safetensors",
            "last/adapter_config.json",
            "last/adapter_model.safetensors",
            "old/adapter_model.bin",
            "tokenizer.json",
        ];
        let top = ["adapter_config.json", "adapter_model.safetensors"];
        assert!(matches!(choose(&names), Ok(Choice::Folder { files, .. }) if files == top));
        assert_eq!(choose_adapter(&names, None).unwrap(), top);
        let last = ["last/adapter_config.json", "last/adapter_model.safetensors"];
        assert_eq!(choose_adapter(&names, Some("last/")).unwrap(), last);
        let address = Address::parse("hf:o/n/old").unwrap();
        let error = choose_adapter(&["old/adapter_model.bin"], Some("old")).unwrap_err();
        let error = error.error(&address).to_string();
        assert!(error.ends_with("but only old/adapter_model.bin"), "{error}");
    }

    #[test]
    fn one_gguf_stands_for_its_repository_and_several_do_not() {
        assert_eq!(choose(&["README.md", "m.GGUF"]), Ok(Choice::Gguf("m.GGUF".into())));
        let several = choose(&["a.gguf", "b.gguf", "config.json"]).unwrap_err();
        assert_eq!(several, Unclear::Several(vec!["a.gguf".into(), "b.gguf".into()]));
        let address = Address::parse("hf:o/n@v1").unwrap();
        let error = several.error(&address);
        assert_eq!(error.to_string(), "hf:o/n@v1 has 2 GGUF files: a.gguf, b.gguf");
        assert_eq!(error.hint(), Some("name one of them: hf:o/n@v1/a.gguf"));
        let none = choose(&["config.json", "pytorch_model.bin"]).unwrap_err().error(&address);
        assert!(none.to_string().ends_with("but only pytorch_model.bin"), "{none}");
        let nothing = choose(&["README.md"]).unwrap_err().error(&address);
        assert!(nothing.to_string().ends_with("but no weights at all"), "{nothing}");
    }

    #[test]
    fn an_index_names_plain_files_only() {
        let of = |name: &str| shards(format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#).as_bytes());
        assert_eq!(of("x.safetensors").unwrap(), ["x.safetensors"]);
        for bad in ["../x.safetensors", "/x.safetensors", "a/x.safetensors", "x.bin"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(shards(b"{}").is_err() && shards(br#"{"weight_map":{}}"#).is_err());
    }
}
