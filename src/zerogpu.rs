//! The provider kind `zerogpu`: Hugging Face Spaces and other Gradio apps.

pub use adapter_zerogpu::*;
