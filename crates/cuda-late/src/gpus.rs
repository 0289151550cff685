//! The GPUs of this machine, as its driver describes them.

use crate::NoCuda;

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gpu {
    /// What its maker calls it.
    pub name: String,
    /// Bytes of its own memory.
    pub memory: u64,
    /// Major and minor compute capability, e.g. (9, 0).
    pub capability: (u32, u32),
}

impl Gpu {
    /// The compute capability that this build's kernels are for; `None` where it has no kernels.
    pub fn built_for() -> Option<(u32, u32)> {
        let (major, minor) = option_env!("CUDA_LATE_CAPABILITY")?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Whether this build's kernels run on it. Machine code serves one major generation, from its
    /// own minor one on.
    pub fn runs_this_build(&self) -> bool {
        Self::built_for().is_none_or(|built| serves(built, self.capability))
    }
}

fn serves(built: (u32, u32), capability: (u32, u32)) -> bool {
    capability.0 == built.0 && capability.1 >= built.1
}

/// The GPUs of this machine by their numbers; opens CUDA first where that was not done.
///
/// # Errors
/// [`NoCuda`] says what is missing. A driver without a GPU is an error too: it says so itself.
pub fn gpus() -> Result<Vec<Gpu>, NoCuda> {
    crate::open()?;
    driver::gpus()
}

#[cfg(not(jump_slots))]
mod driver {
    use crate::{Gpu, NoCuda};

    pub(super) fn gpus() -> Result<Vec<Gpu>, NoCuda> {
        Err(NoCuda::System)
    }
}

#[cfg(jump_slots)]
pub(crate) use driver::driver_version;

#[cfg(jump_slots)]
mod driver {
    #![expect(unsafe_code, reason = "the driver's C interface")]

    use std::ffi::{CStr, c_char, c_int, c_uint};

    use crate::{Gpu, NoCuda};

    /// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
    const CAPABILITY: (c_int, c_int) = (75, 76);

    // SAFETY: the driver's signatures. They are safe to call at any time in that a slot which was
    // not filled returns an error code.
    unsafe extern "C" {
        fn cuInit(flags: c_uint) -> c_int;
        fn cuDriverGetVersion(version: *mut c_int) -> c_int;
        fn cuDeviceGetCount(count: *mut c_int) -> c_int;
        fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int;
        fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) -> c_int;
        fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> c_int;
        fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> c_int;
        fn cuGetErrorString(code: c_int, words: *mut *const c_char) -> c_int;
    }

    pub(crate) fn driver_version() -> Result<c_int, NoCuda> {
        let mut version = 0;
        // SAFETY: writes one number.
        check("cuDriverGetVersion", unsafe { cuDriverGetVersion(&raw mut version) })?;
        Ok(version)
    }

    pub(super) fn gpus() -> Result<Vec<Gpu>, NoCuda> {
        // SAFETY: takes no memory; it may be called again.
        check("cuInit", unsafe { cuInit(0) })?;
        let mut count = 0;
        // SAFETY: writes one number.
        check("cuDeviceGetCount", unsafe { cuDeviceGetCount(&raw mut count) })?;
        (0..count).map(gpu).collect()
    }

    fn gpu(ordinal: c_int) -> Result<Gpu, NoCuda> {
        let mut device = 0;
        // SAFETY: writes one number.
        check("cuDeviceGet", unsafe { cuDeviceGet(&raw mut device, ordinal) })?;
        let mut bytes = [0_u8; 256];
        let length = bytes.len() as c_int - 1; // the last one stays 0
        // SAFETY: writes at most `length` bytes into the buffer.
        check("cuDeviceGetName", unsafe {
            cuDeviceGetName(bytes.as_mut_ptr().cast(), length, device)
        })?;
        let mut memory = 0;
        // SAFETY: writes one number.
        check("cuDeviceTotalMem", unsafe { cuDeviceTotalMem_v2(&raw mut memory, device) })?;
        let name = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
        Ok(Gpu {
            name: name.to_string_lossy().into_owned(),
            memory: memory as u64,
            capability: (attribute(CAPABILITY.0, device)?, attribute(CAPABILITY.1, device)?),
        })
    }

    fn attribute(which: c_int, device: c_int) -> Result<u32, NoCuda> {
        let mut value = 0;
        // SAFETY: writes one number.
        let code = unsafe { cuDeviceGetAttribute(&raw mut value, which, device) };
        check("cuDeviceGetAttribute", code)?;
        Ok(value.unsigned_abs())
    }

    fn check(call: &'static str, code: c_int) -> Result<(), NoCuda> {
        if code == 0 {
            return Ok(());
        }
        let mut text = std::ptr::null();
        // SAFETY: writes one pointer, to a constant string of the driver or null.
        let named = unsafe { cuGetErrorString(code, &raw mut text) } == 0 && !text.is_null();
        let words = if named {
            // SAFETY: not null, and the driver says that it is a C string which stays.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        } else {
            format!("error {code}")
        };
        Err(NoCuda::Driver { call, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_code_serves_its_own_generation() {
        assert!(serves((9, 0), (9, 0)) && serves((8, 0), (8, 9)));
        assert!(!serves((9, 0), (8, 9)) && !serves((9, 0), (10, 0)) && !serves((8, 6), (8, 0)));
    }
}
