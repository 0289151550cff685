//! Memory stays where it is over many requests. Alone in its process: it looks at all of its memory.
#![cfg(target_os = "linux")]

mod open;

use domain::{GenerationOptions, Request};
use ports::TextGenerator;

/// Resident memory in kilobytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn memory_stays_over_two_thousand_requests() {
    let generator = open::open_tiny("tiny-qwen3-q8_0.gguf").await;
    let ask = |n: usize| {
        let options = GenerationOptions {
            max_tokens: Some(4),
            repeat_penalty: Some(1.1),
            logprobs: Some(3),
            seed: Some(n as u64),
            ..Default::default()
        };
        generator.generate(Request::user(format!("ship {n}")).with_options(options))
    };
    for n in 0..200 {
        ask(n).await.unwrap();
    }
    let before = resident().unwrap();
    for n in 0..2000 {
        ask(n).await.unwrap();
    }
    let grown = resident().unwrap().saturating_sub(before);
    // Four kilobytes kept per request would show as 8000.
    assert!(grown < 6_000, "{grown} KB more after 2000 requests");
}
