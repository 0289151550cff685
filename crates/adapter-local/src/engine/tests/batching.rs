//! Several at once: whose turn it is, what is shared, who gives way, and who must not notice.

use super::bench::Bench;
use super::fake::CONTEXT;
use super::*;
use crate::decoder::PAGE;

/// What a request gives when it is the only one.
fn alone(prompt: &str, answer: usize) -> String {
    let mut bench = Bench::new(Fake::default(), 1);
    let mut reader = bench.submit(prompt, answer);
    bench.finish(&mut [&mut reader]);
    reader.text().to_owned()
}

#[test]
fn everyone_gets_a_token_in_every_step() {
    let mut bench = Bench::new(Fake::default(), 16);
    let prompts = ["one", "another", "the third", "x"];
    let mut readers: Vec<_> = prompts.iter().map(|prompt| bench.submit(prompt, 20)).collect();
    bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
    for (reader, prompt) in readers.iter().zip(prompts) {
        assert_eq!(reader.text(), alone(prompt, 20));
    }
    // The prompts together, then one step for every further token.
    assert_eq!(bench.watch.steps().len(), 20);
    assert!(bench.watch.steps()[1..].iter().all(|step| *step == [1, 1, 1, 1]));
}

#[test]
fn a_long_prompt_stops_neither_answers_nor_short_prompts() {
    let mut bench = Bench::new(Fake::default(), 16);
    let mut answer = bench.submit("an answer", 60);
    bench.turns(3);
    let mut long = bench.submit(&"x".repeat(4000), 3);
    bench.turns(2);
    let mut short = bench.submit("a short one", 3);
    let before = bench.watch.steps().len();
    bench.turns(5);
    short.read();
    assert_eq!(short.response.text.len(), 3, "{:?}", bench.watch.steps());
    let steps = bench.watch.steps();
    // The answer's row comes first in every step, and the long prompt goes on in each.
    assert!(steps[before..].iter().all(|step| step[0] == 1 && step[1] > 1), "{steps:?}");
    assert!(steps.iter().all(|step| step.iter().sum::<usize>() <= 256), "{steps:?}");
    bench.finish(&mut [&mut answer, &mut long, &mut short]);
    assert_eq!(long.text(), alone(&"x".repeat(4000), 3));
    assert_eq!(answer.text(), alone("an answer", 60));
}

#[test]
fn a_dropped_stream_frees_its_place_at_the_next_step() {
    let mut bench = Bench::new(Fake::default(), 2);
    let (first, mut second) = (bench.submit("first", 60), bench.submit("second", 30));
    let mut third = bench.submit("third", 5);
    bench.turns(3);
    assert_eq!((third.read(), third.started, third.positions.clone()), (1, false, vec![1]));
    drop(first);
    bench.turns(1);
    third.read();
    assert!(third.started && third.response.text.is_empty());
    assert_eq!(bench.watch.steps().last().unwrap(), &[1, 5]);
    bench.finish(&mut [&mut second, &mut third]);
    assert_eq!((second.text(), third.text()), (&*alone("second", 30), &*alone("third", 5)));
}

#[test]
fn the_youngest_gives_way_when_memory_ends_and_all_are_answered() {
    // Each needs four pages in the end; there are seven.
    let fake = Fake { most_pages: 7, ..Fake::default() };
    let mut bench = Bench::new(fake, 16);
    let prompts = ["first", "second", "third"].map(|name| name.repeat(4));
    let mut readers: Vec<_> = prompts.iter().map(|prompt| bench.submit(prompt, 220)).collect();
    for _ in 0..200 {
        bench.turns(1);
        readers.iter_mut().for_each(|reader| _ = reader.read());
    }
    let lengths: Vec<_> = readers.iter().map(|reader| reader.response.text.len()).collect();
    assert!(lengths[0] > lengths[2], "the oldest is ahead: {lengths:?}");
    bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
    for (reader, prompt) in readers.iter().zip(&prompts) {
        assert_eq!(reader.text(), alone(prompt, 220));
        assert_eq!(reader.response.usage.cached_tokens, Some(0));
    }
    let steps = bench.watch.steps();
    let rows: usize = steps.iter().flatten().sum();
    assert!(rows > 3 * 219 + 57, "something was computed twice: {rows}");
}

#[test]
fn a_reader_that_lags_pauses_only_itself_and_keeps_its_place() {
    let mut bench = Bench::new(Fake::default(), 2);
    let mut slow = bench.submit("slow", 200);
    let mut others: Vec<_> = (0..3).map(|n| bench.submit(&format!("other {n}"), 150)).collect();
    bench.finish(&mut others.iter_mut().collect::<Vec<_>>());
    assert!(bench.watch.computed() < 4 + 70 + 3 * (7 + 149), "{}", bench.watch.computed());
    bench.finish(&mut [&mut slow]);
    assert_eq!(slow.text(), alone("slow", 200));
    // Nothing was computed twice.
    assert!(bench.watch.computed() <= 4 + 199 + 3 * (7 + 149));
}

#[test]
fn a_reader_that_lags_gives_way_first() {
    let fake = Fake { most_pages: 4, ..Fake::default() };
    let mut bench = Bench::new(fake, 4);
    let mut slow = bench.submit("slow", 150);
    bench.turns(100);
    // It waits with two pages; this one needs all four in the end.
    let mut other = bench.submit("other", 200);
    bench.finish(&mut [&mut other]);
    assert_eq!(other.text(), alone("other", 200));
    bench.finish(&mut [&mut slow]);
    assert_eq!(slow.text(), alone("slow", 150));
}

#[test]
fn a_decoder_of_one_sequence_serves_all_one_after_the_other() {
    let mut bench = Bench::new(Fake { most_sequences: 1, ..Fake::default() }, 16);
    assert_eq!(bench.engine.at_once(), 1);
    let mut slow = bench.submit("slow", 200);
    let mut others: Vec<_> = (0..3).map(|n| bench.submit(&format!("other {n}"), 50)).collect();
    bench.turns(5);
    assert!(others.iter_mut().all(|other| other.read() > 0 && !other.started));
    bench.finish(&mut others.iter_mut().collect::<Vec<_>>());
    bench.finish(&mut [&mut slow]);
    assert_eq!(slow.text(), alone("slow", 200));
    for (n, other) in others.iter().enumerate() {
        assert_eq!(other.text(), alone(&format!("other {n}"), 50));
    }
    // Prefixes are still shared, from what the one before left.
    assert_eq!(others[1].response.usage.cached_tokens, Some(6));
}

#[test]
fn a_beginning_that_all_share_is_computed_once() {
    let mut bench = Bench::new(Fake::default(), 16);
    let system = "s".repeat(1000);
    let prompts: Vec<_> = (0..8).map(|n| format!("{system}{n} and more")).collect();
    let mut readers: Vec<_> = prompts.iter().map(|prompt| bench.submit(prompt, 5)).collect();
    bench.turns(1);
    // What has nothing to do with it is not held up.
    let mut stranger = bench.submit("a stranger", 5);
    bench.turns(2);
    stranger.read();
    assert!(stranger.started && !stranger.response.text.is_empty());
    let mut all: Vec<_> = readers.iter_mut().collect();
    all.push(&mut stranger);
    bench.finish(&mut all);
    for (n, (reader, prompt)) in readers.iter().zip(&prompts).enumerate() {
        assert_eq!(reader.text(), alone(prompt, 5));
        let spared = if n == 0 { 0 } else { 1000 };
        assert_eq!(reader.response.usage.cached_tokens, Some(spared));
    }
    assert_eq!(bench.watch.computed(), 1000 + 8 * (10 + 4) + 10 + 4);
}

#[test]
fn the_next_turn_of_a_conversation_computes_only_what_is_new() {
    let mut bench = Bench::new(Fake::default(), 4);
    let mut first = bench.submit("hello, ", 100);
    bench.finish(&mut [&mut first]);
    let before = bench.watch.computed();
    let mut other = bench.submit("something else", 100);
    bench.finish(&mut [&mut other]);
    let told = format!("hello, {} and then?", first.text());
    let computed = bench.watch.computed();
    let mut second = bench.submit(&told, 10);
    bench.finish(&mut [&mut second]);
    assert_eq!(second.text(), alone(&told, 10));
    // The last token of an answer is never computed.
    assert_eq!(second.response.usage.cached_tokens, Some(before as u64));
    assert_eq!(bench.watch.computed() - computed, 1 + 10 + 9);
}

#[test]
fn nonsense_fails_only_the_one_who_computed_it() {
    let mut bench = Bench::new(Fake { poison: Some(7), ..Fake::default() }, 16);
    let mut good = bench.submit("good", 20);
    let mut bad = bench.submit("b\u{7}d", 20);
    let mut later = bench.submit("b\u{7}d later", 20);
    bench.finish(&mut [&mut good, &mut bad, &mut later]);
    assert_eq!(good.text(), alone("good", 20));
    for bad in [bad, later] {
        let error = bad.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::ModelLoad);
        assert_eq!(error.provider().map(|id| id.as_str()), Some("local"));
    }
    // What it left is not used for anyone.
    assert_eq!(bench.watch.open(), 1);
}

#[test]
fn a_step_that_one_of_them_spoils_is_done_for_the_others() {
    let mut bench = Bench::new(Fake::default(), 16);
    let mut good = bench.submit("good", 20);
    let strange = Task { ids: vec![97, 9999], ..task("ab", 5) };
    let mut bad = bench.submit_task(strange);
    let mut also = bench.submit("also good", 20);
    bench.finish(&mut [&mut good, &mut bad, &mut also]);
    assert_eq!((good.text(), also.text()), (&*alone("good", 20), &*alone("also good", 20)));
    assert!(bad.error.unwrap().to_string().contains("9999"));
}

#[test]
fn what_never_fits_is_refused_and_what_fits_alone_is_answered() {
    let mut bench = Bench::new(Fake { most_pages: 3, ..Fake::default() }, 16);
    let error = bench.engine.submit(task(&"x".repeat(3 * PAGE), 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ContextLengthExceeded);
    assert!(error.to_string().contains("192") && error.hint().is_some(), "{error}");
    let none = bench.engine.submit(task("", 1)).err().unwrap();
    assert_eq!(none.kind(), ErrorKind::InvalidRequest);
    let long = "y".repeat(3 * PAGE - 1);
    let mut readers = [bench.submit("ab", 100), bench.submit(&long, 1), bench.submit("cd", 5)];
    bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
    for (reader, (prompt, answer)) in readers.iter().zip([("ab", 100), (&*long, 1), ("cd", 5)]) {
        assert_eq!(reader.text(), alone(prompt, answer));
    }
}

#[test]
fn memory_that_ends_for_one_alone_is_an_error_and_not_a_hang() {
    let mut bench = Bench::new(Fake { most_pages: 2, ..Fake::default() }, 16);
    // More than the provider lets through: it knows how much there is.
    let mut greedy = bench.submit("ab", 500);
    let mut modest = bench.submit("cd", 20);
    bench.finish(&mut [&mut greedy, &mut modest]);
    assert_eq!(greedy.error.take().map(|error| error.kind()), Some(ErrorKind::OutOfMemory));
    assert_eq!(greedy.response.text.len(), 2 * PAGE - 1);
    assert_eq!(modest.text(), alone("cd", 20));
    let mut later = bench.submit("ef", 20);
    bench.finish(&mut [&mut later]);
    assert_eq!(later.text(), alone("ef", 20));
}

#[test]
fn more_than_the_line_holds_is_refused() {
    let bench = Bench::new(Fake::default(), 1);
    let held: Vec<_> = (0..LONGEST_LINE).map(|_| bench.submit("ab", 1)).collect();
    let error = bench.engine.submit(task("ab", 1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::QueueFull);
    drop(held);
}

#[test]
fn a_full_context_is_used_to_the_last_token() {
    let prompt = "z".repeat(CONTEXT - 2);
    let mut bench = Bench::new(Fake { most_pages: CONTEXT / PAGE, ..Fake::default() }, 4);
    let mut readers = [bench.submit(&prompt, 2), bench.submit(&prompt, 2)];
    bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
    for reader in &readers {
        assert_eq!(reader.text(), alone(&prompt, 2));
    }
    assert_eq!(readers[1].response.usage.cached_tokens, Some(CONTEXT as u64 - 3));
}
