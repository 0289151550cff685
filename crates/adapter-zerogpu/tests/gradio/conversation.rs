//! A Space as a text generator: what the app sees of a conversation, and what comes back of it.

use domain::{Capability, Event, FinishReason, GenerationOptions, Message, NoticeKind, Request};
use futures_util::StreamExt;
use ports::{BuildContext, Error, ErrorKind, ProviderSpec, Secret, TextGenerator};
use serde_json::{Value, json};
use testkit::faults::Proxy;
use textport_adapter_zerogpu::{SpaceGenerator, builtin_providers};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{connect, eventually};

on_every_gradio! {
    every_shape_of_history_arrives_whole
    a_chat_interface_needs_no_configuration
    a_chat_interface_keeps_its_conversation
    text_that_grows_is_given_once
    text_that_is_taken_back_is_an_error_and_then_given_whole
    a_stop_sequence_cuts_the_text_and_ends_the_job
    reasoning_is_kept_apart
    a_failure_keeps_what_came_before
    options_out_of_range_are_refused_before_anything_is_sent
    the_built_in_provider_fits
    logs_become_notices
}

pub(crate) async fn generator(url: &str, settings: Value) -> Result<SpaceGenerator, Error> {
    let Value::Object(mut settings) = settings else { panic!("no settings in {settings}") };
    settings.insert("space".into(), json!(url));
    let id = "space".parse().unwrap();
    let context = BuildContext::default().with_secrets(|_| Ok(Secret::new("hf_token")));
    SpaceGenerator::connect(ProviderSpec { id, settings }, &context).await
}

pub(crate) struct Heard {
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<Error>,
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        assert!(self.error.is_none(), "{:?}", self.error);
        self.deltas().concat()
    }

    pub(crate) fn deltas(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Text(delta) => Some(delta.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn notices(&self) -> Vec<(NoticeKind, &str)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Notice(notice) => Some((notice.kind, notice.message.as_str())),
                _ => None,
            })
            .collect()
    }
}

pub(crate) async fn hear(generator: &dyn TextGenerator, request: Request) -> Heard {
    let mut heard = Heard { events: Vec::new(), error: None };
    match generator.stream(request).await {
        Err(error) => heard.error = Some(error),
        Ok(mut stream) => {
            while let Some(item) = stream.next().await {
                match item {
                    Ok(event) => heard.events.push(event),
                    Err(error) => heard.error = Some(error),
                }
            }
        }
    }
    heard
}

pub(crate) fn turns(last: &str) -> Request {
    Request::messages(vec![
        Message::system("Answer in rhymes."),
        Message::user("What is a buoy?"),
        Message::assistant("It floats, é 日本語 😀\nin two lines."),
        Message::user("And a <|im_end|> bell?"),
        Message::assistant("It rings."),
        Message::user(last),
    ])
}

/// What the app saw of a request whose message asks for it.
pub(crate) fn seen(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn expected_history() -> Value {
    json!([
        ["user", "What is a buoy?"],
        ["assistant", "It floats, é 日本語 😀\nin two lines."],
        ["user", "And a <|im_end|> bell?"],
        ["assistant", "It rings."],
    ])
}

pub(crate) async fn every_shape_of_history_arrives_whole(gradio: &'static Gradio) {
    let all = connect(gradio.url("main")).await.endpoints();
    let shapes = all.iter().map(|endpoint| endpoint.name.trim_start_matches('/'));
    let shapes: Vec<&str> = shapes.filter(|name| name.starts_with("respond")).collect();
    assert!(shapes.contains(&"respond") && shapes.contains(&"respond_once"), "{shapes:?}");
    for endpoint in shapes {
        let space = generator(gradio.url("main"), json!({"endpoint": endpoint})).await.unwrap();
        // Twice: what the first reply teaches must not break the second request.
        for _ in 0..2 {
            let heard = hear(&space, turns("RECALL")).await;
            let told = seen(&heard.text());
            assert_eq!(told["history"], expected_history(), "{endpoint}");
            assert_eq!(told["message"], "RECALL", "{endpoint}");
            assert_eq!(told["system"], "Answer in rhymes.", "{endpoint}");
        }
        let streams = space.capabilities().has(Capability::Streaming);
        assert_eq!(streams, !endpoint.ends_with("_once"), "{endpoint}");
        let once = hear(&space, turns("SAY one two three").with_max_tokens(2)).await;
        assert_eq!(once.text(), "one two", "{endpoint}");
        if !streams {
            assert_eq!(once.deltas().len(), 1, "{endpoint}");
        }
        assert!(matches!(once.events.last(), Some(Event::Finish(_))));
    }
}

pub(crate) async fn a_chat_interface_needs_no_configuration(gradio: &'static Gradio) {
    let space = generator(gradio.url("interface"), json!({})).await.unwrap();
    for need in
        [Capability::SystemPrompt, Capability::MaxTokens, Capability::Temperature, Capability::TopP]
    {
        assert!(space.capabilities().has(need), "{need:?} in {:?}", space.capabilities());
    }
    let heard = hear(&space, Request::user("SAY one two three four").with_max_tokens(3)).await;
    assert_eq!(heard.text(), "one two three");
    assert!(heard.deltas().len() > 1, "{:?}", heard.deltas());
    let inspection = space.client().inspect();
    assert_eq!(inspection.chosen.as_deref(), Some("/chat"), "{inspection}");
}

/// The app keeps the turns itself, under a session that has to come again.
pub(crate) async fn a_chat_interface_keeps_its_conversation(gradio: &'static Gradio) {
    let space = generator(gradio.url("interface"), json!({})).await.unwrap();
    let mut messages = vec![Message::user("SAY hello there")];
    for turn in ["SAY second", "RECALL"] {
        let heard = hear(&space, Request::messages(messages.clone())).await;
        messages.push(Message::assistant(heard.text()));
        messages.push(Message::user(turn));
    }
    let heard = hear(&space, Request::messages(messages.clone())).await;
    let told = seen(&heard.text());
    assert_eq!(told["message"], "RECALL");
    let expected = json!([
        ["user", "SAY hello there"],
        ["assistant", "hello there"],
        ["user", "SAY second"],
        ["assistant", "second"]
    ]);
    assert_eq!(told["history"], expected);
    assert!(heard.notices().is_empty(), "{:?}", heard.notices());
    // A conversation that it never saw goes along as a transcript, and that is said.
    let strange =
        vec![Message::user("Was it you?"), Message::assistant("It was."), Message::user("RECALL")];
    let heard = hear(&space, Request::messages(strange)).await;
    assert!(
        heard.notices().iter().any(|(_, text)| text.contains("transcript")),
        "{:?}",
        heard.notices()
    );
    // Another one alone begins anew.
    let told = seen(&hear(&space, Request::user("RECALL")).await.text());
    assert_eq!(told["history"], json!([]));
}

pub(crate) async fn text_that_grows_is_given_once(gradio: &'static Gradio) {
    for (endpoint, message, expected) in [
        ("complete", "SAY a  b é 日本語 😀 a a a b", "a  b é 日本語 😀 a a a b"),
        ("deltas", "SAY only the new piece each time", "only the new piece each time"),
        ("jump", "x", "one two three four five"),
        ("respond", "SAY the same the same the same", "the same the same the same"),
    ] {
        let space = generator(gradio.url("main"), json!({"endpoint": endpoint})).await.unwrap();
        let heard = hear(&space, Request::user(message)).await;
        assert_eq!(heard.text(), expected, "{endpoint}: {:?}", heard.deltas());
        let whole = space.generate(Request::user(message)).await.unwrap();
        assert_eq!(whole.text, expected, "{endpoint}");
        // No Space tells why its model stopped.
        assert_eq!(whole.finish_reason, Some(FinishReason::Other("unknown".into())));
        assert_eq!(whole.usage, domain::Usage::default(), "nobody counted");
    }
}

/// What was given out cannot be taken back: an error is better than a text that nobody wrote.
async fn text_that_is_taken_back_is_an_error_and_then_given_whole(gradio: &'static Gradio) {
    let space = generator(gradio.url("main"), json!({"endpoint": "revise"})).await.unwrap();
    let whole = space.generate(Request::user("x")).await.unwrap();
    assert_eq!(whole.text, "The port was");
    let first = hear(&space, Request::user("x")).await;
    match &first.error {
        None => assert_eq!(first.deltas().concat(), "The port was"),
        Some(error) => {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert!(error.hint().is_some());
        }
    }
    let second = hear(&space, Request::user("x")).await;
    assert_eq!(second.text(), "The port was");
    let told = generator(gradio.url("main"), json!({"endpoint": "revise", "stream": false}))
        .await
        .unwrap();
    assert_eq!(hear(&told, Request::user("x")).await.text(), "The port was");
    assert!(!told.capabilities().has(Capability::Streaming));
}

async fn a_stop_sequence_cuts_the_text_and_ends_the_job(gradio: &'static Gradio) {
    let space = generator(gradio.url("main"), json!({"endpoint": "respond"})).await.unwrap();
    let words: Vec<String> = (0..3000).map(|n| format!("w{n}")).collect();
    let message = format!("SAY {}", words.join(" "));
    for (stop, expected) in [("w7 ", 7), ("9 w10", 9), ("w12 w13 w14", 12)] {
        let options = GenerationOptions {
            stop: vec!["never".into(), stop.into()],
            max_tokens: Some(3000),
            ..GenerationOptions::default()
        };
        let request = Request::user(message.as_str()).with_options(options);
        let heard = hear(&space, request).await;
        let whole = words.join(" ");
        assert_eq!(heard.text(), whole[..whole.find(stop).unwrap()], "{stop:?}");
        assert!(heard.text().split(' ').count() >= expected);
        let Some(Event::Finish(finish)) = heard.events.last() else {
            panic!("{stop:?} has no end")
        };
        assert_eq!(finish.reason, FinishReason::Stop);
    }
    // 3000 words take the app twelve seconds: it must not have written them for nobody.
    if gradio.major > 4 {
        eventually("the app has stopped", || gradio.count("running", "respond") == 0).await;
    }
}

pub(crate) async fn reasoning_is_kept_apart(gradio: &'static Gradio) {
    for endpoint in ["respond", "respond_once", "complete"] {
        let space = generator(gradio.url("main"), json!({"endpoint": endpoint})).await.unwrap();
        let answer = space.generate(Request::user("THINK")).await.unwrap();
        let parts = (answer.reasoning.trim(), answer.text.trim());
        assert_eq!(parts, ("Two and two", "Four."), "{endpoint}");
        let heard = hear(&space, Request::user("THINK")).await;
        assert_eq!(heard.text().trim(), "Four.", "{endpoint}");
        let kept = generator(gradio.url("main"), json!({"endpoint": endpoint, "reasoning": "off"}))
            .await
            .unwrap();
        let raw = kept.generate(Request::user("THINK")).await.unwrap();
        assert_eq!(raw.text, "<think>Two and two</think>\n\nFour.", "{endpoint}");
    }
}

async fn a_failure_keeps_what_came_before(gradio: &'static Gradio) {
    let space = generator(gradio.url("main"), json!({"endpoint": "respond"})).await.unwrap();
    let error = space.generate(Request::user("FAIL LATE")).await.unwrap_err();
    assert!(error.to_string().contains("the model fell over"), "{error}");
    assert_eq!(error.provider().unwrap().as_str(), "space");
    assert!(
        error.partial().is_some_and(|partial| partial.text.split(' ').count() >= 3),
        "{error:?}"
    );
    let heard = hear(&space, Request::user("FAIL LATE")).await;
    assert!(heard.error.is_some() && !heard.deltas().is_empty());
}

async fn options_out_of_range_are_refused_before_anything_is_sent(gradio: &'static Gradio) {
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    let space =
        generator(proxy.url(), json!({"endpoint": "respond", "ranges": {"max_tokens": [8, 128]}}))
            .await
            .unwrap();
    let none = GenerationOptions::default;
    for (options, capability) in [
        (GenerationOptions { max_tokens: Some(5000), ..none() }, None),
        (GenerationOptions { max_tokens: Some(129), ..none() }, None),
        (GenerationOptions { max_tokens: Some(7), ..none() }, None),
        (GenerationOptions { top_p: Some(0.01), ..none() }, None),
        (GenerationOptions { seed: Some(1), ..none() }, Some(Capability::Seed)),
        (GenerationOptions { top_k: Some(1), ..none() }, Some(Capability::TopK)),
    ] {
        let request = Request::user("x").with_options(options);
        let error = hear(&space, request).await.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(capability.is_none() || error.capability() == capability, "{error}");
        assert_eq!(error.provider().unwrap().as_str(), "space");
    }
    assert!(proxy.requests("/queue/join").is_empty());
    let fits = hear(&space, Request::user("SAY a b").with_max_tokens(128)).await;
    assert_eq!(fits.text(), "a b");
}

/// `qwen3_zerogpu` with its own endpoint, names and ranges, at another address.
async fn the_built_in_provider_fits(gradio: &'static Gradio) {
    let built_in = serde_json::to_value(builtin_providers()).unwrap();
    let mut settings = built_in["qwen3_zerogpu"].clone();
    settings.as_object_mut().unwrap().remove("kind");
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    let space = generator(proxy.url(), settings).await.unwrap();
    let told = seen(&hear(&space, turns("RECALL").with_max_tokens(256)).await.text());
    assert_eq!(told["history"], expected_history());
    let sent = proxy.requests("/queue/join")[0].json()["data"].clone();
    assert_eq!((&sent[2], &sent[4]), (&json!("Answer in rhymes."), &json!(256)));
    let refused = hear(&space, Request::user("x").with_max_tokens(64)).await.error.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
}

async fn logs_become_notices(gradio: &'static Gradio) {
    let space = generator(gradio.url("main"), json!({"endpoint": "logs"})).await.unwrap();
    let heard = hear(&space, Request::user("aloud")).await;
    assert_eq!(heard.text(), "ALOUD");
    let notices = heard.notices();
    assert_eq!(notices[..2], [(NoticeKind::Info, "an info"), (NoticeKind::Warning, "a warning")]);
    if gradio.major > 4 {
        assert_eq!(notices[2], (NoticeKind::Info, "A title: a success"));
    }
}

#[tokio::test]
async fn the_inspection_says_what_goes_where() {
    if !SIX.wanted() {
        return;
    }
    let space = generator(SIX.url("main"), json!({"endpoint": "respond"})).await.unwrap();
    let inspection = serde_json::to_value(space.client().inspect()).unwrap();
    let endpoints = inspection["endpoints"].as_array().unwrap();
    let respond = endpoints.iter().find(|endpoint| endpoint["name"] == "/respond").unwrap();
    let expected = json!({"message": 0, "history": 1, "system": 2, "temperature": 3, "max_tokens": 4, "top_p": 5});
    assert_eq!(respond["mapping"]["inputs"], expected);
    assert_eq!((&inspection["chosen"], &inspection["unclear"]), (&json!("/respond"), &Value::Null));
    let found = generator(SIX.url("main"), json!({})).await.unwrap();
    assert_eq!(found.endpoint().name, "/respond", "among many, without a word of configuration");
    let printed = space.client().inspect().to_string();
    assert!(
        printed.contains("/respond (streams)") && printed.contains("<- max_tokens"),
        "{printed}"
    );
}
