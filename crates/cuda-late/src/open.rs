//! Opens the libraries and fills the jump slots that the build script made.

#[cfg(jump_slots)]
use std::sync::OnceLock;

/// Why CUDA cannot be used. `Display` is one line in plain words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoCuda {
    /// A library is missing or broken: the words of the system's loader.
    #[error("{0}")]
    Library(String),
    /// The driver is older than the CUDA that this was built for.
    #[error(
        "the driver knows CUDA {}.{} and this build needs 13.0 (driver 580 or newer)",
        found / 1000, found % 1000 / 10
    )]
    OldDriver {
        /// What the driver knows, e.g. 12040 for 12.4.
        found: i32,
    },
    /// The driver refused a call.
    #[error("{call}: {words}")]
    Driver {
        /// The function that was called.
        call: &'static str,
        /// What the driver says about it.
        words: String,
    },
    /// The system is none that this crate knows.
    #[error("CUDA is for Linux on x86-64 only")]
    System,
}

/// Opens the driver and the libraries that a device needs. Later calls give the first one's answer.
///
/// # Errors
/// [`NoCuda`] says which library is missing, or that the driver is too old.
#[cfg(jump_slots)]
pub fn open() -> Result<(), NoCuda> {
    static OPENED: OnceLock<Result<(), NoCuda>> = OnceLock::new();
    OPENED.get_or_init(libraries::open).clone()
}

/// Says that there is no CUDA on this system.
///
/// # Errors
/// Always [`NoCuda::System`].
#[cfg(not(jump_slots))]
pub fn open() -> Result<(), NoCuda> {
    Err(NoCuda::System)
}

#[cfg(jump_slots)]
mod libraries {
    #![expect(unsafe_code, reason = "the loader's C interface, and slots that assembly code owns")]

    use std::ffi::{CStr, CString, c_char, c_int, c_void};
    use std::path::Path;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use super::NoCuda;
    use crate::gpus::driver_version;

    /// Where else than the loader's own places.
    const FOLDERS: [&str; 3] =
        ["/usr/local/cuda/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"];
    /// The CUDA that the bindings and the library names are of.
    const NEEDED: i32 = 13_000;
    const RTLD_LAZY: c_int = 1;

    /// A function's name and its slot; the last one of a table has neither.
    #[repr(C)]
    struct Entry {
        name: *const c_char,
        slot: *mut *mut c_void,
    }

    // SAFETY: the tables are those of the build script, in the layout of `Entry`; the functions are
    // the C library's, with its signatures.
    unsafe extern "C" {
        static cuda_late_cuda: Entry;
        static cuda_late_cublas: Entry;
        static cuda_late_cublasLt: Entry;
        static cuda_late_curand: Entry;
        static cuda_late_nvrtc: Entry;
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
        fn dlerror() -> *const c_char;
    }

    pub(super) fn open() -> Result<(), NoCuda> {
        connect("libcuda.so.1", &raw const cuda_late_cuda)?;
        let found = driver_version()?;
        if found < NEEDED {
            return Err(NoCuda::OldDriver { found });
        }
        // cuBLAS needs cuBLASLt, and finds it by name once it is open.
        connect("libcublasLt.so.13", &raw const cuda_late_cublasLt)?;
        connect("libcublas.so.13", &raw const cuda_late_cublas)?;
        connect("libcurand.so.10", &raw const cuda_late_curand)?;
        // Only kernels that are compiled at run time need it, and there are none.
        connect("libnvrtc.so.13", &raw const cuda_late_nvrtc).or(Ok(()))
    }

    /// Opens a library, for the life of the process, and fills the slots of `table`.
    fn connect(name: &str, table: *const Entry) -> Result<(), NoCuda> {
        let library = find(name)?;
        let mut entry = table;
        loop {
            // SAFETY: `entry` began at a table of the build script and has not passed its last entry.
            let Entry { name, slot } = unsafe { entry.read() };
            if name.is_null() {
                return Ok(());
            }
            // SAFETY: `library` is open and the name is a C string of the table.
            let function = unsafe { dlsym(library, name) };
            if !function.is_null() {
                // SAFETY: the slot is an aligned pointer in writable data; jumps read it whole, and
                // the function behind the new value is the one that the slot is named after.
                unsafe { AtomicPtr::from_ptr(slot) }.store(function, Ordering::Release);
            }
            // SAFETY: this was not the last entry, so the next one is in the table.
            entry = unsafe { entry.add(1) };
        }
    }

    /// A handle of the library, from the first place that has a sound one.
    fn find(name: &str) -> Result<*mut c_void, NoCuda> {
        let mut failure = match load(name) {
            Ok(library) => return Ok(library),
            Err(words) => words,
        };
        let places = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        for path in places.filter(|path| path.is_file()) {
            match load(&path.to_string_lossy()) {
                Ok(library) => return Ok(library),
                Err(words) => failure = words,
            }
        }
        Err(NoCuda::Library(failure))
    }

    fn load(name: &str) -> Result<*mut c_void, String> {
        let text = CString::new(name).map_err(|error| format!("{name}: {error}"))?;
        // SAFETY: `text` is a C string; the initialisers that run are those of NVIDIA's libraries.
        let library = unsafe { dlopen(text.as_ptr(), RTLD_LAZY) };
        if !library.is_null() {
            return Ok(library);
        }
        // SAFETY: after a failure it gives a C string, which stays until this thread's next call.
        let words = unsafe { dlerror() };
        if words.is_null() {
            return Err(format!("{name}: cannot be opened"));
        }
        // SAFETY: not null, and copied before any other call.
        Err(unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned())
    }
}
