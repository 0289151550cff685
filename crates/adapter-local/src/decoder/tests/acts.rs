//! Four sequences that live through random steps together, for whoever computes them.

use proptest::prelude::*;

use super::{Decoder, Part, SequenceId, Wanted};

/// How many sequences live together.
const SLOTS: usize = 4;
/// The context of the tiny models is a little longer.
const LONGEST: usize = 500;

/// The tokens of conversation `seed`; all begin with the same `shared`.
pub(super) fn text(seed: usize, shared: usize, len: usize) -> Vec<u32> {
    let token = |i: usize| {
        let seed = if i < shared { 0 } else { seed + 1 };
        ((i * 7919 + seed * 104_729) as u32).wrapping_mul(2_654_435_761) % 320
    };
    (0..len).map(token).collect()
}

/// What happens to a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// It gets so many tokens, as every other act gives it one.
    Extend(usize),
    /// It forgets so many.
    Rewind(usize),
    /// It becomes its neighbour, without that one's last tokens.
    Branch(usize),
    /// It becomes another one.
    Replace,
}

/// What happens in each of up to `rounds` rounds.
pub(super) fn rounds(rounds: usize) -> impl Strategy<Value = Vec<Vec<Act>>> {
    let act = prop_oneof![
        4 => (1..90_usize).prop_map(Act::Extend),
        1 => (0..90_usize).prop_map(Act::Rewind),
        1 => (0..90_usize).prop_map(Act::Branch),
        1 => Just(Act::Replace),
    ];
    prop::collection::vec(prop::collection::vec(act, SLOTS), 1..rounds)
}

type Slots = Vec<(SequenceId, Vec<u32>)>;

/// Lives through the rounds; `check` is told each sequence's tokens and the logits after them.
/// Everything is closed in the end.
pub(super) fn live(
    decoder: &mut dyn Decoder,
    rounds: &[Vec<Act>],
    check: impl Fn(&[u32], &[f32]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut slots: Slots = (0..SLOTS).map(|_| (decoder.open().unwrap(), Vec::new())).collect();
    for (round, acts) in rounds.iter().enumerate() {
        let mut fresh = Vec::new();
        for (index, act) in acts.iter().enumerate() {
            perform(decoder, &mut slots, index, *act);
        }
        for (index, act) in acts.iter().enumerate() {
            let more = if let Act::Extend(more) = act { *more } else { 1 };
            let more = more.min(LONGEST - slots[index].1.len());
            fresh.push(text(round * SLOTS + index, 0, more));
        }
        let busy: Vec<usize> = (0..SLOTS).filter(|index| !fresh[*index].is_empty()).collect();
        let part = |index: &usize| {
            let (sequence, tokens) = (slots[*index].0, fresh[*index].as_slice());
            Part { sequence, tokens, wanted: Wanted::Last }
        };
        decoder.forward(&busy.iter().map(part).collect::<Vec<_>>()).unwrap();
        for (part, index) in busy.into_iter().enumerate() {
            slots[index].1.extend(&fresh[index]);
            check(&slots[index].1, decoder.logits(part).unwrap())?;
        }
    }
    slots.into_iter().for_each(|(sequence, _)| decoder.close(sequence));
    Ok(())
}

fn perform(decoder: &mut dyn Decoder, slots: &mut Slots, index: usize, act: Act) {
    match act {
        Act::Extend(_) => {}
        Act::Rewind(back) => {
            let (sequence, tokens) = &mut slots[index];
            tokens.truncate(tokens.len().saturating_sub(back));
            decoder.truncate(*sequence, tokens.len());
        }
        Act::Branch(back) => {
            let (from, tokens) = slots[(index + 1) % SLOTS].clone();
            let len = tokens.len().saturating_sub(back);
            decoder.close(slots[index].0);
            slots[index] = (decoder.fork(from, len).unwrap(), tokens[..len].to_vec());
        }
        Act::Replace => {
            decoder.close(slots[index].0);
            slots[index] = (decoder.open().unwrap(), Vec::new());
        }
    }
}
