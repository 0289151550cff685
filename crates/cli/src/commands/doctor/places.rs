//! Folders and the log: whether they can be written, and how much space is left.

use std::fs;
use std::path::Path;

use indicatif::HumanBytes;

use super::Finding;
use crate::history::{Log, Place};
use crate::settings::{Dirs, Settings};

/// Less than this and a model will not fit.
const ENOUGH: u64 = 1 << 30;

/// The folders for fetched things, for what was said, and for the configuration.
pub(super) fn folders(dirs: &Dirs, settings: Option<&Settings>) -> Vec<Finding> {
    let cache = settings.map_or(&dirs.cache, |settings| &settings.config.cache_dir);
    vec![
        folder("cache", cache, "set cache_dir to another folder"),
        folder("state", &dirs.state, "set XDG_STATE_HOME to another folder"),
        folder("config", &dirs.config, "set XDG_CONFIG_HOME to another folder"),
    ]
}

/// Whether `path`, or the nearest folder above it that exists, can be written.
fn folder(name: &'static str, path: &Path, hint: &str) -> Finding {
    let Some(existing) = path.ancestors().find(|folder| folder.exists()) else {
        return Finding::fail(name, format!("{} cannot be made", path.display()), hint);
    };
    let there = if existing == path { "" } else { " (made when needed)" };
    if !writable(existing) {
        let detail = format!("{} cannot be written", path.display());
        // Reading the configuration needs no writing.
        return match name {
            "config" => Finding::warn(name, detail, hint),
            _ => Finding::fail(name, detail, hint),
        };
    }
    let Ok(free) = fs4::available_space(existing) else {
        return Finding::ok(name, format!("{}{there}", path.display()));
    };
    let detail = format!("{}{there}, {} free", path.display(), HumanBytes(free));
    if name == "cache" && free < ENOUGH {
        Finding::warn(name, detail, "free some space, or set cache_dir to another disk")
    } else {
        Finding::ok(name, detail)
    }
}

/// Permissions do not tell it all: a file that can be made does.
fn writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".textport-probe-{}", std::process::id()));
    let made = fs::OpenOptions::new().write(true).create_new(true).open(&probe).is_ok();
    made && fs::remove_file(&probe).is_ok()
}

/// The log of conversations. Nothing else needs it.
pub(super) fn log(settings: &Settings) -> Finding {
    let place = Place::of(settings);
    let path = place.database().display();
    let off = if place.switched_off() {
        Some("switched off by `textport logs off`")
    } else if !settings.config.log.enabled {
        Some("switched off by log.enabled")
    } else {
        None
    };
    let counted = Log::open_existing(&place).and_then(|log| match log {
        Some(log) => Ok(Some((log.fault()?, log.counts()?))),
        None => Ok(None),
    });
    let hint = "move it away and a new one is made";
    match (counted, off) {
        (Err(error), _) => Finding::warn("log", error.to_string(), error.hint().unwrap_or(hint)),
        (Ok(Some((Some(fault), _))), _) => Finding::warn("log", format!("{path}: {fault}"), hint),
        (Ok(_), Some(why)) => Finding::ok("log", why),
        (Ok(None), None) => Finding::ok("log", format!("{path}, nothing logged yet")),
        (Ok(Some((None, (conversations, turns)))), None) => {
            Finding::ok("log", format!("{path}, conversations: {conversations}, turns: {turns}"))
        }
    }
}
