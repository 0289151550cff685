//! Work that blocks, beside the async threads.

use ports::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::error::is_short_of_memory;

/// Does `work` on a thread of its own; `what` names it in errors. Tokio's threads for this would be
/// cheaper, but a system that gives no thread makes them panic.
///
/// # Errors
/// When there is no thread for it, or `work` panics.
pub(crate) async fn aside<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("textport-aside".into());
    let begun = thread.spawn(move || _ = sender.send(work()));
    begun.map_err(|error| no_thread(what, error))?;
    let result = receiver.await;
    result.map_err(|_| Error::new(ErrorKind::Internal, format!("{what} failed: it panicked")))
}

fn no_thread(what: &str, error: std::io::Error) -> Error {
    let message = format!("{what} failed: the system gives no thread for it");
    let failed = match is_short_of_memory(&error) {
        true => Error::new(ErrorKind::OutOfMemory, message)
            .with_hint("free some memory or allow the process more"),
        false => Error::new(ErrorKind::Internal, message),
    };
    failed.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error() {
        assert_eq!(aside("counting", || 3).await.unwrap(), 3);
        let error = aside::<()>("counting", || panic!("it was told to")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.to_string(), "counting failed: it panicked");
    }

    #[test]
    fn no_thread_is_no_memory() {
        let error = no_thread("counting", std::io::ErrorKind::WouldBlock.into());
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(error.hint().is_some());
    }
}
