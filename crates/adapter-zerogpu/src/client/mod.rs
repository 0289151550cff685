//! The Gradio client: one app, its endpoints, and calls over its queue.

mod call;
mod cancel;
mod connect;
mod cookies;
mod join;
mod space_ref;
mod status;
mod transport;
mod wake;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ports::{Error, ErrorKind};
use reqwest::Method;
use serde_json::Value;

pub use call::{Call, CallEvent};
pub use connect::{ConnectOptions, Login};
pub use space_ref::SpaceRef;

use crate::arguments::Arguments;
use crate::endpoint::{Endpoint, endpoints};
use crate::error;
use crate::protocol::{AppConfig, AppInfo};
use call::Dialect;
use join::{Submission, join};
use transport::{Body, Transport};

/// A connected app. Cheap to clone; clones share connections and cookies.
#[derive(Clone)]
pub struct GradioClient {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Arc<Transport>,
    /// The Space's name on the Hub, where it has one, and the Hub that knows it.
    hub: Option<wake::OnHub>,
    app: Mutex<Arc<App>>,
}

/// The app as it described itself.
pub(crate) struct App {
    pub(crate) config: AppConfig,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// How to make one call.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The session that the server keeps state under; a new one when absent. Calls that share one
    /// must not run at the same time.
    pub session: Option<String>,
    /// Whole values in every message instead of diffs, where the server's Gradio is 4.20 or later.
    pub full_values: bool,
}

impl GradioClient {
    /// The address of the app, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.shared.transport.base().as_str().trim_end_matches('/')
    }

    /// Gradio's version on the server.
    pub fn version(&self) -> String {
        self.app().config.version.clone()
    }

    /// Every endpoint that can be called by name, those that the Space hides included.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.app().endpoints.clone()
    }

    /// The endpoint of this name, with or without its slash.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the public names.
    pub fn endpoint(&self, name: &str) -> Result<Endpoint, Error> {
        let app = self.app();
        app.find(name).cloned().ok_or_else(|| {
            let known: Vec<&str> =
                app.endpoints.iter().filter(|e| e.public).map(|e| e.name.as_str()).collect();
            let message = format!("{} has no endpoint {name:?}", self.shared.transport.host());
            Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("its endpoints: {}", known.join(", ")))
        })
    }

    /// Submits a call. Dropping the future or the call ends the job on the server.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for arguments that the endpoint cannot take; otherwise whatever
    /// kept the call from entering the queue.
    pub async fn call(
        &self,
        endpoint: &Endpoint,
        arguments: Arguments,
        options: CallOptions,
    ) -> Result<Call, Error> {
        let data = Arc::new(arguments.arrange(endpoint)?);
        let session = options.session.clone().unwrap_or_else(new_session);
        let transport = &self.shared.transport;
        if transport.take_suspicion() {
            // Only a hint: where it cannot be told, the call itself will tell.
            let _ = self.refresh().await;
        }
        let known = self.current(endpoint)?;
        let result = self.submit(&known, &data, &session, &options).await;
        let Err(error) = result else { return result };
        transport.suspect_after(&error);
        if !may_be_stale(&error) || self.refresh().await.is_err() {
            return Err(error);
        }
        // The app answers again: nothing is left to look at before the next call.
        transport.take_suspicion();
        match self.current(endpoint) {
            Ok(moved) if moved.fn_index != known.fn_index => {
                self.submit(&moved, &data, &session, &options).await
            }
            Ok(_) => Err(error),
            Err(gone) => Err(gone),
        }
    }

    /// The endpoint as the app has it now: functions are numbered anew when a Space is rebuilt, so
    /// the name is what counts.
    fn current(&self, endpoint: &Endpoint) -> Result<Endpoint, Error> {
        let current = self.endpoint(&endpoint.name)?;
        if current.inputs == endpoint.inputs {
            return Ok(current);
        }
        let host = self.shared.transport.host();
        let message = format!("{host} was rebuilt: {} takes other inputs now", endpoint.name);
        Err(Error::new(ErrorKind::NotFound, message).with_hint("connect to it again"))
    }

    /// Reads again what the app says of itself, if it is another process than before.
    async fn refresh(&self) -> Result<(), Error> {
        let after = load(&self.shared.transport).await?;
        let mut app = self.shared.app.lock().unwrap_or_else(PoisonError::into_inner);
        if after.config.app_id != app.config.app_id {
            *app = Arc::new(after);
        }
        Ok(())
    }

    async fn submit(
        &self,
        endpoint: &Endpoint,
        data: &Arc<Vec<Value>>,
        session: &str,
        options: &CallOptions,
    ) -> Result<Call, Error> {
        let app = self.app();
        let full_values = options.full_values && app.config.gives_whole_values();
        let prefix = app.config.api_prefix.clone();
        let submission = Submission {
            prefix: prefix.clone(),
            fn_index: endpoint.fn_index,
            session: session.to_owned(),
            data: Arc::clone(data),
            full_values,
            major: app.config.major(),
            cancels: app.config.cancels(),
        };
        let transport = &self.shared.transport;
        let guard = join(Arc::clone(transport), submission).await?;
        let response =
            transport.open_stream(&format!("{prefix}/queue/data?session_hash={session}")).await?;
        let dialect = Dialect {
            diffs: app.config.sends_diffs() && !full_values,
            quoted_errors: app.config.major() < 5,
            has_token: transport.has_token(),
        };
        Ok(Call::new(guard, response, dialect))
    }

    pub(crate) fn app(&self) -> Arc<App> {
        Arc::clone(&self.shared.app.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the app still is the process that it was; its sessions are gone otherwise.
    pub(crate) async fn same_process(&self) -> bool {
        let before = self.app();
        let answer = self.shared.transport.fetch(Method::GET, "/config", Body::None).await;
        let config = answer.ok().and_then(|text| serde_json::from_str::<AppConfig>(&text).ok());
        config.is_some_and(|config| config.app_id == before.config.app_id)
    }
}

impl App {
    fn find(&self, name: &str) -> Option<&Endpoint> {
        let name = name.trim_start_matches('/');
        self.endpoints.iter().find(|endpoint| endpoint.name.trim_start_matches('/') == name)
    }
}

impl fmt::Debug for GradioClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GradioClient").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}

/// Reads what the app says of itself.
async fn load(transport: &Transport) -> Result<App, Error> {
    let host = transport.host();
    let text = transport.fetch(Method::GET, "/config", Body::None).await?;
    let config: AppConfig = serde_json::from_str(&text).map_err(|_| {
        error::protocol(format!("{host} is no Gradio app: its /config is no JSON object"))
    })?;
    if config.version.is_empty() && config.dependencies.is_empty() {
        return Err(error::protocol(format!("{host} is no Gradio app")));
    }
    if !config.supported() {
        let message = format!("{host} runs Gradio {}, which is too old", config.version);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("its owner has to move it to Gradio 4.9 or later"));
    }
    // Names and defaults are worth having, but labels do without them.
    let path = format!("{}/info", config.api_prefix);
    let info = match transport.fetch(Method::GET, &path, Body::None).await {
        Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unavailable(_)) => {
            AppInfo::default()
        }
        Err(error) => return Err(error),
    };
    let endpoints = endpoints(&config, &info);
    Ok(App { config, endpoints })
}

fn may_be_stale(error: &Error) -> bool {
    use ports::Unavailability::Down;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unavailable(Down))
}

/// A name that no other session has, from the random keys that hash maps are given.
pub(crate) fn new_session() -> String {
    use std::hash::{BuildHasher, RandomState};
    let (a, b) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    format!("{a:016x}{b:016x}")
}
