//! What the layers do, around providers that fail on cue.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use testkit::conformance::{self, Fixture};
use testkit::{FakeGenerator, Turn};
use textport::layers::{Deadline, Fallback, Retry, RetryPolicy};
use textport::{
    Error, ErrorKind, Event, NoticeKind, ProviderId, Request, RetryAdvice, TextGenerator,
    TimeoutPhase,
};

fn network() -> Error {
    Error::new(ErrorKind::Network, "reset")
}

fn quota() -> Error {
    let reset = SystemTime::now() + Duration::from_secs(3600);
    Error::new(ErrorKind::QuotaExhausted, "quota exceeded").with_advice(RetryAdvice::At(reset))
}

fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy { attempts, base: Duration::from_millis(1), max_wait: Duration::from_secs(5) }
}

fn chain(members: &[&FakeGenerator]) -> Fallback {
    let members = members.iter().map(|m| Arc::new((*m).clone()) as Arc<dyn TextGenerator>);
    Fallback::new(ProviderId::new("chain").unwrap(), members.collect()).unwrap()
}

fn ask() -> Request {
    Request::user("hello?")
}

#[tokio::test]
async fn a_retry_answers_after_failures_and_says_so() {
    let fake = FakeGenerator::new("flaky").failing(2, network).answering("at last");
    let retry = Retry::new(Arc::new(fake.clone()), quick(3));
    let answer = retry.generate(ask()).await.unwrap();
    assert_eq!(answer.text, "at last");
    assert_eq!(answer.notices.iter().filter(|n| n.kind == NoticeKind::Retry).count(), 2);
    assert_eq!((answer.attempts.len(), fake.requests().len()), (3, 3));
}

#[tokio::test]
async fn a_retry_stops_at_its_budget_and_one_is_no_retry() {
    for (attempts, asked) in [(1, 1), (2, 2)] {
        let fake = FakeGenerator::new("down").failing(5, network);
        let retry = Retry::new(Arc::new(fake.clone()), quick(attempts));
        assert_eq!(retry.generate(ask()).await.unwrap_err().kind(), ErrorKind::Network);
        assert_eq!(fake.requests().len(), asked);
    }
}

#[tokio::test]
async fn a_retry_does_not_repeat_what_will_not_help() {
    let fake = FakeGenerator::new("empty").failing(5, quota);
    let retry = Retry::new(Arc::new(fake.clone()), quick(3));
    assert_eq!(retry.generate(ask()).await.unwrap_err().kind(), ErrorKind::QuotaExhausted);
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn nobody_goes_on_after_the_first_content() {
    let broken = || FakeGenerator::new("broken").then(Turn::new().text("half an").failing(network));
    let (alone, first, second) = (broken(), broken(), FakeGenerator::new("second"));
    let retried = Retry::new(Arc::new(alone.clone()), quick(3)).generate(ask()).await.unwrap_err();
    let fallen = chain(&[&first, &second]).generate(ask()).await.unwrap_err();
    for error in [retried, fallen] {
        assert_eq!(error.kind(), ErrorKind::Network);
        assert_eq!(error.partial().map(|p| p.text.as_str()), Some("half an"));
    }
    assert_eq!((alone.requests().len(), second.requests().len()), (1, 0));
}

#[tokio::test]
async fn an_error_in_the_stream_before_content_still_moves_on() {
    let first = FakeGenerator::new("first").then(Turn::new().failing(network));
    let second = FakeGenerator::new("second").answering("here");
    let answer = chain(&[&first, &second]).generate(ask()).await.unwrap();
    assert_eq!(answer.text, "here");
    assert_eq!(answer.served_by.unwrap().as_str(), "second");
}

#[tokio::test]
async fn a_member_out_of_quota_rests_until_its_reset() {
    let first = FakeGenerator::new("space").failing(1, quota).answering("from the Space");
    let second = FakeGenerator::new("local").answering("from here");
    let chain = chain(&[&first, &second]);
    for _ in 0..3 {
        let answer = chain.generate(ask()).await.unwrap();
        assert_eq!(answer.text, "from here");
        assert_eq!(answer.attempts[0].provider.as_str(), "space");
        assert!(answer.attempts[0].error.as_ref().unwrap().contains("quota exceeded"));
    }
    assert_eq!(first.requests().len(), 1, "it must not be asked while it rests");
}

#[tokio::test(start_paused = true)]
async fn a_member_comes_back_after_its_rest() {
    let limited = || {
        let wait = RetryAdvice::After(Duration::from_secs(30));
        Error::new(ErrorKind::RateLimited, "slow down").with_advice(wait)
    };
    let first = FakeGenerator::new("first").failing(1, limited).answering("first again");
    let second = FakeGenerator::new("second").answering("second");
    let chain = chain(&[&first, &second]);
    assert_eq!(chain.generate(ask()).await.unwrap().text, "second");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(chain.generate(ask()).await.unwrap().text, "first again");
}

#[tokio::test]
async fn a_failed_chain_lists_every_attempt() {
    let first = FakeGenerator::new("first").failing(1, quota);
    let second = FakeGenerator::new("second").failing(1, quota);
    let error = chain(&[&first, &second]).generate(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    let asked: Vec<&str> = error.attempts().iter().map(|a| a.provider.as_str()).collect();
    assert_eq!(asked, ["first", "second"]);
    assert!(error.to_string().contains("first: quota") && error.to_string().contains("second: "));
}

#[tokio::test]
async fn a_chain_skips_a_member_that_cannot_and_refuses_what_none_can() {
    use textport::Capability::{Logprobs, RawPrompt};
    let first = FakeGenerator::new("first").without(RawPrompt).without(Logprobs);
    let second = FakeGenerator::new("second").without(Logprobs).answering("raw");
    let chain = chain(&[&first, &second]);
    assert_eq!(chain.generate(Request::raw("a b c")).await.unwrap().text, "raw");
    let mut request = ask();
    request.options.logprobs = Some(1);
    let error = chain.generate(request).await.unwrap_err();
    assert_eq!((error.kind(), error.capability()), (ErrorKind::Unsupported, Some(Logprobs)));
    assert_eq!(second.requests().len(), 1);
}

#[tokio::test]
async fn an_invalid_request_is_nobody_elses_turn() {
    let (first, second) = (FakeGenerator::new("first"), FakeGenerator::new("second"));
    let error = chain(&[&first, &second]).generate(Request::user(" ")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(second.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_stall_and_the_work_behind_it() {
    let fake = FakeGenerator::new("slow").then(Turn::new().text("well").stalling());
    let deadline = Deadline::new(Arc::new(fake.clone()), Duration::from_secs(30));
    let error = deadline.generate(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!(error.partial().map(|p| p.text.as_str()), Some("well"));
    assert_eq!(fake.counts().running, 0);
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_retries_and_fallbacks() {
    let busy = || {
        let wait = RetryAdvice::After(Duration::from_secs(4));
        Error::new(ErrorKind::RateLimited, "busy").with_advice(wait)
    };
    let fake = FakeGenerator::new("busy").failing(100, busy);
    let retry: Arc<dyn TextGenerator> = Arc::new(Retry::new(Arc::new(fake.clone()), quick(100)));
    let chain = Fallback::new(ProviderId::new("chain").unwrap(), vec![retry]).unwrap();
    let deadline = Deadline::new(Arc::new(chain), Duration::from_secs(10));
    let error = deadline.generate(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Total));
    assert_eq!(fake.requests().len(), 3, "at 0, 4 and 8 seconds");
}

#[tokio::test]
async fn a_stream_ends_after_its_error() {
    let fake = FakeGenerator::new("down").then(Turn::new().text("x").failing(network));
    let chain = chain(&[&fake]);
    let deadline = Deadline::new(Arc::new(chain), Duration::from_secs(30));
    let mut events = deadline.stream(ask()).await.unwrap();
    let mut errors = 0;
    while let Some(event) = events.next().await {
        errors += usize::from(event.is_err());
        assert!(!matches!(event, Ok(Event::Finish(_))));
    }
    assert_eq!(errors, 1);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn layers_keep_the_contract() {
    let fake = || Arc::new(FakeGenerator::new("inner"));
    let second = Arc::new(FakeGenerator::new("second"));
    let chain = Fallback::new(ProviderId::new("chain").unwrap(), vec![fake(), second]).unwrap();
    let layers: [Arc<dyn TextGenerator>; 3] = [
        Arc::new(Deadline::new(fake(), Duration::from_secs(60))),
        Arc::new(Retry::new(fake(), RetryPolicy::default())),
        Arc::new(chain),
    ];
    for layer in layers {
        let fixture = Fixture::new(layer).with_reasoning_prompt("How many legs have three cats?");
        conformance::run(&fixture).await.assert_passed();
    }
}
