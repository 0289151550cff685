//! The token of the Hugging Face tools of this machine: where they keep it, and what it is.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use textport::Secret;

use super::environment::Environment;

/// Where a token was found; never what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenPlace {
    /// `HF_TOKEN`.
    Variable,
    /// The file that `hf auth login` writes.
    File(PathBuf),
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("the variable HF_TOKEN"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The token, looked for where and in the order that the Hub's own tools do.
pub(crate) fn find(environment: &Environment) -> Option<(TokenPlace, Secret)> {
    if let Some(token) = environment.get("HF_TOKEN").map(str::trim).filter(|text| !text.is_empty())
    {
        return Some((TokenPlace::Variable, Secret::new(token)));
    }
    let path = environment.get("HF_TOKEN_PATH").map(PathBuf::from);
    let path = path.or_else(|| Some(home(environment)?.join("token")))?;
    // Their tools write this file readable by others on some systems: it is theirs to guard.
    let text = fs::read_to_string(&path).ok()?;
    let token = Some(text.trim()).filter(|text| !text.is_empty())?;
    Some((TokenPlace::File(path), Secret::new(token)))
}

fn home(environment: &Environment) -> Option<PathBuf> {
    environment.get("HF_HOME").map(PathBuf::from).or_else(|| {
        let cache = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| environment.home().map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("huggingface"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<(TokenPlace, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = variables.iter().map(own).collect();
        let environment = Environment { variables, current: "/".into() };
        find(&environment).map(|(place, secret)| (place, secret.expose().to_owned()))
    }

    #[test]
    fn the_variable_comes_before_the_named_file_before_the_homes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = |name: &str| path(name).to_string_lossy().into_owned();
        for (name, token) in [("named", "b"), ("hf/token", "c"), ("xdg/huggingface/token", "d")] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), format!("{token}\n")).unwrap();
        }
        fs::write(path("empty"), "\n").unwrap();
        let (named, hf, xdg) = (text("named"), text("hf"), text("xdg"));
        let all = [
            ("HF_TOKEN", "a "),
            ("HF_TOKEN_PATH", &*named),
            ("HF_HOME", &*hf),
            ("XDG_CACHE_HOME", &*xdg),
        ];
        let file = |name: &str, token: &str| Some((TokenPlace::File(path(name)), token.to_owned()));
        assert_eq!(found(&all), Some((TokenPlace::Variable, "a".to_owned())));
        assert_eq!(found(&all[1..]), file("named", "b"));
        assert_eq!(found(&all[2..]), file("hf/token", "c"));
        assert_eq!(found(&all[3..]), file("xdg/huggingface/token", "d"));
        assert_eq!(found(&[("HF_TOKEN_PATH", &text("empty"))]), None);
    }
}
