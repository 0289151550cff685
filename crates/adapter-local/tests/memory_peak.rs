//! What running a model takes in memory. Alone in its process: it looks at all of its memory.
#![cfg(target_os = "linux")]

mod open;

use domain::{GenerationOptions, Request};
use ports::TextGenerator;
use textport_adapter_local::{Catalogue, DEFAULT_MODEL, inspect};

/// The most memory that this process ever had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[tokio::test]
async fn the_default_model_takes_its_file_its_cache_and_less_than_100_mb_more() {
    let generator = open::open_default().await;
    let catalogue = Catalogue::with_entries(&Default::default()).unwrap();
    let located = open::store().locate(&catalogue, DEFAULT_MODEL).unwrap();
    let about = inspect(&located.path).unwrap();
    let options = GenerationOptions { max_tokens: Some(8), ..Default::default() };
    let prompt = Request::user("Every ship finds its port. ".repeat(200)).with_options(options);
    let tokens = generator.generate(prompt).await.unwrap().usage.total_tokens().unwrap();
    assert!(tokens > 1000, "{tokens}");
    let cache = about.memory.unwrap().kv_per_1000_tokens * tokens / 1000;
    let more = peak().unwrap().saturating_sub(about.file_bytes + cache);
    assert!(more < 100_000_000, "{more} bytes more than the file and {cache} of KV cache");
}
