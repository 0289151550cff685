//! Spaces that sleep, are built, start, or are stopped: found out at the Hub, waited for where that
//! helps, and otherwise an error that says what to do.

use std::time::Duration;

use hub::{Patience, Runtime, Spaces, Stage, Token};
use ports::{Error, ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};
use reqwest::Url;
use tokio::time::{Instant, sleep};

use super::{App, ConnectOptions};
use crate::{Deadlines, error, html};

/// Wrong answers of a running Space before it is believed: right after a start, a proxy may answer
/// in its place.
const WRONG_ANSWERS: u32 = 3;

/// A Space as the Hub knows it.
#[derive(Clone)]
pub(super) struct OnHub {
    spaces: Spaces,
    /// `owner/name`, or the subdomain that it answers at.
    place: Place,
    has_token: bool,
}

#[derive(Clone)]
enum Place {
    Id(String),
    Subdomain(String),
}

impl OnHub {
    pub(super) fn new(id: String, options: &ConnectOptions) -> Result<Self, Error> {
        Self::at(Place::Id(id), options)
    }

    /// For an address under hf.space; others are no Spaces and have nothing to be asked.
    pub(super) fn of_address(url: &Url, options: &ConnectOptions) -> Result<Option<Self>, Error> {
        let subdomain = url.host_str().and_then(|host| host.strip_suffix(".hf.space"));
        subdomain.map(|name| Self::at(Place::Subdomain(name.to_owned()), options)).transpose()
    }

    fn at(place: Place, options: &ConnectOptions) -> Result<Self, Error> {
        let token = options.token.as_ref().map(|token| Token::new(token.expose()));
        let has_token = token.is_some();
        let mut patience = Patience::default();
        patience.connect = options.deadlines.connect;
        patience.idle = options.deadlines.request;
        let spaces = Spaces::new(&options.hub_endpoint, token, patience)
            .map_err(|e| self::hub_error(e, false))?;
        Ok(Self { spaces, place, has_token })
    }

    pub(super) fn name(&self) -> &str {
        let (Place::Id(name) | Place::Subdomain(name)) = &self.place;
        name
    }

    pub(super) fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    pub(super) fn has_token(&self) -> bool {
        self.has_token
    }

    /// The address that the Hub gives.
    pub(super) async fn host(&self) -> Result<String, Error> {
        let id = self.name();
        let info = self.spaces.info(id).await.map_err(|e| hub_error(e, self.has_token))?;
        match info.host {
            Some(host) => Ok(host),
            None => self.spaces.host(id).await.map_err(|e| hub_error(e, self.has_token)),
        }
    }

    pub(super) async fn runtime(&self) -> Result<Runtime, Error> {
        let answer = match &self.place {
            Place::Id(id) => self.spaces.runtime(id).await,
            Place::Subdomain(name) => match self.spaces.by_subdomain(name).await {
                Ok(info) => self.spaces.runtime(&info.id).await,
                Err(error) => Err(error),
            },
        };
        answer.map_err(|error| hub_error(error, self.has_token))
    }
}

/// Opens the app; while it does not answer, the Hub says whether waiting helps. The first try to
/// open it is also the visit that wakes a sleeping Space.
pub(super) async fn ready<F>(
    hub: &OnHub,
    deadlines: &Deadlines,
    report: &(impl Fn(&str) + Send + Sync),
    open: impl Fn() -> F + Send + Sync,
) -> Result<App, Error>
where
    F: Future<Output = Result<App, Error>> + Send,
{
    let give_up = Instant::now() + deadlines.wake;
    let mut pause = Duration::from_secs(1);
    let mut wrong_answers = 0;
    loop {
        let failure = match open().await {
            Ok(app) => return Ok(app),
            Err(failure) if !may_be_asleep(&failure) => return Err(failure),
            Err(failure) => failure,
        };
        // The Hub's own trouble says nothing about the Space: the first failure stands.
        let Ok(runtime) = hub.runtime().await else { return Err(failure) };
        if let Some(error) = hopeless(hub.name(), &runtime) {
            return Err(error.with_source(failure));
        }
        // A Space that runs and says something that no Gradio app says will say it again.
        let answered = matches!(failure.kind(), ErrorKind::Protocol | ErrorKind::NotFound);
        wrong_answers += u32::from(answered && runtime.stage.answers());
        if wrong_answers >= WRONG_ANSWERS {
            return Err(failure);
        }
        if Instant::now() + pause > give_up {
            return Err(too_long(hub.name(), &runtime.stage, deadlines.wake).with_source(failure));
        }
        report(&waiting(hub.name(), &runtime.stage));
        sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(10));
    }
}

/// What a Space that does not run answers: a page, a 502 to 504, a 404, or nothing in time.
fn may_be_asleep(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable(_)
            | ErrorKind::Protocol
            | ErrorKind::NotFound
            | ErrorKind::Network
            | ErrorKind::Timeout(_)
    )
}

fn waiting(name: &str, stage: &Stage) -> String {
    match stage {
        Stage::Sleeping | Stage::Stopped => format!("{name} sleeps: waking it"),
        Stage::Building => format!("{name} is being built"),
        Stage::AppStarting => format!("{name} is starting"),
        stage if stage.answers() => format!("{name} runs but does not answer yet"),
        stage => format!("{name} is {}", stage.as_str()),
    }
}

/// The error for a Space that no waiting helps.
pub(super) fn hopeless(name: &str, runtime: &Runtime) -> Option<Error> {
    let (state, what, hint) = match &runtime.stage {
        Stage::Paused => (
            Unavailability::Paused,
            "is paused by its owner",
            "only its owner can start it again: `restart` on the Space's page",
        ),
        Stage::BuildError => (Unavailability::Down, "could not be built", "its build log says why"),
        Stage::RuntimeError => {
            (Unavailability::Down, "has crashed", "its log says why; a restart may help")
        }
        Stage::ConfigError => (
            Unavailability::Down,
            "has a wrong configuration",
            "its README says which SDK it wants",
        ),
        Stage::NoAppFile => (Unavailability::Down, "has no app yet", "its owner has to upload one"),
        Stage::Deleting => (Unavailability::Down, "is being deleted", "use another Space"),
        _ => return None,
    };
    let why = runtime
        .error_message
        .as_deref()
        .map(|text| format!(": {}", html::one_line(&html::plain(text))));
    let message = format!("the Space {name} {what}{}", why.unwrap_or_default());
    Some(
        Error::new(ErrorKind::Unavailable(state), message)
            .with_hint(hint)
            .with_advice(RetryAdvice::OtherProviderOnly),
    )
}

fn too_long(name: &str, stage: &Stage, limit: Duration) -> Error {
    let state = match stage {
        Stage::Sleeping | Stage::Stopped => Unavailability::Asleep,
        Stage::Building | Stage::AppStarting => Unavailability::Building,
        _ => {
            return error::timed_out(
                TimeoutPhase::Connect,
                limit,
                &format!("the Space {name} did not answer"),
            );
        }
    };
    let message = format!("the Space {name} is {} after {} s", stage.as_str(), limit.as_secs());
    Error::new(ErrorKind::Unavailable(state), message)
        .with_hint("try again later, or allow a longer `wake_s` under `timeouts`")
}

/// The Hub's errors in the port's words.
pub(super) fn hub_error(error: hub::Error, has_token: bool) -> Error {
    let message = error.to_string();
    let (kind, hint) = match &error {
        hub::Error::NotFound { .. } if has_token => {
            (ErrorKind::NotFound, "check the name, and that the token may read the Space")
        }
        hub::Error::NotFound { .. } => {
            (ErrorKind::NotFound, "check the name; a private Space needs a `token`")
        }
        hub::Error::Unauthorized { .. } if has_token => {
            (ErrorKind::Unauthenticated, "check the name and the token: one of them is wrong")
        }
        hub::Error::Unauthorized { .. } => {
            (ErrorKind::Unauthenticated, "check the name; a private Space needs a `token`")
        }
        hub::Error::Forbidden { .. } => (ErrorKind::PermissionDenied, "the token may not do this"),
        hub::Error::RateLimited { .. } => (ErrorKind::RateLimited, "the Hub wants fewer requests"),
        hub::Error::Network { .. } => (ErrorKind::Network, "check the connection"),
        hub::Error::Status { status: 500.., .. } => {
            (ErrorKind::Unavailable(Unavailability::Down), "the Hub has trouble: try again later")
        }
        hub::Error::Config(_) => (ErrorKind::ConfigInvalid, "check `hub_endpoint` and `token`"),
        _ => (ErrorKind::Protocol, "check `hub_endpoint`"),
    };
    let retry_after = match &error {
        hub::Error::RateLimited { retry_after } => *retry_after,
        _ => None,
    };
    let built = Error::new(kind, format!("the Hub: {message}")).with_hint(hint).with_source(error);
    match retry_after {
        Some(wait) => built.with_advice(RetryAdvice::After(wait)),
        None => built,
    }
}

#[cfg(test)]
mod tests;
