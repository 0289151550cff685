//! Tries again when trying again helps, and only while nothing has been printed.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::{
    Attempt, Capabilities, Event, Health, Notice, NoticeKind, ProviderInfo, Quota, Request,
};
use futures_util::{StreamExt, stream};
use ports::{Error, EventStream, RetryAdvice, TextGenerator};

/// How often and how patiently to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included; 1 never tries again.
    pub attempts: u32,
    /// The first wait where the provider names none; it doubles from try to try.
    pub base: Duration,
    /// The longest wait. A provider that asks for more is not waited for.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, base: Duration::from_millis(500), max_wait: Duration::from_secs(20) }
    }
}

impl RetryPolicy {
    /// How long to wait before try number `tried + 1`; `None` when it would not help.
    fn wait(&self, error: &Error, tried: u32) -> Option<Duration> {
        if tried >= self.attempts {
            return None;
        }
        let wait = match error.advice() {
            RetryAdvice::After(wait) => wait,
            RetryAdvice::At(time) => time.duration_since(SystemTime::now()).unwrap_or_default(),
            RetryAdvice::Backoff => {
                let doubled = self.base.saturating_mul(1_u32 << tried.saturating_sub(1).min(16));
                doubled.min(self.max_wait).mul_f64(jitter())
            }
            _ => return None,
        };
        (wait <= self.max_wait).then_some(wait)
    }
}

/// Between one half and one, so that callers that failed together do not come back together.
fn jitter() -> f64 {
    // The standard library's hasher is seeded at random: enough to spread waits.
    let random = RandomState::new().hash_one(0_u8);
    0.5 + (random >> 11) as f64 / (1_u64 << 53) as f64 / 2.0
}

/// Tries a provider again as long as its errors say that it helps.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn TextGenerator>,
    policy: RetryPolicy,
}

impl Retry {
    /// Tries `inner` again under `policy`.
    pub fn new(inner: Arc<dyn TextGenerator>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

/// One call, over all its tries.
struct Run {
    inner: Arc<dyn TextGenerator>,
    policy: RetryPolicy,
    request: Request,
    tried: u32,
    state: State,
}

enum State {
    Waiting(Duration),
    Failed(Error),
    Streaming { events: EventStream, committed: bool },
    Over,
}

impl Run {
    async fn open(&mut self) {
        self.tried += 1;
        self.state = match self.inner.stream(self.request.clone()).await {
            Ok(events) => State::Streaming { events, committed: false },
            Err(error) => State::Failed(error),
        };
    }

    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match &mut self.state {
                State::Over => return None,
                State::Waiting(wait) => {
                    tokio::time::sleep(*wait).await;
                    self.open().await;
                }
                State::Failed(_) => {
                    let State::Failed(error) = std::mem::replace(&mut self.state, State::Over)
                    else {
                        continue;
                    };
                    return Some(self.after(error));
                }
                State::Streaming { events, committed } => match events.next().await {
                    Some(Err(error)) if !*committed => self.state = State::Failed(error),
                    Some(item) => {
                        *committed |= item.as_ref().is_ok_and(Event::is_content);
                        return Some(item);
                    }
                    None => return None,
                },
            }
        }
    }

    /// A notice and another try, or the error.
    fn after(&mut self, error: Error) -> Result<Event, Error> {
        let Some(wait) = self.policy.wait(&error, self.tried) else { return Err(error) };
        self.state = State::Waiting(wait);
        let message = format!("{error}; trying again in {:.1} s", wait.as_secs_f64());
        let provider = error.provider().unwrap_or(&self.inner.info().id).clone();
        let attempt = Attempt { provider, error: Some(error.to_string()) };
        Ok(Event::Notice(Notice::failed(NoticeKind::Retry, message, attempt)))
    }
}

#[async_trait]
impl TextGenerator for Retry {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        let (inner, policy) = (Arc::clone(&self.inner), self.policy);
        let mut run = Run { inner, policy, request, tried: 0, state: State::Over };
        run.open().await;
        // What will not be tried again is told at once, not as the stream's first item.
        if let State::Failed(error) = run.state {
            if policy.wait(&error, run.tried).is_none() {
                return Err(error);
            }
            run.state = State::Failed(error);
        }
        let events =
            stream::unfold(run, |mut run| async move { run.next().await.map(|item| (item, run)) });
        Ok(Box::pin(events.fuse()))
    }

    async fn health(&self) -> Result<Health, Error> {
        self.inner.health().await
    }

    async fn quota(&self) -> Result<Option<Quota>, Error> {
        self.inner.quota().await
    }

    async fn embeddings(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        self.inner.embeddings(texts).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::ErrorKind;

    fn error(advice: RetryAdvice) -> Error {
        Error::new(ErrorKind::Network, "reset").with_advice(advice)
    }

    #[test]
    fn a_wait_beyond_the_ceiling_is_not_waited() {
        let policy = RetryPolicy { max_wait: Duration::from_secs(5), ..RetryPolicy::default() };
        let asked = |seconds| error(RetryAdvice::After(Duration::from_secs(seconds)));
        assert_eq!(policy.wait(&asked(5), 1), Some(Duration::from_secs(5)));
        assert_eq!(policy.wait(&asked(6), 1), None);
        assert_eq!(policy.wait(&error(RetryAdvice::Never), 1), None);
        assert_eq!(policy.wait(&error(RetryAdvice::OtherProviderOnly), 1), None);
    }

    #[test]
    fn waits_grow_and_stay_under_the_ceiling() {
        let policy = RetryPolicy { attempts: 40, ..RetryPolicy::default() };
        for tried in 1..40 {
            let wait = policy.wait(&error(RetryAdvice::Backoff), tried).unwrap();
            let full = policy.base.saturating_mul(1 << (tried - 1).min(16)).min(policy.max_wait);
            assert!(wait >= full / 2 && wait <= full, "{tried}: {wait:?}");
        }
    }

    #[test]
    fn the_budget_is_the_number_of_tries() {
        let policy = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
        assert!(policy.wait(&error(RetryAdvice::Backoff), 1).is_some());
        assert!(policy.wait(&error(RetryAdvice::Backoff), 2).is_none());
    }
}
