//! How long to wait for what, and how much to take in. Nothing waits without a bound.

use std::time::Duration;

/// Limits in time. Heartbeats prove the connection, not the work: they count for `silence` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Opening a connection.
    pub connect: Duration,
    /// One short request, its answer included.
    pub request: Duration,
    /// No byte at all on an open stream; Gradio sends a heartbeat every 15 seconds.
    pub silence: Duration,
    /// From submitting to the start of the work.
    pub queue: Duration,
    /// From the start of the work, or its last sign of life, to the first value.
    pub first_event: Duration,
    /// Between one sign of life and the next after that.
    pub idle: Duration,
    /// Until a sleeping or building Space answers.
    pub wake: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            request: seconds(30),
            silence: seconds(45),
            queue: seconds(600),
            first_event: seconds(300),
            idle: seconds(120),
            wake: seconds(300),
        }
    }
}

/// Limits in bytes, so that a broken or hostile server cannot fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The body of a short answer.
    pub body: usize,
    /// One event of a stream.
    pub event: usize,
    /// All of one stream.
    pub stream: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 16 << 20, event: 32 << 20, stream: 1 << 30 }
    }
}
