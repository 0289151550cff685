//! What differs from step to step: views of one buffer of numbers, and what follows from them before
//! the first layer.

use candle_core::{Result, Tensor};

use super::super::pages::PAGE;
use super::cache::Shape;
use super::constants::Constants;
use super::groups::Extent;
use super::layout::{Chosen, Form};

/// Rows whose logits are computed.
#[derive(Debug)]
pub(super) enum ChosenRows {
    All,
    None,
    Some(Tensor),
}

/// The parts of a buffer that holds a [`super::layout::Layout`]'s numbers. Computing nothing, they
/// are made once for a form and serve every step of it.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Token ids.
    pub(super) tokens: Tensor,
    positions: Tensor,
    slots: Tensor,
    pub(super) chosen: ChosenRows,
    /// Pages of the sequences, one sequence after the other.
    pages: Vec<(Extent, Tensor)>,
}

impl Inputs {
    /// The views for steps of a form.
    pub(super) fn of(form: &Form, buffer: &Tensor) -> Result<Self> {
        let mut at = 0;
        let mut next = |len| -> Result<Tensor> {
            let part = buffer.narrow(0, at, len);
            at += len;
            part
        };
        let rows = form.rows();
        let [tokens, positions, slots] = [next(rows)?, next(rows)?, next(rows)?];
        let chosen = match form.chosen {
            Chosen::All => ChosenRows::All,
            Chosen::Some(0) => ChosenRows::None,
            Chosen::Some(count) => ChosenRows::Some(next(count)?),
        };
        let pages = form.extents.iter().map(|extent| {
            let pages = next(extent.sequences * extent.pages)?;
            Ok((*extent, pages))
        });
        let pages = pages.collect::<Result<_>>()?;
        Ok(Self { tokens, positions, slots, chosen, pages })
    }

    /// What all layers need, computed on the device.
    pub(super) fn prepare(&self, constants: &Constants, shape: Shape) -> Result<Prepared> {
        let rows = self.slots.dim(0)?;
        let slots = self.slots.reshape((1, rows, 1))?;
        let groups = self.pages.iter().map(|(extent, pages)| {
            let positions = self.positions.narrow(0, extent.first, extent.rows())?;
            Group::new(*extent, pages, &positions, constants)
        });
        Ok(Prepared {
            slots: slots.broadcast_as((shape.heads, rows, shape.head_size))?.contiguous()?,
            angles: constants.angles_at(&self.positions)?,
            groups: groups.collect::<Result<_>>()?,
        })
    }
}

/// What all layers of a step need.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Where each number of the rows' keys (heads x rows x head size) goes.
    pub(super) slots: Tensor,
    /// Cosines and sines of the rows' positions.
    pub(super) angles: [Tensor; 2],
    pub(super) groups: Vec<Group>,
}

/// Rows that look at keys and values together, and what each of them sees.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) extent: Extent,
    pub(super) pages: Tensor,
    /// Sequences x rows x looked-at positions: whether the row sees it.
    pub(super) sees: Tensor,
    /// Sequences x looked-at positions: whether the sequence has it.
    pub(super) has: Tensor,
}

impl Group {
    fn new(
        extent: Extent,
        pages: &Tensor,
        positions: &Tensor,
        constants: &Constants,
    ) -> Result<Self> {
        let Extent { sequences, each, .. } = extent;
        let looked_at = extent.pages * PAGE;
        let positions = positions.reshape((sequences, each, 1))?;
        let at = constants.first(looked_at)?.reshape((1, 1, looked_at))?;
        let sees = at.broadcast_le(&positions)?;
        let has = sees.narrow(1, each - 1, 1)?.reshape((sequences, looked_at))?;
        Ok(Self { extent, pages: pages.clone(), sees, has })
    }
}
