//! What many requests leave behind.

use super::super::prefix_cache::MOST_KEPT;
use super::*;

/// Waits until nobody is at work any more.
async fn idle(engine: &Engine) {
    while engine.taken() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn memory_is_where_it_was_after_ten_thousand_requests() {
    let watch = Watch::default();
    let fake = Fake { watch: watch.clone(), most_pages: 400, ..Fake::default() };
    let engine = engine(fake);
    for round in 0..200 {
        let streams: Vec<_> = (0..50)
            .map(|n| {
                // Of all lengths; some share their beginning, some give up in the middle.
                let prompt = format!("{} {}", "hello ".repeat(n % 7 * 5), round * 50 + n);
                (n, engine.submit(task(&prompt, 1 + n % 5)).unwrap())
            })
            .collect();
        for (n, mut stream) in streams {
            if n % 10 == 9 {
                stream.next().await.unwrap().unwrap();
            } else {
                fold(stream).await.unwrap();
            }
        }
        idle(&engine).await;
        assert!(watch.open() <= MOST_KEPT, "round {round}: {} sequences", watch.open());
        // Kept sequences are of 4 pages at most here.
        assert!(watch.pages() <= 4 * MOST_KEPT, "round {round}: {} pages", watch.pages());
    }
    drop(engine);
}

#[tokio::test]
async fn nothing_is_left_when_the_engine_is_gone() {
    let watch = Watch::default();
    let (alive, ended) = channel();
    let fake = Fake { watch: watch.clone(), _alive: Some(alive), ..Fake::default() };
    let engine = engine(fake);
    fold(engine.submit(task("some prompt", 20)).unwrap()).await.unwrap();
    drop(engine);
    assert!(ended.recv().is_err());
    while watch.pages() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn long_conversations_are_kept_up_to_a_share_of_the_memory() {
    let watch = Watch::default();
    let most_pages = 4 * fake::CONTEXT / crate::decoder::PAGE;
    let engine = engine(Fake { watch: watch.clone(), most_pages, ..Fake::default() });
    for n in 0..12 {
        let prompt = format!("{n}{}", "talk ".repeat(200));
        fold(engine.submit(task(&prompt, 5)).unwrap()).await.unwrap();
        idle(&engine).await;
        assert!(watch.pages() <= most_pages / 4, "{n}: {}", watch.pages());
    }
    // The last ones are still there.
    let again = format!("11{}", "talk ".repeat(200));
    let response = fold(engine.submit(task(&again, 5)).unwrap()).await.unwrap();
    assert_eq!(response.usage.cached_tokens, Some(again.len() as u64 - 1));
}

/// How many pages of the real decoder are free, and how many sequences can be opened, once nothing
/// is kept for others any more.
fn free(bench: &mut bench::Bench) -> (usize, usize) {
    let batch = &mut bench.worker.batch;
    while let Some(sequence) = batch.cache.evict(None) {
        batch.decoder.close(sequence);
    }
    let opened: Vec<_> = std::iter::from_fn(|| batch.decoder.open().ok()).collect();
    let room = (batch.decoder.free_positions(), opened.len());
    opened.into_iter().for_each(|sequence| batch.decoder.close(sequence));
    room
}

#[test]
fn a_real_decoder_has_all_of_its_memory_after_ten_thousand_requests() {
    // Less than sixteen at once may need: some give way.
    let mut bench = random::tiny(24, 16);
    let before = free(&mut bench);
    for round in 0..625 {
        let readers = (0..16).map(|n| {
            let prompt = format!("{} {}", "hi ".repeat((n + round) % 7 * 3), round * 16 + n);
            bench.submit_task(Task { limit: prompt.len() + 1 + n % 5, ..task(&prompt, 0) })
        });
        let mut readers: Vec<_> = readers.collect();
        bench.turns(round % 4);
        // Some go away: in the line, in their prompts or in their answers.
        readers.truncate(16 - round % 5);
        bench.finish(&mut readers.iter_mut().collect::<Vec<_>>());
        assert!(readers.iter().all(|reader| reader.error.is_none()), "round {round}");
        assert_eq!(bench.engine.taken(), 0, "round {round}");
        assert!(bench.worker.batch.cache.len() <= MOST_KEPT, "round {round}");
    }
    assert_eq!(free(&mut bench), before);
}
