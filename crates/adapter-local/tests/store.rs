//! What the store says of models, and what it does when the disk or the user is at odds with it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod fake_index;

use std::fs;
use std::path::Path;

use fake_index::{Index, NAME, recording};
use ports::{BuildContext, Error, ErrorKind};
use serde_json::json;
use textport_adapter_local::{Catalogue, DEFAULT_MODEL, ModelState, ModelStore};

fn builtin() -> Catalogue {
    Catalogue::with_entries(&Default::default()).unwrap()
}

async fn refused(model: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::new(folder.path());
    let ensured = store.ensure(&builtin(), model, &BuildContext::default()).await.unwrap_err();
    let located = store.locate(&builtin(), model).unwrap_err();
    assert_eq!(ensured.to_string(), located.to_string());
    assert_eq!(ensured.kind(), ErrorKind::ModelLoad);
    assert!(!ensured.to_string().contains('\n'));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made for it");
    ensured
}

#[tokio::test]
async fn an_unknown_name_lists_the_known_and_the_nearest() {
    let error = refused("smolm2-135m").await;
    assert_eq!(error.to_string(), "there is no model \"smolm2-135m\"");
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("did you mean smollm2-135m?") && hint.contains("known models"),
        "{hint}"
    );
    let hint = refused("gpt").await.hint().unwrap().to_owned();
    assert!(hint.starts_with("known models: smollm2-135m"), "{hint}");
}

#[tokio::test]
async fn a_path_that_leads_nowhere_gets_the_nearest_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("llama-3.gguf"), "").unwrap();
    let asked = folder.path().join("lama-3.gguf");
    let error = refused(asked.to_str().unwrap()).await;
    assert_eq!(error.to_string(), format!("there is no file {}", asked.display()));
    let near = folder.path().join("llama-3.gguf");
    assert_eq!(error.hint().unwrap(), format!("did you mean {}?", near.display()));
    let hint = refused("Owner/Model").await.hint().unwrap().to_owned();
    assert!(hint.ends_with("is named hf:Owner/Model"), "{hint}");
    let hint = refused("smollm2-135m.gguf").await.hint().unwrap().to_owned();
    assert_eq!(hint, "did you mean the model smollm2-135m?");
}

#[tokio::test]
async fn a_folder_is_a_model_if_it_is_clear_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let error = refused(path).await;
    assert!(error.to_string().ends_with("holds neither config.json nor a .gguf file"), "{error}");
    let store = ModelStore::new(&folder.path().join("cache"));
    for name in ["b.gguf", "a.gguf"] {
        fs::write(folder.path().join(name), "").unwrap();
        if name == "b.gguf" {
            let located = store.locate(&builtin(), path).unwrap();
            assert_eq!(located.path, folder.path().join("b.gguf"));
        }
    }
    let error = refused(path).await;
    assert!(error.to_string().ends_with("holds 2 .gguf files: a.gguf, b.gguf"), "{error}");
    assert!(error.hint().unwrap().ends_with("a.gguf"));
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    let located = store.locate(&builtin(), path).unwrap();
    assert_eq!((located.path.as_path(), located.state), (folder.path(), ModelState::Own));
    assert_eq!(
        store.ensure(&builtin(), path, &BuildContext::default()).await.unwrap(),
        folder.path()
    );
}

#[tokio::test]
async fn a_file_of_the_users_own_is_used_where_it_is() {
    let index = Index::new();
    let own = index.folder.join("own.gguf");
    fs::write(&own, "model").unwrap();
    let store = index.store();
    let context = BuildContext::default().with_offline(true);
    assert_eq!(store.ensure(&builtin(), own.to_str().unwrap(), &context).await.unwrap(), own);
    let catalogue = Index::catalogue(json!([{ "path": own }, Index::wheels()]));
    assert_eq!(store.ensure(&catalogue, NAME, &context).await.unwrap(), own);
    assert_eq!(store.locate(&catalogue, NAME).unwrap().state, ModelState::Own);
    assert_eq!(store.remove(&catalogue, NAME).unwrap().bytes, 0);
    assert!(own.exists() && !store.root().exists());
    fs::remove_file(&own).unwrap();
    let entry = json!({ "sources": [{ "path": own }] });
    let catalogue = Catalogue::with_entries(&[("mine".to_owned(), entry)].into()).unwrap();
    let error = store.ensure(&catalogue, "mine", &context).await.unwrap_err();
    assert!(error.to_string().contains("own.gguf") && error.kind() == ErrorKind::ModelLoad);
}

#[tokio::test]
async fn a_damaged_file_is_noticed_deleted_and_fetched_again() {
    let index = Index::new();
    let path = index.ensure().await.unwrap();
    for damage in [b"short".to_vec(), vec![9; 900_000]] {
        fs::write(&path, damage).unwrap();
        let (context, seen) = recording();
        let catalogue = Index::catalogue(json!([Index::wheels()]));
        assert_eq!(index.store().locate(&catalogue, NAME).unwrap().state, ModelState::Unchecked);
        index.store().ensure(&catalogue, NAME, &context).await.unwrap();
        index.assert_fetched();
        let seen = seen.lock().unwrap();
        assert!(seen.iter().any(|p| p.task.contains("damaged")), "{seen:?}");
    }
    assert_eq!(index.calls().len(), 9);
}

#[tokio::test]
async fn a_damaged_file_that_cannot_be_replaced_is_deleted_and_told() {
    let index = Index::new();
    let path = index.ensure().await.unwrap();
    fs::write(&path, vec![9; 900_000]).unwrap();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    let context = BuildContext::default().with_offline(true);
    let error = index.store().ensure(&catalogue, NAME, &context).await.unwrap_err();
    let message = error.to_string();
    let expected = format!("wrong checksum: expected sha256 {}, got ", Index::sha256());
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(
        message.contains("was damaged and is deleted") && message.contains(&expected),
        "{message}"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn a_lost_record_costs_one_check_and_no_fetch() {
    let index = Index::new();
    index.ensure().await.unwrap();
    fs::remove_file(index.model_folder().join(".tiny.gguf.verified.json")).unwrap();
    let (context, seen) = recording();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    index.store().ensure(&catalogue, NAME, &context).await.unwrap();
    index.assert_fetched();
    assert_eq!(index.calls().len(), 3);
    assert!(seen.lock().unwrap().iter().all(|p| p.task == "checking tiny"));
}

#[tokio::test]
async fn the_old_version_stays_until_the_new_one_is_there() {
    let index = Index::new();
    let path = index.ensure().await.unwrap();
    index.pip("exit 1");
    let other = Index::pinned(json!([Index::wheels()]), &"0".repeat(64));
    assert_eq!(index.store().locate(&other, NAME).unwrap().state, ModelState::Outdated);
    assert!(index.store().ensure(&other, NAME, &BuildContext::default()).await.is_err());
    assert!(path.exists());
    index.ensure().await.unwrap();
}

#[tokio::test]
async fn listing_shows_states_sizes_sources_and_leftovers() {
    let index = Index::new();
    index.ensure().await.unwrap();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    let listed = index.store().list(&catalogue).unwrap();
    let states: Vec<_> = listed.iter().map(|m| (m.name.as_str(), m.state)).collect();
    assert_eq!(states, [(DEFAULT_MODEL, ModelState::NotFetched), (NAME, ModelState::Fetched)]);
    assert_eq!(listed[0].stored, 0);
    assert!(listed[1].stored >= 900_000 && listed[1].size == Some(900_000));
    assert_eq!(listed[1].sources, ["wheels tiny-part{N} 1.0 (1 to 3)"]);
    let listed = index.store().list(&builtin()).unwrap();
    assert_eq!((listed[1].name.as_str(), listed[1].state), (NAME, ModelState::Leftover));
    let removed = index.store().remove(&builtin(), NAME).unwrap();
    assert!(removed.bytes >= 900_000 && !index.model_folder().exists());
    assert_eq!(index.store().list(&builtin()).unwrap().len(), 1);
}

#[test]
fn removing_takes_only_names_of_models() {
    let index = Index::new();
    for name in ["nothing", "..", ".locks", "../cache", "/"] {
        let error = index.store().remove(&builtin(), name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelLoad, "{name}");
    }
    assert!(index.folder.exists());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_told() {
    let index = Index::new();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    // Permissions do not bind everybody who runs this; these two places bind all.
    let file = index.folder.join("calls");
    fs::write(&file, "").unwrap();
    for cache in [file.as_path(), Path::new("/proc/self")] {
        let store = ModelStore::new(cache).with_pip(vec!["true".into()]);
        let error = store.ensure(&catalogue, NAME, &BuildContext::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelLoad);
        let (message, hint) = (error.to_string(), error.hint().unwrap());
        assert!(message.contains("could not write to") && hint.contains("cache_dir"), "{message}");
    }
}
