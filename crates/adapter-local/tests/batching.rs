//! Many requests at once through the provider: the tokens of each are those it would get alone.

#![expect(clippy::unwrap_used, reason = "what is missing ends the test")]

mod open;

use domain::{Event, GenerationOptions, Request, Response};
use futures_util::StreamExt;
use futures_util::future::join_all;
use ports::{ErrorKind, TextGenerator};
use serde_json::json;
use textport_adapter_local::LocalGenerator;

const SYSTEM: &str = "You know every port, every ship and every light. ";

/// Greedy, of different lengths, some with a common beginning.
fn request(n: usize) -> Request {
    let content = if n.is_multiple_of(2) {
        format!("{}{n} ships", SYSTEM.repeat(4))
    } else {
        format!("{n} {}", "lights ".repeat(n))
    };
    Request::user(content).with_options(GenerationOptions {
        temperature: Some(0.0),
        max_tokens: Some(10 + n as u32 * 3),
        logprobs: Some(0),
        ..Default::default()
    })
}

fn ids(response: &Response) -> Vec<u32> {
    response.tokens.iter().map(|token| token.id).collect()
}

async fn tiny(settings: serde_json::Value) -> LocalGenerator {
    let mut all = json!({ "model": open::tiny("tiny-llama-f32.gguf"), "threads": 1 });
    let all_settings = all.as_object_mut().unwrap();
    all_settings.extend(settings.as_object().unwrap().clone());
    open::open_with(all).await.unwrap()
}

/// What single calls give, one after the other.
async fn one_by_one(count: usize) -> Vec<Vec<u32>> {
    answers_of(tiny(json!({ "max_batch": 1 })).await, count).await
}

async fn answers_of(generator: LocalGenerator, count: usize) -> Vec<Vec<u32>> {
    let mut alone = Vec::new();
    for n in 0..count {
        alone.push(ids(&generator.generate(request(n)).await.unwrap()));
    }
    alone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_what_single_calls_give() {
    let alone = one_by_one(24).await;
    let generator = tiny(json!({})).await;
    assert_eq!(generator.capabilities().concurrency, Some(16));
    let mut requests: Vec<_> = (0..24).map(request).collect();
    // One that cannot be answered does not lose the others.
    requests.insert(7, Request::messages(vec![]));
    let mut answers = generator.generate_batch(requests).await;
    assert_eq!(answers.remove(7).unwrap_err().kind(), ErrorKind::InvalidRequest);
    let answers: Vec<_> = answers.iter().map(|answer| ids(answer.as_ref().unwrap())).collect();
    assert_eq!(answers, alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_come_and_go_give_what_single_calls_give() {
    let alone = one_by_one(24).await;
    for settings in [json!({ "max_batch": 3 }), json!({ "kv_cache_mib": 1 }), json!({})] {
        let generator = tiny(settings).await;
        let answers = join_all((0..24).map(async |n| {
            let mut events = generator.stream(request(n)).await.unwrap();
            let mut response = Response::default();
            while let Some(event) = events.next().await {
                response.absorb(event.unwrap());
                // Every fifth gives up.
                if n % 5 == 4 && response.tokens.len() > n {
                    return None;
                }
            }
            Some(ids(&response))
        }));
        for (n, (answer, alone)) in answers.await.into_iter().zip(&alone).enumerate() {
            assert!(answer.is_none_or(|answer| answer == *alone), "request {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_values_in_eight_bits_change_nothing_about_that() {
    let kept = |most: usize| json!({ "kv_cache": "q8_0", "kv_cache_mib": 1, "max_batch": most });
    let alone = answers_of(tiny(kept(1)).await, 24).await;
    let answers = tiny(kept(8)).await.generate_batch((0..24).map(request).collect()).await;
    let answers: Vec<_> = answers.iter().map(|answer| ids(answer.as_ref().unwrap())).collect();
    assert_eq!(answers, alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeded_requests_repeat_whatever_runs_beside_them() {
    let seeded = |n: usize| {
        let options = GenerationOptions {
            temperature: Some(1.3),
            seed: Some(n as u64),
            max_tokens: Some(30),
            repeat_penalty: Some(1.1),
            ..Default::default()
        };
        Request::user(format!("{SYSTEM}{}", n % 3)).with_options(options)
    };
    let generator = tiny(json!({})).await;
    let mut alone = Vec::new();
    for n in 0..12 {
        alone.push(generator.generate(seeded(n)).await.unwrap().text);
    }
    let together = generator.generate_batch((0..12).map(seeded).collect()).await;
    let together: Vec<_> = together.into_iter().map(|answer| answer.unwrap().text).collect();
    assert_eq!(together, alone);
}

#[tokio::test]
async fn a_common_beginning_is_computed_once_and_said_so() {
    let generator = tiny(json!({})).await;
    let answers = generator.generate_batch((0..8).map(|n| request(n * 2)).collect()).await;
    let usage: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().usage).collect();
    assert_eq!(usage[0].cached_tokens, Some(0));
    for usage in &usage[1..] {
        let (cached, input) = (usage.cached_tokens.unwrap(), usage.input_tokens.unwrap());
        assert!(cached > 50 && cached < input, "{usage:?}");
    }
}

#[tokio::test]
async fn the_memory_for_keys_and_values_is_a_setting() {
    let small = json!({ "model": open::tiny("tiny-llama-f32.gguf"), "kv_cache_mib": 0 });
    let error = open::open_with(small).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("kv_cache_mib"), "{error}");
    let odd = json!({ "model": open::tiny("tiny-llama-f32.gguf"), "kv_cache": "q4_0" });
    let error = open::open_with(odd).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(error.hint(), Some("kv_cache can be f16, q8_0, f32"));
    let graphs =
        json!({ "model": open::tiny("tiny-llama-f32.gguf"), "device": "cpu", "cuda_graphs": true });
    let error = open::open_with(graphs).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("cuda_graphs is on, but the processor computes"), "{error}");
    let sixteen = tiny(json!({ "max_batch": 5, "kv_cache_mib": 16 })).await;
    assert_eq!(sixteen.capabilities().concurrency, Some(5));
    assert_eq!(sixteen.capabilities().context_length, Some(512));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_model_answers_sixteen_at_once_as_if_alone() {
    let generator = open::open_default().await;
    let ask = |n: usize| {
        let options = GenerationOptions {
            temperature: Some(0.0),
            max_tokens: Some(24),
            ..Default::default()
        };
        Request::user(format!("What comes after the number {n}?")).with_options(options)
    };
    let mut alone = Vec::new();
    for n in [0, 7, 15] {
        alone.push(generator.generate(ask(n)).await.unwrap().text);
    }
    let generator = open::open_default().await;
    let together = generator.generate_batch((0..16).map(ask).collect()).await;
    let together: Vec<_> = together.into_iter().map(|answer| answer.unwrap().text).collect();
    assert_eq!([&together[0], &together[7], &together[15]], [&alone[0], &alone[1], &alone[2]]);
}

/// Reads nothing of a stream until the others are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_lags_stops_nobody() {
    let generator = tiny(json!({})).await;
    let alone = one_by_one(24).await;
    let mut slow = generator.stream(request(23)).await.unwrap();
    let others = generator.generate_batch((0..4).map(request).collect()).await;
    for (other, alone) in others.iter().zip(&alone) {
        assert_eq!(&ids(other.as_ref().unwrap()), alone);
    }
    let mut response = Response::default();
    while let Some(event) = slow.next().await {
        response.absorb(event.unwrap());
    }
    assert_eq!(ids(&response), alone[23]);
    assert!(!matches!(slow.next().await, Some(Ok(Event::Text(_)))));
}
