//! A LoRA adapter and how strongly it counts, as it is written on the command line.

use std::str::FromStr;

/// `ADAPTER[=SCALE]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoraArg {
    /// A folder, or an address on the Hub.
    pub(crate) path: String,
    /// How strongly it counts; as it was trained where absent.
    pub(crate) scale: Option<f64>,
}

impl FromStr for LoraArg {
    type Err = String;

    /// What follows the last `=` is a scale only if it is a number: folders and branches may have a
    /// `=` in their names, and `hf:a/b@x=1=1` says that it is one.
    fn from_str(text: &str) -> Result<Self, String> {
        let scaled = text.rsplit_once('=');
        let scaled = scaled.and_then(|(path, scale)| Some((path, scale.parse::<f64>().ok()?)));
        let (path, scale) = match scaled {
            Some((path, scale)) => (path, Some(scale)),
            None => (text, None),
        };
        if scale.is_some_and(|scale| !scale.is_finite()) {
            return Err("the scale after = is no finite number".to_owned());
        }
        if path.is_empty() {
            return Err("the adapter's name is missing".to_owned());
        }
        Ok(Self { path: path.to_owned(), scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_told_from_a_name() {
        for (text, path, scale) in [
            ("a/b", "a/b", None),
            ("a/b=0.5", "a/b", Some(0.5)),
            ("a=b/c", "a=b/c", None),
            ("hf:o/r", "hf:o/r", None),
            ("hf:o/r=2", "hf:o/r", Some(2.0)),
            ("hf:o/r@v1.0=-0.5", "hf:o/r@v1.0", Some(-0.5)),
            ("hf:o/r@lr=fast", "hf:o/r@lr=fast", None),
            ("hf:o/r@lr=1=1", "hf:o/r@lr=1", Some(1.0)),
            ("hf:o/r@refs/pr/7/last=1e-1", "hf:o/r@refs/pr/7/last", Some(0.1)),
        ] {
            let found: LoraArg = text.parse().unwrap();
            assert_eq!((found.path.as_str(), found.scale), (path, scale), "{text}");
        }
        for bad in ["", "=0.5", "a=inf", "a=NaN"] {
            assert!(bad.parse::<LoraArg>().is_err(), "{bad}");
        }
    }
}
