//! Writing a model: what it is made of, and the work on a thread of its own. Ctrl-C ends it and
//! leaves nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use textport::local::{LoraSetting, WriteProgress};
use textport::{Error, ErrorKind, Progress};
use tokio::sync::oneshot;

use super::Shelf;
use crate::args::LoraArg;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;

/// The model and the adapters, fetched where they are not here.
///
/// # Errors
/// When one of them is not there, or cannot be fetched.
pub(super) fn ingredients(
    shelf: &Shelf,
    model: &str,
    lora: &[LoraArg],
    runtime: &Runtime,
    output: &Output,
) -> Result<(PathBuf, Vec<LoraSetting>), Failure> {
    // Verbs that ask take the words of a catalogue; these take paths above all.
    let is_name = shelf.catalogue.get(model).is_some() || model.starts_with("hf:");
    let own = Path::new(model);
    let model = if !is_name && own.is_dir() && own.is_relative() {
        Path::new(".").join(own).to_string_lossy().into_owned()
    } else {
        model.to_owned()
    };
    let reporter = Reporter::new(output);
    let context = shelf.settings.context(reporter.sink());
    let found = runtime.run(async {
        let path = shelf.store.ensure(&shelf.catalogue, &model, &context).await?;
        let mut adapters = Vec::new();
        for lora in lora {
            let path = shelf.store.ensure_adapter(Path::new(&lora.path), &context).await?;
            let scale = lora.scale.unwrap_or(1.0) as f32;
            adapters.push(LoraSetting { path, scale });
        }
        Ok((path, adapters))
    });
    reporter.clear();
    found
}

/// Does `work` and shows how far it is. A signal calls it off, and is answered when what was
/// written is gone again.
///
/// # Errors
/// Those of `work`, and [`Failure::Signal`].
pub(super) fn write<T: Send + 'static>(
    task: String,
    runtime: &Runtime,
    output: &Output,
    work: impl FnOnce(&mut dyn FnMut(WriteProgress) -> ControlFlow<()>) -> Result<T, Error>
    + Send
    + 'static,
) -> Result<T, Failure> {
    let reporter = Reporter::new(output);
    let show = reporter.sink();
    let called_off = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&called_off);
    let (sender, done) = oneshot::channel();
    let thread = thread::spawn(move || {
        let result = work(&mut |WriteProgress { done, total }| {
            let finished = done == total;
            show(Progress { task: task.clone(), done, total: Some(total), finished });
            match heard.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        // Nobody waits for it after a signal.
        let _ = sender.send(result);
    });
    let ended =
        |error| Error::new(ErrorKind::Internal, "writing the model ended badly").with_source(error);
    let result = runtime.run(async { Ok(done.await.map_err(ended)??) });
    called_off.store(true, Ordering::Relaxed);
    let _ = thread.join();
    reporter.clear();
    result
}
