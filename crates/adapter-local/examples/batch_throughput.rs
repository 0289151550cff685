//! How many tokens a second many requests get together.
//!
//! ```text
//! cargo run --release -p textport-adapter-local --example batch_throughput -- MODEL.gguf [TOKENS [ROUNDS [N,N,…]]]
//! ```
//!
//! Every request has a prompt of its own and generates TOKENS tokens (64 unless given) greedily,
//! or fewer where the model ends. Prompts count in the time, not in the tokens; the model stays
//! loaded, and no prompt is asked twice. ROUNDS (3 unless given) measure each number N of requests
//! at once (1, 2, 4, 8 and 16 unless given), taking turns; the table has the medians.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use domain::{GenerationOptions, ProviderId, Request};
use ports::{BuildContext, ProviderSpec, TextGenerator};
use serde_json::json;
use textport_adapter_local::{Catalogue, LocalFactory, LocalGenerator, ModelStore};

const AT_ONCE: &str = "1,2,4,8,16";

/// Tokens per second together, and the slowest first token in seconds.
type Figures = [f64; 2];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (model, more) = match words.as_slice() {
        [model, more @ ..] if more.len() <= 3 => (model, more),
        _ => return Err("usage: batch_throughput MODEL.gguf [TOKENS [ROUNDS [N,N,…]]]".into()),
    };
    let word = |index: usize, usual| more.get(index).copied().unwrap_or(usual);
    let (tokens, rounds) = (word(0, "64").parse()?, word(1, "3").parse()?);
    let at_once: Vec<usize> =
        word(2, AT_ONCE).split(',').map(str::parse).collect::<Result<_, _>>()?;
    let generator = open(model).await?;
    let mut numbers = 0..;
    // The first steps read the weights from the disk.
    round(&generator, 1, tokens, &mut numbers).await?;
    let mut all: Vec<(usize, Vec<Figures>)> = at_once.iter().map(|n| (*n, vec![])).collect();
    for _ in 0..rounds {
        for (at_once, figures) in &mut all {
            figures.push(round(&generator, *at_once, tokens, &mut numbers).await?);
        }
    }
    print(&all)
}

async fn open(model: &str) -> Result<LocalGenerator, Box<dyn Error>> {
    // A path needs neither the catalogue nor the store.
    let catalogue = Catalogue::with_entries(&Default::default())?;
    let factory = LocalFactory::new(catalogue, ModelStore::new(Path::new("target")));
    let settings = json!({ "model": std::path::absolute(model)? });
    let settings = settings.as_object().cloned().unwrap_or_default();
    let spec = ProviderSpec { id: ProviderId::new("local")?, settings };
    Ok(factory.open(spec, &BuildContext::default()).await?)
}

async fn round(
    generator: &LocalGenerator,
    at_once: usize,
    tokens: u32,
    numbers: &mut impl Iterator<Item = u32>,
) -> Result<Figures, Box<dyn Error>> {
    let ask = |n: u32| {
        let options = GenerationOptions {
            temperature: Some(0.0),
            max_tokens: Some(tokens),
            ..GenerationOptions::default()
        };
        let prompt = format!("{n} reasons why a ship that leaves port number {n} comes back:");
        Request::raw(prompt).with_options(options)
    };
    let requests = numbers.take(at_once).map(ask).collect();
    let start = Instant::now();
    let answers = generator.generate_batch(requests).await;
    let seconds = start.elapsed().as_secs_f64();
    let mut generated = 0;
    let mut slowest: f64 = 0.0;
    for answer in answers {
        let answer = answer?;
        generated += answer.usage.output_tokens.unwrap_or(0);
        slowest = slowest.max(answer.timings.first_token.unwrap_or_default().as_secs_f64());
    }
    Ok([generated as f64 / seconds, slowest])
}

fn print(all: &[(usize, Vec<Figures>)]) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| requests at once | tokens/s together | beside the first row | slowest first token s |"
    )?;
    writeln!(out, "|---|---|---|---|")?;
    let median = |figures: &[Figures], column: usize| {
        let mut values: Vec<f64> = figures.iter().map(|figures| figures[column]).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    let beside = all.first().map_or(f64::NAN, |(_, figures)| median(figures, 0).0);
    for (at_once, figures) in all {
        let (speed, low, high) = median(figures, 0);
        let first = median(figures, 1).0;
        let gain = speed / beside;
        writeln!(
            out,
            "| {at_once} | {speed:.1} ({low:.1}-{high:.1}) | {gain:.2} x | {first:.2} |"
        )?;
    }
    Ok(())
}
