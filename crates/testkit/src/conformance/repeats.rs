//! Clause 7: greedy and seeded runs repeat where the capabilities say so.

use std::collections::BTreeSet;

use domain::{Capability, Message, Request};

use super::Skip;
use super::subject::{Check, Subject, Unmet, ensure};

pub(super) async fn greedy(subject: &Subject) -> Check {
    subject.require(Capability::GreedyRepeats)?;
    let first = text(subject, subject.request()).await?;
    // Something else in between: what a provider remembers of it must not show.
    let other = subject.asking(vec![Message::user("Name three colours.")], 4);
    subject.answer(other).await?;
    let mut requests = vec![subject.request()];
    if subject.can(Capability::Seed) {
        requests.push(with_seed(subject.request(), 1));
        requests.push(with_seed(subject.request(), 2));
    }
    for request in requests {
        let seed = request.options.seed;
        let again = text(subject, request).await?;
        ensure(again == first, || format!("seed {seed:?}: {again:?} after {first:?}"))?;
    }
    Ok(())
}

pub(super) async fn seeded(subject: &Subject) -> Check {
    subject.require(Capability::Seed)?;
    for seed in [0, 7, u64::MAX] {
        let first = text(subject, sampled(subject, seed, 1.0)).await?;
        text(subject, sampled(subject, seed ^ 1, 1.0)).await?;
        let again = text(subject, sampled(subject, seed, 1.0)).await?;
        ensure(again == first, || format!("seed {seed}: {again:?} after {first:?}"))?;
    }
    Ok(())
}

pub(super) async fn seeds_differ(subject: &Subject) -> Check {
    subject.require(Capability::Seed)?;
    if !subject.fixture.seeds_vary() {
        return Err(Unmet::Skip(Skip::Fixture("promise that sampling varies with the seed")));
    }
    let mut texts = BTreeSet::new();
    for seed in 0..8 {
        texts.insert(text(subject, sampled(subject, seed, 2.0)).await?);
    }
    ensure(texts.len() > 1, || format!("eight seeds gave one answer: {texts:?}"))
}

/// The fixture's question, sampled.
fn sampled(subject: &Subject, seed: u64, temperature: f32) -> Request {
    let mut request = with_seed(subject.request(), seed);
    request.options.temperature = subject.can(Capability::Temperature).then_some(temperature);
    request
}

fn with_seed(mut request: Request, seed: u64) -> Request {
    request.options.seed = Some(seed);
    request
}

async fn text(subject: &Subject, request: Request) -> Result<String, Unmet> {
    let answer = subject.answer(request).await?;
    Ok(answer.all_deltas().collect())
}
