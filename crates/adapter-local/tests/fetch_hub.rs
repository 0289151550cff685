//! Fetching a model from the Hub, by a server of our own.
#![cfg(unix)]

mod fake_index;
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the other tests of this server use the rest of it"
)]
#[path = "../../hub/tests/server/mod.rs"]
mod server;

use std::time::Duration;

use fake_index::{Index, NAME, recording};
use ports::{BuildContext, ErrorKind, Secret};
use serde_json::json;
use server::{Reply, Server};

fn hub() -> serde_json::Value {
    json!([{ "hub": { "repo": "owner/name", "file": "tiny.gguf", "revision": "v1" } }])
}

#[tokio::test]
async fn a_model_comes_from_the_hub_with_the_token_and_progress() {
    let index = Index::new();
    let server = Server::start(|seen, n| {
        let reply = Reply::file(seen, &Index::whole(), "v1");
        if n == 0 { reply.cut_after(400_000) } else { reply }
    })
    .await;
    let (context, seen) = recording();
    let context = context.with_secrets(|_| Ok(Secret::new("hf_secret")));
    let store = index.store().with_hub_endpoint(server.url());
    store.ensure(&Index::catalogue(hub()), NAME, &context).await.unwrap();
    index.assert_fetched();
    assert!(index.calls().is_empty());
    let requests = server.seen();
    assert_eq!(requests[0].path, "/owner/name/resolve/v1/tiny.gguf");
    assert_eq!(requests[0].header("authorization"), Some("Bearer hf_secret"));
    assert_eq!(requests[1].from(), Some(400_000), "it went on where it broke");
    let seen = seen.lock().unwrap();
    assert!(seen.last().is_some_and(|p| p.finished && p.done == 900_000), "{seen:?}");
}

#[tokio::test]
async fn whenever_a_fetch_is_dropped_the_next_one_succeeds_at_once() {
    for delay in 0..24 {
        let index = Index::new();
        let server = Server::start(|seen, _| Reply::file(seen, &Index::whole(), "v1")).await;
        let store = index.store().with_hub_endpoint(server.url());
        let (catalogue, context) = (Index::catalogue(hub()), BuildContext::default());
        let fetch = store.ensure(&catalogue, NAME, &context);
        let _ = tokio::time::timeout(Duration::from_millis(delay), fetch).await;
        store.ensure(&catalogue, NAME, &context).await.unwrap();
        index.assert_fetched();
    }
}

#[tokio::test]
async fn what_the_hub_refuses_is_typed() {
    let cases = [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
    ];
    for (status, kind) in cases {
        let index = Index::new();
        let server = Server::start(move |_, _| Reply::new(status)).await;
        let store = index.store().with_hub_endpoint(server.url());
        let context = BuildContext::default();
        let error = store.ensure(&Index::catalogue(hub()), NAME, &context).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("owner/name") && error.hint().is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_the_pinned_one_is_refused() {
    let index = Index::new();
    let server = Server::start(|seen, _| Reply::file(seen, &vec![5; 900_000], "v1")).await;
    let store = index.store().with_hub_endpoint(server.url());
    let context = BuildContext::default();
    let error = store.ensure(&Index::catalogue(hub()), NAME, &context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(error.to_string().contains(&Index::sha256()), "{error}");
    assert_eq!(index.left(), Vec::<String>::new());
}
