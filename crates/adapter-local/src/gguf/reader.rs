//! A cursor over foreign bytes that cannot run past their end.

use std::ops::Range;

use crate::error::LoadCause;

/// Reads little-endian values one after the other.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next `len` bytes; `what` names them in the error.
    pub(super) fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], LoadCause> {
        let end = self.at.checked_add(len);
        let Some(bytes) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(LoadCause::HeaderCut {
                what: what.to_owned(),
                at: self.at,
                wanted: len,
                size: self.bytes.len(),
            });
        };
        self.at += len;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LoadCause> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, LoadCause> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, LoadCause> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length-prefixed text of at most `most` bytes: where it lies, and the text.
    pub(super) fn text(
        &mut self,
        most: usize,
        what: &str,
    ) -> Result<(Range<usize>, &'a str), LoadCause> {
        let len = self.u64(what)?;
        let len = usize::try_from(len).ok().filter(|len| *len <= most).ok_or_else(|| {
            LoadCause::Absurd { what: format!("length of {what}"), value: len, most: most as u64 }
        })?;
        let start = self.at;
        let bytes = self.take(len, what)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| LoadCause::NotUtf8 { what: what.to_owned(), at: start })?;
        Ok((start..self.at, text))
    }
}
