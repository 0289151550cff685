//! How many tokens a request may have: what the model, the settings and the memory for its KV
//! cache allow.

use ports::{Error, ErrorKind};

use crate::config::LocalConfig;
use crate::decoder::Decoder;

/// Most tokens of prompt and answer together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContextLimit {
    pub(crate) tokens: usize,
    /// The memory for the KV cache is what limits it.
    by_cache: bool,
}

impl ContextLimit {
    /// The limit of a decoder that holds nothing yet and was given `cache_bytes`. Where the cache
    /// holds less than the model's context, requests are held to what it holds, unless the
    /// settings ask for more.
    pub(crate) fn of(
        decoder: &dyn Decoder,
        config: &LocalConfig,
        cache_bytes: u64,
    ) -> Result<Self, Error> {
        let (model, cache) = (decoder.context_length(), decoder.free_positions());
        let mib = cache_bytes >> 20;
        if cache < 2 {
            let message = format!("a KV cache of {mib} MiB holds no page of this model");
            return Err(Error::new(ErrorKind::OutOfMemory, message)
                .with_hint("raise kv_cache_mib, or use a smaller model"));
        }
        let asked = config.context_length;
        if let Some(asked) = asked.filter(|asked| *asked > model) {
            let message = format!("context_length is {asked}, but the model's limit is {model}");
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("lower context_length, or leave it out for the model's own limit"));
        }
        if let Some(asked) = asked.filter(|asked| *asked > cache) {
            let message =
                format!("context_length is {asked}, but a KV cache of {mib} MiB holds {cache}");
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("raise kv_cache_mib, or lower context_length"));
        }
        Ok(Self { tokens: model.min(cache), by_cache: cache < model })
    }

    /// Most tokens of prompt and answer together, for a prompt of so many.
    pub(crate) fn for_request(
        self,
        prompt: usize,
        max_tokens: Option<u32>,
    ) -> Result<usize, Error> {
        if prompt + 1 > self.tokens {
            return Err(self.too_long(&prompt.to_string()));
        }
        let Some(max_tokens) = max_tokens else { return Ok(self.tokens) };
        let wanted = prompt.saturating_add(max_tokens as usize);
        if wanted <= self.tokens {
            return Ok(wanted);
        }
        let message = format!(
            "the prompt's {prompt} tokens and max_tokens {max_tokens} do not fit the context length of {}",
            self.tokens
        );
        let most = self.tokens - prompt;
        Err(Error::new(ErrorKind::ContextLengthExceeded, message)
            .with_hint(format!("lower max_tokens to {most} or less, or leave it unset")))
    }

    /// The refusal of a prompt of so many tokens.
    pub(crate) fn too_long(self, prompt: &str) -> Error {
        let tokens = self.tokens;
        let message = format!("the prompt has {prompt} tokens, but the context length is {tokens}");
        Error::new(ErrorKind::ContextLengthExceeded, message).with_hint(if self.by_cache {
            "shorten the prompt, or raise kv_cache_mib: the model itself takes longer ones"
        } else {
            "shorten the prompt, raise context_length, or use a model with a longer context"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_both_numbers() {
        let limit = ContextLimit { tokens: 16, by_cache: false };
        assert_eq!(limit.for_request(10, None).unwrap(), 16);
        assert_eq!(limit.for_request(10, Some(6)).unwrap(), 16);
        let error = limit.for_request(16, Some(1)).unwrap_err();
        assert_eq!(error.to_string(), "the prompt has 16 tokens, but the context length is 16");
        let error = limit.for_request(10, Some(7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextLengthExceeded);
        assert_eq!(error.hint(), Some("lower max_tokens to 6 or less, or leave it unset"));
        let by_cache = ContextLimit { tokens: 16, by_cache: true };
        assert!(by_cache.too_long("99").hint().unwrap().contains("kv_cache_mib"));
    }
}
