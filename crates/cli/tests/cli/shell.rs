//! Help, version, completions, manual.

use crate::world::World;

#[test]
fn help_teaches_and_documents_the_exit_codes() {
    let world = World::new();
    let long = world.run(&["--help"]).ok().stdout;
    for words in ["Examples:", "Exit codes:", "TEXTPORT_PROFILE", "textport.toml", "130"] {
        assert!(long.contains(words), "{words:?} is missing in the help");
    }
    let short = world.run(&["-h"]).ok().stdout;
    assert!(short.contains("Examples:") && !short.contains("Exit codes:"));
    assert!(world.run(&["ask", "--help"]).ok().stdout.contains("--temperature"));
    assert!(world.run(&["--version"]).ok().stdout.starts_with("textport "));
}

#[test]
fn help_needs_no_configuration() {
    let world = World::new();
    world.project("broken");
    for arguments in [["--help"], ["--version"], ["man"]] {
        world.run(&arguments).ok();
    }
    world.run(&["completions", "zsh"]).ok();
}

#[test]
fn completions_exist_for_every_shell() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = world.run(&["completions", shell]).ok().stdout;
        assert!(script.contains("textport") && script.contains("providers"), "{shell}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let world = World::new();
    let folder = world.path("man").to_string_lossy().into_owned();
    world.run(&["man", &folder]).ok();
    for page in ["textport", "textport-ask", "textport-chat", "textport-models-pull"] {
        assert!(world.path(&format!("man/{page}.1")).is_file(), "{page}");
    }
    let page = world.run(&["man"]).ok().stdout;
    assert!(page.contains("EXIT STATUS") && page.contains("ENVIRONMENT"), "{page}");
}
