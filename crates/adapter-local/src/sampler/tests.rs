//! Filters, penalties and the distribution that is drawn from.

mod equal;
mod oracle;

use proptest::prelude::*;

use super::*;

use domain::GenerationOptions;

use crate::catalogue::Sampling;

fn plain(temperature: f32) -> SamplerSettings {
    SamplerSettings {
        temperature,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: Some(1),
        ..Default::default()
    }
}

/// The tokens that remain after the filters, with the settings' temperature.
fn kept(settings: SamplerSettings, logits: &[f32]) -> Vec<u32> {
    let mut sampler = Sampler::new(settings, logits.len(), &[]);
    sampler.sample(logits).unwrap();
    let mut ids: Vec<u32> = sampler.candidates.list.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    // Without a filter there are no candidates: every token is one.
    if ids.is_empty() { (0..logits.len() as u32).collect() } else { ids }
}

fn frequencies(settings: SamplerSettings, logits: &[f32], draws: usize) -> Vec<f64> {
    let mut sampler = Sampler::new(settings, logits.len(), &[]);
    let mut counts = vec![0.0; logits.len()];
    (0..draws).for_each(|_| counts[sampler.sample(logits).unwrap() as usize] += 1.0 / draws as f64);
    counts
}

#[test]
fn greedy_takes_the_best_and_the_first_of_equals() {
    let mut sampler = Sampler::new(plain(0.0), 4, &[]);
    assert_eq!(sampler.sample(&[0.5, 2.0, 2.0, -1.0]), Ok(1));
    assert_eq!(sampler.candidates.room(), [0; 3]);
}

#[test]
fn what_is_no_number_is_an_error() {
    for logits in [&[1.0, f32::NAN][..], &[f32::NEG_INFINITY; 2], &[0.0, f32::INFINITY], &[]] {
        for temperature in [0.0, 1.0] {
            assert_eq!(Sampler::new(plain(temperature), 2, &[]).sample(logits), Err(NotANumber));
        }
    }
}

#[test]
fn draws_follow_the_probabilities() {
    let shares = [0.5f32, 0.3, 0.15, 0.05];
    let logits = shares.map(f32::ln);
    for (share, drawn) in shares.iter().zip(frequencies(plain(1.0), &logits, 40_000)) {
        // Four standard deviations of a share of 0.5 in 40,000 draws.
        assert!((f64::from(*share) - drawn).abs() < 0.01, "{share} {drawn}");
    }
}

#[test]
fn temperature_sharpens() {
    let logits = [1.0f32, 0.0];
    let cold = frequencies(plain(0.5), &logits, 40_000)[0];
    assert!((cold - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 0.01, "{cold}");
}

#[test]
fn the_same_seed_draws_the_same() {
    let logits: Vec<f32> = (0..500).map(|n| ((n * 37) % 101) as f32 / 20.0).collect();
    let draw = |seed| {
        let mut sampler = Sampler::new(SamplerSettings { seed, ..Default::default() }, 500, &[]);
        (0..50).map(|_| sampler.sample(&logits).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(draw(Some(3)), draw(Some(3)));
    assert_ne!(draw(Some(3)), draw(Some(4)));
    assert_ne!(draw(None), draw(None));
}

#[test]
fn filters_keep_what_they_say() {
    let logits = [0.4f32, 0.3, 0.2, 0.1].map(f32::ln);
    let keep =
        |top_k, top_p, min_p| kept(SamplerSettings { top_k, top_p, min_p, ..plain(1.0) }, &logits);
    assert_eq!(keep(0, 1.0, 0.0), [0, 1, 2, 3]);
    assert_eq!(keep(2, 1.0, 0.0), [0, 1]);
    assert_eq!(keep(0, 0.65, 0.0), [0, 1]);
    assert_eq!(keep(0, 0.71, 0.0), [0, 1, 2]);
    assert_eq!(keep(0, 1.0, 0.6), [0, 1]);
    // Top-p counts what top-k left: 0.4 of 0.7 is more than half.
    assert_eq!(keep(2, 0.55, 0.0), [0]);
    assert_eq!(keep(0, f32::MIN_POSITIVE, 1.0), [0]);
}

#[test]
fn penalties_lower_what_was_seen() {
    let settings = |repeat, presence, frequency| SamplerSettings {
        repeat_penalty: repeat,
        presence_penalty: presence,
        frequency_penalty: frequency,
        ..plain(0.0)
    };
    let logits = [1.0, 0.9, 0.8, -0.1];
    // A token of the prompt counts for repetition only.
    assert_eq!(Sampler::new(settings(1.2, 0.0, 0.0), 4, &[0]).sample(&logits), Ok(1));
    assert_eq!(Sampler::new(settings(1.0, 2.0, 2.0), 4, &[0]).sample(&logits), Ok(0));
    let mut sampler = Sampler::new(settings(1.0, 0.0, 0.06), 4, &[]);
    let chosen: Vec<u32> = (0..5)
        .map(|_| {
            let id = sampler.sample(&logits).unwrap();
            sampler.accept(id);
            id
        })
        .collect();
    assert_eq!(chosen, [0, 0, 1, 0, 1]);
    let mut once = Sampler::new(settings(1.0, 0.15, 0.0), 4, &[]);
    once.accept(0);
    once.accept(0);
    assert_eq!(once.sample(&logits), Ok(1));
}

proptest! {
    #[test]
    fn kept_sets_nest_and_are_the_most_probable(
        logits in prop::collection::vec(-20.0f32..20.0, 1..400),
        small in 1..50usize, more in 0..50usize,
        p in 0.01f32..0.99, extra in 0.0f32..0.5, temperature in 0.1f32..3.0,
    ) {
        let with = |top_k, top_p| kept(SamplerSettings { top_k, top_p, ..plain(temperature) }, &logits);
        let inside = |a: &[u32], b: &[u32]| a.iter().all(|id| b.contains(id));
        prop_assert!(inside(&with(small, 1.0), &with(small + more, 1.0)));
        prop_assert!(inside(&with(0, p), &with(0, (p + extra).min(1.0))));
        prop_assert_eq!(with(small, 1.0).len(), small.min(logits.len()));
        let top_p = with(0, p);
        let least = top_p.iter().map(|id| logits[*id as usize]).fold(f32::INFINITY, f32::min);
        prop_assert!((0..).zip(&logits).all(|(id, logit)| *logit <= least || top_p.contains(&id)));
        // The kept ones reach p, and without the least of them they do not.
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| f64::from(((logit - highest) / temperature).exp());
        let all: f64 = logits.iter().map(|l| weight(*l)).sum();
        let reached: f64 = top_p.iter().map(|id| weight(logits[*id as usize])).sum();
        prop_assert!(reached >= f64::from(p) * all * (1.0 - 1e-9));
        prop_assert!(reached - weight(least) < f64::from(p) * all * (1.0 + 1e-9));
    }

    #[test]
    fn what_is_drawn_was_kept(
        logits in prop::collection::vec(-30.0f32..30.0, 1..200), seed: u64,
        top_k in 0..20usize, top_p in 0.05f32..1.0, min_p in 0.0f32..0.5,
    ) {
        let settings = SamplerSettings { top_k, top_p, min_p, seed: Some(seed), ..plain(0.8) };
        let mut sampler = Sampler::new(settings, logits.len(), &[]);
        let id = sampler.sample(&logits).unwrap();
        prop_assert!(sampler.candidates.list.iter().any(|c| c.id == id));
    }
}

#[test]
fn the_catalogue_stands_between_the_model_and_the_request() {
    let model = SamplerSettings::default();
    let sampling = Sampling { temperature: Some(0.2), top_p: Some(0.9), ..Sampling::default() };
    let set = model.clone().with_sampling(&sampling);
    assert_eq!((set.temperature, set.top_p, set.top_k, set.min_p), (0.2, 0.9, 0, 0.0));
    let options = GenerationOptions { temperature: Some(1.0), ..GenerationOptions::default() };
    assert_eq!(set.with_options(&options).temperature, 1.0);
    assert_eq!(model.clone().with_sampling(&Sampling::default()), model);
}
