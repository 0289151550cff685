//! As much of HTTP/1.1 as the proxy has to understand.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Answer, End};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON; `Null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether some text is anywhere in it: path, headers or body.
    pub fn mentions(&self, text: &str) -> bool {
        self.target.contains(text)
            || self.headers.iter().any(|(name, value)| name.contains(text) || value.contains(text))
            || String::from_utf8_lossy(&self.body).contains(text)
    }
}

pub(super) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The first line and the headers; `None` at the end of the connection.
pub(super) async fn read_head(
    connection: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<(String, Vec<(String, String)>)>> {
    let mut first = String::new();
    if connection.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 || line.trim_end().is_empty() {
            return Ok(Some((first.trim_end().to_owned(), headers)));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

/// A whole request; `None` at the end of the connection.
pub(crate) async fn read_request(
    connection: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<Recorded>> {
    let Some((first, headers)) = read_head(connection).await? else { return Ok(None) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut body = Vec::new();
    if find(&headers, "transfer-encoding").is_some() {
        while let Some(piece) = read_chunk(connection).await? {
            body.extend(piece);
        }
    } else if let Some(length) = find(&headers, "content-length").and_then(|n| n.parse().ok()) {
        body = vec![0; length];
        connection.read_exact(&mut body).await?;
    }
    Ok(Some(Recorded { method, target, headers, body }))
}

/// The next chunk of a chunked body; `None` after the last.
pub(super) async fn read_chunk(
    connection: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<Vec<u8>>> {
    let mut size = String::new();
    if connection.read_line(&mut size).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let size = size.trim().split(';').next().unwrap_or_default();
    let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
    let mut piece = vec![0; size + 2];
    connection.read_exact(&mut piece).await?;
    piece.truncate(size);
    Ok((size > 0).then_some(piece))
}

/// Status and headers of an answer whose body follows in chunks.
pub(super) fn head(status: u16, headers: &[(String, String)], framing: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Answer\r\nconnection: close\r\n{framing}");
    for (name, value) in headers {
        let ours = matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding");
        if !ours {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// A whole answer.
pub(crate) async fn write_answer(
    connection: &mut (impl AsyncWrite + Unpin),
    answer: &Answer,
) -> io::Result<()> {
    let framing = format!("content-length: {}\r\n", answer.body.len());
    connection.write_all(&head(answer.status, &answer.headers, &framing)).await?;
    if answer.head_only {
        return connection.shutdown().await;
    }
    let sent = answer.breaks.map_or(answer.body.len(), |(bytes, _)| bytes.min(answer.body.len()));
    connection.write_all(&answer.body[..sent]).await?;
    connection.flush().await?;
    match answer.breaks {
        Some((_, End::Silence | End::Heartbeats)) => std::future::pending().await,
        _ => connection.shutdown().await,
    }
}
