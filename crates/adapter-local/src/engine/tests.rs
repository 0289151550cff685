//! The engine with a decoder that computes next to nothing.

mod batching;
mod bench;
mod drafts;
mod drafts_random;
mod fake;
mod memory;
mod random;

use std::sync::mpsc::channel;
use std::time::Instant;

use domain::{FinishReason, ProviderId, Response};
use futures_util::{FutureExt, StreamExt};

use self::fake::{Fake, Watch};
use super::*;
use crate::sampler::SamplerSettings;
use crate::test_model::TestModel;

const THINK: u32 = 258;

fn signature() -> Signature {
    Signature { provider: ProviderId::new("local").unwrap(), model: None }
}

fn engine_of(fake: Fake, at_once: usize) -> Engine {
    let prompter = TestModel::thinking().prompter();
    let limits = Limits { at_once, threads: 1 };
    Engine::start(Box::new(fake), prompter, signature(), limits).unwrap()
}

fn engine(fake: Fake) -> Engine {
    engine_of(fake, 16)
}

fn task(prompt: &str, answer: usize) -> Task {
    let ids: Vec<u32> = prompt.bytes().map(u32::from).collect();
    Task {
        limit: ids.len() + answer,
        ids,
        thinking: false,
        sampler: SamplerSettings { temperature: 0.0, ..Default::default() },
        stop: Vec::new(),
        logprobs: None,
        thinking_budget: None,
        speculation: Speculation::Off,
        submitted: Instant::now(),
    }
}

async fn fold(mut events: EventStream) -> Result<Response, Error> {
    let mut response = Response::default();
    while let Some(event) = events.next().await {
        response.absorb(event?);
    }
    Ok(response)
}

async fn text(engine: &Engine, prompt: &str, answer: usize) -> String {
    fold(engine.submit(task(prompt, answer)).unwrap()).await.unwrap().text
}

#[tokio::test]
async fn a_warm_cache_changes_nothing_but_the_work() {
    let watch = Watch::default();
    let warm = engine(Fake { watch: watch.clone(), ..Fake::default() });
    text(&warm, "one two three", 10).await;
    let before = watch.computed();
    let again = fold(warm.submit(task("one two four", 10)).unwrap()).await.unwrap();
    let cold = text(&engine(Fake::default()), "one two four", 10).await;
    assert_eq!(again.text, cold);
    assert_eq!(again.usage.cached_tokens, Some(8));
    // "four", and nine of the ten tokens: the last one needs no successor.
    assert_eq!(watch.computed() - before, 4 + 9);
    // The same prompt again: all but its last token is there.
    let same = fold(warm.submit(task("one two four", 10)).unwrap()).await.unwrap();
    assert_eq!((same.text, same.usage.cached_tokens), (cold, Some(11)));
}

#[tokio::test]
async fn counts_and_reasons_are_exact() {
    let response = fold(engine(Fake::default()).submit(task("ab", 5)).unwrap()).await.unwrap();
    assert_eq!(response.finish_reason, Some(FinishReason::Length));
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (Some(2), Some(5)));
    assert_eq!(response.text.len(), 5);
    let timings = response.timings;
    let all = [timings.queue, timings.prefill, timings.first_token, timings.decode, timings.total];
    assert!(all.iter().all(Option::is_some), "{timings:?}");
}

#[tokio::test]
async fn a_stop_sequence_ends_the_answer() {
    let engine = engine(Fake::default());
    let whole = text(&engine, "ab", 30).await;
    let stop = whole[10..13].to_owned();
    let at = whole.find(&stop).unwrap();
    let stopped = Task { stop: vec![stop], ..task("ab", 30) };
    let response = fold(engine.submit(stopped).unwrap()).await.unwrap();
    assert_eq!(response.text, whole[..at]);
    assert_eq!(response.finish_reason, Some(FinishReason::Stop));
}

#[tokio::test]
async fn an_end_token_is_neither_text_nor_counted() {
    let fake = Fake { opening: vec![104, 105, 257], ..Fake::default() };
    let response = fold(engine(fake).submit(task("\u{2}", 30)).unwrap()).await.unwrap();
    assert_eq!(response.text, "hi");
    assert_eq!(response.usage.output_tokens, Some(2));
    assert_eq!(response.finish_reason, Some(FinishReason::Stop));
}

#[tokio::test]
async fn reasoning_is_parted_counted_and_cut_at_its_budget() {
    let thinks = || Fake { opening: vec![THINK], ..Fake::default() };
    let unlimited = fold(engine(thinks()).submit(task("\u{2}", 40)).unwrap()).await.unwrap();
    assert_eq!((unlimited.text.as_str(), unlimited.reasoning.len()), ("", 39));
    assert_eq!(unlimited.usage.reasoning_tokens, Some(40));
    let end = TestModel::thinking().prompter().end_of_thinking().unwrap();
    let budget = Task { thinking_budget: Some((6, end)), ..task("\u{2}", 40) };
    let cut = fold(engine(thinks()).submit(budget).unwrap()).await.unwrap();
    assert_eq!(cut.reasoning.len(), 5, "{cut:?}");
    // The mark, five tokens, a line break and the closing mark.
    assert_eq!(cut.usage.reasoning_tokens, Some(8));
    assert_eq!(cut.usage.output_tokens, Some(40));
    assert_eq!(cut.text.len(), 40 - 8 - 2);
}

#[tokio::test]
async fn log_probabilities_come_with_every_token() {
    let asked = Task { logprobs: Some(2), ..task("ab", 4) };
    let response = fold(engine(Fake::default()).submit(asked).unwrap()).await.unwrap();
    let joined: String = response.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(joined, response.text);
    let expected = 10.0 - (10f64.exp() + 259.0).ln();
    for token in &response.tokens {
        assert!((f64::from(token.logprob) - expected).abs() < 1e-5);
        assert_eq!((token.top.len(), token.top[0].id), (2, token.id));
    }
}

#[tokio::test]
async fn those_who_wait_learn_their_position() {
    let (open, gate) = channel();
    let engine = engine_of(Fake { gate: Some(gate), ..Fake::default() }, 1);
    let mut streams: Vec<_> = (0..3).map(|_| engine.submit(task("ab", 3)).unwrap()).collect();
    let queued = |position| Event::Queued { position: Some(position), eta: None };
    assert_eq!(streams[1].next().await.unwrap().unwrap(), queued(1));
    assert_eq!(streams[2].next().await.unwrap().unwrap(), queued(2));
    assert!(matches!(streams[0].next().await, Some(Ok(Event::Started { .. }))));
    drop(open);
    let last = streams.pop().unwrap();
    assert_eq!(
        streams[1].next().await.unwrap().unwrap(),
        Event::Started { provider: ProviderId::new("local").unwrap(), model: None }
    );
    let (events, _) = tokio::join!(last.collect::<Vec<_>>(), fold(streams.pop().unwrap()));
    assert_eq!(events.first().unwrap().as_ref().unwrap(), &queued(1));
}

#[tokio::test]
async fn nobody_is_told_to_wait_while_there_is_room() {
    let engine = engine_of(Fake::default(), 4);
    let streams: Vec<_> = (0..4).map(|_| engine.submit(task("ab", 3)).unwrap()).collect();
    for stream in streams {
        let events: Vec<_> = stream.collect().await;
        assert!(matches!(events.first(), Some(Ok(Event::Started { .. }))), "{events:?}");
    }
}

#[tokio::test]
async fn dropping_a_stream_during_prefill_stops_before_the_next_chunk() {
    let (open, gate) = channel();
    let watch = Watch::default();
    let engine = engine(Fake { gate: Some(gate), watch: watch.clone(), ..Fake::default() });
    let mut long = engine.submit(task(&"x".repeat(3000), 5)).unwrap();
    assert!(matches!(long.next().await, Some(Ok(Event::Started { .. }))));
    drop(long);
    drop(open);
    assert_eq!(text(&engine, "ab", 3).await.len(), 3);
    assert!(watch.computed() <= 256 + 2 + 2, "{watch:?}");
}

#[tokio::test]
async fn dropping_a_queued_stream_frees_its_place() {
    let (open, gate) = channel();
    let engine = engine_of(Fake { gate: Some(gate), ..Fake::default() }, 1);
    let running = engine.submit(task("ab", 3)).unwrap();
    let mut waiting = engine.submit(task("cd", 3)).unwrap();
    assert!(waiting.next().now_or_never().is_some());
    drop(waiting);
    let last = engine.submit(task("ef", 3)).unwrap();
    drop(open);
    let (first, last) = tokio::join!(fold(running), fold(last));
    assert_eq!((first.unwrap().text.len(), last.unwrap().text.len()), (3, 3));
    while engine.taken() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_for_all_and_not_a_hang() {
    let (open, gate) = channel();
    let engine = engine(Fake { gate: Some(gate), panics_at: Some(3), ..Fake::default() });
    let running = engine.submit(task("ab", 5)).unwrap();
    let waiting = engine.submit(task("cd", 5)).unwrap();
    drop(open);
    let (running, waiting) = tokio::join!(fold(running), fold(waiting));
    assert_eq!(running.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(waiting.unwrap_err().kind(), ErrorKind::Internal);
    let later = engine.submit(task("ef", 5)).err().map(|error| error.kind());
    assert_eq!(later, Some(ErrorKind::Internal));
    assert!(!engine.is_alive());
}

#[test]
fn dropping_the_engine_ends_its_thread() {
    let (alive, ended) = channel();
    drop(engine(Fake { _alive: Some(alive), ..Fake::default() }));
    // Waits until the decoder, and so the thread, is gone.
    assert!(ended.recv().is_err());
}

#[tokio::test]
async fn streams_outlive_the_engine() {
    let engine = engine(Fake::default());
    let stream = engine.submit(task("ab", 200)).unwrap();
    drop(engine);
    assert_eq!(fold(stream).await.unwrap().text.len(), 200);
}
