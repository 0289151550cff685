//! Drafts change how many steps an answer takes, and nothing that anyone sees of it.

use domain::Finish;

use super::bench::Bench;
use super::fake::CONTEXT;
use super::*;
use crate::decoder::PAGE;

pub(super) const DRAFTED: Speculation = Speculation::Most(8);

/// Answers that go round in circles.
fn circling() -> Fake {
    Fake { memory: 1, ..Fake::default() }
}

fn drafted(prompt: &str, answer: usize) -> Task {
    Task { speculation: DRAFTED, ..task(prompt, answer) }
}

/// Everything that a request says, without the times that it took.
pub(super) fn events(bench: &mut Bench, task: Task) -> Vec<Event> {
    let mut stream = bench.engine.submit(task).unwrap();
    let mut events = Vec::new();
    loop {
        match stream.next().now_or_never() {
            None => bench.turns(1),
            Some(None) => return events,
            Some(Some(event)) => events.push(match event.unwrap() {
                Event::Finish(Finish { reason, .. }) => {
                    Event::Finish(Finish { reason, timings: Default::default() })
                }
                event => event,
            }),
        }
    }
}

/// What is kept of finished requests, in tokens.
pub(super) fn kept(bench: &Bench) -> Vec<usize> {
    bench.worker.batch.cache.lengths().collect()
}

#[test]
fn an_answer_that_repeats_takes_fewer_steps() {
    let mut plain = Bench::new(circling(), 1);
    let mut reader = plain.submit("abc", 200);
    plain.finish(&mut [&mut reader]);
    let mut bench = Bench::new(circling(), 1);
    let mut fast = bench.submit_task(drafted("abc", 200));
    bench.finish(&mut [&mut fast]);
    assert_eq!(fast.text(), reader.text());
    assert_eq!(fast.response.usage, reader.response.usage);
    assert_eq!(plain.watch.steps().len(), 200);
    let steps = bench.watch.steps().len();
    let (proposed, accepted) = bench.engine.draft_count().so_far();
    assert_eq!(accepted, 200 - steps as u64);
    assert!(steps < 80 && proposed >= accepted, "{steps} steps, {proposed} drafted");
    // At the end of both the same is kept.
    assert_eq!(kept(&bench), kept(&plain));
    assert_eq!(bench.watch.pages(), plain.watch.pages());
}

#[test]
fn nothing_is_drafted_where_it_is_off_or_beside_prompts() {
    let mut bench = Bench::new(circling(), 4);
    let mut off = bench.submit("abc", 60);
    bench.finish(&mut [&mut off]);
    assert_eq!(bench.engine.draft_count().so_far(), (0, 0));
    let mut answer = bench.submit_task(drafted("xyz", 40));
    bench.turns(1);
    let mut long = bench.submit(&"p".repeat(1500), 1);
    bench.turns(1);
    let before = bench.watch.steps().len();
    while !long.started || long.response.text.is_empty() {
        bench.turns(1);
        long.read();
    }
    let mut beside = bench.watch.steps().split_off(before);
    beside.retain(|step| step.len() == 2);
    assert!(!beside.is_empty() && beside.iter().all(|step| step[0] == 1), "{beside:?}");
    bench.finish(&mut [&mut answer, &mut long]);
    assert!(bench.engine.draft_count().so_far().1 > 0);
}

/// The letters of a circle: after the last comes the first.
fn circle() -> String {
    let mut bench = Bench::new(circling(), 1);
    let mut reader = bench.submit("c", 26);
    bench.finish(&mut [&mut reader]);
    let circle = &reader.text()[..13];
    assert_eq!(reader.text(), circle.repeat(2));
    circle.to_owned()
}

#[test]
fn an_end_inside_a_draft_leaves_what_it_would_leave_without() {
    let circle = circle();
    // It is drafted from the second token on.
    let prompt = circle.repeat(2);
    let stops = (1..13).map(|at| (Some(circle[at..=at].to_owned()), 90));
    for (stop, answer) in stops.chain((1..40).map(|answer| (None, answer))) {
        let [mut plain, mut fast] = [Bench::new(circling(), 1), Bench::new(circling(), 1)];
        let asked = |speculation| Task {
            stop: stop.clone().into_iter().collect(),
            speculation,
            ..task(&prompt, answer)
        };
        let expected = events(&mut plain, asked(Speculation::Off));
        assert_eq!(events(&mut fast, asked(DRAFTED)), expected, "{stop:?} {answer}");
        assert_eq!(kept(&fast), kept(&plain), "{stop:?} {answer}");
        assert_eq!(fast.watch.pages(), plain.watch.pages());
        // What follows finds the same.
        let next = prompt.clone() + &circle + "?";
        assert_eq!(events(&mut fast, task(&next, 5)), events(&mut plain, task(&next, 5)));
    }
}

#[test]
fn an_end_token_inside_a_draft_ends_the_answer() {
    for ends_at in 30..50 {
        let fake = || Fake { ends_at: Some(ends_at), ..circling() };
        let mut plain = Bench::new(fake(), 1);
        let mut fast = Bench::new(fake(), 1);
        let expected = events(&mut plain, task("abc", 100));
        assert_eq!(events(&mut fast, drafted("abc", 100)), expected);
        assert_eq!(kept(&fast), kept(&plain));
    }
}

#[test]
fn nonsense_behind_the_end_of_an_answer_harms_nobody() {
    let fake = || Fake { ends_at: Some(40), sane_up_to: 40, ..circling() };
    let expected = events(&mut Bench::new(fake(), 1), task("abc", 100));
    let mut bench = Bench::new(fake(), 1);
    assert_eq!(events(&mut bench, drafted("abc", 100)), expected);
    assert!(bench.engine.draft_count().so_far().1 > 0);
    // What is nonsense without drafts is one with them.
    let fake = || Fake { sane_up_to: 30, ..circling() };
    let mut bench = Bench::new(fake(), 1);
    let mut reader = bench.submit_task(drafted("abc", 100));
    bench.finish(&mut [&mut reader]);
    assert_eq!(reader.error.map(|error| error.kind()), Some(ErrorKind::ModelLoad));
    assert_eq!((reader.response.text.len(), bench.watch.open()), (28, 0));
}

#[test]
fn forced_tokens_are_computed_in_one_step() {
    let thinks = || Fake { opening: vec![THINK], ..Fake::default() };
    let end = TestModel::thinking().prompter().end_of_thinking().unwrap();
    assert!(end.len() > 2);
    let budget = |speculation| Task {
        thinking_budget: Some((6, end.clone())),
        speculation,
        ..task("\u{2}", 40)
    };
    let mut plain = Bench::new(thinks(), 1);
    let expected = events(&mut plain, budget(Speculation::Off));
    let mut bench = Bench::new(thinks(), 1);
    assert_eq!(events(&mut bench, budget(Speculation::Most(3))), expected);
    // The first one is chosen for what came before.
    assert!(bench.watch.steps().contains(&vec![end.len()]), "{:?}", bench.watch.steps());
    assert!(bench.engine.draft_count().so_far().1 >= end.len() as u64 - 1);
}

#[test]
fn a_reader_that_lags_gets_every_event_in_its_order() {
    let mut bench = Bench::new(circling(), 2);
    let asked = Task { logprobs: Some(1), speculation: Speculation::Most(32), ..task("abc", 300) };
    let mut slow = bench.submit_task(asked);
    bench.turns(50);
    // It pauses after what its reader has room for, and a draft.
    assert!(bench.watch.computed() < 3 + EVENTS_AHEAD / 2 + 2 * 33, "{:?}", bench.watch.steps());
    let mut other = bench.submit_task(drafted("xyz", 100));
    bench.finish(&mut [&mut slow, &mut other]);
    let mut alone = Bench::new(circling(), 1);
    let mut plain = alone.submit_task(Task { logprobs: Some(1), ..task("abc", 300) });
    alone.finish(&mut [&mut plain]);
    assert_eq!(slow.text(), plain.text());
    assert_eq!(slow.response.tokens, plain.response.tokens);
}

#[test]
fn who_leaves_during_a_draft_gives_everything_back() {
    let mut bench = Bench::new(circling(), 4);
    for round in 0..200 {
        let prompt = format!("{round} abc");
        let mut gone: Vec<_> = (0..3).map(|_| bench.submit_task(drafted(&prompt, 90))).collect();
        bench.turns(2 + round % 9);
        gone.clear();
        bench.turns(2);
        assert_eq!(bench.engine.taken(), 0, "round {round}");
    }
    let batch = &mut bench.worker.batch;
    while let Some(sequence) = batch.cache.evict(None) {
        batch.decoder.close(sequence);
    }
    assert_eq!((bench.watch.open(), bench.watch.pages()), (0, 0));
}

#[test]
fn nobody_gives_way_for_a_draft() {
    // Two of two pages each, and there are four: drafts beyond them find no room.
    let fake = Fake { most_pages: 4, ..circling() };
    let mut bench = Bench::new(fake, 2);
    let answer = 2 * PAGE - 3;
    let long = |prompt| Task { speculation: Speculation::Most(32), ..task(prompt, answer) };
    let mut readers = [bench.submit_task(long("abc")), bench.submit_task(long("xyz"))];
    bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
    let steps = bench.watch.steps();
    let rows: usize = steps.iter().flatten().sum();
    let (drafted, accepted) = bench.engine.draft_count().so_far();
    // Nothing was computed twice but what was taken back.
    assert_eq!(rows as u64, 2 * (3 + answer as u64 - 1) + drafted - accepted);
    for (reader, prompt) in readers.iter().zip(["abc", "xyz"]) {
        let mut alone = Bench::new(circling(), 1);
        let mut expected = alone.submit(prompt, answer);
        alone.finish(&mut [&mut expected]);
        assert_eq!(reader.text(), expected.text());
    }
}

#[test]
fn a_draft_ends_with_the_context() {
    let prompt = "z".repeat(CONTEXT - 20);
    let mut bench = Bench::new(Fake { most_pages: CONTEXT / PAGE, ..circling() }, 1);
    let mut reader = bench.submit_task(drafted(&prompt, 20));
    bench.finish(&mut [&mut reader]);
    assert_eq!(reader.text().len(), 20);
}
