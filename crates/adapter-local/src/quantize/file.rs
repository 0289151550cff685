//! A GGUF file made of a model: of another GGUF file, or of a folder, adapters merged into it.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use ports::{Error, ErrorKind};
use serde::Serialize;

use super::{Quantized, Scheme};
use crate::LoraSetting;
use crate::arrange::with_adapters;
use crate::checkpoint::{Checkpoint, TensorSource};
use crate::export::{GgufForm, Meter, WriteProgress, place_for, refuse_existing};
use crate::gguf::{WriteTensor, WriteValue, write_header, write_padding};
use crate::store::{disk_error, need_space, sync_folder};

/// What GGUF files carry for the present formats of all quantized types.
const QUANTIZATION_VERSION: u32 = 2;
/// Entries that speak of the numbers or of the file itself.
const REPLACED: [&str; 3] =
    ["general.file_type", "general.quantization_version", "general.alignment"];

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizePlan {
    /// A GGUF file, or a folder with `config.json` and safetensors.
    pub from: PathBuf,
    /// The file to write.
    pub to: PathBuf,
    /// A type or a mixture of types: `q8_0`, `q4_k_m`, `f16`, …
    pub quantization: String,
    /// Adapters to merge first; their paths are folders.
    pub lora: Vec<LoraSetting>,
}

/// A model file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuantizedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The mixture of types.
    pub quantization: String,
    /// What the model's numbers took before.
    pub bytes_before: u64,
    /// The size of the file.
    pub bytes: u64,
}

/// The names of all mixtures that [`quantize_file`] knows.
pub fn quantizations() -> String {
    Scheme::known()
}

/// Writes a model as a GGUF file, its matrices stored as the plan says. Blocks; meant for a thread
/// of its own. The file appears whole or not at all, and replaces none that is there; `report` hears
/// how far it is and may call it off.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for an unknown name and for a file that is there already;
/// [`ErrorKind::ModelLoad`] for a model that cannot be read, that is quantized already, or for
/// which GGUF files have no words, and when the disk is full; [`ErrorKind::Unsupported`] for a
/// tokenizer that they have no name for; [`ErrorKind::Cancelled`] when it was called off.
pub fn quantize_file(
    plan: &QuantizePlan,
    report: &mut dyn FnMut(WriteProgress) -> ControlFlow<()>,
) -> Result<QuantizedFile, Error> {
    let parsed = plan.quantization.parse();
    let scheme: Scheme =
        parsed.map_err(|message: String| Error::new(ErrorKind::InvalidRequest, message))?;
    refuse_existing(&plan.to)?;
    let checkpoint = Checkpoint::open(&plan.from)?;
    let bytes_before = match checkpoint.gguf_file() {
        Some(file) => file.size(),
        None => stored(checkpoint.tensors().as_ref()),
    };
    let form = GgufForm::of(&with_adapters(checkpoint, &plan.lora)?)?;
    let entries = entries(form.entries, scheme);
    let source = Quantized::new(form.tensors, scheme, form.layers)?;
    let bytes = write(plan, &entries, &source, report)?;
    let quantization = scheme.to_string();
    Ok(QuantizedFile { path: plan.to.clone(), quantization, bytes_before, bytes })
}

/// Writes the file and says how long it is.
fn write(
    plan: &QuantizePlan,
    entries: &[(String, WriteValue)],
    source: &Quantized,
    report: &mut dyn FnMut(WriteProgress) -> ControlFlow<()>,
) -> Result<u64, Error> {
    let to = plan.to.as_path();
    let failed = |error| disk_error("write", to, error);
    let tensors = table(source);
    let total = tensors.iter().map(|tensor| tensor.bytes() as u64).sum();
    let (folder, mut builder) = place_for(to);
    need_space(folder, total)?;
    // Readable for whoever may read what this user writes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let part = builder.tempfile_in(folder).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file());
    write_header(&mut out, entries, &tensors).map_err(failed)?;
    let mut meter = Meter::new(total, report);
    for tensor in &tensors {
        source.each_piece(&tensor.name, &mut |piece| {
            out.write_all(piece).map_err(failed)?;
            meter.add(piece.len())
        })?;
        write_padding(&mut out, tensor.bytes()).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    drop(out);
    let kept = part.as_file().sync_all().map_err(failed);
    kept?;
    let written = part.persist_noclobber(to).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)?;
    Ok(written.metadata().map_err(failed)?.len())
}

/// Bytes of all tensors as they are stored.
fn stored(source: &dyn TensorSource) -> u64 {
    let facts = source.names().into_iter().filter_map(|name| source.facts(name));
    let bytes = facts.filter_map(|facts| facts.kind.row_bytes(facts.shape.iter().product()));
    bytes.map(|bytes| bytes as u64).sum()
}

fn table(source: &Quantized) -> Vec<WriteTensor> {
    let entry = |name: &str| {
        let facts = source.facts(name)?;
        Some(WriteTensor { name: name.to_owned(), shape: facts.shape, kind: facts.kind })
    };
    source.names().into_iter().filter_map(entry).collect()
}

/// What the model says of itself, and what is new.
fn entries(model: Vec<(String, WriteValue)>, scheme: Scheme) -> Vec<(String, WriteValue)> {
    let kept = model.into_iter().filter(|(key, _)| !REPLACED.contains(&key.as_str()));
    let new = [
        (REPLACED[0].to_owned(), WriteValue::U32(scheme.file_type())),
        (REPLACED[1].to_owned(), WriteValue::U32(QUANTIZATION_VERSION)),
    ];
    kept.chain(new).collect()
}
