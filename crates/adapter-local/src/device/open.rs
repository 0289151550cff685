//! A device opened for candle, and what can be asked of it.

use ports::{Error, ErrorKind};

use super::Device;
#[cfg(not(feature = "cuda"))]
use super::NOT_BUILT_IN;
#[cfg(feature = "cuda")]
use super::unavailable;
use crate::checkpoint::Checkpoint;

/// Refuses CUDA graphs where nothing could be launched as one.
pub(crate) fn check_graphs(
    checkpoint: &Checkpoint,
    wanted: bool,
    device: Device,
) -> Result<(), Error> {
    let why = match device {
        Device::Cuda(_) if wanted && checkpoint.family().single => {
            format!("models of the architecture {} have none", checkpoint.family().name)
        }
        Device::Cpu if wanted => "the processor computes".to_owned(),
        _ => return Ok(()),
    };
    let message = format!("cuda_graphs is on, but {why}");
    Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint("leave cuda_graphs out"))
}

/// Opens a device for candle's tensors.
///
/// A GPU gets a stream of its own without an event for every tensor: the engine has one thread for
/// each model, so nothing else touches that stream, and a graph can be captured of it.
///
/// # Errors
/// [`ErrorKind::Unavailable`] when the driver refuses.
pub(crate) fn open_candle(device: Device) -> Result<candle_core::Device, Error> {
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        Device::Cuda(number) => open_cuda(number),
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(number: usize) -> Result<candle_core::Device, Error> {
    let refused = |words: String| {
        // candle adds the lines of a backtrace where RUST_BACKTRACE is set.
        let words = words.lines().next().unwrap_or("no reason given");
        unavailable(format!("cuda:{number} cannot be opened: {words}"))
            .with_hint("use device = \"cpu\"")
    };
    cuda_late::open().map_err(|error| refused(error.to_string()))?;
    let opened = candle_core::Device::new_cuda_with_stream(number);
    let device = opened.map_err(|error| refused(error.to_string()))?;
    if let candle_core::Device::Cuda(cuda) = &device {
        #[expect(unsafe_code, reason = "events per tensor cannot be captured in a graph")]
        // SAFETY: no tensor of this device exists yet, and all of them will live on its one stream.
        unsafe {
            cuda.disable_event_tracking();
        }
    }
    Ok(device)
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(number: usize) -> Result<candle_core::Device, Error> {
    let message = format!("cuda:{number} cannot be opened: {NOT_BUILT_IN}");
    Err(Error::new(ErrorKind::ConfigInvalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_refused_where_there_can_be_none() {
        let model = |name: &str| {
            let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            Checkpoint::open(&fixtures.join(name)).unwrap()
        };
        let ours = model("tiny-llama-f32.gguf");
        assert!(check_graphs(&ours, false, Device::Cpu).is_ok());
        assert!(check_graphs(&ours, true, Device::Cuda(0)).is_ok());
        for (model, device, words) in [
            (&ours, Device::Cpu, "the processor computes"),
            (&model("hf/gemma3"), Device::Cuda(0), "architecture gemma3_text have none"),
        ] {
            let error = check_graphs(model, true, device).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    /// What a GPU machine has to show; `scripts/gpu-check.sh` is the rest of it.
    #[test]
    #[cfg(feature = "cuda")]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_gpu_computes() {
        let chosen = super::super::choose_device("cuda").unwrap();
        let device = open_candle(chosen.device).unwrap();
        let four = candle_core::Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &device).unwrap();
        let product = four.matmul(&four).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(product, [[7.0, 10.0], [15.0, 22.0]]);
        assert!(
            super::super::choose_device("cuda:99")
                .unwrap_err()
                .to_string()
                .contains("this machine has")
        );
    }
}
