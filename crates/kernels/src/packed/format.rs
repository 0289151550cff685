//! The packed formats: what a panel of rows looks like.
//!
//! A panel holds as many rows as a vector has lanes (`L`). Along its columns it is cut into groups
//! of 32 columns, and a group holds, one after the other:
//!
//! - scales: a half per row; or, where eight groups share a scale of their scales ([`Format::SUPER`]),
//!   a byte per row and granule. Eight such groups begin with a half per row, and where there are
//!   minima a second one.
//! - minima, in the same form, where the format has them;
//! - codes, in planes of four, two or one bits, or eight. A plane of four bits has four vectors of
//!   `L` times four neighbouring columns of a row: the low halves of vector i are columns 4i to
//!   4i + 3, the high halves are 16 columns further on. Other planes likewise: a vector of a plane
//!   of b bits serves 8 / b chunks of four columns.
//!
//! So one vector load gives four columns of all rows, ready to be multiplied with four activations
//! that every row shares, and the file's number of bits is kept.

/// Columns of a group.
pub(crate) const GROUP: usize = 32;
/// Groups that share a scale of scales.
pub(crate) const SUPER_GROUPS: usize = 8;

/// A packed format. A number is `scale x (code - OFFSET) + minimum`.
pub(crate) trait Format: 'static {
    /// Bits of a code.
    const BITS: usize;
    /// Columns that share a scale: 16 or 32.
    const GRANULE: usize = GROUP;
    /// Whether scales are bytes times a half for eight groups.
    const SUPER: bool = false;
    /// Whether those bytes have a sign.
    const SIGNED: bool = false;
    /// Whether there are minima: to be added as they are, in the `SUPER` form to be subtracted.
    const MINIMA: bool = false;
    /// What is subtracted from a code.
    const OFFSET: f32 = 0.0;
}

macro_rules! format {
    ($(#[$doc:meta])* $name:ident { $($constant:ident: $kind:ty = $value:expr),* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;
        impl Format for $name {
            $(const $constant: $kind = $value;)*
        }
    };
}

format!(
    /// Four bits, symmetric.
    Four { BITS: usize = 4, OFFSET: f32 = 8.0 }
);
format!(
    /// Four bits and minima.
    FourMin { BITS: usize = 4, MINIMA: bool = true }
);
format!(
    /// Five bits, symmetric.
    Five { BITS: usize = 5, OFFSET: f32 = 16.0 }
);
format!(
    /// Five bits and minima.
    FiveMin { BITS: usize = 5, MINIMA: bool = true }
);
format!(
    /// Eight bits, symmetric. Its offset depends on the instructions.
    Eight { BITS: usize = 8 }
);
format!(
    /// Two bits with scales and minima of 16 columns.
    Super2 { BITS: usize = 2, GRANULE: usize = 16, SUPER: bool = true, MINIMA: bool = true }
);
format!(
    /// Three bits with scales of 16 columns.
    Super3 { BITS: usize = 3, GRANULE: usize = 16, SUPER: bool = true, SIGNED: bool = true, OFFSET: f32 = 4.0 }
);
format!(
    /// Four bits with scales and minima.
    Super4 { BITS: usize = 4, SUPER: bool = true, MINIMA: bool = true }
);
format!(
    /// Five bits with scales and minima.
    Super5 { BITS: usize = 5, SUPER: bool = true, MINIMA: bool = true }
);
format!(
    /// Six bits with scales of 16 columns.
    Super6 { BITS: usize = 6, GRANULE: usize = 16, SUPER: bool = true, SIGNED: bool = true, OFFSET: f32 = 32.0 }
);

/// Bytes of the parts of a panel with a number of lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Before eight groups.
    pub(crate) super_head: usize,
    /// Scales of a group, or its minima.
    pub(crate) scales: usize,
    /// Scales and minima of a group.
    pub(crate) head: usize,
    /// Codes of a group.
    pub(crate) codes: usize,
}

impl Sizes {
    pub(crate) const fn of<F: Format>(lanes: usize) -> Self {
        let lists = if F::MINIMA { 2 } else { 1 };
        let scales = if F::SUPER { GROUP / F::GRANULE * lanes } else { 2 * lanes };
        Self {
            super_head: if F::SUPER { 2 * lanes * lists } else { 0 },
            scales,
            head: scales * lists,
            codes: F::BITS * GROUP * lanes / 8,
        }
    }

    /// Bytes of a panel of so many groups.
    pub(crate) const fn panel(self, groups: usize) -> usize {
        groups * (self.head + self.codes) + groups / SUPER_GROUPS * self.super_head
    }
}
