//! The Hub's API for Spaces: small JSON answers, each within its deadline.

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Runtime, ZeroGpuQuota};
use crate::{Client, Error, Patience, Token};

/// More than any of these answers has.
const LARGEST_ANSWER: usize = 4 << 20;

/// Asks about Spaces. One request a question, no repetitions: what to do about a failure is for
/// the caller to decide.
#[derive(Debug, Clone)]
pub struct Spaces {
    client: Client,
    endpoint: Url,
    patience: Patience,
}

/// A Space as the Hub lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SpaceInfo {
    /// `owner/name`.
    pub id: String,
    /// Where it answers.
    #[serde(default)]
    pub host: Option<String>,
    /// Whether only its owner sees it.
    #[serde(default)]
    pub private: bool,
    /// Whether and on what it runs.
    #[serde(default)]
    pub runtime: Option<Runtime>,
}

#[derive(Deserialize)]
struct Host {
    host: String,
}

impl Spaces {
    /// For an endpoint such as `https://huggingface.co`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(endpoint: &str, token: Option<Token>, patience: Patience) -> Result<Self, Error> {
        let client = Client::with_patience(endpoint, token, patience.clone())?;
        let endpoint = Url::parse(endpoint).map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self { client, endpoint, patience })
    }

    /// What the Hub knows of `owner/name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a private Space without the right token.
    pub async fn info(&self, id: &str) -> Result<SpaceInfo, Error> {
        self.get(&[id], &format!("the Space {id}")).await
    }

    /// Where `owner/name` answers, e.g. `https://owner-name.hf.space`.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn host(&self, id: &str) -> Result<String, Error> {
        let Host { host } = self.get(&[id, "host"], &format!("the host of the Space {id}")).await?;
        Ok(host)
    }

    /// The Space that answers at `subdomain` of hf.space.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn by_subdomain(&self, subdomain: &str) -> Result<SpaceInfo, Error> {
        self.get(&["by-subdomain", subdomain], &format!("the Space at {subdomain}")).await
    }

    /// Whether and on what `owner/name` runs.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn runtime(&self, id: &str) -> Result<Runtime, Error> {
        self.get(&[id, "runtime"], &format!("the runtime of the Space {id}")).await
    }

    /// The ZeroGPU time of the account that the token belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a token.
    pub async fn zero_gpu_quota(&self) -> Result<ZeroGpuQuota, Error> {
        self.get(&["zero-gpu", "quota"], "the ZeroGPU quota").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], what: &str) -> Result<T, Error> {
        let url = self.url(path)?;
        let answer = self.client.get(&url, what, None).await?;
        let mut response = answer.response;
        let mut body = Vec::new();
        let read =
            async {
                while let Some(chunk) = response.chunk().await.map_err(|error| {
                    Error::from_reqwest(&format!("could not read {what}"), error)
                })? {
                    body.extend_from_slice(&chunk);
                    if body.len() > LARGEST_ANSWER {
                        return Err(Error::Protocol(format!("{what} has no end")));
                    }
                }
                Ok(())
            };
        match timeout(self.patience.idle, read).await {
            Ok(done) => done?,
            Err(_) => return Err(Error::network(format!("{what} did not come in time"))),
        }
        serde_json::from_slice(&body).map_err(|error| Error::Protocol(format!("{what}: {error}")))
    }

    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(["api", "spaces"]);
                segments.extend(path.iter().flat_map(|part| part.split('/')));
            }
            Err(()) => return Err(Error::Config("the Hub endpoint has no path".into())),
        }
        Ok(url)
    }
}
