//! Memory stays where it is over many requests. Alone in its process: it looks at all of its memory.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what is missing ends the test")]

mod open;

use domain::{GenerationOptions, Request};
use futures_util::StreamExt;
use ports::TextGenerator;
use textport_adapter_local::LocalGenerator;

/// Resident memory in kilobytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn request(n: usize) -> Request {
    let options = GenerationOptions {
        max_tokens: Some(4),
        repeat_penalty: Some(1.1),
        logprobs: Some(3),
        seed: Some(n as u64),
        ..Default::default()
    };
    Request::user(format!("ship {n}")).with_options(options)
}

/// One after the other, then many at once, then some that are dropped.
async fn ask(generator: &LocalGenerator, rounds: std::ops::Range<usize>) {
    for round in rounds {
        for n in 0..20 {
            generator.generate(request(round * 100 + n)).await.unwrap();
        }
        let together = (20..90).map(|n| request(round * 100 + n)).collect();
        for answer in generator.generate_batch(together).await {
            answer.unwrap();
        }
        for n in 90..100 {
            let mut stream = generator.stream(request(round * 100 + n)).await.unwrap();
            stream.next().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn memory_stays_over_two_thousand_requests() {
    let generator = open::open_tiny("tiny-qwen3-q8_0.gguf").await;
    ask(&generator, 0..4).await;
    let before = resident().unwrap();
    ask(&generator, 4..24).await;
    let grown = resident().unwrap().saturating_sub(before);
    // Four kilobytes kept per request would show as 8000.
    assert!(grown < 6_000, "{grown} KB more after 2000 requests");
}
