//! Every seed chooses what the oracle chooses, whatever the settings.

use proptest::prelude::*;

use super::super::candidates::Candidates;
use super::super::logits::{INEXACT, Weigh};
use super::super::{Logits, Sampler, SamplerSettings};
use super::oracle::{Oracle, draw};
use super::plain;
use crate::cpu::Isa;

fn logit() -> BoxedStrategy<f32> {
    prop_oneof![
        12 => -12.0f32..12.0,
        6 => (-4i8..8).prop_map(f32::from),
        1 => Just(-0.0),
        1 => Just(f32::NEG_INFINITY),
        1 => prop_oneof![Just(-1e30), Just(1e4), Just(-3e38)],
    ]
    .boxed()
}

/// Some that differ, some that are all alike, some of which few are high.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    let long = || 1..2600usize;
    prop_oneof![
        4 => long().prop_flat_map(|len| prop::collection::vec(logit(), len)),
        2 => prop::collection::vec(logit(), 1..20),
        1 => (logit(), long()).prop_map(|(one, len)| vec![one; len]),
        2 => long().prop_flat_map(|len| prop::collection::vec(-30.0f32..-5.0, len)).prop_map(
            |mut all| {
                let len = all.len();
                (0..7).for_each(|n| all[n * 331 % len] = n as f32);
                all
            }
        ),
    ]
}

fn settings() -> impl Strategy<Value = SamplerSettings> {
    let temperature = prop_oneof![Just(0.0), Just(1.0), 0.01f32..0.3, 0.3f32..2.5, 2.5f32..10.0];
    let top_k = prop_oneof![3 => Just(0), 1 => Just(1), 3 => 1..60usize, 1 => 60..3000usize];
    let top_p = prop_oneof![
        3 => Just(1.0),
        1 => Just(0.5),
        3 => 0.01f32..1.0,
        1 => 0.999f32..1.0,
        1 => Just(f32::MIN_POSITIVE),
    ];
    let min_p = prop_oneof![
        4 => Just(0.0), 2 => 0.0f32..0.3, 1 => Just(1.0), 1 => Just(1e-35), 1 => 1e-9f32..1e-3
    ];
    let repeat =
        prop_oneof![3 => Just(1.0), 2 => 0.5f32..2.0, 1 => prop_oneof![Just(0.01), Just(10.0)]];
    let other = || prop_oneof![3 => Just(0.0), 1 => -2.0f32..2.0];
    (temperature, top_k, top_p, min_p, repeat, other(), other(), any::<u64>()).prop_map(
        |(temperature, top_k, top_p, min_p, repeat, presence, frequency, seed)| SamplerSettings {
            temperature,
            top_k,
            top_p,
            min_p,
            repeat_penalty: repeat,
            presence_penalty: presence,
            frequency_penalty: frequency,
            seed: Some(seed),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_same_seed_chooses_what_the_oracle_chooses(
        logits in logits(), settings in settings(),
        prompt in prop::collection::vec(0..3000u32, 0..60),
        forced in prop::collection::vec(0..3000u32, 0..4),
    ) {
        let mut sampler = Sampler::new(settings.clone(), logits.len(), &prompt);
        let mut oracle = Oracle::new(settings, &prompt);
        for id in forced {
            sampler.accept(id);
            oracle.accept(id);
        }
        for _ in 0..6 {
            let chosen = sampler.sample(&logits);
            prop_assert_eq!(chosen, oracle.sample(&logits));
            let Ok(id) = chosen else { break };
            sampler.accept(id);
            oracle.accept(id);
        }
    }

    /// Points where one token ends and another begins, and all that are so close that sums in single
    /// precision cannot tell.
    #[test]
    fn close_choices_are_exact(
        levels in prop::collection::vec(-3i8..1, 1..2100), temperature in 0.5f32..2.0,
        end in any::<prop::sample::Index>(), off in -3e-7f64..3e-7,
    ) {
        let mut logits: Vec<f32> = levels.into_iter().map(f32::from).collect();
        logits[0] = 0.0;
        let weigh = Weigh { highest: 0.0, temperature };
        let weights: Vec<(u32, f64)> =
            (0..).zip(&logits).map(|(id, logit)| (id, weigh.weight(*logit))).collect();
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let ends: f64 = weights[..=end.index(weights.len())].iter().map(|(_, weight)| weight).sum();
        for off in [0.0, off, f64::EPSILON, -f64::EPSILON] {
            let point = (ends / total + off).clamp(0.0, 1.0 - f64::EPSILON);
            let mut candidates = Candidates::default();
            let logits = Logits::unchanged(Isa::best(), &logits);
            let chosen = candidates.draw_from_all(&logits, weigh, point);
            prop_assert_eq!(chosen, draw(&weights, point));
        }
    }

    /// Shares that end where a token ends, as nearly as a share can.
    #[test]
    fn close_shares_are_exact(
        levels in prop::collection::vec(-8i8..1, 1..2100), temperature in 0.5f32..2.0,
        end in any::<prop::sample::Index>(), off in -2i8..3,
    ) {
        let mut logits: Vec<f32> = levels.into_iter().map(f32::from).collect();
        logits[0] = 0.0;
        let weigh = Weigh { highest: 0.0, temperature };
        let total: f64 = logits.iter().map(|logit| weigh.weight(*logit)).sum();
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let sums: Vec<f64> = sorted
            .iter()
            .scan(0.0, |sum, logit| {
                *sum += weigh.weight(*logit);
                Some(*sum)
            })
            .collect();
        let share = (sums[end.index(sums.len())] / total) as f32;
        let share = f32::from_bits(share.to_bits().wrapping_add_signed(off.into()));
        prop_assume!(share < 1.0);
        let reached = sums.iter().position(|sum| *sum >= f64::from(share) * total);
        let mut candidates = Candidates::default();
        candidates.top_p(&Logits::unchanged(Isa::best(), &logits), weigh, share);
        prop_assert_eq!(candidates.list.len(), reached.map_or(sums.len(), |at| at + 1));
    }

    #[test]
    fn the_most_probable_are_the_first_of_all_sorted(
        logits in prop::collection::vec(
            prop_oneof![1 => Just(-1.0f32), 4 => Just(-0.0), 1 => Just(0.0), 1 => Just(f32::NEG_INFINITY)], 1..3000
        ),
        most in prop_oneof![1..4usize, 4..200usize, 200..4000usize], negative in any::<bool>(),
    ) {
        // Better zeros may come after worse ones.
        let first = if negative { logits.len() / 2 } else { 0 };
        let logits: Vec<f32> = logits
            .into_iter()
            .enumerate()
            .map(|(id, logit)| if id < first && logit == 0.0 { -0.0 } else { logit })
            .collect();
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let logit = |id: &u32| logits[*id as usize];
        ids.sort_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
        ids.truncate(most);
        let mut candidates = Candidates::default();
        let found = candidates.most_probable(&Logits::unchanged(Isa::best(), &logits), most);
        prop_assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), ids);
    }
}

#[test]
fn a_vocabulary_of_a_large_model_is_chosen_from_alike() {
    let logits: Vec<f32> = (0..151_936u32)
        .map(|id| f64::from(id.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24))
        .map(|unit| (unit.max(1e-9).ln() * -1.1) as f32)
        .collect();
    for settings in [
        plain(0.0),
        plain(1.0),
        SamplerSettings { top_p: 0.95, ..plain(0.7) },
        SamplerSettings { top_p: 0.8, top_k: 20, ..plain(0.7) },
        SamplerSettings { min_p: 0.05, ..plain(1.0) },
        SamplerSettings { repeat_penalty: 1.3, ..plain(0.0) },
        SamplerSettings { repeat_penalty: 1.3, frequency_penalty: 0.5, top_p: 0.9, ..plain(1.0) },
    ] {
        let prompt: Vec<u32> = (0..400).map(|n| n * 379).collect();
        let mut sampler = Sampler::new(settings.clone(), logits.len(), &prompt);
        let mut oracle = Oracle::new(settings.clone(), &prompt);
        for _ in 0..4 {
            let id = oracle.sample(&logits).unwrap();
            assert_eq!(sampler.sample(&logits), Ok(id), "{settings:?}");
            sampler.accept(id);
            oracle.accept(id);
        }
    }
}

#[test]
fn sums_are_as_close_as_choices_take_them_to_be() {
    for divisor in [0.1f32, 0.7, 1.0, 3.0] {
        let logits: Vec<f32> = (0..151_936).map(|n| ((n * 7919) % 1000) as f32 / -60.0).collect();
        let weigh = Weigh { highest: 0.0, temperature: divisor };
        for isa in Isa::available() {
            let logits = Logits::unchanged(isa, &logits);
            let (about, total) = (logits.about(weigh, &mut Vec::new()), logits.total(weigh));
            assert!((about - total).abs() <= INEXACT * total, "{isa}: {about} {total}");
        }
    }
}

#[test]
fn room_is_made_once() {
    let logits: Vec<f32> = (0..50_000).map(|n| ((n * 7919) % 1000) as f32 / 50.0).collect();
    for settings in [
        SamplerSettings { top_k: 40, ..plain(0.7) },
        SamplerSettings { top_p: 0.9, ..plain(0.7) },
        SamplerSettings { min_p: 0.05, repeat_penalty: 1.1, ..plain(0.7) },
        plain(1.0),
    ] {
        let mut sampler = Sampler::new(settings, logits.len(), &[1, 2, 3]);
        sampler.sample(&logits).unwrap();
        let before = sampler.candidates.room();
        assert!(before[0] < 20_000, "{before:?}");
        for _ in 0..5 {
            sampler.sample(&logits).unwrap();
        }
        assert_eq!(sampler.candidates.room(), before);
    }
}
