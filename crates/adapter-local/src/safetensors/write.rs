//! Writes safetensors files: which tensors in which file, and what stands before their bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::DTYPES;
use crate::gguf::GgmlType;

/// The bytes after the header begin at a multiple of it.
const ALIGNMENT: usize = 8;

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// What the file calls it.
    pub(crate) name: String,
    /// One of [`DTYPES`].
    pub(crate) kind: GgmlType,
    /// Dimensions, the one that is contiguous in memory last.
    pub(crate) shape: Vec<usize>,
}

impl Planned {
    pub(crate) fn bytes(&self) -> u64 {
        self.numbers() * self.kind.block().1 as u64
    }

    fn numbers(&self) -> u64 {
        self.shape.iter().map(|n| *n as u64).product()
    }
}

/// The tensors of each file, none of which is longer than `most` unless one tensor alone is.
pub(crate) fn split(tensors: Vec<Planned>, most: u64) -> Vec<Vec<Planned>> {
    let (mut files, mut room) = (Vec::<Vec<Planned>>::new(), 0);
    for tensor in tensors {
        let bytes = tensor.bytes();
        match files.last_mut().filter(|_| bytes <= room) {
            Some(file) => file.push(tensor),
            None => {
                files.push(vec![tensor]);
                room = most;
            }
        }
        room = room.saturating_sub(bytes);
    }
    // Wider numbers first: then each tensor lies at a multiple of its numbers' width.
    for file in &mut files {
        file.sort_by_key(|tensor| Reverse(tensor.kind.block().1));
    }
    files
}

/// What transformers calls file `at` of `count`.
pub(crate) fn shard_name(at: usize, count: usize) -> String {
    match count {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", at + 1),
    }
}

/// Everything before the tensors' bytes; these follow in the same order without gaps.
pub(crate) fn header(tensors: &[Planned]) -> Vec<u8> {
    // Transformers refuses files that do not say whose layout they have.
    let mut entries = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut end = 0;
    for tensor in tensors {
        let (begin, dtype) = (end, dtype(tensor.kind));
        end += tensor.bytes();
        let entry = json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [begin, end] });
        entries.insert(tensor.name.clone(), entry);
    }
    let mut text = Value::Object(entries).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    [(text.len() as u64).to_le_bytes().as_slice(), &text].concat()
}

/// Which tensor is in which file, as transformers writes it.
pub(crate) fn index(files: &[Vec<Planned>]) -> Value {
    let all = || files.iter().flatten();
    let parameters: u64 = all().map(Planned::numbers).sum();
    let size: u64 = all().map(Planned::bytes).sum();
    let places = files.iter().enumerate().flat_map(|(at, file)| {
        file.iter().map(move |tensor| (tensor.name.as_str(), shard_name(at, files.len())))
    });
    json!({
        "metadata": { "total_parameters": parameters, "total_size": size },
        "weight_map": places.collect::<BTreeMap<_, _>>(),
    })
}

fn dtype(kind: GgmlType) -> &'static str {
    DTYPES.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::safetensors::SafetensorsFile;

    fn planned(name: &str, kind: GgmlType, shape: &[usize]) -> Planned {
        Planned { name: name.to_owned(), kind, shape: shape.to_vec() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let tensors = vec![
            planned("a", GgmlType::Bf16, &[3]),
            planned("b", GgmlType::F32, &[2, 2]),
            planned("c", GgmlType::F16, &[0, 4]),
        ];
        let files = split(tensors, u64::MAX);
        let names: Vec<_> = files[0].iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"], "the widest first");
        let mut bytes = header(&files[0]);
        assert!(bytes.len().is_multiple_of(ALIGNMENT));
        bytes.extend([1; 16]);
        bytes.extend([2; 6]);
        let file = SafetensorsFile::from_bytes(Path::new("x.safetensors"), bytes).unwrap();
        let a = file.tensor("a").unwrap();
        assert_eq!(
            (a.kind, a.shape.as_slice(), a.data.as_slice()),
            (GgmlType::Bf16, &[3][..], &[2; 6][..])
        );
        assert_eq!(file.tensor("b").unwrap().shape, [2, 2]);
        assert_eq!(file.tensor("c").unwrap().shape, [0, 4]);
    }

    #[test]
    fn files_are_no_longer_than_they_may_be() {
        let tensor = |name: &str, numbers| planned(name, GgmlType::F32, &[numbers]);
        let tensors = vec![tensor("a", 2), tensor("b", 1), tensor("c", 9), tensor("d", 3)];
        let files = split(tensors, 12);
        let sizes: Vec<u64> =
            files.iter().map(|file| file.iter().map(Planned::bytes).sum()).collect();
        assert_eq!(sizes, [12, 36, 12]);
        let index = index(&files);
        assert_eq!(index["metadata"]["total_size"], 60);
        assert_eq!(index["weight_map"]["c"], "model-00002-of-00003.safetensors");
        assert_eq!(shard_name(0, 1), "model.safetensors");
    }
}
