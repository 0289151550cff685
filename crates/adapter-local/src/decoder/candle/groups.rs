//! Which sequences of a step are computed together, and how far they are filled up.

use super::super::pages::PAGE;
use super::super::plan::Place;
use super::cache::Shape;

/// Most bytes of keys, or of values, that are looked at together.
const MOST_GATHERED: usize = 256 << 20;

/// Rows that look at keys and values together: as many of each of some sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Extent {
    /// The first of the rows; they lie sequence after sequence.
    pub(super) first: usize,
    pub(super) sequences: usize,
    /// Rows of each sequence.
    pub(super) each: usize,
    /// Pages of each sequence.
    pub(super) pages: usize,
}

impl Extent {
    pub(super) fn rows(self) -> usize {
        self.sequences * self.each
    }
}

/// Tokens of a step that follow each other in one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) len: usize,
    /// Pages that the last of them looks at.
    pub(super) pages: usize,
}

pub(super) fn runs(places: &[Place]) -> Vec<Run> {
    let mut first = 0;
    let runs = places.chunk_by(|a, b| a.sequence == b.sequence).map(|run| {
        let last = run.last().map_or(0, |place| place.position);
        let run = Run { first, len: run.len(), pages: last / PAGE + 1 };
        first += run.len;
        run
    });
    runs.collect()
}

/// Runs that are computed together: those of as many tokens, unless their pages differ so much, or
/// are so many, that filling up costs more than it saves.
pub(super) fn grouped(mut runs: Vec<Run>, shape: Shape, steady: bool) -> Vec<Vec<Run>> {
    let page = shape.heads * PAGE * shape.head_size * size_of::<f32>();
    let most = (MOST_GATHERED / page.max(1)).max(1);
    runs.sort_by_key(|run| (run.len, std::cmp::Reverse(run.pages), run.first));
    let mut groups: Vec<Vec<Run>> = Vec::new();
    for run in runs {
        match groups.last_mut() {
            Some(group)
                if group[0].len == run.len
                    && group[0].pages <= 2 * run.pages
                    && filled_up(group.len() + 1, group[0].pages, steady) <= most =>
            {
                group.push(run);
            }
            _ => groups.push(vec![run]),
        }
    }
    groups
}

/// Pages that so many sequences of so many pages look at.
fn filled_up(sequences: usize, pages: usize, steady: bool) -> usize {
    if steady { rounded_sequences(sequences) * rounded_pages(pages) } else { sequences * pages }
}

pub(super) fn extents(groups: &[Vec<Run>], steady: bool) -> Vec<Extent> {
    let mut first = 0;
    let extents = groups.iter().map(|runs| {
        let pages = runs.iter().map(|run| run.pages).max().unwrap_or(1);
        let mut extent = Extent { first, sequences: runs.len(), each: runs[0].len, pages };
        if steady {
            extent.sequences = rounded_sequences(extent.sequences);
            extent.pages = rounded_pages(extent.pages);
        }
        first += extent.rows();
        extent
    });
    extents.collect()
}

/// Powers of two up to 8, which is what kernels for few rows take, then multiples of 8.
fn rounded_sequences(count: usize) -> usize {
    if count <= 8 { count.next_power_of_two() } else { count.next_multiple_of(8) }
}

/// Four steps from each power of two to the next: at most a quarter is looked at for nothing.
pub(super) fn rounded_pages(count: usize) -> usize {
    count.next_multiple_of((count.next_power_of_two() / 8).max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn run(first: usize, len: usize, pages: usize) -> Run {
        Run { first, len, pages }
    }

    const SHAPE: Shape = Shape { layers: 1, heads: 1, head_size: 1, exact: true };

    #[test]
    fn runs_of_as_many_tokens_and_about_as_many_pages_go_together() {
        let runs = vec![run(0, 1, 1), run(1, 5, 2), run(6, 1, 9), run(7, 1, 2), run(8, 1, 5)];
        let wanted = vec![
            vec![run(6, 1, 9), run(8, 1, 5)],
            vec![run(7, 1, 2), run(0, 1, 1)],
            vec![run(1, 5, 2)],
        ];
        let groups = grouped(runs, SHAPE, false);
        assert_eq!(groups, wanted);
        let extent = |first, sequences, each, pages| Extent { first, sequences, each, pages };
        let exact = [extent(0, 2, 1, 9), extent(2, 2, 1, 2), extent(4, 1, 5, 2)];
        assert_eq!(extents(&groups, false), exact);
    }

    #[test]
    fn steady_groups_are_filled_up() {
        let runs = (0..5).map(|first| run(first, 1, 9)).chain([run(5, 1, 1)]).collect();
        let extent = |first, sequences, pages| Extent { first, sequences, each: 1, pages };
        let found = extents(&grouped(runs, SHAPE, true), true);
        assert_eq!(found, [extent(0, 8, 10), extent(8, 1, 1)]);
    }

    #[test]
    fn what_is_looked_at_together_has_a_limit() {
        let wide = Shape { heads: 1024, head_size: 512, ..SHAPE };
        let runs = vec![run(0, 1, 1), run(1, 1, 1), run(2, 1, 1)];
        assert_eq!(grouped(runs.clone(), wide, false).len(), 2);
        assert_eq!(grouped(runs, wide, true).len(), 2);
    }

    #[test]
    fn rounding_gives_few_forms_and_wastes_little() {
        let pages: BTreeSet<_> = (1..=640).map(rounded_pages).collect();
        assert_eq!(pages.len(), 33);
        for count in 1..=640 {
            let (pages, rows) = (rounded_pages(count), rounded_sequences(count));
            assert!(pages >= count && 4 * pages < 5 * count + 4, "{count} pages: {pages}");
            assert!(rows >= count && rows < 2 * count, "{count} sequences: {rows}");
            assert_eq!((rounded_pages(pages), rounded_sequences(rows)), (pages, rows));
        }
        let rows: BTreeSet<_> = (1..=32).map(rounded_sequences).collect();
        assert_eq!(Vec::from_iter(rows), [1, 2, 4, 8, 16, 24, 32]);
    }
}
