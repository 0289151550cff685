//! Faults in the work behind a stream: it goes on when nobody listens, or gets in others' way.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Capabilities, Event, ProviderInfo, Request, Response};
use futures_util::{Stream, StreamExt, stream};
use ports::{Error, EventStream, TextGenerator};
use textport_testkit::{FakeGenerator, Turn};

use crate::broken::{ANSWER, Broken, caught, sound};

/// How far a stream had come when it was dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Point {
    Unpolled,
    Polled,
    Queued,
    Content,
    Ended,
}

/// Keeps the work, and its place, when it is dropped at one of these points.
struct Clinging {
    events: Option<EventStream>,
    point: Point,
    at: &'static [Point],
}

impl Stream for Clinging {
    type Item = Result<Event, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(events) = &mut this.events else { return std::task::Poll::Ready(None) };
        let polled = events.poll_next_unpin(context);
        this.point = match &polled {
            std::task::Poll::Ready(Some(Ok(Event::Queued { .. }))) => Point::Queued,
            std::task::Poll::Ready(Some(Ok(Event::Finish(_)) | Err(_)) | None) => Point::Ended,
            std::task::Poll::Ready(Some(Ok(event))) if event.is_content() => Point::Content,
            _ if this.point == Point::Unpolled => Point::Polled,
            _ => this.point,
        };
        polled
    }
}

impl Drop for Clinging {
    fn drop(&mut self) {
        if let (true, Some(events)) = (self.at.contains(&self.point), self.events.take()) {
            tokio::spawn(async move {
                pending::<()>().await;
                drop(events);
            });
        }
    }
}

fn clinging(at: &'static [Point]) -> Broken {
    Broken::over(slow()).on_events(move |_, events| {
        Box::pin(Clinging { events: Some(events), point: Point::Unpolled, at })
    })
}

/// Takes its time, so that work is under way when a stream is dropped.
fn slow() -> FakeGenerator {
    sound().with_pace(std::time::Duration::from_millis(20))
}

#[tokio::test(start_paused = true)]
async fn work_that_goes_on_after_a_drop() {
    let caught = clinging(&[Point::Unpolled]).caught().await;
    assert!(caught.contains(&"drop.before_the_first_poll"), "{caught:?}");
    let caught = clinging(&[Point::Polled]).caught().await;
    for case in ["drop.at_the_first_poll", "drop.during_prefill", "drop.generate", "drop.batch"] {
        assert!(caught.contains(&case), "{case}: {caught:?}");
    }
    let caught = clinging(&[Point::Content]).caught().await;
    assert!(caught.contains(&"drop.after_the_first_delta"), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_that_keeps_its_turn() {
    let caught = clinging(&[Point::Queued]).caught().await;
    assert!(caught.contains(&"drop.while_queued"), "{caught:?}");
    assert!(!caught.contains(&"drop.before_the_first_poll"), "{caught:?}");
}

/// Starts at once on a task of its own and never looks whether anybody listens.
#[derive(Debug)]
struct Eager(FakeGenerator);

#[async_trait]
impl TextGenerator for Eager {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        let mut events = self.0.stream(request).await?;
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(item) = events.next().await {
                if sender.send(item).is_err() {
                    pending::<()>().await;
                }
            }
        });
        let events = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|item| (item, receiver))
        });
        Ok(Box::pin(events.fuse()))
    }
}

/// Without a count of what is at work the suite still sees it: the places run out.
#[tokio::test(start_paused = true)]
async fn places_that_run_out_are_seen_without_counting() {
    for case in ["drop.before_the_first_poll", "drop.at_the_first_poll", "drop.generate"] {
        let fixture = textport_testkit::conformance::Fixture::building(|| async {
            Arc::new(Eager(slow().with_concurrency(2))) as Arc<dyn TextGenerator>
        });
        let report = textport_testkit::conformance::run(&fixture).await;
        assert!(report.failed().contains(&case), "{case}: {report}");
    }
}

/// `generate` and `generate_batch` on tasks that outlive the caller.
#[derive(Debug)]
struct Detached(FakeGenerator);

#[async_trait]
impl TextGenerator for Detached {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        self.0.stream(request).await
    }
    async fn generate(&self, request: Request) -> Result<Response, Error> {
        let inner = self.0.clone();
        let task = tokio::spawn(async move { inner.generate(request).await });
        task.await.unwrap_or_else(|_| Err(crate::broken::reset()))
    }
}

#[tokio::test(start_paused = true)]
async fn generate_that_outlives_its_caller() {
    // An hour before the end: whoever does not stop it is still at work when the case looks.
    let inner = sound().answering_with(|request| {
        let turn = Turn::new();
        match request.options.max_tokens {
            Some(n) if n > 100 => turn.text(ANSWER).wait(std::time::Duration::from_secs(3600)),
            _ => turn.reasoning("Let me see.").text(ANSWER),
        }
    });
    let found = caught(inner.clone(), Arc::new(Detached(inner))).await;
    for case in ["drop.generate", "drop.batch"] {
        assert!(found.contains(&case), "{case}: {found:?}");
    }
    assert!(!found.contains(&"drop.after_the_first_delta"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_that_get_into_each_other() {
    let inner = sound();
    let seen = inner.clone();
    let mixed = Broken::over(inner).on_events(move |_, events| {
        if seen.counts().running < 2 {
            return events;
        }
        Box::pin(events.map(|item| match item {
            Ok(Event::Text(delta)) => Ok(Event::Text(delta.to_uppercase())),
            other => other,
        }))
    });
    let found = mixed.caught().await;
    assert!(found.contains(&"concurrent.equals_one_by_one"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_that_lose_their_end_in_a_crowd() {
    let inner = sound();
    let seen = inner.clone();
    let lossy = Broken::over(inner).on_events(move |_, events| {
        if seen.counts().running < 2 {
            return events;
        }
        Box::pin(
            events
                .take_while(|item| std::future::ready(!matches!(item, Ok(Event::Finish(_)))))
                .fuse(),
        )
    });
    let found = lossy.caught().await;
    for case in ["concurrent.all_end", "concurrent.dropping_one_leaves_the_others"] {
        assert!(found.contains(&case), "{case}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_places_declared_than_there_are() {
    let inner = sound().with_concurrency(1);
    let boastful = Broken::over(inner).declaring(|declared| declared.concurrency = Some(2));
    let found = boastful.caught().await;
    assert!(found.contains(&"concurrent.a_slow_reader_blocks_nobody"), "{found:?}");
}

/// A hang and a panic are a case's failure; the other cases still run.
#[tokio::test(start_paused = true)]
async fn hangs_and_panics() {
    let wants_top_p = |request: &Request| request.options.top_p == Some(0.9);
    let inner = sound().answering_with(move |request| match request.options.top_k {
        Some(13) => Turn::new().text("so far").failing(crate::broken::reset),
        Some(40) => Turn::new().panicking("bang"),
        _ if wants_top_p(request) => Turn::new().stalling(),
        _ => Turn::new().reasoning("Let me see.").text(ANSWER),
    });
    let found = caught(inner.clone(), Arc::new(inner)).await;
    assert_eq!(found, ["options.top_p", "options.top_k"]);
}
