//! A base model with adapters merged into it, as a folder that transformers loads.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Map, Value};

use super::place::{Meter, WriteProgress, place_for, refuse_existing};
use crate::LoraSetting;
use crate::arrange::with_adapters;
use crate::checkpoint::{Checkpoint, Dtype, TensorSource, hf_name, read_keys};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;
use crate::quantize::each_piece;
use crate::safetensors::{INDEX, Planned, shard_name, split, write_header, write_index};
use crate::store::{disk_error, is_companion, need_space, sync_folder};

const CONFIG: &str = "config.json";
const OUTPUT: &str = "output.weight";

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub struct MergePlan {
    /// A folder with `config.json` and safetensors.
    pub base: PathBuf,
    /// The folder to write.
    pub to: PathBuf,
    /// The adapters; their paths are folders.
    pub lora: Vec<LoraSetting>,
    /// `f32`, `f16` or `bf16` for all numbers; as the base has them where absent.
    pub dtype: Option<String>,
    /// Weights are cut into files of at most so many bytes.
    pub shard_bytes: u64,
}

impl MergePlan {
    /// Files of this length are what the Hub's tools cut weights into.
    const SHARD_BYTES: u64 = 5_000_000_000;

    /// The base with these adapters, its numbers stored as they are.
    pub fn new(base: PathBuf, to: PathBuf, lora: Vec<LoraSetting>) -> Self {
        Self { base, to, lora, dtype: None, shard_bytes: Self::SHARD_BYTES }
    }
}

/// A folder that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Files of weights.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the base with the adapters merged into it as a folder of its own, with all that belongs
/// to the model beside its weights. Blocks; meant for a thread of its own. The folder appears whole
/// or not at all, and replaces none; `report` hears how far it is and may call it off.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] without adapters, and for a folder that is there already;
/// [`ErrorKind::ConfigInvalid`] for an unknown dtype; [`ErrorKind::ModelLoad`] for a base or an
/// adapter that cannot be read or do not belong together, for numbers that the dtype has no room
/// for, and when the disk is full; [`ErrorKind::Cancelled`] when it was called off.
pub fn merge_lora(
    plan: &MergePlan,
    report: &mut dyn FnMut(WriteProgress) -> ControlFlow<()>,
) -> Result<MergedFolder, Error> {
    let dtype = plan.dtype.as_deref().map(str::parse::<Dtype>).transpose()?;
    if plan.lora.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "there are no adapters to merge"));
    }
    refuse_existing(&plan.to)?;
    let checkpoint = Checkpoint::open(&plan.base)?;
    if checkpoint.gguf_file().is_some() {
        return Err(LoadError::new(&plan.base, LoadCause::NoFolder).into());
    }
    let merged = with_adapters(checkpoint, &plan.lora)?;
    let source = Arc::clone(merged.tensors());
    let files = split(planned(source.as_ref(), dtype), plan.shard_bytes);
    let total = files.iter().flatten().map(Planned::bytes).sum();
    let (parent, mut builder) = place_for(&plan.to);
    need_space(parent, total)?;
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let part = builder.tempdir_in(parent).map_err(|error| disk_error("write", &plan.to, error))?;
    let mut folder = Folder { at: part.path(), to: &plan.to, meter: Meter::new(total, report) };
    folder.put_texts(&plan.base, dtype, source.facts(OUTPUT).is_some())?;
    for (at, tensors) in files.iter().enumerate() {
        folder.put_weights(&shard_name(at, files.len()), tensors, source.as_ref())?;
    }
    if files.len() > 1 {
        folder.put(INDEX, &pretty(&write_index(&files)))?;
    }
    folder.finish(parent)?;
    // What was renamed is not removed any more.
    let _ = part.keep();
    Ok(MergedFolder { path: plan.to.clone(), files: files.len(), bytes: total })
}

/// All tensors under the names of transformers.
fn planned(source: &dyn TensorSource, dtype: Option<Dtype>) -> Vec<Planned> {
    let tensor = |name: &str| {
        let facts = source.facts(name)?;
        let kind = dtype.map_or(facts.kind, Dtype::kind);
        Some(Planned { name: hf_name(name)?, kind, shape: facts.shape })
    };
    source.names().into_iter().filter_map(tensor).collect()
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// A folder in the making.
struct Folder<'a> {
    at: &'a Path,
    /// What it will be called.
    to: &'a Path,
    meter: Meter<'a>,
}

impl Folder<'_> {
    fn failed(&self, error: std::io::Error) -> Error {
        disk_error("write", self.to, error)
    }

    /// Everything but the weights. `parted` says that the output has numbers of its own.
    fn put_texts(&self, base: &Path, dtype: Option<Dtype>, parted: bool) -> Result<(), Error> {
        let unread = |error| disk_error("read", base, error);
        for entry in fs::read_dir(base).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name();
            // What the cache of the Hub has are links to files.
            let is_file = entry.path().metadata().is_ok_and(|about| about.is_file());
            let text = name.to_str().filter(|name| is_file && is_companion(name));
            if let Some(name) = text.filter(|name| *name != CONFIG) {
                self.put(name, &fs::read(entry.path()).map_err(unread)?)?;
            }
        }
        let config = fs::read(base.join(CONFIG)).map_err(unread)?;
        let (_, mut keys) = read_keys(base)?;
        let changed = amend(&mut keys, dtype, parted);
        self.put(CONFIG, &if changed { pretty(&Value::Object(keys)) } else { config })
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let written = File::create(self.at.join(name)).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
        written.map_err(|error| self.failed(error))
    }

    fn put_weights(
        &mut self,
        name: &str,
        tensors: &[Planned],
        source: &dyn TensorSource,
    ) -> Result<(), Error> {
        let to = self.to;
        let failed = |error| disk_error("write", to, error);
        let file = File::create(self.at.join(name)).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, &file);
        out.write_all(&write_header(tensors)).map_err(failed)?;
        for planned in tensors {
            let inside = crate::checkpoint::gguf_name(&planned.name).unwrap_or_default();
            let tensor = source.tensor(&inside)?;
            let place = (source.path(), planned.name.as_str());
            each_piece(place, &tensor, planned.kind, &mut |piece| {
                out.write_all(piece).map_err(failed)?;
                self.meter.add(piece.len())
            })?;
        }
        out.flush().map_err(failed)?;
        drop(out);
        file.sync_all().map_err(failed)
    }

    /// Gives it its name.
    fn finish(&self, parent: &Path) -> Result<(), Error> {
        sync_folder(self.at).map_err(|error| self.failed(error))?;
        // Somebody may have taken the name meanwhile.
        refuse_existing(self.to)?;
        fs::rename(self.at, self.to).map_err(|error| self.failed(error))?;
        sync_folder(parent).map_err(|error| self.failed(error))
    }
}

/// Says in `config.json` what is different now, if something is.
fn amend(keys: &mut Map<String, Value>, dtype: Option<Dtype>, parted: bool) -> bool {
    let has_dtype = keys.contains_key("dtype");
    let mut changed = false;
    let mut set = |key: &str, value: Value| {
        changed |= keys.get(key) != Some(&value);
        keys.insert(key.to_owned(), value);
    };
    // Else transformers would take the embedding for the output.
    if parted {
        set("tie_word_embeddings", Value::Bool(false));
    }
    if let Some(dtype) = dtype {
        let word = match dtype.kind() {
            GgmlType::F16 => "float16",
            GgmlType::Bf16 => "bfloat16",
            _ => "float32",
        };
        // The newer name where it stands; every transformers reads the older one.
        let key = if has_dtype { "dtype" } else { "torch_dtype" };
        set(key, Value::from(word));
    }
    changed
}
