//! Clause 9: usage that is unknown is absent, never zero.

use domain::Capability;

use super::subject::{Check, Subject, Unmet, ensure};

pub(super) async fn is_never_zero_for_unknown(subject: &Subject) -> Check {
    let answer = subject.answer(subject.request()).await?;
    let content = answer.all_deltas().next().is_some();
    ensure(content, || "nothing was generated".into())?;
    let counts = [("input_tokens", answer.input_tokens()), ("output", answer.output_tokens())];
    for (name, count) in counts {
        ensure(count != Some(0), || format!("{name} is 0 for an answer that has text"))?;
    }
    let usage = answer.usage().unwrap_or_default();
    let parts = [
        ("reasoning_tokens", usage.reasoning_tokens, usage.output_tokens),
        ("cached_tokens", usage.cached_tokens, usage.input_tokens),
    ];
    for (name, part, whole) in parts {
        ensure(part.is_none() || whole.is_none() || part <= whole, || {
            format!("{name} is {part:?} of {whole:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn is_reported(subject: &Subject) -> Check {
    subject.require(Capability::Usage)?;
    let answer = subject.answer(subject.request()).await?;
    let Some(usage) = answer.usage() else {
        return Err(Unmet::Fail("usage is declared, but there was no Usage event".into()));
    };
    let known = usage.input_tokens.is_some() && usage.output_tokens.is_some();
    ensure(known, || format!("usage is declared, but {usage:?}"))
}
