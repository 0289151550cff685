//! Fetching from the Hugging Face Hub, and its errors in our words.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::hub::{Client, Download, Error as HubError, Token};
use ports::{Error, ErrorKind, RetryAdvice};

use super::{Failure, Fetch};
use crate::catalogue::HubSource;
use crate::store::{Reporter, disk_error, need_space};

/// What was asked of the Hub, and by whom.
pub(crate) struct Asked<'a> {
    /// The model's address, or its name in the catalogue.
    pub(crate) name: &'a (dyn fmt::Display + Sync),
    /// Where the Hub is.
    pub(crate) endpoint: &'a str,
    /// Whether a token was shown.
    pub(crate) known: bool,
}

/// The whole file, checked.
pub(super) async fn fetch(fetch: &Fetch<'_>, source: &HubSource) -> Result<PathBuf, Failure> {
    let token = fetch.token.map(Token::new);
    let asked = Asked { name: &fetch.name, endpoint: fetch.hub_endpoint, known: token.is_some() };
    let client = Client::new(fetch.hub_endpoint, token).map_err(|error| failure(&asked, error))?;
    let whole = fetch.partial.join("hub");
    let mut download = Download::new(&source.repo, &source.file, &whole);
    download.revision.clone_from(&source.revision);
    download.sha256 = Some(fetch.sha256.to_owned());
    download.size = fetch.size;
    if let Some(size) = fetch.size {
        need_space(fetch.partial, size.saturating_sub(arrived(&whole))).map_err(Failure::Stop)?;
    }
    let report = Reporter::new(fetch.context, format!("fetching {}", fetch.name), fetch.size);
    // Dropped work on the disk keeps the model's lock until it is over.
    let guard = Arc::new(fetch.held.clone());
    let result = client.download_under(guard, &download, |done, _| report.set(done)).await;
    result.map_err(|error| failure(&asked, error))?;
    Ok(whole)
}

/// What an earlier try left.
fn arrived(whole: &Path) -> u64 {
    let part = whole.with_extension("incomplete");
    part.metadata().map(|metadata| metadata.len()).unwrap_or(0)
}

fn failure(asked: &Asked<'_>, error: HubError) -> Failure {
    let stop = matches!(error, HubError::Io { .. } | HubError::Cancelled);
    let error = hub_error(asked, error);
    if stop { Failure::Stop(error) } else { Failure::TryNext(error) }
}

/// An error of the Hub's client, with what to do about it.
pub(crate) fn hub_error(asked: &Asked<'_>, error: HubError) -> Error {
    if let HubError::Io { path, source } = error {
        return disk_error("write", &path, source);
    }
    let (kind, hint) = advice(asked, &error);
    let mut outer = Error::new(kind, error.to_string());
    if let Some(hint) = hint {
        outer = outer.with_hint(hint);
    }
    if let HubError::RateLimited { retry_after: Some(wait) } = &error {
        outer = outer.with_advice(RetryAdvice::After(*wait));
    }
    outer.with_source(error)
}

fn advice(asked: &Asked<'_>, error: &HubError) -> (ErrorKind, Option<String>) {
    let Asked { name, endpoint, known } = asked;
    let place = Place::of(name);
    let (kind, hint) = match error {
        HubError::Cancelled => return (ErrorKind::Cancelled, None),
        HubError::Unauthorized { .. } if *known => (
            ErrorKind::Unauthenticated,
            "the token is not valid: set HF_TOKEN to another, or log in with `hf auth login`"
                .into(),
        ),
        HubError::Unauthorized { .. } => {
            (ErrorKind::Unauthenticated, "set HF_TOKEN, or log in with `hf auth login`".into())
        }
        HubError::Gated { .. } => {
            let page = place.page(endpoint);
            match known {
                true => (
                    ErrorKind::PermissionDenied,
                    format!("accept the terms on {page} with the account of the token"),
                ),
                false => (
                    ErrorKind::Unauthenticated,
                    format!("accept the terms on {page}, then set HF_TOKEN or use `hf auth login`"),
                ),
            }
        }
        HubError::Forbidden { .. } => (
            ErrorKind::PermissionDenied,
            "accept the licence on the model's page, or use a token that may read it".to_owned(),
        ),
        HubError::NotFound { .. } => {
            (ErrorKind::NotFound, place.correct("repo, revision and file"))
        }
        HubError::NoRevision { .. } => (ErrorKind::NotFound, place.correct("revision")),
        HubError::RateLimited { .. } => {
            (ErrorKind::RateLimited, format!("wait, then: textport models pull {name}"))
        }
        HubError::Checksum { .. } | HubError::Length { .. } => {
            (ErrorKind::ModelLoad, place.damaged())
        }
        HubError::Config(_) => (ErrorKind::ConfigInvalid, "correct the Hub endpoint".to_owned()),
        HubError::Name(_) | HubError::UnsafeName(_) => {
            (ErrorKind::ModelLoad, "look for another repository".to_owned())
        }
        HubError::Network { .. } => (
            ErrorKind::Network,
            format!("check the connection and the proxy; what is here of {name} is kept"),
        ),
        _ => (ErrorKind::Network, format!("try again later: textport models pull {name}")),
    };
    (kind, Some(hint))
}

/// Where the user wrote what the Hub was asked for.
enum Place {
    /// In an address.
    Address(String),
    /// In a table of the catalogue.
    Table(String),
}

impl Place {
    fn of(name: &dyn fmt::Display) -> Self {
        let name = name.to_string();
        if ::hub::Address::is_meant(&name) { Self::Address(name) } else { Self::Table(name) }
    }

    fn page(&self, endpoint: &str) -> String {
        let address = match self {
            Self::Address(name) => ::hub::Address::parse(name).ok(),
            Self::Table(_) => None,
        };
        match address {
            Some(address) => format!("{}/{}", endpoint.trim_end_matches('/'), address.repo),
            None => "the model's page".to_owned(),
        }
    }

    fn correct(&self, keys: &str) -> String {
        match self {
            Self::Address(name) => {
                format!("check the spelling of {name}; private models want HF_TOKEN")
            }
            Self::Table(name) => format!("check {keys} in [models.{name}]"),
        }
    }

    fn damaged(&self) -> String {
        match self {
            Self::Address(name) => format!("try again: textport models pull {name}"),
            Self::Table(name) => format!("correct sha256 and size in [models.{name}]"),
        }
    }
}
