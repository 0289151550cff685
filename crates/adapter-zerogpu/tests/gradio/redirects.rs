//! A hostile server sends its callers elsewhere: nothing of theirs may arrive there.

use ports::{ErrorKind, Secret};
use serde_json::{Value, json};
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{ConnectOptions, Login};

use crate::serving::SIX;
use crate::telling::{begin, call, connect, listen, try_connect, within};

const TOKEN: &str = "hf_onlyforthespace";
const PROMPT: &str = "a private question";

fn options() -> ConnectOptions {
    ConnectOptions {
        token: Some(Secret::new(TOKEN)),
        login: Some(Login { user: "bob".into(), password: Secret::new("hunter2") }),
        headers: vec![("x-ip-token".into(), Secret::new("visitor-secret"))],
        ..ConnectOptions::default()
    }
}

fn elsewhere(status: u16, target: &str) -> Fault {
    let cookie = "session=stolen-cookie; Path=/";
    let answer =
        Answer::status(status).with_header("location", target).with_header("set-cookie", cookie);
    Fault::Instead(answer)
}

fn nothing_arrived(thief: &Proxy) {
    for request in thief.journal() {
        for secret in [TOKEN, "hunter2", "visitor-secret", "stolen-cookie", PROMPT] {
            assert!(!request.mentions(secret), "{secret} arrived in {request:?}");
        }
        for name in ["authorization", "x-hf-authorization", "cookie", "x-ip-token"] {
            assert_eq!(request.header(name), None, "{name} arrived");
        }
    }
}

/// Each step of a call is redirected in turn, with every status that redirects.
#[tokio::test]
async fn no_secret_follows_a_redirect_to_another_host() {
    for pattern in [
        "GET /config",
        "GET /gradio_api/info",
        "POST /gradio_api/queue/join",
        "GET /gradio_api/queue/data",
    ] {
        for status in [301, 302, 303, 307, 308] {
            let thief = Proxy::before(SIX.url("main")).unwrap();
            let space = Proxy::before(SIX.url("main")).unwrap();
            space.rule(pattern, elsewhere(status, &format!("{}/gradio_api/stolen", thief.url())));
            let failed = within(20, async {
                match try_connect(space.url(), options()).await {
                    Err(error) => error,
                    Ok(client) => {
                        call(&client, "complete", &[json!(PROMPT), json!(4)]).await.error.unwrap()
                    }
                }
            })
            .await;
            assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{pattern} {status}: {failed}");
            assert!(failed.hint().is_some());
            nothing_arrived(&thief);
        }
    }
}

#[tokio::test]
async fn no_password_follows_a_redirect_of_the_login() {
    let thief = Proxy::alone().unwrap();
    let space = Proxy::alone().unwrap();
    let detail = json!({"detail": {"error": "Not authenticated", "auth_message": null}});
    space.rule("GET /config", Fault::Instead(Answer::json(401, &detail)));
    space.rule("POST /login", elsewhere(307, &format!("{}/login", thief.url())));
    let error = within(20, try_connect(space.url(), options())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    nothing_arrived(&thief);
    assert!(thief.journal().is_empty());
}

/// The Hub's answers may lead elsewhere, as those for files do: the token does not.
#[tokio::test]
async fn no_token_follows_a_redirect_of_the_hub() {
    for status in [301, 302, 303, 307, 308] {
        let (thief, hub) = (Proxy::alone().unwrap(), Proxy::alone().unwrap());
        thief.rule("", Fault::Instead(Answer::json(404, &json!({"error": "nothing here"}))));
        hub.rule("", elsewhere(status, &format!("{}/stolen", thief.url())));
        let options = ConnectOptions { hub_endpoint: hub.url().to_owned(), ..options() };
        within(20, try_connect("acme/proof", options)).await.unwrap_err();
        let asked = hub.journal();
        assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        nothing_arrived(&thief);
    }
}

/// Another scheme, another port of the same host and a name that only looks alike are elsewhere too.
#[tokio::test]
async fn lookalikes_are_elsewhere() {
    let space = Proxy::alone().unwrap();
    let port: u16 = space.url().rsplit(':').next().unwrap().parse().unwrap();
    for target in [
        format!("https://127.0.0.1:{port}/config"),
        format!("http://127.0.0.1:{}/config", port.wrapping_add(1)),
        format!("http://localhost:{port}/config"),
        format!("http://127.0.0.1:{port}@example.invalid/config"),
        "//example.invalid/config".to_owned(),
    ] {
        let space = Proxy::alone().unwrap();
        let target = target.replace(&port.to_string(), space.url().rsplit(':').next().unwrap());
        space.rule("", elsewhere(302, &target));
        let error = within(20, try_connect(space.url(), options())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{target}: {error}");
        assert_eq!(space.journal().len(), 1, "{target} was followed");
    }
}

#[tokio::test]
async fn a_redirect_within_the_host_is_followed() {
    let space = Proxy::before(SIX.url("main")).unwrap();
    space.rule_times(
        "GET /config",
        1,
        Fault::Instead(Answer::status(307).with_header("location", "/config?moved=1")),
    );
    let client = within(20, connect(space.url())).await;
    assert!(client.endpoint("add").is_ok());
    assert_eq!(space.requests("GET /config?moved=1").len(), 1);
}

#[tokio::test]
async fn a_redirect_in_circles_ends() {
    let space = Proxy::alone().unwrap();
    space.rule("", Fault::Instead(Answer::status(302).with_header("location", "/config")));
    let error = within(20, try_connect(space.url(), ConnectOptions::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(space.journal().len() < 20, "{} requests", space.journal().len());
}

/// What the app answers cannot send the client elsewhere either: only the address that it was given
/// counts.
#[tokio::test]
async fn the_root_that_an_app_claims_is_not_believed() {
    let thief = Proxy::alone().unwrap();
    let space = Proxy::before(SIX.url("main")).unwrap();
    let config = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["root"] = json!(thief.url());
    space.rule("GET /config", Fault::Instead(Answer::json(200, &config)));
    let client = within(20, try_connect(space.url(), options())).await.unwrap();
    let running = begin(&client, "complete", &[json!(PROMPT), json!(4)]).await.unwrap();
    within(20, listen(running)).await.result();
    assert!(thief.journal().is_empty());
    // A prefix may be hostile as well: it must stay a path of this host.
    config["api_prefix"] = json!(format!("@{}", thief.url().trim_start_matches("http://")));
    let space = Proxy::before(SIX.url("main")).unwrap();
    space.rule("GET /config", Fault::Instead(Answer::json(200, &config)));
    let outcome = within(20, try_connect(space.url(), options())).await;
    if let Ok(client) = outcome {
        let _ = within(20, call(&client, "complete", &[json!(PROMPT), json!(4)])).await;
    }
    nothing_arrived(&thief);
}
