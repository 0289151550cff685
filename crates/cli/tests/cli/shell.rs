//! Help, version, completions, manual.

use crate::world::World;

#[test]
fn help_teaches_and_documents_the_exit_codes() {
    let world = World::new();
    let long = world.run(&["--help"]).ok().stdout;
    for words in ["Examples:", "Exit codes:", "TEXTPORT_PROFILE", "textport.toml", "130"] {
        assert!(long.contains(words), "{words:?} is missing in the help");
    }
    let after =
        |heading: &str| long.split_once(heading).unwrap().1.lines().nth(1).unwrap().to_owned();
    for heading in ["Exit codes:", "Environment:", "later ones win:"] {
        assert!(
            after(heading).starts_with("  "),
            "the first line under {heading:?} is not indented"
        );
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
fn completions_know_the_flags_of_the_verb_that_is_left_out() {
    let script = World::new().run(&["completions", "fish"]).ok().stdout;
    let without_verb =
        |line: &&str| line.contains("needs_command") && line.contains("-l temperature");
    assert_eq!(script.lines().filter(without_verb).count(), 1);
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

#[test]
fn nouns_without_a_verb_list() {
    let world = World::new();
    for noun in ["models", "providers", "logs"] {
        let bare = world.run(&[noun]).ok();
        let listed = world.run(&[noun, "list"]).ok();
        assert_eq!(bare.stdout, listed.stdout, "{noun}");
        assert_eq!(listed.stdout, world.run(&[noun, "ls"]).ok().stdout, "{noun}");
    }
}

/// Words of a line as a shell would part them; it ends at a pipe, a redirection or a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '<' | '>' | '#' | '&' | ';') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Every command line that this text shows: after a prompt, at the beginning of a line, in a pipe.
fn shown(text: &str) -> Vec<Vec<String>> {
    let commands = text.lines().flat_map(|line| line.split(['|', '$', '&']));
    let commands = commands.map(str::trim).filter(|command| command.starts_with("textport "));
    // Two spaces part a command from what is said of it.
    commands.map(|command| words(command.split("  ").next().unwrap())).collect()
}

#[test]
fn commands_that_the_help_and_the_readme_show_are_understood() {
    let world = World::new();
    let verbs = [
        "ask",
        "chat",
        "providers",
        "models",
        "gradio",
        "eval",
        "config",
        "logs",
        "bench",
        "doctor",
        "completions",
        "man",
    ];
    let mut texts = vec![include_str!("../../../../README.md").to_owned()];
    texts.extend(verbs.iter().map(|verb| {
        let help = world.run(&[verb, "--help"]).ok().stdout;
        help.split_once("Examples:").map_or(String::new(), |(_, examples)| examples.to_owned())
    }));
    texts.push(world.run(&["-h"]).ok().stdout);
    let mut count = 0;
    for command in texts.iter().flat_map(|text| shown(text)) {
        // A synopsis, and a line of a Cargo.toml, only look like commands.
        if command.get(1).is_none_or(|word| word.starts_with(['[', '='])) {
            continue;
        }
        // --help wins over everything that is understood; what is not understood comes before it.
        let mut arguments: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        arguments.insert(end, "--help");
        let ended = world.run(&arguments);
        assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
        count += 1;
    }
    assert!(count > 30, "only {count} commands were found");
}
