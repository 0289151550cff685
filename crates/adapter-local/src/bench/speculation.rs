//! How fast a text is answered with drafts and without: through the whole provider, taking turns.

use std::path::Path;

use domain::{GenerationOptions, ProviderId, Request, Response};
use ports::{Error, ErrorKind, ProviderSpec, TextGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Spread;
use super::measure::spread;
use crate::LocalGenerator;
use crate::catalogue::Sampling;
use crate::config::LocalConfig;
use crate::cpu::{CpuFeatures, cpu_features};
use crate::device::{Device, resolve};
use crate::engine::Speculation;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeculationPlan {
    /// Values of the setting `speculation` to compare.
    pub speculation: Vec<String>,
    /// Most tokens of an answer.
    pub max_tokens: u32,
    /// Answers at once, each with a seed of its own.
    pub batch: usize,
    /// Measured rounds; in each every value has its turn.
    pub repetitions: usize,
    /// Of the first answer; the others count on.
    pub seed: u64,
    /// The model's own where absent; 0 is greedy.
    pub temperature: Option<f32>,
    /// Settings of the provider besides: `threads`, `device`, `quant`, …
    pub settings: Map<String, Value>,
}

impl Default for SpeculationPlan {
    /// Answers of 256 tokens as the model's own settings choose them, without drafts and with them
    /// where they pay, five times.
    fn default() -> Self {
        Self {
            speculation: vec!["off".to_owned(), "auto".to_owned()],
            max_tokens: 256,
            batch: 1,
            repetitions: 5,
            seed: 42,
            temperature: None,
            settings: Map::new(),
        }
    }
}

/// What was measured of one value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeculationRow {
    /// The value of the setting.
    pub speculation: String,
    /// What it means for this model here.
    pub meaning: String,
    /// Tokens of all answers of a round.
    pub output_tokens: u64,
    /// Speed from the first token on, of all answers together.
    pub tokens_per_s: Spread,
    /// Tokens drafted in all measured rounds.
    pub drafted: u64,
    /// Drafted tokens that were what the sampler chose.
    pub accepted: u64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeculationReport {
    /// Version of textport.
    pub version: &'static str,
    /// What computed: `cpu` or `cuda:N`.
    pub device: String,
    /// The processor.
    pub cpu: CpuFeatures,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Answers at once.
    pub batch: usize,
    /// Measured rounds.
    pub repetitions: usize,
    /// Seed of the first answer.
    pub seed: u64,
    /// Whether every value gave the same answers: always on the processor.
    pub same_answers: bool,
    /// One for each value.
    pub rows: Vec<SpeculationRow>,
}

/// Answers a text with the model at `path` under every value of `speculation` in turn; the first round
/// is not measured. Tells each speed as soon as it is known. Blocks; meant for a thread of its own.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a plan that measures nothing; [`ErrorKind::ConfigInvalid`] for a
/// value that makes no sense for this model; otherwise what loading or answering says.
pub fn bench_speculation(
    path: &Path,
    text: &str,
    plan: &SpeculationPlan,
    report: &mut dyn FnMut(&str, f64),
) -> Result<SpeculationReport, Error> {
    let mut modes = plan.modes()?;
    let (mut generator, device) = plan.open(path)?;
    for mode in &mut modes {
        generator.speculate(mode.setting)?;
        mode.meaning = generator.speculation();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(internal)?;
    let (mut same_answers, mut texts, mut input_tokens) = (true, None, 0);
    for round in 0..=plan.repetitions {
        for mode in &mut modes {
            generator.speculate(mode.setting)?;
            let before = generator.drafts();
            let answers = runtime.block_on(generator.generate_batch(plan.requests(text)));
            let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
            if round > 0 {
                report(&mode.setting.to_string(), mode.add(&answers)?);
                mode.add_drafts(before, generator.drafts());
            }
            input_tokens = answers.iter().filter_map(|a| a.usage.input_tokens).max().unwrap_or(0);
            let said: Vec<String> = answers.into_iter().map(|answer| answer.text).collect();
            same_answers &= *texts.get_or_insert_with(|| said.clone()) == said;
        }
    }
    Ok(SpeculationReport {
        version: env!("CARGO_PKG_VERSION"),
        device: device.to_string(),
        cpu: cpu_features(),
        input_tokens,
        batch: plan.batch,
        repetitions: plan.repetitions,
        seed: plan.seed,
        same_answers,
        rows: modes.into_iter().map(Mode::row).collect(),
    })
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "the benchmark could not begin").with_source(error)
}

impl SpeculationPlan {
    fn modes(&self) -> Result<Vec<Mode>, Error> {
        if self.speculation.is_empty() || self.repetitions == 0 || self.batch == 0 {
            return Err(super::nothing());
        }
        let mode = |word: &String| {
            let setting = word.parse().map_err(|message: String| {
                Error::new(ErrorKind::ConfigInvalid, format!("speculation: {message}"))
            });
            Ok(Mode { setting: setting?, ..Mode::default() })
        };
        self.speculation.iter().map(mode).collect()
    }

    /// The provider, and what computes.
    fn open(&self, path: &Path) -> Result<(LocalGenerator, Device), Error> {
        let mut settings = self.settings.clone();
        settings.insert("model".to_owned(), json!(path));
        settings.insert("max_batch".to_owned(), json!(self.batch));
        let id = ProviderId::new("bench").map_err(internal)?;
        let config = LocalConfig::parse(&ProviderSpec { id: id.clone(), settings })?;
        let device = resolve(config.device)?.device;
        let generator = LocalGenerator::load(id, &config, device, &Sampling::default(), path)?;
        let most = generator.capabilities().concurrency;
        match most.filter(|most| (*most as usize) < self.batch) {
            Some(most) => {
                let message = format!("this model answers at most {most} requests at once");
                let error = Error::new(ErrorKind::Unsupported, message);
                Err(error.with_hint("measure smaller batches"))
            }
            None => Ok((generator, device)),
        }
    }

    fn requests(&self, text: &str) -> Vec<Request> {
        let request = |index: u64| {
            Request::user(text).with_options(GenerationOptions {
                temperature: self.temperature,
                max_tokens: Some(self.max_tokens),
                seed: Some(self.seed.wrapping_add(index)),
                ..GenerationOptions::default()
            })
        };
        (0..self.batch as u64).map(request).collect()
    }
}

/// A value of the setting, and what was found so far.
#[derive(Debug, Default)]
struct Mode {
    setting: Speculation,
    meaning: String,
    output_tokens: u64,
    speeds: Vec<f64>,
    drafted: u64,
    accepted: u64,
}

impl Mode {
    /// Adds a round; gives its speed.
    fn add(&mut self, answers: &[Response]) -> Result<f64, Error> {
        let tokens = answers.iter().filter_map(|answer| answer.usage.output_tokens);
        self.output_tokens = tokens.sum();
        let seconds = answers.iter().filter_map(|answer| answer.timings.decode);
        let seconds = seconds.max().unwrap_or_default().as_secs_f64();
        // The clock starts with the first token of each.
        let counted = self.output_tokens.saturating_sub(answers.len() as u64);
        if counted == 0 || seconds == 0.0 {
            let message = "the answer has less than two tokens: there is nothing to measure";
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_hint("ask for something longer, or allow more tokens"));
        }
        let speed = counted as f64 / seconds;
        self.speeds.push(speed);
        Ok(speed)
    }

    fn add_drafts(&mut self, before: (u64, u64), after: (u64, u64)) {
        self.drafted += after.0 - before.0;
        self.accepted += after.1 - before.1;
    }

    fn row(self) -> SpeculationRow {
        SpeculationRow {
            speculation: self.setting.to_string(),
            meaning: self.meaning,
            output_tokens: self.output_tokens,
            tokens_per_s: spread(self.speeds),
            drafted: self.drafted,
            accepted: self.accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    fn plan(speculation: &[&str]) -> SpeculationPlan {
        SpeculationPlan {
            speculation: speculation.iter().map(|word| (*word).to_owned()).collect(),
            max_tokens: 40,
            repetitions: 2,
            settings: json!({ "threads": 1, "device": "cpu" }).as_object().cloned().unwrap(),
            ..SpeculationPlan::default()
        }
    }

    fn run(name: &str, plan: &SpeculationPlan) -> Result<SpeculationReport, Error> {
        bench_speculation(&fixture(name), "one two one two one two", plan, &mut |_, _| {})
    }

    #[test]
    fn every_value_has_its_turn_and_gives_the_same_answers() {
        let (name, plan) = ("tiny-qwen3-q8_0.gguf", plan(&["off", "4", "auto"]));
        let mut told = Vec::new();
        let mut tell = |mode: &str, speed: f64| told.push((mode.to_owned(), speed));
        let report = bench_speculation(&fixture(name), "a a a a", &plan, &mut tell).unwrap();
        let turns: Vec<&str> = told.iter().map(|(mode, _)| mode.as_str()).collect();
        assert_eq!(turns, ["off", "4", "auto", "off", "4", "auto"]);
        assert!(report.same_answers && report.input_tokens > 4, "{report:?}");
        let [off, four, auto] = report.rows.as_slice() else { panic!("{report:?}") };
        assert_eq!((off.drafted, off.accepted), (0, 0));
        assert!(four.drafted > four.accepted, "{four:?}");
        assert_eq!([off, four, auto].map(|row| row.output_tokens), [off.output_tokens; 3]);
        assert!(auto.meaning.contains("where they pay") && off.meaning.contains("off"));
        assert!(told.iter().all(|(_, speed)| *speed > 0.0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["rows"][1]["speculation"], &json["batch"]), (&"4".into(), &1.into()));
    }

    #[test]
    fn several_at_once_are_measured_together() {
        let plan = SpeculationPlan { batch: 3, temperature: Some(1.5), ..plan(&["off", "2"]) };
        let report = run("tiny-qwen3-q8_0.gguf", &plan).unwrap();
        assert!(report.same_answers && report.rows[0].output_tokens > 40, "{report:?}");
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let kind = |name, plan: &SpeculationPlan| run(name, plan).unwrap_err().kind();
        let tiny = "tiny-qwen3-q8_0.gguf";
        assert_eq!(kind(tiny, &plan(&[])), ErrorKind::InvalidRequest);
        let never = SpeculationPlan { repetitions: 0, ..plan(&["off"]) };
        assert_eq!(kind(tiny, &never), ErrorKind::InvalidRequest);
        assert_eq!(kind(tiny, &plan(&["on"])), ErrorKind::ConfigInvalid);
        let short = SpeculationPlan { max_tokens: 1, ..plan(&["off"]) };
        assert_eq!(kind(tiny, &short), ErrorKind::InvalidRequest);
    }
}
