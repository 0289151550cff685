//! Clause 8: dropping the stream ends the work and frees its place promptly.
//!
//! Each case drops more generations than there are places. Whatever still held a place would keep
//! the next request waiting until the case's time limit; a fixture that counts the generations at
//! work is asked as well.

use std::time::Duration;

use domain::{Capability, Event, Message};
use futures_util::{FutureExt, StreamExt};
use ports::EventStream;

use super::subject::{Check, Subject, Unmet, ensure};

/// Long enough for work on another thread to begin. Nothing fails if it has not.
const A_MOMENT: Duration = Duration::from_millis(5);

pub(super) async fn before_the_first_poll(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    for _ in 0..=subject.places() {
        drop(long_stream(subject).await?);
    }
    all_is_free(subject).await
}

pub(super) async fn at_the_first_poll(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    for _ in 0..=subject.places() {
        let mut events = long_stream(subject).await?;
        let _ = events.next().now_or_never();
        drop(events);
    }
    all_is_free(subject).await
}

/// Drops while a long prompt is being read, where the provider takes time for that.
pub(super) async fn during_prefill(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    let context = subject.generator.capabilities().context_length.unwrap_or(1024);
    let words = (context / 8).clamp(4, 2048) as usize;
    for _ in 0..=subject.places() {
        let content = format!("{}\nHow long is this?", "port ".repeat(words));
        let request = subject.asking(vec![Message::user(content)], 4);
        let mut events = start(subject, request).await?;
        let _ = events.next().now_or_never();
        tokio::time::sleep(A_MOMENT).await;
        drop(events);
    }
    all_is_free(subject).await
}

pub(super) async fn after_the_first_delta(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    for _ in 0..=subject.places() {
        let mut events = long_stream(subject).await?;
        until_content(&mut events).await?;
        drop(events);
    }
    all_is_free(subject).await
}

/// Fills every place, drops one more that has to wait, and lets the others end.
pub(super) async fn while_queued(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    let mut holders = Vec::new();
    for _ in 0..subject.places() {
        let mut events = start(subject, subject.request()).await?;
        until_content(&mut events).await?;
        holders.push(events);
    }
    for _ in 0..2 {
        let mut waiting = long_stream(subject).await?;
        let _ = waiting.next().now_or_never();
        tokio::time::sleep(A_MOMENT).await;
        drop(waiting);
    }
    for mut events in holders {
        let mut last = None;
        while let Some(item) = events.next().await {
            last = Some(item);
        }
        ensure(matches!(last, Some(Ok(Event::Finish(_)))), || {
            "a stream that ran did not finish after a waiting one was dropped".into()
        })?;
    }
    all_is_free(subject).await
}

pub(super) async fn generate(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    for _ in 0..=subject.places() {
        let mut answer = subject.generator.generate(subject.long_request());
        let _ = (&mut answer).now_or_never();
        tokio::time::sleep(A_MOMENT).await;
        drop(answer);
    }
    all_is_free(subject).await
}

pub(super) async fn batch(subject: &Subject) -> Check {
    subject.require(Capability::Cancel)?;
    let requests = vec![subject.long_request(); subject.places() + 1];
    let mut answers = subject.generator.generate_batch(requests);
    let _ = (&mut answers).now_or_never();
    tokio::time::sleep(A_MOMENT).await;
    drop(answers);
    all_is_free(subject).await
}

async fn long_stream(subject: &Subject) -> Result<EventStream, Unmet> {
    start(subject, subject.long_request()).await
}

async fn start(subject: &Subject, request: domain::Request) -> Result<EventStream, Unmet> {
    let started = subject.generator.stream(request).await;
    started.map_err(|error| Unmet::Fail(format!("refused: {error}")))
}

/// Reads up to the first content, or the end of an answer that has none.
async fn until_content(events: &mut EventStream) -> Check {
    while let Some(item) = events.next().await {
        match item {
            Ok(event) if event.is_content() => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Unmet::Fail(format!("an answer was due, but: {error}"))),
        }
    }
    Ok(())
}

/// The next requests are answered, and nothing is at work any more.
async fn all_is_free(subject: &Subject) -> Check {
    for _ in 0..2 {
        subject.answer(subject.request_for(2)).await?;
    }
    let mut waited = Duration::ZERO;
    while subject.fixture.running().is_some_and(|running| running > 0) {
        ensure(waited < subject.fixture.case_limit() / 2, || {
            format!("{:?} generations are still at work", subject.fixture.running())
        })?;
        tokio::time::sleep(A_MOMENT).await;
        waited += A_MOMENT;
    }
    Ok(())
}
