//! `textport bench`.

use crate::home::{Home, tiny_model};

const SHORT: [&str; 8] =
    ["--prompt-lengths", "8,16", "--decode-lengths", "4", "--threads", "1,2", "--repetitions", "2"];

fn bench(more: &[&'static str]) -> Vec<&'static str> {
    ["bench"].iter().chain(&SHORT).chain(more).copied().collect()
}

#[test]
fn every_combination_is_a_row_of_the_table() {
    let home = Home::new();
    let run = home.run(&bench(&[])).ok();
    for word in ["MODEL", "pp8", "pp16", "tg4", "kernels"] {
        assert!(run.stdout.contains(word), "{word}: {run:?}");
    }
    assert_eq!(run.stdout.lines().filter(|line| line.contains(" tg4 ")).count(), 2);
    assert!(run.stderr.contains("6 measurements of"), "{run:?}");
}

#[test]
fn json_has_what_the_table_has_and_more() {
    let home = Home::new();
    let report = home.json(&bench(&["--json", "--depths", "0,32"]));
    assert_eq!(report["v"], 1);
    assert_eq!(report["architecture"], "qwen3");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    for row in rows {
        let speed = &row["tokens_per_s"];
        let speed = |key: &str| speed[key].as_f64().unwrap();
        assert!(0.0 < speed("min") && speed("min") <= speed("median"), "{row}");
        assert!(speed("median") <= speed("max"), "{row}");
    }
    let lines = home.run(&bench(&["--format", "jsonl", "--quiet"])).code(2);
    assert_eq!(lines.stdout, "");
    let lines = home.run(&bench(&["--format", "jsonl"])).ok().stdout;
    assert_eq!(lines.lines().count(), 6);
    assert!(lines.lines().all(|line| line.contains("\"test\":\"")), "{lines}");
}

#[test]
fn a_model_can_be_named() {
    let home = Home::with_config("");
    let model = tiny_model();
    let words = ["bench", "-m", model.to_str().unwrap(), "--json", "--decode-lengths", "0"];
    let short = ["--prompt-lengths", "4", "--repetitions", "1"];
    let report = home.json(&words.iter().chain(&short).copied().collect::<Vec<_>>());
    assert_eq!(report["rows"].as_array().unwrap().len(), 1);
    home.run(&["bench", "-m", "./nowhere.gguf"]).code(8).says("nowhere.gguf");
}

/// A `config.json` and nothing else.
fn shape() -> String {
    let fixtures = tiny_model().parent().unwrap().join("hf/qwen3");
    fixtures.join("config.json").to_str().unwrap().to_owned()
}

#[test]
fn a_shape_is_measured_without_weights() {
    let home = Home::with_config("");
    let shape = shape();
    let words = ["bench", "--random-weights", shape.as_str(), "--device", "cpu"];
    let short = ["--prompt-lengths", "8", "--decode-lengths", "2", "--repetitions", "1"];
    let words: Vec<_> = words.into_iter().chain(short).collect();
    let run = home.run(&words).ok();
    for word in ["pp8", "tg2", "BF16", "made in "] {
        assert!(run.stdout.contains(word), "{word}: {run:?}");
    }
    let with = |more: &[&'static str]| -> Vec<_> {
        words.iter().copied().chain(more.iter().copied()).collect()
    };
    let report = home.json(&with(&["--json", "--quant", "q8_0", "--batch", "1,2,4"]));
    assert_eq!(report["model"]["random_weights"], shape.as_str());
    assert_eq!(report["stored_as"][0]["kind"], "Q8_0");
    let batches: Vec<_> =
        report["rows"].as_array().unwrap().iter().map(|row| row["batch"].as_u64()).collect();
    assert_eq!(batches, [Some(1), Some(1), Some(2), Some(4)]);
    assert_eq!(home.json(&with(&["--json", "--dtype", "f32"]))["stored_as"][0]["kind"], "F32");
    let report = home.json(&with(&["--json", "--kv-cache", "q8_0"]));
    // Two layers, keys and values, two heads of 16 numbers and a scale.
    assert_eq!((&report["kv_cache"], &report["kv_bytes_per_token"]), (&"q8_0".into(), &144.into()));
    let report = home.json(&with(&["--json", "--bandwidth", "--no-warmup"]));
    assert!(report["read_bandwidth"][0]["bytes_per_s"]["median"].as_f64().unwrap() > 1e6);
    assert!(report["rows"][0]["share_of_bandwidth"].is_null(), "prefill has none");
    assert!(report["rows"][1]["share_of_bandwidth"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let run = home.run(&with(&["--bandwidth"])).ok();
    assert!(run.stdout.contains("OF BANDWIDTH") && run.stdout.contains("GB/s"), "{run:?}");
    let report = home.json(&with(&["--json", "--quant", "q8_0", "--peak"]));
    assert_eq!(report["byte_products_per_token"], report["products_per_token"]);
    assert!(report["peak"][0]["bytes_per_s"]["median"].as_f64().unwrap() > 1e3);
    assert!(report["rows"][0]["share_of_peak"].as_f64().unwrap() > 0.0);
    assert!(report["rows"][1]["share_of_peak"].is_null(), "decode has none");
    let run = home.run(&with(&["--peak"])).ok();
    assert!(run.stdout.contains("OF PEAK") && run.stdout.contains("G of floats"), "{run:?}");
}

/// A model beside the tiny one of every home.
fn fixture(name: &str) -> String {
    tiny_model().with_file_name(name).to_str().unwrap().to_owned()
}

#[test]
fn perplexity_says_how_far_from_a_reference_a_model_is() {
    let home = Home::with_config("");
    let text = home.path().join("text.txt");
    std::fs::write(&text, "The harbour has two piers and a light. ".repeat(60)).unwrap();
    let text = text.to_str().unwrap();
    let (quantized, exact) = (fixture("tiny-qwen3-q8_0.gguf"), fixture("tiny-qwen3-f32.gguf"));
    let words = ["bench", "perplexity", text, "-m", &quantized, "--context", "64"];
    let with = |more: &[&'static str]| -> Vec<_> {
        words.iter().copied().chain(["--windows", "2"]).chain(more.iter().copied()).collect()
    };
    let run = home.run(&with(&[])).ok();
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    let alone = home.json(&with(&["--json"]));
    assert!(alone["result"]["divergence"].is_null() && alone["reference"].is_null(), "{alone}");
    assert_eq!(alone["result"]["scored"], 62);
    let mut both = with(&[]);
    both.extend(["--reference", exact.as_str()]);
    let run = home.run(&both).ok();
    assert!(run.stdout.contains("divergence from") && run.stdout.contains("nats"), "{run:?}");
    assert!(run.stderr.contains("nats from the reference"), "{run:?}");
    both.push("--json");
    let found = home.json(&both);
    assert_eq!(found["result"]["perplexity"], alone["result"]["perplexity"]);
    let divergence = |key: &str| found["result"]["divergence"][key].as_f64().unwrap();
    assert!(0.0 < divergence("mean") && divergence("mean") <= divergence("max"), "{found}");
    assert!(divergence("same_top") > 0.5 && divergence("reference_perplexity") > 1.0, "{found}");
    let other = fixture("tiny-thinking-q8_0.gguf");
    let mut wrong = with(&[]);
    wrong.extend(["--reference", other.as_str()]);
    home.run(&wrong).code(2).says("different vocabularies");
}

#[test]
fn what_cannot_be_measured_without_weights_is_refused() {
    let home = Home::with_config("");
    let shape = shape();
    let random = |more: &[&'static str]| {
        let words = ["bench", "--random-weights", shape.as_str()];
        home.run(&words.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    home.run(&["bench", "--random-weights", "qwen9"]).code(2).says("qwen3-8b");
    // More than any machine has: 32 billion numbers and 400 GB of keys and values.
    let large = ["--random-weights", "qwen3-32b", "--dtype", "f32", "--depths", "40000"];
    let many = ["--batch", "64", "--prompt-lengths", "0", "--decode-lengths", "1"];
    let words: Vec<_> = ["bench"].into_iter().chain(large).chain(many).collect();
    home.run(&words).code(5).says("qwen3-32b in f32 needs").says("--quant");
    random(&["--dtype", "q4"]).code(2).says("bf16");
    random(&["--quant", "q9"]).code(2).says("q4_k_m");
    random(&["--dtype", "f16", "--quant", "q8_0"]).code(2);
    random(&["--kv-cache", "q4_0"]).code(2).says("q8_0");
    random(&["-m", "x.gguf"]).code(2);
    random(&["--device", "gpu"]).code(2).says("cuda:N");
    random(&["--batch", "0"]).code(2).says("at least 1");
    home.run(&["bench", "--random-weights", "/nowhere/config.json"]).code(2).says("no shape");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let home = Home::new();
    home.run(&["bench", "--prompt-lengths", "0", "--decode-lengths", "0"])
        .code(2)
        .says("measures nothing");
    home.run(&["bench", "--prompt-lengths", "100000"]).code(2).says("context of 512");
    home.run(&["bench", "--threads", "many"]).code(2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_the_rows_that_are_finished() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let home = Home::new();
    // The first row is there at once, the second would take minutes.
    let words =
        ["bench", "--prompt-lengths", "4", "--decode-lengths", "500", "--repetitions", "3000"];
    let mut command = home.command(&words);
    command.args(["--threads", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("pp4 on 1 threads")), "no row was told");
    crate::home::signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("pp4") && !table.contains("tg500"), "{table}");
}

#[test]
fn answers_with_drafts_are_measured_beside_those_without() {
    let home = Home::new();
    let file = home.path().join("edit.txt");
    std::fs::write(&file, "one two one two one two one two").unwrap();
    let words = ["bench", "speculation", file.to_str().unwrap(), "--speculation", "off,8"];
    let short = ["--max-tokens", "30", "--repetitions", "2", "--temperature", "0.4"];
    let words: Vec<_> = words.into_iter().chain(short).collect();
    let run = home.run(&words).ok();
    for word in ["SPECULATION", "DRAFTED", "ACCEPTED", "the same answers every time"] {
        assert!(run.stdout.contains(word), "{word}: {run:?}");
    }
    assert!(run.stderr.contains("speculation 8: "), "{run:?}");
    let with = |more: &[&'static str]| -> Vec<_> { words.iter().chain(more).copied().collect() };
    let report = home.json(&with(&["--json"]));
    assert_eq!((&report["v"], &report["same_answers"]), (&1.into(), &true.into()));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((&rows[0]["drafted"], &rows[0]["accepted"]), (&0.into(), &0.into()));
    assert!(rows[1]["drafted"].as_u64().unwrap() > 0, "{report}");
    home.run(&["bench", "speculation", file.to_str().unwrap(), "--speculation", "on"])
        .code(2)
        .says("a number from 1 to 32");
}
