//! Our decoder and candle's own quantized model on the same file, with the same protocol, taking
//! turns in processes of their own.
//!
//! ```text
//! cargo run --release -p textport-adapter-local --example candle_peer -- MODEL.gguf [THREADS [ROUNDS]]
//! ```
//!
//! Each turn is one warm-up and one measured run of 512 tokens of prefill, then of 128 tokens
//! generated one by one from an empty context, all random tokens. `--first candle MODEL.gguf` loads
//! the model, computes one token and ends; benches/side_by_side.py measures that process as a whole.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};
use ports::BuildContext;
use textport_adapter_local::{BenchKind, BenchModel, BenchPlan, bench};

const PREFILL: usize = 512;
const DECODE: usize = 128;

/// Tokens per second of prefill and decode, and seconds of loading.
type Figures = [f64; 3];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let figures = match words.as_slice() {
        ["--turn", "textport", model, threads] => textport(Path::new(model), threads.parse()?)?,
        ["--turn", "candle", model, _] => candle(Path::new(model))?,
        ["--first", "candle", model] => return Candle::load(Path::new(model))?.forward(&[100], 0),
        [model] => return compare(model, "2", 5),
        [model, threads] => return compare(model, threads, 5),
        [model, threads, rounds] => return compare(model, threads, rounds.parse()?),
        _ => return Err("usage: candle_peer MODEL.gguf [THREADS [ROUNDS]]".into()),
    };
    let [prefill, decode, load] = figures;
    Ok(writeln!(std::io::stdout(), "{prefill} {decode} {load}")?)
}

/// Lets both take turns and prints the medians.
fn compare(model: &str, threads: &str, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut all: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for _ in 0..rounds {
        for engine in ["candle", "textport"] {
            let turn = Command::new(std::env::current_exe()?)
                .args(["--turn", engine, model, threads])
                .env("CANDLE_NUM_THREADS", threads)
                .env("RAYON_NUM_THREADS", threads)
                .output()?;
            let text = String::from_utf8(turn.stdout)?;
            let figures =
                text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            let figures = Figures::try_from(figures)
                .map_err(|_| format!("{engine}: {}", String::from_utf8_lossy(&turn.stderr)))?;
            all.entry(engine).or_default().push(figures);
        }
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| engine | threads | prefill {PREFILL} tok/s | decode {DECODE} tok/s | load s | n |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (engine, figures) in all {
        let cell = |index: usize| {
            let mut column: Vec<f64> = figures.iter().map(|figures| figures[index]).collect();
            column.sort_by(f64::total_cmp);
            let (low, high) = (column[0], column[column.len() - 1]);
            format!("{:.3} ({low:.3}-{high:.3})", column[column.len() / 2])
        };
        writeln!(
            out,
            "| {engine} | {threads} | {} | {} | {} | {rounds} |",
            cell(0),
            cell(1),
            cell(2)
        )?;
    }
    Ok(())
}

fn textport(model: &Path, threads: usize) -> Result<Figures, Box<dyn Error>> {
    let plan = BenchPlan {
        prefill: vec![PREFILL],
        decode: vec![DECODE],
        threads: vec![threads],
        repetitions: 1,
        ..BenchPlan::default()
    };
    let model = BenchModel::Path(model.to_owned());
    let report = bench(&model, &plan, &BuildContext::default(), &mut |_| {})?;
    let speed = |kind| report.rows.iter().find(|row| row.kind == kind);
    let speed = |kind| speed(kind).map_or(0.0, |row| row.tokens_per_s.median);
    Ok([speed(BenchKind::Prefill), speed(BenchKind::Decode), report.load_s.median])
}

/// candle's model of whatever architecture the file has.
enum Candle {
    Llama(quantized_llama::ModelWeights),
    Qwen2(quantized_qwen2::ModelWeights),
    Qwen3(quantized_qwen3::ModelWeights),
}

impl Candle {
    fn load(model: &Path) -> Result<Self, Box<dyn Error>> {
        let mut file = std::io::BufReader::new(File::open(model)?);
        let content = Content::read(&mut file)?;
        let architecture = content.metadata.get("general.architecture").ok_or("no architecture")?;
        Ok(match architecture.to_string()?.as_str() {
            "llama" => Self::Llama(quantized_llama::ModelWeights::from_gguf(
                content,
                &mut file,
                &Device::Cpu,
            )?),
            "qwen2" => Self::Qwen2(quantized_qwen2::ModelWeights::from_gguf(
                content,
                &mut file,
                &Device::Cpu,
            )?),
            _ => Self::Qwen3(quantized_qwen3::ModelWeights::from_gguf(
                content,
                &mut file,
                &Device::Cpu,
            )?),
        })
    }

    fn forward(&mut self, tokens: &[u32], position: usize) -> Result<(), Box<dyn Error>> {
        let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
        let logits = match self {
            Self::Llama(model) => model.forward(&input, position)?,
            Self::Qwen2(model) => model.forward(&input, position)?,
            Self::Qwen3(model) => {
                if position == 0 {
                    model.clear_kv_cache();
                }
                model.forward(&input, position)?
            }
        };
        std::hint::black_box(logits);
        Ok(())
    }
}

fn candle(model: &Path) -> Result<Figures, Box<dyn Error>> {
    let start = Instant::now();
    let mut model = Candle::load(model)?;
    let load = start.elapsed().as_secs_f64();
    let tokens: Vec<u32> = (0..PREFILL as u32).map(|i| i * 7919 % 30_000 + 100).collect();
    let mut speeds = [0.0; 2];
    for _warm_up_then_measured in 0..2 {
        let start = Instant::now();
        model.forward(&tokens, 0)?;
        speeds[0] = PREFILL as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for (position, token) in tokens.iter().take(DECODE).enumerate() {
            model.forward(std::slice::from_ref(token), position)?;
        }
        speeds[1] = DECODE as f64 / start.elapsed().as_secs_f64();
    }
    Ok([speeds[0], speeds[1], load])
}
