//! What the process was started with: variables, folders. Read once, so that tests can make one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use textport::{Error, ErrorKind};

/// Variables and the current folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// Variables; those that are no Unicode are kept lossily, as nothing of ours can be in them.
    pub(crate) variables: BTreeMap<String, String>,
    /// Where the process runs.
    pub(crate) current: PathBuf,
}

/// Where textport keeps things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dirs {
    /// Holds `config.toml`.
    pub(crate) config: PathBuf,
    /// Things that can be fetched again.
    pub(crate) cache: PathBuf,
    /// Things that cannot: the log of conversations, histories.
    pub(crate) state: PathBuf,
}

impl Environment {
    /// This process's.
    pub(crate) fn of_process() -> Self {
        let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
        Self {
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            current: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's folder.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from).or_else(|| etcetera::home_dir().ok())
    }

    /// `~/x` as a path, relative ones below `base`.
    pub(crate) fn resolve(&self, path: &str, base: &Path) -> PathBuf {
        let home = path.strip_prefix("~/").or((path == "~").then_some(""));
        match home.and_then(|rest| self.home().map(|home| home.join(rest))) {
            Some(path) => path,
            None => base.join(path),
        }
    }

    /// The folders in use. The XDG rules hold on macOS too, as people expect of a command-line tool.
    ///
    /// # Errors
    /// When there is no home folder to put them into.
    pub(crate) fn dirs(&self) -> Result<Dirs, Error> {
        if let Some(home) = self.get("TEXTPORT_HOME") {
            let home = self.resolve(home, &self.current);
            let (cache, state) = (home.join("cache"), home.join("state"));
            return Ok(Dirs { config: home, cache, state });
        }
        let folder = |variable: &str, below_home: &str| {
            let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            let base = given.or_else(|| self.home().map(|home| home.join(below_home)));
            base.map(|base| base.join("textport")).ok_or_else(no_home)
        };
        Ok(Dirs {
            config: folder("XDG_CONFIG_HOME", ".config")?,
            cache: folder("XDG_CACHE_HOME", ".cache")?,
            state: folder("XDG_STATE_HOME", ".local/state")?,
        })
    }
}

fn no_home() -> Error {
    Error::new(ErrorKind::ConfigInvalid, "there is no home folder")
        .with_hint("set HOME, or TEXTPORT_HOME to a folder for textport's own files")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment { variables: variables.iter().map(own).collect(), current: "/work".into() }
    }

    #[test]
    fn one_variable_moves_every_folder() {
        let dirs = environment(&[("TEXTPORT_HOME", "/t"), ("HOME", "/h")]).dirs().unwrap();
        assert_eq!(dirs.config, Path::new("/t"));
        assert_eq!((dirs.cache, dirs.state), ("/t/cache".into(), "/t/state".into()));
    }

    #[test]
    fn xdg_variables_count_only_when_absolute() {
        let dirs =
            environment(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "s")])
                .dirs()
                .unwrap();
        assert_eq!(dirs.config, Path::new("/h/.config/textport"));
        assert_eq!(dirs.cache, Path::new("/c/textport"));
        assert_eq!(dirs.state, Path::new("/h/.local/state/textport"));
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let environment = environment(&[("HOME", "/h")]);
        assert_eq!(environment.resolve("~/x", Path::new("/b")), Path::new("/h/x"));
        assert_eq!(environment.resolve("x", Path::new("/b")), Path::new("/b/x"));
        assert_eq!(environment.resolve("/x", Path::new("/b")), Path::new("/x"));
    }
}
