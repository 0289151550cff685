//! A small HTTP server that misbehaves as told, over real sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The `N` of `Range: bytes=N-`.
    pub(crate) fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut_after: Option<usize>,
    drip: Option<Duration>,
    raw: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { status, headers, body, cut_after: None, drip: None, raw: None }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The whole file, or the rest of it if a range of this very content was asked for.
    pub(crate) fn file(seen: &Seen, content: &[u8], etag: &str) -> Self {
        let etag = format!("\"{etag}\"");
        let same = seen.header("if-range").is_none_or(|tag| tag == etag);
        let reply = match seen.from().filter(|_| same) {
            Some(from) if from < content.len() => {
                let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
                Self::new(206).header("content-range", range).body(&content[from..])
            }
            Some(_) => Self::new(416),
            None => Self::new(200).body(content),
        };
        reply.header("etag", etag)
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Closes the connection after so many bytes of the body.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// Sends the body byte by byte, so slowly.
    pub(crate) fn drip(mut self, every: Duration) -> Self {
        self.drip = Some(every);
        self
    }

    /// Sends these bytes and nothing of HTTP.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self { raw: Some(bytes.to_vec()), ..Self::new(0) }
    }
}

type Handler = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// Ends with the runtime of the test.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `handler` gets each request and its number, from 0.
    pub(crate) async fn start(
        handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (handler, journal): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, journal) = (Arc::clone(&handler), Arc::clone(&journal));
                tokio::spawn(async move {
                    // A client that hangs up is part of the game.
                    let _ = serve(stream, &*handler, &journal).await;
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same server by another name: another host to a client.
    pub(crate) fn other_url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    handler: &Handler,
    journal: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let seen = Seen { path, headers };
    let number = {
        let mut journal = journal.lock().unwrap();
        journal.push(seen.clone());
        journal.len() - 1
    };
    write(&mut stream, handler(&seen, number)).await
}

async fn write(stream: &mut TcpStream, reply: Reply) -> io::Result<()> {
    if let Some(raw) = reply.raw {
        stream.write_all(&raw).await?;
        return stream.shutdown().await;
    }
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", reply.body.len());
    stream.write_all(head.as_bytes()).await?;
    let body = &reply.body[..reply.cut_after.unwrap_or(reply.body.len())];
    match reply.drip {
        None => stream.write_all(body).await?,
        Some(every) => {
            for byte in body {
                stream.write_u8(*byte).await?;
                tokio::time::sleep(every).await;
            }
        }
    }
    stream.shutdown().await
}
