//! The evaluation endpoint of the origin through its port.

use futures_util::StreamExt;
use ports::{
    BuildContext, ErrorKind, EvaluationEvent, EvaluationRequest, Evaluator, ProviderSpec, Secret,
};
use serde_json::{Value, json};
use testkit::faults::Proxy;
use textport_adapter_zerogpu::{SpaceEvaluator, builtin_providers};

use crate::serving::{Gradio, on_every_gradio};
use crate::telling::{eventually, within};

on_every_gradio! {
    an_evaluation_gives_typed_results_and_progress
    samples_that_make_no_sense_are_refused
    an_evaluation_that_is_dropped_ends_on_the_server
}

/// `qwen3_zerogpu_eval` as it is built in, at another address.
async fn evaluator(gradio: &'static Gradio) -> SpaceEvaluator {
    evaluator_at(gradio.url("main")).await
}

async fn evaluator_at(url: &str) -> SpaceEvaluator {
    let built_in = serde_json::to_value(builtin_providers()).unwrap();
    let Value::Object(mut settings) = built_in["qwen3_zerogpu_eval"].clone() else { panic!() };
    settings.remove("kind");
    settings.insert("space".into(), json!(url));
    let context = BuildContext::default().with_secrets(|_| Ok(Secret::new("hf_token")));
    let spec = ProviderSpec { id: "eval".parse().unwrap(), settings };
    SpaceEvaluator::connect(spec, &context).await.unwrap()
}

fn samples(count: usize) -> String {
    samples_of("a", count)
}

fn samples_of(agent: &str, count: usize) -> String {
    let line = |n: usize| {
        let text = format!(
            "<|im_start|>user\nq{n}<|im_end|>\n<|im_start|>assistant\nanswer {n}<|im_end|>"
        );
        json!({"text": text, "task_id": format!("t{n}"), "agent": agent, "status": "success"})
            .to_string()
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

async fn an_evaluation_gives_typed_results_and_progress(gradio: &'static Gradio) {
    let evaluator = evaluator(gradio).await;
    let request = EvaluationRequest { samples: samples(12), batch_size: Some(4) };
    let events: Vec<_> =
        evaluator.evaluate(request).await.unwrap().map(Result::unwrap).collect().await;
    let Some(EvaluationEvent::Finished(result)) = events.last() else { panic!("{events:?}") };
    assert_eq!((result.total, result.successful, result.failed), (12, 12, 0));
    assert!((result.success_rate - 100.0).abs() < 1e-9);
    assert_eq!(result.samples.len(), 12);
    let third = &result.samples[2];
    assert_eq!((third.task_id.as_deref(), third.success), (Some("t2"), true));
    assert_eq!(third.generated_length, Some("answer 2".len() as u64));
    assert!(result.summary.as_deref().is_some_and(|text| text.contains("**12** examples")));
    assert_eq!(result.raw["batch_size"], 4);
    let counted = events.iter().any(|event| {
        matches!(event, EvaluationEvent::Progress { done: Some(_), total: Some(12), .. })
    });
    assert!(counted, "no progress in {events:?}");
    assert!(events.iter().any(|event| matches!(event, EvaluationEvent::Started)));
}

/// An evaluation is a plain function of the app: only a request to cancel it, and not a connection
/// that closes, gives its place to the next one before it has come to its end.
async fn an_evaluation_that_is_dropped_ends_on_the_server(gradio: &'static Gradio) {
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    let evaluator = evaluator_at(proxy.url()).await;
    // A thousand samples take the app twenty seconds.
    let request = EvaluationRequest { samples: samples_of("dropped", 1000), batch_size: None };
    let mut events = evaluator.evaluate(request).await.unwrap();
    loop {
        match events.next().await {
            Some(Ok(EvaluationEvent::Progress { .. })) => break,
            Some(Ok(_)) => {}
            other => panic!("{other:?} before any progress"),
        }
    }
    drop(events);
    eventually("the server is told", || proxy.requests("/cancel").len() == 1).await;
    let (told, joined) =
        (proxy.requests("/cancel")[0].json(), proxy.requests("/queue/join")[0].json());
    assert_eq!(told["session_hash"], joined["session_hash"]);
    assert!(told["event_id"].is_string(), "{told}");
    let next = EvaluationRequest { samples: samples(1), batch_size: None };
    let next = evaluator.evaluate(next).await.unwrap();
    let events: Vec<_> = within(15, next.map(Result::unwrap).collect()).await;
    assert!(matches!(events.last(), Some(EvaluationEvent::Finished(result)) if result.total == 1));
    assert_eq!(gradio.count("finished", "evaluation:dropped"), 0, "it was waited for");
}

async fn samples_that_make_no_sense_are_refused(gradio: &'static Gradio) {
    let evaluator = evaluator(gradio).await;
    for (samples, batch_size, kind) in [
        ("".to_owned(), None, ErrorKind::InvalidRequest),
        ("{}\nnonsense".to_owned(), None, ErrorKind::InvalidRequest),
        (samples(1), Some(11), ErrorKind::Unsupported),
        (samples(1), Some(0), ErrorKind::Unsupported),
    ] {
        let request = EvaluationRequest { samples, batch_size };
        let Err(error) = evaluator.evaluate(request).await else { panic!("it was accepted") };
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.provider().unwrap().as_str(), "eval");
    }
}
