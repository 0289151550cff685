//! What differs from step to step, as small tensors on the device.

use candle_core::{Device, Result, Tensor};

use super::super::pages::PAGE;
use super::super::plan::Place;
use super::super::rope::turns;
use super::super::sequences::Tables;
use super::cache::Shape;
use crate::checkpoint::{Frequencies, Pairing, RopeParameters};

/// Positions that the table of angles begins with.
const FIRST: usize = 1024;
/// Most bytes of keys, or of values, that are looked at together.
const MOST_GATHERED: usize = 256 << 20;

/// Cosines and sines of the positions seen so far, on the device.
#[derive(Debug)]
pub(super) struct Angles {
    pub(super) pairing: Pairing,
    frequencies: Frequencies,
    device: Device,
    /// Positions x pairs: cosines, sines.
    table: [Tensor; 2],
    positions: usize,
}

impl Angles {
    /// `divisors` are a model's own per pair.
    pub(super) fn new(
        device: &Device,
        parameters: &RopeParameters,
        divisors: Option<&[f32]>,
    ) -> Result<Self> {
        let frequencies = parameters.frequencies(divisors);
        let empty = Tensor::zeros((1, frequencies.angles.len()), candle_core::DType::F32, device)?;
        Ok(Self {
            pairing: parameters.pairing,
            frequencies,
            device: device.clone(),
            table: [empty.clone(), empty],
            positions: 0,
        })
    }

    /// Makes the table reach to `positions`, which are at most `most`.
    pub(super) fn reach(&mut self, positions: usize, most: usize) -> Result<()> {
        if positions <= self.positions {
            return Ok(());
        }
        let wanted = positions.max((2 * self.positions).max(FIRST).min(most));
        let pairs = self.frequencies.angles.len();
        let mut both = [Vec::with_capacity(wanted * pairs), Vec::with_capacity(wanted * pairs)];
        for [cos, sin] in (0..wanted).flat_map(|position| turns(&self.frequencies, position)) {
            both[0].push(cos);
            both[1].push(sin);
        }
        let [cos, sin] = both.map(|flat| Tensor::from_vec(flat, (wanted, pairs), &self.device));
        self.table = [cos?, sin?];
        self.positions = wanted;
        Ok(())
    }

    /// Cosines and sines of some positions: rows x pairs.
    fn at(&self, positions: &Tensor) -> Result<[Tensor; 2]> {
        let [cos, sin] = &self.table;
        Ok([cos.index_select(positions, 0)?, sin.index_select(positions, 0)?])
    }
}

/// Rows that look at keys and values together: as many of each of some sequences.
#[derive(Debug)]
pub(super) struct Group {
    /// Which rows of the step, sequence after sequence.
    pub(super) rows: Tensor,
    pub(super) sequences: usize,
    /// Rows of each sequence.
    pub(super) each: usize,
    /// Pages of the sequences, one after the other; short lists are filled up with any page.
    pub(super) pages: Tensor,
    /// Sequences x rows x looked-at positions: whether the row sees it.
    pub(super) sees: Tensor,
    /// Sequences x looked-at positions: whether the sequence has it.
    pub(super) has: Tensor,
}

/// A step.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Token ids.
    pub(super) tokens: Tensor,
    /// Where each number of the rows' keys (heads x rows x head size) goes.
    pub(super) slots: Tensor,
    /// Cosines and sines of the rows' positions.
    pub(super) angles: [Tensor; 2],
    pub(super) pairing: Pairing,
    pub(super) groups: Vec<Group>,
    /// Where each row is in what the groups give, if they give the rows in another order.
    pub(super) order: Option<Tensor>,
    /// Rows whose logits are wanted.
    pub(super) wanted: Option<Tensor>,
    /// All rows' logits are wanted.
    pub(super) all_wanted: bool,
}

impl Inputs {
    /// The inputs of a step over these tokens.
    pub(super) fn new(
        places: &[Place],
        tables: &Tables,
        shape: Shape,
        angles: &Angles,
    ) -> Result<Self> {
        let device = &angles.device;
        let ids = |ids: Vec<u32>| {
            let count = ids.len();
            Tensor::from_vec(ids, count, device)
        };
        let slot = |place: &Place| {
            let page = tables.of(place.sequence)[place.position / PAGE];
            page * PAGE as u32 + (place.position % PAGE) as u32
        };
        let slots = ids(places.iter().map(slot).collect())?.reshape((1, places.len(), 1))?;
        let positions = ids(places.iter().map(|place| place.position as u32).collect())?;
        let runs = grouped(runs(places), shape);
        let order = order(&runs, places.len());
        let groups = runs.into_iter().map(|runs| Group::new(&runs, places, tables, device));
        let wanted = (0..).zip(places).filter(|(_, place)| place.wanted);
        let wanted: Vec<u32> = wanted.map(|(row, _)| row).collect();
        Ok(Self {
            tokens: ids(places.iter().map(|place| place.token).collect())?,
            slots: slots
                .broadcast_as((shape.heads, places.len(), shape.head_size))?
                .contiguous()?,
            angles: angles.at(&positions)?,
            pairing: angles.pairing,
            groups: groups.collect::<Result<_>>()?,
            order: order.map(ids).transpose()?,
            all_wanted: wanted.len() == places.len(),
            wanted: (!wanted.is_empty()).then(|| ids(wanted)).transpose()?,
        })
    }
}

/// Rows of a step that follow each other in one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: usize,
    len: usize,
    /// Pages that the last of them looks at.
    pages: usize,
}

fn runs(places: &[Place]) -> Vec<Run> {
    let mut first = 0;
    let runs = places.chunk_by(|a, b| a.sequence == b.sequence).map(|run| {
        let last = run.last().map_or(0, |place| place.position);
        let run = Run { first, len: run.len(), pages: last / PAGE + 1 };
        first += run.len;
        run
    });
    runs.collect()
}

/// Runs that are computed together: those of as many rows, unless their pages differ so much, or are
/// so many, that filling up costs more than it saves.
fn grouped(mut runs: Vec<Run>, shape: Shape) -> Vec<Vec<Run>> {
    let page = shape.heads * PAGE * shape.head_size * size_of::<f32>();
    let most = (MOST_GATHERED / page.max(1)).max(1);
    runs.sort_by_key(|run| (run.len, std::cmp::Reverse(run.pages), run.first));
    let mut groups: Vec<Vec<Run>> = Vec::new();
    for run in runs {
        match groups.last_mut() {
            Some(group)
                if group[0].len == run.len
                    && group[0].pages <= 2 * run.pages
                    && (group.len() + 1) * group[0].pages <= most =>
            {
                group.push(run);
            }
            _ => groups.push(vec![run]),
        }
    }
    groups
}

/// Where each row of the step is in the groups' rows; nothing where they are in order.
fn order(groups: &[Vec<Run>], rows: usize) -> Option<Vec<u32>> {
    let mut order = vec![0; rows];
    let all = groups.iter().flatten().flat_map(|run| run.first..run.first + run.len);
    for (at, row) in (0..).zip(all) {
        order[row] = at;
    }
    (!order.is_sorted()).then_some(order)
}

impl Group {
    fn new(runs: &[Run], places: &[Place], tables: &Tables, device: &Device) -> Result<Self> {
        let (sequences, each) = (runs.len(), runs[0].len);
        let longest = runs.iter().map(|run| run.pages).max().unwrap_or(1);
        let rows = || runs.iter().flat_map(|run| run.first..run.first + run.len);
        let pages = runs.iter().flat_map(|run| {
            let table = &tables.of(places[run.first].sequence)[..run.pages];
            table.iter().copied().chain(std::iter::repeat(table[0])).take(longest)
        });
        let pages: Vec<u32> = pages.collect();
        let positions: Vec<u32> = rows().map(|row| places[row].position as u32).collect();
        let positions = Tensor::from_vec(positions, (sequences, each, 1), device)?;
        let looked_at = longest * PAGE;
        let at = Tensor::arange(0, looked_at as u32, device)?.reshape((1, 1, looked_at))?;
        let sees = at.broadcast_le(&positions)?;
        let rows: Vec<u32> = rows().map(|row| row as u32).collect();
        Ok(Self {
            rows: Tensor::from_vec(rows, sequences * each, device)?,
            sequences,
            each,
            pages: Tensor::from_vec(pages, sequences * longest, device)?,
            has: sees.narrow(1, each - 1, 1)?.reshape((sequences, looked_at))?,
            sees,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: usize, len: usize, pages: usize) -> Run {
        Run { first, len, pages }
    }

    const SHAPE: Shape = Shape { layers: 1, heads: 1, head_size: 1, exact: true };

    #[test]
    fn runs_of_as_many_rows_and_about_as_many_pages_go_together() {
        let runs = vec![run(0, 1, 1), run(1, 5, 2), run(6, 1, 9), run(7, 1, 2), run(8, 1, 5)];
        let groups = grouped(runs, SHAPE);
        let wanted = vec![
            vec![run(6, 1, 9), run(8, 1, 5)],
            vec![run(7, 1, 2), run(0, 1, 1)],
            vec![run(1, 5, 2)],
        ];
        assert_eq!(groups, wanted);
        assert_eq!(order(&groups, 9).unwrap(), [3, 4, 5, 6, 7, 8, 0, 2, 1]);
        assert_eq!(order(&grouped(vec![run(0, 1, 3), run(1, 1, 3)], SHAPE), 2), None);
    }

    #[test]
    fn what_is_looked_at_together_has_a_limit() {
        let wide = Shape { heads: 1024, head_size: 512, ..SHAPE };
        assert_eq!(grouped(vec![run(0, 1, 1), run(1, 1, 1), run(2, 1, 1)], wide).len(), 2);
    }
}
