//! A limit in time for a whole verb.

use std::future::Future;
use std::time::Duration;

use textport::{Error, ErrorKind, TimeoutPhase};

use crate::failure::Failure;
use crate::settings::Settings;

/// Does `work` within the time that the flags or the configuration allow.
///
/// # Errors
/// Those of `work`, and a timeout that says `what` took too long.
pub(super) async fn within<T>(
    settings: &Settings,
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(seconds) = settings.config.timeout else { return work.await };
    let limit = Duration::from_secs_f64(seconds);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("{what} took longer than {seconds} s");
        Err(Error::new(ErrorKind::Timeout(TimeoutPhase::Total), message).into())
    })
}
