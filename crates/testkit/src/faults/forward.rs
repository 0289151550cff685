//! Asking the server behind the proxy.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::wire::{Recorded, find, read_chunk, read_head};

enum Framing {
    Chunked,
    Length(usize),
    UntilClosed,
}

/// The server's answer: status and headers are here, the body is still coming.
pub(super) struct Upstream {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    connection: BufReader<TcpStream>,
    framing: Framing,
}

impl Upstream {
    pub(super) async fn ask(
        address: &str,
        request: &Recorded,
        added: &[(String, String)],
    ) -> io::Result<Self> {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(&bytes_of(request, address, added)).await?;
        let mut connection = BufReader::new(connection);
        let Some((first, headers)) = read_head(&mut connection).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let status = first.split(' ').nth(1).and_then(|n| n.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status in {first:?}")))?;
        let length = find(&headers, "content-length").and_then(|n| n.parse().ok());
        let framing = match length {
            _ if matches!(status, 204 | 304) || request.method == "HEAD" => Framing::Length(0),
            _ if find(&headers, "transfer-encoding").is_some() => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClosed,
        };
        Ok(Self { status, headers, connection, framing })
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.framing {
            Framing::Chunked => read_chunk(&mut self.connection).await,
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let mut piece = vec![0; (*left).min(64 * 1024)];
                let read = self.connection.read(&mut piece).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *left -= read;
                piece.truncate(read);
                Ok(Some(piece))
            }
            Framing::UntilClosed => {
                let mut piece = vec![0; 64 * 1024];
                let read = self.connection.read(&mut piece).await?;
                piece.truncate(read);
                Ok((read > 0).then_some(piece))
            }
        }
    }
}

fn bytes_of(request: &Recorded, address: &str, added: &[(String, String)]) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\n", request.method, request.target);
    head.push_str(&format!("connection: close\r\ncontent-length: {}\r\n", request.body.len()));
    let replaced = |name: &str| {
        matches!(name, "host" | "connection" | "content-length" | "transfer-encoding")
            || find(added, name).is_some()
    };
    let kept = request.headers.iter().filter(|(name, _)| !replaced(name));
    for (name, value) in kept.chain(added) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}
