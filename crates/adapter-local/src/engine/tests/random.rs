//! Whatever comes, goes, lags or gives way: everyone gets the tokens that it would get alone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use proptest::prelude::*;

use super::bench::{Bench, Reader};
use super::*;
use crate::checkpoint::Checkpoint;
use crate::decoder::{KvPrecision, LoadOptions, PAGE, bytes_per_position, load};

/// Longest answer. With two events for a token, readers can lag.
const LONGEST: usize = 48;

#[derive(Debug, Clone)]
enum Action {
    Submit {
        conversation: usize,
        prompt: usize,
        answer: usize,
    },
    /// One of those who read stops and goes away.
    Leave(usize),
    /// One of those who read reads what is there.
    Read(usize),
    Turns(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0usize..4, 1usize..200, 1usize..=LONGEST).prop_map(|(conversation, prompt, answer)| {
            Action::Submit { conversation, prompt, answer }
        }),
        1 => any::<usize>().prop_map(Action::Leave),
        3 => any::<usize>().prop_map(Action::Read),
        4 => (1usize..40).prop_map(Action::Turns),
    ]
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
struct Room {
    pages: usize,
    sequences: usize,
    at_once: usize,
    speculation: Speculation,
}

fn room() -> impl Strategy<Value = Room> {
    let sequences = prop_oneof![Just(1usize), 2usize..5, Just(256)];
    let drafted = (1usize..=32).prop_map(Speculation::Most);
    let speculation = prop_oneof![Just(Speculation::Off), Just(Speculation::Auto), drafted];
    // The longest request needs four pages.
    (4usize..12, sequences, 1usize..6, speculation).prop_map(
        |(pages, sequences, at_once, speculation)| Room { pages, sequences, at_once, speculation },
    )
}

/// The beginning of one of four conversations. Two begin alike, and one is a part of another.
fn prompt(conversation: usize, len: usize) -> Vec<u32> {
    let token = |at: usize| match (conversation, at) {
        (0..3, 0..70) | (0..2, 70..100) => at * 7 + 3,
        _ => at * 11 + conversation * 5,
    };
    (0..len).map(|at| 97 + (token(at) % 26) as u32).collect()
}

fn asking(ids: Vec<u32>, answer: usize) -> Task {
    Task { limit: ids.len() + answer, ids, logprobs: Some(0), ..task("", 0) }
}

fn ids(reader: &Reader) -> Vec<u32> {
    reader.response.tokens.iter().map(|token| token.id).collect()
}

/// Does what is to be done; `alone` says what a prompt gives alone.
fn play(
    mut bench: Bench,
    speculation: Speculation,
    actions: Vec<Action>,
    alone: impl Fn(usize, usize) -> Vec<u32>,
) {
    let mut readers: Vec<(Reader, [usize; 3])> = Vec::new();
    for action in actions {
        let count = readers.len().max(1);
        match action {
            Action::Submit { conversation, prompt: len, answer } => {
                let task = asking(prompt(conversation, len), answer);
                let reader = bench.submit_task(Task { speculation, ..task });
                readers.push((reader, [conversation, len, answer]));
            }
            Action::Leave(which) if !readers.is_empty() => drop(readers.remove(which % count)),
            Action::Read(which) if !readers.is_empty() => _ = readers[which % count].0.read(),
            Action::Leave(_) | Action::Read(_) => {}
            Action::Turns(turns) => bench.turns(turns),
        }
    }
    bench.finish(&mut readers.iter_mut().map(|(reader, _)| reader).collect::<Vec<_>>());
    for (reader, [conversation, len, answer]) in &readers {
        assert!(reader.error.is_none(), "{reader:?}");
        let mut expected = alone(*conversation, *len);
        expected.truncate(*answer);
        assert_eq!(ids(reader), expected, "conversation {conversation}, {len} tokens");
    }
    assert_eq!(bench.engine.taken(), 0);
}

type Answers = Mutex<HashMap<(usize, usize), Vec<u32>>>;

/// The whole answer to a prompt that has an engine to itself; computed once.
fn alone_in(known: &Answers, make: impl Fn() -> Bench) -> impl Fn(usize, usize) -> Vec<u32> {
    move |conversation, len| {
        let mut known = known.lock().unwrap();
        let answer = known.entry((conversation, len)).or_insert_with(|| {
            let mut bench = make();
            let mut reader = bench.submit_task(asking(prompt(conversation, len), LONGEST));
            bench.finish(&mut [&mut reader]);
            ids(&reader)
        });
        answer.clone()
    }
}

fn fake(room: Room, memory: usize) -> Bench {
    let Room { pages, sequences, at_once, .. } = room;
    let fake = Fake { most_pages: pages, most_sequences: sequences, memory, ..Fake::default() };
    Bench::new(fake, at_once)
}

const SPACIOUS: Room =
    Room { pages: 1000, sequences: 256, at_once: 1, speculation: Speculation::Off };

static TINY: LazyLock<Checkpoint> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Checkpoint::open(&folder.join("tiny-llama-f32.gguf")).unwrap()
});

static PROMPTER: LazyLock<Arc<Prompter>> = LazyLock::new(|| Arc::new(TINY.prompter().unwrap()));

/// The real decoder, with room for so many pages.
pub(super) fn tiny(pages: usize, at_once: usize) -> Bench {
    let p = TINY.parameters();
    let position = bytes_per_position(p, KvPrecision::default());
    let cache_bytes = Some(position * (pages * PAGE) as u64);
    let options = LoadOptions { threads: Some(1), cache_bytes, ..LoadOptions::default() };
    let decoder = load(&TINY, &options).unwrap();
    assert_eq!(decoder.free_positions(), pages * PAGE);
    Bench::with(decoder, Arc::clone(&PROMPTER), at_once)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn with_the_fake_decoder(room in room(), actions in prop::collection::vec(action(), 1..60)) {
        static KNOWN: LazyLock<Answers> = LazyLock::new(Answers::default);
        let alone = alone_in(&KNOWN, || fake(SPACIOUS, usize::MAX));
        play(fake(room, usize::MAX), room.speculation, actions, alone);
    }

    #[test]
    fn with_answers_that_repeat(room in room(), actions in prop::collection::vec(action(), 1..60)) {
        static KNOWN: LazyLock<Answers> = LazyLock::new(Answers::default);
        let alone = alone_in(&KNOWN, || fake(SPACIOUS, 2));
        play(fake(room, 2), room.speculation, actions, alone);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn with_a_tiny_model(room in room(), actions in prop::collection::vec(action(), 1..40)) {
        static KNOWN: LazyLock<Answers> = LazyLock::new(Answers::default);
        let alone = alone_in(&KNOWN, || tiny(100, 1));
        play(tiny(room.pages, room.at_once), room.speculation, actions, alone);
    }
}
