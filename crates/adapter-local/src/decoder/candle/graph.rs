//! A steady step as a CUDA graph: recorded once, then launched as a whole.
//!
//! What makes it possible: the device's stream is its own and its tensors have no events
//! ([`crate::device::open_candle`]); candle allocates in the order of the stream, so what a step
//! takes and gives back becomes part of the graph; the small tables that candle's kernels read are
//! kept by it once a step ran under [`kept_tables`]; and whatever outlives a step was there before.

use std::fmt;

use candle_core::cuda_backend::cudarc::driver::CudaGraph;
use candle_core::cuda_backend::cudarc::driver::sys::{
    CUgraphInstantiate_flags, CUstreamCaptureMode,
};
use candle_core::{CudaDevice, Error, Result};

/// A recorded step.
pub(super) struct Graph(CudaGraph);

#[expect(unsafe_code, reason = "cudarc's graph is two pointers of the driver")]
// SAFETY: the driver wants calls for one graph not to overlap, from whatever threads they come. A
// graph is owned by one decoder, which is used by one thread at a time; `launch` binds the context to
// the thread that calls it.
unsafe impl Send for Graph {}

impl Graph {
    /// Records what `step` does to the device; computes nothing. The same step must have run before
    /// under [`kept_tables`], so that all kernels are loaded and all scratch is there.
    pub(super) fn record(device: &CudaDevice, step: impl FnOnce() -> Result<()>) -> Result<Self> {
        let _kept = kept_tables(device);
        let stream = device.cuda_stream();
        if !stream.context().has_async_alloc() {
            return Err(cannot("the driver does not allocate in the order of a stream"));
        }
        stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(Error::wrap)?;
        let recorded = step();
        // Tensors were freed meanwhile; what the driver said to that must not keep the end from
        // being reached, or the stream records for ever.
        let freed = stream.context().check_err();
        let ended = stream
            .end_capture(CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
        recorded?;
        freed.map_err(Error::wrap)?;
        let graph = ended.map_err(Error::wrap)?.ok_or_else(|| cannot("nothing was recorded"))?;
        graph.upload().map_err(Error::wrap)?;
        Ok(Self(graph))
    }

    /// Does it all again, with what its buffers hold now.
    pub(super) fn launch(&self) -> Result<()> {
        self.0.launch().map_err(Error::wrap)
    }
}

/// While the guard lives, candle keeps the tables of dimensions and strides that it uploads for its
/// kernels. A graph needs them to be there already, and to stay.
#[must_use]
pub(super) fn kept_tables(device: &CudaDevice) -> impl Sized + use<> {
    device.enable_cuda_graph_htod_cache()
}

fn cannot(why: &str) -> Error {
    Error::Msg(format!("a CUDA graph cannot be recorded: {why}"))
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").finish_non_exhaustive()
    }
}
