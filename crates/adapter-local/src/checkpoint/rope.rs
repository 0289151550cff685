//! How positions are told apart: the angles per position of every pair of numbers that RoPE turns,
//! in f32 and in the order of operations that transformers trains and runs models with.

use std::f64::consts::PI;

use super::parameters::MOST_CONTEXT;

/// Which numbers of a head RoPE turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// 2i and 2i + 1.
    Neighbours,
    /// i and i + half ("NEOX").
    Halves,
}

impl Pairing {
    /// Where row `row` of queries or keys in this order is in the order of halves, which the files
    /// of transformers and PEFT have.
    pub(crate) fn row_in_halves(self, row: usize, head_size: usize) -> usize {
        if self == Self::Halves {
            return row;
        }
        // Neighbours 2i and 2i + 1 of a head are i and i + half over there.
        let (head, within) = (row / head_size, row % head_size);
        head * head_size + within / 2 + within % 2 * (head_size / 2)
    }
}

/// How positions are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeParameters {
    pub(crate) pairing: Pairing,
    /// How many numbers of a head are turned.
    pub(crate) size: usize,
    pub(crate) base: f32,
    pub(crate) scaling: RopeScaling,
}

/// How a model reaches beyond the positions it was trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RopeScaling {
    /// It does not.
    None,
    /// Positions are divided by it.
    Linear(f32),
    /// Slow angles are divided, fast ones are not, with a ramp between them.
    Yarn(Yarn),
    /// The same with another ramp, by wavelength.
    Llama3(Llama3),
}

impl RopeScaling {
    /// Most positions of a model that says it has `context_length`: files with YaRN often leave
    /// the number as it was before.
    pub(super) fn reach(&self, context_length: usize) -> usize {
        match self {
            Self::Yarn(yarn) => {
                let extended = f64::from(yarn.factor) * yarn.original_context as f64;
                context_length.max((extended as usize).min(MOST_CONTEXT))
            }
            _ => context_length,
        }
    }
}

/// YaRN's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Yarn {
    /// By how much longer contexts become.
    pub(crate) factor: f32,
    /// Positions that the model was trained on.
    pub(crate) original_context: usize,
    /// Angles that turn this often within the original context are not divided.
    pub(crate) beta_fast: f32,
    /// Angles that turn less often than this are divided by the whole factor.
    pub(crate) beta_slow: f32,
    /// The ramp begins and ends at whole pairs.
    pub(crate) truncate: bool,
    /// What sines and cosines are multiplied with.
    pub(crate) amplitude: f32,
}

impl Yarn {
    pub(crate) const BETA_FAST: f32 = 32.0;
    pub(crate) const BETA_SLOW: f32 = 1.0;

    /// The amplitude for a factor, from the paper; `weight` is 1 there.
    pub(crate) fn amplitude_for(factor: f32, weight: f32) -> f64 {
        if factor <= 1.0 { 1.0 } else { 0.1 * f64::from(weight) * f64::from(factor).ln() + 1.0 }
    }

    /// Between which pairs the ramp is.
    fn ramp(&self, size: usize, base: f32) -> (f32, f32) {
        let (size, context) = (size as f64, self.original_context as f64);
        let pair = |turns: f32| {
            size * (context / (f64::from(turns) * 2.0 * PI)).ln() / (2.0 * f64::from(base).ln())
        };
        let (mut low, mut high) = (pair(self.beta_fast), pair(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, mut high) = (low.max(0.0), high.min(size - 1.0));
        if low == high {
            high += 0.001;
        }
        (low as f32, (high - low) as f32)
    }
}

/// The numbers of Llama 3's scaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Llama3 {
    /// By how much longer contexts become.
    pub(crate) factor: f32,
    /// Wavelengths longer than the original context divided by this are divided by the factor.
    pub(crate) low_frequency: f32,
    /// Wavelengths shorter than the original context divided by this are left as they are.
    pub(crate) high_frequency: f32,
    /// Positions that the model was trained on.
    pub(crate) original_context: usize,
}

impl Llama3 {
    fn scale(&self, frequency: f32) -> f32 {
        let wavelength = (2.0 * PI) as f32 / frequency;
        let context = self.original_context as f32;
        if wavelength < context / self.high_frequency {
            return frequency;
        }
        if wavelength > context / self.low_frequency {
            return frequency / self.factor;
        }
        let smooth = (context / wavelength - self.low_frequency)
            / (self.high_frequency - self.low_frequency);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

/// What a decoder turns queries and keys by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frequencies {
    /// The angle per position of each pair.
    pub(crate) angles: Vec<f32>,
    /// What sines and cosines are multiplied with.
    pub(crate) amplitude: f32,
}

impl RopeParameters {
    /// The angles of these parameters. `divisors` are a model's own per pair (GGUF files of
    /// Llama 3 bring them).
    pub(crate) fn frequencies(&self, divisors: Option<&[f32]>) -> Frequencies {
        let pairs = (0..self.size / 2).map(|pair| {
            let exponent = (2 * pair) as f32 / self.size as f32;
            let period = f64::from(self.base).powf(f64::from(exponent)) as f32;
            let divisor = divisors.and_then(|all| all.get(pair)).copied().unwrap_or(1.0);
            self.scale(pair, period) / divisor
        });
        let angles = pairs.collect();
        let amplitude = match self.scaling {
            RopeScaling::Yarn(yarn) => yarn.amplitude,
            _ => 1.0,
        };
        Frequencies { angles, amplitude }
    }

    /// By what each pair's angle is divided, where the scaling is Llama 3's: GGUF files bring these
    /// numbers instead of what they follow from.
    pub(crate) fn divisors(&self) -> Option<Vec<f32>> {
        let RopeScaling::Llama3(llama3) = self.scaling else { return None };
        let plain = Self { scaling: RopeScaling::None, ..self.clone() }.frequencies(None).angles;
        Some(plain.into_iter().map(|angle| angle / llama3.scale(angle)).collect())
    }

    fn scale(&self, pair: usize, period: f32) -> f32 {
        match self.scaling {
            RopeScaling::None => 1.0 / period,
            RopeScaling::Linear(factor) => 1.0 / period / factor,
            RopeScaling::Llama3(llama3) => llama3.scale(1.0 / period),
            RopeScaling::Yarn(yarn) => {
                let (low, width) = yarn.ramp(self.size, self.base);
                let keep = 1.0 - ((pair as f32 - low) / width).clamp(0.0, 1.0);
                1.0 / (yarn.factor * period) * (1.0 - keep) + 1.0 / period * keep
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(scaling: RopeScaling) -> Vec<f32> {
        let pairing = Pairing::Halves;
        let rope = RopeParameters { pairing, size: 16, base: 10_000.0, scaling };
        rope.frequencies(None).angles
    }

    fn close(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() <= wanted * 2e-7, "{found} {wanted}");
        }
    }

    /// Every wanted list is what transformers computes.
    #[test]
    fn angles_are_those_of_transformers() {
        close(&frequencies(RopeScaling::None), &PLAIN);
        close(&frequencies(RopeScaling::Linear(4.0)), &PLAIN.map(|x| x / 4.0));
        let llama3 =
            Llama3 { factor: 8.0, low_frequency: 1.0, high_frequency: 4.0, original_context: 512 };
        close(&frequencies(RopeScaling::Llama3(llama3)), &LLAMA3);
        close(&frequencies(RopeScaling::Yarn(yarn(true))), &YARN);
        close(&frequencies(RopeScaling::Yarn(yarn(false))), &YARN_WHOLE);
    }

    fn yarn(truncate: bool) -> Yarn {
        Yarn {
            factor: 8.0,
            original_context: 512,
            beta_fast: Yarn::BETA_FAST,
            beta_slow: Yarn::BETA_SLOW,
            truncate,
            amplitude: 1.0,
        }
    }

    const PLAIN: [f32; 8] =
        [1.0, 0.31622776, 0.1, 0.03162278, 0.01, 0.0031622779, 0.001, 0.0003162278];
    const LLAMA3: [f32; 8] =
        [1.0, 0.31622776, 0.1, 0.018496677, 0.00125, 0.00039528473, 0.000125, 3.9528473e-05];
    const YARN: [f32; 8] =
        [1.0, 0.24705294, 0.056250002, 0.01087033, 0.00125, 0.00039528473, 0.000125, 3.9528473e-05];
    const YARN_WHOLE: [f32; 8] =
        [1.0, 0.29893628, 0.06546508, 0.011510123, 0.00125, 0.00039528473, 0.000125, 3.9528473e-05];

    #[test]
    fn a_ramp_without_width_is_no_division_by_zero() {
        let narrow = Yarn { beta_fast: 1.0, beta_slow: 1.0, truncate: false, ..yarn(true) };
        assert!(frequencies(RopeScaling::Yarn(narrow)).iter().all(|angle| angle.is_finite()));
    }

    #[test]
    fn a_models_own_divisors_are_applied() {
        let rope = RopeParameters {
            pairing: Pairing::Neighbours,
            size: 4,
            base: 100.0,
            scaling: RopeScaling::None,
        };
        assert_eq!(rope.frequencies(Some(&[2.0, 4.0])).angles, [0.5, 0.025]);
    }
}
