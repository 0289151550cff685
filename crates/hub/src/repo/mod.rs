//! Model repositories: how they are named, what the Hub says of them, which files they have.

mod address;
mod file;
mod id;
mod listing;

pub use address::Address;
pub use file::RepoFile;
pub use id::RepoId;
pub use listing::ModelInfo;

pub(crate) use file::{is_commit, is_safe_path};
