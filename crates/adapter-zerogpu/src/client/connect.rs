//! From a name to a connected client: where it is, awake, logged in, and what it offers.

use std::sync::{Arc, Mutex};

use ports::{Error, ErrorKind, Secret};
use reqwest::{Method, Url};

use super::space_ref::{Kind, SpaceRef};
use super::transport::{Body, Transport};
use super::wake::{OnHub, ready};
use super::{App, GradioClient, Shared, load};
use crate::{Deadlines, Limits};

/// The Hub that names are looked up at.
const HUB: &str = "https://huggingface.co";

/// How to reach a Space.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// A Hugging Face token; goes to the Hub and to the Space and nowhere else.
    pub token: Option<Secret>,
    /// For apps that ask for a user and a password.
    pub login: Option<Login>,
    /// The Hub that `owner/name` is looked up at.
    pub hub_endpoint: String,
    /// More headers for the Space, e.g. a visitor's `x-ip-token`.
    pub headers: Vec<(String, Secret)>,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// How much to take in.
    pub limits: Limits,
}

/// A user of a Gradio app.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            token: None,
            login: None,
            hub_endpoint: HUB.to_owned(),
            headers: Vec::new(),
            deadlines: Deadlines::default(),
            limits: Limits::default(),
        }
    }
}

impl GradioClient {
    /// Connects to a Space: finds it, wakes it when it sleeps, logs in where that is asked for, and
    /// reads what it offers. `report` hears in a few words what is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown Space, or a private one without its token;
    /// [`ErrorKind::Unavailable`] when it does not run and cannot be waited for;
    /// [`ErrorKind::Unauthenticated`] when it wants a login; [`ErrorKind::Timeout`] when it took too
    /// long; [`ErrorKind::Network`] and [`ErrorKind::Protocol`] when the other side is no Gradio app.
    pub async fn connect(
        space: &SpaceRef,
        options: ConnectOptions,
        report: impl Fn(&str) + Send + Sync,
    ) -> Result<Self, Error> {
        let (base, hub) = resolve(space, &options).await?;
        let transport = Transport::new(
            base,
            options.token.as_ref(),
            &options.headers,
            options.deadlines,
            options.limits,
        )?;
        let open = || open(&transport, options.login.as_ref());
        let app = match &hub {
            Some(hub) => ready(hub, &options.deadlines, &report, open).await?,
            None => open().await?,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                transport: Arc::new(transport),
                hub,
                app: Mutex::new(Arc::new(app)),
            }),
        })
    }
}

/// Logs in where the app asks for it, and reads what it offers.
async fn open(transport: &Transport, login: Option<&Login>) -> Result<App, Error> {
    match (load(transport).await, login) {
        (Err(error), Some(login)) if error.kind() == ErrorKind::Unauthenticated => {
            log_in(transport, login).await?;
            load(transport).await
        }
        (result, _) => result,
    }
}

async fn log_in(transport: &Transport, login: &Login) -> Result<(), Error> {
    let mut form = Url::parse("form:").map_err(|_| crate::error::protocol("no form"))?;
    form.query_pairs_mut()
        .append_pair("username", &login.user)
        .append_pair("password", login.password.expose());
    let form = form.query().unwrap_or_default();
    transport.fetch(Method::POST, "/login", Body::Form(form)).await.map(|_| ())
}

/// Where the Space answers, and what the Hub knows it as.
async fn resolve(
    space: &SpaceRef,
    options: &ConnectOptions,
) -> Result<(Url, Option<OnHub>), Error> {
    match space.kind() {
        Kind::Address(url) => Ok((url.clone(), OnHub::of_address(url, options)?)),
        Kind::Hub(id) => {
            let hub = OnHub::new(id.clone(), options)?;
            let host = hub.host().await?;
            let url = Url::parse(&host).ok().filter(|url| trusted(url, options));
            let url = url.ok_or_else(|| {
                crate::error::protocol(format!(
                    "the Hub says that {id} answers at a strange address"
                ))
            })?;
            Ok((url, Some(hub)))
        }
    }
}

/// The token belongs to the Hub's own hosts. Another Hub, e.g. one of a test, vouches for its own.
fn trusted(url: &Url, options: &ConnectOptions) -> bool {
    let host = url.host_str().unwrap_or_default();
    options.hub_endpoint.trim_end_matches('/') != HUB
        || (url.scheme() == "https"
            && (host.ends_with(".hf.space") || host.ends_with(".huggingface.co")))
}
