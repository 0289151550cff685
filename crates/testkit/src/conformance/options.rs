//! Clause 5: what is declared is honoured, everything else is refused, before the first delta.

use domain::{Capability, Event, GenerationOptions, Message, Request, Think};
use ports::ErrorKind;

use super::subject::{Check, Subject, Unmet, ensure};

/// A request that needs this capability and no other; `None` for those that no request needs.
pub(super) fn request_needing(capability: Capability) -> Option<Request> {
    let question = || Message::user("Say a few words about the sea.");
    let unset = GenerationOptions::default;
    let options = match capability {
        Capability::MaxTokens => GenerationOptions { max_tokens: Some(4), ..unset() },
        Capability::Temperature => GenerationOptions { temperature: Some(0.7), ..unset() },
        Capability::TopP => GenerationOptions { top_p: Some(0.9), ..unset() },
        Capability::TopK => GenerationOptions { top_k: Some(40), ..unset() },
        Capability::MinP => GenerationOptions { min_p: Some(0.05), ..unset() },
        Capability::RepeatPenalty => GenerationOptions { repeat_penalty: Some(1.1), ..unset() },
        Capability::PresencePenalty => GenerationOptions { presence_penalty: Some(0.5), ..unset() },
        Capability::FrequencyPenalty => {
            GenerationOptions { frequency_penalty: Some(0.5), ..unset() }
        }
        Capability::Seed => GenerationOptions { seed: Some(7), ..unset() },
        Capability::Stop => GenerationOptions { stop: vec!["\u{1}\u{7f}".into()], ..unset() },
        Capability::Think => GenerationOptions { think: Some(Think::On), ..unset() },
        Capability::ThinkingBudget => GenerationOptions { thinking_budget: Some(2), ..unset() },
        Capability::Logprobs => GenerationOptions { logprobs: Some(2), ..unset() },
        Capability::RawPrompt => return Some(Request::raw("The sea is")),
        Capability::SystemPrompt => {
            return Some(Request::messages(vec![Message::system("Be brief."), question()]));
        }
        Capability::MultiTurn => {
            let (asked, said) = (Message::user("Hello."), Message::assistant("Hello."));
            return Some(Request::messages(vec![asked, said, question()]));
        }
        _ => return None,
    };
    Some(Request::messages(vec![question()]).with_options(options))
}

pub(super) async fn honoured_or_refused(subject: &Subject, capability: Capability) -> Check {
    let Some(mut request) = request_needing(capability) else {
        return Err(Unmet::Fail("no request needs this capability".into()));
    };
    if subject.can(capability) {
        let limit = subject.can(Capability::MaxTokens).then_some(4);
        request.options.max_tokens = request.options.max_tokens.or(limit);
        return subject.answer(request).await.map(|_| ());
    }
    let error = subject.refusal(request).await?;
    ensure(error.kind() == ErrorKind::Unsupported, || {
        format!("refused as {} instead of unsupported: {error}", error.kind().as_str())
    })?;
    ensure(error.capability() == Some(capability), || {
        format!("the refusal names {:?}", error.capability())
    })
}

pub(super) async fn think_auto_asks_nothing(subject: &Subject) -> Check {
    let mut request = subject.request_for(4);
    request.options.think = Some(Think::Auto);
    subject.answer(request).await.map(|_| ())
}

pub(super) async fn logprobs_are_reported(subject: &Subject) -> Check {
    subject.require(Capability::Logprobs)?;
    let mut request = subject.request_for(4);
    request.options.logprobs = Some(2);
    let answer = subject.answer(request).await?;
    let tokens = answer.response().tokens;
    ensure(!tokens.is_empty(), || "no token was reported".into())?;
    for token in &tokens {
        let possible = |logprob: f32| logprob <= 0.0 && !logprob.is_nan();
        ensure(possible(token.logprob), || format!("log-probability {}", token.logprob))?;
        ensure(token.top.len() == 2, || format!("{} alternatives, asked 2", token.top.len()))?;
        let sorted = token.top.is_sorted_by(|a, b| a.logprob >= b.logprob);
        ensure(sorted, || "the alternatives are not best first".into())?;
    }
    let generated = answer.output_tokens();
    ensure(generated.is_none_or(|n| n == tokens.len() as u64), || {
        format!("{} tokens reported, {generated:?} counted", tokens.len())
    })
}

pub(super) async fn declarations_are_constant(subject: &Subject) -> Check {
    let generator = &subject.generator;
    let (info, capabilities) = (generator.info().clone(), generator.capabilities().clone());
    ensure(!info.kind.is_empty(), || "the kind is empty".into())?;
    ensure(capabilities.concurrency != Some(0), || "a concurrency of 0 runs nothing".into())?;
    ensure(capabilities.context_length != Some(0), || "a context of 0 holds nothing".into())?;
    let events = subject.answer(subject.request_for(4)).await?.events;
    ensure(events.iter().any(|e| matches!(e, Event::Finish(_))), || "it did not finish".into())?;
    ensure(*generator.info() == info, || "info() changed after a request".into())?;
    ensure(*generator.capabilities() == capabilities, || {
        "capabilities() changed after a request".into()
    })
}

#[cfg(test)]
mod tests {
    use super::{Capability, request_needing};

    #[test]
    fn each_request_needs_one_capability_and_is_valid() {
        for capability in Capability::ALL {
            let request = request_needing(capability);
            assert_eq!(request.is_some(), capability.can_be_needed(), "{capability:?}");
            if let Some(request) = request {
                assert_eq!(request.needs(), [capability]);
                assert_eq!(request.validate(), Ok(()));
            }
        }
    }
}
