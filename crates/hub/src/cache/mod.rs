//! The cache of the Hub's own tools, shared with them: what they downloaded is used, and what is
//! downloaded here is used by them.
//!
//! ```text
//! <root>/models--owner--name/refs/main              the commit, 40 hex digits
//!                            blobs/<checksum>       contents, by their checksums
//!                            snapshots/<commit>/…   links to them, by their names
//!                            trees/<commit>.json    the listing of a commit
//!        .locks/models--owner--name/<checksum>.lock flock, held while a content is downloaded
//! ```
//!
//! A repository's folder may come and go under us, and its contents may be links into a store of
//! the tools' own: links are followed and never written through.

mod contents;
mod folder;
mod layout;
mod link;
mod lock;
mod removal;
mod tree;

pub use contents::{CachedFile, CachedModel, CachedRevision};
pub use folder::{cache_folder, is_offline};
pub use layout::HubCache;

pub(crate) use layout::is_file;
pub(crate) use lock::Lock;
