//! `/save`: the conversation as a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::conversation::Conversation;
use crate::failure::Failure;

/// Writes the conversation to `path`: messages as JSON if its name ends in `.json`, else text. The
/// file is there whole or not at all. One that is there already is only replaced if `mine`.
///
/// # Errors
/// A usage error when it is somebody else's file, or cannot be written.
pub(super) fn save(talk: &Conversation, path: &Path, mine: bool) -> Result<(), Failure> {
    if path.exists() && !mine {
        return Err(Failure::usage(format!("{} is there already", path.display()))
            .try_this("choose another name"));
    }
    let as_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let text = if as_json {
        serde_json::to_string_pretty(&talk.said()).map(|text| text + "\n")
    } else {
        Ok(talk.transcript())
    };
    let written = text.map_err(io::Error::other).and_then(|text| write(path, &text));
    written.map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        Failure::usage(message).try_this("choose another folder")
    })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create_new(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.json");
        let talk = Conversation { system: Some("s".into()), ..Conversation::default() };
        save(&talk, &path, false).unwrap();
        let messages: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(messages[0]["content"], "s");
        assert!(save(&talk, &path, false).is_err());
        save(&talk, &path, true).unwrap();
        assert!(save(&talk, &folder.path().join("no/where.md"), false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half-written");
    }
}
