//! Norms, gates, exponentials, sums and stores.

use proptest::prelude::*;
use textport_kernels::{F16, F32, Isa, add, exp_sum, rms_norm, rms_norm_in_place, store, swiglu};

use super::made::{Noise, ROUNDING};

/// Numbers of one of a few magnitudes, or of all of them.
fn row(len: usize, kind: usize, noise: &mut Noise) -> Vec<f32> {
    let mut one = || match kind {
        0 => 0.0,
        1 => noise.spread(-150, -120),
        2 => noise.spread(-60, -40),
        3 => noise.spread(50, 60),
        4 => noise.spread(-150, 60),
        _ => 4.0 * noise.float(),
    };
    (0..len).map(|_| one()).collect()
}

/// Kinds of [`row`].
const KINDS: usize = 6;

/// Bits, with everything that is no number alike.
fn bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Squares are rounded and summed in sixteen parts, then the parts: at most `len` / 16 + 17
    /// roundings, of which a root leaves half; five more up to the result.
    #[test]
    fn norms(len in 1..200_usize, kind in 0..KINDS, large: bool, seed: u32) {
        let mut noise = Noise(seed);
        let (row, weight) = (row(len, kind, &mut noise), row(len, 5, &mut noise));
        let epsilon = if large { 1e-3 } else { 1e-6_f32 };
        let squares: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        let scale = 1.0 / (squares / len as f64 + f64::from(epsilon)).sqrt();
        let roundings = (len as f64 / 16.0 + 17.0) / 2.0 + 5.0;
        for isa in Isa::available() {
            let (mut out, mut in_place) = (vec![f32::NAN; len], row.clone());
            rms_norm(isa, &row, &weight, epsilon, &mut out);
            rms_norm_in_place(isa, &mut in_place, &weight, epsilon);
            prop_assert_eq!(&out, &in_place, "{}", isa);
            for ((found, x), w) in out.iter().zip(&row).zip(&weight) {
                let wanted = f64::from(*x) * scale * f64::from(*w);
                // Digits that do not fit in below the smallest number, also before the weight.
                let most = roundings * ROUNDING * wanted.abs() + 5.0 * f64::from(f32::from_bits(1));
                prop_assert!(
                    (f64::from(*found) - wanted).abs() <= most,
                    "{isa}: {found:e} is not {wanted:e}"
                );
            }
        }
    }

    /// The exponential is right to three roundings; sum, quotient and product add one each. Below
    /// e^-87 it stays where it is.
    #[test]
    fn gates(len in 1..200_usize, kind in 0..KINDS, of in 0..KINDS, seed: u32) {
        let mut noise = Noise(seed);
        let (gate, up) = (row(len, kind, &mut noise), row(len, of, &mut noise));
        for isa in Isa::available() {
            let mut out = vec![f32::NAN; len];
            swiglu(isa, &gate, &up, &mut out);
            for ((found, gate), up) in out.iter().zip(&gate).zip(&up) {
                let (gate, up) = (f64::from(*gate), f64::from(*up));
                let wanted = gate / (1.0 + (-gate).exp()) * up;
                let least = 2.0 * 87.0 * (-87.0_f64).exp() * up.abs();
                let most = 8.0 * ROUNDING * wanted.abs() + least + 2.0 * f64::from(f32::from_bits(1));
                prop_assert!(
                    (f64::from(*found) - wanted).abs() <= most,
                    "{isa}: gate {gate:e}, up {up:e}: {found:e} is not {wanted:e}"
                );
            }
        }
    }

    #[test]
    fn exponentials(len in 1..300_usize, wide: bool, seed: u32) {
        let mut noise = Noise(seed);
        let reach = if wide { 200.0 } else { 3.0 };
        let row: Vec<f32> = (0..len).map(|_| reach * noise.float()).collect();
        let most = row.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
        for isa in Isa::available() {
            let mut powers = row.clone();
            let total = exp_sum(isa, &mut powers, most);
            let mut sum = 0.0;
            for (x, found) in row.iter().zip(&powers) {
                let wanted = f64::from(x - most).exp();
                sum += wanted;
                let allowed = 5.0 * ROUNDING * wanted + (-86.99_f64).exp();
                prop_assert!((f64::from(*found) - wanted).abs() <= allowed, "{isa}: {found} for {x}");
            }
            let roundings = len as f64 / 16.0 + 17.0 + 16.0;
            prop_assert!((f64::from(total) - sum).abs() <= roundings * ROUNDING * sum, "{isa}");
        }
    }

    /// Any bits at all: what is added and stored is what plain code adds and stores.
    #[test]
    fn sums_and_stores(len in 0..200_usize, short in 0..5_usize, seed: u32) {
        let mut noise = Noise(seed);
        let mut any = || (0..len).map(|_| f32::from_bits(noise.bits())).collect::<Vec<_>>();
        let (row, delta) = (any(), any());
        for isa in Isa::available() {
            let mut sum = row.clone();
            add(isa, &mut sum, &delta);
            let wanted = row.iter().zip(&delta).map(|(x, d)| bits(x + d));
            prop_assert!(sum.iter().map(|x| bits(*x)).eq(wanted), "{isa}");
            // Only as many as there is room for, and nothing beyond.
            let room = len.saturating_sub(short);
            let (mut halves, mut floats) = (vec![F16::from(1.0); len], vec![F32::from(1.0); len]);
            store(isa, &row, &mut halves[..room]);
            store(isa, &row, &mut floats[..room]);
            for (i, x) in row.iter().enumerate() {
                let x = if i < room { *x } else { 1.0 };
                let same = format!("{:?}", floats[i]) == format!("{:?}", F32::from(x));
                prop_assert!(same, "{isa}: {x:e} became {:?}", floats[i]);
                // Digits of what is no number are the processor's own.
                let same = format!("{:?}", halves[i]) == format!("{:?}", F16::from(x));
                prop_assert!(x.is_nan() || same, "{isa}: {x:e} became {:?}", halves[i]);
            }
        }
    }
}

#[test]
fn every_half_is_stored_as_itself() {
    let all: Vec<u16> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
    let floats: Vec<f32> = all.iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
    for isa in Isa::available() {
        let mut halves = vec![F16::default(); all.len()];
        store(isa, &floats, &mut halves);
        for (bits, found) in all.iter().zip(halves) {
            let wanted = F16::from(half::f16::from_bits(*bits).to_f32());
            assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{isa}, {bits:#x}");
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for isa in Isa::available() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut row = vec![1.0; 40];
            row[21] = bad;
            let ones = vec![1.0; 40];
            let mut out = vec![0.0; 40];
            rms_norm(isa, &row, &ones, 1e-6, &mut out);
            assert!(out.iter().all(|x| x.is_nan()), "{isa}");
            swiglu(isa, &row, &ones, &mut out);
            assert!(!out[21].is_finite() && out[20].is_finite(), "{isa}");
            let mut powers = vec![0.0, f32::NAN];
            assert!(exp_sum(isa, &mut powers, 0.0).is_nan(), "{isa}");
        }
        let mut out = vec![1.0; 20];
        swiglu(isa, &[f32::NEG_INFINITY; 20], &[1.0; 20], &mut out);
        assert!(out.iter().all(|x| !x.is_finite()), "{isa}: an infinite gate becomes a number");
        swiglu(isa, &[-1e30; 20], &[1.0; 20], &mut out);
        assert!(
            out.iter().all(|x| x.abs() < 1e-30),
            "{isa}: a closed gate lets {} through",
            out[0]
        );
        let mut halves = [F16::default(); 19];
        store(isa, &[f32::NAN; 19], &mut halves);
        let nan = |half: F16| format!("{half:?}") == format!("{:?}", F16::from(f32::NAN));
        assert!(halves.into_iter().all(nan), "{isa}: {halves:?}");
    }
}
