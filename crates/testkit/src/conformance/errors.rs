//! Clause 14: errors name the provider and advise; too long a prompt is refused before any work.

use domain::{Capability, Request};
use ports::{Error, ErrorKind, RetryAdvice};

use super::Skip;
use super::options::request_needing;
use super::subject::{Check, Subject, Unmet, ensure};

pub(super) async fn name_the_provider(subject: &Subject) -> Check {
    for error in refusals(subject).await? {
        ensure(error.provider().is_some(), || format!("nobody is named in: {error}"))?;
        let text = error.to_string();
        ensure(!text.is_empty() && !text.contains('\n'), || format!("not one line: {text:?}"))?;
    }
    Ok(())
}

/// The same request at the same provider fails the same way: whoever retries is misled.
pub(super) async fn advise(subject: &Subject) -> Check {
    for error in refusals(subject).await? {
        let advice = error.advice();
        let final_here = matches!(advice, RetryAdvice::Never | RetryAdvice::OtherProviderOnly);
        ensure(final_here, || format!("{advice:?} is advised for: {error}"))?;
    }
    Ok(())
}

pub(super) async fn too_long_a_prompt(subject: &Subject) -> Check {
    let Some(request) = too_long(subject) else {
        return Err(Unmet::Skip(Skip::Undeclared("context_length")));
    };
    let error = subject.refusal(request).await?;
    ensure(error.kind() == ErrorKind::ContextLengthExceeded, || {
        format!("refused as {}: {error}", error.kind().as_str())
    })
}

/// What was generated before a failure is not lost, and the failure is the last word.
pub(super) async fn after_content(subject: &Subject) -> Check {
    let Some(request) = subject.fixture.failing_request() else {
        return Err(Unmet::Skip(Skip::Fixture("request that fails after some text")));
    };
    let transcript = subject.transcript(request.clone()).await;
    ensure(transcript.error.is_some(), || "the failing request did not fail".into())?;
    ensure(!transcript.text().is_empty(), || "it failed before its first text".into())?;
    let Err(error) = subject.generator.generate(request).await else {
        return Err(Unmet::Fail("generate did not fail".into()));
    };
    let kept = error.partial().is_some_and(|partial| !partial.text.is_empty());
    ensure(kept, || "generate lost what came before the failure".into())?;
    ensure(error.provider().is_some(), || format!("nobody is named in: {error}"))
}

/// One vector per text, or a refusal that says so; nothing made up.
pub(super) async fn embeddings(subject: &Subject) -> Check {
    let texts = vec!["a port".to_owned(), "a harbour".to_owned()];
    match subject.generator.embeddings(texts).await {
        Ok(vectors) => {
            let length = vectors.first().map_or(0, Vec::len);
            let whole = vectors.len() == 2 && length > 0;
            let finite =
                vectors.iter().all(|v| v.len() == length && v.iter().all(|x| x.is_finite()));
            ensure(whole && finite, || format!("no vectors of two texts: {vectors:?}"))
        }
        Err(error) => {
            ensure(error.kind() == ErrorKind::Unsupported, || {
                format!("refused as {} instead of unsupported: {error}", error.kind().as_str())
            })?;
            ensure(error.provider().is_some(), || format!("nobody is named in: {error}"))
        }
    }
}

/// Every error that can be had for certain.
async fn refusals(subject: &Subject) -> Result<Vec<Error>, Unmet> {
    let lacking = Capability::ALL.into_iter().filter(|capability| !subject.can(*capability));
    let mut requests = vec![Request::messages(vec![])];
    requests.extend(lacking.filter_map(request_needing).next());
    requests.extend(too_long(subject));
    let mut errors = Vec::new();
    for request in requests {
        errors.extend(subject.transcript(request).await.error);
    }
    ensure(!errors.is_empty(), || "nothing was refused".into())?;
    Ok(errors)
}

/// A word is a token at least.
fn too_long(subject: &Subject) -> Option<Request> {
    let context = subject.generator.capabilities().context_length?;
    Some(Request::user("port ".repeat(context as usize + 16)))
}
