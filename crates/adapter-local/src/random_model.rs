//! GGUF files of a true shape with random numbers, for measuring other engines on what ours are
//! measured on.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::{BuildContext, Error, ErrorKind, Progress};

use crate::checkpoint::{Checkpoint, Dtype, RopeScaling, Shape, TensorSource};
use crate::gguf::{WriteTensor, WriteValue, write_header, write_padding};
use crate::quantize::{Quantized, Scheme};
use crate::store::{disk_error, need_space, sync_folder};
use crate::tokenizer::byte_letters;

/// What GGUF files carry for the present formats of all quantized types.
const QUANTIZATION_VERSION: u32 = 2;
/// Tokens that a byte-level vocabulary needs: the bytes, one merge, and the end of a text.
const LEAST_VOCABULARY: usize = 258;
/// Kinds of tokens as files number them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const TEMPLATE: &str = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:";

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomModel {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Writes a model of a known shape (a name, or the path of a `config.json`) with random numbers,
/// its matrices stored as `quantization` says (`f16`, `q8_0`, `q4_k_m`, …), and a vocabulary that
/// means nothing. Other programs load it and take as long with it as with a true one. Blocks; meant
/// for a thread of its own. The file appears whole or not at all, and replaces none that is there.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for unknown names, for a shape that GGUF files cannot say, and for
/// a file that is there already; [`ErrorKind::ModelLoad`] when the disk is full.
pub fn write_random_model(
    shape: &str,
    quantization: &str,
    to: &Path,
    context: &BuildContext,
) -> Result<RandomModel, Error> {
    let scheme: Scheme = quantization.parse().map_err(invalid)?;
    let shape = Shape::find(shape)?;
    check(&shape)?;
    if to.exists() {
        return Err(invalid(format!("{} is there already", to.display()))
            .with_hint("name another file, or remove it first"));
    }
    let base = match scheme {
        Scheme::Plain(kind) if kind == Dtype::F32.kind() => Dtype::F32,
        Scheme::Plain(kind) if kind == Dtype::Bf16.kind() => Dtype::Bf16,
        _ => Dtype::F16,
    };
    let random = Arc::clone(Checkpoint::of_shape(&shape, base).tensors());
    let source = Quantized::new(random, scheme, shape.parameters.layers)?;
    let task = format!("writing {}", to.display());
    write(&source, &metadata(&shape, scheme), to, &|done, total| {
        let (task, finished) = (task.clone(), done == total);
        context.report(Progress { task, done, total: Some(total), finished });
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

/// Refuses what a file could not say of the model.
fn check(shape: &Shape) -> Result<(), Error> {
    let family = shape.family.name;
    if !shape.family.in_gguf {
        return Err(invalid(format!("GGUF files of the architecture {family} are not known here")));
    }
    if shape.parameters.rope.scaling != RopeScaling::None {
        return Err(invalid("a shape with scaled positions cannot be written".into())
            .with_hint("take rope_scaling out of the config.json: it changes no amount of work"));
    }
    if shape.vocabulary < LEAST_VOCABULARY {
        let message = format!("a vocabulary of {} is too small for a file", shape.vocabulary);
        return Err(invalid(message).with_hint(format!("{LEAST_VOCABULARY} is the least")));
    }
    Ok(())
}

fn write(
    source: &Quantized,
    metadata: &[(String, WriteValue)],
    to: &Path,
    report: &dyn Fn(u64, u64),
) -> Result<RandomModel, Error> {
    let table = source.names().into_iter().filter_map(|name| {
        let facts = source.facts(name)?;
        Some(WriteTensor { name: name.to_owned(), shape: facts.shape, kind: facts.kind })
    });
    let tensors: Vec<_> = table.collect();
    let total = tensors.iter().map(|tensor| tensor.bytes() as u64).sum();
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    need_space(folder, total)?;
    let failed = |error| disk_error("write", to, error);
    let part = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file());
    write_header(&mut out, metadata, &tensors).map_err(failed)?;
    let mut done = 0;
    for tensor in &tensors {
        source.each_piece(&tensor.name, &mut |piece| out.write_all(piece).map_err(failed))?;
        write_padding(&mut out, tensor.bytes()).map_err(failed)?;
        done += tensor.bytes() as u64;
        report(done, total);
    }
    out.flush().map_err(failed)?;
    drop(out);
    part.as_file().sync_all().map_err(failed)?;
    let written = part.persist_noclobber(to).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)?;
    let bytes = written.metadata().map_err(failed)?.len();
    Ok(RandomModel { path: to.to_owned(), bytes })
}

/// What readers of GGUF files ask for.
fn metadata(shape: &Shape, scheme: Scheme) -> Vec<(String, WriteValue)> {
    let (p, family) = (&shape.parameters, shape.family.name);
    let general = [
        ("general.architecture", WriteValue::Text(family.to_owned())),
        ("general.name", WriteValue::Text(format!("{} with random weights", name(shape)))),
        ("general.file_type", WriteValue::U32(scheme.file_type())),
        ("general.quantization_version", WriteValue::U32(QUANTIZATION_VERSION)),
    ];
    let own = [
        ("block_count", p.layers),
        ("context_length", p.context_length),
        ("embedding_length", p.width),
        ("feed_forward_length", p.feed_forward),
        ("attention.head_count", p.heads),
        ("attention.head_count_kv", p.kv_heads),
        ("attention.key_length", p.head_size),
        ("attention.value_length", p.head_size),
        ("rope.dimension_count", p.rope.size),
        ("vocab_size", shape.vocabulary),
    ];
    // All are bounded far below it.
    let own =
        own.map(|(key, value)| (key, WriteValue::U32(u32::try_from(value).unwrap_or(u32::MAX))));
    let fractions = [
        ("attention.layer_norm_rms_epsilon", WriteValue::F32(p.norm_epsilon)),
        ("rope.freq_base", WriteValue::F32(p.rope.base)),
    ];
    let own =
        own.into_iter().chain(fractions).map(|(key, value)| (format!("{family}.{key}"), value));
    let general = general.into_iter().chain(tokenizer(shape.vocabulary));
    general.map(|(key, value)| (key.to_owned(), value)).chain(own).collect()
}

/// The shape's name, or that of its file without the folders, which are nobody's business.
fn name(shape: &Shape) -> String {
    let last = Path::new(&shape.name).file_name();
    last.map_or_else(|| shape.name.clone(), |name| name.to_string_lossy().into_owned())
}

/// A vocabulary of the right size: the bytes, one merge, many words that no text becomes, and the
/// end of a text.
fn tokenizer(vocabulary: usize) -> Vec<(&'static str, WriteValue)> {
    let end = vocabulary.saturating_sub(1);
    let mut tokens: Vec<String> = byte_letters().map(String::from).collect();
    tokens.push("th".to_owned());
    tokens.extend((tokens.len()..end).map(|id| format!("[{id}]")));
    tokens.push("<|endoftext|>".to_owned());
    let mut kinds = vec![NORMAL; end];
    kinds.push(CONTROL);
    let end = u32::try_from(end).unwrap_or(u32::MAX);
    vec![
        ("tokenizer.ggml.model", WriteValue::Text("gpt2".to_owned())),
        ("tokenizer.ggml.pre", WriteValue::Text("qwen2".to_owned())),
        ("tokenizer.ggml.tokens", WriteValue::Texts(tokens)),
        ("tokenizer.ggml.token_type", WriteValue::I32s(kinds)),
        ("tokenizer.ggml.merges", WriteValue::Texts(vec!["t h".to_owned()])),
        ("tokenizer.ggml.bos_token_id", WriteValue::U32(end)),
        ("tokenizer.ggml.eos_token_id", WriteValue::U32(end)),
        ("tokenizer.ggml.add_bos_token", WriteValue::Bool(false)),
        ("tokenizer.chat_template", WriteValue::Text(TEMPLATE.to_owned())),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decoder;
    use crate::quantize::expand;
    use crate::test_folder::{Copy, fixture};

    fn write(shape: &str, quantization: &str, to: &Path) -> Result<RandomModel, Error> {
        write_random_model(shape, quantization, to, &BuildContext::default())
    }

    #[test]
    fn a_written_file_is_the_same_model_as_the_shape() {
        for (name, quantization) in
            [("qwen3", "f32"), ("qwen3", "bf16"), ("llama", "q8_0"), ("qwen3", "q4_k_m")]
        {
            let folder = tempfile::tempdir().unwrap();
            let to = folder.path().join("random.gguf");
            let path = fixture(name);
            let written = write(path.to_str().unwrap(), quantization, &to).unwrap();
            assert_eq!(written.bytes, std::fs::metadata(&to).unwrap().len());
            let model = Checkpoint::open(&to).unwrap();
            let shape = Shape::find(path.to_str().unwrap()).unwrap();
            let facts = decoder::check(&model).unwrap();
            assert_eq!((facts.vocabulary, facts.tied), (shape.vocabulary, shape.tied));
            let (mut found, wanted) = (model.parameters().clone(), &shape.parameters);
            // Files of llama models have another order of rows, which random ones have any of.
            found.rope.pairing = wanted.rope.pairing;
            assert_eq!(&found, wanted, "{name}");
            let ids = model.prompter().unwrap().plain_ids("the port").unwrap();
            assert!(ids.contains(&256), "{ids:?} has the merge");
            let random = Checkpoint::of_shape(&shape, Dtype::F32);
            let one = |model: &Checkpoint| {
                expand(&model.tensors().tensor("blk.1.ffn_up.weight").unwrap()).unwrap()
            };
            for (found, wanted) in one(&model).iter().zip(one(&random)) {
                assert!((found - wanted).abs() < 0.01, "{found} {wanted}");
            }
        }
    }

    #[test]
    fn what_a_file_cannot_say_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("random.gguf");
        let refused = |shape: &Path, quantization: &str| {
            let error = write(shape.to_str().unwrap(), quantization, &to).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
            error.to_string()
        };
        assert!(refused(&fixture("qwen3"), "q9").contains("q4_k_m"));
        assert!(refused(Path::new("qwen9"), "q8_0").contains("no shape"));
        assert!(refused(&fixture("mistral"), "q8_0").contains("mistral"));
        let copy = Copy::of("llama");
        copy.set("config.json", "vocab_size", json!(100));
        assert!(refused(copy.path(), "q8_0").contains("too small"));
        copy.set("config.json", "rope_scaling", json!({ "rope_type": "linear", "factor": 2.0 }));
        assert!(refused(copy.path(), "q8_0").contains("scaled positions"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        let llama = fixture("llama");
        write(llama.to_str().unwrap(), "q8_0", &to).unwrap();
        assert!(refused(&llama, "q8_0").contains("is there already"));
    }
}
