//! A model's tensors with adapters merged into them, when they are asked for.

use std::path::Path;
use std::sync::Arc;

use super::Adapter;
use crate::bytes::{Blob, NoMemory};
use crate::checkpoint::{Family, Pairing, Parameters, StoredTensor, TensorFacts, TensorSource};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;
use crate::quantize::{encode, expand};

const EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";

/// The tensors of `base`, changed by `adapters`.
///
/// Full and half precision stay what they are. Quantized matrices become Q8_0: their own type
/// would round the delta away.
#[derive(Debug)]
pub(crate) struct Merged {
    base: Arc<dyn TensorSource>,
    adapters: Vec<Adapter>,
    /// The output has its own numbers only because an adapter tells it and the embedding apart.
    parted: bool,
    order: RowOrder,
}

/// How the rows of queries and keys lie in the base; adapters have them as transformers does.
#[derive(Debug, Clone, Copy)]
struct RowOrder {
    pairing: Pairing,
    head_size: usize,
}

impl Merged {
    /// Checks that every adapter was made for this base.
    pub(crate) fn new(
        base: Arc<dyn TensorSource>,
        family: &Family,
        parameters: &Parameters,
        adapters: Vec<Adapter>,
    ) -> Result<Self, LoadError> {
        let tied = base.facts(OUTPUT).is_none();
        let aims = |name: &str| adapters.iter().any(|a| a.targets().any(|t| t == name));
        let parted = tied && (aims(OUTPUT) || aims(EMBEDDING));
        let order = RowOrder { pairing: parameters.rope.pairing, head_size: parameters.head_size };
        let merged = Self { base, adapters, parted, order };
        for adapter in &merged.adapters {
            for target in adapter.targets() {
                merged.check(adapter, target, family)?;
            }
        }
        Ok(merged)
    }

    fn check(&self, adapter: &Adapter, target: &str, family: &Family) -> Result<(), LoadError> {
        let found = self.base.facts(self.source_of(target)).map(|facts| facts.shape);
        let wanted = adapter.shape(target).map(Vec::from);
        let brought = adapter.base(target).map(|base| &base.shape);
        if found.is_some()
            && found == wanted
            && brought.is_none_or(|shape| found.as_ref() == Some(shape))
        {
            return Ok(());
        }
        let cause = LoadCause::OtherBase {
            tensor: self.base.shown(target).1,
            adapter: wanted.unwrap_or_default(),
            model: found,
            architecture: family.name.to_owned(),
        };
        Err(LoadError::new(adapter.path(), cause))
    }

    /// Which tensor of the base `name` is made of.
    fn source_of<'n>(&self, name: &'n str) -> &'n str {
        if self.parted && name == OUTPUT { EMBEDDING } else { name }
    }

    fn is_changed(&self, name: &str) -> bool {
        self.adapters.iter().any(|adapter| adapter.shape(name).is_some())
    }

    fn kind(&self, name: &str, base: GgmlType) -> GgmlType {
        if self.is_changed(name) && base.block().0 > 1 { GgmlType::Q8_0 } else { base }
    }
}

impl RowOrder {
    /// The row in transformers' order that is row `row` of `tensor` here.
    fn theirs(self, tensor: &str, row: usize) -> usize {
        let turned = tensor.ends_with("attn_q.weight") || tensor.ends_with("attn_k.weight");
        if turned { self.pairing.row_in_halves(row, self.head_size) } else { row }
    }
}

impl TensorSource for Merged {
    fn path(&self) -> &Path {
        self.base.path()
    }

    fn names(&self) -> Vec<&str> {
        let mut names = self.base.names();
        if self.parted {
            names.push(OUTPUT);
            names.sort_unstable();
        }
        names
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let facts = self.base.facts(self.source_of(name))?;
        Some(TensorFacts { kind: self.kind(name, facts.kind), ..facts })
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let tensor = self.base.tensor(self.source_of(name))?;
        if !self.is_changed(name) {
            return Ok(tensor);
        }
        // PEFT puts what an adapter brings along in the place of the model's own.
        let brought = self.adapters.iter().find_map(|adapter| adapter.base(name));
        let no_memory = |NoMemory { bytes }| {
            let (path, tensor) = self.shown(name);
            LoadError::new(path, LoadCause::OutOfMemory { tensor, bytes })
        };
        let mut numbers = expand(brought.unwrap_or(&tensor)).map_err(no_memory)?;
        for adapter in &self.adapters {
            let added = adapter.add_to(name, &mut numbers, |row| self.order.theirs(name, row));
            added.map_err(no_memory)?;
        }
        if numbers.iter().any(|x| !x.is_finite()) {
            let problem = "has a value that is not a finite number once merged".into();
            let (path, tensor) = self.shown(name);
            return Err(LoadError::new(path, LoadCause::Shape { tensor, problem }));
        }
        let kind = self.kind(name, tensor.kind);
        let data = Blob::held(encode(kind, &numbers).map_err(no_memory)?);
        Ok(StoredTensor { kind, shape: tensor.shape, data })
    }

    fn shown(&self, name: &str) -> (&Path, String) {
        self.base.shown(name)
    }
}
