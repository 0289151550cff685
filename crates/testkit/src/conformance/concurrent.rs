//! Clause 15: concurrent streams do not disturb each other.

use domain::Event;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};

use super::Skip;
use super::subject::{Check, Subject, Unmet, ensure};
use super::transcript::Transcript;

/// Streams at once: more than there are places, so that some wait and some begin late.
fn crowd(subject: &Subject) -> usize {
    (subject.places() + 1).clamp(3, 9)
}

pub(super) async fn equals_one_by_one(subject: &Subject) -> Check {
    subject.require_repeats()?;
    let whole = subject.fixture.tokens();
    let lengths: Vec<u32> =
        (0..crowd(subject)).map(|n| whole - u32::try_from(n).unwrap_or(0) % 4).collect();
    let mut alone = Vec::new();
    for tokens in &lengths {
        alone.push(subject.answer(subject.request_for(*tokens)).await?.response());
    }
    let at_once = lengths.iter().map(|tokens| subject.answer(subject.request_for(*tokens)));
    for (n, (answer, alone)) in join_all(at_once).await.into_iter().zip(alone).enumerate() {
        let together = answer?.response();
        ensure(together.text == alone.text && together.reasoning == alone.reasoning, || {
            format!("stream {n} gave {:?}, alone {:?}", together.text, alone.text)
        })?;
    }
    Ok(())
}

pub(super) async fn all_end(subject: &Subject) -> Check {
    let at_once = (0..crowd(subject)).map(|_| subject.answer(subject.request_for(4)));
    for (n, answer) in join_all(at_once).await.into_iter().enumerate() {
        let events = answer?.events;
        let finished = matches!(events.last(), Some(Event::Finish(_)));
        ensure(finished, || format!("stream {n} did not finish"))?;
    }
    Ok(())
}

pub(super) async fn dropping_one_leaves_the_others(subject: &Subject) -> Check {
    let dropped = async {
        let mut events = subject.generator.stream(subject.long_request()).await.ok()?;
        let first = events.next().await;
        let _ = events.next().now_or_never();
        first
    };
    let others = join_all((0..2).map(|_| subject.answer(subject.request())));
    let (first, others) = futures_util::future::join(dropped, others).await;
    ensure(matches!(first, Some(Ok(_))), || "the stream to drop did not begin".into())?;
    for answer in others {
        let last = answer?.events.pop();
        ensure(matches!(last, Some(Event::Finish(_))), || "another one did not finish".into())?;
    }
    Ok(())
}

/// One reader stops reading in the middle; the others are served meanwhile, and it later goes on.
pub(super) async fn a_slow_reader_blocks_nobody(subject: &Subject) -> Check {
    if subject.places() < 2 {
        return Err(Unmet::Skip(Skip::Undeclared("concurrency above 1")));
    }
    let slow = subject.generator.stream(subject.request()).await;
    let mut slow = slow.map_err(|error| Unmet::Fail(format!("refused: {error}")))?;
    let mut transcript = Transcript::default();
    while let Some(item) = slow.next().await {
        transcript.take(item);
        if transcript.events.last().is_some_and(Event::is_content) {
            break;
        }
    }
    subject.answer(subject.request()).await?;
    while let Some(item) = slow.next().await {
        transcript.take(item);
    }
    ensure(matches!(transcript.events.last(), Some(Event::Finish(_))), || {
        "the slow reader's stream did not finish".into()
    })
}
