//! Real Gradio servers for tests: a virtual environment per requirements file, made once under the
//! target folder, and Python processes that end with the test that started them.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use textport_testkit::gradio::{Server, Venv};
//!
//! let venv = Venv::ensure("tests/servers/requirements-6.txt".as_ref())?;
//! let server = Server::start(&venv, "tests/servers/app.py".as_ref(), &["main"])?;
//! println!("{}", server.url("main")?);
//! # Ok(()) }
//! ```

mod fetch;
mod server;

pub use crate::Venv;
pub use fetch::fetch;
pub use server::Server;
