//! What the Hub says of a model's repository, and how it gives its files.

use serde_json::{Value, json};

use super::Model;
use super::api::{ok, refusal, usual};
use super::model::Content;
use crate::faults::{Answer, Recorded};

/// Who asks, and in which words.
pub(super) struct Question<'a> {
    pub(super) request: &'a Recorded,
    /// Whether the right token was shown.
    pub(super) known: bool,
    /// The Hub's own address, and the one of the server that large files are on.
    pub(super) hub: &'a str,
    pub(super) store: &'a str,
    /// Files on one page of a listing.
    pub(super) page: usize,
}

/// The answer, if the question is about a model.
pub(super) fn about_model(models: &[Model], question: &Question<'_>) -> Option<Answer> {
    let path = question.request.target.split('?').next().unwrap_or_default();
    let parts: Vec<String> = path.trim_start_matches('/').split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (owner, name, what) = match parts.as_slice() {
        ["api", "models", owner, name, what @ ..] => (owner, name, what),
        [owner, name, what @ ..] if *owner != "api" && what.first() == Some(&"resolve") => {
            (owner, name, what)
        }
        _ => return None,
    };
    let id = format!("{owner}/{name}");
    let found = models.iter().find(|model| model.id == id);
    let Some(model) = found.filter(|model| question.known || !model.private) else {
        // The Hub hides what a caller may not see: 401 to strangers, 404 to those it knows.
        let (status, message) = match question.known {
            true => (404, "Repository not found"),
            false => (401, "Invalid username or password."),
        };
        return Some(refusal(status, message, Some("RepoNotFound")));
    };
    let revision = what.get(1).copied().unwrap_or("main");
    let Some(commit) = model.commit(revision) else {
        return Some(refusal(
            404,
            &format!("Invalid rev id: {revision}"),
            Some("RevisionNotFound"),
        ));
    };
    Some(match what {
        [] | ["revision", _] => ok(&info(model, commit)),
        ["tree", _] => tree(model, commit, question),
        ["resolve", _, file @ ..] => resolve(model, commit, &file.join("/"), question),
        _ => refusal(404, "Sorry, we can't find the page you are looking for.", None),
    })
}

fn info(model: &Model, commit: &str) -> Value {
    let siblings = model.files(commit).map(|(path, _)| json!({"rfilename": path}));
    json!({
        "_id": "621ffdc036468d709f17434d", "id": model.id, "modelId": model.id,
        "author": model.id.split('/').next(), "sha": commit, "private": model.private,
        "gated": if model.gated { json!("manual") } else { json!(false) }, "disabled": false,
        "tags": [], "downloads": 0, "likes": 0, "library_name": "transformers",
        "lastModified": "2026-11-20T10:00:00.000Z", "createdAt": "2026-11-01T10:00:00.000Z",
        "siblings": siblings.collect::<Vec<_>>()
    })
}

fn tree(model: &Model, commit: &str, question: &Question<'_>) -> Answer {
    let query = question.request.target.split_once('?').map_or("", |(_, query)| query);
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
    let from: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let entry = |(path, file): (&String, &Content)| {
        let mut entry =
            json!({"type": "file", "path": path, "oid": file.git_sha1, "size": file.size});
        if let Some(sha256) = &file.sha256 {
            entry["lfs"] = json!({"oid": sha256, "size": file.size, "pointerSize": 130});
            if model.xet {
                entry["xetHash"] = json!(sha256);
            }
        }
        entry
    };
    let mut entries = vec![json!({"type": "directory", "path": "sub", "oid": commit, "size": 0})];
    entries.extend(model.files(commit).map(entry));
    let page: Vec<_> = entries.iter().skip(from).take(question.page).collect();
    let answer = ok(&json!(page));
    let next = from + question.page;
    if next >= entries.len() {
        return answer;
    }
    let Question { hub, .. } = question;
    let link = format!(
        "<{hub}/api/models/{}/tree/{commit}?recursive=true&expand=false&cursor={next}>; rel=\"next\"",
        model.id
    );
    answer.with_header("link", link)
}

fn resolve(model: &Model, commit: &str, path: &str, question: &Question<'_>) -> Answer {
    if model.gated {
        let status = if question.known { 403 } else { 401 };
        let message = format!("Access to model {} is restricted.", model.id);
        return refusal(status, &message, Some("GatedRepo"));
    }
    let Some((_, file)) = model.files(commit).find(|(known, _)| *known == path) else {
        return refusal(404, "Entry not found", Some("EntryNotFound"))
            .with_header("x-repo-commit", commit);
    };
    let answer = match &file.sha256 {
        // Signed, for a while only.
        Some(sha256) => Answer::status(302)
            .with_header("location", format!("{}/{sha256}?Expires=1&Signature=s", question.store))
            .with_header("x-linked-size", file.size.to_string())
            .with_header("x-linked-etag", format!("\"{sha256}\"")),
        None => content(question.request, file, &format!("\"{}\"", file.git_sha1)),
    };
    let answer = match &file.sha256 {
        Some(sha256) if model.xet => answer.with_header("x-xet-hash", sha256).with_header(
            "link",
            format!(
                "<{}/api/models/{}/xet-read-token/{commit}>; rel=\"xet-auth\"",
                question.hub, model.id
            ),
        ),
        _ => answer,
    };
    usual(answer).with_header("x-repo-commit", commit)
}

/// What the server of large files says. It belongs to somebody else: a token has no business there.
pub(super) fn large(models: &[Model], request: &Recorded) -> Answer {
    if request.header("authorization").is_some() {
        return Answer::status(400).with_body("text/plain", "Only one auth mechanism allowed");
    }
    let path = request.target.split('?').next().unwrap_or_default();
    let name = path.trim_start_matches('/');
    match models.iter().find_map(|model| model.large(name)) {
        // It names contents in its own way.
        Some(file) => content(request, file, &format!("\"store-{}\"", &file.git_sha1[..8])),
        None => Answer::status(403).with_body("application/xml", "<Error>AccessDenied</Error>"),
    }
}

/// A content, or the part of it that was asked for.
fn content(request: &Recorded, file: &Content, etag: &str) -> Answer {
    let bytes = &file.bytes;
    let same = request.header("if-range").is_none_or(|tag| tag == etag);
    let range = request.header("range").filter(|_| same);
    let from =
        range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
    let answer = match from {
        None => Answer::status(200).with_body("application/octet-stream", &bytes[..]),
        Some(from) if from < bytes.len() => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Answer::status(206)
                .with_body("application/octet-stream", &bytes[from..])
                .with_header("content-range", range)
        }
        Some(_) => {
            Answer::status(416).with_header("content-range", format!("bytes */{}", bytes.len()))
        }
    };
    answer.with_header("etag", etag).with_header("accept-ranges", "bytes")
}

/// `%2F` and its like.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn parts_of_an_address_are_decoded() {
        assert_eq!(decoded("refs%2Fpr%2F1"), "refs/pr/1");
        assert_eq!(decoded("a%20b%"), "a b%");
        assert_eq!(decoded("%C3%BC"), "ü");
    }
}
