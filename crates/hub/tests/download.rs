//! Downloads over real sockets, from a server that misbehaves in every way that we know of.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod server;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use server::{Reply, Server};
use tempfile::TempDir;
use textport_hub::{Client, Download, Error, Patience, Token};

/// 3 MB in which every place looks different.
fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Quick to give up, and quick to try again.
fn patience() -> Patience {
    let mut patience = Patience::default();
    patience.connect = Duration::from_secs(5);
    patience.idle = Duration::from_secs(5);
    patience.tries = 3;
    patience.first_wait = Duration::from_millis(1);
    patience
}

fn client(server: &Server) -> Client {
    Client::with_patience(&server.url(), Some(Token::new("hf_secret")), patience()).unwrap()
}

struct Wanted {
    folder: TempDir,
    download: Download,
}

impl Wanted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut download = Download::new("owner/name", "model.gguf", folder.path().join("m"));
        download.sha256 = Some(sha256(&content()));
        download.size = Some(content().len() as u64);
        Self { folder, download }
    }

    async fn get(&self, server: &Server) -> Result<(), Error> {
        client(server).download(&self.download, |_, _| {}).await
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("m")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_whole(&self) {
        assert!(fs::read(self.file()).unwrap() == content(), "the content differs");
        assert_eq!(self.names(), ["m"], "nothing is left beside the file");
    }
}

#[tokio::test]
async fn a_file_is_downloaded_and_reported() {
    let server = Server::start(|seen, _| Reply::file(seen, &content(), "v1")).await;
    let wanted = Wanted::new();
    let reports = Mutex::new(Vec::new());
    let progress = |done, total| reports.lock().unwrap().push((done, total));
    client(&server).download(&wanted.download, progress).await.unwrap();
    wanted.assert_whole();
    let reports = reports.into_inner().unwrap();
    let all = content().len() as u64;
    assert!(reports.is_sorted() && reports.last() == Some(&(all, Some(all))), "{reports:?}");
    let seen = &server.seen()[0];
    assert_eq!(seen.path, "/owner/name/resolve/main/model.gguf");
    assert_eq!(seen.header("authorization"), Some("Bearer hf_secret"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_broke() {
    let server = Server::start(|seen, n| match n {
        0 => Reply::file(seen, &content(), "v1").cut_after(1_500_000),
        _ => Reply::file(seen, &content(), "v1"),
    })
    .await;
    let wanted = Wanted::new();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
    assert_eq!(server.seen()[1].from(), Some(1_500_000));
    assert_eq!(server.seen()[1].header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn another_process_goes_on_where_one_was_dropped() {
    let slow =
        Server::start(|seen, _| Reply::file(seen, &content()[..], "v1").cut_after(2_000_000)).await;
    let wanted = Wanted::new();
    let mut once = patience();
    once.tries = 1;
    let first = Client::with_patience(&slow.url(), None, once).unwrap();
    assert!(first.download(&wanted.download, |_, _| {}).await.is_err());
    assert_eq!(wanted.names(), ["m.incomplete", "m.incomplete.json"]);
    let server = Server::start(|seen, _| Reply::file(seen, &content(), "v1")).await;
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
    assert_eq!(server.seen()[0].from(), Some(2_000_000));
}

#[tokio::test]
async fn dropping_the_future_leaves_only_what_can_be_resumed() {
    let server = Server::start(|seen, _| {
        Reply::file(seen, &content(), "v1").cut_after(2_000_000).header("x", "y")
    })
    .await;
    let wanted = Wanted::new();
    let client = client(&server);
    let (reached, arrived) = tokio::sync::oneshot::channel();
    let reached = Mutex::new(Some(reached));
    let progress = |done, _| {
        if done >= 1_200_000
            && let Some(reached) = reached.lock().unwrap().take()
        {
            let _ = reached.send(());
        }
    };
    tokio::select! {
        biased;
        _ = arrived => {}
        result = client.download(&wanted.download, progress) => panic!("it ended: {result:?}"),
    }
    assert_eq!(wanted.names(), ["m.incomplete", "m.incomplete.json"]);
    let whole = Server::start(|seen, _| Reply::file(seen, &content(), "v1")).await;
    wanted.get(&whole).await.unwrap();
    wanted.assert_whole();
    assert!(whole.seen()[0].from().is_some_and(|from| from > 0), "{:?}", whole.seen());
}

#[tokio::test]
async fn changed_content_is_never_appended_to_the_old() {
    let server = Server::start(|seen, n| match n {
        0 => Reply::file(seen, &vec![7; 3_000_000], "old").cut_after(1_000_000),
        _ => Reply::file(seen, &content(), "new"),
    })
    .await;
    let wanted = Wanted::new();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
}

#[tokio::test]
async fn a_damaged_rest_of_an_earlier_process_is_downloaded_anew() {
    let server = Server::start(|seen, _| Reply::file(seen, &content(), "v1")).await;
    let wanted = Wanted::new();
    let part = wanted.folder.path().join("m.incomplete");
    fs::write(&part, vec![0; 1_000_000]).unwrap();
    let origin = serde_json::json!({
        "what": "owner/name/model.gguf at main", "etag": "\"v1\"", "total": 3_000_000,
    });
    fs::write(wanted.folder.path().join("m.incomplete.json"), origin.to_string()).unwrap();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
    assert_eq!(
        server.seen().iter().map(server::Seen::from).collect::<Vec<_>>(),
        [Some(1_000_000), None]
    );
}

#[tokio::test]
async fn the_token_stays_with_the_host_that_it_is_for() {
    let content_server = Server::start(|seen, _| Reply::file(seen, &content(), "cdn")).await;
    let elsewhere = content_server.other_url();
    let server = Server::start(move |_, _| {
        Reply::new(302).header("location", format!("{elsewhere}/blob?signature=x"))
    })
    .await;
    let wanted = Wanted::new();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
    assert_eq!(server.seen()[0].header("authorization"), Some("Bearer hf_secret"));
    let there = &content_server.seen()[0];
    assert_eq!((there.path.as_str(), there.header("authorization")), ("/blob?signature=x", None));
}

#[tokio::test]
async fn endless_redirects_end() {
    let server = Server::start(|_, _| Reply::new(302).header("location", "/again")).await;
    let error = Wanted::new().get(&server).await.unwrap_err();
    assert!(matches!(error, Error::Redirect(_)), "{error:?}");
    assert!(server.seen().len() < 20);
}

#[tokio::test]
async fn an_expired_address_is_asked_for_again() {
    let store = Server::start(|seen, n| match n {
        0 => Reply::new(403),
        _ => Reply::file(seen, &content(), "v1"),
    })
    .await;
    let elsewhere = store.other_url();
    let server =
        Server::start(move |_, _| Reply::new(302).header("location", elsewhere.clone())).await;
    let wanted = Wanted::new();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn refusals_are_typed_and_not_tried_again() {
    for status in [401, 403, 404, 418] {
        let server = Server::start(move |_, _| {
            Reply::new(status).header("x-error-message", "the server's\twords").body(b"<html>")
        })
        .await;
        let wanted = Wanted::new();
        let error = wanted.get(&server).await.unwrap_err();
        let fits = match status {
            401 => matches!(error, Error::Unauthorized { .. }),
            403 => matches!(error, Error::Forbidden { .. }),
            404 => matches!(error, Error::NotFound { .. }),
            _ => matches!(error, Error::Status { status: 418, .. }),
        };
        let message = error.to_string();
        assert!(fits && message.contains("the server's words"), "{status}: {error:?}");
        assert!(!message.contains("hf_secret") && !message.contains("html"), "{message}");
        assert_eq!(server.seen().len(), 1);
        assert!(!wanted.file().exists());
    }
}

#[tokio::test]
async fn a_busy_server_is_tried_again() {
    let server = Server::start(|seen, n| match n {
        0 => Reply::new(503),
        1 => Reply::new(429).header("retry-after", "0"),
        _ => Reply::file(seen, &content(), "v1"),
    })
    .await;
    let wanted = Wanted::new();
    wanted.get(&server).await.unwrap();
    wanted.assert_whole();
}

#[tokio::test]
async fn tries_end() {
    let server = Server::start(|_, _| Reply::new(502)).await;
    let error = Wanted::new().get(&server).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 502, .. }), "{error:?}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_long_wait_is_told_instead_of_waited_for() {
    let server = Server::start(|_, _| Reply::new(429).header("retry-after", "3600")).await;
    let error = Wanted::new().get(&server).await.unwrap_err();
    let Error::RateLimited { retry_after } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_file_of_another_length_is_refused_before_it_is_downloaded() {
    let server = Server::start(|seen, _| Reply::file(seen, b"<html>sorry</html>", "v1")).await;
    let wanted = Wanted::new();
    let error = wanted.get(&server).await.unwrap_err();
    assert!(matches!(error, Error::Length { expected: 3_000_000, actual: 18 }), "{error:?}");
    assert!(!wanted.file().exists());
}

#[tokio::test]
async fn a_file_of_another_checksum_is_deleted() {
    let server = Server::start(|seen, _| Reply::file(seen, &vec![1; 3_000_000], "v1")).await;
    let wanted = Wanted::new();
    let error = wanted.get(&server).await.unwrap_err();
    let Error::Checksum { expected, actual, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, actual), (sha256(&content()), sha256(&vec![1; 3_000_000])));
    assert!(wanted.names().is_empty(), "{:?}", wanted.names());
}

#[tokio::test]
async fn the_hubs_own_checksum_counts_where_none_is_given() {
    let server = Server::start(|seen, _| {
        Reply::file(seen, b"tampered", "v1")
            .header("x-linked-etag", format!("\"{}\"", sha256(b"model")))
    })
    .await;
    let mut wanted = Wanted::new();
    (wanted.download.sha256, wanted.download.size) = (None, None);
    let error = wanted.get(&server).await.unwrap_err();
    assert!(
        matches!(&error, Error::Checksum { actual, .. } if *actual == sha256(b"tampered")),
        "{error:?}"
    );
}

#[tokio::test]
async fn garbage_instead_of_http_is_a_network_error() {
    let server = Server::start(|_, _| Reply::raw(b"\x00\xff garbage\r\n\r\n")).await;
    let error = Wanted::new().get(&server).await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_drips_is_as_bad_as_a_silent_one() {
    let server = Server::start(|seen, _| {
        Reply::file(seen, &content(), "v1").drip(Duration::from_millis(20))
    })
    .await;
    let mut once = patience();
    once.idle = Duration::from_millis(300);
    once.tries = 1;
    let client = Client::with_patience(&server.url(), None, once).unwrap();
    let error = client.download(&Wanted::new().download, |_, _| {}).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection stands still");
}

#[tokio::test]
async fn nobody_at_home_is_a_network_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::with_patience(&url, None, patience()).unwrap();
    let error = client.download(&Wanted::new().download, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
    assert!(error.to_string().starts_with("could not reach 127.0.0.1: "), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_io_error() {
    let server = Server::start(|seen, _| Reply::file(seen, &content(), "v1")).await;
    let download = Download::new("owner/name", "model.gguf", "/no/such/folder/m");
    let error = client(&server).download(&download, |_, _| {}).await.unwrap_err();
    assert!(matches!(&error, Error::Io { .. }) && !error.is_disk_full(), "{error:?}");
}
