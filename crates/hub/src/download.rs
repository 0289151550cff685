//! Downloading one file: try, go on where it broke off, check, put in place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout_at};

use crate::client::{Answer, Resume, header};
use crate::partial::{Guard, Origin, Partial};
use crate::{Client, Error};

/// Bytes gathered before they are written.
const PIECE: usize = 1 << 20;

/// A connection that brings less than this in the idle time stands still for our purposes.
const CRAWL: usize = 1024;

/// One file and where it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download {
    /// The repository, `owner/name`.
    pub repo: String,
    /// A branch, tag or commit.
    pub revision: String,
    /// The file within the repository.
    pub file: String,
    /// The file to be made. What has arrived meanwhile is beside it, with `.incomplete` added.
    pub to: PathBuf,
    /// The length that it must have.
    pub size: Option<u64>,
    /// The checksum that it must have, 64 lower-case hex digits; where absent, the one that the
    /// Hub gives, if it does.
    pub sha256: Option<String>,
    /// The name that git gives its content, 40 lower-case hex digits.
    pub git_sha1: Option<String>,
    /// Where to gather what has arrived, instead of beside `to`; on the same disk.
    pub part: Option<PathBuf>,
}

impl Download {
    /// A file of the branch `main`, of whatever length and checksum.
    pub fn new(repo: impl Into<String>, file: impl Into<String>, to: impl Into<PathBuf>) -> Self {
        Self {
            repo: repo.into(),
            revision: "main".into(),
            file: file.into(),
            to: to.into(),
            size: None,
            sha256: None,
            git_sha1: None,
            part: None,
        }
    }

    fn what(&self) -> String {
        format!("{}/{} at {}", self.repo, self.file, self.revision)
    }

    /// What tells whether something that arrived earlier is the beginning of this: its checksum
    /// where the checksum names the place too, whatever the file is called there.
    fn identity(&self) -> String {
        let checksum = self.sha256.as_ref().or(self.git_sha1.as_ref());
        match checksum.filter(|_| self.part.is_some()) {
            Some(checksum) => format!("the content {checksum}"),
            None => self.what(),
        }
    }

    fn is_pinned(&self) -> bool {
        self.sha256.is_some() || self.git_sha1.is_some()
    }
}

impl Client {
    /// Downloads a file; `progress` hears the bytes that are there and the whole length, if known.
    /// Broken connections and busy servers are tried again. Dropping the future ends the work; the
    /// next call goes on from what has arrived, in this process or another. Two calls for the same
    /// file must not run at once.
    ///
    /// # Errors
    /// What the last try failed of; [`Error::Checksum`] and [`Error::Length`] when the file there
    /// is not the wanted one.
    pub async fn download(
        &self,
        wanted: &Download,
        progress: impl Fn(u64, Option<u64>) + Send + Sync,
    ) -> Result<(), Error> {
        self.download_under(Arc::new(()), wanted, progress).await
    }

    /// The same; `guard` is dropped when neither the future nor work on the disk that it began is
    /// left. A lock that the future alone holds would let the next one in too early.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub async fn download_under(
        &self,
        guard: Guard,
        wanted: &Download,
        progress: impl Fn(u64, Option<u64>) + Send + Sync,
    ) -> Result<(), Error> {
        let url = self.resolve(&wanted.repo, &wanted.revision, &wanted.file)?;
        let (part, what) = (wanted.part.as_deref(), wanted.identity());
        let mut partial = Partial::open(&wanted.to, part, &what, guard).await?;
        let inherited = partial.bytes() > 0;
        match self.complete(&url, wanted, &mut partial, &progress).await {
            // Only what an earlier process left can be at fault here: once more, all of it.
            Ok(Some(_)) if inherited => partial.restart(None).await?,
            Ok(Some(error)) => return partial.discard().await.and(Err(error)),
            Ok(None) => return partial.finish().await,
            Err(error) => return Err(error),
        }
        match self.complete(&url, wanted, &mut partial, &progress).await? {
            Some(error) => partial.discard().await.and(Err(error)),
            None => partial.finish().await,
        }
    }

    /// Tries until all bytes are there; then says what is wrong with them, if anything.
    async fn complete(
        &self,
        url: &Url,
        wanted: &Download,
        partial: &mut Partial,
        progress: &(impl Fn(u64, Option<u64>) + Send + Sync),
    ) -> Result<Option<Error>, Error> {
        let mut failed = 0;
        let mut checksum = wanted.sha256.clone();
        loop {
            let before = partial.bytes();
            let result = self.attempt(url, wanted, partial, &mut checksum, progress).await;
            let Err(error) = result else { break };
            failed = if partial.bytes() > before { 1 } else { failed + 1 };
            match self.patience.wait(failed, error.retry_after()) {
                Some(wait) if error.is_transient() => tokio::time::sleep(wait).await,
                _ => return Err(error),
            }
        }
        let actual = partial.sha256();
        if let Some(expected) = checksum.filter(|expected| *expected != actual) {
            return Ok(Some(Error::Checksum { kind: "sha256", expected, actual }));
        }
        let Some(expected) = wanted.git_sha1.clone() else { return Ok(None) };
        let actual = partial.git_sha1().await?;
        let wrong =
            (expected != actual).then_some(Error::Checksum { kind: "git sha1", expected, actual });
        Ok(wrong)
    }

    async fn attempt(
        &self,
        url: &Url,
        wanted: &Download,
        partial: &mut Partial,
        checksum: &mut Option<String>,
        progress: &(impl Fn(u64, Option<u64>) + Send + Sync),
    ) -> Result<(), Error> {
        let have = partial.bytes();
        if have > 0
            && partial.origin().is_some_and(|origin| origin.total == Some(have))
            && wanted.is_pinned()
        {
            return Ok(());
        }
        let etag = partial.origin().and_then(|origin| origin.etag.clone());
        let resume = etag.as_deref().filter(|_| have > 0).map(|etag| Resume { from: have, etag });
        let answer = self.get(url, &wanted.what(), resume).await?;
        if !wanted.is_pinned() {
            *checksum = answer.linked_etag.as_deref().and_then(sha256_of);
        }
        let total = self.begin(wanted, partial, &answer).await?;
        progress(partial.bytes(), total);
        let limit = total.or(wanted.size).unwrap_or(u64::MAX);
        self.receive(answer.response, partial, limit, |done| progress(done, total)).await?;
        match limit {
            u64::MAX => Ok(()),
            limit if partial.bytes() == limit => Ok(()),
            limit => Err(Error::network(format!(
                "the connection broke at {} of {limit} bytes",
                partial.bytes()
            ))),
        }
    }

    /// Goes on, or begins anew, as the server has it. Returns the whole length, if known.
    async fn begin(
        &self,
        wanted: &Download,
        partial: &mut Partial,
        answer: &Answer,
    ) -> Result<Option<u64>, Error> {
        let response = &answer.response;
        let headers = response.headers();
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let total = match response.status().as_u16() {
            206 => {
                let range = header(headers, CONTENT_RANGE.as_str()).unwrap_or_default();
                let expected = format!("bytes {}-", partial.bytes());
                let tag = strong(header(headers, ETAG.as_str()));
                let same =
                    partial.origin().is_some_and(|origin| origin.etag == tag || tag.is_none());
                let total = range.rsplit('/').next().and_then(number);
                if !range.starts_with(&expected) || !same {
                    partial.restart(None).await?;
                    return Err(Error::network("the server went on with something else"));
                }
                total.or(partial.origin().and_then(|origin| origin.total))
            }
            416 => {
                partial.restart(None).await?;
                return Err(Error::network("the file is shorter than what has arrived of it"));
            }
            _ => {
                let total = header(headers, CONTENT_LENGTH.as_str()).as_deref().and_then(number);
                let etag = strong(header(headers, ETAG.as_str()));
                let origin = Origin { what: wanted.identity(), etag, total };
                partial.restart(Some(origin)).await?;
                total
            }
        };
        match (wanted.size, total) {
            (Some(expected), Some(actual)) if expected != actual => {
                partial.restart(None).await?;
                Err(Error::Length { expected, actual })
            }
            _ => Ok(total),
        }
    }

    async fn receive(
        &self,
        mut response: Response,
        partial: &mut Partial,
        limit: u64,
        progress: impl Fn(u64) + Send + Sync,
    ) -> Result<(), Error> {
        let mut piece = Vec::with_capacity(PIECE);
        let result = loop {
            match next(&mut response, &mut piece, self.patience.idle).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            if partial.bytes() + piece.len() as u64 > limit {
                let actual = partial.bytes() + piece.len() as u64;
                partial.restart(None).await?;
                return Err(Error::Length { expected: limit, actual });
            }
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
                partial.append(full).await?;
            }
            progress(partial.bytes() + piece.len() as u64);
        };
        // What came before the connection broke is kept.
        partial.append(piece).await?;
        result
    }
}

/// Adds at least one more piece of the body, or `false` at its end. A server that drips bytes one
/// by one is as bad as a silent one.
async fn next(response: &mut Response, into: &mut Vec<u8>, idle: Duration) -> Result<bool, Error> {
    let deadline = Instant::now() + idle;
    let before = into.len();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                into.extend_from_slice(&chunk);
                if into.len() - before >= CRAWL {
                    return Ok(true);
                }
            }
            Ok(Ok(None)) => return Ok(into.len() > before),
            Ok(Err(error)) => return Err(Error::from_reqwest("the connection broke", error)),
            Err(_) => return Err(Error::network("the connection stands still")),
        }
    }
}

/// A tag that stands for the exact bytes; weak ones do not.
fn strong(etag: Option<String>) -> Option<String> {
    etag.filter(|etag| etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'))
}

/// The checksum within a tag: the Hub tags large files with theirs.
fn sha256_of(etag: &str) -> Option<String> {
    let tag = etag.trim_start_matches("W/").trim_matches('"');
    let is_checksum = tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_checksum.then(|| tag.to_ascii_lowercase())
}
