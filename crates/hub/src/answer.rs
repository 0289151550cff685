//! Small JSON answers, each within its deadline and of bounded length.

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{Client, Error};

/// More than any of these answers has.
const LARGEST_ANSWER: usize = 32 << 20;

impl Client {
    /// `{endpoint}/api/{path}`; parts of `path` may have `/` in them, those of `names` are one
    /// segment each.
    pub(crate) fn api(&self, path: &[&str], names: &[&str]) -> Result<Url, Error> {
        let mut url = self.endpoint().clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push("api");
                segments.extend(path.iter().flat_map(|part| part.split('/'))).extend(names);
            }
            Err(()) => return Err(Error::Config("the Hub endpoint has no path".into())),
        }
        Ok(url)
    }

    /// Asks once.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        url: &Url,
        what: &str,
    ) -> Result<(T, HeaderMap), Error> {
        let mut response = self.get(url, what, None).await?.response;
        let headers = response.headers().clone();
        let mut body = Vec::new();
        let read =
            async {
                while let Some(chunk) = response.chunk().await.map_err(|error| {
                    Error::from_reqwest(&format!("could not read {what}"), error)
                })? {
                    body.extend_from_slice(&chunk);
                    if body.len() > LARGEST_ANSWER {
                        return Err(Error::Protocol(format!("{what}: the answer has no end")));
                    }
                }
                Ok(())
            };
        match timeout(self.patience.idle, read).await {
            Ok(done) => done?,
            Err(_) => return Err(Error::network(format!("{what} did not come in time"))),
        }
        let value = serde_json::from_slice(&body);
        let value = value.map_err(|error| Error::Protocol(format!("{what}: {error}")))?;
        Ok((value, headers))
    }

    /// Asks again what may work a little later.
    pub(crate) async fn patiently<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut failed = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failed += 1;
            match self.patience.wait(failed, error.retry_after()) {
                Some(wait) if error.is_transient() => tokio::time::sleep(wait).await,
                _ => return Err(error),
            }
        }
    }
}
