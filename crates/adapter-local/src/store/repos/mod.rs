//! Models of the Hub by address, in the cache of the Hub's own tools: `hf:OWNER/REPO[@REV][/FILE]`.

mod bring;
mod choice;
mod here;
mod listed;

pub(super) use bring::{Newness, What};
pub(crate) use choice::is_companion;
pub(super) use here::located;
pub(super) use listed::{list, remove};

use ::hub::Address;
use ports::{Error, ErrorKind};

/// Reads an address.
pub(super) fn address(model: &str) -> Result<Address, Error> {
    Address::parse(model).map_err(|error| {
        Error::new(ErrorKind::ModelLoad, error.to_string())
            .with_hint("write hf:OWNER/REPO, hf:OWNER/REPO@REVISION or hf:OWNER/REPO/FILE.gguf")
    })
}
