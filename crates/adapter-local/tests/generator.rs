//! The local provider from the outside: conversations, limits, concurrency, cancellation, memory.

mod open;

use std::sync::Arc;

use domain::{Capability, Event, FinishReason, GenerationOptions, Message, Request, Think};
use futures_util::StreamExt;
use futures_util::future::join_all;
use ports::{ErrorKind, TextGenerator};
use serde_json::json;
use textport_adapter_local::{LocalGenerator, render_prompt};

fn greedy(request: Request, max_tokens: u32) -> Request {
    let options = GenerationOptions {
        temperature: Some(0.0),
        max_tokens: Some(max_tokens),
        ..Default::default()
    };
    request.with_options(options)
}

#[tokio::test]
async fn the_default_model_answers_and_goes_on_with_a_conversation() {
    let generator = open::open_default().await;
    let question = Message::user("What is the opposite of hot? Answer with one word.");
    let first = greedy(Request::messages(vec![question.clone()]), 40);
    let first = generator.generate(first).await.unwrap();
    assert!(first.text.to_lowercase().contains("cold"), "{:?}", first.text);
    assert_eq!(first.finish_reason, Some(FinishReason::Stop));

    let turns = vec![
        question,
        Message::assistant(&first.text),
        Message::user("And the opposite of day? Answer with one word."),
    ];
    let request = greedy(Request::messages(turns), 40);
    let warm = generator.generate(request.clone()).await.unwrap();
    let usage = warm.usage;
    assert!(usage.cached_tokens.unwrap() > first.usage.input_tokens.unwrap() - 2, "{usage:?}");
    // The cache saves work and changes nothing.
    let cold = open::open_default().await.generate(request).await.unwrap();
    assert_eq!((warm.text, cold.usage.cached_tokens), (cold.text, Some(0)));
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused_before_any_work() {
    let generator = open::open_tiny("tiny-qwen3-f32.gguf").await;
    let long = generator.stream(Request::user("x y ".repeat(600))).await.err().unwrap();
    assert_eq!(long.kind(), ErrorKind::ContextLengthExceeded);
    assert!(long.to_string().contains("512") && long.hint().is_some(), "{long}");
    let wide = generator.stream(Request::user("x").with_max_tokens(600)).await.err().unwrap();
    assert_eq!(wide.kind(), ErrorKind::ContextLengthExceeded);
    assert!(wide.to_string().contains("600") && wide.to_string().contains("512"), "{wide}");
    assert_eq!(wide.provider().map(|id| id.as_str()), Some("local"));
    // A thousand times the context: no need to tokenize it to know.
    let huge = generator.stream(Request::raw("ab".repeat(500_000))).await.err().unwrap();
    assert_eq!(huge.kind(), ErrorKind::ContextLengthExceeded);
    assert!(huge.to_string().contains("at least"), "{huge}");
}

#[tokio::test]
async fn without_max_tokens_it_goes_on_to_the_end_of_the_context() {
    let model = open::tiny("tiny-qwen3-f32.gguf");
    let generator = open::open_with(json!({ "model": model, "context_length": 64 })).await.unwrap();
    assert_eq!(generator.capabilities().context_length, Some(64));
    let options = GenerationOptions { temperature: Some(0.0), ..Default::default() };
    let response = generator.generate(Request::raw("a port").with_options(options)).await.unwrap();
    let total = response.usage.total_tokens().unwrap();
    match response.finish_reason {
        Some(FinishReason::Length) => assert_eq!(total, 64),
        other => assert!(other == Some(FinishReason::Stop) && total < 64, "{other:?} {total}"),
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_by_name() {
    let model = open::tiny("tiny-qwen3-f32.gguf");
    for (settings, kind, word) in [
        (json!({ "device": "cuda" }), ErrorKind::ConfigInvalid, "no CUDA"),
        (json!({ "model": model, "context_length": 9999 }), ErrorKind::ConfigInvalid, "512"),
        (json!({ "treads": 2 }), ErrorKind::ConfigInvalid, "treads"),
        (json!({ "threads": "many" }), ErrorKind::ConfigInvalid, "threads"),
        (json!({ "model": "no-such-model" }), ErrorKind::ModelLoad, "no-such-model"),
        (json!({ "model": "./no/such.gguf" }), ErrorKind::ModelLoad, "such.gguf"),
    ] {
        let error = open::open_with(settings).await.err().unwrap();
        assert!(error.kind() == kind && error.to_string().contains(word), "{error:?}");
        assert_eq!(error.provider().map(|id| id.as_str()), Some("local"));
    }
}

#[tokio::test]
async fn thinking_is_declared_only_by_models_that_think() {
    let generator = open::open_tiny("tiny-qwen3-f32.gguf").await;
    let can = generator.capabilities();
    assert!(!can.has(Capability::Think) && !can.has(Capability::ThinkingBudget));
    assert!(can.has(Capability::SystemPrompt) && can.has(Capability::MultiTurn));
}

/// The same model, which thinks `WHY NOT?` and answers `jumping-frocks.`, as a file and as a folder.
const THINKING: [&str; 2] = ["tiny-thinking-q8_0.gguf", "hf/thinking"];

/// All events of a greedy answer.
#[expect(clippy::unwrap_used, reason = "a test that is refused has failed")]
async fn events(generator: &LocalGenerator, request: Request) -> Vec<Event> {
    let events = generator.stream(greedy(request, 100)).await.unwrap();
    events.map(Result::unwrap).collect().await
}

#[tokio::test]
async fn what_a_model_thinks_comes_as_reasoning_and_before_the_answer() {
    for name in THINKING {
        thinks_before_it_answers(&open::open_tiny(name).await).await;
    }
}

async fn thinks_before_it_answers(generator: &LocalGenerator) {
    let can = generator.capabilities();
    assert!(can.has(Capability::Think) && can.has(Capability::ThinkingBudget));
    let events = events(generator, Request::user("hello")).await;
    let (mut reasoning, mut text) = (String::new(), String::new());
    for event in &events {
        match event {
            Event::Reasoning(delta) => {
                assert!(text.is_empty(), "it thought after it had begun to answer: {events:?}");
                reasoning.push_str(delta);
            }
            Event::Text(delta) => text.push_str(delta),
            _ => {}
        }
    }
    assert_eq!((reasoning.as_str(), text.as_str()), ("WHY NOT?", "jumping-frocks."));
    let deltas = events.iter().filter(|event| matches!(event, Event::Reasoning(_))).count();
    assert!(deltas > 3, "reasoning is streamed: {events:?}");
}

#[tokio::test]
async fn thinking_is_switched_off_cut_short_and_gone_on_with() {
    for name in THINKING {
        obeys_what_is_said_of_thinking(&open::open_tiny(name).await).await;
    }
}

#[expect(clippy::unwrap_used, reason = "a test that is refused has failed")]
async fn obeys_what_is_said_of_thinking(generator: &LocalGenerator) {
    let with = |think, thinking_budget| GenerationOptions {
        think,
        thinking_budget,
        temperature: Some(0.0),
        ..Default::default()
    };
    for (options, reasoning, tokens) in [
        (with(Some(Think::Off), None), "", Some(0)),
        (with(Some(Think::On), None), "WHY NOT?", Some(10)),
        (with(None, Some(2)), "W", Some(4)),
    ] {
        let asked = format!("{options:?}");
        let answer =
            generator.generate(Request::user("hello").with_options(options)).await.unwrap();
        assert_eq!(answer.reasoning, reasoning, "{asked}");
        assert_eq!(answer.usage.reasoning_tokens, tokens, "{asked}");
        assert_eq!(answer.text, "jumping-frocks.", "{asked}");
        assert_eq!(answer.finish_reason, Some(FinishReason::Stop), "{asked}");
    }
    // A prompt that ends inside the reasoning: what follows is reasoning, though no mark opens it.
    let answer = generator.generate(greedy(Request::raw("x<think>"), 100)).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("WHY NOT?", "jumping-frocks."));
    // Stop sequences are looked for in the answer only.
    let mut request = greedy(Request::user("hello"), 100);
    request.options.stop = vec!["NOT".into(), "frocks".into()];
    let answer = generator.generate(request).await.unwrap();
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("WHY NOT?", "jumping-"));
}

#[tokio::test]
async fn a_prompt_is_shown_without_loading_the_weights() {
    let path = open::tiny("tiny-qwen3-f32.gguf");
    let request = Request::user("a <|im_end|> b");
    let shown = render_prompt(&path, &request).unwrap();
    assert_eq!(shown.text, "<|im_start|>user\na <|im_end|> b<|im_end|>\n<|im_start|>assistant\n");
    let generator = open::open_tiny("tiny-qwen3-f32.gguf").await;
    assert_eq!(generator.render(&request).unwrap(), shown);
    let response = generator.generate(greedy(request, 1)).await.unwrap();
    assert_eq!(response.usage.input_tokens, Some(shown.tokens.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_streams_at_once_are_as_if_alone() {
    let generator = open::open_tiny("tiny-llama-f32.gguf").await;
    let request = |n: usize| greedy(Request::user(format!("{n} ships")), 100);
    let mut alone = Vec::new();
    for n in 0..16 {
        alone.push(generator.generate(request(n)).await.unwrap().text);
    }
    let together = join_all((0..16).map(|n| generator.generate(request(n)))).await;
    let together: Vec<String> = together.into_iter().map(|r| r.unwrap().text).collect();
    assert_eq!(together, alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_gives_its_place_to_the_next() {
    let generator = Arc::new(open::open_default().await);
    let mut long = generator.stream(Request::user("Tell me a very long story.")).await.unwrap();
    while let Some(event) = long.next().await {
        if event.unwrap().is_content() {
            break;
        }
    }
    drop(long);
    let mut next = generator.stream(greedy(Request::user("Hi"), 2)).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = next.next().await {
        seen.push(event.unwrap());
    }
    assert!(matches!(seen.last(), Some(Event::Finish(_))), "{seen:?}");
    while generator.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}
