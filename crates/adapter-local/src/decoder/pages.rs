//! Pages of keys and values, wherever they are kept: who lists them, and what a sequence does with
//! its list.
//!
//! A page holds [`PAGE`] positions of one sequence for all layers. Sequences list their pages; a
//! page that several list is copied by the one that writes to it.

use crate::error::DecodeError;

/// Positions in a page.
pub(crate) const PAGE: usize = 64;

/// The pages of one sequence, in order.
pub(super) type PageTable = Vec<u32>;

/// A store of pages.
pub(super) trait Pages {
    /// Pages that can still be taken.
    fn free(&self) -> usize;

    /// How many sequences list a page.
    fn users(&mut self, page: u32) -> &mut u32;

    /// A page that nobody lists, with one user from now on.
    fn take(&mut self) -> Result<u32, DecodeError>;

    /// Takes a page back that nobody lists any more.
    fn give_back(&mut self, page: u32);

    /// Makes one page hold what another holds.
    fn copy(&mut self, from: u32, to: u32) -> Result<(), DecodeError>;

    /// One user less.
    fn give(&mut self, page: u32) {
        let users = self.users(page);
        *users -= 1;
        if *users == 0 {
            self.give_back(page);
        }
    }

    /// Makes room in a sequence of `len` tokens for `positions`, and makes the page that the next
    /// token goes to the sequence's own.
    fn reach(
        &mut self,
        table: &mut PageTable,
        len: usize,
        positions: usize,
    ) -> Result<(), DecodeError> {
        if !len.is_multiple_of(PAGE)
            && let Some(last) = table.get(len / PAGE).copied()
            && *self.users(last) > 1
        {
            let own = self.take()?;
            if let Err(error) = self.copy(last, own) {
                self.give(own);
                return Err(error);
            }
            self.give(last);
            table[len / PAGE] = own;
        }
        while table.len() * PAGE < positions {
            table.push(self.take()?);
        }
        Ok(())
    }

    /// Gives back the pages of a sequence that hold nothing of its first `len` tokens.
    fn cut(&mut self, table: &mut PageTable, len: usize) {
        for page in table.drain(len.div_ceil(PAGE).min(table.len())..) {
            self.give(page);
        }
    }

    /// The pages of a sequence's first `len` tokens, for another sequence.
    fn share(&mut self, table: &PageTable, len: usize) -> PageTable {
        let shared = table[..len.div_ceil(PAGE).min(table.len())].to_vec();
        for page in &shared {
            *self.users(*page) += 1;
        }
        shared
    }
}
