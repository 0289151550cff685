//! How people name a Space: `owner/name`, or its address.

use std::fmt;
use std::str::FromStr;

use ports::{Error, ErrorKind};
use reqwest::Url;

/// A Space, or any other Gradio server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceRef(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `owner/name` on the Hub.
    Hub(String),
    /// An address, without query and fragment.
    Address(Url),
}

impl SpaceRef {
    /// Reads `owner/name`, `https://huggingface.co/spaces/owner/name` or the address of a server.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.contains("://") {
            return Self::from_address(text);
        }
        if is_id(text) { Ok(Self(Kind::Hub(text.to_owned()))) } else { Err(unreadable(text)) }
    }

    fn from_address(text: &str) -> Result<Self, Error> {
        let mut url = Url::parse(text).map_err(|_| unreadable(text))?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
            return Err(unreadable("the address"));
        }
        if matches!(url.host_str(), Some("huggingface.co" | "hf.co")) {
            let id = url.path().strip_prefix("/spaces/").unwrap_or_default().trim_end_matches('/');
            return if is_id(id) {
                Ok(Self(Kind::Hub(id.to_owned())))
            } else {
                Err(unreadable(text))
            };
        }
        // Spaces answer over https only; a redirect there would be to another origin.
        if url.scheme() == "http" && url.host_str().is_some_and(|host| host.ends_with(".hf.space"))
        {
            url.set_scheme("https").map_err(|()| unreadable(text))?;
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(Kind::Address(url)))
    }

    /// Whether the Hub knows it: `owner/name`, or an address below hf.space. Anything else is a
    /// server of somebody's.
    pub fn is_on_hub(&self) -> bool {
        match &self.0 {
            Kind::Hub(_) => true,
            Kind::Address(url) => url.host_str().is_some_and(|host| host.ends_with(".hf.space")),
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

fn is_id(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

fn unreadable(text: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("{text:?} names no Space"))
        .with_hint("write owner/name, or an address that begins with https:// or http://")
}

impl FromStr for SpaceRef {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for SpaceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Hub(id) => f.write_str(id),
            Kind::Address(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SpaceRef;

    #[test]
    fn names_and_addresses_are_read() {
        for (text, shown) in [
            ("hollis-source/qwen3-inference", "hollis-source/qwen3-inference"),
            ("https://huggingface.co/spaces/a/b.c_d/", "a/b.c_d"),
            ("http://127.0.0.1:7860/", "http://127.0.0.1:7860"),
            ("https://a-b.hf.space/?__sign=x#y", "https://a-b.hf.space"),
            ("http://a-b.hf.space", "https://a-b.hf.space"),
            ("https://example.org/sub/path/", "https://example.org/sub/path"),
        ] {
            assert_eq!(SpaceRef::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn only_names_and_hf_space_are_on_the_hub() {
        for (text, expected) in [
            ("a/b", true),
            ("https://huggingface.co/spaces/a/b", true),
            ("https://a-b.hf.space/", true),
            ("https://a-b.hf.space.example.org", false),
            ("https://hf.space.example.org", false),
            ("https://evilhf.space", false),
            ("http://127.0.0.1:7860", false),
        ] {
            assert_eq!(SpaceRef::parse(text).unwrap().is_on_hub(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_showing_a_password() {
        for text in
            ["", "a", "a/b/c", "/a", "a/..", "a b/c", "ftp://x/", "https://", "https://hf.co/a/b"]
        {
            assert!(SpaceRef::parse(text).is_err(), "{text}");
        }
        let error = SpaceRef::parse("https://user:hunter2@x.org/").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
