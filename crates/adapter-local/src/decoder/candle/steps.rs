//! Steps run, and what is kept between them: buffers, and for every form of steady step the views and,
//! where CUDA graphs are on, the graph.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::buffers::{Buffers, write};
use super::cache::DevicePages;
use super::constants::Constants;
#[cfg(feature = "cuda")]
use super::graph::{Graph, kept_tables};
use super::inputs::Inputs;
use super::layout::{Form, Layout, MOST_ROWS};
use super::model::Model;

/// Most forms of steady steps that are kept prepared.
pub(super) const MOST_FORMS: usize = 128;

/// A model with all that its steps need except keys and values.
#[derive(Debug)]
pub(super) struct Steps {
    model: Model,
    constants: Constants,
    buffers: Buffers,
    steady: HashMap<Form, Steady>,
    /// How many steady steps there were.
    count: u64,
    graphs: bool,
}

/// Steady steps of a form, prepared.
#[derive(Debug)]
struct Steady {
    buffer: Tensor,
    inputs: Inputs,
    /// Where the logits of all rows go.
    logits: Tensor,
    last_used: u64,
    #[cfg(feature = "cuda")]
    recording: Recording,
}

/// How far a form has come towards its graph.
#[cfg(feature = "cuda")]
#[derive(Debug)]
enum Recording {
    /// It never ran.
    Cold,
    /// It ran once: kernels are loaded, tables are kept.
    Warm,
    Done(Graph),
}

impl Steps {
    pub(super) fn new(model: Model, constants: Constants, graphs: bool) -> Self {
        let buffers = Buffers::new(model.device(), model.vocabulary());
        Self { model, constants, buffers, steady: HashMap::new(), count: 0, graphs }
    }

    pub(super) fn device(&self) -> &Device {
        self.model.device()
    }

    /// Runs the largest steps there can be, over rows that belong to nobody. candle's scratch for
    /// quantized products moves when it grows, under the graphs that know its address: afterwards it
    /// does not grow any more.
    pub(super) fn warm_up(&mut self, pages: &DevicePages) -> Result<()> {
        // Up to 8 rows have kernels, and scratch, of their own.
        for rows in [8, MOST_ROWS] {
            let form = Form::of_nobody(rows);
            let numbers = form.numbers_of_nobody(pages.nobodys());
            let buffer = self.buffers.inputs(numbers.len())?;
            write(&buffer, &numbers)?;
            self.model.step(&Inputs::of(&form, &buffer)?, &self.constants, pages)?;
        }
        self.device().synchronize()
    }

    /// Takes the tokens of a layout through the model; gives the logits of the wanted places, one row
    /// after the other.
    pub(super) fn run(&mut self, layout: &Layout, pages: &DevicePages) -> Result<Vec<f32>> {
        if layout.steady {
            return self.run_steady(layout, pages);
        }
        let buffer = self.buffers.inputs(layout.numbers.len())?;
        write(&buffer, &layout.numbers)?;
        let inputs = Inputs::of(&layout.form, &buffer)?;
        match self.model.step(&inputs, &self.constants, pages)? {
            Some(logits) => logits.flatten_all()?.to_vec1(),
            None => Ok(Vec::new()),
        }
    }

    fn run_steady(&mut self, layout: &Layout, pages: &DevicePages) -> Result<Vec<f32>> {
        self.prepare(layout)?;
        let Some(steady) = self.steady.get_mut(&layout.form) else {
            return Err(candle_core::Error::Msg("a prepared step is gone".to_owned()));
        };
        steady.last_used = self.count;
        write(&steady.buffer, &layout.numbers)?;
        if self.graphs {
            steady.run_recorded(&self.model, &self.constants, pages)?;
        } else {
            steady.run(&self.model, &self.constants, pages)?;
        }
        steady.read(&layout.wanted)
    }

    /// Makes the views for a form, unless they are there.
    fn prepare(&mut self, layout: &Layout) -> Result<()> {
        self.count += 1;
        if self.steady.contains_key(&layout.form) {
            return Ok(());
        }
        self.forget_all_but(MOST_FORMS - 1);
        let buffer = self.buffers.inputs(layout.numbers.len())?;
        let steady = Steady {
            inputs: Inputs::of(&layout.form, &buffer)?,
            logits: self.buffers.logits(layout.form.rows())?,
            buffer,
            last_used: self.count,
            #[cfg(feature = "cuda")]
            recording: Recording::Cold,
        };
        self.steady.insert(layout.form.clone(), steady);
        Ok(())
    }

    /// Keeps the forms that were used last, at most so many.
    pub(super) fn forget_all_but(&mut self, most: usize) {
        while self.steady.len() > most {
            let oldest = self.steady.iter().min_by_key(|(_, steady)| steady.last_used);
            let Some(form) = oldest.map(|(form, _)| form.clone()) else { return };
            self.steady.remove(&form);
        }
    }
}

/// What tests look at.
#[cfg(test)]
impl Steps {
    /// Every tensor that must stay where it is.
    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        let steady = self.steady.values().flat_map(|steady| [&steady.buffer, &steady.logits]);
        self.constants.tensors().chain(self.buffers.tensors()).chain(steady).collect()
    }

    pub(super) fn forms(&self) -> usize {
        self.steady.len()
    }

    /// Forms that have a graph.
    #[cfg(feature = "cuda")]
    pub(super) fn recorded(&self) -> usize {
        let done = |steady: &&Steady| matches!(steady.recording, Recording::Done(_));
        self.steady.values().filter(done).count()
    }

    fn last(&self) -> Option<&Steady> {
        self.steady.values().max_by_key(|steady| steady.last_used)
    }

    /// The numbers that the last steady step was given.
    pub(super) fn buffered(&self) -> Vec<u32> {
        self.last().unwrap().buffer.to_vec1().unwrap()
    }

    /// The last steady step once more, with other numbers.
    pub(super) fn replay(&self, numbers: &[u32], pages: &DevicePages) -> Result<Vec<f32>> {
        let steady = self.last().unwrap();
        write(&steady.buffer, numbers)?;
        steady.run(&self.model, &self.constants, pages)?;
        steady.read(&[0])
    }
}

impl Steady {
    /// What a graph records: from the numbers in the buffer to the logits in theirs.
    fn run(&self, model: &Model, constants: &Constants, pages: &DevicePages) -> Result<()> {
        match model.step(&self.inputs, constants, pages)? {
            Some(logits) => self.logits.slice_set(&logits, 0, 0),
            None => Ok(()),
        }
    }

    /// The same through a graph, which is recorded the second time that the form comes.
    #[cfg(feature = "cuda")]
    fn run_recorded(
        &mut self,
        model: &Model,
        constants: &Constants,
        pages: &DevicePages,
    ) -> Result<()> {
        let Device::Cuda(device) = model.device() else {
            return Err(candle_core::Error::Msg("CUDA graphs are for GPUs".to_owned()));
        };
        if matches!(self.recording, Recording::Cold) {
            let _kept = kept_tables(device);
            self.run(model, constants, pages)?;
            self.recording = Recording::Warm;
            return Ok(());
        }
        if matches!(self.recording, Recording::Warm) {
            let graph = Graph::record(device, || self.run(model, constants, pages))?;
            self.recording = Recording::Done(graph);
        }
        match &self.recording {
            Recording::Done(graph) => graph.launch(),
            Recording::Cold | Recording::Warm => self.run(model, constants, pages),
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[expect(clippy::needless_pass_by_ref_mut, clippy::unused_self, reason = "as with CUDA")]
    fn run_recorded(&mut self, _: &Model, _: &Constants, _: &DevicePages) -> Result<()> {
        Err(candle_core::Error::Msg("this build has no CUDA graphs".to_owned()))
    }

    /// The logits of some rows, in their order.
    fn read(&self, rows: &[usize]) -> Result<Vec<f32>> {
        // Those of rows that only fill up are left where they are, where they come last.
        let count = rows.iter().max().map_or(0, |last| last + 1);
        let all = self.logits.narrow(0, 0, count)?.flatten_all()?.to_vec1::<f32>()?;
        if rows.iter().copied().eq(0..count) {
            return Ok(all);
        }
        let vocabulary = self.logits.dim(1)?;
        let rows = rows.iter().map(|row| &all[row * vocabulary..(row + 1) * vocabulary]);
        Ok(rows.collect::<Vec<_>>().concat())
    }
}
