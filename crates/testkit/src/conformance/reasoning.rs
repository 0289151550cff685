//! Clause 10: reasoning never leaks into the text.

use domain::{Capability, Message, Request, Think};

use super::Skip;
use super::subject::{Check, Subject, Unmet, ensure};
use super::transcript::Transcript;

const MARKS: [&str; 2] = ["<think>", "</think>"];

pub(super) async fn no_marks_in_the_text(subject: &Subject) -> Check {
    no_marks(&subject.answer(subject.request()).await?)
}

pub(super) async fn stays_out_of_the_text(subject: &Subject) -> Check {
    let mut request = thinking_request(subject)?;
    if subject.can(Capability::Think) {
        request.options.think = Some(Think::On);
    }
    let answer = subject.answer(request).await?;
    no_marks(&answer)?;
    let response = answer.response();
    let thought = response.reasoning.trim();
    ensure(!thought.is_empty(), || "there was no reasoning to keep apart".into())?;
    ensure(!response.text.contains(thought), || "the text repeats the reasoning".into())
}

pub(super) async fn off_means_none(subject: &Subject) -> Check {
    subject.require(Capability::Think)?;
    let mut request = thinking_request(subject)?;
    request.options.think = Some(Think::Off);
    let answer = subject.answer(request).await?;
    no_marks(&answer)?;
    let reasoning = answer.response().reasoning;
    ensure(reasoning.is_empty(), || format!("think is off, but it thought {reasoning:?}"))
}

/// Whoever declares `think` must show it; for the others a prompt that makes them think is enough.
fn thinking_request(subject: &Subject) -> Result<Request, Unmet> {
    match subject.fixture.reasoning_prompt() {
        Some(prompt) => Ok(subject.asking(vec![Message::user(prompt)], 512)),
        None if subject.can(Capability::Think) => {
            let message = "think is declared: the fixture must give a reasoning prompt";
            Err(Unmet::Fail(message.into()))
        }
        None => Err(Unmet::Skip(Skip::Lacks(Capability::Think))),
    }
}

fn no_marks(answer: &Transcript) -> Check {
    let text = answer.text();
    let mark = MARKS.into_iter().find(|mark| text.contains(mark));
    ensure(mark.is_none(), || format!("{mark:?} is in the text {text:?}"))
}
