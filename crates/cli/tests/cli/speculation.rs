//! `--speculation`: how a local model answers, never what.

use crate::world::{Ended, World, tiny};

fn ask(world: &World, more: &[&str]) -> Ended {
    let model = tiny("tiny-qwen3-q8_0.gguf");
    let words = ["-m", &model, "--seed", "3", "--temperature", "0.6", "--max-tokens", "60"];
    let words: Vec<&str> = words.iter().chain(more).chain(&["a b a b a b"]).copied().collect();
    world.run(&words)
}

#[test]
fn the_answer_is_the_same_whatever_it_is() {
    let world = World::new();
    let off = ask(&world, &["--speculation", "off"]).ok().stdout;
    assert!(off.len() > 20, "{off:?}");
    for value in ["auto", "1", "8", "32"] {
        assert_eq!(ask(&world, &["--speculation", value]).ok().stdout, off, "{value}");
    }
    assert_eq!(ask(&world, &["--set", "providers.local.speculation=5"]).ok().stdout, off);
    assert_eq!(ask(&world, &[]).ok().stdout, off);
}

#[test]
fn what_is_neither_a_word_nor_a_number_is_refused() {
    let world = World::new();
    let words = ["speculation: \"some\" is neither", "a number from 1 to 32"];
    ask(&world, &["--speculation", "some"]).fails(2, &words);
    ask(&world, &["--set", "providers.local.speculation=64"]).fails(2, &["from 1 to 32"]);
}
