//! The contract of the port, kept by the local provider with models tiny and real.

mod open;

use std::sync::Arc;
use std::time::Duration;

use ports::TextGenerator;
use testkit::conformance::{self, Fixture};
use textport_adapter_local::LocalGenerator;

fn fixture(generator: LocalGenerator) -> Fixture {
    let generator = Arc::new(generator);
    let inside = Arc::clone(&generator);
    Fixture::new(generator as Arc<dyn TextGenerator>)
        .with_running(move || inside.in_flight())
        .with_seeds_that_vary()
        .with_case_limit(Duration::from_secs(180))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tiny_model_keeps_the_contract() {
    for name in ["tiny-llama-f32.gguf", "tiny-qwen3-q8_0.gguf"] {
        let generator = open::open_tiny(name).await;
        let fixture = fixture(generator).with_exception(
            "text.characters_are_whole",
            "a random model generates bytes that are no characters; they show as U+FFFD",
        );
        conformance::run(&fixture).await.assert_passed();
    }
}

/// Its answers are certain, whatever the seed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_thinks_keeps_the_contract() {
    let generator = Arc::new(open::open_tiny("tiny-thinking-q8_0.gguf").await);
    let inside = Arc::clone(&generator);
    let fixture = Fixture::new(generator as Arc<dyn TextGenerator>)
        .with_running(move || inside.in_flight())
        .with_reasoning_prompt("Think about it.");
    conformance::run(&fixture).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_model_keeps_the_contract() {
    let generator = open::open_default().await;
    conformance::run(&fixture(generator)).await.assert_passed();
}
