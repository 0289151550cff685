//! Attention and the small vector functions, against f64.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use textport_kernels::{
    CacheNumber, F16, F32, Heads, Isa, Past, Pool, Q8_0, Queries, SPAN, Span, attend, exp_sum,
    rms_norm, rms_norm_in_place, store, swiglu,
};

fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn close(found: f32, wanted: f64, size: f64) -> bool {
    (f64::from(found) - wanted).abs() <= 1e-5 * size + 1e-6
}

/// Two sequences; tokens name theirs and their position.
struct Sequences<T> {
    heads: Heads,
    tokens: Vec<(usize, usize)>,
    /// Per sequence and head the keys and the values of all positions, span by span.
    keys: Vec<Vec<Vec<T>>>,
    values: Vec<Vec<Vec<T>>>,
}

impl<T: CacheNumber> Past<T> for Sequences<T> {
    fn position(&self, token: usize) -> usize {
        self.tokens[token].1
    }

    fn span(&self, token: usize, kv_head: usize, start: usize) -> Span<'_, T> {
        assert!(start.is_multiple_of(SPAN));
        let (each, sequence) = (T::per_position(self.heads.size), self.tokens[token].0);
        Span {
            keys: &self.keys[sequence][kv_head][start * each..(start + SPAN) * each],
            values: &self.values[sequence][kv_head][start * each..(start + SPAN) * each],
        }
    }
}

const LENGTH: usize = 150;

/// Heads of numbers that every kind of cache holds exactly, in bytes as multiples of a power of two of
/// which the largest is 127; some are zeros, some huge, some tiny.
fn exact(seed: u32, size: usize, spread: bool) -> Vec<f32> {
    let numbers = noise(seed, LENGTH * size);
    let mut heads: Vec<f32> = numbers.into_iter().map(|x| (x * 127.0).round() / 128.0).collect();
    for (position, head) in heads.chunks_mut(size).enumerate() {
        for (group, numbers) in head.chunks_mut(32).enumerate() {
            numbers[group % numbers.len()] = 127.0 / 128.0;
            let factor = match (position * 7 + group) % 11 {
                3 => 0.0,
                5 if spread => 8.0,
                7 if spread => 1.0 / 64.0,
                _ => 1.0,
            };
            numbers.iter_mut().for_each(|x| *x *= factor);
        }
    }
    heads
}

fn keys(size: usize, sequence: usize, head: usize) -> Vec<f32> {
    exact((1 + 10 * sequence + head) as u32, size, false)
}

fn values(size: usize, sequence: usize, head: usize) -> Vec<f32> {
    exact((501 + 10 * sequence + head) as u32, size, true)
}

/// Keeps one position of a head of `size` numbers where it belongs.
fn put<T: CacheNumber>(spans: &mut [T], position: usize, [key, value]: [Option<&[f32]>; 2]) {
    let size = key.or(value).unwrap().len();
    let each = SPAN * T::per_position(size);
    let span = &mut spans[position / SPAN * each..][..each];
    if let Some(key) = key {
        T::put_key(Isa::best(), key, span, position % SPAN);
    }
    if let Some(value) = value {
        T::put_value(Isa::best(), value, span, position % SPAN);
    }
}

fn sequences<T: CacheNumber>(heads: Heads, tokens: Vec<(usize, usize)>) -> Sequences<T> {
    let size = heads.size;
    let spans = || vec![T::default(); LENGTH.next_multiple_of(SPAN) * T::per_position(size)];
    let nothing = vec![f32::NAN; size];
    let made = |numbers: &dyn Fn(usize, usize) -> Vec<f32>, are_keys: bool| -> Vec<Vec<Vec<T>>> {
        let head = |s: usize, h: usize| {
            let (mut spans, numbers) = (spans(), numbers(s, h));
            // Positions beyond the last are no numbers.
            for position in 0..LENGTH.next_multiple_of(SPAN) {
                let row = numbers.get(position * size..(position + 1) * size).unwrap_or(&nothing);
                let both = if are_keys { [Some(row), None] } else { [None, Some(row)] };
                put(&mut spans, position, both);
            }
            spans
        };
        (0..2).map(|s| (0..heads.keys).map(|h| head(s, h)).collect()).collect()
    };
    Sequences {
        heads,
        tokens,
        keys: made(&|s, h| keys(size, s, h), true),
        values: made(&|s, h| values(size, s, h), false),
    }
}

fn wanted(
    heads: Heads,
    query: &[f32],
    (sequence, position): (usize, usize),
    head: usize,
) -> Vec<f64> {
    let kv_head = head / (heads.queries / heads.keys);
    let keys = keys(heads.size, sequence, kv_head);
    let values = values(heads.size, sequence, kv_head);
    let weights: Vec<f64> = keys
        .chunks(heads.size)
        .take(position + 1)
        .map(|key| {
            key.iter().zip(query).map(|(k, q)| f64::from(*k) * f64::from(*q)).sum::<f64>().exp()
        })
        .collect();
    let total: f64 = weights.iter().sum();
    (0..heads.size)
        .map(|c| {
            let terms = weights.iter().zip(values.chunks(heads.size));
            terms.map(|(w, row)| w * f64::from(row[c])).sum::<f64>() / total
        })
        .collect()
}

fn check<T: CacheNumber>(heads: Heads, threads: usize) {
    // A piece of a prompt, single tokens of both sequences, another piece.
    let first = (3..3 + heads.tokens_together().min(7)).map(|position| (0, position));
    let mut tokens: Vec<_> = first.collect();
    let mut runs = Vec::new();
    runs.push(0..tokens.len());
    for token in [(1, 0), (0, 63), (1, 64), (0, 149)] {
        runs.push(tokens.len()..tokens.len() + 1);
        tokens.push(token);
    }
    let (width, extra) = (heads.queries * heads.size, 5);
    let queries = noise(77, tokens.len() * (width + extra));
    let past = sequences::<T>(heads, tokens.clone());
    let pool = Pool::new(threads, "test").unwrap();
    for isa in Isa::available() {
        let mut out = vec![f32::NAN; tokens.len() * width];
        let rows = Queries { rows: &queries, stride: width + extra };
        attend(&pool, isa, heads, rows, &runs, &past, &mut out);
        for (t, token) in tokens.iter().enumerate() {
            for head in 0..heads.queries {
                let query = &queries[t * (width + extra) + head * heads.size..][..heads.size];
                let found = &out[t * width + head * heads.size..][..heads.size];
                for (found, wanted) in found.iter().zip(wanted(heads, query, *token, head)) {
                    assert!(
                        close(*found, wanted, 8.0),
                        "{isa}, {:?}, token {t}: {found} is not {wanted}",
                        T::KIND
                    );
                }
            }
            // The same bits, whatever is computed beside it.
            let alone = sequences::<T>(heads, vec![*token]);
            let mut one = vec![f32::NAN; width];
            let rows = Queries { rows: &queries[t * (width + extra)..][..width], stride: width };
            attend(&pool, isa, heads, rows, std::slice::from_ref(&(0..1)), &alone, &mut one);
            let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&one), bits(&out[t * width..][..width]), "{isa}, token {t}");
        }
    }
}

#[test]
fn heads_of_every_shape_attend_rightly() {
    for (queries, keys, size) in
        [(9, 3, 64), (4, 2, 8), (2, 2, 128), (20, 1, 16), (6, 2, 40), (5, 5, 100)]
    {
        let heads = Heads { queries, keys, size };
        check::<F16>(heads, 1);
        check::<F32>(heads, 3);
        check::<Q8_0>(heads, 2);
    }
}

#[test]
fn stored_numbers_are_the_nearest() {
    let mut row = noise(3, 77);
    row.extend([1e9, -1e9, 0.0, 1e-9, 65_519.0, 65_520.0, f32::INFINITY]);
    for isa in Isa::available() {
        let mut found = vec![F16::default(); row.len()];
        store(isa, &row, &mut found);
        let wanted: Vec<F16> = row.iter().copied().map(F16::from).collect();
        assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{isa}");
    }
}

#[test]
fn norms_gates_and_powers_are_right() {
    for isa in Isa::available() {
        let (row, weight) = (noise(1, 100), noise(2, 100));
        let (mut out, mut in_place) = (vec![0.0; 100], row.clone());
        rms_norm(isa, &row, &weight, 1e-5, &mut out);
        rms_norm_in_place(isa, &mut in_place, &weight, 1e-5);
        assert_eq!(out, in_place, "{isa}");
        let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 100.0;
        for ((x, w), found) in row.iter().zip(&weight).zip(&out) {
            let wanted = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*w);
            assert!(close(*found, wanted, 1.0), "{isa}");
        }
        swiglu(isa, &row, &weight, &mut out);
        for ((gate, up), found) in row.iter().zip(&weight).zip(&out) {
            let gate = f64::from(*gate);
            assert!(close(*found, gate / (1.0 + (-gate).exp()) * f64::from(*up), 1.0), "{isa}");
        }
        let mut powers = row.clone();
        let total = exp_sum(isa, &mut powers, 0.5);
        let wanted: f64 = row.iter().map(|x| (f64::from(*x) - 0.5).exp()).sum();
        assert!(close(total, wanted, wanted), "{isa}: {total} is not {wanted}");
        let mut spread: Vec<f32> = (-900..900).map(|i| i as f32 * 0.09).collect();
        let before = spread.clone();
        exp_sum(isa, &mut spread, 0.0);
        for (x, found) in before.iter().zip(&spread) {
            let wanted = f64::from(*x).exp();
            assert!(
                (f64::from(*found) - wanted).abs() <= 3e-7 * wanted,
                "{isa}: e^{x} is not {found}"
            );
        }
    }
}

fn unseen_spoils_nothing<T: CacheNumber>() {
    let heads = Heads { queries: 4, keys: 2, size: 40 };
    let queries = noise(5, 3 * 160);
    let pool = Pool::new(1, "test").unwrap();
    for isa in Isa::available() {
        let mut past = sequences::<T>(heads, vec![(0, 70), (0, 71), (0, 72)]);
        let mut attended = |spoil: Option<bool>| {
            for head in 0..2 {
                let nothing = Some(&[f32::NAN; 40][..]);
                match spoil {
                    Some(true) => put(&mut past.keys[0][head], 72, [nothing, None]),
                    Some(false) => put(&mut past.values[0][head], 72, [None, nothing]),
                    None => {}
                }
            }
            let mut out = vec![0.0; 3 * 160];
            let rows = Queries { rows: &queries, stride: 160 };
            attend(&pool, isa, heads, rows, std::slice::from_ref(&(0..3)), &past, &mut out);
            out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let whole = attended(None);
        for which in [false, true] {
            let spoilt = attended(Some(which));
            assert_eq!(whole[..320], spoilt[..320], "{isa}");
            assert!(spoilt[320..].iter().all(|bits| f32::from_bits(*bits).is_nan()), "{isa}");
        }
    }
}

#[test]
fn what_a_token_does_not_see_cannot_spoil_it() {
    unseen_spoils_nothing::<F32>();
    unseen_spoils_nothing::<F16>();
    unseen_spoils_nothing::<Q8_0>();
}

#[test]
fn a_head_with_an_infinite_number_is_no_number() {
    fn check<T: CacheNumber>(isa: Isa) {
        let heads = Heads { queries: 2, keys: 2, size: 40 };
        let mut head = [1.0; 40];
        head[3] = f32::INFINITY;
        let pool = Pool::new(1, "test").unwrap();
        for both in [[Some(&head[..]), None], [None, Some(&head[..])]] {
            let mut past = sequences::<T>(heads, vec![(1, 20)]);
            let into = if both[0].is_some() { &mut past.keys } else { &mut past.values };
            put(&mut into[1][1], 20, both);
            let mut out = vec![0.0; 80];
            let rows = Queries { rows: &[0.25; 80], stride: 80 };
            attend(&pool, isa, heads, rows, std::slice::from_ref(&(0..1)), &past, &mut out);
            assert!(out[..40].iter().all(|x| x.is_finite()), "{isa}, {:?}", T::KIND);
            assert!(out[40..].iter().any(|x| x.is_nan()), "{isa}, {:?}", T::KIND);
        }
    }
    for isa in Isa::available() {
        check::<F32>(isa);
        check::<F16>(isa);
        check::<Q8_0>(isa);
    }
}

#[test]
fn rows_too_large_to_be_squared_are_no_zeros() {
    for isa in Isa::available() {
        let mut out = [0.0; 20];
        rms_norm(isa, &[1e30; 20], &[1.0; 20], 1e-6, &mut out);
        assert!(out.iter().all(|x| x.is_nan()), "{isa}");
    }
}
