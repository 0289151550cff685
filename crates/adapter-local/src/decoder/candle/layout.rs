//! A step laid out in rows: which token goes where, and whose keys are looked at together.
//!
//! In a steady step every sequence takes one token. Those are filled up with rows that belong to
//! nobody and with pages that nobody sees, so that they come in few forms; steps of one form are the
//! same kernels over the same addresses, and all that differs is numbers in a buffer.

use super::super::pages::PAGE;
use super::super::plan::Place;
use super::super::sequences::Tables;
use super::cache::Shape;
use super::groups::{Extent, Run, extents, grouped, runs};

/// Most rows of a step.
pub(super) const MOST_ROWS: usize = 512;

/// Rows whose logits are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Chosen {
    All,
    Some(usize),
}

/// What decides which kernels a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) extents: Vec<Extent>,
    pub(super) chosen: Chosen,
}

impl Form {
    pub(super) fn rows(&self) -> usize {
        self.extents.iter().map(|extent| extent.rows()).sum()
    }

    /// A steady step of rows that belong to nobody.
    pub(super) fn of_nobody(rows: usize) -> Self {
        let extent = Extent { first: 0, sequences: rows, each: 1, pages: 1 };
        Self { extents: vec![extent], chosen: Chosen::All }
    }

    /// What a step of this form over such rows is given, until it is filled in: tokens, positions,
    /// slots, chosen rows, pages.
    pub(super) fn numbers_of_nobody(&self, nobodys: u32) -> Vec<u32> {
        let rows = self.rows();
        let mut numbers = vec![0; 2 * rows];
        numbers.resize(3 * rows, nobodys * PAGE as u32);
        if let Chosen::Some(count) = self.chosen {
            numbers.resize(numbers.len() + count, 0);
        }
        let pages: usize = self.extents.iter().map(|extent| extent.sequences * extent.pages).sum();
        numbers.resize(numbers.len() + pages, nobodys);
        numbers
    }
}

/// A step.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) form: Form,
    /// Whether every sequence takes one token, and the form is one of few.
    pub(super) steady: bool,
    /// The rows whose logits are wanted, in the order of their places.
    pub(super) wanted: Vec<usize>,
    /// Everything else that the device is told.
    pub(super) numbers: Vec<u32>,
}

impl Layout {
    /// The layout of these tokens; `nobodys` is a page without a sequence.
    pub(super) fn new(places: &[Place], tables: &Tables, shape: Shape, nobodys: u32) -> Self {
        let runs = runs(places);
        let wanted = places.iter().any(|place| place.wanted);
        let mut steady = wanted && runs.iter().all(|run| run.len == 1);
        let mut groups = grouped(runs.clone(), shape, steady);
        let mut extents = extents(&groups, steady);
        if steady && extents.iter().map(|extent| extent.rows()).sum::<usize>() > MOST_ROWS {
            steady = false;
            groups = grouped(runs, shape, steady);
            extents = self::extents(&groups, steady);
        }
        let row_of = row_of(&groups, &extents, places.len());
        let wanted = places.iter().zip(&row_of).filter(|(place, _)| place.wanted);
        let wanted: Vec<usize> = wanted.map(|(_, row)| *row).collect();
        let in_order = wanted.len() == places.len() && wanted.is_sorted();
        let chosen = if steady || in_order { Chosen::All } else { Chosen::Some(wanted.len()) };
        let form = Form { extents, chosen };
        let mut numbers = form.numbers_of_nobody(nobodys);
        fill(&mut numbers, &form, places, tables, &row_of);
        let rows = form.rows();
        let mut at = 3 * rows;
        if let Chosen::Some(count) = chosen {
            for (number, row) in numbers[at..at + count].iter_mut().zip(&wanted) {
                *number = *row as u32;
            }
            at += count;
        }
        for (runs, extent) in groups.iter().zip(&form.extents) {
            for run in runs {
                let table = &tables.of(places[run.first].sequence)[..run.pages];
                numbers[at..at + extent.pages].fill(table[0]);
                numbers[at..at + run.pages].copy_from_slice(table);
                at += extent.pages;
            }
            at += (extent.sequences - runs.len()) * extent.pages;
        }
        Self { form, steady, wanted, numbers }
    }
}

/// Writes token, position and slot of every place to its row.
fn fill(numbers: &mut [u32], form: &Form, places: &[Place], tables: &Tables, row_of: &[usize]) {
    let rows = form.rows();
    for (place, row) in places.iter().zip(row_of) {
        let page = tables.of(place.sequence)[place.position / PAGE];
        numbers[*row] = place.token;
        numbers[rows + row] = place.position as u32;
        numbers[2 * rows + row] = page * PAGE as u32 + (place.position % PAGE) as u32;
    }
}

/// The row of each place.
fn row_of(groups: &[Vec<Run>], extents: &[Extent], places: usize) -> Vec<usize> {
    let mut row_of = vec![0; places];
    for (runs, extent) in groups.iter().zip(extents) {
        for (at, run) in runs.iter().enumerate() {
            let first = extent.first + at * extent.each;
            for (row, place) in (first..).zip(&mut row_of[run.first..run.first + run.len]) {
                *place = row;
            }
        }
    }
    row_of
}

#[cfg(test)]
mod tests {
    use super::super::super::SequenceId;
    use super::super::super::sequences::Sequences;
    use super::super::cache::DevicePages;
    use super::*;

    const SHAPE: Shape = Shape { layers: 1, heads: 1, head_size: 2, exact: true };

    fn sequences(lens: &[usize]) -> (Sequences<DevicePages>, Vec<SequenceId>) {
        let pages = DevicePages::new(&candle_core::Device::Cpu, SHAPE, 16).unwrap();
        let mut sequences = Sequences::new(pages, 8);
        let ids = lens.iter().map(|len| {
            let id = sequences.open().unwrap();
            sequences.reach(id, *len).unwrap();
            id
        });
        let ids = ids.collect();
        (sequences, ids)
    }

    fn place(sequence: SequenceId, position: usize, wanted: bool) -> Place {
        Place { sequence, position, token: 100 + position as u32, wanted }
    }

    #[test]
    fn a_steady_step_is_filled_up_with_rows_of_nobody() {
        // Pages 0, then 1 and 2, then 3.
        let (mut sequences, ids) = sequences(&[10, 70, 5]);
        let (_, tables) = sequences.pages();
        let places = [place(ids[0], 9, true), place(ids[1], 69, true), place(ids[2], 4, false)];
        let layout = Layout::new(&places, tables, SHAPE, 16);
        assert!(layout.steady);
        let extent = Extent { first: 0, sequences: 4, each: 1, pages: 2 };
        assert_eq!(layout.form, Form { extents: vec![extent], chosen: Chosen::All });
        assert_eq!(layout.wanted, [1, 0]);
        let (page, nobodys) = (PAGE as u32, 16);
        let wanted = [
            [169, 109, 104, 0],
            [69, 9, 4, 0],
            [2 * page + 5, 9, 3 * page + 4, nobodys * page],
            [1, 2, 0, 0],
            [3, 3, nobodys, nobodys],
        ];
        assert_eq!(layout.numbers, wanted.concat());
    }

    #[test]
    fn a_step_of_prompts_is_taken_as_it_is() {
        let (mut sequences, ids) = sequences(&[3, 2]);
        let (_, tables) = sequences.pages();
        let places = [
            place(ids[0], 0, false),
            place(ids[0], 1, false),
            place(ids[0], 2, true),
            place(ids[1], 1, true),
        ];
        let layout = Layout::new(&places, tables, SHAPE, 16);
        assert!(!layout.steady);
        // The run of one token comes first.
        assert_eq!((layout.form.rows(), layout.form.chosen), (4, Chosen::Some(2)));
        assert_eq!(layout.wanted, [3, 0]);
        assert_eq!(layout.numbers[..4], [101, 100, 101, 102]);
        assert_eq!(layout.numbers[12..], [3, 0, 1, 0]);
        let silent = places.map(|place| Place { wanted: false, ..place });
        let layout = Layout::new(&silent, tables, SHAPE, 16);
        assert_eq!((layout.form.chosen, layout.wanted.len()), (Chosen::Some(0), 0));
    }
}
