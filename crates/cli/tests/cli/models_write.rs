//! `textport models quantize` and `textport models merge-lora`.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::hub_emulator::{HubEmulator, Model};

use crate::world::{Ended, World};

/// A folder or file beside the tests of the local provider.
fn fixture(name: &str) -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = manifest.join("../adapter-local/tests/fixtures").join(name);
    assert!(path.exists(), "{} is not there", path.display());
    path.to_string_lossy().into_owned()
}

const ASK: [&str; 5] = ["--temperature", "0", "--max-tokens", "12", "A port"];

fn answer(world: &World, more: &[&str]) -> String {
    let ended = world.run(&[more, &ASK].concat()).ok();
    assert!(!ended.stdout.trim().is_empty(), "{ended:?}");
    ended.stdout
}

#[test]
fn a_folder_becomes_a_file_that_answers_the_same() {
    let world = World::new();
    let model = fixture("hf/qwen3");
    let ended = world.run(&["models", "quantize", &model, "out.gguf", "--quant", "f32"]).ok();
    assert_eq!(ended.stdout.trim(), "out.gguf");
    assert!(ended.stderr.contains("(f32)"), "{ended:?}");
    assert_eq!(answer(&world, &["-m", "out.gguf"]), answer(&world, &["-m", &model]));
    let ended = world.run(&["models", "quantize", &model, "out.gguf"]);
    ended.fails(2, &["out.gguf is there already", "another name"]);
    let json = ["models", "quantize", &model, "small.gguf", "--quant", "q8_0", "--json"];
    let json = world.run(&json).ok().json();
    assert_eq!((&json["v"], &json["written"]["quantization"]), (&1.into(), &"q8_0".into()));
    let size = fs::metadata(world.path("project/small.gguf")).unwrap().len();
    assert_eq!(json["written"]["bytes"], size);
    world.run(&["models", "quantize", &model, "x.gguf", "--quant", "q9"]).fails(2, &["q4_k_m"]);
    world.run(&["models", "quantize", "./none", "x.gguf"]).fails(8, &["./none"]);
    assert!(!world.path("project/x.gguf").exists());
}

#[test]
fn a_merged_folder_answers_as_base_and_adapter_do() {
    let world = World::new();
    let (base, lora) = (fixture("hf/qwen3"), fixture("lora/qwen3-linear"));
    let half = format!("{lora}=0.5");
    let merge = ["models", "merge-lora", &base, "tuned", "--lora", &half];
    let ended = world.run(&merge).ok();
    assert_eq!(ended.stdout.trim(), "tuned");
    let at_load = answer(&world, &["-m", &base, "--lora", &half]);
    // Without a separator: the folder, as its name says.
    world.run(&["models", "quantize", "tuned", "tuned.gguf", "--quant", "f32"]).ok();
    assert_eq!(answer(&world, &["-m", "./tuned"]), at_load);
    assert_eq!(answer(&world, &["-m", "tuned.gguf"]), at_load);
    let quantize = ["models", "quantize", &base, "at-once.gguf", "--quant", "f32", "--lora", &half];
    world.run(&quantize).ok();
    assert_eq!(answer(&world, &["-m", "at-once.gguf"]), at_load);
    assert_ne!(answer(&world, &["-m", &base]), at_load);
    world.run(&merge).fails(2, &["tuned is there already"]);
    world.run(&["models", "merge-lora", &base, "x"]).fails(2, &["--lora"]);
    let wrong = format!("{lora}=inf");
    world.run(&["models", "merge-lora", &base, "x", "--lora", &wrong]).fails(2, &["finite"]);
    let other = fixture("hf/llama");
    let ended = world.run(&["models", "merge-lora", &other, "x", "--lora", &lora]);
    ended.fails(8, &["was not made for this model", "base_model_name_or_path"]);
    let file = fixture("tiny-qwen3-f32.gguf");
    let ended = world.run(&["models", "merge-lora", &file, "x", "--lora", &lora]);
    ended.fails(8, &["is no folder of safetensors", "models quantize --lora"]);
    assert!(!world.path("project/x").exists());
}

/// A world whose Hub has a model and an adapter.
struct Shelf {
    world: World,
    hub: HubEmulator,
}

impl Shelf {
    fn new() -> Self {
        let hub = HubEmulator::start("hf_good").unwrap();
        for (id, folder) in [("acme/base", "hf/qwen3"), ("acme/tune", "lora/qwen3-linear")] {
            let folder = fixture(folder);
            let files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .map(|path| {
                    (
                        path.file_name().unwrap().to_string_lossy().into_owned(),
                        fs::read(path).unwrap(),
                    )
                })
                .collect();
            let files: Vec<(&str, &[u8])> =
                files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
            hub.add_model(
                Model::new(id).with_commit("main", &files).with_commit("v1", &files).private(),
            );
        }
        Self { world: World::new(), hub }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("HF_ENDPOINT", self.hub.url()).env("HF_TOKEN", "hf_good");
        command.env("HF_HUB_CACHE", self.world.path("hub"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    fn answer(&self, more: &[&str]) -> String {
        self.run(&[more, &ASK].concat()).ok().stdout
    }
}

#[test]
fn adapters_and_bases_of_the_hub_are_fetched_by_address() {
    let shelf = Shelf::new();
    let base = fixture("hf/qwen3");
    let local = format!("{}=0.5", fixture("lora/qwen3-linear"));
    let wanted = shelf.answer(&["-m", &base, "--lora", &local]);
    assert_eq!(shelf.answer(&["-m", &base, "--lora", "hf:acme/tune@v1=0.5"]), wanted);
    let config = format!(
        "[providers.local]\nmodel = '{base}'\nlora = [{{ path = 'hf:acme/tune', scale = 0.5 }}]\n"
    );
    shelf.world.project(&config);
    assert_eq!(shelf.answer(&[]), wanted);
    let merge = ["models", "merge-lora", "hf:acme/base", "tuned", "--lora", "hf:acme/tune=0.5"];
    shelf.run(&merge).ok();
    let quantize = [
        "models",
        "quantize",
        "hf:acme/base@v1",
        "t.gguf",
        "--quant",
        "f32",
        "--lora",
        "hf:acme/tune=0.5",
    ];
    shelf.run(&quantize).ok();
    let before = shelf.hub.journal().len();
    let offline = |arguments: &[&str]| -> Ended {
        shelf.command(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap().into()
    };
    for more in [
        &["-m", "./tuned", "--set", "providers.local.lora=[]"][..],
        &["-m", "t.gguf", "--set", "providers.local.lora=[]"],
        &["-m", "hf:acme/base", "--lora", "hf:acme/tune@v1=0.5"],
    ] {
        assert_eq!(offline(&[more, &ASK].concat()).ok().stdout, wanted, "{more:?}");
    }
    assert_eq!(shelf.hub.journal().len(), before, "the network was not used");
    let ended = shelf.run(&["-m", &base, "--lora", "hf:acme/none", "hello"]);
    ended.fails(8, &["hf:acme/none"]);
}

/// A llama of 1.2 thousand million zeros, which take no space in the file.
#[cfg(unix)]
fn large(folder: &Path) {
    use std::io::Write;
    let (width, inner, layers) = (4096_u64, 12_288_u64, 6_u64);
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("hf/llama") + "/config.json").unwrap()).unwrap();
    config["hidden_size"] = width.into();
    config["intermediate_size"] = inner.into();
    config["num_hidden_layers"] = layers.into();
    config["num_attention_heads"] = 32.into();
    config["num_key_value_heads"] = 32.into();
    config["head_dim"] = 128.into();
    let (mut header, mut end) = (serde_json::Map::new(), 0_u64);
    let mut add = |name: String, shape: &[u64]| {
        let bytes = shape.iter().product::<u64>() * 4;
        let offsets = [end, end + bytes];
        end += bytes;
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": offsets });
        header.insert(name, entry);
    };
    add("model.embed_tokens.weight".into(), &[320, width]);
    add("lm_head.weight".into(), &[320, width]);
    add("model.norm.weight".into(), &[width]);
    for layer in 0..layers {
        let mut add =
            |part: &str, shape: &[u64]| add(format!("model.layers.{layer}.{part}.weight"), shape);
        add("input_layernorm", &[width]);
        add("post_attention_layernorm", &[width]);
        for part in ["q", "k", "v", "o"] {
            add(&format!("self_attn.{part}_proj"), &[width, width]);
        }
        add("mlp.gate_proj", &[inner, width]);
        add("mlp.up_proj", &[inner, width]);
        add("mlp.down_proj", &[width, inner]);
    }
    let text = serde_json::Value::Object(header).to_string();
    let mut file = fs::File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(8 + text.len() as u64 + end).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        fs::copy(Path::new(&fixture("hf/llama")).join(name), folder.join(name)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_of_what_was_written() {
    let world = World::new();
    fs::create_dir(world.path("model")).unwrap();
    large(&world.path("model"));
    let out = world.path("out");
    fs::create_dir(&out).unwrap();
    let model = world.path("model").to_string_lossy().into_owned();
    let to = out.join("x.gguf").to_string_lossy().into_owned();
    let mut child =
        world.command(&["models", "quantize", &model, &to, "--quant", "q4_k_m"]).spawn().unwrap();
    // It has begun when something lies in the folder.
    while fs::read_dir(&out).unwrap().next().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began to write");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "nothing is left");
}
