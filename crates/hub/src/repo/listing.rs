//! What the Hub says of a model's repository: its commit, and the files of a commit.

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::{Deserialize, Deserializer};

use super::RepoId;
use super::file::{RepoFile, is_commit, is_safe_path};
use crate::client::header;
use crate::{Client, Error};

/// No repository of a model has more files; a listing that does not end must.
const MOST_FILES: usize = 100_000;

/// A repository at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The commit that the revision stands for, 40 hex digits.
    pub commit: String,
    /// Whether only some may see it.
    pub private: bool,
    /// Whether its files are given only to those who accepted its terms.
    pub gated: bool,
    /// The paths of its files.
    pub files: Vec<String>,
}

#[derive(Deserialize)]
struct InfoAnswer {
    sha: String,
    #[serde(default)]
    private: bool,
    #[serde(default, deserialize_with = "gate")]
    gated: bool,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Pointer>,
    xet_hash: Option<String>,
}

#[derive(Deserialize)]
struct Pointer {
    oid: String,
    size: u64,
}

/// `false`, or a word that says who opens the gate.
fn gate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(!matches!(value, serde_json::Value::Bool(false) | serde_json::Value::Null))
}

impl Client {
    /// What a revision of a model's repository stands for now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such repository, also when it is hidden from those who
    /// show no token; [`Error::NoRevision`]; [`Error::UnsafeName`] when a file is named so that it
    /// could be written elsewhere.
    pub async fn model_info(&self, repo: &RepoId, revision: &str) -> Result<ModelInfo, Error> {
        let url = self.api(&["models", repo.as_str(), "revision"], &[revision])?;
        let what = format!("the model {repo} at {revision}");
        let answer = self.patiently(|| self.json::<InfoAnswer>(&url, &what)).await;
        let (answer, _) = answer.map_err(|error| self.hidden(repo, error))?;
        if !is_commit(&answer.sha) {
            return Err(Error::Protocol(format!("{what} has no commit")));
        }
        let files: Vec<_> = answer.siblings.into_iter().map(|file| file.rfilename).collect();
        if let Some(bad) = files.iter().find(|path| !is_safe_path(path)) {
            return Err(Error::UnsafeName(bad.clone()));
        }
        let (private, gated) = (answer.private, answer.gated);
        Ok(ModelInfo { commit: answer.sha, private, gated, files })
    }

    /// The files of a commit, with lengths and checksums, sorted by path.
    ///
    /// # Errors
    /// As [`model_info`](Self::model_info).
    pub async fn model_files(&self, repo: &RepoId, commit: &str) -> Result<Vec<RepoFile>, Error> {
        let mut url = self.api(&["models", repo.as_str(), "tree"], &[commit])?;
        url.set_query(Some("recursive=true&expand=false"));
        let what = format!("the files of {repo} at {commit}");
        let mut files = Vec::new();
        loop {
            let answer = self.patiently(|| self.json::<Vec<TreeEntry>>(&url, &what)).await;
            let (page, headers) = answer.map_err(|error| self.hidden(repo, error))?;
            for entry in page.into_iter().filter(|entry| entry.kind == "file") {
                files.push(file(entry)?);
            }
            if files.len() > MOST_FILES {
                return Err(Error::Protocol(format!("{what} have no end")));
            }
            match next_page(&url, &headers)? {
                Some(next) if self.is_own(&next) && next != url => url = next,
                Some(_) => return Err(Error::Protocol(format!("{what} go on somewhere else"))),
                None => break,
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// The Hub answers strangers alike for what is not there and for what they may not see.
    fn hidden(&self, repo: &RepoId, error: Error) -> Error {
        match error {
            Error::Unauthorized { message, .. } if !self.has_token() => Error::NotFound {
                what: format!("the model {repo}, or it is private and wants a token"),
                message,
            },
            error => error,
        }
    }
}

fn file(entry: TreeEntry) -> Result<RepoFile, Error> {
    let (size, sha256) = match entry.lfs {
        Some(pointer) => (pointer.size, Some(pointer.oid)),
        None => (entry.size, None),
    };
    let xet_hash = entry.xet_hash;
    RepoFile { path: entry.path, size, git_sha1: entry.oid, sha256, xet_hash }.checked()
}

/// The address in `Link: <…>; rel="next"`.
fn next_page(from: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    let link = header(headers, LINK.as_str()).unwrap_or_default();
    let next = link.split(',').find(|link| link.contains("rel=\"next\""));
    let address = next.and_then(|link| link.split_once('<')?.1.split_once('>'));
    let Some((address, _)) = address else { return Ok(None) };
    let bad = |_| Error::Protocol("the next page has no usable address".into());
    from.join(address).map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: serde_json::Value) -> Result<RepoFile, Error> {
        file(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn recorded_entries_are_read() {
        let small = entry(serde_json::json!({"type": "file", "path": "config.json", "size": 726,
            "oid": "9e26dfeeb6e641a33dae4961196235bdb965b21b"}));
        assert_eq!(small.unwrap().blob(), "9e26dfeeb6e641a33dae4961196235bdb965b21b");
        let large = entry(serde_json::json!({"type": "file", "path": "model.safetensors",
            "size": 1_503_300_328_u64, "oid": "9e26dfeeb6e641a33dae4961196235bdb965b21b",
            "lfs": {"oid": "a".repeat(64), "size": 1_503_300_328_u64, "pointerSize": 135},
            "xetHash": "b".repeat(64)}));
        let large = large.unwrap();
        assert_eq!((large.blob(), large.size), (&*"a".repeat(64), 1_503_300_328));
    }

    #[test]
    fn hostile_entries_are_refused() {
        let of = |path: &str, oid: &str| {
            entry(serde_json::json!({"type": "file", "path": path, "oid": oid, "size": 1}))
        };
        let oid = "9e26dfeeb6e641a33dae4961196235bdb965b21b";
        assert!(matches!(of("../../x", oid), Err(Error::UnsafeName(_))));
        assert!(matches!(of("x", "../../x"), Err(Error::Protocol(_))));
    }

    #[test]
    fn the_next_page_is_found_in_its_header() {
        let from = Url::parse("https://hub.example/api/models/a/b/tree/x").unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(next_page(&from, &headers).unwrap(), None);
        headers.insert(LINK, "<https://hub.example/n?cursor=1>; rel=\"next\"".parse().unwrap());
        assert_eq!(
            next_page(&from, &headers).unwrap().unwrap().as_str(),
            "https://hub.example/n?cursor=1"
        );
    }

    #[test]
    fn a_gate_is_a_word_or_false() {
        let of = |gated: serde_json::Value| {
            let answer: InfoAnswer =
                serde_json::from_value(serde_json::json!({"sha": "x", "gated": gated})).unwrap();
            answer.gated
        };
        assert!(of("manual".into()) && of("auto".into()) && of(true.into()));
        assert!(!of(false.into()) && !of(serde_json::Value::Null));
    }
}
