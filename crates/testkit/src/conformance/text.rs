//! Clauses 2 and 13: the deltas joined are the text, and `generate` gives the same.

use domain::{Capability, Message, Usage};

use super::subject::{Check, Subject, Unmet, ensure};

pub(super) async fn no_delta_is_empty(subject: &Subject) -> Check {
    let answer = subject.answer(subject.request()).await?;
    ensure(answer.all_deltas().all(|delta| !delta.is_empty()), || "a delta is empty".into())?;
    ensure(answer.all_deltas().next().is_some(), || "nothing was generated".into())
}

/// A character that arrives in pieces shows as U+FFFD where a decoder did not wait for the rest.
pub(super) async fn characters_are_whole(subject: &Subject) -> Check {
    let content = "Repeat these, each three times: 日本語 😀 naïve Ελλάδα";
    let request = subject.asking(vec![Message::user(content)], 2 * subject.fixture.tokens());
    let answer = subject.answer(request).await?;
    let broken = answer.all_deltas().find(|delta| delta.contains('\u{fffd}'));
    ensure(broken.is_none(), || format!("a delta has a broken character: {broken:?}"))
}

pub(super) async fn arrives_in_pieces(subject: &Subject) -> Check {
    subject.require(Capability::Streaming)?;
    let answer = subject.answer(subject.request()).await?;
    let deltas = answer.all_deltas().count();
    ensure(deltas > 1, || format!("{deltas} delta for the whole answer"))
}

pub(super) async fn generate_equals_the_folded_stream(subject: &Subject) -> Check {
    subject.require_repeats()?;
    let folded = subject.answer(subject.request()).await?.response();
    let whole = generate(subject).await?;
    // Whether the second run found something cached is no part of the answer.
    let counts = |usage: Usage| Usage { cached_tokens: None, ..usage };
    ensure(whole.text == folded.text, || {
        format!("generate gave {:?}, the stream {:?}", whole.text, folded.text)
    })?;
    ensure(whole.reasoning == folded.reasoning, || "the reasoning differs".into())?;
    ensure(whole.finish_reason == folded.finish_reason, || {
        format!("generate ended with {:?}", whole.finish_reason)
    })?;
    ensure(counts(whole.usage) == counts(folded.usage), || {
        format!("usage {:?} and {:?}", whole.usage, folded.usage)
    })?;
    ensure(whole.tokens == folded.tokens, || "the tokens differ".into())?;
    ensure(whole.served_by == folded.served_by && whole.model == folded.model, || {
        "provider or model differ".into()
    })
}

pub(super) async fn generate_has_an_end(subject: &Subject) -> Check {
    let whole = generate(subject).await?;
    ensure(whole.finish_reason.is_some(), || "there is no finish reason".into())?;
    ensure(whole.served_by.is_some(), || "it does not say who answered".into())
}

async fn generate(subject: &Subject) -> Result<domain::Response, Unmet> {
    let whole = subject.generator.generate(subject.request()).await;
    whole.map_err(|error| Unmet::Fail(format!("generate failed: {error}")))
}
