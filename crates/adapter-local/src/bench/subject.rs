//! What is measured, opened and loaded.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ports::{BuildContext, Error, ErrorKind};

use super::facts::{EMBEDDING, bytes_of, facts};
use super::told::Told;
use super::{BenchFacts, BenchModel, BenchPlan, Measurement};
use crate::arrange::arrange;
use crate::checkpoint::{Checkpoint, Dtype, Shape, TensorSource};
use crate::config::LocalConfig;
use crate::decoder::{
    self, Decoder, Engine, KvPrecision, LoadOptions, PAGE, bytes_per_position, check_kv_cache,
    scratch_bytes,
};
use crate::device::{Device, check_graphs};
use crate::memory::available_bytes;

/// A model as it will be measured. Nothing has been computed.
pub(super) struct Subject {
    opened: Instant,
    checkpoint: Checkpoint,
    /// As it was asked for.
    kv_cache: Option<KvPrecision>,
    /// What has to be made: tensors that no file has in this form.
    made: Making,
    /// For messages: `qwen3-8b in q4_k_m`.
    name: String,
}

/// A model ready to be measured.
pub(super) struct Loaded {
    pub(super) decoder: Box<dyn Decoder>,
    /// Since it was opened.
    pub(super) seconds: f64,
    pub(super) facts: BenchFacts,
    pub(super) measurements: Vec<Measurement>,
}

/// Bytes that are not mapped from a file.
#[derive(Debug, Clone, Copy, Default)]
struct Making {
    /// What is kept.
    bytes: u64,
    /// The largest piece on its way: as it comes, in f32, and as it is kept.
    largest: u64,
}

impl Subject {
    pub(super) fn open(model: &BenchModel, plan: &BenchPlan) -> Result<Self, Error> {
        let opened = Instant::now();
        let settings = LocalConfig::stored_as(
            plan.dtype.as_deref(),
            plan.quant.as_deref(),
            plan.kv_cache.as_deref(),
        )?;
        let (base, settings, from_file) = match model {
            BenchModel::Path(path) => (Checkpoint::open(path)?, settings, true),
            BenchModel::RandomWeights(shape) => {
                let usual = if settings.quant.is_some() { Dtype::F16 } else { Dtype::Bf16 };
                let dtype = settings.dtype.unwrap_or(usual);
                let base = Checkpoint::of_shape(&Shape::find(shape)?, dtype);
                (base, LocalConfig { dtype: None, ..settings }, false)
            }
        };
        let before = Arc::clone(base.tensors());
        let checkpoint = arrange(base, &settings)?;
        let made = Making::of(before.as_ref(), checkpoint.tensors().as_ref(), from_file);
        let name = shown(checkpoint.path(), plan);
        Ok(Self { opened, checkpoint, kv_cache: settings.kv_cache, made, name })
    }

    /// Checks that it can be measured, then loads it.
    pub(super) fn load(
        self,
        plan: &BenchPlan,
        device: Device,
        threads: usize,
        context: &BuildContext,
    ) -> Result<Loaded, Error> {
        check_graphs(&self.checkpoint, plan.cuda_graphs, device)?;
        check_kv_cache(&self.checkpoint, self.kv_cache, device)?;
        let kv_cache = self.kv_cache();
        let facts = facts(&self.checkpoint, kv_cache);
        let measurements = plan.measurements(self.checkpoint.parameters().context_length)?;
        self.need_memory(&measurements, device, available_bytes())?;
        let checkpoint = self.telling(context);
        let options = LoadOptions {
            engine: Engine::on(device)?,
            threads: Some(threads),
            kv_cache,
            cuda_graphs: plan.cuda_graphs,
            ..LoadOptions::default()
        };
        let decoder = decoder::load(&checkpoint, &options)?;
        Ok(Loaded { decoder, seconds: self.opened.elapsed().as_secs_f64(), facts, measurements })
    }

    /// Refuses what would drive the machine into swapping or the process into its end. What is
    /// mapped from a file is the kernel's to drop and read again.
    fn need_memory(
        &self,
        measurements: &[Measurement],
        device: Device,
        available: Option<u64>,
    ) -> Result<(), Error> {
        let Making { bytes, largest } = self.made;
        let needed = match device {
            Device::Cpu => bytes.saturating_add(largest).saturating_add(self.working(measurements)),
            Device::Cuda(_) => largest,
        };
        match available {
            Some(available) if bytes > 0 && needed > available => {
                let gb = |bytes: u64| bytes as f64 / 1e9;
                let message = format!(
                    "{} needs {:.1} GB of memory, but only {:.1} GB are available",
                    self.name,
                    gb(needed),
                    gb(available)
                );
                Err(Error::new(ErrorKind::OutOfMemory, message)
                    .with_hint("take a smaller shape, or fewer bits: --quant q4_k_m"))
            }
            _ => Ok(()),
        }
    }

    fn kv_cache(&self) -> KvPrecision {
        KvPrecision::of(&self.checkpoint, self.kv_cache)
    }

    /// Keys, values and buffers when they are fullest.
    fn working(&self, measurements: &[Measurement]) -> u64 {
        let p = self.checkpoint.parameters();
        let pages = |each: &Measurement| each.batch * each.positions().next_multiple_of(PAGE);
        let positions = measurements.iter().map(pages).max().unwrap_or(0) as u64;
        let cache = bytes_per_position(p, self.kv_cache());
        let vocabulary = rows(self.checkpoint.tensors().as_ref(), EMBEDDING);
        positions * cache + scratch_bytes(p, vocabulary)
    }

    /// The same model; where its tensors have to be made, asking for one tells how far it is.
    fn telling(&self, context: &BuildContext) -> Checkpoint {
        let checkpoint = self.checkpoint.clone();
        if self.made.bytes == 0 {
            return checkpoint;
        }
        let task = format!("making {}", self.name);
        let told = Told::new(Arc::clone(checkpoint.tensors()), context.clone(), task);
        checkpoint.with_tensors(Arc::new(told))
    }
}

fn shown(path: &Path, plan: &BenchPlan) -> String {
    match plan.quant.as_ref().or(plan.dtype.as_ref()) {
        Some(stored) => format!("{} in {stored}", path.display()),
        None => path.display().to_string(),
    }
}

fn rows(source: &dyn TensorSource, name: &str) -> usize {
    source.facts(name).and_then(|facts| facts.shape.first().copied()).unwrap_or(0)
}

impl Making {
    fn of(before: &dyn TensorSource, after: &dyn TensorSource, from_file: bool) -> Self {
        let mut making = Self::default();
        for name in after.names() {
            let (Some(raw), Some(kept)) = (before.facts(name), after.facts(name)) else { continue };
            let changed = raw.kind != kept.kind;
            if from_file && !changed {
                continue;
            }
            let numbers = kept.shape.iter().product::<usize>() as u64;
            let on_the_way = if changed { bytes_of(&raw) + numbers * 4 } else { 0 };
            making.bytes += bytes_of(&kept);
            making.largest = making.largest.max(on_the_way);
        }
        making
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn random(shape: &str, dtype: Option<&str>, quant: Option<&str>) -> (Subject, BenchPlan) {
        let plan = BenchPlan {
            dtype: dtype.map(str::to_owned),
            quant: quant.map(str::to_owned),
            ..BenchPlan::default()
        };
        let model = BenchModel::RandomWeights(shape.to_owned());
        (Subject::open(&model, &plan).unwrap(), plan)
    }

    fn needs(subject: &Subject, plan: &BenchPlan, available: u64) -> Result<(), Error> {
        let all = plan.measurements(subject.checkpoint.parameters().context_length).unwrap();
        subject.need_memory(&all, Device::Cpu, Some(available))
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_made() {
        let (subject, plan) = random("qwen3-8b", Some("f32"), None);
        let error = needs(&subject, &plan, 24 << 30).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let words = error.to_string();
        assert!(words.starts_with("qwen3-8b in f32 needs 32.9 GB"), "{words}");
        assert!(words.ends_with("but only 25.8 GB are available"), "{words}");
        assert!(error.hint().unwrap().contains("--quant"));
        needs(&subject, &plan, 64 << 30).unwrap();
        let (subject, plan) = random("qwen3-8b", None, Some("q4_k_m"));
        needs(&subject, &plan, 24 << 30).unwrap();
        needs(&subject, &plan, 4 << 30).unwrap_err();
        let mut many = plan.clone();
        many.batches = vec![4096];
        needs(&subject, &many, 24 << 30).unwrap_err();
    }

    #[test]
    fn a_file_as_it_is_needs_nothing() {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let model = BenchModel::Path(file.join("tests/fixtures/tiny-qwen3-f32.gguf"));
        let mut plan = BenchPlan { prefill: vec![8], decode: vec![], ..BenchPlan::default() };
        let subject = Subject::open(&model, &plan).unwrap();
        needs(&subject, &plan, 1).unwrap();
        plan.quant = Some("q8_0".to_owned());
        needs(&Subject::open(&model, &plan).unwrap(), &plan, 1).unwrap_err();
    }

    #[test]
    fn what_is_read_and_multiplied_is_counted_from_the_shape() {
        let (subject, _) = random("qwen3-0.6b", None, Some("q4_k_m"));
        let found = facts(&subject.checkpoint, KvPrecision::F16);
        assert_eq!(found.parameters, 596_049_920);
        assert_eq!(found.products_per_token, 440_401_920);
        assert_eq!(found.byte_products_per_token, found.products_per_token);
        // 168 x Q4_K, 28 x Q6_K and the Q6_K output, which is the embedding too.
        assert!((390_000_000..392_000_000).contains(&found.bytes_per_step), "{found:?}");
        assert_eq!(found.bytes_per_step, found.weight_bytes);
        assert_eq!(found.stored_as[0].kind, "Q4_K");
        let (subject, _) = random("qwen3-8b", Some("f16"), None);
        let found = facts(&subject.checkpoint, KvPrecision::F16);
        assert_eq!(found.weight_bytes - found.bytes_per_step, 151_936 * 4096 * 2);
        assert_eq!(found.byte_products_per_token, 0);
    }
}
