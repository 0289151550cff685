//! The fake keeps the contract in every shape, and does what its script says.

use std::sync::Arc;
use std::time::Duration;

use domain::{Capability, Event, Request};
use futures_util::{FutureExt, StreamExt};
use ports::{BuildContext, Error, ErrorKind, ProviderFactory, ProviderSpec, TextGenerator};
use testkit::conformance::{self, Fixture};
use testkit::{FakeFactory, FakeGenerator, Turn};
use textport_testkit as testkit;

fn fixture(fake: &FakeGenerator) -> Fixture {
    let watched = fake.clone();
    Fixture::new(Arc::new(fake.clone()))
        .with_reasoning_prompt("How many legs have three cats?")
        .with_stop("harbour")
        .with_running(move || watched.counts().running)
}

fn reset() -> Error {
    Error::new(ErrorKind::Network, "reset")
}

#[tokio::test(start_paused = true)]
async fn it_passes_the_whole_suite() {
    let fake = FakeGenerator::new("fake").answering_with(|request| {
        let turn = Turn::new().reasoning("Let me see.");
        match request.options.top_k {
            Some(13) => turn.text("so far").failing(reset),
            _ => turn.text("One port takes the question, the harbour answers it, and all is well."),
        }
    });
    let mut failing = Request::user("fail, please");
    failing.options.top_k = Some(13);
    let report = conformance::run(&fixture(&fake).with_failing_request(failing)).await;
    report.assert_passed();
    // What is left needs a promise that a scripted provider cannot give.
    assert_eq!(report.skipped(), ["repeats.seeds_differ"]);
    assert_eq!(fake.counts().running, 0);
}

#[tokio::test(start_paused = true)]
async fn it_passes_with_any_one_capability_missing() {
    for missing in FakeGenerator::new("full").capabilities().supported.clone() {
        let fake = FakeGenerator::new("fake").without(missing);
        conformance::run(&fixture(&fake)).await.assert_passed();
        assert_eq!(fake.counts().running, 0, "without {missing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_passes_with_none_at_all_and_with_one_place() {
    let bare = FakeGenerator::new("bare").with_supported([]).with_context_length(None);
    conformance::run(&fixture(&bare)).await.assert_passed();
    let narrow =
        FakeGenerator::new("narrow").with_concurrency(1).with_pace(Duration::from_millis(3));
    conformance::run(&fixture(&narrow)).await.assert_passed();
}

#[tokio::test]
async fn it_fails_as_often_as_told_and_then_answers() {
    let fake = FakeGenerator::new("fake").failing(2, reset).answering("at last");
    for _ in 0..2 {
        let error = fake.generate(Request::user("?")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        assert_eq!(error.provider(), Some(&fake.info().id));
    }
    assert_eq!(fake.generate(Request::user("?")).await.unwrap().text, "at last");
    assert_eq!((fake.counts().failed, fake.counts().finished), (2, 1));
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_what_came_before() {
    let fake = FakeGenerator::new("fake").then(Turn::new().text("so far").failing(reset));
    let error = fake.generate(Request::user("?")).await.unwrap_err();
    assert_eq!(error.partial().map(|partial| partial.text.as_str()), Some("so far"));
}

#[tokio::test]
async fn a_stalled_stream_that_is_dropped_leaks_nothing() {
    let fake = FakeGenerator::new("fake").then(Turn::new().text("a").stalling());
    let mut events = fake.stream(Request::user("?")).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(Event::Started { .. }))));
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Text("a".into()));
    assert!(events.next().now_or_never().is_none(), "it stalls");
    assert_eq!(fake.counts().running, 1);
    drop(events);
    assert_eq!((fake.counts().running, fake.counts().cancelled), (0, 1));
}

#[tokio::test]
async fn the_request_beyond_the_last_place_queues_until_one_is_free() {
    let fake =
        FakeGenerator::new("fake").with_concurrency(1).then(Turn::new().text("a").stalling());
    let mut first = fake.stream(Request::user("1")).await.unwrap();
    first.next().await;
    let mut second = fake.stream(Request::user("2")).await.unwrap();
    assert!(matches!(second.next().await, Some(Ok(Event::Queued { .. }))));
    assert!(second.next().now_or_never().is_none());
    drop(first);
    assert!(matches!(second.next().await, Some(Ok(Event::Started { .. }))));
}

#[tokio::test]
async fn a_scripted_panic_is_one_and_frees_its_place() {
    let fake = FakeGenerator::new("fake").with_concurrency(1).then(Turn::new().panicking("bang"));
    let ask = fake.clone();
    let crashed = tokio::spawn(async move { ask.generate(Request::user("?")).await }).await;
    assert!(crashed.unwrap_err().is_panic());
    assert_eq!(fake.counts().running, 0);
    assert!(fake.generate(Request::user("?")).await.is_ok());
}

#[tokio::test]
async fn every_request_is_recorded_as_it_came() {
    let fake = FakeGenerator::new("fake").without(Capability::Seed);
    let mut refused = Request::user("b");
    refused.options.seed = Some(1);
    let requests = [Request::user("a"), refused];
    for request in requests.clone() {
        let _ = fake.generate(request).await;
    }
    assert_eq!(fake.requests(), requests);
    assert_eq!(fake.counts().started, 1, "the refused one never began");
}

#[tokio::test]
async fn a_factory_builds_what_its_settings_say() {
    let factory = FakeFactory::new("fake");
    let spec = |settings: serde_json::Value| ProviderSpec {
        id: "mine".parse().unwrap(),
        settings: settings.as_object().unwrap().clone(),
    };
    let context = BuildContext::default();
    let built = factory.build(spec(serde_json::json!({"reply": "hi"})), &context).await.unwrap();
    assert_eq!(built.generate(Request::user("?")).await.unwrap().text, "hi");
    assert_eq!(built.info().id.as_str(), "mine");
    assert_eq!(factory.built()[0].requests().len(), 1);
    let wrong = factory.build(spec(serde_json::json!({"reply": 3})), &context).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::ConfigInvalid);
}
