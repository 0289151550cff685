//! Fetching from the Hugging Face Hub.

use std::path::{Path, PathBuf};

use ::hub::{Client, Download, Error as HubError, Token};
use ports::{Error, ErrorKind, RetryAdvice};

use super::{Failure, Fetch};
use crate::catalogue::HubSource;
use crate::store::{Reporter, disk_error, need_space};

/// The whole file, checked.
pub(super) async fn fetch(fetch: &Fetch<'_>, source: &HubSource) -> Result<PathBuf, Failure> {
    let token = fetch.token.map(Token::new);
    let client = Client::new(fetch.hub_endpoint, token).map_err(|error| failure(fetch, error))?;
    let whole = fetch.partial.join("hub");
    let mut download = Download::new(&source.repo, &source.file, &whole);
    download.revision.clone_from(&source.revision);
    download.sha256 = Some(fetch.sha256.to_owned());
    download.size = fetch.size;
    if let Some(size) = fetch.size {
        need_space(fetch.partial, size.saturating_sub(arrived(&whole))).map_err(Failure::Stop)?;
    }
    let report = Reporter::new(fetch.context, format!("fetching {}", fetch.name), fetch.size);
    let result = client.download(&download, |done, _| report.set(done)).await;
    result.map_err(|error| failure(fetch, error))?;
    Ok(whole)
}

/// What an earlier try left.
fn arrived(whole: &Path) -> u64 {
    let part = whole.with_extension("incomplete");
    part.metadata().map(|metadata| metadata.len()).unwrap_or(0)
}

fn failure(fetch: &Fetch<'_>, error: HubError) -> Failure {
    let (message, name) = (error.to_string(), fetch.name);
    if let HubError::Io { path, source } = error {
        return Failure::Stop(disk_error("write", &path, source));
    }
    let (kind, hint) = match &error {
        HubError::Cancelled => {
            return Failure::Stop(Error::new(ErrorKind::Cancelled, message));
        }
        HubError::Unauthorized { .. } => {
            (ErrorKind::Unauthenticated, "set HF_TOKEN, or log in with `hf auth login`".to_owned())
        }
        HubError::Forbidden { .. } => (
            ErrorKind::PermissionDenied,
            "accept the licence on the model's page, or use a token that may read it".to_owned(),
        ),
        HubError::NotFound { .. } => {
            (ErrorKind::NotFound, format!("check repo, revision and file in [models.{name}]"))
        }
        HubError::RateLimited { .. } => {
            (ErrorKind::RateLimited, format!("wait, then: textport models pull {name}"))
        }
        HubError::Checksum { .. } | HubError::Length { .. } => {
            (ErrorKind::ModelLoad, format!("correct sha256 and size in [models.{name}]"))
        }
        HubError::Config(_) => (ErrorKind::ConfigInvalid, "correct the Hub endpoint".to_owned()),
        HubError::Network { .. } => (
            ErrorKind::Network,
            format!("check the connection and the proxy; what is here of {name} is kept"),
        ),
        _ => (ErrorKind::Network, format!("try again later: textport models pull {name}")),
    };
    let mut outer = Error::new(kind, message).with_hint(hint);
    if let HubError::RateLimited { retry_after: Some(wait) } = &error {
        outer = outer.with_advice(RetryAdvice::After(*wait));
    }
    Failure::TryNext(outer.with_source(error))
}
