//! A real TCP proxy that breaks connections on purpose, and the small HTTP server under it.
//!
//! A [`Proxy`] stands between a client and a server, notes every request and does to each answer
//! what the first matching rule says: resets it, cuts it in the middle of an event, lets it drip
//! byte by byte, or gives another one. It runs on a thread of its own, so that the tasks of the
//! client under test can be counted.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use textport_testkit::faults::{End, Fault, Proxy};
//!
//! let proxy = Proxy::before("http://127.0.0.1:7860")?;
//! proxy.rule("GET /gradio_api/queue/data", Fault::cut_after("process_generating", End::Reset));
//! println!("{}", proxy.url());
//! # Ok(()) }
//! ```

mod answer;
mod fault;
mod forward;
mod play;
mod proxy;
mod serve;
#[cfg(test)]
mod tests;
mod wire;

pub use answer::Answer;
pub use fault::{End, Fault};
pub use proxy::Proxy;
pub use wire::Recorded;

pub(crate) use serve::{Service, serve};
pub(crate) use wire::{read_request, write_answer};

/// An address where nobody listens.
///
/// # Errors
/// When the system has no free port.
pub fn refusing_address() -> std::io::Result<String> {
    let probe = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(format!("http://{}", probe.local_addr()?))
}
