//! Tokens, logins and cookies: where they go, and that they go nowhere else.

use ports::{ErrorKind, Secret};
use serde_json::json;
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{ConnectOptions, Login};

use crate::conversation::{generator, hear};
use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{call, connect, try_connect, within};

const TOKEN: &str = "hf_verysecrettoken";

on_every_gradio! {
    row_01_the_token_goes_in_its_own_header
    row_12_a_login_opens_the_door
}

pub(crate) fn with_token() -> ConnectOptions {
    ConnectOptions { token: Some(Secret::new(TOKEN)), ..ConnectOptions::default() }
}

fn with_login(user: &str, password: &str) -> ConnectOptions {
    let login = Login { user: user.into(), password: Secret::new(password) };
    ConnectOptions { login: Some(login), ..ConnectOptions::default() }
}

async fn row_01_the_token_goes_in_its_own_header(gradio: &'static Gradio) {
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    let options =
        ConnectOptions { headers: vec![("X-Extra".into(), Secret::new("yes"))], ..with_token() };
    let client = try_connect(proxy.url(), options).await.unwrap();
    call(&client, "add", &[json!(1), json!(2)]).await.result();
    let journal = proxy.journal();
    assert!(journal.len() >= 4, "{journal:?}");
    for request in journal {
        let token = request.header("x-hf-authorization");
        assert_eq!(token, Some(format!("Bearer {TOKEN}").as_str()), "{}", request.target);
        assert_eq!(request.header("authorization"), None, "{}", request.target);
        assert_eq!(request.header("x-extra"), Some("yes"), "{}", request.target);
        assert!(!request.target.contains(TOKEN), "a token in an address");
    }
    assert!(!format!("{client:?}").contains(TOKEN));
}

async fn row_12_a_login_opens_the_door(gradio: &'static Gradio) {
    let url = gradio.url("login");
    let without = try_connect(url, ConnectOptions::default()).await.unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Unauthenticated, "{without}");
    let wrong = try_connect(url, with_login("bob", "wr0ng+secret")).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unauthenticated, "{wrong}");
    assert!(!format!("{wrong} {wrong:?} {:?}", wrong.hint()).contains("wr0ng"));
    let proxy = Proxy::before(url).unwrap();
    let client = try_connect(proxy.url(), with_login("bob", "builder")).await.unwrap();
    let told = call(&client, "seen", &[json!("x")]).await;
    assert_eq!(told.result()[0]["username"], "bob");
    // Row 3: the cookie of the login goes with every later request.
    let journal = proxy.journal();
    let login = journal.iter().position(|request| request.method == "POST").unwrap();
    for request in &journal[login + 1..] {
        let cookie = request.header("cookie").unwrap_or_default();
        assert!(cookie.contains("access-token"), "{} has the cookies {cookie:?}", request.target);
    }
    assert!(journal.iter().all(|request| !request.target.contains("builder")));
}

/// Whoever wants `Authorization` for an app of their own says so, and gets exactly that.
#[tokio::test]
async fn row_01_an_explicit_authorization_is_kept() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let own = ("Authorization".into(), Secret::new("Basic b3duOm93bg=="));
    let options = ConnectOptions { headers: vec![own], ..ConnectOptions::default() };
    let client = within(20, try_connect(proxy.url(), options)).await.unwrap();
    within(20, call(&client, "add", &[json!(1), json!(2)])).await.result();
    for request in proxy.journal() {
        assert_eq!(request.header("authorization"), Some("Basic b3duOm93bg=="));
        assert_eq!(request.header("x-hf-authorization"), None);
    }
}

/// The built-in provider with another address: that server gets no token of the Hub's tools.
#[tokio::test]
async fn the_token_of_the_tools_stays_on_the_hub() {
    let built_in = serde_json::to_value(textport_adapter_zerogpu::builtin_providers()).unwrap();
    let mut settings = built_in["qwen3_zerogpu"].clone();
    settings.as_object_mut().unwrap().remove("kind");
    assert_eq!(settings["token"], json!({"hf": true}));
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let space = within(20, generator(proxy.url(), settings.clone())).await.unwrap();
    within(20, hear(&space, domain::Request::user("SAY hello"))).await.text();
    assert!(proxy.journal().len() >= 4);
    for request in proxy.journal() {
        assert!(!request.mentions("hf_token"), "it was sent to {}", request.target);
    }
    // On the Hub it opens a private Space.
    let hub = testkit::hub_emulator::HubEmulator::start("hf_token").unwrap();
    let private = testkit::hub_emulator::Space::running("acme/private", SIX.url("main")).private();
    let host = hub.add(private).unwrap();
    settings["hub_endpoint"] = json!(hub.url());
    let space = within(20, generator("acme/private", settings)).await.unwrap();
    assert_eq!(within(20, hear(&space, domain::Request::user("SAY hello"))).await.text(), "hello");
    assert!(host.journal().iter().all(|r| r.header("x-hf-authorization").is_some()));
}

#[tokio::test]
async fn row_03_cookies_of_the_configuration_are_kept() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let config = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    let answer = Answer::status(200)
        .with_body("application/json", config)
        .with_header("set-cookie", "replica=7; Path=/; HttpOnly")
        .with_header("set-cookie", "gone=1; Max-Age=0; Path=/");
    proxy.rule("GET /config", Fault::Instead(answer));
    let client = within(20, connect(proxy.url())).await;
    within(20, call(&client, "add", &[json!(1), json!(2)])).await.result();
    for request in proxy.requests("/gradio_api/") {
        assert_eq!(request.header("cookie"), Some("replica=7"), "{}", request.target);
    }
}

#[tokio::test]
async fn a_token_is_never_sent_in_the_clear() {
    let error = try_connect("http://example.invalid/", with_token()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(!format!("{error:?}").contains(TOKEN));
}
