//! Clause 4: `max_tokens` reached ends with `Length`, and no more tokens were generated.

use domain::{Capability, FinishReason};

use super::subject::{Check, Subject, ensure};

pub(super) async fn ends_with_length(subject: &Subject, tokens: u32) -> Check {
    subject.require(Capability::MaxTokens)?;
    let answer = subject.answer(subject.request_for(tokens)).await?;
    ensure(answer.reason() == Some(FinishReason::Length), || {
        let (reason, text) = (answer.reason(), answer.text());
        format!("max_tokens {tokens} ended with {reason:?} after {text:?}")
    })?;
    let generated = answer.output_tokens();
    ensure(generated.is_none_or(|n| n <= u64::from(tokens)), || {
        format!("max_tokens {tokens} generated {generated:?} tokens")
    })
}

pub(super) async fn fewer_is_a_beginning_of_more(subject: &Subject) -> Check {
    subject.require(Capability::MaxTokens)?;
    subject.require_repeats()?;
    let more = subject.fixture.tokens();
    let (few, many) = (
        subject.answer(subject.request_for(more / 2)).await?.response(),
        subject.answer(subject.request_for(more)).await?.response(),
    );
    let grows = |few: &str, many: &str| many.starts_with(few);
    ensure(grows(&few.text, &many.text) && grows(&few.reasoning, &many.reasoning), || {
        format!("{:?} is no beginning of {:?}", few.text, many.text)
    })?;
    let length = |r: &domain::Response| r.text.len() + r.reasoning.len();
    ensure(length(&few) < length(&many), || {
        format!("{more} tokens gave no more than {}: {:?}", more / 2, many.text)
    })
}
