//! A second opinion: candle's own quantized models on the same files.

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};

use super::{Reference, decoder, divergence, fixture};

/// candle's logits after `tokens` for the model in `name`.
fn candle(name: &str, tokens: &[u32]) -> Vec<f32> {
    let mut file = std::fs::File::open(fixture(name)).unwrap();
    let content = Content::read(&mut file).unwrap();
    let input = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let device = &Device::Cpu;
    let logits = match name.split('-').nth(1).unwrap() {
        "llama" => quantized_llama::ModelWeights::from_gguf(content, &mut file, device)
            .unwrap()
            .forward(&input, 0),
        "qwen2" => quantized_qwen2::ModelWeights::from_gguf(content, &mut file, device)
            .unwrap()
            .forward(&input, 0),
        _ => quantized_qwen3::ModelWeights::from_gguf(content, &mut file, device)
            .unwrap()
            .forward(&input, 0),
    };
    logits.unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn candles_own_models_agree() {
    // candle keeps the RoPE table of qwen3 in f16 and, for Q8_0, activations with f16 scales.
    for (name, most) in [
        ("tiny-llama-f32.gguf", 1e-5),
        ("tiny-qwen2-f32.gguf", 1e-5),
        ("tiny-qwen3-f32.gguf", 1e-3),
        ("tiny-qwen3-q8_0.gguf", 0.02),
    ] {
        let stem = name.rsplit_once('-').unwrap().0;
        let tokens = Reference::read(stem).tokens;
        let mut ours = decoder(&fixture(name), 2);
        let divergence = divergence(&candle(name, &tokens), ours.forward(&tokens).unwrap());
        assert!(divergence < most, "{name}: KL {divergence}");
    }
}
