//! Clause 1: any events, then exactly one `Finish` or one error, then nothing.

use domain::{Event, Request};
use futures_util::StreamExt;
use ports::EventStream;

use super::subject::{Check, Subject, Unmet, ensure};

pub(super) async fn one_end_then_nothing(subject: &Subject) -> Check {
    let started = subject.generator.stream(subject.request()).await;
    let mut events = started.map_err(|error| Unmet::Fail(format!("refused: {error}")))?;
    let mut last = None;
    while let Some(item) = events.next().await {
        ensure(!matches!(last, Some(Event::Finish(_))), || {
            format!("{} came after the end", describe(&item))
        })?;
        last = Some(item.map_err(|error| Unmet::Fail(format!("an error: {error}")))?);
    }
    ensure(matches!(last, Some(Event::Finish(_))), || {
        "the stream ended without a Finish as its last event".into()
    })?;
    nothing_more(&mut events).await
}

/// A reader may ask again after the end; the answer stays "nothing".
async fn nothing_more(events: &mut EventStream) -> Check {
    for _ in 0..2 {
        if let Some(item) = events.next().await {
            let what = describe(&item);
            return Err(Unmet::Fail(format!("{what} came when polled after the end")));
        }
    }
    Ok(())
}

fn describe(item: &Result<Event, ports::Error>) -> &'static str {
    match item {
        Ok(Event::Finish(_)) => "another Finish",
        Ok(_) => "an event",
        Err(_) => "an error",
    }
}

pub(super) async fn started_before_content(subject: &Subject) -> Check {
    let events = subject.answer(subject.request()).await?.events;
    let started = events.iter().position(|event| matches!(event, Event::Started { .. }));
    let content = events.iter().position(Event::is_content);
    let Some(started) = started else {
        return Err(Unmet::Fail("nobody said who answers: there is no Started".into()));
    };
    ensure(content.is_none_or(|content| started < content), || {
        "content came before Started".into()
    })?;
    let late = events.iter().skip(content.unwrap_or(events.len()));
    ensure(late.clone().all(|e| !matches!(e, Event::Started { .. })), || {
        "another provider started after content: a begun answer is never continued".into()
    })?;
    ensure(late.clone().all(|e| !matches!(e, Event::Queued { .. })), || {
        "it queued again after content".into()
    })
}

pub(super) async fn a_refusal_is_the_last_word(subject: &Subject) -> Check {
    let Ok(mut events) = subject.generator.stream(Request::messages(vec![])).await else {
        return Ok(());
    };
    while let Some(item) = events.next().await {
        if item.is_err() {
            return nothing_more(&mut events).await;
        }
    }
    Ok(()) // Clause 6 says that it must be refused.
}
