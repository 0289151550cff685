//! One request: the address, the redirects, and what an answer other than the wanted one means.

use std::fmt;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};

use crate::{Error, Patience, Token};

const REDIRECTS: usize = 10;

/// Talks to one endpoint, with or without a token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    token: Option<HeaderValue>,
    pub(crate) patience: Patience,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Client");
        out.field("endpoint", &self.endpoint.as_str()).field("token", &self.token);
        out.field("patience", &self.patience).finish()
    }
}

/// An answer whose status is 200, 206 or 416.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// What the Hub itself calls the content, as opposed to the server that it redirects to.
    pub(crate) linked_etag: Option<String>,
}

/// From where to go on, and only if the content still has this tag.
pub(crate) struct Resume<'a> {
    pub(crate) from: u64,
    pub(crate) etag: &'a str,
}

impl Client {
    /// For an endpoint such as `https://huggingface.co`.
    ///
    /// # Errors
    /// [`Error::Config`] when the endpoint is no http address, the token has characters that a
    /// header cannot have, or the machine's certificates cannot be read.
    pub fn new(endpoint: &str, token: Option<Token>) -> Result<Self, Error> {
        Self::with_patience(endpoint, token, Patience::default())
    }

    /// The same, waiting longer or shorter.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_patience(
        endpoint: &str,
        token: Option<Token>,
        patience: Patience,
    ) -> Result<Self, Error> {
        let bad = |why: &str| Error::Config(format!("the Hub endpoint {endpoint:?} {why}"));
        let endpoint = Url::parse(endpoint).map_err(|_| bad("is not an address"))?;
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() {
            return Err(bad("is not an http address"));
        }
        // Fails when the application chose a provider already, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("textport/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(patience.connect)
            .build()
            .map_err(|error| {
                Error::Config(format!("could not set up TLS: {}", error.without_url()))
            })?;
        let token = token.map(|token| bearer(&token)).transpose()?;
        Ok(Self { http, endpoint, token, patience })
    }

    /// `{endpoint}/{repo}/resolve/{revision}/{file}`, each part escaped.
    pub(crate) fn resolve(&self, repo: &str, revision: &str, file: &str) -> Result<Url, Error> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(repo.split('/')).push("resolve").push(revision);
                path.extend(file.split('/'));
            }
            Err(()) => return Err(Error::Config("the Hub endpoint has no path".into())),
        }
        Ok(url)
    }

    /// Asks for a file and follows redirects. The token goes to the endpoint only.
    pub(crate) async fn get(
        &self,
        url: &Url,
        what: &str,
        resume: Option<Resume<'_>>,
    ) -> Result<Answer, Error> {
        let mut url = url.clone();
        let mut linked_etag = None;
        for _ in 0..=REDIRECTS {
            let response = self.send(&url, resume.as_ref()).await?;
            linked_etag = linked_etag.or_else(|| header(response.headers(), "x-linked-etag"));
            let status = response.status();
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                url = target(&url, response.headers())?;
            } else if matches!(status.as_u16(), 200 | 206 | 416) {
                return Ok(Answer { response, linked_etag });
            } else {
                return Err(self.refusal(&url, what, status, response.headers()));
            }
        }
        Err(Error::Redirect(format!("more than {REDIRECTS} in a row")))
    }

    async fn send(&self, url: &Url, resume: Option<&Resume<'_>>) -> Result<Response, Error> {
        // A compressed body could neither be resumed nor measured.
        let mut request = self.http.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let (Some(token), true) = (&self.token, self.is_own(url)) {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(resume) = resume {
            request = request.header(RANGE, format!("bytes={}-", resume.from));
            request = request.header(IF_RANGE, resume.etag);
        }
        let host = url.host_str().unwrap_or("the server");
        match tokio::time::timeout(self.patience.idle, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Error::from_reqwest(&format!("could not reach {host}"), error)),
            Err(_) => Err(Error::network(format!("{host} did not answer in time"))),
        }
    }

    /// Whether an address is the endpoint's own: only there the token goes.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    pub(crate) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    fn refusal(&self, url: &Url, what: &str, status: StatusCode, headers: &HeaderMap) -> Error {
        let message = header(headers, "x-error-message").map(|words| one_line(&words));
        let what = what.to_owned();
        match header(headers, "x-error-code").as_deref().filter(|_| self.is_own(url)) {
            Some("GatedRepo") => return Error::Gated { what, message },
            Some("RevisionNotFound") => return Error::NoRevision { what, message },
            _ => {}
        }
        match status.as_u16() {
            // The Hub hides private repositories from strangers behind 401.
            401 => Error::Unauthorized { what, message },
            404 | 410 => Error::NotFound { what, message },
            403 if self.is_own(url) => Error::Forbidden { what, message },
            // A signed address that has run out; asking the Hub again brings a new one.
            403 => Error::network("the address that the Hub gave has expired"),
            429 => Error::RateLimited { retry_after: retry_after(headers) },
            status => Error::Status { status, message },
        }
    }
}

fn bearer(token: &Token) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| Error::Config("the Hub token has characters that no token has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a redirect leads. Never from https to http: the content would be anybody's.
fn target(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let bad = |why: &str| Error::Redirect(format!("{why} from {}", from.host_str().unwrap_or("?")));
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| bad("no address"))?;
    let to = from.join(location).map_err(|_| bad("not an address"))?;
    match (from.scheme(), to.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(to),
        _ => Err(bad("not an https address")),
    }
}

/// A header's text.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// `Retry-After` in seconds, or the `t` of `RateLimit: "api";r=0;t=55`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = header(headers, RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
    let window = || {
        let limit = header(headers, "ratelimit")?;
        limit.split(';').find_map(|field| field.trim().strip_prefix("t=")?.parse().ok())
    };
    seconds.or_else(window).map(Duration::from_secs)
}

/// The server's words, made fit for one line of ours.
fn one_line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn every_part_of_an_address_is_escaped() {
        let client = Client::new("https://hub.example/base/", None).unwrap();
        let url = client.resolve("owner/name", "refs/pr/1", "folder/a b?.gguf").unwrap();
        let expected =
            "https://hub.example/base/owner/name/resolve/refs%2Fpr%2F1/folder/a%20b%3F.gguf";
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    fn endpoints_and_tokens_that_cannot_work_are_refused() {
        for endpoint in ["", "huggingface.co", "ftp://huggingface.co", "data:x"] {
            assert!(matches!(Client::new(endpoint, None), Err(Error::Config(_))), "{endpoint:?}");
        }
        let error = Client::new("https://h.example", Some(Token::new("a\nb"))).unwrap_err();
        assert!(!error.to_string().contains("a\nb"));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let client = Client::new("https://h.example", Some(Token::new("hf_secret"))).unwrap();
        assert!(!format!("{client:?}").contains("hf_secret"));
    }

    #[test]
    fn redirects_never_go_from_https_to_http() {
        let from = Url::parse("https://hub.example/a/b").unwrap();
        let to = |location| target(&from, &headers(&[("location", location)]));
        assert_eq!(to("/c").unwrap().as_str(), "https://hub.example/c");
        assert!(matches!(to("http://hub.example/c"), Err(Error::Redirect(_))));
        assert!(matches!(to("file:///etc/passwd"), Err(Error::Redirect(_))));
        assert!(matches!(target(&from, &HeaderMap::new()), Err(Error::Redirect(_))));
    }

    #[test]
    fn both_ways_of_asking_for_a_wait_are_understood() {
        let wait = |pairs: &[_]| retry_after(&headers(pairs)).map(|wait| wait.as_secs());
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("ratelimit", "\"api\";r=0;t=55")]), Some(55));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
    }
}
