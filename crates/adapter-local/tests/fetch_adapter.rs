//! LoRA adapters of the Hub by address, from an emulated Hub.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod open;

use std::fs;
use std::path::{Path, PathBuf};

use domain::{GenerationOptions, ProviderId, Request};
use ports::{BuildContext, Error, ErrorKind, ProviderSpec, Secret, TextGenerator};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::hub_emulator::{HubEmulator, Model};
use textport_adapter_local::{Catalogue, HubCache, LocalFactory, ModelState, ModelStore};

const TOKEN: &str = "hf_good";
const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

fn file(name: &str) -> Vec<u8> {
    fs::read(open::tiny(&format!("lora/qwen3-linear/{name}"))).unwrap()
}

/// A repository as trainers push it: an adapter with a tokenizer, steps on the way, and leftovers.
fn tune() -> Model {
    let [config, weights] = FILES.map(file);
    let files: [(&str, &[u8]); 7] = [
        ("README.md", b"# tune"),
        (FILES[0], &config),
        (FILES[1], &weights),
        ("checkpoint-9/adapter_config.json", &config),
        ("checkpoint-9/adapter_model.safetensors", &weights),
        ("optimizer.pt", &[1; 100_000]),
        ("tokenizer.json", b"{}"),
    ];
    Model::new("acme/tune").with_commit("main", &files).with_commit("v1.0", &files)
}

struct World {
    hub: HubEmulator,
    store: ModelStore,
    _folder: TempDir,
}

impl World {
    fn new(model: Model) -> Self {
        let hub = HubEmulator::start(TOKEN).unwrap();
        hub.add_model(model);
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(&folder.path().join("own"))
            .with_hub_endpoint(hub.url())
            .with_hub_cache(HubCache::new(folder.path().join("hub")));
        Self { hub, store, _folder: folder }
    }

    fn context() -> BuildContext {
        BuildContext::default().with_secrets(|_| Ok(Secret::new(TOKEN)))
    }

    async fn ensure(&self, adapter: &str) -> Result<PathBuf, Error> {
        self.store.ensure_adapter(Path::new(adapter), &Self::context()).await
    }

    async fn offline(&self, adapter: &str) -> Result<PathBuf, Error> {
        let context = Self::context().with_offline(true);
        self.store.ensure_adapter(Path::new(adapter), &context).await
    }

    fn requests(&self) -> usize {
        self.hub.journal().len() + self.hub.store_journal().len()
    }

    async fn answer(&self, lora: Value) -> Result<String, Error> {
        let catalogue = Catalogue::with_entries(&Default::default())?;
        let factory = LocalFactory::new(catalogue, self.store.clone());
        let model = open::tiny("hf/qwen3");
        let settings = json!({ "model": model, "threads": 1, "lora": lora });
        let id = ProviderId::new("local").unwrap();
        let spec = ProviderSpec { id, settings: settings.as_object().cloned().unwrap() };
        let generator = factory.open(spec, &Self::context()).await?;
        let options = GenerationOptions {
            temperature: Some(0.0),
            max_tokens: Some(12),
            ..Default::default()
        };
        Ok(generator.generate(Request::user("A port").with_options(options)).await?.text)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn only_the_two_files_of_an_adapter_are_fetched() {
    let world = World::new(tune().private());
    let path = world.ensure("hf:acme/tune").await.unwrap();
    assert_eq!(names(&path), FILES);
    for name in FILES {
        assert_eq!(fs::read(path.join(name)).unwrap(), file(name), "{name}");
    }
    let before = world.requests();
    assert_eq!(world.ensure("hf:acme/tune").await.unwrap(), path, "what is here is used");
    assert_eq!(world.offline("hf:acme/tune").await.unwrap(), path);
    assert_eq!(world.requests(), before, "nobody was asked");
    let located =
        world.store.locate(&Catalogue::with_entries(&Default::default()).unwrap(), "hf:acme/tune");
    assert_eq!(located.unwrap().state, ModelState::Fetched);
    // A step of the training, at a tag.
    let step = world.ensure("hf:acme/tune@v1.0/checkpoint-9").await.unwrap();
    assert!(step.ends_with("checkpoint-9") && names(&step) == FILES, "{step:?}");
    assert_eq!(world.offline("hf:acme/tune@v1.0/checkpoint-9").await.unwrap(), step);
}

#[tokio::test]
async fn a_repository_that_has_a_model_too_gives_its_adapter() {
    let model: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.safetensors", &[7; 100_000])];
    let both = model.iter().fold(tune(), |repo, (name, bytes)| repo.with_file(name, bytes));
    let world = World::new(both);
    assert_eq!(names(&world.ensure("hf:acme/tune").await.unwrap())[..2], FILES);
    let requests = world.hub.store_journal();
    assert_eq!(requests.len(), 1, "one large file");
}

#[tokio::test]
async fn what_cannot_be_had_says_what_to_do() {
    let world = World::new(tune().private());
    let error = world.offline("hf:acme/tune").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(error.to_string().contains("the network is off"), "{error}");
    let stranger = BuildContext::default();
    let error = world.store.ensure_adapter(Path::new("hf:acme/tune"), &stranger).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let error = world.ensure("hf:acme/tune@v9").await.unwrap_err();
    assert!(error.to_string().contains("no such revision") || error.hint().is_some(), "{error}");
    let error = world.ensure("hf:acme/tune/checkpoint-8").await.unwrap_err();
    assert!(error.to_string().contains("has no adapter_config.json"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("FOLDER")), "{error:?}");
    let error = world.ensure("hf:tune").await.unwrap_err();
    assert!(error.to_string().contains("hf:OWNER/REPO"), "{error}");
    let own = Path::new("some/folder");
    assert_eq!(world.ensure("some/folder").await.unwrap(), own, "a path stays what it is");
}

#[tokio::test]
async fn an_adapter_of_the_hub_answers_as_its_folder_does() {
    let world = World::new(tune());
    let folder = open::tiny("lora/qwen3-linear");
    let plain = world.answer(json!([])).await.unwrap();
    for scale in [1.0, 0.5] {
        let local = world.answer(json!([{ "path": folder, "scale": scale }])).await.unwrap();
        let hub = json!([{ "path": "hf:acme/tune@v1.0", "scale": scale }]);
        assert_eq!(world.answer(hub).await.unwrap(), local, "{scale}");
        assert_ne!(local, plain, "{scale}");
    }
    let error = world.answer(json!(["hf:acme/none"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
