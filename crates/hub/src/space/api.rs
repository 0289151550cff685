//! The Hub's API for Spaces: small JSON answers, each within its deadline.

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Runtime, ZeroGpuQuota};
use crate::{Client, Error, Patience, Token};

/// Asks about Spaces. One request a question, no repetitions: what to do about a failure is for
/// the caller to decide.
#[derive(Debug, Clone)]
pub struct Spaces {
    client: Client,
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
        Ok(Self { client: Client::with_patience(endpoint, token, patience)? })
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
        Ok(self.client.json(&self.url(path)?, what).await?.0)
    }

    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Error> {
        self.client.api(&[&["spaces"], path].concat(), &[])
    }
}
