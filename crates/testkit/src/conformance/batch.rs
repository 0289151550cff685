//! Clause 12: one result per request, in order; one failure never loses the others.

use domain::{Request, Response};
use ports::{Error, ErrorKind};

use super::subject::{Check, Subject, Unmet, ensure};

/// Different lengths tell the answers apart.
pub(super) async fn in_order(subject: &Subject) -> Check {
    subject.require_repeats()?;
    subject.require(domain::Capability::MaxTokens)?;
    let lengths = [4, 1, 3, 2];
    let mut expected = Vec::new();
    for tokens in lengths {
        expected.push(answer_of(&subject.answer(subject.request_for(tokens)).await?.response()));
    }
    let requests = lengths.map(|tokens| subject.request_for(tokens)).to_vec();
    let results = run(subject, requests).await?;
    for (n, (result, expected)) in results.iter().zip(&expected).enumerate() {
        let got = result.as_ref().map(answer_of);
        ensure(got.as_ref().is_ok_and(|got| got == expected), || {
            format!("result {n} is {got:?} instead of {expected:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn one_failure_keeps_the_others(subject: &Subject) -> Check {
    let good = || subject.request_for(2);
    let requests = vec![good(), Request::messages(vec![]), good(), good()];
    let results = run(subject, requests).await?;
    for (n, result) in results.iter().enumerate() {
        match result {
            Ok(_) => ensure(n != 1, || "the failing request got an answer".into())?,
            Err(error) => ensure(n == 1 && error.kind() == ErrorKind::InvalidRequest, || {
                format!("result {n} failed: {error}")
            })?,
        }
    }
    Ok(())
}

pub(super) async fn empty(subject: &Subject) -> Check {
    run(subject, Vec::new()).await.map(|_| ())
}

pub(super) async fn larger_than_the_places(subject: &Subject) -> Check {
    let requests = vec![subject.request_for(2); 2 * subject.places() + 1];
    for (n, result) in run(subject, requests).await?.iter().enumerate() {
        let ended = result.as_ref().map(|response| response.finish_reason.is_some());
        ensure(matches!(ended, Ok(true)), || format!("result {n} is {ended:?}"))?;
    }
    Ok(())
}

async fn run(
    subject: &Subject,
    requests: Vec<Request>,
) -> Result<Vec<Result<Response, Error>>, Unmet> {
    let asked = requests.len();
    let results = subject.generator.generate_batch(requests).await;
    ensure(results.len() == asked, || format!("{asked} requests, {} results", results.len()))?;
    Ok(results)
}

/// What was generated.
fn answer_of(response: &Response) -> String {
    format!("{}{}", response.reasoning, response.text)
}
