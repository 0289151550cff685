//! Buffers of one step, made once: a step allocates a few short lists and no row.

use std::collections::TryReserveError;

use crate::checkpoint::Parameters;
use crate::cpu::Isa;
use crate::weights::{Activations, Needs};

/// Most tokens of one step of prefill, and what its buffers may take.
const MOST_ROWS: usize = 256;
const MOST_BYTES: usize = 48 << 20;

/// Room for the rows of one step.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Most rows of a step.
    pub(super) rows: usize,
    /// What layers pass on.
    pub(super) stream: Vec<f32>,
    /// Queries, keys and values; later gates and ups.
    pub(super) wide: Vec<f32>,
    /// What attention gives.
    pub(super) attended: Vec<f32>,
    /// What a layer adds to the stream.
    pub(super) delta: Vec<f32>,
    pub(super) activations: Activations,
    /// Rows of logits that the last step was asked for, one after the other.
    pub(super) logits: Vec<f32>,
}

impl Scratch {
    pub(super) fn new(
        isa: Isa,
        parameters: &Parameters,
        needs: Needs,
    ) -> Result<Self, TryReserveError> {
        let wide = wide(parameters);
        let input = input(parameters);
        let rows = rows(parameters);
        // Zeros that are memory only where they are used cannot be asked for in a way that fails:
        // the room for all of them is asked for once, and given back.
        Vec::<u8>::new().try_reserve_exact(rows * bytes_per_row(parameters))?;
        Ok(Self {
            rows,
            stream: vec![0.0; rows * parameters.width],
            wide: vec![0.0; rows * wide],
            attended: vec![0.0; rows * parameters.query_width()],
            delta: vec![0.0; rows * parameters.width],
            activations: Activations::new(isa, rows, input, needs)?,
            logits: Vec::new(),
        })
    }
}

fn wide(parameters: &Parameters) -> usize {
    let qkv = parameters.query_width() + 2 * parameters.kv_width();
    qkv.max(2 * parameters.feed_forward)
}

/// Widest input of any matrix.
fn input(parameters: &Parameters) -> usize {
    parameters.width.max(parameters.query_width()).max(parameters.feed_forward)
}

fn bytes_per_row(parameters: &Parameters) -> usize {
    // Activations are floats, and bytes with a scale and three sums per 32.
    let activations = input(parameters) * 11 / 2;
    let floats = 2 * parameters.width + wide(parameters) + parameters.query_width();
    floats * size_of::<f32>() + activations
}

fn rows(parameters: &Parameters) -> usize {
    (MOST_BYTES / bytes_per_row(parameters)).clamp(1, MOST_ROWS)
}

/// Bytes that the buffers of a model take when they are full.
pub(crate) fn scratch_bytes(parameters: &Parameters, vocabulary: usize) -> u64 {
    (rows(parameters) * bytes_per_row(parameters) + vocabulary * size_of::<f32>()) as u64
}
