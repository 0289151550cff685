//! Writes GGUF files for tests, right and wrong ones.

/// A file in the making. Tensors are placed by hand, so that they can be placed wrongly.
#[derive(Clone)]
pub(crate) struct Writer {
    entries: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: Vec<u8>,
    alignment: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { entries: Vec::new(), tensors: Vec::new(), data: Vec::new(), alignment: 32 }
    }
}

impl Writer {
    /// A text as the format has it.
    pub(crate) fn text(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text].concat()
    }

    /// Adds a metadata entry of the type number `kind`.
    pub(crate) fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.entries.push([&Self::text(key.as_bytes()), &kind.to_le_bytes()[..], value].concat());
        self
    }

    /// Where the data begins is a multiple of this.
    pub(crate) fn alignment(mut self, alignment: u32) -> Self {
        self.alignment = alignment as usize;
        self.entry("general.alignment", 4, &alignment.to_le_bytes())
    }

    /// Adds an entry of the tensor table.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let mut info = Self::text(name.as_bytes());
        info.extend((shape.len() as u32).to_le_bytes());
        info.extend(shape.iter().flat_map(|n| n.to_le_bytes()));
        info.extend(kind.to_le_bytes());
        info.extend(offset.to_le_bytes());
        self.tensors.push(info);
        self
    }

    /// The data after the header.
    pub(crate) fn data(mut self, data: Vec<u8>) -> Self {
        self.data = data;
        self
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        out.extend(self.entries.concat());
        out.extend(self.tensors.concat());
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out.extend(&self.data);
        out
    }
}
