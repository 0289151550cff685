//! Doing to an answer what a rule says.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::time::sleep;

use super::forward::Upstream;
use super::wire::{head, write_answer};
use super::{Answer, End, Fault};

const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const HEARTBEAT: &[u8] = b"data: {\"msg\":\"heartbeat\",\"event_id\":null}\n\n";
/// Heartbeats come much faster here than from a real server: tests should not have to wait.
const BEAT: Duration = Duration::from_millis(50);

pub(super) type Client<'a> = WriteHalf<'a>;

/// Gives the client what the fault makes of an answer. `upstream` is asked only where it is needed.
pub(super) async fn play<F>(client: &mut Client<'_>, fault: Fault, upstream: F) -> io::Result<()>
where
    F: Future<Output = io::Result<Upstream>>,
{
    match fault {
        Fault::ResetBeforeHead => finish(client, End::Reset).await,
        Fault::Instead(answer) => write_answer(client, &answer).await,
        Fault::Late(after, answer) => {
            sleep(after).await;
            write_answer(client, &answer).await
        }
        Fault::InsteadThen(answer, end) => {
            start(client, &answer).await?;
            write_piece(client, &answer.body).await?;
            finish(client, end).await
        }
        Fault::EndlessHead(pause) => endless_head(client, pause).await,
        Fault::EndlessBody(answer, pause) => {
            start(client, &answer).await?;
            loop {
                write_piece(client, &answer.body).await?;
                sleep(pause).await;
            }
        }
        Fault::Pass | Fault::ResetAfterHead | Fault::Cut { .. } | Fault::Drip { .. } => {
            relay(client, fault, upstream.await?).await
        }
    }
}

async fn start(client: &mut Client<'_>, answer: &Answer) -> io::Result<()> {
    client.write_all(&head(answer.status, &answer.headers, CHUNKED)).await
}

/// The server's answer, piece by piece; a server that breaks off is broken off here too.
async fn relay(client: &mut Client<'_>, fault: Fault, mut upstream: Upstream) -> io::Result<()> {
    client.write_all(&head(upstream.status, &upstream.headers, CHUNKED)).await?;
    let mut seen = Vec::new();
    if let Fault::ResetAfterHead = fault {
        return finish(client, End::Reset).await;
    }
    loop {
        let piece = match upstream.piece().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return finish(client, End::Complete).await,
            Err(_) => return finish(client, End::Closed).await,
        };
        match &fault {
            Fault::Drip { bytes, pause } => drip(client, &piece, *bytes, *pause).await?,
            Fault::Cut { after, end } => {
                let sent = seen.len();
                seen.extend_from_slice(&piece);
                if let Some(at) = end_of(&seen, after.as_bytes()) {
                    write_piece(client, &seen[sent..at.max(sent)]).await?;
                    return finish(client, *end).await;
                }
                write_piece(client, &piece).await?;
            }
            _ => write_piece(client, &piece).await?,
        }
    }
}

/// Where the first occurrence of a text ends.
fn end_of(bytes: &[u8], text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    bytes.windows(text.len()).position(|window| window == text).map(|at| at + text.len())
}

async fn write_piece(client: &mut Client<'_>, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(()); // an empty chunk would end the body
    }
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    client.write_all(&framed).await
}

async fn drip(
    client: &mut Client<'_>,
    piece: &[u8],
    bytes: usize,
    pause: Duration,
) -> io::Result<()> {
    for part in piece.chunks(bytes.max(1)) {
        let mut framed = format!("{:x}\r\n", part.len()).into_bytes();
        framed.extend_from_slice(part);
        framed.extend_from_slice(b"\r\n");
        for packet in framed.chunks(bytes.max(1)) {
            client.write_all(packet).await?;
            client.flush().await?;
            if pause > Duration::ZERO {
                sleep(pause).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

async fn endless_head(client: &mut Client<'_>, pause: Duration) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
    loop {
        client.write_all(b"z").await?;
        sleep(pause).await;
    }
}

async fn finish(client: &mut Client<'_>, end: End) -> io::Result<()> {
    match end {
        End::Complete => {
            client.write_all(b"0\r\n\r\n").await?;
            client.shutdown().await
        }
        End::Closed => client.shutdown().await,
        End::Reset => {
            // What was sent must have arrived: a reset throws away what has not.
            sleep(BEAT).await;
            client.as_ref().set_zero_linger()
        }
        End::Silence => std::future::pending().await,
        End::Heartbeats => loop {
            write_piece(client, HEARTBEAT).await?;
            sleep(BEAT).await;
        },
    }
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn a_cut_is_behind_the_text() {
        assert_eq!(end_of(b"abcabc", b"bc"), Some(3));
        assert_eq!(end_of(b"abc", b""), Some(0));
        assert_eq!(end_of(b"abc", b"x"), None);
    }
}
