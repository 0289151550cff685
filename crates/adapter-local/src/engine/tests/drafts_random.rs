//! Whatever is asked of a model: with drafts of any length it says the same, event for event.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::bench::{Bench, Reader};
use super::drafts::{DRAFTED, events, kept};
use super::*;
use crate::checkpoint::Checkpoint;
use crate::decoder::{LoadOptions, load};

type Model = (Checkpoint, Arc<Prompter>);

/// One of random numbers, whose answers have no order, and one that thinks, whose answers repeat.
static MODELS: LazyLock<[Model; 2]> = LazyLock::new(|| {
    ["tiny-qwen3-q8_0.gguf", "tiny-thinking-q8_0.gguf"].map(|name| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let checkpoint = Checkpoint::open(&folder.join(name)).unwrap();
        let prompter = Arc::new(checkpoint.prompter().unwrap());
        (checkpoint, prompter)
    })
});

fn model(which: usize, at_once: usize) -> Bench {
    let (checkpoint, prompter) = &MODELS[which];
    let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    Bench::with(load(checkpoint, &options).unwrap(), Arc::clone(prompter), at_once)
}

fn sampler() -> impl Strategy<Value = SamplerSettings> {
    let temperature = prop_oneof![Just(0.0f32), 0.1f32..0.5, 0.5f32..2.0];
    let none = Just((1.0f32, 0.0f32, 0.0f32));
    let penalties = prop_oneof![3 => none, 1 => (0.8f32..1.4, -0.5f32..1.0, 0.0f32..0.3)];
    let filters = (prop_oneof![Just(0usize), 1usize..50], 0.3f32..=1.0, 0.0f32..0.2);
    let all = (temperature, penalties, filters, any::<u64>());
    all.prop_map(|(temperature, penalties, filters, seed)| SamplerSettings {
        temperature,
        top_k: filters.0,
        top_p: filters.1,
        min_p: filters.2,
        repeat_penalty: penalties.0,
        presence_penalty: penalties.1,
        frequency_penalty: penalties.2,
        seed: Some(seed),
    })
}

/// What the second one thinks and says.
fn answer() -> impl Iterator<Item = u32> {
    "WHY NOT? jumping-frocks.".bytes().map(u32::from)
}

/// A text that repeats itself more or less.
fn text() -> impl Strategy<Value = Vec<u32>> {
    let words = prop::collection::vec((3u32..256, 1usize..6), 1..30);
    let again = prop::collection::vec(0usize..30, 0..40);
    (any::<bool>(), words, again).prop_map(|(foretold, words, again)| {
        let word = |at: usize| {
            let (id, len) = words[at % words.len()];
            (0..len as u32).map(move |n| 3 + (id + n * 7) % 250)
        };
        let foretold = answer().filter(|_| foretold);
        foretold.chain((0..words.len()).chain(again).flat_map(word)).collect()
    })
}

/// What is asked of a model.
fn asked(which: usize) -> impl Strategy<Value = Task> {
    let stop = prop::collection::vec("[a-e ]{1,2}", 0..2);
    let more = (prop::option::of(0u32..3), stop, any::<bool>(), prop::option::of(0u32..40));
    let all = (text(), 1usize..120, sampler(), more);
    all.prop_map(move |(ids, answer, sampler, (logprobs, stop, thinking, budget))| {
        let end = MODELS[which].1.end_of_thinking().unwrap();
        Task {
            limit: (ids.len() + answer).min(512),
            ids,
            thinking,
            sampler,
            stop,
            logprobs,
            thinking_budget: budget.map(|budget| (budget, end)),
            ..task("", 0)
        }
    })
}

fn copy(task: &Task, speculation: Speculation) -> Task {
    Task {
        ids: task.ids.clone(),
        thinking: task.thinking,
        limit: task.limit,
        sampler: task.sampler.clone(),
        stop: task.stop.clone(),
        logprobs: task.logprobs,
        thinking_budget: task.thinking_budget.clone(),
        speculation,
        submitted: Instant::now(),
    }
}

fn model_and_task() -> impl Strategy<Value = (usize, Task)> {
    (0usize..2).prop_flat_map(|which| (Just(which), asked(which)))
}

fn several() -> impl Strategy<Value = (usize, Vec<(Task, usize)>)> {
    let all = |which| prop::collection::vec((asked(which), 0usize..=8), 2..5);
    (0usize..2).prop_flat_map(move |which| (Just(which), all(which)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_the_same_for_every_length_of_drafts(
        (which, asked) in model_and_task(), lengths in prop::collection::vec(1usize..=32, 2),
    ) {
        let mut plain = model(which, 1);
        let expected = events(&mut plain, copy(&asked, Speculation::Off));
        let drafts = lengths.into_iter().map(Speculation::Most);
        for speculation in drafts.chain([Speculation::Auto]) {
            let mut bench = model(which, 1);
            let found = events(&mut bench, copy(&asked, speculation));
            prop_assert_eq!(&found, &expected, "{:?}", speculation);
            prop_assert_eq!(kept(&bench), kept(&plain));
        }
    }

    #[test]
    fn beside_others_it_is_the_same_too((which, all) in several()) {
        let alone = |(task, _): &(Task, usize)| {
            let mut bench = model(which, 1);
            let mut reader = bench.submit_task(copy(task, Speculation::Off));
            bench.finish(&mut [&mut reader]);
            reader
        };
        let mut bench = model(which, 4);
        let submit = |(task, length): &(Task, usize)| {
            let speculation = match length {
                0 => Speculation::Off,
                8 => Speculation::Auto,
                length => Speculation::Most(*length),
            };
            bench.submit_task(copy(task, speculation))
        };
        let mut readers: Vec<Reader> = all.iter().map(submit).collect();
        bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
        for (found, expected) in readers.iter().zip(all.iter().map(alone)) {
            prop_assert_eq!(found.text(), expected.text());
            prop_assert_eq!(&found.response.tokens, &expected.response.tokens);
            prop_assert_eq!(&found.response.finish_reason, &expected.response.finish_reason);
        }
    }
}

/// The tests above compare something: drafts come true, and others do not.
#[test]
fn tiny_models_take_drafts_and_refuse_them() {
    for which in 0..2 {
        let mut bench = model(which, 1);
        let ids: Vec<u32> = answer().chain((0..90).map(|n| 40 + n % 9)).collect();
        let lively = SamplerSettings { temperature: 0.3, seed: Some(5), ..Default::default() };
        let task = Task { limit: 400, ids, sampler: lively, speculation: DRAFTED, ..task("", 0) };
        let said = events(&mut bench, task);
        let (drafted, accepted) = bench.engine.draft_count().so_far();
        assert!(accepted > 5 && drafted > accepted, "{accepted} of {drafted}: {said:?}");
    }
}
