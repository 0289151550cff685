//! Waiting in line: the place and the expected time reach the caller.

use std::time::Duration;

use domain::{Event, Request};
use serde_json::json;

use crate::conversation::{generator, hear};
use crate::serving::{Gradio, on_every_gradio};
use crate::telling::{call, connect};

on_every_gradio! {
    place_and_time_are_told
}

async fn place_and_time_are_told(gradio: &'static Gradio) {
    // The server guesses times from calls that have ended.
    let client = connect(gradio.url("main")).await;
    call(&client, "slow", &[json!(0.3), json!("line")]).await.result();
    let settings = json!({"endpoint": "slow", "fixed": {"seconds": 0.5}});
    let space = generator(gradio.url("main"), settings).await.unwrap();
    let calls = (0..4).map(|_| hear(&space, Request::user("line")));
    let all = futures_util::future::join_all(calls).await;
    let mut lines = Vec::new();
    for heard in &all {
        assert_eq!(heard.text(), "slept 0.5");
        lines.extend(heard.events.iter().filter_map(|event| match event {
            Event::Queued { position, eta } => Some((*position, *eta)),
            _ => None,
        }));
    }
    let known = |(position, eta): &(Option<u32>, Option<Duration>)| {
        *position >= Some(1) && eta.is_some_and(|eta| eta > Duration::ZERO)
    };
    assert!(lines.iter().any(known), "{lines:?}");
}
