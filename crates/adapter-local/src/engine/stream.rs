//! The reading end of a generation.

use std::pin::Pin;
use std::task::{Context, Poll};

use domain::Event;
use futures_core::Stream;
use ports::{Error, ErrorKind};
use tokio::sync::mpsc;

pub(super) type Item = Result<Event, Error>;

/// The events of one generation. Dropping it closes the channel, which the engine notices before
/// the next token.
#[derive(Debug)]
pub(super) struct Events {
    channel: mpsc::Receiver<Item>,
    ended: bool,
}

impl Events {
    pub(super) fn new(channel: mpsc::Receiver<Item>) -> Self {
        Self { channel, ended: false }
    }
}

/// The engine's thread is gone.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Internal, "the local engine stopped unexpectedly")
        .with_hint("this is a fault of textport's own; please report it with the output on stderr")
}

impl Stream for Events {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.channel.poll_recv(context).map(|item| {
            // A channel that ends before its generation does: the engine's thread panicked.
            let item = item.unwrap_or_else(|| Err(stopped()));
            self.ended = matches!(item, Ok(Event::Finish(_)) | Err(_));
            Some(item)
        })
    }
}
