//! Requests to one origin: credentials, cookies, redirects, deadlines and caps in one place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, Secret, TimeoutPhase};
use reqwest::header::{
    CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::timeout;

use super::cookies::Cookies;
use crate::error::{self, Refusal};
use crate::{Deadlines, Limits};

const USER_AGENT: &str = concat!("textport/", env!("CARGO_PKG_VERSION"));
const MOST_REDIRECTS: usize = 5;

/// What goes with every request. Built once, so that a bad header fails early.
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    cookies: Mutex<Cookies>,
    pub(super) deadlines: Deadlines,
    limits: Limits,
    /// Something happened that a restart of the app would explain.
    suspect: AtomicBool,
}

/// What is sent as a body.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    None,
    Json(&'a str),
    Form(&'a str),
}

impl Transport {
    pub(super) fn new(
        base: Url,
        token: Option<&Secret>,
        extra: &[(String, Secret)],
        deadlines: Deadlines,
        limits: Limits,
    ) -> Result<Self, Error> {
        let headers = headers(&base, token, extra)?;
        Ok(Self {
            http: http_client(&deadlines)?,
            base,
            headers,
            cookies: Mutex::default(),
            deadlines,
            limits,
            suspect: AtomicBool::new(false),
        })
    }

    /// Remembers an error that a restart of the app would explain.
    pub(super) fn suspect_after(&self, error: &Error) {
        use ErrorKind::{Network, NotFound, Protocol, Unavailable};
        if matches!(error.kind(), Network | NotFound | Protocol | Unavailable(_)) {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there was such an error since the last time this was asked.
    pub(super) fn take_suspicion(&self) -> bool {
        self.suspect.swap(false, Ordering::Relaxed)
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Host and, where it is unusual, port: what messages name.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or("the Space");
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// A short request: the whole answer within the request deadline, successes only.
    pub(super) async fn fetch(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> Result<String, Error> {
        let limit = self.deadlines.request;
        let exchange = async {
            let response = self.send(method, path, body).await?;
            self.text(response, path).await
        };
        match timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => {
                let what = format!("{} did not answer {path}", self.host());
                Err(error::timed_out(TimeoutPhase::Connect, limit, &what))
            }
        }
    }

    /// Opens a stream of events; what is not one is refused like any bad answer.
    pub(super) async fn open_stream(&self, path: &str) -> Result<Response, Error> {
        let limit = self.deadlines.request;
        let what = || format!("{} opened no stream", self.host());
        let response = timeout(limit, self.send(Method::GET, path, Body::None))
            .await
            .map_err(|_| error::timed_out(TimeoutPhase::Connect, limit, &what()))??;
        if !response.status().is_success() {
            let refused = timeout(limit, self.text(response, path)).await;
            return match refused {
                Ok(Err(error)) => Err(error),
                _ => Err(error::protocol(what())),
            };
        }
        if content_type(&response).starts_with("text/event-stream") {
            return Ok(response);
        }
        Err(error::protocol(format!("{} answered the queue with no event stream", self.host())))
    }

    /// The next bytes of a stream; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        response.chunk().await.map_err(|error| error::unreachable(error, &self.host()))
    }

    /// Whether a token goes with every request.
    pub(super) fn has_token(&self) -> bool {
        self.headers.contains_key("x-hf-authorization")
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sends one request and follows redirects within the origin. One that leads to another host is
    /// refused: neither credentials nor prompts go where nobody sent them.
    async fn send(&self, method: Method, path: &str, body: Body<'_>) -> Result<Response, Error> {
        let mut url = self.url(path)?;
        let mut method = method;
        let mut body = body;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_once(method.clone(), url.clone(), body).await?;
            let Some(target) = self.redirect(&response)? else { return Ok(response) };
            if matches!(response.status(), StatusCode::SEE_OTHER)
                || (method == Method::POST && response.status().as_u16() < 303)
            {
                (method, body) = (Method::GET, Body::None);
            }
            url = target;
        }
        Err(error::protocol(format!("{} redirects in circles", self.host())))
    }

    /// The address of a path. Parts of it come from the server, so it is checked that they stay a
    /// path: `@elsewhere` after a host would make the host a user's name.
    fn url(&self, path: &str) -> Result<Url, Error> {
        let joined = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&joined).ok().filter(|url| url.origin() == self.base.origin());
        url.ok_or_else(|| error::protocol(format!("{} names a path that is none", self.host())))
    }

    async fn send_once(&self, method: Method, url: Url, body: Body<'_>) -> Result<Response, Error> {
        let mut request = self.http.request(method, url).headers(self.headers.clone());
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner).line();
        if let Some(line) = cookies.and_then(|line| HeaderValue::from_str(&line).ok()) {
            request = request.header(COOKIE, line);
        }
        request = match body {
            Body::None => request,
            Body::Json(text) => {
                request.header(CONTENT_TYPE, "application/json").body(text.to_owned())
            }
            Body::Form(text) => request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(text.to_owned()),
        };
        let response =
            request.send().await.map_err(|error| error::unreachable(error, &self.host()))?;
        self.keep_cookies(&response);
        Ok(response)
    }

    fn keep_cookies(&self, response: &Response) {
        let secure = self.base.scheme() == "https";
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for line in response.headers().get_all(SET_COOKIE) {
            cookies.absorb(line.to_str().unwrap_or_default(), secure);
        }
    }

    fn redirect(&self, response: &Response) -> Result<Option<Url>, Error> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| response.url().join(location).ok());
        let Some(target) = target else {
            return Err(error::protocol(format!("{} redirects to nowhere", self.host())));
        };
        if target.origin() == self.base.origin() {
            return Ok(Some(target));
        }
        let elsewhere = target.host_str().unwrap_or("another address");
        let message = format!("{} redirects to {elsewhere}, which was not asked for", self.host());
        Err(Error::new(ErrorKind::PermissionDenied, message)
            .with_hint("if you trust that address, configure it as the provider's `space`"))
    }

    /// The body of a success, or the error that a refusal means.
    async fn text(&self, mut response: Response, path: &str) -> Result<String, Error> {
        let status = response.status();
        let content_type = content_type(&response).to_owned();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = self.body(&mut response).await?;
        if status.is_success() {
            return Ok(body);
        }
        let refusal = Refusal {
            status,
            content_type: &content_type,
            retry_after: retry_after.as_deref(),
            body: &body,
            path,
            host: &self.host(),
        };
        Err(error::refused(&refusal, SystemTime::now()))
    }

    async fn body(&self, response: &mut Response) -> Result<String, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(response).await? {
            bytes.extend_from_slice(chunk.as_ref());
            if bytes.len() > self.limits.body {
                let message = format!("{} sent more than {} bytes", self.host(), self.limits.body);
                return Err(error::protocol(message));
            }
        }
        // A page in another encoding is no answer of Gradio's: what it says does not matter.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn content_type(response: &Response) -> &str {
    response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn http_client(deadlines: &Deadlines) -> Result<reqwest::Client, Error> {
    // Reqwest asks for the process-wide provider; a second installation is refused and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(deadlines.connect)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, format!("no HTTP client: {error}")))
}

/// The Spaces proxy takes the token from `X-HF-Authorization` and strips it; `Authorization` would
/// reach the Space's own code.
fn headers(
    base: &Url,
    token: Option<&Secret>,
    extra: &[(String, Secret)],
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in extra {
        let invalid = |_| {
            Error::new(
                ErrorKind::ConfigInvalid,
                format!("{name:?} is no header with a plain value"),
            )
        };
        let name = HeaderName::try_from(name.as_str()).map_err(|e| invalid(e.to_string()))?;
        headers.insert(name, sensitive(value).map_err(invalid)?);
    }
    // Errors come without the pages of advice that the browser shows.
    headers.insert(HeaderName::from_static("x-gradio-user"), HeaderValue::from_static("api"));
    if let Some(token) = token {
        if base.scheme() != "https" && !is_loopback(base) {
            let message = "a token is never sent over plain http";
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("use an https address, or leave `token` out"));
        }
        let value = Secret::new(format!("Bearer {}", token.expose()));
        let value = sensitive(&value).map_err(|_| {
            Error::new(ErrorKind::Unauthenticated, "the token has characters that no token has")
        })?;
        headers.insert(HeaderName::from_static("x-hf-authorization"), value);
    }
    Ok(headers)
}

fn sensitive(secret: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}
