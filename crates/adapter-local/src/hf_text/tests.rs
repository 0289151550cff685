//! Folders as they are published, and folders that nobody should have published.

mod damage;
mod npm;
mod qwen3;
mod sampling;
mod templates;
mod tokenizers;

use std::fs;
use std::path::Path;

use domain::Request;
use ports::Error;

use super::*;
use crate::prompt::{Prepared, Prompter};
use crate::test_model::TestModel;

/// A folder with a tokenizer, to which files are added.
struct Folder(tempfile::TempDir);

impl Folder {
    /// [`TestModel::thinking`] as a folder.
    fn thinking() -> Self {
        Self(TestModel::thinking().folder())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path().join(name), content).unwrap();
        self
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.path().join(name)).unwrap();
        self
    }

    fn text(&self) -> Result<HfText, TextError> {
        HfText::read(self.path())
    }

    fn prompter(&self) -> Result<Prompter, Error> {
        Prompter::of_folder(&self.text()?)
    }

    fn render(&self, request: &Request) -> Result<Prepared, Error> {
        self.prompter()?.render(request)
    }
}
