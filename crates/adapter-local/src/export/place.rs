//! Where a model is written: names that are free, files that whoever may read them can read, and
//! how far the work is.

use std::ops::ControlFlow;
use std::path::Path;

use ports::{Error, ErrorKind};

/// How far a model is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteProgress {
    /// Bytes of tensors that are written.
    pub done: u64,
    /// Bytes of all tensors.
    pub total: u64,
}

/// Counts what is written and tells whoever waits for it, who may call it off.
pub(crate) struct Meter<'r> {
    progress: WriteProgress,
    report: &'r mut dyn FnMut(WriteProgress) -> ControlFlow<()>,
}

impl<'r> Meter<'r> {
    pub(crate) fn new(
        total: u64,
        report: &'r mut dyn FnMut(WriteProgress) -> ControlFlow<()>,
    ) -> Self {
        Self { progress: WriteProgress { done: 0, total }, report }
    }

    /// So many more bytes are written.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Error> {
        self.progress.done += bytes as u64;
        match (self.report)(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                Err(Error::new(ErrorKind::Cancelled, "writing the model was called off"))
            }
        }
    }
}

/// Refuses to write over what is there.
pub(crate) fn refuse_existing(to: &Path) -> Result<(), Error> {
    // A link that leads nowhere is a name that is taken, too.
    if to.symlink_metadata().is_err() {
        return Ok(());
    }
    let message = format!("{} is there already", to.display());
    Err(Error::new(ErrorKind::InvalidRequest, message)
        .with_hint("give another name, or remove it first"))
}

/// Where something gathers until it is whole: beside the place where it will be.
pub(crate) fn place_for(to: &Path) -> (&Path, tempfile::Builder<'static, 'static>) {
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".textport-");
    (folder, builder)
}
