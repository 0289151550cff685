//! A GGUF file made of another, with its matrices in other types.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::{Error, ErrorKind};
use serde::Serialize;

use super::{Quantized, Scheme};
use crate::checkpoint::{Checkpoint, TensorSource};
use crate::gguf::{GgufFile, WriteTensor, WriteValue, write_header, write_tensor};
use crate::store::{disk_error, need_space, sync_folder};

/// What GGUF files carry for the present formats of all quantized types.
const QUANTIZATION_VERSION: u32 = 2;
/// Entries that speak of the numbers or of the file itself.
const REPLACED: [&str; 3] =
    ["general.file_type", "general.quantization_version", "general.alignment"];

/// A model file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuantizedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The mixture of types.
    pub quantization: String,
    /// Size of the file it was made of.
    pub bytes_before: u64,
    /// Its own size.
    pub bytes: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantizeProgress<'a> {
    /// The tensor that was written last.
    pub tensor: &'a str,
    /// Tensors written.
    pub done: usize,
    /// All tensors.
    pub total: usize,
}

/// The names of all mixtures that [`quantize_file`] knows.
pub fn quantizations() -> String {
    Scheme::known()
}

/// Writes the model in the GGUF file `from` to `to`, its matrices stored as `quantization` says
/// (`q8_0`, `q4_k_m`, …). Blocks; meant for a thread of its own. The file appears whole or not at
/// all, and replaces none that is there.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for an unknown name and for a file that is there already;
/// [`ErrorKind::ModelLoad`] for a model that cannot be read, that is quantized already, and when
/// the disk is full.
pub fn quantize_file(
    from: &Path,
    to: &Path,
    quantization: &str,
    report: &mut dyn FnMut(QuantizeProgress<'_>),
) -> Result<QuantizedFile, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidRequest, message);
    let scheme: Scheme = quantization.parse().map_err(invalid)?;
    if to.exists() {
        let message = format!("{} is there already", to.display());
        return Err(invalid(message).with_hint("name another file, or remove it first"));
    }
    let file = Arc::new(GgufFile::open(from)?);
    let checkpoint = Checkpoint::of_gguf(Arc::clone(&file))?;
    let layers = checkpoint.parameters().layers;
    let source = Quantized::new(Arc::clone(checkpoint.tensors()), scheme, layers)?;
    let tensors = table(&source);
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    need_space(folder, tensors.iter().map(|tensor| tensor.bytes() as u64).sum())?;
    let failed = |error| disk_error("write", to, error);
    let part = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file());
    write_header(&mut out, &metadata(&file, scheme), &tensors).map_err(failed)?;
    for (index, tensor) in tensors.iter().enumerate() {
        let stored = source.tensor(&tensor.name)?;
        write_tensor(&mut out, stored.data.as_slice()).map_err(failed)?;
        report(QuantizeProgress { tensor: &tensor.name, done: index + 1, total: tensors.len() });
    }
    out.flush().map_err(failed)?;
    drop(out);
    let kept = part.as_file().sync_all().map_err(failed);
    kept?;
    let written: File = part.persist_noclobber(to).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)?;
    Ok(QuantizedFile {
        path: to.to_owned(),
        quantization: scheme.to_string(),
        bytes_before: file.size(),
        bytes: written.metadata().map_err(failed)?.len(),
    })
}

fn table(source: &Quantized) -> Vec<WriteTensor> {
    let entry = |name: &str| {
        let facts = source.facts(name)?;
        Some(WriteTensor { name: name.to_owned(), shape: facts.shape, kind: facts.kind })
    };
    source.names().into_iter().filter_map(entry).collect()
}

/// What the other file says, and what is new.
fn metadata(file: &GgufFile, scheme: Scheme) -> Vec<(String, WriteValue)> {
    let kept = file.raw_entries().filter(|(key, _)| !REPLACED.contains(key));
    let kept = kept.map(|(key, raw)| (key.to_owned(), WriteValue::Raw(raw.to_vec())));
    let new = [
        (REPLACED[0].to_owned(), WriteValue::U32(scheme.file_type())),
        (REPLACED[1].to_owned(), WriteValue::U32(QUANTIZATION_VERSION)),
    ];
    kept.chain(new).collect()
}
