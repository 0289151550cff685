//! What an endpoint takes: names, order, defaults, ranges, and mistakes named before anything is sent.

use ports::ErrorKind;
use serde_json::{Value, json};
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{Arguments, CallOptions, GradioClient};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{Told, call, connect, listen, within};

on_every_gradio! {
    row_24_names_defaults_and_what_is_missing
    row_26_order_and_names_without_state
    row_27_hidden_endpoints_are_not_listed
    row_31_mistakes_are_named_before_anything_is_sent
}

async fn named(client: &GradioClient, name: &str, values: Value) -> Told {
    let Value::Object(values) = values else { panic!("no names in {values}") };
    let endpoint = client.endpoint(name).unwrap();
    match client.call(&endpoint, Arguments::named(values), CallOptions::default()).await {
        Ok(call) => listen(call).await,
        Err(error) => Told { events: Vec::new(), outputs: Vec::new(), error: Some(error) },
    }
}

async fn row_24_names_defaults_and_what_is_missing(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    assert_eq!(
        named(&client, "add", json!({"b": 5, "a": 2})).await.result(),
        [json!("7"), json!(10)]
    );
    // What is not given takes the component's start value: num2 starts with 2.
    assert_eq!(named(&client, "add", json!({"a": 4})).await.result()[1], json!(8));
    let missing = named(&client, "boom_titled", json!({"text": "t"})).await.error.unwrap();
    assert_eq!(missing.kind(), ErrorKind::InvalidRequest);
    assert!(missing.to_string().contains("title"), "{missing}");
}

async fn row_26_order_and_names_without_state(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let respond = client.endpoint("respond").unwrap();
    let names: Vec<_> = respond.inputs.iter().map(|input| input.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["message", "chat_history", "sys_prompt", "temp", "max_tok", "top_p"]);
    assert!(respond.generator && respond.public);
    let tokens = &respond.inputs[4];
    let range = (tokens.component.as_str(), tokens.minimum, tokens.maximum, tokens.default.clone());
    assert_eq!(range, ("slider", Some(1.0), Some(4096.0), Some(json!(64))));
    let remember = client.endpoint("remember").unwrap();
    let hidden: Vec<bool> = remember.inputs.iter().map(|input| input.hidden).collect();
    assert_eq!(hidden, [false, true]);
    assert!(client.version().starts_with(&gradio.major.to_string()));
}

async fn row_27_hidden_endpoints_are_not_listed(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let public: Vec<String> =
        client.endpoints().into_iter().filter(|e| e.public).map(|e| e.name).collect();
    assert!(public.contains(&"/respond".to_owned()), "{public:?}");
    for name in ["/unlisted", "/hidden", "/false"] {
        assert!(!public.iter().any(|known| known == name), "{name} in {public:?}");
    }
    let unknown = client.endpoint("/nothing").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let hint = unknown.hint().unwrap();
    assert!(hint.contains("/respond") && !hint.contains("/unlisted"), "{hint}");
    // Hidden is not locked: whoever knows the name calls it, as with plain HTTP.
    assert_eq!(call(&client, "unlisted", &[json!("known")]).await.result(), [json!("known")]);
}

async fn row_31_mistakes_are_named_before_anything_is_sent(gradio: &'static Gradio) {
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    let client = connect(proxy.url()).await;
    for (name, values, word) in [
        ("add", json!([1, 2, 3]), "takes 2"),
        ("add", json!({"c": 1}), "\"c\""),
        ("add", json!({"num": 1}), "several"),
        ("remember", json!(["a", 7]), "takes 1"),
        ("remember", json!({"state": 7}), "\"state\""),
        ("complete", json!(["x", 0]), "between 1 and 4096"),
        ("complete", json!(["x", 5000]), "between 1 and 4096"),
        ("complete", json!(["x", "many"]), "a number"),
        ("boom_titled", json!([]), "title"),
    ] {
        let told = match values {
            Value::Array(values) => call(&client, name, &values).await,
            values => named(&client, name, values).await,
        };
        let error = told.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{name}: {error}");
        assert!(error.to_string().contains(word), "{name}: {word} is not in: {error}");
    }
    assert!(proxy.requests("/queue/join").is_empty(), "a mistake was sent");
}

#[tokio::test]
async fn validators_of_the_app_say_what_is_wrong() {
    if !SIX.wanted() {
        return;
    }
    let client = connect(SIX.url("main")).await;
    let good = within(30, call(&client, "forecast", &[json!("rain"), json!(3)])).await;
    assert_eq!(good.result()[0], "rain*3");
    let bad =
        within(30, call(&client, "forecast", &[json!("rain"), json!(30)])).await.error.unwrap();
    assert_eq!(bad.kind(), ErrorKind::InvalidRequest, "{bad}");
    assert!(bad.to_string().contains("n must be at most 10"), "{bad}");
}

#[tokio::test]
async fn row_02_a_large_configuration_is_read() {
    if !SIX.wanted() {
        return;
    }
    let real = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    let mut config: Value = serde_json::from_str(&real).unwrap();
    let filler = "theme ".repeat(200);
    for id in 100_000..105_000 {
        let component = json!({"id": id, "type": "html", "props": {"value": filler}});
        config["components"].as_array_mut().unwrap().push(component);
        let function = json!({"id": id, "api_name": format!("f{id}"), "inputs": [id], "outputs": [],
            "backend_fn": true, "types": {"generator": false}, "connection": "sse"});
        config["dependencies"].as_array_mut().unwrap().push(function);
    }
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("GET /config", Fault::Instead(Answer::json(200, &config)));
    let client = within(30, connect(proxy.url())).await;
    assert!(client.endpoints().len() > 5000);
    assert_eq!(within(30, call(&client, "add", &[json!(1), json!(2)])).await.result()[1], json!(2));
}
