//! What the configuration may say.

use domain::ProviderId;
use ports::{BuildContext, Error, ErrorKind, ProviderSpec, Secret, SecretRef};
use serde_json::{Value, json};

use super::{SETTINGS, Settings};

fn read(settings: Value) -> Result<Settings, Error> {
    let id = ProviderId::new("space").unwrap();
    let Value::Object(settings) = settings else { panic!("no table") };
    Settings::read(&ProviderSpec { id, settings })
}

#[test]
fn every_key_is_documented_and_read() {
    let all = json!({
        "space": "a/b", "endpoint": "/c", "map": {"message": "m", "top_p": ""}, "fixed": {"x": 1},
        "ranges": {"max_tokens": [1, 2]}, "output": 1, "token": {"env": "T"}, "user": "u",
        "password": {"file": "p"}, "headers": {"x-ip-token": {"env": "I"}}, "hub_endpoint": "http://h",
        "timeouts": {"wake_s": 0.5}, "stream": false, "reasoning": "open", "model": "m",
        "concurrency": 2, "batch_size": [1, 10],
    });
    let mut known: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    let mut given: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    known.sort_unstable();
    given.sort_unstable();
    assert_eq!(known, given);
    let context = BuildContext::default().with_secrets(|_| Ok(Secret::new("s")));
    let options = read(all).unwrap().connect_options(&context).unwrap();
    assert_eq!(options.deadlines.wake.as_millis(), 500);
    assert_eq!((options.hub_endpoint.as_str(), options.headers.len()), ("http://h", 1));
    assert!(options.login.is_some() && options.token.is_some());
    assert!(!format!("{options:?}").contains("\"s\""));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (settings, says) in [
        (json!({}), "space"),
        (json!({"space": "nothing"}), "names no Space"),
        (json!({"space": "a/b", "user": "u"}), "go together"),
        (json!({"space": "a/b", "timeouts": {"idle_s": 0}}), "idle_s"),
        (json!({"space": "a/b", "timeouts": {"idle_s": -1}}), "idle_s"),
        (json!({"space": "a/b", "timeouts": {"idle": 1}}), "idle"),
        (json!({"space": "a/b", "map": {"mesage": "m"}}), "mesage"),
        (json!({"space": "a/b", "ranges": {"top_p": [2, 1]}}), "range of top_p"),
        (json!({"space": "a/b", "concurrency": 0}), "concurrency"),
        (json!({"space": "a/b", "token": "hf_literal"}), "[providers.space]"),
    ] {
        let error = read(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn only_the_tools_own_token_may_be_missing() {
    let options = |token: Value| {
        read(json!({"space": "a/b", "token": token}))
            .unwrap()
            .connect_options(&BuildContext::default())
    };
    assert!(options(json!({"hf": true})).unwrap().token.is_none());
    assert_eq!(options(json!({"env": "T"})).unwrap_err().kind(), ErrorKind::Unauthenticated);
    let context = BuildContext::default().with_secrets(|reference| match reference {
        SecretRef::Hf(true) => Ok(Secret::new("hf_x")),
        _ => panic!("asked for {reference:?}"),
    });
    let settings = read(json!({"space": "a/b", "token": {"hf": true}})).unwrap();
    assert_eq!(settings.connect_options(&context).unwrap().token, Some(Secret::new("hf_x")));
}

/// The built-in providers have `{ hf = true }`: whoever changes their `space` must not thereby send
/// the token of this machine to that server.
#[test]
fn the_tools_own_token_never_leaves_the_hub() {
    let context = BuildContext::default().with_secrets(|_| Ok(Secret::new("hf_x")));
    let token = |space: &str, token: Value| {
        let settings = read(json!({"space": space, "token": token})).unwrap();
        settings.connect_options(&context).unwrap().token
    };
    let (own, named) = (json!({"hf": true}), json!({"env": "T"}));
    for (space, on_hub) in [
        ("a/b", true),
        ("https://a-b.hf.space", true),
        ("https://gradio.example.org", false),
        ("https://a-b.hf.space.example.org", false),
        ("http://127.0.0.1:7860", false),
    ] {
        assert_eq!(token(space, own.clone()).is_some(), on_hub, "{space}");
        assert!(token(space, named.clone()).is_some(), "{space}: it was named for this provider");
    }
}
