//! An ordered chain of providers: the first that can answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::{
    Attempt, Capabilities, Capability, Event, Notice, NoticeKind, ProviderId, ProviderInfo, Request,
};
use futures_util::{StreamExt, stream};
use ports::{Error, ErrorKind, EventStream, RetryAdvice, TextGenerator};
use tokio::time::Instant;

/// How long a member rests when it is out of quota, overloaded or down and does not say until when.
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(60);

/// What a provider promises of every answer, as against what it can be asked for. A chain promises
/// only what all its members do.
const PROMISES: [Capability; 5] = [
    Capability::Streaming,
    Capability::GreedyRepeats,
    Capability::Seed,
    Capability::Usage,
    Capability::Cancel,
];

/// Asks providers in order until one answers. A member that is out of quota or overloaded rests
/// until its reset time and is not asked meanwhile.
#[derive(Debug)]
pub struct Fallback {
    info: ProviderInfo,
    capabilities: Capabilities,
    members: Arc<[Member]>,
}

#[derive(Debug)]
struct Member {
    generator: Arc<dyn TextGenerator>,
    resting: Mutex<Option<Rest>>,
}

#[derive(Debug, Clone)]
struct Rest {
    until: Instant,
    kind: ErrorKind,
    why: String,
}

impl Fallback {
    /// A chain under the name `id`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] when there is no member.
    pub fn new(id: ProviderId, members: Vec<Arc<dyn TextGenerator>>) -> Result<Self, Error> {
        if members.is_empty() {
            let message = format!("the chain of {id} names no provider");
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with_provider(id));
        }
        let capabilities = combined(&members);
        let members = members
            .into_iter()
            .map(|generator| Member { generator, resting: Mutex::new(None) })
            .collect();
        let info = ProviderInfo { id, kind: "route".into(), model: None };
        Ok(Self { info, capabilities, members })
    }
}

/// Can be asked for what any member can; promises what all do.
fn combined(members: &[Arc<dyn TextGenerator>]) -> Capabilities {
    let has = |m: &Arc<dyn TextGenerator>, c: Capability| m.capabilities().has(c);
    let all = members.iter().flat_map(|m| m.capabilities().supported.iter().copied());
    let kept = all.filter(|c| !PROMISES.contains(c) || members.iter().all(|m| has(m, *c)));
    let mut capabilities = Capabilities::of(kept);
    let lengths = members.iter().map(|m| m.capabilities().context_length);
    capabilities.context_length =
        lengths.collect::<Option<Vec<_>>>().and_then(|lengths| lengths.into_iter().max());
    capabilities.concurrency = members.first().and_then(|m| m.capabilities().concurrency);
    capabilities
}

impl Member {
    fn id(&self) -> &ProviderId {
        &self.generator.info().id
    }

    fn rest(&self) -> Option<Rest> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.as_ref().is_some_and(|rest| rest.until <= Instant::now()) {
            *resting = None;
        }
        resting.clone()
    }

    fn send_to_rest(&self, error: &Error) {
        let Some(wait) = cooldown(error) else { return };
        let rest =
            Rest { until: Instant::now() + wait, kind: error.kind(), why: error.to_string() };
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
    }
}

/// How long not to ask again; `None` for errors that say nothing about the next request.
fn cooldown(error: &Error) -> Option<Duration> {
    match error.kind() {
        ErrorKind::QuotaExhausted
        | ErrorKind::RateLimited
        | ErrorKind::QueueFull
        | ErrorKind::Unavailable(_) => {}
        _ => return None,
    }
    Some(match error.advice() {
        RetryAdvice::After(wait) => wait,
        RetryAdvice::At(time) => time.duration_since(SystemTime::now()).unwrap_or_default(),
        _ => DEFAULT_COOLDOWN,
    })
}

/// Whether another provider might answer what this one did not.
fn moves_on(error: &Error) -> bool {
    use ErrorKind::{Cancelled, ConfigInvalid, InvalidRequest};
    !matches!(error.kind(), InvalidRequest | Cancelled | ConfigInvalid)
}

/// One call, over all members.
struct Run {
    id: ProviderId,
    members: Arc<[Member]>,
    request: Request,
    next: usize,
    failures: Vec<(ErrorKind, Attempt)>,
    current: Option<(EventStream, bool)>,
    over: bool,
}

impl Run {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if self.over {
                return None;
            }
            let failed = match &mut self.current {
                Some((events, committed)) => match events.next().await {
                    Some(Err(error)) if !*committed => error,
                    Some(item) => {
                        *committed |= item.as_ref().is_ok_and(Event::is_content);
                        return Some(item);
                    }
                    None => return None,
                },
                None => match self.open().await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
            };
            return Some(self.hop(failed));
        }
    }

    /// Asks the member whose turn it is.
    async fn open(&mut self) -> Result<(), Error> {
        let member = &self.members[self.next];
        if let Some(rest) = member.rest() {
            let left = rest.until.saturating_duration_since(Instant::now());
            let message = format!("{} (resting for another {} s)", rest.why, left.as_secs());
            return Err(Error::new(rest.kind, message).with_advice(RetryAdvice::After(left)));
        }
        let events = member.generator.stream(self.request.clone()).await.inspect_err(|error| {
            member.send_to_rest(error);
        })?;
        self.current = Some((events, false));
        Ok(())
    }

    /// A notice and the next member, or the error that lists every attempt.
    fn hop(&mut self, error: Error) -> Result<Event, Error> {
        let member = &self.members[self.next];
        if self.current.take().is_some() {
            member.send_to_rest(&error);
        }
        if !moves_on(&error) {
            self.over = true;
            return Err(error);
        }
        let attempt = Attempt { provider: member.id().clone(), error: Some(error.to_string()) };
        self.failures.push((error.kind(), attempt.clone()));
        self.next += 1;
        let Some(following) = self.members.get(self.next) else {
            self.over = true;
            return Err(self.exhausted(error));
        };
        let message = format!("{} failed: {error}; asking {}", member.id(), following.id());
        Ok(Event::Notice(Notice::failed(NoticeKind::Fallback, message, attempt)))
    }

    fn exhausted(&mut self, last: Error) -> Error {
        if self.failures.len() == 1 {
            return last;
        }
        let failures = std::mem::take(&mut self.failures);
        let same = failures.iter().all(|(kind, _)| *kind == last.kind());
        let kind = if same { last.kind() } else { dominant(&failures) };
        let lines: Vec<String> = failures
            .iter()
            .map(|(_, a)| format!("{}: {}", a.provider, a.error.as_deref().unwrap_or_default()))
            .collect();
        let message = format!("every provider of {} failed: {}", self.id, lines.join("; "));
        Error::new(kind, message)
            .with_provider(self.id.clone())
            .with_advice(last.advice())
            .with_attempts(failures.into_iter().map(|(_, attempt)| attempt).collect())
            .with_source(last)
    }
}

/// The kind of a mixed failure: what waiting could cure comes before what it could not.
fn dominant(failures: &[(ErrorKind, Attempt)]) -> ErrorKind {
    let cures = |kind: &ErrorKind| {
        matches!(
            kind,
            ErrorKind::RateLimited
                | ErrorKind::QueueFull
                | ErrorKind::Unavailable(_)
                | ErrorKind::Timeout(_)
                | ErrorKind::Network
        )
    };
    let kinds = || failures.iter().map(|(kind, _)| *kind);
    kinds().find(cures).or_else(|| kinds().next_back()).unwrap_or(ErrorKind::Internal)
}

#[async_trait]
impl TextGenerator for Fallback {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        ports::accept(self, &request)?;
        let run = Run {
            id: self.info.id.clone(),
            members: Arc::clone(&self.members),
            request,
            next: 0,
            failures: Vec::new(),
            current: None,
            over: false,
        };
        let events =
            stream::unfold(run, |mut run| async move { run.next().await.map(|item| (item, run)) });
        Ok(Box::pin(events.fuse()))
    }
}
