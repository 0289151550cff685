//! Models of the Hub by address, from an emulated Hub, in the cache of the Hub's own tools.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ports::{BuildContext, Error, ErrorKind, Secret};
use tempfile::TempDir;
use testkit::faults::Answer;
use testkit::hub_emulator::{Disturbance, HubEmulator, Model};
use textport_adapter_local::{Catalogue, HubCache, ModelState, ModelStore, StoredModel};

const TOKEN: &str = "hf_good";
const INDEX: &str = r#"{"weight_map":{"a":"model-00001-of-00002.safetensors",
    "b":"model-00002-of-00002.safetensors"}}"#;

struct World {
    hub: HubEmulator,
    store: ModelStore,
    folder: TempDir,
}

impl World {
    fn new(models: impl IntoIterator<Item = Model>) -> Self {
        let hub = HubEmulator::start(TOKEN).unwrap();
        models.into_iter().for_each(|model| hub.add_model(model));
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(&folder.path().join("own"))
            .with_hub_endpoint(hub.url())
            .with_hub_cache(HubCache::new(folder.path().join("hub")));
        Self { hub, store, folder }
    }

    fn context() -> BuildContext {
        BuildContext::default().with_secrets(|_| Ok(Secret::new(TOKEN)))
    }

    async fn ensure(&self, model: &str) -> Result<PathBuf, Error> {
        self.store.ensure(&catalogue(), model, &Self::context()).await
    }

    async fn pull(&self, model: &str) -> Result<PathBuf, Error> {
        self.store.pull(&catalogue(), model, &Self::context()).await
    }

    async fn offline(&self, model: &str) -> Result<PathBuf, Error> {
        self.store.ensure(&catalogue(), model, &Self::context().with_offline(true)).await
    }

    fn state(&self, model: &str) -> ModelState {
        self.store.locate(&catalogue(), model).unwrap().state
    }

    fn listed(&self) -> Vec<StoredModel> {
        let all = self.store.list(&catalogue()).unwrap().into_iter();
        all.filter(|model| model.name.starts_with("hf:")).collect()
    }

    fn requests(&self) -> usize {
        self.hub.journal().len() + self.hub.store_journal().len()
    }
}

fn catalogue() -> Catalogue {
    Catalogue::with_entries(&Default::default()).unwrap()
}

fn sharded() -> Model {
    Model::new("acme/sharded").with_commit(
        "main",
        &[
            (".gitattributes", b"*.safetensors filter=lfs"),
            ("README.md", b"# acme"),
            ("chat_template.jinja", b"{{ messages }}"),
            ("config.json", b"{}"),
            ("generation_config.json", b"{}"),
            ("model-00001-of-00002.safetensors", &[1; 300_000]),
            ("model-00002-of-00002.safetensors", &[2; 300_000]),
            ("model.safetensors.index.json", INDEX.as_bytes()),
            ("onnx/model.onnx", b"onnx"),
            ("pytorch_model.bin", &[3; 300_000]),
            ("tokenizer.json", b"{}"),
            ("tokenizer_config.json", b"{}"),
        ],
    )
}

fn quantized() -> Model {
    Model::new("acme/gguf").with_commit(
        "main",
        &[("README.md", b"# acme"), ("m-Q4.gguf", &[4; 300_000]), ("m-Q8.gguf", &[8; 300_000])],
    )
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_repository_stands_for_the_folder_of_what_a_model_needs() {
    let world = World::new([sharded().private()]);
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let context = World::context().with_progress(move |p| sink.lock().unwrap().push(p));
    assert_eq!(world.state("hf:acme/sharded"), ModelState::NotFetched);
    let path = world.store.ensure(&catalogue(), "hf:acme/sharded", &context).await.unwrap();
    let expected = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&path), expected);
    assert_eq!(world.state("hf:acme/sharded"), ModelState::Fetched);
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert_eq!(last.task, "fetching hf:acme/sharded");
    assert!(last.finished && Some(last.done) == last.total && last.done > 600_000, "{last:?}");
    let located = world.store.locate(&catalogue(), "hf:acme/sharded").unwrap();
    assert_eq!((located.path, located.name.as_deref()), (path, Some("hf:acme/sharded")));
}

#[tokio::test]
async fn what_is_here_is_used_without_asking_and_pulled_when_told() {
    let world = World::new([sharded()]);
    let path = world.ensure("hf:acme/sharded").await.unwrap();
    let before = world.requests();
    world.hub.add_model(
        sharded()
            .with_commit("main", &[("config.json", b"{\"new\":1}"), ("model.safetensors", b"new")]),
    );
    assert_eq!(world.ensure("hf:acme/sharded").await.unwrap(), path);
    assert_eq!(world.offline("hf:acme/sharded").await.unwrap(), path);
    assert_eq!(world.requests(), before);
    let new = world.pull("hf:acme/sharded").await.unwrap();
    assert_eq!(names(&new), ["config.json", "model.safetensors"]);
    assert_eq!(world.ensure("hf:acme/sharded").await.unwrap(), new);
    assert!(path.join("model-00001-of-00002.safetensors").exists(), "the old commit stays");
}

#[tokio::test]
async fn one_file_is_fetched_alone_and_several_are_listed() {
    let world = World::new([quantized()]);
    let error = world.ensure("hf:acme/gguf").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert_eq!(error.to_string(), "hf:acme/gguf has 2 GGUF files: m-Q4.gguf, m-Q8.gguf");
    assert_eq!(error.hint(), Some("name one of them: hf:acme/gguf/m-Q4.gguf"));
    let path = world.ensure("hf:acme/gguf/m-Q8.gguf").await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), [8; 300_000]);
    assert_eq!(world.hub.store_journal().len(), 1);
    assert_eq!(world.offline("hf:acme/gguf@main/m-Q8.gguf").await.unwrap(), path);
    let error = world.ensure("hf:acme/gguf/m-Q9.gguf").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no file m-Q9.gguf in acme/gguf at main");
    assert!(error.hint().unwrap().starts_with("did you mean m-Q"), "{error:?}");
    let only = Model::new("acme/one").with_commit("v1", &[("one.gguf", b"GGUF")]);
    world.hub.add_model(only);
    let path = world.ensure("hf:acme/one@v1").await.unwrap();
    assert!(path.ends_with("one.gguf"), "{path:?}");
}

#[tokio::test]
async fn offline_says_what_is_missing() {
    let world = World::new([sharded()]);
    let error = world.offline("hf:acme/sharded").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert_eq!(
        error.to_string(),
        "hf:acme/sharded is not in the Hub's cache, and the network is off"
    );
    assert!(error.hint().unwrap().ends_with("textport models pull hf:acme/sharded"));
    assert_eq!(world.requests(), 0);
    let path = world.ensure("hf:acme/sharded").await.unwrap();
    fs::remove_file(path.join("model-00002-of-00002.safetensors")).unwrap();
    assert_eq!(world.state("hf:acme/sharded"), ModelState::Partial);
    let error = world.offline("hf:acme/sharded").await.unwrap_err();
    assert!(error.to_string().contains("is not complete"), "{error}");
    assert_eq!(world.ensure("hf:acme/sharded").await.unwrap(), path);
    assert_eq!(world.hub.store_journal().len(), 2, "its content was still here");
}

#[tokio::test]
async fn what_the_hub_refuses_says_what_to_do() {
    let world = World::new([sharded().gated(), quantized().private()]);
    let stranger = BuildContext::default();
    let refused = async |model: &str, context: &BuildContext| {
        let error = world.store.ensure(&catalogue(), model, context).await.unwrap_err();
        assert!(!error.to_string().contains('\n') && !format!("{error:?}").contains(TOKEN));
        (error.kind(), format!("{error} | {}", error.hint().unwrap_or_default()))
    };
    let page = format!("accept the terms on {}/acme/sharded", world.hub.url());
    let (kind, said) = refused("hf:acme/sharded", &stranger).await;
    assert!(kind == ErrorKind::Unauthenticated && said.contains(&page), "{said}");
    let (kind, said) = refused("hf:acme/sharded", &World::context()).await;
    assert!(kind == ErrorKind::PermissionDenied && said.contains(&page), "{said}");
    let (kind, said) = refused("hf:acme/gguf/m-Q4.gguf", &stranger).await;
    assert!(kind == ErrorKind::NotFound && said.contains("private"), "{said}");
    let (kind, said) = refused("hf:acme/none", &World::context()).await;
    assert!(kind == ErrorKind::NotFound && said.contains("hf:acme/none"), "{said}");
    let (kind, said) = refused("hf:acme/gguf@v9", &World::context()).await;
    assert!(kind == ErrorKind::NotFound && said.contains("no such revision"), "{said}");
    let wrong = BuildContext::default().with_secrets(|_| Ok(Secret::new("hf_bad")));
    let (kind, said) = refused("hf:acme/none", &wrong).await;
    assert!(kind == ErrorKind::Unauthenticated && said.contains("not valid"), "{said}");
    let limited = Answer::status(429).with_header("retry-after", "3600");
    world.hub.disturb("/revision/", 1, Disturbance::Instead(limited));
    let (kind, said) = refused("hf:acme/none", &World::context()).await;
    assert!(kind == ErrorKind::RateLimited && said.contains("3600 s"), "{said}");
    for bad in ["hf:", "hf:gpt2", "hf:a/b/../c", "hf:a/b@"] {
        let (kind, said) = refused(bad, &stranger).await;
        assert!(kind == ErrorKind::ModelLoad && said.contains("hf:OWNER/REPO"), "{said}");
    }
}

#[tokio::test]
async fn a_hostile_index_is_refused() {
    let index = br#"{"weight_map":{"a":"../../evil.safetensors"}}"#;
    let files: [(&str, &[u8]); 2] =
        [("config.json", b"{}"), ("model.safetensors.index.json", index)];
    let world = World::new([Model::new("acme/evil").with_commit("main", &files)]);
    let error = world.ensure("hf:acme/evil").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(error.to_string().contains("../../evil.safetensors"), "{error}");
    let empty = Model::new("acme/bin").with_commit("main", &[("pytorch_model.bin", b"x")]);
    world.hub.add_model(empty);
    let error = world.ensure("hf:acme/bin").await.unwrap_err();
    assert!(error.to_string().ends_with("but only pytorch_model.bin"), "{error}");
}

#[tokio::test]
async fn the_list_shows_what_is_here_and_a_repository_is_removed_as_a_whole() {
    let world = World::new([
        sharded().with_commit("v1", &[("config.json", b"{}"), ("model.safetensors", b"1")]),
        quantized(),
        Model::new("acme/text").with_commit("main", &[("README.md", b"# no model")]),
    ]);
    assert!(world.listed().is_empty());
    for model in ["hf:acme/sharded@v1", "hf:acme/sharded", "hf:acme/gguf/m-Q4.gguf"] {
        world.ensure(model).await.unwrap();
    }
    let listed = world.listed();
    let mut rows: Vec<_> = listed.iter().map(|m| (m.name.as_str(), m.state)).collect();
    rows.sort_by_key(|row| row.0);
    let fetched = ModelState::Fetched;
    let expected = [
        ("hf:acme/gguf/m-Q4.gguf", fetched),
        ("hf:acme/sharded", fetched),
        ("hf:acme/sharded@v1", fetched),
    ];
    assert_eq!(rows, expected);
    let gguf = listed.iter().find(|model| model.name.ends_with(".gguf")).unwrap();
    assert_eq!((gguf.size, gguf.stored), (Some(300_000), 300_000));
    assert_eq!(gguf.sources, ["Hub acme/gguf at main"]);
    let error = world.store.remove(&catalogue(), "hf:acme/gguf/m-Q4.gguf").unwrap_err();
    assert_eq!(error.hint(), Some("textport models rm hf:acme/gguf"));
    let removed = world.store.remove(&catalogue(), "hf:acme/gguf").unwrap();
    assert!(removed.bytes >= 300_000 && !removed.path.exists());
    assert_eq!(world.state("hf:acme/gguf/m-Q4.gguf"), ModelState::NotFetched);
    assert_eq!(world.listed().len(), 2);
    assert!(world.folder.path().join("hub/models--acme--sharded").is_dir());
}

#[tokio::test]
async fn a_full_commit_is_used_whatever_the_branch_says() {
    let old = sharded();
    let commit = old.commit("main").unwrap().to_owned();
    let world = World::new([old.with_commit("main", &[("config.json", b"{}")])]);
    let address = format!("hf:acme/sharded@{commit}");
    let path = world.ensure(&address).await.unwrap();
    assert!(path.ends_with(&commit) && path.join("tokenizer.json").is_file());
    assert!(!world.hub.journal().iter().any(|r| r.target.contains("/revision/")));
    assert_eq!(world.listed()[0].name, address);
}
