//! Attention over pasts of any length, heads of any size, and scores of any magnitude.

use proptest::prelude::*;
use textport_kernels::{
    CacheKind, CacheNumber, F16, F32, Heads, Isa, Past, Pool, Q8_0, Queries, SPAN, Span, attend,
};

use super::made::{Noise, ROUNDING};

/// One sequence of which the last tokens are computed.
struct Sequence<T> {
    heads: Heads,
    first: usize,
    /// Per head, span by span.
    keys: Vec<Vec<T>>,
    values: Vec<Vec<T>>,
}

impl<T: CacheNumber> Past<T> for Sequence<T> {
    fn position(&self, token: usize) -> usize {
        self.first + token
    }

    fn span(&self, _: usize, kv_head: usize, start: usize) -> Span<'_, T> {
        let each = T::per_position(self.heads.size);
        let range = start * each..(start + SPAN) * each;
        Span { keys: &self.keys[kv_head][range.clone()], values: &self.values[kv_head][range] }
    }
}

/// Keys and values of all positions as floats, per head.
struct Floats {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

/// Numbers of so few digits that halves hold them.
fn coarse(len: usize, (least, most): (i32, i32), noise: &mut Noise) -> Vec<f32> {
    let mut one = || {
        let exponent = least + noise.below((most - least) as usize) as i32;
        let digits = f64::from(noise.byte().cast_signed()) / 128.0;
        (digits * f64::from(exponent).exp2()) as f32
    };
    (0..len).map(|_| one()).collect()
}

/// Spans with everything at its place, and what is no number wherever nobody looks.
fn sequence<T: CacheNumber>(isa: Isa, heads: Heads, first: usize, floats: &Floats) -> Sequence<T> {
    let spans = |all: &[f32], put: fn(Isa, &[f32], &mut [T], usize)| -> Vec<T> {
        let (each, nothing) = (T::per_position(heads.size), vec![f32::NAN; heads.size]);
        let positions = all.len() / heads.size;
        let mut spans = vec![T::default(); positions.next_multiple_of(SPAN) * each];
        for (index, span) in spans.chunks_mut(SPAN * each).enumerate() {
            for slot in 0..SPAN {
                let at = (index * SPAN + slot) * heads.size;
                put(isa, all.get(at..at + heads.size).unwrap_or(&nothing), span, slot);
            }
        }
        spans
    };
    let keys = floats.keys.iter().map(|keys| spans(keys, T::put_key)).collect();
    let values = floats.values.iter().map(|values| spans(values, T::put_value)).collect();
    Sequence { heads, first, keys, values }
}

/// By how much a kept number of a head may differ: half a unit of the scale that it shares.
fn off(kind: CacheKind, head: &[f32]) -> Vec<f64> {
    let unit = |numbers: &[f32]| match kind {
        CacheKind::F32 | CacheKind::F16 => 0.0,
        CacheKind::Q8_0 => {
            let largest = numbers.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            f64::from(largest) / 127.0 * (1.0 + 1.0 / 1024.0) + (-24.0_f64).exp2()
        }
    };
    head.chunks(32).flat_map(|some| vec![0.500_001 * unit(some); some.len()]).collect()
}

/// What a query finds, and by how much each number may be wrong.
///
/// A score is wrong by what its keys are, and by two roundings for each of its products. A weight
/// is wrong by as much relatively, by its exponential's roundings, and by four for each span that
/// it is carried through; then come the sums of weights and of values, of which every weight is
/// part twice.
fn wanted(kind: CacheKind, query: &[f32], keys: &[f32], values: &[f32]) -> Vec<(f64, f64)> {
    let size = query.len();
    let count = keys.len() / size;
    let (mut scores, mut wrong) = (Vec::new(), 0.0_f64);
    for key in keys.chunks(size) {
        let (mut score, mut most) = (0.0, 0.0);
        for ((k, off), q) in key.iter().zip(off(kind, key)).zip(query) {
            let (k, q) = (f64::from(*k), f64::from(*q));
            score += k * q;
            most += off * q.abs() + (2.0 * size as f64 + 8.0) * ROUNDING * (k * q).abs();
        }
        scores.push(score);
        wrong = wrong.max(most);
    }
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    let roundings = 4.0 * (count / SPAN + 1) as f64 + 2.0 * count as f64 + 24.0;
    let relative = (2.0 * (wrong + roundings * ROUNDING)).exp_m1();
    let largest = f64::from(values.iter().fold(0.0_f32, |most, x| most.max(x.abs())));
    let offs: Vec<_> = values.chunks(size).map(|value| off(kind, value)).collect();
    let column = |c: usize| {
        let (mut sum, mut magnitude, mut wrong) = (0.0, 0.0, 0.0_f64);
        for ((weight, value), off) in weights.iter().zip(values.chunks(size)).zip(&offs) {
            sum += weight * f64::from(value[c]);
            magnitude += weight * (f64::from(value[c]).abs() + off[c]);
            wrong = wrong.max(off[c]);
        }
        // Weights below e^-87 stay there; and no number is smaller than the smallest.
        let least = count as f64 * (-86.0_f64).exp() * largest + 1e-44;
        (sum / total, relative * magnitude / total + wrong + least)
    };
    (0..size).map(column).collect()
}

fn check<T: CacheNumber>(
    heads: Heads,
    first: usize,
    floats: &Floats,
    queries: &[f32],
    threads: usize,
) {
    let width = heads.queries * heads.size;
    let tokens = queries.len() / width;
    let pool = Pool::new(threads, "test").unwrap();
    for isa in Isa::available() {
        let past = sequence::<T>(isa, heads, first, floats);
        let mut out = vec![f32::NAN; queries.len()];
        let rows = Queries { rows: queries, stride: width };
        attend(&pool, isa, heads, rows, std::slice::from_ref(&(0..tokens)), &past, &mut out);
        let all = queries.chunks(heads.size).zip(out.chunks(heads.size));
        for (at, (query, found)) in all.enumerate() {
            let (token, head) = (at / heads.queries, at % heads.queries);
            let kv_head = head / (heads.queries / heads.keys);
            let seen = (first + token + 1) * heads.size;
            let (keys, values) = (&floats.keys[kv_head][..seen], &floats.values[kv_head][..seen]);
            for (found, (wanted, most)) in found.iter().zip(wanted(T::KIND, query, keys, values)) {
                assert!(
                    (f64::from(*found) - wanted).abs() <= most,
                    "{:?}, {isa}, token {token}, head {head}: {found:e} is not {wanted:e}",
                    T::KIND
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_shape_and_any_magnitude(
        keys in 1..4_usize, group in 1..6_usize, size in 1..70_usize, first in 0..140_usize,
        many in 1..9_usize, kind in 0..4_usize, threads in 1..4_usize, seed: u32,
    ) {
        let heads = Heads { queries: keys * group, keys, size };
        let tokens = many.min(heads.tokens_together());
        let mut noise = Noise(seed);
        // Usual numbers; scores of zero; scores far apart; values from the smallest half to
        // nearly the largest.
        let [query, key, value] = [
            [(-3, 1), (-3, 1), (-3, 1)],
            [(-149, -120), (-7, 0), (-3, 1)],
            [(0, 6), (0, 4), (-3, 1)],
            [(-3, 1), (-3, 1), (-17, 16)],
        ][kind];
        let mut list = |range| -> Vec<Vec<f32>> {
            (0..keys).map(|_| coarse((first + tokens) * size, range, &mut noise)).collect()
        };
        let floats = Floats { keys: list(key), values: list(value) };
        let queries = coarse(tokens * keys * group * size, query, &mut noise);
        check::<F16>(heads, first, &floats, &queries, threads);
        check::<F32>(heads, first, &floats, &queries, threads);
        check::<Q8_0>(heads, first, &floats, &queries, threads);
    }
}
