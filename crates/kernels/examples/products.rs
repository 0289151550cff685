//! Speed of the products: `cargo run --release -p textport-kernels --example products [THREADS]`.
//!
//! For every format and a few shapes: multiply-adds per second of a batch, and bytes of weights per
//! second of a single token. Medians of several runs.

use std::time::Instant;

use textport_kernels::{
    Blocks, Bytes, FloatRows, Input, Isa, Number, Operand, Packed, Pool, multiply,
};

const COLUMNS: usize = 1024;
const ROWS: usize = 3072;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let isa = Isa::from_environment()?;
    let pool = Pool::new(threads, "bench")?;
    show(&format!("{isa}, {threads} threads, {ROWS} x {COLUMNS}"));
    let random = |len: usize| -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x3B
        };
        (0..len).map(|_| next()).collect()
    };
    let all = [
        Blocks::Q4_0,
        Blocks::Q4_1,
        Blocks::Q5_0,
        Blocks::Q5_1,
        Blocks::Q8_0,
        Blocks::Q2K,
        Blocks::Q3K,
        Blocks::Q4K,
        Blocks::Q5K,
        Blocks::Q6K,
    ];
    for blocks in all {
        let (columns, bytes) = blocks.block();
        let row_bytes = COLUMNS / columns * bytes;
        let stored = random(ROWS * row_bytes);
        let rows: Vec<&[u8]> = stored.chunks_exact(row_bytes).collect();
        // Several copies: one would stay in the caches.
        let mut copies = Vec::new();
        let start = Instant::now();
        for _ in 0..32 {
            let mut packed = Packed::zeroed(isa, blocks, ROWS, COLUMNS)?;
            let panel_rows = packed.panel_rows();
            packed
                .panels_mut()
                .zip(rows.chunks(panel_rows))
                .for_each(|(panel, rows)| panel.pack(rows));
            copies.push(packed);
        }
        let packing = (32 * stored.len()) as f64 / start.elapsed().as_secs_f64() / 1e9;
        let operands: Vec<_> = copies.iter().map(Operand::Packed).collect();
        run(
            &pool,
            isa,
            &format!("{blocks:?} (packing {packing:.1} GB/s)"),
            &operands,
            stored.len(),
        );
    }
    for number in [Number::F16, Number::Bf16, Number::F32] {
        let bytes = ROWS * COLUMNS * number.bytes();
        // Random bytes would be numbers too small to be normal, which processors are slow with.
        let one: &[u8] = match number {
            Number::F16 => &[0, 0x3c],
            Number::Bf16 => &[0x80, 0x3f],
            Number::F32 => &[0, 0, 0x80, 0x3f],
        };
        let copies: Vec<_> = (0..8).map(|_| one.repeat(ROWS * COLUMNS)).collect();
        let operands: Vec<_> = copies
            .iter()
            .map(|bytes| Operand::Floats(FloatRows::new(bytes, number, ROWS, COLUMNS)))
            .collect();
        run(&pool, isa, &format!("{number:?}"), &operands, bytes);
    }
    Ok(())
}

fn run(pool: &Pool, isa: Isa, name: &str, copies: &[Operand<'_>], bytes: usize) {
    let mut line = format!("{name:28}");
    for tokens in [1, 2, 4, 8, 16, 128, 512] {
        let floats = vec![0.5; tokens * COLUMNS];
        let Ok(mut room) = Bytes::new(tokens, COLUMNS) else { return };
        for (quad, rows) in room.quads_mut(tokens, COLUMNS).zip(floats.chunks(4 * COLUMNS)) {
            let mut quad = quad;
            for (token, row) in rows.chunks(COLUMNS).enumerate() {
                quad.set(isa, token, row);
            }
        }
        let input = Input { floats: &floats, bytes: Some(room.rows(tokens, COLUMNS)), tokens };
        let mut out = vec![0.0; tokens * ROWS];
        let repeats = (4096 / tokens).clamp(3, 96).max(copies.len().min(32));
        let mut times: Vec<f64> = Vec::new();
        for round in 0..repeats {
            let start = Instant::now();
            multiply(pool, isa, &copies[round % copies.len()..][..1], input, &mut out);
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let time = times[times.len() / 2];
        let rate = (ROWS * COLUMNS * tokens) as f64 / time / 1e9;
        if tokens == 1 {
            line += &format!(" {:6.1} GB/s |", bytes as f64 / time / 1e9);
        }
        line += &format!(" {tokens}: {rate:6.1}");
    }
    show(&(line + " GMAC/s"));
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn show(line: &str) {
    println!("{line}");
}
