//! What is asked of logits, against the obvious ways to answer.

use proptest::prelude::*;
use textport_kernels::{Isa, Largest, at_least, largest, power_sum};

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -30.0f32..30.0,
        2 => (-3i8..3).prop_map(f32::from),
        1 => Just(-0.0),
        1 => Just(f32::NEG_INFINITY),
        1 => prop::num::f32::SUBNORMAL,
        1 => prop::num::f32::NORMAL,
    ]
}

fn strange() -> impl Strategy<Value = Option<(prop::sample::Index, f32)>> {
    let kinds = prop_oneof![Just(f32::NAN), Just(-f32::NAN), Just(f32::INFINITY)];
    prop::option::of((any::<prop::sample::Index>(), kinds))
}

/// One after the other.
fn plainly(numbers: &[f32]) -> Largest {
    let mut best = Largest { index: 0, value: f32::NEG_INFINITY, has_nan: false };
    for (index, x) in numbers.iter().enumerate() {
        best.has_nan |= x.is_nan();
        if *x > best.value {
            (best.index, best.value) = (index, *x);
        }
    }
    best
}

proptest! {
    #[test]
    fn the_largest_is_the_first_of_the_largest(
        mut numbers in prop::collection::vec(number(), 0..1700), strange in strange(),
    ) {
        if let Some((place, strange)) = strange.filter(|_| !numbers.is_empty()) {
            let place = place.index(numbers.len());
            numbers[place] = strange;
        }
        let wanted = plainly(&numbers);
        for isa in Isa::available() {
            let found = largest(isa, &numbers);
            prop_assert_eq!(found.index, wanted.index, "{}", isa);
            prop_assert_eq!(found.value.to_bits(), wanted.value.to_bits(), "{}", isa);
            prop_assert_eq!(found.has_nan, wanted.has_nan, "{}", isa);
        }
    }

    #[test]
    fn all_that_reach_a_bound_are_found_in_their_order(
        numbers in prop::collection::vec(number(), 0..700), least in number(),
    ) {
        let places = (0..).zip(&numbers).filter(|(_, x)| **x >= least);
        let wanted: Vec<u32> = [7].into_iter().chain(places.map(|(place, _)| place)).collect();
        for isa in Isa::available() {
            let mut found = vec![7];
            at_least(isa, &numbers, least, &mut found);
            prop_assert_eq!(&found, &wanted, "{}", isa);
        }
    }

    #[test]
    fn powers_are_summed_to_a_millionth_and_everywhere_alike(
        numbers in prop::collection::vec(prop_oneof![9 => -90.0f32..20.0, 1 => Just(f32::NEG_INFINITY)], 1..5000),
        divisor in 0.05f32..5.0,
    ) {
        let most = numbers.iter().copied().fold(0.0, f32::max);
        let power = |x: &f32| f64::from((x - most) / divisor).exp();
        let wanted: f64 = numbers.iter().map(power).sum();
        let nothing = numbers.len() as f64 * 2e-38;
        let first = power_sum(Isa::available()[0], &numbers, most, divisor);
        prop_assert!((first - wanted).abs() <= 0.8e-6 * wanted + nothing, "{} {}", first, wanted);
        for isa in Isa::available() {
            let found = power_sum(isa, &numbers, most, divisor);
            prop_assert_eq!(found.to_bits(), first.to_bits(), "{}", isa);
        }
    }
}

#[test]
fn a_whole_vocabulary_is_summed_as_exactly() {
    let numbers: Vec<f32> = (0..151_936).map(|n| ((n * 7919) % 1000) as f32 / -50.0).collect();
    let wanted: f64 = numbers.iter().map(|x| f64::from(x / 0.7).exp()).sum();
    for isa in Isa::available() {
        let found = power_sum(isa, &numbers, 0.0, 0.7);
        assert!((found - wanted).abs() <= 0.8e-6 * wanted, "{isa}: {found} {wanted}");
    }
}
